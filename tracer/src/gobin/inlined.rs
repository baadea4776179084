//! Inlined copies of functions: which functions contain them, by one walk over all inline trees.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::binary::GoBinary;
use super::error::Error;
use super::layout::inline_entry;
use super::model::InlinedAt;
use super::pclntab::Pclntab;
use super::reader::u32_at;
use crate::addr::ImageAddr;

/// Ranges and entries of inline trees that are counted exactly in one walk; stock daemons have a
/// thousandth of that.
const MOST_INLINED: usize = 1 << 24;
/// Bytes looked at as one tree; those of stock daemons have a twentieth of that.
const MOST_TREE: usize = 1 << 20;
/// Names whose answer is kept; a power of two.
const KEPT: usize = 1 << 15;

/// Which name offsets mean one of the names looked for: trees name the same few thousand functions
/// again and again.
struct Wanted<'n> {
    names: HashSet<&'n str>,
    /// (offset, answer) in the slot of the offset's hash.
    kept: Vec<(u32, bool)>,
}

impl<'n> Wanted<'n> {
    fn new(names: &[&'n str]) -> Self {
        Self {
            names: names.iter().copied().collect(),
            kept: vec![(u32::MAX, false); KEPT],
        }
    }

    fn has(&mut self, offset: u32, table: &Pclntab<'_>) -> bool {
        let is_wanted = || table.name(offset).is_some_and(|n| self.names.contains(n));
        let slot = (offset.wrapping_mul(0x9e37_79b1) >> 17) as usize % KEPT;
        match self.kept.get_mut(slot) {
            Some((known, answer)) if *known == offset => *answer,
            Some(kept) => {
                *kept = (offset, is_wanted());
                kept.1
            }
            None => is_wanted(),
        }
    }
}

impl GoBinary<'_> {
    /// Functions that contain inlined copies of the named ones: one walk over all inline trees.
    ///
    /// # Errors
    /// None at present; damaged trees are passed over.
    pub fn inlined_at(&self, names: &[&str]) -> Result<BTreeMap<String, Vec<InlinedAt>>, Error> {
        let mut found: BTreeMap<String, Vec<InlinedAt>> = BTreeMap::new();
        let mut budget = MOST_INLINED;
        let wanted: HashSet<&str> = names.iter().copied().collect();
        for index in self.may_inline(names) {
            let Some((record, entry)) = self.record(index) else {
                continue;
            };
            let Some(tree) = self.table.inline_tree(
                &self.elf,
                &record,
                entry,
                self.version.minor,
                self.module.gofunc,
            ) else {
                continue;
            };
            let mut here: BTreeSet<&str> = BTreeSet::new();
            for i in 0..tree.len(&mut budget) {
                if let Some(name) = tree.name_off(i).and_then(|o| self.table.name(o))
                    && wanted.contains(name)
                {
                    here.insert(name);
                }
            }
            let Some(caller) = (if here.is_empty() {
                None
            } else {
                self.name_of(index)
            }) else {
                continue;
            };
            for name in here {
                found.entry(name.to_owned()).or_default().push(InlinedAt {
                    caller: caller.to_owned(),
                    caller_entry: ImageAddr(entry),
                });
            }
        }
        Ok(found)
    }

    /// Functions, by index, whose inline tree may hold one of the names. Trees do not say how long
    /// they are, and the table that does is large: each is looked at as far as the next one begins.
    fn may_inline(&self, names: &[&str]) -> Vec<usize> {
        let mut trees: Vec<(u64, u32)> = (0..self.table.nfunc)
            .filter_map(|index| {
                let record = self.table.record(&self.elf, index)?;
                let addr = self.table.inline_tree_addr(
                    &self.elf,
                    &record,
                    self.version.minor,
                    self.module.gofunc,
                )?;
                Some((addr.0, u32::try_from(index).ok()?))
            })
            .collect();
        self.elf.pages.moved_on();
        trees.sort_unstable();
        let mut wanted = Wanted::new(names);
        let (size, name, _) = inline_entry(self.table.format());
        let mut found = Vec::new();
        let mut at = 0;
        for same in trees.chunk_by(|a, b| a.0 == b.0) {
            at += same.len();
            let Some((start, _)) = same.first() else {
                continue;
            };
            let next = trees
                .get(at)
                .and_then(|(next, _)| usize::try_from(next - start).ok());
            let len = next.map_or(MOST_TREE, |len| len.min(MOST_TREE));
            let bytes = self.elf.bytes_from(ImageAddr(*start)).unwrap_or_default();
            let mut entries = bytes.get(..len).unwrap_or(bytes).chunks_exact(size);
            let holds = |entry: &[u8]| {
                u32_at(entry, name).is_some_and(|offset| wanted.has(offset, &self.table))
            };
            if entries.any(holds) {
                found.extend(same.iter().map(|(_, index)| *index as usize));
            }
        }
        self.elf.pages.moved_on();
        found.sort_unstable();
        found
    }
}

//! Every type that the types a binary lists lead to: a walk in waves, each in the order of
//! addresses, that makes no types.

use std::collections::BTreeSet;

use super::descriptor::{
    ELEM, FIELD_SIZE, FIELD_TYPE, FUNC_VARIADIC, IMETHOD_SIZE, Kind, MAP_ELEM, METHOD_SIZE,
    METHOD_TYPE, WORD,
};
use super::model::TypeId;
use super::reader::i32_at;
use super::rtype::Types;
use crate::addr::ImageAddr;

/// Types that one walk visits; stock daemons have a tenth of that.
const MOST_TYPES: usize = 1 << 20;

/// Addresses seen: a bit for each word of the type region, a set for what lies elsewhere.
struct Seen {
    from: u64,
    bits: Vec<u64>,
    elsewhere: BTreeSet<u64>,
    left: usize,
}

impl Seen {
    /// Whether it is seen for the first time.
    fn insert(&mut self, id: TypeId) -> bool {
        if self.left == 0 {
            return false;
        }
        let word = id.0.checked_sub(self.from).filter(|at| at % 8 == 0);
        let slot = word
            .and_then(|at| usize::try_from(at / 8).ok())
            .and_then(|n| Some((self.bits.get_mut(n / 64)?, 1u64 << (n % 64))));
        let new = match slot {
            Some((bits, bit)) => {
                let new = *bits & bit == 0;
                *bits |= bit;
                new
            }
            None => self.elsewhere.insert(id.0),
        };
        self.left -= usize::from(new);
        new
    }

    fn into_sorted(self) -> Vec<TypeId> {
        let mut all: Vec<TypeId> = self.elsewhere.into_iter().map(TypeId).collect();
        for (n, bits) in self.bits.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let at = n as u64 * 64 + u64::from(bits.trailing_zeros());
                all.push(TypeId(self.from.saturating_add(at * 8)));
                bits &= bits - 1;
            }
        }
        all.sort_unstable();
        all
    }
}

impl Types<'_, '_> {
    /// Everything reachable from `start`, by address. What is there may be no descriptor, if the
    /// binary is damaged.
    pub fn reachable(&self, start: impl Iterator<Item = TypeId>) -> Vec<TypeId> {
        // a region that claims more than the file has is damaged: what is behind is kept in the set
        let region = self.module.etypes.saturating_sub(self.module.types);
        let in_file = self.elf.segment_at(self.module.types);
        let region = region.min(in_file.map_or(0, |s| s.filesz));
        let mut seen = Seen {
            from: self.module.types,
            bits: vec![0; usize::try_from(region / 512 + 1).unwrap_or(0)],
            elsewhere: BTreeSet::new(),
            left: MOST_TYPES,
        };
        let mut wave: Vec<TypeId> = start.filter(|id| seen.insert(*id)).collect();
        let mut next = Vec::new();
        while !wave.is_empty() {
            wave.sort_unstable();
            for id in &wave {
                self.refers_to(*id, &mut |to| {
                    if seen.insert(to) {
                        next.push(to);
                    }
                });
            }
            std::mem::swap(&mut wave, &mut next);
            next.clear();
        }
        seen.into_sorted()
    }

    /// Types that a type consists of, takes, gives, points to, or has methods of; as far as they
    /// can be read.
    fn refers_to(&self, id: TypeId, to: &mut dyn FnMut(TypeId)) {
        let Ok(header) = self.header(id) else {
            return;
        };
        let mut word = |addr: u64, at: u64| {
            if let Some(found) = self.word(addr, at).filter(|a| *a != 0) {
                to(TypeId(found));
            }
        };
        match header.kind {
            Kind::Array | Kind::Chan | Kind::Pointer | Kind::Slice => word(id.0, ELEM),
            Kind::Map => {
                word(id.0, ELEM);
                word(id.0, MAP_ELEM);
            }
            Kind::Func => {
                let (start, inputs, outputs) = self.func_parts(id, &header).unwrap_or_default();
                for i in 0..inputs + (outputs & !FUNC_VARIADIC) {
                    word(id.0, start + WORD * i);
                }
            }
            Kind::Interface => {
                if let Some((at, count)) = self.members(id) {
                    self.method_types(at, count, IMETHOD_SIZE, to);
                }
            }
            Kind::Struct => {
                let (fields, count) = self.struct_fields(id).unwrap_or_default();
                for i in 0..count {
                    word(fields.saturating_add(FIELD_SIZE * i), FIELD_TYPE);
                }
            }
            _ => {}
        }
        if let Some((at, count)) = self.method_table(id, &header) {
            self.method_types(at, count, METHOD_SIZE, to);
        }
    }

    /// Types in an array of methods of `stride` bytes each: their second offset.
    fn method_types(&self, at: u64, count: u64, stride: u64, to: &mut dyn FnMut(TypeId)) {
        let len = usize::try_from(count.saturating_mul(stride)).unwrap_or(usize::MAX);
        let Some(bytes) = self.elf.bytes_at(ImageAddr(at), len) else {
            return;
        };
        for method in bytes.chunks_exact(usize::try_from(stride).unwrap_or(usize::MAX)) {
            if let Some(ty) = i32_at(method, METHOD_TYPE).and_then(|offset| self.type_off(offset)) {
                to(ty);
            }
        }
    }
}

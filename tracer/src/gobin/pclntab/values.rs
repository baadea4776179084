//! pc-value tables, and the inline trees that are looked up through them.

use super::super::reader::{Reader, i32_at, u32_at};

/// One range of a pc-value table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcRange {
    pub start: u64,
    pub end: u64,
    pub value: i32,
}

/// Iterator over a pc-value table.
#[derive(Clone, Debug)]
pub struct PcValues<'data> {
    reader: Reader<'data>,
    value: i32,
    pc: u64,
    first: bool,
    min_lc: u64,
}

impl<'data> PcValues<'data> {
    /// From a function's entry on; `min_lc`: bytes of the shortest instruction.
    pub fn new(bytes: &'data [u8], entry: u64, min_lc: u8) -> Self {
        Self {
            reader: Reader::new(bytes),
            value: -1,
            pc: entry,
            first: true,
            min_lc: u64::from(min_lc),
        }
    }
}

impl Iterator for PcValues<'_> {
    type Item = PcRange;

    fn next(&mut self) -> Option<PcRange> {
        let delta = self.reader.uvarint()?;
        if delta == 0 && !self.first {
            self.reader = Reader::new(&[]);
            return None;
        }
        self.first = false;
        let delta = u32::try_from(delta).ok()?;
        let delta = if delta & 1 != 0 {
            !(delta >> 1)
        } else {
            delta >> 1
        };
        self.value = self.value.wrapping_add(delta.cast_signed());
        let start = self.pc;
        self.pc = self
            .pc
            .checked_add(self.reader.uvarint()?.checked_mul(self.min_lc)?)?;
        Some(PcRange {
            start,
            end: self.pc,
            value: self.value,
        })
    }
}

/// Inline tree of one function.
#[derive(Debug)]
pub struct InlineTree<'data> {
    bytes: &'data [u8],
    size: usize,
    name: usize,
    parent: usize,
    values: PcValues<'data>,
    entry: u64,
}

impl<'data> InlineTree<'data> {
    /// `layout`: size of an entry, offsets of its name and of its parent's pc.
    pub fn new(
        bytes: &'data [u8],
        layout: (usize, usize, usize),
        values: PcValues<'data>,
        entry: u64,
    ) -> Self {
        let (size, name, parent) = layout;
        Self {
            bytes,
            size,
            name,
            parent,
            values,
            entry,
        }
    }

    /// Number of entries: one more than the largest index in PCDATA, as far as there are bytes for
    /// it. Each range read and each entry counted is taken from `budget`, so that damaged tables,
    /// which may all claim to be endless, end.
    pub fn len(&self, budget: &mut usize) -> usize {
        let mut most = 0;
        for range in self.values.clone() {
            let Some(left) = budget.checked_sub(1) else {
                break;
            };
            *budget = left;
            most = most.max(range.value.saturating_add(1));
        }
        let len = usize::try_from(most)
            .unwrap_or(0)
            .min(self.bytes.len() / self.size.max(1))
            .min(*budget);
        *budget -= len;
        len
    }

    pub fn name_off(&self, index: usize) -> Option<u32> {
        u32_at(
            self.bytes,
            index.checked_mul(self.size)?.checked_add(self.name)?,
        )
    }

    /// Name offsets of the frames inlined at a pc, innermost first.
    pub fn frames_at(&self, pc: u64) -> Vec<u32> {
        let mut frames = Vec::new();
        let mut at = pc;
        while frames.len() < 64 {
            let Some(range) = self.values.clone().find(|r| (r.start..r.end).contains(&at)) else {
                break;
            };
            let Ok(index) = usize::try_from(range.value) else {
                break;
            };
            let Some(name) = self.name_off(index) else {
                break;
            };
            frames.push(name);
            let parent = index
                .checked_mul(self.size)
                .and_then(|i| i32_at(self.bytes, i.checked_add(self.parent)?));
            match parent
                .and_then(|p| u64::try_from(p).ok())
                .and_then(|p| self.entry.checked_add(p))
            {
                Some(next) => at = next,
                None => break,
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pc_value_table() {
        // value -1+1=0 for 4 bytes, +56 for 10, -56 for 1, end
        let values = PcValues {
            reader: Reader::new(&[2, 4, 112, 10, 111, 1, 0]),
            value: -1,
            pc: 100,
            first: true,
            min_lc: 1,
        };
        let got: Vec<(u64, u64, i32)> = values.map(|r| (r.start, r.end, r.value)).collect();
        assert_eq!(got, [(100, 104, 0), (104, 114, 56), (114, 115, 0)]);
    }
}

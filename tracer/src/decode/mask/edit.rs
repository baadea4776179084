//! Puts into the raw record what stands in the values: the mask, of one length for every secret,
//! and nothing that no value was made of.

use bytes::BytesMut;
use tracer_ebpf::wire::limits::SAVED_BASE;
use tracer_ebpf::wire::record::Item;

use super::super::items::{Block, Bytes, Node};
use super::super::record::RawHit;

/// Bytes of an item's header, and where its length and its value are in it.
const HEADER: usize = size_of::<Item>();
const LEN: usize = 4;
const VALUE: usize = 8;
/// What is overwritten in place.
const BLANK: u8 = b'*';

/// What is to be changed in one hit, and what of it is shown.
#[derive(Debug, Default)]
pub struct Edits {
    /// (entry, from, to) of plain values that are shown.
    shown: Vec<(usize, usize, usize)>,
    /// (entry, from) of first chunks of texts and lists that were looked at.
    seen: Vec<(usize, usize)>,
    blank: Vec<Bytes>,
    overwritten: Vec<(Bytes, Vec<u8>)>,
    values: Vec<(Bytes, u64)>,
    replaced: Vec<(Bytes, Vec<u8>)>,
    removed: Vec<Bytes>,
    /// Registers that are shown, as bits, by how many of their bytes are.
    registers: [u64; 9],
}

impl Edits {
    /// A plain value that is shown.
    pub fn show(&mut self, part: usize, from: usize, to: usize) {
        self.shown.push((part, from, to));
    }

    /// A text or list that was looked at: what is secret in it is said otherwise.
    pub fn see(&mut self, chunks: &[Bytes]) {
        if let Some(first) = chunks.first() {
            self.seen.push((first.part, first.range.start));
        }
    }

    /// Bytes that are overwritten where they lie.
    pub fn blank(&mut self, bytes: &[Bytes]) {
        self.blank.extend_from_slice(bytes);
    }

    /// A plain value in a register that is shown: so many of its bytes.
    pub fn show_register(&mut self, register: u8, size: u64) {
        if let Some(bits) = self.registers.get_mut(size.min(8) as usize) {
            *bits |= 1u64.checked_shl(u32::from(register)).unwrap_or(0);
        }
    }

    /// Chunks that take these bytes in place, which are as many.
    pub fn overwrite(&mut self, chunks: &[Bytes], with: &[u8]) {
        let mut rest = with;
        for chunk in chunks {
            let (now, later) = rest.split_at(rest.len().min(chunk.range.len()));
            self.overwritten.push((chunk.clone(), now.to_vec()));
            rest = later;
        }
    }

    /// The value in the header of an item with that payload.
    pub fn value(&mut self, payload: &Bytes, value: u64) {
        self.values.push((payload.clone(), value));
    }

    /// Chunks of which the first takes all of a new text and the others go. `value`: the length
    /// that the item with payload `head` tells.
    pub fn replace(&mut self, head: &Bytes, chunks: &[Bytes], with: Vec<u8>, value: u64) {
        let Some((first, rest)) = chunks.split_first() else {
            return;
        };
        self.value(head, value);
        self.replaced.push((first.clone(), with));
        self.removed.extend_from_slice(rest);
    }

    /// What no value was made of is overwritten: it was not judged.
    pub fn sweep(&mut self, blocks: &[&Block]) {
        self.shown.sort_unstable();
        self.seen.sort_unstable();
        for block in blocks {
            self.sweep_block(block);
        }
    }

    fn sweep_block(&mut self, block: &Block) {
        for copy in &block.copies {
            self.sweep_copy(&copy.bytes);
        }
        for (_, _, node) in &block.nodes {
            match node {
                Node::Str { chunks, .. } => self.sweep_chunks(chunks),
                Node::Slice { raw, elems, .. } => {
                    self.sweep_chunks(raw);
                    elems.iter().for_each(|b| self.sweep_block(b));
                }
                Node::Map { cells, .. } => {
                    for (key, elem) in cells {
                        self.sweep_block(key);
                        self.sweep_block(elem);
                    }
                }
                Node::Pointer { to: Some(to), .. } => self.sweep_block(to),
                Node::Iface {
                    dynamic: Some((_, block)),
                    ..
                } => self.sweep_block(block),
                Node::Pointer { .. } | Node::Iface { .. } | Node::Peer { .. } => {}
            }
        }
    }

    fn sweep_chunks(&mut self, chunks: &[Bytes]) {
        let Some(first) = chunks.first() else {
            return;
        };
        if self
            .seen
            .binary_search(&(first.part, first.range.start))
            .is_err()
        {
            self.blank.extend_from_slice(chunks);
        }
    }

    fn sweep_copy(&mut self, bytes: &Bytes) {
        let mut from = bytes.range.start;
        let at = self
            .shown
            .partition_point(|shown| *shown < (bytes.part, from, 0));
        let mut blank = Vec::new();
        for (part, start, end) in &self.shown[at..] {
            if *part != bytes.part || *start >= bytes.range.end {
                break;
            }
            if *start > from {
                blank.push(from..*start);
            }
            from = from.max(*end);
        }
        if from < bytes.range.end {
            blank.push(from..bytes.range.end);
        }
        self.blank.extend(blank.into_iter().map(|range| Bytes {
            part: bytes.part,
            range,
        }));
    }

    /// Changes the hit.
    pub fn apply(self, raw: &mut RawHit) {
        self.sweep_registers(raw);
        for bytes in &self.blank {
            if let Some(bytes) = slice(raw, bytes.part, bytes.range.clone()) {
                bytes.fill(BLANK);
            }
        }
        for (bytes, with) in &self.overwritten {
            let range = bytes.range.start..bytes.range.start + with.len();
            if let Some(bytes) = slice(raw, bytes.part, range) {
                bytes.copy_from_slice(with);
            }
        }
        for (payload, value) in &self.values {
            set_value(raw, payload, *value);
        }
        self.rebuild(raw);
    }

    /// Of the registers only what a value was made of is kept; what is saved for the return are
    /// addresses.
    fn sweep_registers(&self, raw: &mut RawHit) {
        for part in &mut raw.parts {
            for (register, word) in part.head.regs.iter_mut().take(SAVED_BASE).enumerate() {
                let most =
                    (1..=8u32).rfind(|size| self.registers[*size as usize] >> register & 1 == 1);
                *word &= match most {
                    None => 0,
                    Some(8) => u64::MAX,
                    Some(size) => (1 << (8 * size)) - 1,
                };
            }
        }
    }

    fn rebuild(self, raw: &mut RawHit) {
        let mut items: Vec<Changed> = Vec::new();
        let mut add = |payload: &Bytes, with| {
            if let Some(from) = payload.range.start.checked_sub(HEADER) {
                let to = from + HEADER + payload.range.len().next_multiple_of(8);
                items.push(Changed {
                    part: payload.part,
                    from,
                    to,
                    with,
                });
            }
        };
        for (payload, with) in self.replaced {
            add(&payload, Some(with));
        }
        for payload in &self.removed {
            add(payload, None);
        }
        items.sort_unstable_by_key(|c| (c.part, c.from));
        let mut items = items.into_iter().peekable();
        while let Some(part) = items.peek().map(|c| c.part) {
            let Some(entry) = raw.parts.get_mut(part) else {
                return;
            };
            let old = std::mem::take(&mut entry.items);
            let mut new = BytesMut::with_capacity(old.len());
            let mut at = 0;
            while let Some(Changed { from, to, with, .. }) = items.next_if(|c| c.part == part) {
                let (Some(before), Some(header)) =
                    (old.get(at..from), old.get(from..from + HEADER))
                else {
                    continue;
                };
                new.extend_from_slice(before);
                if let Some(with) = with {
                    let len = u32::try_from(with.len()).unwrap_or(0);
                    new.extend_from_slice(&header[..LEN]);
                    new.extend_from_slice(&len.to_le_bytes());
                    new.extend_from_slice(&header[VALUE..]);
                    new.extend_from_slice(&with);
                    let padding = with.len().next_multiple_of(8) - with.len();
                    new.extend_from_slice(&[0; 8][..padding]);
                }
                at = to;
            }
            new.extend_from_slice(old.get(at..).unwrap_or_default());
            entry.head.data_len = u32::try_from(new.len()).unwrap_or(0);
            entry.items = new;
        }
    }
}

/// An item that goes, or gets another payload.
struct Changed {
    part: usize,
    from: usize,
    to: usize,
    with: Option<Vec<u8>>,
}

fn slice(raw: &mut RawHit, part: usize, range: std::ops::Range<usize>) -> Option<&mut [u8]> {
    raw.parts.get_mut(part)?.items.get_mut(range)
}

fn set_value(raw: &mut RawHit, payload: &Bytes, value: u64) {
    let Some(from) = payload.range.start.checked_sub(HEADER) else {
        return;
    };
    if let Some(word) = slice(raw, payload.part, from + VALUE..from + HEADER) {
        word.copy_from_slice(&value.to_le_bytes());
    }
}

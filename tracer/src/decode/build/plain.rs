//! Values that are their own bytes: numbers, bools, addresses.

use tracer_ebpf::wire::limits::REG_WORDS;
use tracer_ebpf::wire::record::OK;

use super::super::missing::{Implausible, Misfit, Missing};
use super::super::value::Value;
use super::{Builder, Source};
use crate::addr::ProcessAddr;
use crate::plan::{Secret, TypeKindSchema};

impl Builder<'_> {
    /// A plain value that is secret: it is not read.
    pub(super) fn hidden_plain(&mut self) -> Value {
        self.masked = self.masked.saturating_add(1);
        Value::Masked
    }

    pub(super) fn scalar(
        &mut self,
        source: Source<'_>,
        off: u64,
        size: u64,
        make: impl Fn(u64) -> Value,
    ) -> Value {
        match self.word(source, off, size) {
            Ok(word) => make(word),
            Err(value) => value,
        }
    }

    /// Up to eight bytes, little endian.
    pub(super) fn word(&mut self, source: Source<'_>, off: u64, size: u64) -> Result<u64, Value> {
        let size = size.clamp(1, 8);
        if let Some(leaves) = source.registers {
            let leaf = leaves
                .iter()
                .find(|l| u64::from(l.offset) == off && u64::from(l.size) >= size)
                .ok_or_else(|| self.absent())?;
            let regs: &[u64; REG_WORDS] = match self.hit.parts.first() {
                Some(part) => &part.head.regs,
                None => return Err(self.absent()),
            };
            let word = regs
                .get(usize::from(leaf.reg))
                .copied()
                .ok_or_else(|| self.absent())?;
            self.edits.show_register(leaf.reg, size);
            // the upper bytes of a register that holds a small value are garbage
            return Ok(if size == 8 {
                word
            } else {
                word & ((1 << (8 * size)) - 1)
            });
        }
        let copy = source
            .block
            .copies
            .iter()
            .find(|c| {
                let start = u64::from(c.off);
                start <= off && off.saturating_add(size) <= start + u64::from(c.len)
            })
            .ok_or_else(|| self.absent())?;
        if copy.status != OK {
            return Err(Value::Missing(Missing::Fault { addr: copy.addr }));
        }
        let start = usize::try_from(off - u64::from(copy.off)).map_err(|_| self.absent())?;
        let bytes = self.bytes(&copy.bytes);
        let bytes = bytes
            .get(start..start + size as usize)
            .ok_or_else(|| self.absent())?;
        let from = copy.bytes.range.start + start;
        self.edits.show(copy.bytes.part, from, from + size as usize);
        Ok(word_of(bytes))
    }
}

/// Up to eight bytes, little endian.
pub(super) fn word_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A value that is its own bytes; `size` as its type says, which in a hostile plan may be anything.
pub(super) fn plain(kind: &TypeKindSchema, size: u64, word: u64) -> Value {
    match kind {
        TypeKindSchema::Bool => match word {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            other => Value::Missing(Missing::Implausible(Implausible::Bool(other))),
        },
        TypeKindSchema::Int => {
            let shift = 64 - 8 * size.clamp(1, 8);
            Value::Int(((word << shift) as i64) >> shift)
        }
        TypeKindSchema::Uint => Value::Uint(word),
        TypeKindSchema::Float if size == 4 => Value::Float(f64::from(f32::from_bits(word as u32))),
        TypeKindSchema::Float => Value::Float(f64::from_bits(word)),
        _ => Value::Missing(Missing::Corrupt(Misfit::Kind)),
    }
}

/// A complex number of two floats of `size` bytes.
pub(super) fn complex(size: u64, re: u64, im: u64) -> Value {
    let part = |word: u64| match size {
        4 => f64::from(f32::from_bits(word as u32)),
        _ => f64::from_bits(word),
    };
    Value::Complex(part(re), part(im))
}

pub(super) fn address(word: u64) -> Value {
    if word == 0 {
        Value::Nil
    } else {
        Value::Address(ProcessAddr(word))
    }
}

/// Whether a plain value is hidden.
pub(super) fn hides_plain(secret: Secret) -> bool {
    matches!(secret, Secret::All | Secret::EnvValue | Secret::Values)
}

/// Kinds that are their own bytes.
pub(super) fn is_plain(kind: &TypeKindSchema) -> bool {
    matches!(
        kind,
        TypeKindSchema::Bool
            | TypeKindSchema::Int
            | TypeKindSchema::Uint
            | TypeKindSchema::Float
            | TypeKindSchema::Complex
    )
}

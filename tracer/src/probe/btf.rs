//! The one fact taken from the kernel's own type information: where a task keeps its thread pointer.
//!
//! Format: Documentation/bpf/btf.rst. Read here because only two members are wanted.

use std::path::Path;

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
/// More types than any kernel has: the file may be anything.
const MOST_TYPES: usize = 1 << 22;

/// Offset of `thread.fsbase` in `task_struct`, bytes. `None`: no type information, or another architecture.
#[must_use]
pub fn fsbase_offset() -> Option<u32> {
    let bytes = std::fs::read(Path::new("/sys/kernel/btf/vmlinux")).ok()?;
    fsbase_in(&bytes)
}

fn fsbase_in(bytes: &[u8]) -> Option<u32> {
    let thread = member(bytes, "task_struct", "thread")?;
    let fsbase = member(bytes, "thread_struct", "fsbase")?;
    thread.checked_add(fsbase)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}

/// Byte offset of a direct member of a struct.
fn member(bytes: &[u8], structure: &str, name: &str) -> Option<u32> {
    if u16::from_le_bytes(*bytes.first_chunk::<2>()?) != MAGIC {
        return None;
    }
    let header = word(bytes, 4)? as usize;
    let types = header.checked_add(word(bytes, 8)? as usize)?;
    let types_end = types.checked_add(word(bytes, 12)? as usize)?;
    let strings = header.checked_add(word(bytes, 16)? as usize)?;
    let is = |offset: u32, wanted: &str| -> Option<bool> {
        let text = bytes.get(strings.checked_add(offset as usize)?..)?;
        Some(text.starts_with(wanted.as_bytes()) && text.get(wanted.len()) == Some(&0))
    };
    let mut at = types;
    for _ in 0..MOST_TYPES {
        if at >= types_end {
            return None;
        }
        let (name_off, info) = (word(bytes, at)?, word(bytes, at + 4)?);
        let (kind, count, flag) = ((info >> 24) & 0x1f, (info & 0xffff) as usize, info >> 31);
        let body = at + 12;
        if kind == KIND_STRUCT && is(name_off, structure)? {
            return (0..count).find_map(|i| {
                let field = body + i * 12;
                let bits = word(bytes, field + 8)?;
                // with the flag the upper byte is the size of a bit field
                let bits = if flag == 1 { bits & 0x00ff_ffff } else { bits };
                (is(word(bytes, field)?, name)? && bits % 8 == 0).then_some(bits / 8)
            });
        }
        at = body
            + match kind {
                // int, var, decl tag
                1 | 14 | 17 => 4,
                // array
                3 => 12,
                // struct, union, 64-bit enum
                4 | 5 | 19 => 12 * count,
                // enum, function prototype
                6 | 13 => 8 * count,
                // section
                15 => 12 * count,
                _ => 0,
            };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_none() {
        assert_eq!(fsbase_in(&[]), None);
        assert_eq!(fsbase_in(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0]), None);
        let mut bytes = vec![0xff; 4096];
        bytes[..2].copy_from_slice(&MAGIC.to_le_bytes());
        assert_eq!(fsbase_in(&bytes), None);
    }
}

//! The kernel's own type information: offsets of struct members by name. Format:
//! Documentation/bpf/btf.rst.
//!
//! Read here because a dozen members are wanted, by names that a user never gives.

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
/// More types than any kernel has: the file may be anything.
const MOST_TYPES: usize = 1 << 22;
/// Unnamed structs and unions inside of each other.
const MOST_NESTED: u32 = 8;

/// Type information, types indexed by their number.
pub struct Btf {
    bytes: Vec<u8>,
    strings: usize,
    /// Where each type begins; number 0 is void.
    types: Vec<usize>,
}

/// A struct member: offset in bytes and number of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub offset: u32,
    pub ty: u32,
}

impl Btf {
    /// Type information of the running kernel. `None`: it has none, or it is damaged.
    #[must_use]
    pub fn of_kernel() -> Option<Self> {
        Self::parse(std::fs::read("/sys/kernel/btf/vmlinux").ok()?)
    }

    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        if u16::from_le_bytes(*bytes.first_chunk::<2>()?) != MAGIC {
            return None;
        }
        let header = word(&bytes, 4)? as usize;
        let mut at = header.checked_add(word(&bytes, 8)? as usize)?;
        let end = at.checked_add(word(&bytes, 12)? as usize)?;
        let strings = header.checked_add(word(&bytes, 16)? as usize)?;
        let mut types = vec![usize::MAX];
        while at < end {
            if types.len() > MOST_TYPES {
                return None;
            }
            types.push(at);
            let info = word(&bytes, at.checked_add(4)?)?;
            let (kind, count) = (kind(info), count(info));
            at = at
                + 12
                + match kind {
                    // int, var, decl tag
                    1 | 14 | 17 => 4,
                    // array
                    3 => 12,
                    // struct, union, section, 64-bit enum
                    KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * count,
                    // enum, function prototype
                    KIND_ENUM | 13 => 8 * count,
                    _ => 0,
                };
        }
        Some(Self {
            bytes,
            strings,
            types,
        })
    }

    fn is(&self, offset: u32, wanted: &str) -> bool {
        let text = self
            .strings
            .checked_add(offset as usize)
            .and_then(|at| self.bytes.get(at..));
        text.is_some_and(|text| {
            text.starts_with(wanted.as_bytes()) && text.get(wanted.len()) == Some(&0)
        })
    }

    /// Struct of that name: its number.
    fn structure(&self, name: &str) -> Option<u32> {
        let index = self.types.iter().position(|at| {
            word(&self.bytes, at.saturating_add(4)).map(kind) == Some(KIND_STRUCT)
                && word(&self.bytes, *at).is_some_and(|n| self.is(n, name))
        })?;
        u32::try_from(index).ok()
    }

    /// Bytes of a struct.
    #[must_use]
    pub fn size(&self, structure: &str) -> Option<u32> {
        let at = *self.types.get(self.structure(structure)? as usize)?;
        word(&self.bytes, at.checked_add(8)?)
    }

    /// Byte offset of a member of a struct, which may lie in unnamed structs and unions within it.
    #[must_use]
    pub fn offset(&self, structure: &str, name: &str) -> Option<u32> {
        self.member(self.structure(structure)?, name, MOST_NESTED)
            .map(|m| m.offset)
    }

    fn member(&self, id: u32, name: &str, levels: u32) -> Option<Member> {
        let at = *self.types.get(id as usize)?;
        let info = word(&self.bytes, at.checked_add(4)?)?;
        if !matches!(kind(info), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        (0..count(info)).find_map(|i| {
            let field = at.checked_add(12 + i * 12)?;
            let (field_name, ty, bits) = (
                word(&self.bytes, field)?,
                word(&self.bytes, field + 4)?,
                word(&self.bytes, field + 8)?,
            );
            // with the flag the upper byte is the size of a bit field
            let bits = if info >> 31 == 1 {
                bits & 0x00ff_ffff
            } else {
                bits
            };
            if bits % 8 != 0 {
                return None;
            }
            if self.is(field_name, name) {
                return Some(Member {
                    offset: bits / 8,
                    ty,
                });
            }
            if !self.is(field_name, "") || levels == 0 {
                return None;
            }
            let inner = self.member(ty, name, levels - 1)?;
            Some(Member {
                offset: inner.offset.checked_add(bits / 8)?,
                ty: inner.ty,
            })
        })
    }

    /// Value of an enumerator of any (32-bit) enumeration.
    #[must_use]
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        self.types.iter().find_map(|at| {
            let info = word(&self.bytes, at.checked_add(4)?)?;
            if kind(info) != KIND_ENUM {
                return None;
            }
            (0..count(info)).find_map(|i| {
                let entry = at.checked_add(12 + i * 8)?;
                self.is(word(&self.bytes, entry)?, name)
                    .then(|| word(&self.bytes, entry + 4))?
            })
        })
    }
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

fn count(info: u32) -> usize {
    (info & 0xffff) as usize
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_none() {
        assert!(Btf::parse(Vec::new()).is_none());
        assert!(Btf::parse(vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0]).is_none());
        let mut bytes = vec![0xff; 4096];
        bytes[..2].copy_from_slice(&MAGIC.to_le_bytes());
        assert!(Btf::parse(bytes).is_none());
    }

    #[test]
    fn what_this_kernel_says_of_itself_is_found_or_there_is_nothing() {
        let Some(btf) = Btf::of_kernel() else {
            assert!(!std::path::Path::new("/sys/kernel/btf/vmlinux").exists());
            return;
        };
        assert_eq!(btf.enumerator("PIDTYPE_TGID"), Some(1));
        assert_eq!(btf.offset("list_head", "prev"), Some(8));
        assert_eq!(btf.size("list_head"), Some(16));
        assert_eq!(btf.offset("list_head", "previous"), None);
    }
}

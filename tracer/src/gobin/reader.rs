//! The only place that takes bytes apart by position; nothing here can panic.

/// A cursor over bytes. After a failed read it stays where it was.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'data> {
    bytes: &'data [u8],
}

impl<'data> Reader<'data> {
    pub fn new(bytes: &'data [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes that were not read yet.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    pub fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// Unsigned LEB128 as Go's `binary.Uvarint`, at most 64 bits.
    pub fn uvarint(&mut self) -> Option<u64> {
        let mut probe = *self;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = probe.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                *self = probe;
                return Some(value);
            }
        }
        None
    }

    pub fn take(&mut self, len: usize) -> Option<&'data [u8]> {
        let taken = self.bytes.get(..len)?;
        self.bytes = self.bytes.get(len..)?;
        Some(taken)
    }
}

/// Little-endian integer at a position.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(
        bytes.get(at..at.checked_add(2)?)?.try_into().ok()?,
    ))
}

/// Little-endian integer at a position.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

/// Little-endian integer at a position.
pub fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    u32_at(bytes, at).map(u32::cast_signed)
}

/// Little-endian integer at a position.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(at..at.checked_add(8)?)?.try_into().ok()?,
    ))
}

/// Text up to the first NUL, at most `most` bytes.
pub fn c_str(bytes: &[u8], most: usize) -> Option<&str> {
    let end = memchr::memchr(0, bytes.get(..most.min(bytes.len()))?)?;
    std::str::from_utf8(bytes.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uvarint_as_go_writes_it() {
        let mut r = Reader::new(&[0x00, 0x7f, 0x80, 0x01, 0xff]);
        assert_eq!(
            (r.uvarint(), r.uvarint(), r.uvarint()),
            (Some(0), Some(127), Some(128))
        );
        assert_eq!(r.uvarint(), None, "cut in the middle");
        assert_eq!(r.u8(), Some(0xff), "a failed read does not move");
        assert_eq!(Reader::new(&[0x80; 11]).uvarint(), None, "too long");
    }

    #[test]
    fn reads_past_the_end_are_none() {
        assert_eq!(u64_at(&[1; 8], 1), None);
        assert_eq!(u64_at(&[1; 8], usize::MAX), None);
        assert_eq!(u32_at(&[1, 0, 0, 0], 0), Some(1));
        assert_eq!(c_str(b"abc\0def", 16), Some("abc"));
        assert_eq!(c_str(b"abc", 16), None);
    }
}

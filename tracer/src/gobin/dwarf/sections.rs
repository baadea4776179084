//! `.debug_*` sections: where they lie, and decompressed within bounds. The only reader of section
//! headers: DWARF is not loaded, so program headers do not lead to it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use flate2::{Decompress, FlushDecompress, Status};
use object::LittleEndian as LE;
use object::elf::{self, CompressionHeader64, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

use crate::gobin::reader::u64_at;

/// Most bytes that decompressed sections may take together.
const MOST_INFLATED: u64 = 96 << 20;
/// zlib packs at most about 1032 bytes into one.
const MOST_RATIO: u64 = 1040;

/// Sections by their plain name (`.debug_info`), each read when it is asked for first.
#[derive(Debug, Default)]
pub struct Sections<'data> {
    found: BTreeMap<String, Section<'data>>,
    inflated: Cell<u64>,
}

#[derive(Debug)]
struct Section<'data> {
    raw: &'data [u8],
    packing: Packing,
    bytes: OnceCell<Result<Cow<'data, [u8]>, String>>,
}

#[derive(Clone, Copy, Debug)]
enum Packing {
    None,
    /// zlib stream after `skip` bytes, of `size` bytes when unpacked.
    Zlib {
        skip: usize,
        size: u64,
    },
    Unknown(u32),
}

impl<'data> Sections<'data> {
    /// Lists the `.debug_*` and `.zdebug_*` sections; without usable section headers there are
    /// none.
    pub fn find(data: &'data [u8]) -> Self {
        let mut this = Self::default();
        let Ok(header) = FileHeader64::<LE>::parse(data) else {
            return this;
        };
        let Ok(sections) = header.sections(LE, data) else {
            return this;
        };
        for section in sections.iter() {
            let Ok(name) = sections
                .section_name(LE, section)
                .map(String::from_utf8_lossy)
            else {
                continue;
            };
            let (plain, old) = match name.strip_prefix(".zdebug_") {
                Some(rest) => (format!(".debug_{rest}"), true),
                None => (name.into_owned(), false),
            };
            if !plain.starts_with(".debug_") || section.sh_type(LE) == elf::SHT_NOBITS {
                continue;
            }
            let Ok(raw) = section.data(LE, data) else {
                continue;
            };
            let packing = if old {
                old_packing(raw)
            } else if section.sh_flags(LE) & elf::SHF_COMPRESSED != Default::default() {
                packing(raw)
            } else {
                Packing::None
            };
            this.found.entry(plain).or_insert(Section {
                raw,
                packing,
                bytes: OnceCell::new(),
            });
        }
        this
    }

    pub fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// Bytes of a section; a section that is not there is empty.
    ///
    /// # Errors
    /// It is compressed in an unknown way, damaged, or larger than the bound.
    pub fn bytes(&self, name: &str) -> Result<&[u8], String> {
        let Some(section) = self.found.get(name) else {
            return Ok(&[]);
        };
        let bytes = section.bytes.get_or_init(|| match section.packing {
            Packing::None => Ok(Cow::Borrowed(section.raw)),
            Packing::Unknown(kind) => Err(format!("{name}: compression type {kind} (1, zlib, expected)")),
            Packing::Zlib { skip, size } => {
                let packed = section.raw.get(skip..).unwrap_or_default();
                let total = self.inflated.get().saturating_add(size);
                if total > MOST_INFLATED || size / MOST_RATIO > packed.len() as u64 {
                    return Err(format!(
                        "{name}: {} bytes are said to hold {size} (at most {MOST_INFLATED} for all sections together)",
                        packed.len()
                    ));
                }
                self.inflated.set(total);
                inflate(packed, size).map(Cow::Owned).ok_or_else(|| format!("{name}: damaged zlib data"))
            }
        });
        match bytes {
            Ok(bytes) => Ok(bytes),
            Err(why) => Err(why.clone()),
        }
    }
}

/// `Elf64_Chdr` (gABI).
fn packing(raw: &[u8]) -> Packing {
    match object::pod::from_bytes::<CompressionHeader64<LE>>(raw) {
        Ok((header, _)) if header.ch_type.get(LE) == elf::ELFCOMPRESS_ZLIB => Packing::Zlib {
            skip: size_of::<CompressionHeader64<LE>>(),
            size: header.ch_size.get(LE),
        },
        Ok((header, _)) => Packing::Unknown(header.ch_type.get(LE).0),
        Err(()) => Packing::Unknown(0),
    }
}

/// `.zdebug_*` (up to Go 1.18): "ZLIB", size as 8 bytes big endian.
fn old_packing(raw: &[u8]) -> Packing {
    match (raw.starts_with(b"ZLIB"), u64_at(raw, 4)) {
        (true, Some(size)) => Packing::Zlib {
            skip: 12,
            size: size.swap_bytes(),
        },
        _ => Packing::Unknown(0),
    }
}

fn inflate(packed: &[u8], size: u64) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok()?;
    let mut out = Vec::with_capacity(size);
    let status = Decompress::new(true)
        .decompress_vec(packed, &mut out, FlushDecompress::Finish)
        .ok()?;
    (status == Status::StreamEnd && out.len() == size).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn of(raw: &[u8], packing: Packing) -> Sections<'_> {
        let section = Section {
            raw,
            packing,
            bytes: OnceCell::new(),
        };
        Sections {
            found: BTreeMap::from([(".debug_info".to_owned(), section)]),
            inflated: Cell::new(0),
        }
    }

    #[test]
    fn both_ways_of_packing() {
        let packed = zlib(b"hello hello hello");
        let mut new = vec![1, 0, 0, 0, 0, 0, 0, 0];
        new.extend(17u64.to_le_bytes());
        new.extend(1u64.to_le_bytes());
        new.extend(&packed);
        assert_eq!(
            of(&new, packing(&new)).bytes(".debug_info"),
            Ok(&b"hello hello hello"[..])
        );
        let mut old = b"ZLIB".to_vec();
        old.extend(17u64.to_be_bytes());
        old.extend(&packed);
        assert_eq!(
            of(&old, old_packing(&old)).bytes(".debug_info"),
            Ok(&b"hello hello hello"[..])
        );
        if let Some(kind) = new.first_mut() {
            *kind = 2;
        }
        assert!(of(&new, packing(&new)).bytes(".debug_info").is_err());
        assert_eq!(of(&new, Packing::None).bytes(".debug_str"), Ok(&[][..]));
    }

    #[test]
    fn a_size_that_lies_is_refused() {
        let packed = zlib(b"hello");
        for size in [0, 4, 6, 1 << 16, 1 << 30, u64::MAX] {
            let sections = of(&packed, Packing::Zlib { skip: 0, size });
            assert!(sections.bytes(".debug_info").is_err(), "{size}");
        }
        let cut = packed.get(..packed.len() - 3).expect("long enough");
        assert!(
            of(cut, Packing::Zlib { skip: 0, size: 5 })
                .bytes(".debug_info")
                .is_err()
        );
    }
}

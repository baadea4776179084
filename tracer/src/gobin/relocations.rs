//! Dynamic relocations, as the loader applies them at load bias 0: RELA entries carry the value,
//! RELR entries (packed relative ones) say only where one is, the value lies in place.
//!
//! Formats: gABI, "Relocation" (RELA; RELR: generic ABI draft of 2022, `sh_type` 19, `DT_RELR` 36).

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

use super::error::Error;
use super::reader::{u32_at, u64_at};
use crate::addr::ImageAddr;
use crate::arch::Arch;

const RELA_SIZE: usize = 24;
const SYM_SIZE: u64 = 24;
const RELR_SIZE: usize = 8;

const DT_NULL: u64 = 0;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_RELRSZ: u64 = 35;
const DT_RELR: u64 = 36;
const DT_RELRENT: u64 = 37;

/// Where tables lie: address and size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub rela: Option<(u64, u64)>,
    pub relr: Option<(u64, u64)>,
    /// Address of the dynamic symbols; how many there are is not recorded.
    pub symtab: Option<u64>,
}

fn damaged(what: String) -> Error {
    Error::Damaged { what }
}

impl Places {
    /// From the entries of PT_DYNAMIC, which is what the loader goes by.
    pub fn of_dynamic(entries: &[u8]) -> Result<Self, Error> {
        let mut this = Self::default();
        let (mut rela_size, mut relr_size) = (0, 0);
        let (mut rela, mut relr) = (None, None);
        for entry in entries.as_chunks::<16>().0 {
            let (Some(tag), Some(value)) = (u64_at(entry, 0), u64_at(entry, 8)) else {
                break;
            };
            match tag {
                DT_NULL => break,
                DT_RELA => rela = Some(value),
                DT_RELASZ => rela_size = value,
                DT_RELR => relr = Some(value),
                DT_RELRSZ => relr_size = value,
                DT_SYMTAB => this.symtab = Some(value),
                DT_RELAENT if value != RELA_SIZE as u64 => {
                    return Err(damaged(format!(
                        "RELA entries of {value} bytes ({RELA_SIZE} expected)"
                    )));
                }
                DT_RELRENT if value != RELR_SIZE as u64 => {
                    return Err(damaged(format!(
                        "RELR entries of {value} bytes ({RELR_SIZE} expected)"
                    )));
                }
                _ => {}
            }
        }
        this.rela = rela.map(|at| (at, rela_size));
        this.relr = relr.map(|at| (at, relr_size));
        Ok(this)
    }

    /// From section headers, for a file whose PT_DYNAMIC is gone. The largest table of each kind:
    /// the others are those of calls into libraries.
    pub fn of_sections(data: &[u8]) -> Self {
        let mut this = Self::default();
        let Ok(header) = FileHeader64::<LE>::parse(data) else {
            return this;
        };
        let Ok(sections) = header.section_headers(LE, data) else {
            return this;
        };
        let size = |place: &Option<(u64, u64)>| place.map_or(0, |(_, size)| size);
        for section in sections {
            let here = (section.sh_addr(LE), section.sh_size(LE));
            if section.sh_flags(LE) & elf::SHF_ALLOC == Default::default() {
                continue;
            }
            match section.sh_type(LE) {
                elf::SHT_RELA if here.1 > size(&this.rela) => this.rela = Some(here),
                elf::SHT_RELR if here.1 > size(&this.relr) => this.relr = Some(here),
                elf::SHT_DYNSYM => this.symtab = Some(here.0),
                _ => {}
            }
        }
        this
    }
}

/// What relocations ask of the file.
pub trait Image<'data> {
    /// File bytes at an address.
    fn bytes_at(&self, addr: ImageAddr, len: usize) -> Option<&'data [u8]>;
    /// The address and so many bytes behind it are in one segment.
    fn is_mapped(&self, addr: u64, len: u64) -> bool;
}

/// The tables, checked and searchable. They are not copied.
#[derive(Debug)]
pub struct Relocations<'data> {
    arch: Arch,
    rela: &'data [u8],
    /// Entries of `rela` before this index are sorted by offset (linkers put RELATIVE entries
    /// first, sorted).
    rela_sorted: usize,
    /// (offset, index) of the rest, sorted.
    rela_rest: Vec<(u64, u32)>,
    relr: &'data [u8],
    relr_count: usize,
    symtab: Option<u64>,
}

impl<'data> Relocations<'data> {
    /// # Errors
    /// A table is not in the file, or (RELR) leads out of the segments: the loader could not load
    /// such a file either.
    pub fn read(places: &Places, arch: Arch, image: &impl Image<'data>) -> Result<Self, Error> {
        let table = |place: Option<(u64, u64)>, name: &str, unit: usize| {
            let Some((at, size)) = place.filter(|(_, size)| *size > 0) else {
                return Ok(<&[u8]>::default());
            };
            let bytes = usize::try_from(size)
                .ok()
                .and_then(|size| image.bytes_at(ImageAddr(at), size));
            match bytes {
                Some(bytes) if bytes.len() % unit == 0 => Ok(bytes),
                Some(_) => Err(damaged(format!(
                    "the {name} table at 0x{at:x} has {size} bytes, which is no multiple of {unit}"
                ))),
                None => Err(damaged(format!(
                    "the {name} table at 0x{at:x} of {size} bytes is not in the file"
                ))),
            }
        };
        let rela = table(places.rela, "RELA", RELA_SIZE)?;
        let relr = table(places.relr, "RELR", RELR_SIZE)?;
        let mut last = 0;
        let rela_sorted = rela
            .chunks_exact(RELA_SIZE)
            .take_while(|e| {
                let offset = u64_at(e, 0).unwrap_or(0);
                let ordered = offset >= last;
                last = offset;
                ordered
            })
            .count();
        let mut rela_rest: Vec<(u64, u32)> = rela
            .chunks_exact(RELA_SIZE)
            .enumerate()
            .skip(rela_sorted)
            .filter_map(|(i, e)| Some((u64_at(e, 0)?, u32::try_from(i).ok()?)))
            .collect();
        rela_rest.sort_unstable();
        let mut this = Self {
            arch,
            rela,
            rela_sorted,
            rela_rest,
            relr,
            relr_count: 0,
            symtab: places.symtab,
        };
        let mut packed = this.packed();
        for (at, bits) in &mut packed {
            // nearly always all of them lie in one segment
            if !image.is_mapped(at, 8 * u64::from(u64::BITS - bits.leading_zeros())) {
                let wild = words(at, bits).find(|addr| !image.is_mapped(*addr, 8));
                if let Some(addr) = wild {
                    return Err(damaged(format!(
                        "a RELR entry names 0x{addr:x}, which is in no segment"
                    )));
                }
            }
            this.relr_count += bits.count_ones() as usize;
        }
        if let Some(what) = packed.damage {
            return Err(damaged(format!("RELR table: {what}")));
        }
        Ok(this)
    }

    /// Number of RELA entries.
    pub fn rela_count(&self) -> usize {
        self.rela.len() / RELA_SIZE
    }

    /// Number of words that RELR entries relocate.
    pub fn relr_count(&self) -> usize {
        self.relr_count
    }

    fn packed(&self) -> Packed<'data> {
        Packed {
            entries: self.relr.as_chunks::<RELR_SIZE>().0.iter(),
            next: None,
            damage: None,
        }
    }

    /// The value that a RELA entry puts at an address; `None`: what lies there stays, RELR or not.
    pub fn value_at(&self, addr: u64, image: &impl Image<'data>) -> Option<u64> {
        let at = |index: usize| {
            self.rela
                .get(index.checked_mul(RELA_SIZE)?..)?
                .get(..RELA_SIZE)
        };
        let (mut low, mut high) = (0, self.rela_sorted);
        while low < high {
            let middle = low + (high - low) / 2;
            if u64_at(at(middle)?, 0)? < addr {
                low = middle + 1
            } else {
                high = middle
            }
        }
        if low < self.rela_sorted
            && let Some(entry) = at(low)
            && u64_at(entry, 0) == Some(addr)
        {
            return self.value(entry, image);
        }
        let rest = self.rela_rest.partition_point(|(offset, _)| *offset < addr);
        match self.rela_rest.get(rest) {
            Some((offset, index)) if *offset == addr => self.value(at(*index as usize)?, image),
            _ => None,
        }
    }

    fn value(&self, entry: &[u8], image: &impl Image<'data>) -> Option<u64> {
        let info = u64_at(entry, 8)?;
        let addend = u64_at(entry, 16)?;
        let properties = self.arch.properties();
        match info & 0xffff_ffff {
            kind if kind == properties.relative => Some(addend),
            kind if kind == properties.absolute => {
                // value of a defined symbol; the symbol's *name* is never looked at
                let symbol = (info >> 32).checked_mul(SYM_SIZE)?;
                let symbol = ImageAddr(self.symtab?.checked_add(symbol)?);
                let symbol = image.bytes_at(symbol, SYM_SIZE as usize)?;
                (u32_at(symbol, 4)? >> 16 != 0).then_some(u64_at(symbol, 8)?.wrapping_add(addend))
            }
            _ => None,
        }
    }

    /// Addresses to which RELA entries put a value that `wanted` takes, with that value.
    pub fn values<'a>(
        &'a self,
        image: &'a impl Image<'data>,
        wanted: impl Fn(u64) -> bool + 'a,
    ) -> impl Iterator<Item = (ImageAddr, u64)> + 'a {
        self.rela.chunks_exact(RELA_SIZE).filter_map(move |entry| {
            // cheap test first: nearly all entries are RELATIVE ones with another addend
            let symbol = u64_at(entry, 8)? >> 32 != 0;
            if !symbol && !wanted(u64_at(entry, 16)?) {
                return None;
            }
            let value = self.value(entry, image).filter(|v| wanted(*v))?;
            Some((ImageAddr(u64_at(entry, 0)?), value))
        })
    }
}

/// Addresses of the words that the bits stand for, the lowest bit for the word at `at`. Addresses
/// wrap.
fn words(at: u64, bits: u64) -> impl Iterator<Item = u64> {
    (0..u64::from(u64::BITS))
        .filter(move |bit| bits >> bit & 1 != 0)
        .map(move |bit| at.wrapping_add(8 * bit))
}

/// Iterator over a RELR table: an even entry is the address of a word; an odd one has a bit for
/// each of the 63 words behind the last one named. Gives an address and the bits for the words from
/// there on.
#[derive(Debug)]
struct Packed<'data> {
    entries: std::slice::Iter<'data, [u8; RELR_SIZE]>,
    /// First word that the next bitmap is about.
    next: Option<u64>,
    damage: Option<String>,
}

impl Iterator for Packed<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = u64::from_le_bytes(*self.entries.next()?);
        if entry & 1 == 0 {
            self.next = entry.checked_add(8);
            return Some((entry, 1));
        }
        let Some(at) = self.next else {
            self.damage = Some(format!("the bitmap 0x{entry:x} follows no address"));
            self.entries = [].iter();
            return None;
        };
        self.next = at.checked_add(8 * 63);
        Some((at, entry >> 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory from 0x1000 on, all of it in the file.
    struct Flat(&'static [u8]);

    impl Image<'static> for Flat {
        fn bytes_at(&self, addr: ImageAddr, len: usize) -> Option<&'static [u8]> {
            let at = usize::try_from(addr.0.checked_sub(0x1000)?).ok()?;
            self.0.get(at..at.checked_add(len)?)
        }
        fn is_mapped(&self, addr: u64, len: u64) -> bool {
            usize::try_from(len).is_ok_and(|len| self.bytes_at(ImageAddr(addr), len).is_some())
        }
    }

    fn memory(words: &[u64]) -> Flat {
        Flat(Vec::leak(
            words.iter().flat_map(|w| w.to_le_bytes()).collect(),
        ))
    }

    /// RELR entries at 0x1000; what is relocated lies behind them.
    fn packed(entries: &[u64], behind: usize) -> Result<Vec<u64>, String> {
        let mut memory_words = entries.to_vec();
        memory_words.resize(entries.len() + behind, 7);
        let places = Places {
            relr: Some((0x1000, 8 * entries.len() as u64)),
            ..Places::default()
        };
        let image = memory(&memory_words);
        let found =
            Relocations::read(&places, Arch::Arm64, &image).map_err(|error| error.to_string())?;
        let addresses: Vec<u64> = found
            .packed()
            .flat_map(|(at, bits)| words(at, bits))
            .collect();
        assert_eq!(addresses.len(), found.relr_count());
        // the value lies in place
        assert!(
            addresses
                .iter()
                .all(|a| found.value_at(*a, &image).is_none())
        );
        Ok(addresses)
    }

    #[test]
    fn relr_addresses_and_bitmaps() {
        assert_eq!(packed(&[], 0), Ok(vec![]));
        assert_eq!(packed(&[0x1010, 0x1018], 2), Ok(vec![0x1010, 0x1018]));
        // bit 1 is the word behind the address, bit 63 the 63rd
        let bits = 1 | 1 << 1 | 1 << 63;
        assert_eq!(
            packed(&[0x1010, bits], 100),
            Ok(vec![0x1010, 0x1018, 0x1018 + 8 * 62])
        );
        // a second bitmap goes on behind the first one's 63 words, an empty one only moves on
        let second = 0x1020 + 8 * 63;
        assert_eq!(
            packed(&[0x1018, 1, 1 | 1 << 1], 200),
            Ok(vec![0x1018, second])
        );
        // an address begins anew
        assert_eq!(
            packed(&[0x1020, 1 | 1 << 2, 0x1100, 1 | 1 << 1], 100),
            Ok(vec![0x1020, 0x1030, 0x1100, 0x1108])
        );
    }

    #[test]
    fn relr_that_leads_astray_is_refused() {
        let refused = |entries: &[u64]| packed(entries, 8).expect_err("refused");
        assert!(refused(&[3]).contains("follows no address"));
        assert!(refused(&[0xdead_0000]).contains("0xdead0000"));
        assert!(refused(&[0x1010, u64::MAX]).contains("in no segment"));
        assert!(refused(&[u64::MAX - 1]).contains("in no segment"));
        assert!(refused(&[0x1ff8]).contains("in no segment"));
    }

    #[test]
    fn tables_that_are_cut_or_huge_are_refused() {
        let image = memory(&[0x1010; 8]);
        for (size, why) in [
            (12, "no multiple of 8"),
            (72, "not in the file"),
            (u64::MAX, "not in the file"),
        ] {
            let places = Places {
                relr: Some((0x1000, size)),
                ..Places::default()
            };
            let error = Relocations::read(&places, Arch::Amd64, &image).expect_err("refused");
            assert!(error.to_string().contains(why), "{error}");
        }
        for (at, size, why) in [
            (0x1000, 50, "no multiple of 24"),
            (0x1000, 72, "not in the file"),
            (u64::MAX - 7, 24, "not in the file"),
        ] {
            let places = Places {
                rela: Some((at, size)),
                ..Places::default()
            };
            let error = Relocations::read(&places, Arch::Amd64, &image).expect_err("refused");
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn rela_values_relative_and_by_symbol_in_any_order() {
        let (relative, absolute) = (8, 1);
        let words = [
            // entries at 0x1000: two in order, one behind them that is not
            0x2000,
            relative,
            0x1234, //
            0x2010,
            1 << 32 | absolute,
            4, //
            0x1ff0,
            2 << 32 | absolute,
            4, //
            // symbols at 0x1048: none, defined (section 7), undefined
            0,
            0,
            0, //
            7 << 48,
            0x5000,
            0, //
            0,
            0x6000,
            0,
        ];
        let image = memory(&words);
        let places = Places {
            rela: Some((0x1000, 72)),
            symtab: Some(0x1048),
            ..Places::default()
        };
        let found = Relocations::read(&places, Arch::Amd64, &image).expect("read");
        assert_eq!(found.rela_count(), 3);
        let value = |addr| found.value_at(addr, &image);
        assert_eq!(value(0x2000), Some(0x1234));
        assert_eq!(value(0x2010), Some(0x5004));
        assert_eq!(value(0x1ff0), None, "an undefined symbol has no value here");
        assert_eq!(value(0x2008), None);
        let wanted: Vec<_> = found.values(&image, |v| v == 0x5004).collect();
        assert_eq!(wanted, [(ImageAddr(0x2010), 0x5004)]);
    }

    #[test]
    fn dynamic_entries() {
        let bytes =
            |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let found = Places::of_dynamic(&bytes(&[
            DT_RELRSZ, 16, DT_RELA, 0x100, DT_RELASZ, 24, DT_RELR, 0x200, DT_SYMTAB, 0x300,
            DT_RELRENT, 8, DT_RELAENT, 24, DT_NULL, 0, DT_RELA, 0x999,
        ]));
        let expected = Places {
            rela: Some((0x100, 24)),
            relr: Some((0x200, 16)),
            symtab: Some(0x300),
        };
        assert_eq!(found, Ok(expected));
        for (tag, said) in [(DT_RELAENT, "RELA"), (DT_RELRENT, "RELR")] {
            let error = Places::of_dynamic(&bytes(&[tag, 16])).expect_err("refused");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

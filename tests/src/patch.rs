//! Copies of ELF files with something changed, without the code under test.

use anyhow::{Context, Result};

/// Tags of dynamic entries that a reader of relocations looks at.
const DT_NULL: u64 = 0;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_RELRSZ: u64 = 35;
const DT_RELR: u64 = 36;
const DT_RELRENT: u64 = 37;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;

/// A 64-bit little-endian ELF file in memory.
#[derive(Clone, Debug)]
pub struct Patch {
    pub bytes: Vec<u8>,
}

/// A program header.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u32,
    offset: u64,
    vaddr: u64,
    filesz: u64,
}

impl Patch {
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The little-endian word at a file offset.
    ///
    /// # Panics
    /// The file ends before.
    #[must_use]
    pub fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("8 bytes"))
    }

    fn half(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    /// Writes a little-endian word at a file offset.
    ///
    /// # Panics
    /// The file ends before.
    pub fn set_word(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn headers(&self) -> Vec<Header> {
        let (table, size, count) = (self.word(0x20) as usize, self.half(0x36), self.half(0x38));
        (0..count)
            .map(|i| {
                let at = table + i * size;
                Header {
                    kind: self.word(at) as u32,
                    offset: self.word(at + 8),
                    vaddr: self.word(at + 16),
                    filesz: self.word(at + 32),
                }
            })
            .collect()
    }

    /// File offset of an address.
    #[must_use]
    pub fn offset(&self, addr: u64) -> Option<usize> {
        let headers = self.headers();
        let segment = headers
            .iter()
            .find(|h| h.kind == PT_LOAD && addr >= h.vaddr && addr - h.vaddr < h.filesz)?;
        usize::try_from(addr - segment.vaddr + segment.offset).ok()
    }

    /// File offsets of the entries of PT_DYNAMIC, up to its end mark.
    fn dynamic(&self) -> Result<Vec<usize>> {
        let headers = self.headers();
        let dynamic = headers.iter().find(|h| h.kind == PT_DYNAMIC);
        let dynamic = dynamic.context("no PT_DYNAMIC")?;
        let entries = (0..dynamic.filesz / 16).map(|i| (dynamic.offset + 16 * i) as usize);
        Ok(entries.take_while(|at| self.word(*at) != DT_NULL).collect())
    }

    /// End of the program headers.
    #[must_use]
    pub fn headers_end(&self) -> usize {
        self.word(0x20) as usize + self.half(0x36) * self.half(0x38)
    }

    /// Offset and size of every section that takes room in the file, and whether it is loaded.
    #[must_use]
    pub fn sections(&self) -> Vec<(usize, usize, bool)> {
        const SHT_NOBITS: u32 = 8;
        let (table, size, count) = (self.word(0x28) as usize, self.half(0x3a), self.half(0x3c));
        (0..count)
            .map(|i| table + i * size)
            .filter(|at| (self.word(*at) >> 32) as u32 != SHT_NOBITS)
            .map(|at| {
                let (offset, size) = (self.word(at + 24) as usize, self.word(at + 32) as usize);
                (offset, size, self.word(at + 8) & 2 != 0)
            })
            .filter(|(_, size, _)| *size > 0)
            .collect()
    }

    /// File offsets of the values in PT_DYNAMIC; none without it.
    #[must_use]
    pub fn dynamic_values(&self) -> Vec<usize> {
        let entries = self.dynamic().unwrap_or_default();
        entries.into_iter().map(|at| at + 8).collect()
    }

    /// File offset of the section that holds the sections' names.
    #[must_use]
    pub fn section_names(&self) -> usize {
        let header = self.word(0x28) as usize + self.half(0x3e) * self.half(0x3a);
        self.word(header + 24) as usize
    }

    /// The value of a dynamic entry.
    #[must_use]
    pub fn dynamic_value(&self, tag: u64) -> Option<u64> {
        let entries = self.dynamic().ok()?;
        let at = entries.into_iter().find(|at| self.word(*at) == tag)?;
        Some(self.word(at + 8))
    }

    /// Gives a dynamic entry another value.
    ///
    /// # Panics
    /// There is no such entry.
    pub fn set_dynamic(&mut self, tag: u64, value: u64) {
        let entries = self.dynamic().expect("PT_DYNAMIC");
        let at = entries.into_iter().find(|at| self.word(*at) == tag);
        self.set_word(at.expect("entry") + 8, value);
    }

    /// No section headers, as packers leave a file.
    #[must_use]
    pub fn without_section_headers(mut self) -> Self {
        self.bytes[0x28..0x30].fill(0);
        self.bytes[0x3c..0x40].fill(0);
        self
    }

    /// Turns a program header that only describes into one that loads `bytes` as code at `addr`, a
    /// multiple of the page size.
    ///
    /// # Errors
    /// There is none to spare.
    pub fn add_code(&mut self, addr: u64, bytes: &[u8]) -> Result<()> {
        const SPARE: [u32; 2] = [4, 0x6474_e551]; // PT_NOTE, PT_GNU_STACK
        let headers = self.headers();
        let spare = headers.iter().position(|h| SPARE.contains(&h.kind));
        let index = spare.context("no program header to spare")?;
        self.bytes
            .resize(self.bytes.len().next_multiple_of(4096), 0);
        let (offset, len) = (self.bytes.len() as u64, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        let at = self.word(0x20) as usize + index * self.half(0x36);
        let readable_code = 5 << 32;
        let header = [
            u64::from(PT_LOAD) | readable_code,
            offset,
            addr,
            addr,
            len,
            len,
            4096,
        ];
        for (i, word) in header.into_iter().enumerate() {
            self.set_word(at + 8 * i, word);
        }
        Ok(())
    }

    /// Every occurrence of some text replaced by other text of the same length; how many there
    /// were.
    ///
    /// # Panics
    /// The lengths differ.
    pub fn replace(&mut self, from: &[u8], to: &[u8]) -> usize {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = memchr::memmem::find_iter(&self.bytes, from).collect();
        for place in &places {
            self.bytes[*place..place + to.len()].copy_from_slice(to);
        }
        places.len()
    }

    /// The same file with its relative RELA relocations packed into a RELR table, values in place,
    /// as a linker does for `-z pack-relative-relocs`; and how many those are. To be read only:
    /// some dynamic entries make room for the new ones.
    ///
    /// # Errors
    /// It has no RELA table, or too few dynamic entries.
    pub fn packed(mut self, relative: u64) -> Result<(Self, usize)> {
        let entries = self.dynamic()?;
        let of = |this: &Self, tag: u64| entries.iter().copied().find(|at| this.word(*at) == tag);
        let rela = of(&self, DT_RELA).context("no DT_RELA")?;
        let size = of(&self, DT_RELASZ).context("no DT_RELASZ")?;
        let table = self.word(rela + 8);
        let at = self.offset(table).context("RELA table")?;
        let count = self.word(size + 8) as usize / 24;
        let (mut packed, mut kept) = (Vec::new(), Vec::new());
        for i in 0..count {
            let entry = at + 24 * i;
            let (place, info, value) = (
                self.word(entry),
                self.word(entry + 8),
                self.word(entry + 16),
            );
            if info == relative && place % 8 == 0 {
                let there = self
                    .offset(place)
                    .context("a relocation outside the file")?;
                self.set_word(there, value);
                packed.push(place);
            } else {
                kept.push([place, info, value]);
            }
        }
        packed.sort_unstable();
        let relr = relr(&packed);
        let words: Vec<u64> = kept.iter().flatten().chain(&relr).copied().collect();
        for (i, word) in words.iter().enumerate() {
            self.set_word(at + 8 * i, *word);
        }
        self.set_word(size + 8, 24 * kept.len() as u64);
        let used = [DT_SYMTAB, DT_RELA, DT_RELASZ, DT_RELAENT];
        let mut free = entries.iter().filter(|e| !used.contains(&self.word(**e)));
        let mut take = || free.next().copied().context("too few dynamic entries");
        let places = [take()?, take()?, take()?];
        let values = [
            (DT_RELR, table + 24 * kept.len() as u64),
            (DT_RELRSZ, 8 * relr.len() as u64),
            (DT_RELRENT, 8),
        ];
        for (place, (tag, value)) in places.into_iter().zip(values) {
            self.set_word(place, tag);
            self.set_word(place + 8, value);
        }
        Ok((self, packed.len()))
    }
}

/// RELR entries for sorted addresses.
fn relr(addresses: &[u64]) -> Vec<u64> {
    let mut entries = Vec::new();
    let mut rest = addresses;
    while let Some((first, mut behind)) = rest.split_first() {
        entries.push(*first);
        let mut base = first + 8;
        loop {
            let here = behind.partition_point(|a| *a < base + 8 * 63);
            if here == 0 {
                break;
            }
            let (covered, others) = behind.split_at(here);
            let bits = covered
                .iter()
                .fold(0, |bits, a| bits | 1 << ((a - base) / 8));
            entries.push(bits << 1 | 1);
            behind = others;
            base += 8 * 63;
        }
        rest = behind;
    }
    entries
}

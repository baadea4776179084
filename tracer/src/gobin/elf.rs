//! The ELF file as the loader sees it: program headers, dynamic relocations, no section headers needed.

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::error::Error;
use super::model::{Arch, ImageAddr};
use super::reader::{u32_at, u64_at};

/// A PT_LOAD segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub vaddr: u64,
    pub memsz: u64,
    pub offset: u64,
    pub filesz: u64,
    pub writable: bool,
    pub executable: bool,
}

const RELA_SIZE: usize = 24;

/// The file, with relocated reads.
#[derive(Debug)]
pub struct Elf<'data> {
    data: &'data [u8],
    pub arch: Arch,
    pub pie: bool,
    pub segments: Vec<Segment>,
    rela: &'data [u8],
    /// Entries of `rela` before this index are sorted by offset (linkers put RELATIVE entries first, sorted).
    rela_sorted: usize,
    /// (offset, index) of the rest, sorted.
    rela_rest: Vec<(u64, u32)>,
    symtab: Option<ImageAddr>,
    /// PT_TLS: size in memory and alignment.
    pub tls: Option<(u64, u64)>,
    pub build_id: Option<String>,
    pub go_build_id: Option<String>,
}

impl<'data> Elf<'data> {
    pub fn parse(data: &'data [u8]) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged {
            what: what.to_owned(),
        };
        let ident = data.get(..20).unwrap_or(data);
        if !ident.starts_with(b"\x7fELF") {
            let found = ident
                .iter()
                .take(4)
                .map(|b| format!("{b:02x}"))
                .collect::<Vec<_>>()
                .join(" ");
            return Err(Error::NotElf { found });
        }
        match (ident.get(4), ident.get(5)) {
            (Some(2), Some(1)) => {}
            (Some(1), _) => {
                return Err(Error::Unsupported {
                    what: "32-bit file (64-bit expected)".into(),
                });
            }
            (_, Some(2)) => {
                return Err(Error::Unsupported {
                    what: "big-endian file (little-endian expected)".into(),
                });
            }
            _ => {
                return Err(Error::Unsupported {
                    what: "unknown class or byte order".into(),
                });
            }
        }
        let header = FileHeader64::<LE>::parse(data).map_err(|e| damaged(&e.to_string()))?;
        let arch = match header.e_machine(LE) {
            elf::EM_X86_64 => Arch::Amd64,
            elf::EM_AARCH64 => Arch::Arm64,
            other => {
                return Err(Error::Unsupported {
                    what: format!("machine {} (amd64 or arm64 expected)", other.0),
                });
            }
        };
        let headers = header
            .program_headers(LE, data)
            .map_err(|e| damaged(&e.to_string()))?;
        let mut segments: Vec<Segment> = headers
            .iter()
            .filter(|h| h.p_type(LE) == elf::PT_LOAD)
            .map(segment)
            .collect();
        segments.retain(|s| {
            s.vaddr.checked_add(s.memsz).is_some() && s.offset.checked_add(s.filesz).is_some()
        });
        segments.sort_by_key(|s| s.vaddr);
        if segments.is_empty() {
            return Err(damaged("no loadable segment"));
        }
        if let Some(s) = segments
            .iter()
            .find(|s| s.offset.saturating_add(s.filesz) > data.len() as u64)
        {
            return Err(damaged(&format!(
                "the segment at 0x{:x} ends at file offset 0x{:x}, the file has 0x{:x} bytes (truncated?)",
                s.vaddr,
                s.offset.saturating_add(s.filesz),
                data.len()
            )));
        }
        let mut this = Self {
            data,
            arch,
            pie: header.e_type(LE) == elf::ET_DYN,
            segments,
            rela: &[],
            rela_sorted: 0,
            rela_rest: Vec::new(),
            symtab: None,
            tls: None,
            build_id: None,
            go_build_id: None,
        };
        for h in headers {
            if h.p_type(LE) == elf::PT_NOTE {
                this.notes(h);
            } else if h.p_type(LE) == elf::PT_DYNAMIC {
                this.dynamic(h);
            } else if h.p_type(LE) == elf::PT_TLS {
                this.tls = Some((h.p_memsz(LE), h.p_align(LE)));
            }
        }
        Ok(this)
    }

    fn dynamic(&mut self, header: &ProgramHeader64<LE>) {
        let entries = header.data(LE, self.data).unwrap_or_default();
        let (mut rela, mut size) = (None, None);
        for entry in entries.chunks_exact(16) {
            let (Some(tag), Some(value)) = (u64_at(entry, 0), u64_at(entry, 8)) else {
                break;
            };
            match tag {
                0 => break,
                7 => rela = Some(value),
                8 => size = Some(value),
                6 => self.symtab = Some(ImageAddr(value)),
                _ => {}
            }
        }
        if let (Some(at), Some(size)) = (rela, size)
            && let Ok(size) = usize::try_from(size)
            && let Some(bytes) = self.bytes_at(ImageAddr(at), size)
        {
            self.rela = bytes;
            let mut last = 0;
            let mut entries = bytes.chunks_exact(RELA_SIZE);
            self.rela_sorted = entries
                .by_ref()
                .take_while(|e| {
                    let offset = u64_at(e, 0).unwrap_or(0);
                    let ordered = offset >= last;
                    last = offset;
                    ordered
                })
                .count();
            let sorted = self.rela_sorted;
            self.rela_rest = bytes
                .chunks_exact(RELA_SIZE)
                .enumerate()
                .skip(sorted)
                .filter_map(|(i, e)| Some((u64_at(e, 0)?, u32::try_from(i).ok()?)))
                .collect();
            self.rela_rest.sort_unstable();
        }
    }

    fn notes(&mut self, header: &ProgramHeader64<LE>) {
        let Ok(Some(notes)) = header.notes(LE, self.data) else {
            return;
        };
        let mut notes = notes;
        while let Ok(Some(note)) = notes.next() {
            match (note.name(), note.n_type(LE).0) {
                (b"GNU", 3) => {
                    self.build_id = Some(
                        note.desc()
                            .iter()
                            .take(64)
                            .map(|b| format!("{b:02x}"))
                            .collect(),
                    )
                }
                (b"Go", 4) => {
                    self.go_build_id = Some(
                        String::from_utf8_lossy(note.desc().get(..200).unwrap_or(note.desc()))
                            .into_owned(),
                    )
                }
                _ => {}
            }
        }
    }

    pub fn relocations(&self) -> usize {
        self.rela.len() / RELA_SIZE
    }

    pub fn segment_at(&self, addr: u64) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|s| addr >= s.vaddr && addr - s.vaddr < s.memsz)
    }

    pub fn is_mapped(&self, addr: u64, len: u64) -> bool {
        self.segment_at(addr)
            .is_some_and(|s| len <= s.memsz - (addr - s.vaddr))
    }

    pub fn file_offset(&self, addr: ImageAddr) -> Option<u64> {
        let s = self.segment_at(addr.0)?;
        let delta = addr.0 - s.vaddr;
        (delta < s.filesz).then_some(s.offset.checked_add(delta)?)
    }

    /// File bytes from an address to the end of its segment's file part.
    pub fn bytes_from(&self, addr: ImageAddr) -> Option<&'data [u8]> {
        let s = self.segment_at(addr.0)?;
        let delta = addr.0 - s.vaddr;
        let start = usize::try_from(s.offset.checked_add(delta)?).ok()?;
        let end = usize::try_from(s.offset.checked_add(s.filesz)?).ok()?;
        self.data.get(start..end)
    }

    pub fn bytes_at(&self, addr: ImageAddr, len: usize) -> Option<&'data [u8]> {
        self.bytes_from(addr)?.get(..len)
    }

    /// The 8-byte word at an address after dynamic relocation with load bias 0.
    pub fn word(&self, addr: ImageAddr) -> Option<u64> {
        if let Some(value) = self.relocated(addr.0) {
            return Some(value);
        }
        match self.bytes_at(addr, 8) {
            Some(bytes) => u64_at(bytes, 0),
            // zero-initialised memory
            None => self.is_mapped(addr.0, 8).then_some(0),
        }
    }

    fn relocated(&self, addr: u64) -> Option<u64> {
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
            return self.value(entry);
        }
        let rest = self.rela_rest.partition_point(|(offset, _)| *offset < addr);
        match self.rela_rest.get(rest) {
            Some((offset, index)) if *offset == addr => self.value(at(*index as usize)?),
            _ => None,
        }
    }

    fn value(&self, entry: &[u8]) -> Option<u64> {
        let info = u64_at(entry, 8)?;
        let addend = u64_at(entry, 16)?;
        let (relative, absolute) = match self.arch {
            Arch::Amd64 => (8, 1),
            Arch::Arm64 => (1027, 257),
        };
        match info & 0xffff_ffff {
            kind if kind == relative => Some(addend),
            kind if kind == absolute => {
                // value of a defined symbol; the symbol's *name* is never looked at
                let symbol = self.bytes_at(
                    ImageAddr(self.symtab?.0.checked_add((info >> 32).checked_mul(24)?)?),
                    24,
                )?;
                (u32_at(symbol, 4)? >> 16 != 0).then_some(u64_at(symbol, 8)?.wrapping_add(addend))
            }
            _ => None,
        }
    }

    /// Addresses of 8-aligned words equal to `value` in writable segments, relocations included.
    pub fn words_equal(&self, value: u64) -> Vec<ImageAddr> {
        let mut found: Vec<ImageAddr> = self
            .rela
            .chunks_exact(RELA_SIZE)
            .filter(|e| self.value_is(e, value))
            .filter_map(|e| Some(ImageAddr(u64_at(e, 0)?)))
            .collect();
        for s in self.segments.iter().filter(|s| s.writable) {
            let Some(bytes) =
                self.bytes_at(ImageAddr(s.vaddr), usize::try_from(s.filesz).unwrap_or(0))
            else {
                continue;
            };
            let skew = usize::try_from(s.vaddr.wrapping_neg() & 7).unwrap_or(0);
            let words = bytes
                .get(skew..)
                .unwrap_or_default()
                .chunks_exact(8)
                .enumerate();
            found.extend(
                words
                    .filter(|(_, w)| u64_at(w, 0) == Some(value))
                    .filter_map(|(i, _)| {
                        Some(ImageAddr(
                            s.vaddr
                                .checked_add(skew as u64)?
                                .checked_add(8 * i as u64)?,
                        ))
                    }),
            );
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn value_is(&self, entry: &[u8], value: u64) -> bool {
        // cheap test first: nearly all entries are RELATIVE ones with another addend
        u64_at(entry, 16) == Some(value) && self.value(entry) == Some(value)
            || (self.symtab.is_some()
                && u64_at(entry, 8).is_some_and(|i| i >> 32 != 0)
                && self.value(entry) == Some(value))
    }
}

fn segment(header: &ProgramHeader64<LE>) -> Segment {
    let flags = header.p_flags(LE);
    Segment {
        vaddr: header.p_vaddr(LE),
        memsz: header.p_memsz(LE),
        offset: header.p_offset(LE),
        filesz: header.p_filesz(LE),
        writable: flags.0 & 2 != 0,
        executable: flags.0 & 1 != 0,
    }
}

//! The ELF file as the loader sees it: program headers, dynamic relocations, no section headers
//! needed.

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::error::Error;
use super::pages::Pages;
use super::reader::{c_str, u64_at};
use super::relocations::{Image, Places, Relocations};
use crate::addr::{FileOffset, ImageAddr};
use crate::arch::Arch;

/// A PT_LOAD segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub vaddr: ImageAddr,
    pub memsz: u64,
    pub offset: FileOffset,
    pub filesz: u64,
    pub writable: bool,
    pub executable: bool,
}

const PATH_MAX: usize = 4096;

/// The file, with relocated reads.
#[derive(Debug)]
pub struct Elf<'data> {
    data: &'data [u8],
    pub arch: Arch,
    pub pie: bool,
    pub segments: Vec<Segment>,
    relocations: Relocations<'data>,
    /// PT_TLS: size in memory and alignment.
    pub tls: Option<(u64, u64)>,
    /// The program that loads it, if it is not loaded by the kernel alone.
    pub interpreter: Option<String>,
    pub build_id: Option<String>,
    pub go_build_id: Option<String>,
    pub pages: Pages<'data>,
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
            .find(|s| s.offset.0.saturating_add(s.filesz) > data.len() as u64)
        {
            return Err(damaged(&format!(
                "the segment at 0x{:x} ends at file offset 0x{:x}, the file has 0x{:x} bytes (truncated?)",
                s.vaddr,
                s.offset.0.saturating_add(s.filesz),
                data.len()
            )));
        }
        let file = File {
            data,
            segments: &segments,
        };
        let dynamic = headers.iter().find(|h| h.p_type(LE) == elf::PT_DYNAMIC);
        let places = match dynamic.map(|h| h.data(LE, data)) {
            Some(Ok(entries)) => Places::of_dynamic(entries)?,
            Some(Err(())) => return Err(damaged("PT_DYNAMIC is not in the file")),
            None => Places::of_sections(data),
        };
        let relocations = Relocations::read(&places, arch, &file)?;
        let mut this = Self {
            data,
            arch,
            pie: header.e_type(LE) == elf::ET_DYN,
            segments,
            relocations,
            tls: None,
            interpreter: None,
            build_id: None,
            go_build_id: None,
            pages: Pages::default(),
        };
        for h in headers {
            if h.p_type(LE) == elf::PT_NOTE {
                this.notes(h);
            } else if h.p_type(LE) == elf::PT_INTERP {
                let path = h.data(LE, data).ok().and_then(|b| c_str(b, PATH_MAX));
                this.interpreter = path.map(str::to_owned);
            } else if h.p_type(LE) == elf::PT_TLS {
                this.tls = Some((h.p_memsz(LE), h.p_align(LE)));
            }
        }
        Ok(this)
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

    pub fn relocations(&self) -> &Relocations<'data> {
        &self.relocations
    }

    fn image(&self) -> File<'_, 'data> {
        File {
            data: self.data,
            segments: &self.segments,
        }
    }

    pub fn segment_at(&self, addr: u64) -> Option<&Segment> {
        self.image().segment_at(addr)
    }

    pub fn is_mapped(&self, addr: u64, len: u64) -> bool {
        self.image().is_mapped(addr, len)
    }

    pub fn file_offset(&self, addr: ImageAddr) -> Option<FileOffset> {
        let s = self.segment_at(addr.0)?;
        let delta = addr.since(s.vaddr);
        (delta < s.filesz).then_some(s.offset.checked_add(delta)?)
    }

    /// File bytes from an address to the end of its segment's file part.
    pub fn bytes_from(&self, addr: ImageAddr) -> Option<&'data [u8]> {
        self.image().bytes_from(addr)
    }

    pub fn bytes_at(&self, addr: ImageAddr, len: usize) -> Option<&'data [u8]> {
        self.image().bytes_at(addr, len)
    }

    /// The 8-byte word at an address after dynamic relocation with load bias 0.
    pub fn word(&self, addr: ImageAddr) -> Option<u64> {
        if let Some(value) = self.relocations.value_at(addr.0, &self.image()) {
            return Some(value);
        }
        match self.bytes_at(addr, 8) {
            Some(bytes) => u64_at(bytes, 0),
            // zero-initialised memory
            None => self.is_mapped(addr.0, 8).then_some(0),
        }
    }

    /// Addresses of 8-aligned words equal to `value` in writable segments, relocations included.
    pub fn words_equal(&self, value: u64) -> Vec<ImageAddr> {
        let mut found: Vec<ImageAddr> = self
            .words(|word| word == value)
            .into_iter()
            .map(|(addr, _)| addr)
            .collect();
        found.dedup();
        found
    }

    /// 8-aligned words of writable segments that `wanted` takes, relocations included, by address.
    pub fn words(&self, wanted: impl Fn(u64) -> bool) -> Vec<(ImageAddr, u64)> {
        let image = self.image();
        let mut found: Vec<(ImageAddr, u64)> = self.relocations.values(&image, &wanted).collect();
        self.pages.moved_on();
        for s in self.segments.iter().filter(|s| s.writable) {
            let Some(bytes) = self.bytes_at(s.vaddr, usize::try_from(s.filesz).unwrap_or(0)) else {
                continue;
            };
            let skew = s.vaddr.0.wrapping_neg() & 7;
            let aligned = usize::try_from(skew)
                .ok()
                .and_then(|skew| bytes.get(skew..))
                .unwrap_or_default();
            for (from, piece) in self.pages.pieces(aligned, 0) {
                let words = piece.as_chunks::<8>().0;
                found.extend(words.iter().zip(0u64..).filter_map(|(word, i)| {
                    let word = u64::from_le_bytes(*word);
                    let start = s.vaddr.checked_add(skew)?.checked_add(from as u64)?;
                    wanted(word).then_some((start.checked_add(8 * i)?, word))
                }));
            }
        }
        self.pages.moved_on();
        found.sort_unstable();
        found
    }
}

/// Segments and the file's bytes: what addresses mean.
#[derive(Clone, Copy, Debug)]
struct File<'a, 'data> {
    data: &'data [u8],
    segments: &'a [Segment],
}

impl<'a, 'data> File<'a, 'data> {
    fn segment_at(&self, addr: u64) -> Option<&'a Segment> {
        self.segments
            .iter()
            .find(|s| addr >= s.vaddr.0 && addr - s.vaddr.0 < s.memsz)
    }

    fn bytes_from(&self, addr: ImageAddr) -> Option<&'data [u8]> {
        let s = self.segment_at(addr.0)?;
        let start = s.offset.checked_add(addr.since(s.vaddr))?;
        let end = s.offset.checked_add(s.filesz)?;
        self.data
            .get(usize::try_from(start.0).ok()?..usize::try_from(end.0).ok()?)
    }
}

impl<'data> Image<'data> for File<'_, 'data> {
    fn bytes_at(&self, addr: ImageAddr, len: usize) -> Option<&'data [u8]> {
        self.bytes_from(addr)?.get(..len)
    }

    fn is_mapped(&self, addr: u64, len: u64) -> bool {
        self.segment_at(addr)
            .is_some_and(|s| len <= s.memsz - (addr - s.vaddr.0))
    }
}

fn segment(header: &ProgramHeader64<LE>) -> Segment {
    let flags = header.p_flags(LE);
    Segment {
        vaddr: ImageAddr(header.p_vaddr(LE)),
        memsz: header.p_memsz(LE),
        offset: FileOffset(header.p_offset(LE)),
        filesz: header.p_filesz(LE),
        writable: flags.0 & 2 != 0,
        executable: flags.0 & 1 != 0,
    }
}

//! Everything that must hold before a word is believed to be the first of a moduledata of some
//! layout.

use super::super::elf::Elf;
use super::super::layout::{ModuleLayout, textsect_has_length};
use super::super::module::{ENTRY, ItabPlace, ModuleData, TextSections};
use super::super::pclntab::Pclntab;
use super::super::reader::u32_at;
use super::super::rtype::Types;
use crate::addr::ImageAddr;

/// Why not, and how many checks it had passed: of several reasons the one that came furthest tells
/// most.
#[derive(Debug)]
pub struct Refused {
    pub passed: u32,
    pub why: String,
}

/// One place taken for a moduledata of one layout.
struct Place<'a, 'data> {
    elf: &'a Elf<'data>,
    addr: u64,
    passed: u32,
}

impl Place<'_, '_> {
    fn word(&self, at: usize) -> Result<u64, Refused> {
        self.addr
            .checked_add(at as u64)
            .and_then(|a| self.elf.word(ImageAddr(a)))
            .ok_or_else(|| self.refuse(format!("ends before offset {at}")))
    }

    fn refuse(&self, why: String) -> Refused {
        Refused {
            passed: self.passed,
            why,
        }
    }

    fn must(&mut self, holds: bool, why: impl FnOnce() -> String) -> Result<(), Refused> {
        if !holds {
            return Err(self.refuse(why()));
        }
        self.passed += 1;
        Ok(())
    }

    fn step<T>(&mut self, result: Result<T, String>) -> Result<T, Refused> {
        let value = result.map_err(|why| self.refuse(why))?;
        self.passed += 1;
        Ok(value)
    }

    /// Pointer and length of a slice of elements of so many bytes.
    fn slice(&mut self, what: &str, at: usize, size: u64) -> Result<(u64, u64), Refused> {
        let (ptr, len, cap) = (self.word(at)?, self.word(at + 8)?, self.word(at + 16)?);
        let mapped = len
            .checked_mul(size)
            .is_some_and(|bytes| len == 0 || self.elf.is_mapped(ptr, bytes));
        self.must(len == cap && mapped, || {
            format!("{what} is no slice (pointer 0x{ptr:x}, length {len}, capacity {cap}; equal and mapped expected)")
        })?;
        Ok((ptr, len))
    }

    fn string(&mut self, what: &str, at: usize) -> Result<(), Refused> {
        let (ptr, len) = (self.word(at)?, self.word(at + 8)?);
        let mapped = len == 0 || self.elf.is_mapped(ptr, len);
        self.must(mapped, || {
            format!("{what} is no string (pointer 0x{ptr:x}, length {len}; mapped expected)")
        })
    }
}

/// The moduledata at `addr`, if everything fits that its layout and the pclntab say. `minor`: the
/// release that descriptors are read by.
pub fn check(
    elf: &Elf<'_>,
    table: &Pclntab<'_>,
    addr: ImageAddr,
    layout: &'static ModuleLayout,
    minor: u32,
) -> Result<ModuleData, Refused> {
    let mut place = Place {
        elf,
        addr: addr.0,
        passed: 0,
    };
    tables(&mut place, table, layout)?;
    let (text, etext, text_sections) = code(&mut place, table, layout)?;
    rest(&mut place, table, layout)?;
    let mut module = types(&mut place, layout)?;
    (module.text, module.etext) = (text, etext);
    module.text_sections = text_sections;
    let reader = Types {
        elf,
        module: &module,
        minor,
    };
    place.step(reader.check_listed())?;
    place.step(table.check(elf))?;
    Ok(module)
}

/// The parts of the pclntab.
fn tables(
    place: &mut Place<'_, '_>,
    table: &Pclntab<'_>,
    layout: &ModuleLayout,
) -> Result<(), Refused> {
    const NAMES: [(&str, usize, u64); 5] = [
        ("funcnametab", 8, 1),
        ("cutab", 32, 4),
        ("filetab", 56, 1),
        ("pctab", 80, 1),
        ("pclntable", 104, 1),
    ];
    match table.tables {
        Some(tables) => {
            for ((name, at, size), expected) in NAMES.into_iter().zip(tables) {
                let (found, _) = place.slice(name, at, size)?;
                place.must(found == expected, || {
                    format!("{name} is 0x{found:x} (0x{expected:x} by the pclntab's header)")
                })?;
            }
        }
        None => {
            place.slice("pclntable", 0, 1)?;
            place.slice("filetab", 48, 4)?;
        }
    }
    let (ftab, len) = place.slice("ftab", layout.ftab, table.ftab_entry_size())?;
    place.must(ftab == table.ftab_addr(), || {
        format!("ftab is 0x{ftab:x} (0x{:x} expected)", table.ftab_addr())
    })?;
    let functions = table.nfunc as u64;
    let fits = len == functions + 1 || (table.tables.is_some() && len == functions);
    place.must(fits, || {
        format!("ftab has {len} entries (the pclntab has {functions} functions)")
    })?;
    let findfunctab = place.word(layout.ftab + 24 + if table.tables.is_some() { 0 } else { 24 })?;
    place.must(place.elf.is_mapped(findfunctab, 1), || {
        format!("findfunctab 0x{findfunctab:x} is not mapped")
    })
}

/// Text base and end, and the parts of the code; the function table must cover exactly that.
fn code(
    place: &mut Place<'_, '_>,
    table: &Pclntab<'_>,
    layout: &ModuleLayout,
) -> Result<(u64, u64, TextSections), Refused> {
    let elf = place.elf;
    let (minpc, maxpc) = (place.word(layout.minpc)?, place.word(layout.minpc + 8)?);
    let (text, etext) = (place.word(layout.text)?, place.word(layout.text + 8)?);
    place.must(text <= minpc && minpc < maxpc && maxpc <= etext, || {
        format!("text 0x{text:x}..0x{etext:x} does not hold pcs 0x{minpc:x}..0x{maxpc:x}")
    })?;
    if let Some(start) = table.text_start {
        place.must(start == 0 || start == text, || {
            format!("text is 0x{text:x} (0x{start:x} by the pclntab's header)")
        })?;
    }
    let map = place.slice("textsectmap", layout.textsectmap, ENTRY)?;
    let lengths = textsect_has_length(*layout.minors.end());
    let sections = place.step(TextSections::read(elf, map, lengths, (text, etext)))?;
    if sections.len() <= 1 {
        let segment = elf.segment_at(text).filter(|s| s.executable);
        let in_code = segment.is_some_and(|s| etext - s.vaddr.0 <= s.memsz);
        place.must(in_code, || {
            format!("text 0x{text:x}..0x{etext:x} is not in an executable segment")
        })?;
        let base = if table.layout.func.wide_entry {
            0
        } else {
            text
        };
        let pc = |index| {
            table
                .raw_entry(elf, index)
                .and_then(|e| base.checked_add(e))
        };
        for (name, said, index) in [("minpc", minpc, 0), ("maxpc", maxpc, table.nfunc)] {
            let found = pc(index);
            place.must(found == Some(said), || {
                let found = found.map_or("not in the file".into(), |pc| format!("0x{pc:x}"));
                format!("{name} is 0x{said:x} (entry {index} of the function table: {found})")
            })?;
        }
    }
    Ok((text, etext, sections))
}

/// What is not used further, but tells layouts apart.
fn rest(
    place: &mut Place<'_, '_>,
    table: &Pclntab<'_>,
    layout: &ModuleLayout,
) -> Result<(), Refused> {
    const PAIRS: [&str; 4] = ["noptrdata", "data", "bss", "noptrbss"];
    for (at, name) in (layout.text + 16..).step_by(16).zip(PAIRS) {
        let (start, end) = (place.word(at)?, place.word(at + 8)?);
        place.must(start <= end, || format!("{name} is 0x{start:x}..0x{end:x}"))?;
    }
    if let Some(at) = layout.epclntab {
        let end = place.word(at)?;
        let size = end.checked_sub(table.addr).filter(|s| *s > 0);
        let mapped = size.is_some_and(|size| place.elf.is_mapped(table.addr, size));
        place.must(mapped, || {
            format!(
                "epclntab is 0x{end:x} (the pclntab begins at 0x{:x})",
                table.addr
            )
        })?;
    }
    let mut at = layout.ptab;
    place.slice("ptab", at, 8)?;
    place.string("pluginpath", at + 24)?;
    place.slice("pkghashes", at + 40, 40)?;
    if layout.inittasks {
        at += 24;
        place.slice("inittasks", at + 40, 8)?;
    }
    place.string("modulename", at + 64)?;
    place.slice("modulehashes", at + 80, 40)?;
    let hasmain = place.word(layout.hasmain)? & 0xff;
    place.must(hasmain <= 1, || {
        format!("hasmain is {hasmain} (0 or 1 expected)")
    })
}

/// Type region and lists.
fn types(place: &mut Place<'_, '_>, layout: &'static ModuleLayout) -> Result<ModuleData, Refused> {
    let elf = place.elf;
    let (types, etypes) = (place.word(layout.types)?, place.word(layout.etypes)?);
    let size = etypes.saturating_sub(types);
    place.must(size > 0 && elf.is_mapped(types, size), || {
        format!("types 0x{types:x}..0x{etypes:x} are not mapped")
    })?;
    let mut typelinks = None;
    if let Some(at) = layout.typelinks {
        let (ptr, len) = place.slice("typelinks", at, 4)?;
        place.must(len > 0, || "typelinks are empty".to_owned())?;
        let offsets = usize::try_from(len * 4)
            .ok()
            .and_then(|bytes| elf.bytes_at(ImageAddr(ptr), bytes));
        let offsets = place.step(offsets.ok_or("typelinks are not in the file".to_owned()))?;
        let wild = offsets
            .chunks_exact(4)
            .filter_map(|b| u32_at(b, 0))
            .find(|o| u64::from(*o) >= size || *o % 8 != 0);
        place.must(wild.is_none(), || {
            let wild = wild.unwrap_or(0);
            format!("a typelink is 0x{wild:x} (a multiple of 8 below 0x{size:x} expected)")
        })?;
        typelinks = Some((ptr, len));
    }
    let itablinks = match layout.itablinks {
        Some(at) => Some(place.slice("itablinks", at, 8)?),
        None => None,
    };
    let typedesclen = layout.typedesclen.map(|at| place.word(at)).transpose()?;
    let itabs = match layout.itabs {
        Some(at) => Some(ItabPlace {
            offset: place.word(at)?,
            size: place.word(at + 8)?,
        }),
        None => None,
    };
    if let (Some(len), Some(itabs)) = (typedesclen, itabs) {
        let end = itabs.offset.checked_add(itabs.size);
        let fits = 0 < len && len <= itabs.offset && end.is_some_and(|e| e <= size);
        place.must(fits, || {
            format!(
                "typedesclen 0x{len:x} and itabs of 0x{:x} bytes at 0x{:x} do not fit a region of 0x{size:x} bytes",
                itabs.size, itabs.offset
            )
        })?;
    }
    let gofunc = layout.gofunc.map(|at| place.word(at)).transpose()?;
    if let Some(gofunc) = gofunc {
        place.must(elf.is_mapped(gofunc, 1), || {
            format!("gofunc 0x{gofunc:x} is not mapped")
        })?;
    }
    Ok(ModuleData {
        addr: place.addr,
        layout,
        text: 0,
        etext: 0,
        types,
        etypes,
        gofunc,
        typelinks,
        itablinks,
        typedesclen,
        itabs,
        text_sections: TextSections::default(),
    })
}

//! `runtime.moduledata`: text base, type region, type lists. Found by its first word, believed only if everything fits.

use super::elf::Elf;
use super::error::Error;
use super::layout::{MODULE_LAYOUTS, ModuleLayout};
use super::model::ImageAddr;
use super::pclntab::Pclntab;

/// The validated fields.
#[derive(Clone, Debug)]
pub struct ModuleData {
    pub addr: u64,
    pub layout: &'static ModuleLayout,
    pub text: u64,
    pub etext: u64,
    pub types: u64,
    pub etypes: u64,
    pub gofunc: Option<u64>,
    pub typelinks: Option<(u64, u64)>,
    pub itablinks: Option<(u64, u64)>,
    pub typedesclen: Option<u64>,
    /// Offset from `types`, size (1.27).
    pub itabs: Option<(u64, u64)>,
    /// (vaddr, end, baseaddr), more than one only in very large programs.
    pub text_sections: Vec<(u64, u64, u64)>,
}

/// Tries every place and every layout; `minor` only orders the layouts, the checks decide.
pub fn find(elf: &Elf<'_>, table: &Pclntab<'_>, minor: Option<u32>) -> Result<ModuleData, Error> {
    let places = elf.words_equal(table.addr);
    let mut layouts: Vec<&'static ModuleLayout> = MODULE_LAYOUTS.iter().collect();
    layouts.sort_by_key(|l| !minor.is_some_and(|m| l.minors.contains(&m)));
    let mut why = Vec::new();
    for place in &places {
        for layout in &layouts {
            match check(elf, table, *place, layout) {
                Ok(found) => return Ok(found),
                Err(reason) => why.push(format!("{place} as {}: {reason}", layout.name)),
            }
        }
    }
    let known = MODULE_LAYOUTS
        .iter()
        .map(|l| l.name)
        .collect::<Vec<_>>()
        .join(", ");
    Err(Error::Moduledata {
        what: match why.first() {
            None => format!("no word points at the pclntab at 0x{:x}", table.addr),
            Some(first) => format!("no known layout fits (known: {known}); {first}"),
        },
    })
}

fn check(
    elf: &Elf<'_>,
    table: &Pclntab<'_>,
    place: ImageAddr,
    layout: &'static ModuleLayout,
) -> Result<ModuleData, String> {
    let word = |at: usize| -> Result<u64, String> {
        place
            .0
            .checked_add(at as u64)
            .and_then(|a| elf.word(ImageAddr(a)))
            .ok_or_else(|| format!("ends before offset {at}"))
    };
    let slice = |at: usize, size: u64, what: &str| -> Result<(u64, u64), String> {
        let (ptr, len, cap) = (word(at)?, word(at + 8)?, word(at + 16)?);
        let fits = len == cap
            && len
                .checked_mul(size)
                .is_some_and(|bytes| len == 0 || elf.is_mapped(ptr, bytes));
        if fits {
            Ok((ptr, len))
        } else {
            Err(format!(
                "{what} is not a slice (pointer 0x{ptr:x}, length {len}, capacity {cap})"
            ))
        }
    };
    match table.tables {
        Some(tables) => {
            for (at, expected) in [8, 32, 56, 80, 104].into_iter().zip(tables) {
                let found = word(at)?;
                if found != expected {
                    return Err(format!(
                        "table pointer at offset {at} is 0x{found:x}, the header says 0x{expected:x}"
                    ));
                }
            }
        }
        None => {
            if word(8)? != word(16)? {
                return Err("pclntable is not a slice".into());
            }
        }
    }
    let ftab = slice(layout.ftab, table.ftab_entry_size(), "ftab")?;
    if ftab.0 != table.ftab_addr() {
        return Err(format!(
            "ftab is 0x{:x}, expected 0x{:x}",
            ftab.0,
            table.ftab_addr()
        ));
    }
    if ftab.1 != table.nfunc as u64 && ftab.1 != table.nfunc as u64 + 1 {
        return Err(format!(
            "ftab has {} entries, the pclntab {}",
            ftab.1, table.nfunc
        ));
    }
    let (minpc, maxpc, text, etext) = (
        word(layout.minpc)?,
        word(layout.minpc + 8)?,
        word(layout.text)?,
        word(layout.text + 8)?,
    );
    if !(text <= minpc && minpc < maxpc && maxpc <= etext && elf.is_mapped(text, 1)) {
        return Err(format!(
            "text 0x{text:x}..0x{etext:x} and pcs 0x{minpc:x}..0x{maxpc:x} do not fit"
        ));
    }
    if table.text_start.is_some_and(|t| t != 0 && t != text) {
        return Err("the header's text base differs".into());
    }
    let sections = slice(layout.textsectmap, 24, "textsectmap")?;
    let mut text_sections = Vec::new();
    for i in 0..sections.1.min(64) {
        let at = |k: u64| {
            elf.word(ImageAddr(sections.0.wrapping_add(i * 24 + k * 8)))
                .unwrap_or(0)
        };
        text_sections.push((at(0), at(1), at(2)));
    }
    let (types, etypes) = (word(layout.types)?, word(layout.etypes)?);
    let size = etypes
        .checked_sub(types)
        .filter(|s| *s > 0 && elf.is_mapped(types, *s));
    let Some(size) = size else {
        return Err(format!("types 0x{types:x}..0x{etypes:x} are not mapped"));
    };
    let typelinks = match layout.typelinks {
        None => None,
        Some(at) => Some(slice(at, 4, "typelinks")?)
            .filter(|(_, len)| *len > 0)
            .map_or(Err("typelinks are empty".to_owned()), |t| Ok(Some(t)))?,
    };
    if let Some((ptr, len)) = typelinks {
        for i in [0, len / 2, len - 1] {
            let offset = elf
                .bytes_at(ImageAddr(ptr.wrapping_add(4 * i)), 4)
                .and_then(|b| super::reader::u32_at(b, 0));
            if offset.is_none_or(|o| u64::from(o) >= size) {
                return Err(format!("typelink {i} is outside the type region"));
            }
        }
    }
    let itablinks = layout
        .itablinks
        .map(|at| slice(at, 8, "itablinks"))
        .transpose()?;
    let typedesclen = layout.typedesclen.map(word).transpose()?;
    let itabs = layout
        .itabs
        .map(|at| Ok::<_, String>((word(at)?, word(at + 8)?)))
        .transpose()?;
    if let (Some(len), Some((offset, bytes))) = (typedesclen, itabs)
        && !(0 < len && len <= offset && offset.checked_add(bytes).is_some_and(|e| e <= size))
    {
        return Err("typedesclen and itabs do not fit the type region".into());
    }
    let gofunc = layout.gofunc.map(word).transpose()?;
    let hasmain = word(layout.hasmain)? & 0xff;
    if hasmain > 1 {
        return Err(format!("hasmain is {hasmain}"));
    }
    if let Some(sections_first) = text_sections.first()
        && text_sections.len() == 1
        && sections_first.2 != text
    {
        return Err("the text section map does not start at text".into());
    }
    Ok(ModuleData {
        addr: place.0,
        layout,
        text,
        etext,
        types,
        etypes,
        gofunc,
        typelinks,
        itablinks,
        typedesclen,
        itabs,
        text_sections,
    })
}

impl ModuleData {
    /// Address of an offset from the text base, through the text section map where there are several.
    pub fn text_addr(&self, offset: u64) -> Option<u64> {
        if self.text_sections.len() > 1 {
            let (vaddr, _, base) = self
                .text_sections
                .iter()
                .find(|(vaddr, end, _)| (*vaddr..*end).contains(&offset))?;
            return base.checked_add(offset - vaddr);
        }
        self.text.checked_add(offset)
    }
}

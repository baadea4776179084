//! `runtime.moduledata`: text base, type region, type lists. Found by its first word, believed only if everything fits.

mod check;
mod text;

use super::elf::Elf;
use super::error::Error;
use super::layout::{MODULE_LAYOUTS, ModuleLayout};
use super::pclntab::Pclntab;
use super::release::Release;

pub use text::TextSections;

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
    /// 1.27: itabs lie in the type region.
    pub itabs: Option<ItabPlace>,
    pub text_sections: TextSections,
}

/// Where itabs lie in the type region, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItabPlace {
    /// From its start.
    pub offset: u64,
    pub size: u64,
}

impl ModuleData {
    /// Address of an offset from the text base.
    pub fn text_addr(&self, offset: u64) -> Option<u64> {
        self.text_sections.addr(self.text, offset)
    }
}

/// Tries every place and every layout that the release may have, and gives the release whose layouts fit: the recorded one or,
/// where that is none of the known ones, the newest with the layout found.
pub fn find(
    elf: &Elf<'_>,
    table: &Pclntab<'_>,
    release: &Release,
) -> Result<(ModuleData, u32), Error> {
    let places = elf.words_equal(table.addr);
    let mut best: Option<(u32, String)> = None;
    let mut tried = Vec::new();
    for layout in MODULE_LAYOUTS {
        let minors = layout.within(&table.layout.minors);
        let Some(newest) = minors.clone().next_back() else {
            continue;
        };
        let minor = match release.known() {
            Some(known) if minors.contains(&known) => known,
            Some(_) => continue,
            None => newest,
        };
        tried.push(layout.name);
        for place in &places {
            match check::check(elf, table, *place, layout, minor) {
                Ok(found) => return Ok((found, minor)),
                Err(refused) => {
                    if best
                        .as_ref()
                        .is_none_or(|(passed, _)| refused.passed > *passed)
                    {
                        let why = format!("{place} as {}: {}", layout.name, refused.why);
                        best = Some((refused.passed, why));
                    }
                }
            }
        }
    }
    let known = MODULE_LAYOUTS
        .iter()
        .map(|l| l.name)
        .collect::<Vec<_>>()
        .join(", ");
    Err(Error::Moduledata {
        what: match best {
            _ if tried.is_empty() => format!(
                "the pclntab at 0x{:x} has the format of {}, but the release is {}",
                table.addr,
                table.layout.releases,
                release.shown()
            ),
            None => format!("no word points at the pclntab at 0x{:x}", table.addr),
            Some((_, why)) => format!(
                "none that passes every check for {} (known: {known}); {why}",
                release.shown()
            ),
        },
    })
}

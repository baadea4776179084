//! Finds `runtime.moduledata` by its first word; believed only if everything fits.

mod check;

use super::elf::Elf;
use super::error::Error;
use super::layout::MODULE_LAYOUTS;
use super::module::ModuleData;
use super::pclntab::Pclntab;
use super::release::Release;

/// Tries every place and every layout that the release may have, and gives the release whose
/// layouts fit: the recorded one or, where that is none of the known ones, the newest with the
/// layout found.
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

//! Descriptors and calling convention against the DWARF of the same program: ground truth that the
//! compiler wrote by other code.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use mobytrace::gobin::{GoBinary, TypeKind};
use mobytrace::plan::entry_parity;

/// What was compared in one program. Everything that DWARF lists is in exactly one of the counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Types that both sources describe, all kinds.
    pub types: usize,
    /// Of these: named structs, and their fields.
    pub structs: usize,
    pub fields: usize,
    /// Types that only DWARF describes, and why those that cannot be read cannot.
    pub only_dwarf: usize,
    pub incomplete: BTreeMap<String, usize>,
    /// Functions compared, and those that were not, by reason.
    pub functions: usize,
    pub skipped: BTreeMap<&'static str, usize>,
    /// Parameters whose place at the entry both know.
    pub places: usize,
    /// Parameters that DWARF gives no place for at the entry, by reason.
    pub unplaced: BTreeMap<&'static str, usize>,
    /// Everything that differs, both sides said.
    pub different: Vec<String>,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} types in both ({} named structs with {} fields), {} only in DWARF {:?}; {} functions, not compared {:?}; {} places \
             equal, not placed {:?}; {} different",
            self.types,
            self.structs,
            self.fields,
            self.only_dwarf,
            self.incomplete,
            self.functions,
            self.skipped,
            self.places,
            self.unplaced,
            self.different.len()
        )?;
        for line in self.different.iter().take(40) {
            writeln!(f, "  different: {line}")?;
        }
        Ok(())
    }
}

const TOO_LARGE: &str = "larger than any address space";

/// Why a type cannot be read, without its place.
fn reason(why: &mobytrace::gobin::Error) -> String {
    let why = why.to_string();
    let why = why.rsplit(": ").next().unwrap_or_default();
    why.split_once(" claims ")
        .map_or(why, |_| TOO_LARGE)
        .to_owned()
}

/// Compares all types and all functions of a program that carries Go's DWARF.
///
/// # Errors
/// It cannot be read, or carries none.
pub fn parity(path: &Path) -> Result<Counts> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let binary = GoBinary::parse(&bytes)?;
    let mut counts = Counts::default();
    let types = binary.dwarf_types()?;
    anyhow::ensure!(!types.is_empty(), "{}: no Go DWARF", path.display());
    for id in types {
        if id.descriptor().is_none() {
            counts.only_dwarf += 1;
            if let Err(why) = binary.type_by_id(id) {
                *counts.incomplete.entry(reason(&why)).or_default() += 1;
            }
            continue;
        }
        let ty = match binary.type_by_id(id) {
            Ok(ty) => ty,
            // arrays that the runtime casts addresses to, refused in both
            Err(why) if reason(&why) == TOO_LARGE => {
                *counts.incomplete.entry(reason(&why)).or_default() += 1;
                continue;
            }
            Err(why) => {
                counts.different.push(format!("no descriptor: {why}"));
                continue;
            }
        };
        counts.types += 1;
        if let (TypeKind::Struct { fields }, true) = (&ty.kind, ty.named) {
            counts.structs += 1;
            counts.fields += fields.len();
        }
        counts.different.extend(binary.type_disagreement(id));
    }
    for function in binary.functions() {
        let parity = entry_parity(&binary, &function).with_context(|| function.name.clone())?;
        if let Some(why) = parity.skipped {
            *counts.skipped.entry(why).or_default() += 1;
            continue;
        }
        counts.functions += 1;
        counts.places += parity.same;
        for (why, n) in parity.unknown {
            *counts.unplaced.entry(why).or_default() += n;
        }
        for what in parity.different {
            counts.different.push(format!("{}: {what}", function.name));
        }
    }
    Ok(counts)
}

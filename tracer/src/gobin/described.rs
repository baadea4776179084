//! The two sources of a binary side by side: what DWARF knows, and whether it agrees with the
//! runtime descriptors.

use std::collections::BTreeSet;

use super::binary::GoBinary;
use super::dwarf::{Dwarf, DwarfFunction};
use super::error::Error;
use super::model::{FuncInfo, Type, TypeId, TypeKind};

impl<'data> GoBinary<'data> {
    /// Go's DWARF; `Ok(None)`: there is none.
    pub(super) fn dwarf(&self) -> Result<Option<&Dwarf<'data>>, Error> {
        let opened = self
            .dwarf
            .get_or_init(|| Dwarf::open(self.file(), self.type_region()));
        match opened {
            Ok(dwarf) => Ok(dwarf.as_ref()),
            Err(why) => Err(why.clone()),
        }
    }

    /// The function as DWARF describes it; `None`: it does not.
    ///
    /// # Errors
    /// The DWARF is damaged.
    pub fn dwarf_function(&self, f: &FuncInfo) -> Result<Option<DwarfFunction>, Error> {
        match self.dwarf()? {
            Some(dwarf) => dwarf.function(f.entry.0),
            None => Ok(None),
        }
    }

    pub(super) fn dwarf_type(&self, offset: u64) -> Result<Type, Error> {
        let gone = || Error::At {
            region: "DWARF",
            addr: offset,
            what: "no Go type there".to_owned(),
        };
        let dwarf = self.dwarf()?.ok_or_else(gone)?;
        dwarf.read_type(usize::try_from(offset).map_err(|_| gone())?)
    }

    pub(super) fn dwarf_types_named(&self, name: &str) -> Vec<TypeId> {
        self.dwarf()
            .ok()
            .flatten()
            .and_then(|d| d.types_named(name).ok())
            .unwrap_or_default()
    }

    /// Every type that DWARF lists, by its identity: of those with a descriptor the descriptor's.
    ///
    /// # Errors
    /// The DWARF is damaged.
    pub fn dwarf_types(&self) -> Result<Vec<TypeId>, Error> {
        let Some(dwarf) = self.dwarf()? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for offset in dwarf.type_offsets()? {
            found.push(dwarf.type_id(offset)?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// A type as DWARF alone describes it, for comparison; `None`: it does not.
    ///
    /// # Errors
    /// The DWARF is damaged.
    pub fn type_by_dwarf(&self, id: TypeId) -> Result<Option<Type>, Error> {
        let Some(dwarf) = self.dwarf()? else {
            return Ok(None);
        };
        match dwarf.offset_of(id)? {
            Some(offset) => dwarf.read_type(offset).map(Some),
            None => Ok(None),
        }
    }

    /// What the descriptor of a type and DWARF say differently; `None`: nothing, or only one of
    /// them knows it.
    #[must_use]
    pub fn type_disagreement(&self, id: TypeId) -> Option<String> {
        id.descriptor()?;
        let there = self.type_by_dwarf(id).ok().flatten()?;
        let here = self.type_by_id(id).ok()?;
        self.differs(&here, &there)
            .map(|what| format!("{}: {what} (descriptor and DWARF disagree)", here.name))
    }
}

/// Most types compared for one parameter. Both sources were read to get there: the comparison is a
/// check on top, and its end refuses nothing.
const MOST_COMPARED: usize = 4096;

impl GoBinary<'_> {
    /// The first disagreement of descriptors and DWARF in a type or what it consists of and points
    /// to.
    #[must_use]
    pub fn types_disagree(&self, id: TypeId) -> Option<String> {
        self.dwarf().ok().flatten()?;
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if seen.len() >= MOST_COMPARED || !seen.insert(id) {
                continue;
            }
            if let Some(what) = self.type_disagreement(id) {
                return Some(what);
            }
            let Ok(ty) = self.type_by_id(id) else {
                continue;
            };
            match ty.kind {
                TypeKind::Array { elem, .. }
                | TypeKind::Pointer { elem }
                | TypeKind::Slice { elem } => open.push(elem),
                TypeKind::Map { key, elem, .. } => open.extend([key, elem]),
                TypeKind::Struct { fields } => open.extend(fields.into_iter().map(|f| f.ty)),
                _ => {}
            }
        }
        None
    }
}

/// Types declared within functions are numbered in DWARF (`x·1`), not in descriptors.
fn without_counters(name: &str) -> String {
    let mut parts = name.split('·');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

impl GoBinary<'_> {
    /// Whether two identities stand for one type: `unsafe.Pointer` has no descriptor's address in
    /// the DWARF of old releases (seen in Go 1.15).
    #[must_use]
    pub fn is_same_type(&self, a: TypeId, b: TypeId) -> bool {
        let is_unsafe = |id| {
            self.type_by_id(id)
                .is_ok_and(|ty| ty.kind == TypeKind::UnsafePointer)
        };
        a == b
            || (a.descriptor().is_none() || b.descriptor().is_none())
                && is_unsafe(a)
                && is_unsafe(b)
    }

    /// The first difference in what both sources record. DWARF spells type literals in its own way;
    /// they are compared by their parts.
    fn differs(&self, here: &Type, there: &Type) -> Option<String> {
        if (here.size, here.align) != (there.size, there.align) {
            return Some(format!(
                "size {}, alignment {} against {}, {}",
                here.size, here.align, there.size, there.align
            ));
        }
        // shapes are spelled with package names by one, with import paths by the other; both follow
        // the same parts
        let shape = here.name.starts_with("go.shape.") && there.name.starts_with("go.shape.");
        if here.named && !shape && here.name != without_counters(&there.name) {
            return Some(format!("name against {}", there.name));
        }
        let same = |a: &TypeId, b: &TypeId| self.is_same_type(*a, *b);
        let same = match (&here.kind, &there.kind) {
            (TypeKind::Struct { fields: a }, TypeKind::Struct { fields: b }) => {
                if a.len() != b.len() {
                    return Some(format!("{} fields against {}", a.len(), b.len()));
                }
                let (one, other) = a.iter().zip(b).find(|(a, b)| {
                    (&a.name, a.offset, a.embedded) != (&b.name, b.offset, b.embedded)
                        || !same(&a.ty, &b.ty)
                })?;
                return Some(format!(
                    "field {} at {} of type 0x{:x} against {} at {} of type 0x{:x}",
                    one.name, one.offset, one.ty.0, other.name, other.offset, other.ty.0
                ));
            }
            // parameters of function types are in DWARF in a form that changed; nothing is read by
            // them
            (TypeKind::Func { .. }, TypeKind::Func { .. }) => true,
            (TypeKind::Pointer { elem: a }, TypeKind::Pointer { elem: b })
            | (TypeKind::Slice { elem: a }, TypeKind::Slice { elem: b }) => same(a, b),
            (
                TypeKind::Array { elem: a, len },
                TypeKind::Array {
                    elem: b,
                    len: other,
                },
            ) => len == other && same(a, b),
            (a, b) => a == b,
        };
        (!same).then(|| format!("{:?} against {:?}", here.kind, there.kind))
    }
}

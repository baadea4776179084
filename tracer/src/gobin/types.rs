//! Types of a binary: by address, by name, and all that are reachable from what it lists.

use std::collections::BTreeSet;

use super::binary::GoBinary;
use super::error::Error;
use super::model::{Method, Type, TypeId, TypeKind};
use super::rtype::Types;

/// Largest type believed, bytes.
const MOST_SIZE: u64 = 1 << 40;
/// Bound on types visited in a closure.
const MOST_TYPES: usize = 1 << 20;

impl<'data> GoBinary<'data> {
    pub(super) fn type_reader(&self) -> Types<'_, 'data> {
        Types {
            elf: &self.elf,
            module: &self.module,
            minor: self.version.minor,
        }
    }

    pub(super) fn roots(&self) -> &[TypeId] {
        self.roots.get_or_init(|| self.type_reader().roots())
    }

    /// The type whose descriptor lies at that address.
    ///
    /// # Errors
    /// No plausible descriptor there.
    pub fn type_by_id(&self, id: TypeId) -> Result<Type, Error> {
        if let Some(known) = self.types.borrow().get(&id) {
            return Ok(known.clone());
        }
        let ty = match id.dwarf() {
            None => self.type_reader().read(id)?,
            Some(offset) => self.dwarf_type(offset)?,
        };
        if !is_sane(&ty) {
            return Err(Error::At {
                region: "type descriptor",
                addr: id.0,
                what: format!(
                    "{} claims {} bytes, or a field outside of them",
                    ty.name, ty.size
                ),
            });
        }
        self.types.borrow_mut().insert(id, ty.clone());
        Ok(ty)
    }

    /// Types of exactly that full name; a leading `*` asks for the pointer type.
    ///
    /// # Errors
    /// None at present; unreadable descriptors are passed over.
    pub fn types_named(&self, full_name: &str) -> Result<Vec<TypeId>, Error> {
        let (pointer, wanted) = match full_name.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, full_name),
        };
        // the listed types are unnamed: a named type T is reached through *T, whose text ends in the package *name* and T
        let tail = wanted.rsplit('/').next().unwrap_or(wanted);
        let reader = self.type_reader();
        let mut found = BTreeSet::new();
        for root in self.roots() {
            let Some(text) = reader.short_name(*root) else {
                continue;
            };
            let elem_text = text.strip_prefix('*');
            if !pointer && text == full_name {
                found.insert(*root);
            }
            if elem_text.is_some_and(|t| t == tail || t == wanted || same_base(t, tail))
                && let Ok(Type {
                    kind: TypeKind::Pointer { elem },
                    ..
                }) = self.type_by_id(*root)
                && self.type_by_id(elem).is_ok_and(|t| t.name == wanted)
            {
                found.insert(if pointer { *root } else { elem });
            }
        }
        if found.is_empty() {
            let mut all = self.find_types(&mut |name| name == wanted)?;
            if all.is_empty() {
                all = self.dwarf_types_named(wanted);
            }
            if !pointer {
                return Ok(all);
            }
            for id in self.closure() {
                if let Ok(Type {
                    kind: TypeKind::Pointer { elem },
                    ..
                }) = self.type_by_id(id)
                    && all.contains(&elem)
                {
                    found.insert(id);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Types of exactly these full names among those that the binary lists or lists a pointer to; cheaper than a search of all.
    pub fn listed_types(&self, names: &[&str]) -> Vec<TypeId> {
        let reader = self.type_reader();
        let mut found = BTreeSet::new();
        for root in self.roots() {
            let Some(text) = reader.short_name(*root) else {
                continue;
            };
            let elem = text.strip_prefix('*').is_some_and(|t| names.contains(&t));
            if !elem && !names.contains(&text) {
                continue;
            }
            let id = match self.type_by_id(*root) {
                Ok(Type {
                    kind: TypeKind::Pointer { elem },
                    ..
                }) => elem,
                Ok(_) => *root,
                Err(_) => continue,
            };
            if self
                .type_by_id(id)
                .is_ok_and(|t| names.contains(&t.name.as_str()))
            {
                found.insert(id);
            }
        }
        found.into_iter().collect()
    }

    /// All types reachable from the roots whose full name satisfies `pred`.
    ///
    /// # Errors
    /// None at present; unreadable descriptors are passed over.
    pub fn find_types(&self, pred: &mut dyn FnMut(&str) -> bool) -> Result<Vec<TypeId>, Error> {
        Ok(self
            .closure()
            .into_iter()
            .filter(|id| self.type_by_id(*id).is_ok_and(|t| pred(&t.name)))
            .collect())
    }

    fn closure(&self) -> Vec<TypeId> {
        let mut seen: BTreeSet<TypeId> = BTreeSet::new();
        let mut open: Vec<TypeId> = self.roots().to_vec();
        open.extend(
            self.type_reader()
                .itabs()
                .into_iter()
                .flat_map(|(a, b)| [a, b]),
        );
        while let Some(id) = open.pop() {
            if seen.len() >= MOST_TYPES || !seen.insert(id) {
                continue;
            }
            let Ok(ty) = self.type_by_id(id) else {
                seen.remove(&id);
                continue;
            };
            match ty.kind {
                TypeKind::Array { elem, .. }
                | TypeKind::Chan { elem }
                | TypeKind::Pointer { elem }
                | TypeKind::Slice { elem } => open.push(elem),
                TypeKind::Map { key, elem, .. } => open.extend([key, elem]),
                TypeKind::Func {
                    params, results, ..
                } => open.extend(params.into_iter().chain(results)),
                TypeKind::Interface { methods } => {
                    open.extend(methods.into_iter().filter_map(|m| m.ty))
                }
                TypeKind::Struct { fields } => open.extend(fields.into_iter().map(|f| f.ty)),
                _ => {}
            }
            open.extend(
                self.type_reader()
                    .methods(id)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|m| m.ty),
            );
        }
        seen.into_iter().collect()
    }

    /// Method table of a concrete type; methods of `*T` are on the pointer type.
    ///
    /// # Errors
    /// No plausible descriptor, or a damaged table.
    pub fn methods(&self, id: TypeId) -> Result<Vec<Method>, Error> {
        self.type_reader().methods(id)
    }

    /// (interface, concrete type) of every itab in the file.
    ///
    /// # Errors
    /// None at present.
    pub fn itabs(&self) -> Result<Vec<(TypeId, TypeId)>, Error> {
        Ok(self.type_reader().itabs())
    }
}

/// Sizes and offsets that sums of them cannot overflow.
fn is_sane(ty: &Type) -> bool {
    let inside = match &ty.kind {
        TypeKind::Struct { fields } => fields.iter().all(|f| f.offset <= ty.size),
        _ => true,
    };
    inside && ty.size <= MOST_SIZE
}

/// `types.Container` and `v2/types.Container` … : equal from the last dot on.
fn same_base(a: &str, b: &str) -> bool {
    match (a.rsplit_once('.'), b.rsplit_once('.')) {
        (Some((_, a)), Some((_, b))) => a == b,
        _ => false,
    }
}

//! Types of a binary: by address, by name, and all that are reachable from what it lists.

use std::collections::BTreeSet;

use super::binary::GoBinary;
use super::error::Error;
use super::model::{Method, Type, TypeId, TypeKind};
use super::names::NameIndex;
use super::rtype::Types;

/// Largest type that the compiler makes, bytes (cmd/compile/internal/types/size.go: MaxWidth).
const MOST_SIZE: u64 = 1 << 50;
/// Types kept after they were read.
const MOST_KEPT: usize = 4096;

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
        let ty = self.read_type(id)?;
        let mut known = self.types.borrow_mut();
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.insert(id, ty.clone());
        Ok(ty)
    }

    fn read_type(&self, id: TypeId) -> Result<Type, Error> {
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
        let reader = self.type_reader();
        // the listed types are unnamed: a named type T is reached through *T
        let mut found = BTreeSet::new();
        for root in self.listed_names().candidates(wanted) {
            if !pointer && reader.short_name(root) == Some(full_name) {
                found.insert(root);
            }
            if let Some(elem) = self.pointed_at(root)
                && self.is_named(elem, wanted)
            {
                found.insert(if pointer { root } else { elem });
            }
        }
        if !found.is_empty() {
            return Ok(found.into_iter().collect());
        }
        let mut all: Vec<TypeId> = self
            .all_names()
            .candidates(wanted)
            .filter(|id| self.is_named(*id, wanted))
            .collect();
        if all.is_empty() {
            all = self.dwarf_types_named(wanted);
        }
        if !pointer {
            all.sort_unstable();
            return Ok(all);
        }
        // DWARF may spell a name that the descriptor spells otherwise
        let names = all.iter().filter_map(|id| reader.short_name(*id));
        for name in std::iter::once(wanted).chain(names) {
            let pointers = self.all_names().candidates(name);
            found.extend(
                pointers.filter(|id| self.pointed_at(*id).is_some_and(|e| all.contains(&e))),
            );
        }
        Ok(found.into_iter().collect())
    }

    /// What the pointer type at that address points to; `None`: there is none, or its text has no
    /// star.
    fn pointed_at(&self, id: TypeId) -> Option<TypeId> {
        self.type_reader().short_name(id)?.strip_prefix('*')?;
        match self.type_by_id(id).ok()?.kind {
            TypeKind::Pointer { elem } => Some(elem),
            _ => None,
        }
    }

    fn is_named(&self, id: TypeId, full_name: &str) -> bool {
        self.type_by_id(id).is_ok_and(|t| t.name == full_name)
    }

    /// Types of exactly these full names among those that the binary lists or lists a pointer to;
    /// cheaper than a search of all.
    pub fn listed_types(&self, names: &[&str]) -> Vec<TypeId> {
        let reader = self.type_reader();
        let mut found = BTreeSet::new();
        for name in names {
            for root in self.listed_names().candidates(name) {
                let Some(text) = reader.short_name(root) else {
                    continue;
                };
                if text.strip_prefix('*').unwrap_or(text) != *name {
                    continue;
                }
                let id = match self.type_by_id(root) {
                    Ok(Type {
                        kind: TypeKind::Pointer { elem },
                        ..
                    }) => elem,
                    Ok(_) => root,
                    Err(_) => continue,
                };
                if self
                    .type_by_id(id)
                    .is_ok_and(|t| names.contains(&t.name.as_str()))
                {
                    found.insert(id);
                }
            }
        }
        found.into_iter().collect()
    }

    /// All types reachable from the roots whose full name satisfies `pred`, by address.
    ///
    /// # Errors
    /// None at present; unreadable descriptors are passed over.
    pub fn find_types(&self, pred: &mut dyn FnMut(&str) -> bool) -> Result<Vec<TypeId>, Error> {
        let reader = self.type_reader();
        Ok(self
            .reachable()
            .into_iter()
            .filter(|id| reader.name_of(*id).is_some_and(|name| pred(&name)))
            .filter(|id| self.read_type(*id).is_ok())
            .collect())
    }

    /// Instantiations of a generic type among the types reachable from the roots, by address.
    /// `name` is the full name in front of the type arguments; a leading `*` asks for pointers to
    /// them.
    #[must_use]
    pub fn instantiations(&self, name: &str) -> Vec<TypeId> {
        let all = self.instantiations.get_or_init(|| {
            let reader = self.type_reader();
            let mut found: Vec<(String, TypeId)> = self
                .reachable()
                .into_iter()
                .filter(|id| reader.short_name(*id).is_some_and(|n| generic(n).is_some()))
                .filter_map(|id| Some((generic(&reader.name_of(id)?)?.to_owned(), id)))
                .filter(|(_, id)| self.read_type(*id).is_ok())
                .collect();
            found.sort_unstable();
            found
        });
        let from = all.partition_point(|(known, _)| known.as_str() < name);
        let rest = all.get(from..).unwrap_or_default().iter();
        rest.take_while(|(known, _)| known == name)
            .map(|(_, id)| *id)
            .collect()
    }

    fn all_itabs(&self) -> &[(TypeId, TypeId)] {
        self.itabs.get_or_init(|| self.type_reader().itabs())
    }

    /// Interfaces of which the file holds an itab for one of these types.
    #[must_use]
    pub fn interfaces_of(&self, concrete: &[TypeId]) -> Vec<(TypeId, TypeId)> {
        let by_concrete = self.itabs_by_concrete.get_or_init(|| {
            let all = self.all_itabs().iter().enumerate();
            let mut sorted: Vec<(TypeId, usize)> = all.map(|(i, (_, c))| (*c, i)).collect();
            sorted.sort_unstable();
            sorted
        });
        let mut places: Vec<usize> = concrete
            .iter()
            .flat_map(|wanted| {
                let from = by_concrete.partition_point(|(c, _)| c < wanted);
                let rest = by_concrete.get(from..).unwrap_or_default();
                rest.iter().take_while(move |(c, _)| c == wanted)
            })
            .map(|(_, place)| *place)
            .collect();
        places.sort_unstable();
        places.dedup();
        let all = self.all_itabs();
        places
            .into_iter()
            .filter_map(|place| all.get(place).copied())
            .collect()
    }

    /// Concrete types of which the file holds an itab for that interface, by address.
    #[must_use]
    pub fn implementers(&self, interface: TypeId) -> Vec<TypeId> {
        let all = self.all_itabs().iter().filter(|(i, _)| *i == interface);
        let found: BTreeSet<TypeId> = all.map(|(_, concrete)| *concrete).collect();
        found.into_iter().collect()
    }

    fn reachable(&self) -> Vec<TypeId> {
        let reader = self.type_reader();
        let itabs = self.all_itabs().iter().flat_map(|(a, b)| [*a, *b]);
        let reachable = reader.reachable(self.roots().iter().copied().chain(itabs));
        self.elf.pages.moved_on();
        reachable
    }

    /// Names of the types that the binary lists.
    fn listed_names(&self) -> &NameIndex {
        self.listed_names
            .get_or_init(|| self.index(self.roots().iter().copied()))
    }

    /// Names of all types, made when the first name is asked for that no listed type has.
    fn all_names(&self) -> &NameIndex {
        self.all_names
            .get_or_init(|| self.index(self.reachable().into_iter()))
    }

    fn index(&self, types: impl Iterator<Item = TypeId>) -> NameIndex {
        let reader = self.type_reader();
        let names = types.filter_map(|id| Some((id, reader.short_name(id)?)));
        let index = NameIndex::new(self.lowest_vaddr().0, names);
        self.elf.pages.moved_on();
        index
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
        Ok(self.all_itabs().to_vec())
    }
}

/// `a/b.T[int]` → `a/b.T`; `None` for types that have no name of their own.
fn generic(name: &str) -> Option<&str> {
    let (before, _) = name.split_once('[')?;
    before.contains('.').then_some(before)
}

/// Sizes and offsets that sums of them cannot overflow.
fn is_sane(ty: &Type) -> bool {
    let inside = match &ty.kind {
        TypeKind::Struct { fields } => fields.iter().all(|f| f.offset <= ty.size),
        _ => true,
    };
    inside && ty.size <= MOST_SIZE
}

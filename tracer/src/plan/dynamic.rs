//! Which concrete types an interface value is followed into: those that the binary itself shows to
//! implement it.
//!
//! The table is exact: a value whose type's descriptor is not in it is missing with that type's
//! address, never read as another type.

use tracer_ebpf::wire::limits::MAX_OPS;

use super::block::Block;
use super::candidate::ERROR;
use super::lower::{Lowering, is_plain};
use super::policy::Policy;
use super::schema::{DynTypeSchema, TypeKindSchema};
use super::tables::{MOST_TYPES, Room, is_reference};
use crate::addr::ImageAddr;
use crate::gobin::{Error, GoBinary, TypeId, TypeKind};
use crate::moby::{modules, references};

/// Dynamic types described for any interface but `error`; of further ones the name is shown.
const MOST_IMPLEMENTERS: usize = 48;
/// Ops of a plan that dynamic types may bring it to; of further types the name is shown. The rest
/// is for parameters and results.
const MOST_OPS: usize = MAX_OPS as usize / 2;
/// Pointers followed in a dynamic type.
const MOST_DEPTH: u8 = 2;
/// Values of one dynamic type, fields and elements included; of larger ones only the type is shown.
const MOST_WEIGHT: u32 = 160;
/// How early types are described: the daemon's own, those of libraries that are developed with it,
/// all others.
const OWN: u8 = 0;
const CLOSE: u8 = 1;
/// The standard library: its import paths begin with no domain.
const STANDARD: u8 = 1;
const OTHERS: u8 = 2;

/// The daemon's own types first, then those of its close libraries and of Go's, then the others.
fn own_first(binary: &GoBinary<'_>, mut types: Vec<TypeId>) -> Vec<TypeId> {
    // sorting is stable: by address within a rank
    types.sort_by_cached_key(|id| {
        // a pointer type's own name has no import path
        let followed = match binary.type_by_id(*id).map(|ty| ty.kind) {
            Ok(TypeKind::Pointer { elem }) => elem,
            _ => *id,
        };
        binary
            .type_by_id(followed)
            .map_or(OTHERS, |ty| rank(&ty.name))
    });
    types
}

/// The types of the package of such an interface that name images. Values come to the interface by
/// way of others of the package, for which the binary keeps no itab.
fn references(binary: &GoBinary<'_>, interface: &str) -> Result<Vec<TypeId>, Error> {
    let (package, _) = interface.rsplit_once('.').unwrap_or((interface, ""));
    let mut found = Vec::new();
    for name in references::TYPES {
        found.extend(binary.types_named(&format!("{package}.{name}"))?);
    }
    Ok(found)
}

fn rank(name: &str) -> u8 {
    let vendored = name.split_once("/vendor/");
    let known = |name: &str| match modules::own(name) {
        Some(_) => Some(OWN),
        None => modules::CLOSE
            .iter()
            .any(|start| name.starts_with(start))
            .then_some(CLOSE),
    };
    match (known(vendored.map_or(name, |(_, own)| own)), vendored) {
        // a copy that the daemon carries is a library's
        (Some(rank), Some(_)) => rank.max(CLOSE),
        (Some(rank), None) => rank,
        (None, None)
            if !name.contains('/') || !name.split('/').next().is_some_and(|d| d.contains('.')) =>
        {
            STANDARD
        }
        (None, _) => OTHERS,
    }
}

impl Lowering<'_, '_, '_> {
    /// The table of an interface under a policy; 0: it is not followed.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub(super) fn table(
        &mut self,
        id: TypeId,
        name: &str,
        empty: bool,
        policy: Policy,
    ) -> Result<u32, Error> {
        if let Policy::Dynamic(types) = policy {
            return self.table_of(types);
        }
        let (inner, most) = match policy {
            _ if name == ERROR => (Policy::ErrorText(2), usize::MAX),
            // a chain of everything that the callers had
            _ if name == "context.Context" => return Ok(0),
            Policy::Full(0) | Policy::Identity(0) | Policy::Object(0) => return Ok(0),
            // both ends of a connection belong to a network error's text, and an image's name to
            // that of one that does not exist what a filter was given, up to 20.10
            Policy::ErrorText(_) if empty => (Policy::ErrorText(1), MOST_IMPLEMENTERS),
            Policy::ErrorText(n) if name == "net.Addr" || is_reference(name) => {
                (Policy::ErrorText(n.saturating_sub(1)), MOST_IMPLEMENTERS)
            }
            Policy::Full(n) => (Policy::Full((n - 1).min(MOST_DEPTH)), MOST_IMPLEMENTERS),
            Policy::Identity(_)
            | Policy::Object(_)
            | Policy::Result
            | Policy::ResultStruct
            | Policy::ResultPart => (policy.deeper(), MOST_IMPLEMENTERS),
            Policy::ErrorText(_)
            | Policy::Fields(_)
            | Policy::Dynamic(_)
            | Policy::Peer
            | Policy::Skip => return Ok(0),
        };
        let key = ((!empty).then_some(id), inner);
        if let Some(table) = self.tables.made.get(&key) {
            return Ok(*table);
        }
        let table = self.tables.next();
        // noted before the types are walked: a value may hold one of its own kind
        self.tables.made.insert(key, table);
        let concrete = if empty && matches!(inner, Policy::ErrorText(_)) {
            self.binary.listed_types(&["string", "[]string"])
        } else if empty {
            self.tables.any(self.binary)
        } else if is_reference(name) {
            references(self.binary, name)?
        } else {
            own_first(self.binary, self.binary.implementers(id))
        };
        for (index, concrete) in concrete.into_iter().enumerate() {
            if self.plan.dyn_types.len() >= MOST_TYPES {
                *self.tables.beyond.entry(name.to_owned()).or_default() += 1;
                continue;
            }
            let described = if index >= most || self.plan.ops.len() >= MOST_OPS {
                self.by_name(table, concrete, Room::Full)
            } else {
                self.dynamic(table, concrete, inner)
            };
            // one that cannot be read stays out: a value of it is missing, with the type's address
            if described.is_err() {
                continue;
            }
        }
        Ok(table)
    }

    /// A dynamic type table with those of the named types that the binary has; gives its number.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub fn table_of(&mut self, types: &[(&str, Policy)]) -> Result<u32, Error> {
        let table = self.tables.next();
        for (name, policy) in types {
            for id in self.binary.types_named(name)? {
                self.dynamic(table, id, *policy)?;
            }
        }
        Ok(table)
    }

    /// A dynamic type of which the name is all that is shown.
    fn by_name(&mut self, table: u32, id: TypeId, why: Room) -> Result<(), Error> {
        let ty = match self.tables.named.get(&(id, why)) {
            Some(known) => *known,
            None => {
                let ty = self.binary.type_by_id(id)?;
                let kind = match why {
                    Room::Large => TypeKindSchema::TooLarge,
                    Room::Full => TypeKindSchema::NoRoom,
                };
                let index = self.add_described(&ty, kind);
                self.tables.named.insert((id, why), index);
                index
            }
        };
        self.plan.dyn_types.push(DynTypeSchema {
            table,
            type_addr: ImageAddr(id.0),
            ops: 0,
            count: 0,
            ty,
            direct: false,
        });
        Ok(())
    }

    /// Describes dynamic type `id`: the machine's base is the interface's data word, which for a
    /// pointer type is the pointer itself.
    fn dynamic(&mut self, table: u32, id: TypeId, policy: Policy) -> Result<(), Error> {
        let ty = self.binary.type_by_id(id)?;
        let mut left = MOST_WEIGHT;
        let followed = match ty.kind {
            TypeKind::Pointer { elem } => elem,
            _ => id,
        };
        // errors are bounded by their policy, named types by whoever named them
        if matches!(
            policy,
            Policy::Full(_)
                | Policy::Identity(_)
                | Policy::Object(_)
                | Policy::ResultStruct
                | Policy::ResultPart
        ) {
            self.weigh(followed, policy, &mut left)?;
        }
        if left == 0 {
            return self.by_name(table, id, Room::Large);
        }
        let mut direct = false;
        let (index, ops, count) = match ty.kind {
            TypeKind::Pointer { elem } => {
                let (elem_index, (ops, count)) = self.target(elem, policy)?;
                let kind = TypeKindSchema::Pointer { elem: elem_index };
                (self.add_described(&ty, kind), ops, count)
            }
            _ if ty.direct_iface => {
                direct = true;
                let mut block = Block::default();
                let index = self.value(id, policy, 0, &mut block)?;
                // the word itself is in the item of the interface
                let (ops, count) = self.append(block.without_copies());
                (index, ops, count)
            }
            _ => {
                let (index, (ops, count)) = self.target(id, policy)?;
                (index, ops, count)
            }
        };
        self.plan.dyn_types.push(DynTypeSchema {
            table,
            type_addr: ImageAddr(id.0),
            ops,
            count,
            ty: index,
            direct,
        });
        Ok(())
    }

    /// Takes one from `left` for every value that would be described, and stops at 0.
    fn weigh(&self, id: TypeId, policy: Policy, left: &mut u32) -> Result<(), Error> {
        if policy == Policy::Skip || *left == 0 {
            return Ok(());
        }
        *left -= 1;
        match self.binary.type_by_id(id)?.kind {
            TypeKind::Struct { fields } => {
                for field in fields {
                    let policy = self.field_policy(&field, policy)?;
                    self.weigh(field.ty, policy, left)?;
                }
            }
            TypeKind::Pointer { elem } => self.weigh(elem, policy.deeper(), left)?,
            TypeKind::Slice { elem } => self.weigh(elem, policy.deeper(), left)?,
            TypeKind::Map { key, elem, .. } => {
                self.weigh(key, policy.deeper(), left)?;
                self.weigh(elem, policy.deeper(), left)?;
            }
            TypeKind::Array { elem, len } if !is_plain(&self.binary.type_by_id(elem)?.kind) => {
                for _ in 0..len.min(u64::from(*left)) {
                    self.weigh(elem, policy, left)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn the_daemons_own_types_come_first() {
        let mut names = [
            "google.golang.org/grpc/status.Error",
            "os.LinkError",
            "github.com/docker/docker/vendor/github.com/pkg/errors.fundamental",
            "github.com/docker/docker/errdefs.errNotFound",
            "github.com/containerd/errdefs.errNotFound",
            "github.com/moby/moby/v2/errdefs.errSystem",
            "github.com/docker/docker/vendor/github.com/docker/distribution/registry/api/errcode.Error",
            "errors.errorString",
            "io/fs.PathError",
        ];
        names.sort_by_key(|n| rank(n));
        let ranks: Vec<u8> = names.iter().map(|n| rank(n)).collect();
        assert_eq!(ranks, [0, 0, 1, 1, 1, 1, 1, 2, 2], "{names:?}");
    }
}

//! Which concrete types an interface value is followed into: those that the binary itself shows to implement it.
//!
//! The table is exact: a value whose type's descriptor is not in it is missing with that type's address, never read as another type.

use std::collections::HashMap;

use super::block::Block;
use super::lower::{Lowering, is_plain};
use super::policy::Policy;
use super::schema::{DynTypeSchema, TypeKindSchema};
use crate::gobin::{Error, GoBinary, TypeId, TypeKind};

/// Dynamic types described for interface `error`.
const MOST_ERRORS: usize = 512;
/// Dynamic types described for any other interface.
const MOST_IMPLEMENTERS: usize = 48;
/// Dynamic types of one plan; the kernel's table holds those of several traced processes.
const MOST_TYPES: usize = 1024;
/// Pointers followed in a dynamic type.
const MOST_DEPTH: u8 = 2;
/// Values of one dynamic type, fields and elements included; of larger ones only the type is shown.
const MOST_WEIGHT: u32 = 160;
/// Types that an empty interface is followed into.
const ANY: &[&str] = &[
    "bool",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintptr",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "string",
    "[]uint8",
    "[]int",
    "[]string",
    "[]interface {}",
    "map[string]string",
    "map[string]interface {}",
    "map[string]bool",
    "map[string]struct {}",
    "time.Time",
    "time.Duration",
    "encoding/json.Number",
];

/// Tables made so far.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    made: HashMap<(Option<TypeId>, Policy), u32>,
    any: Option<Vec<TypeId>>,
    channel: Option<Option<TypeId>>,
    count: u32,
}

impl Tables {
    /// Number of a further table; 0 is none.
    fn next(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    fn any(&mut self, binary: &GoBinary<'_>) -> Vec<TypeId> {
        self.any
            .get_or_insert_with(|| binary.listed_types(ANY))
            .clone()
    }

    /// `runtime.hchan`, if it is described.
    pub fn channel(&mut self, binary: &GoBinary<'_>) -> Option<TypeId> {
        *self
            .channel
            .get_or_insert_with(|| binary.listed_types(&["runtime.hchan"]).first().copied())
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
            _ if name == "error" => (Policy::ErrorText(2), MOST_ERRORS),
            // a chain of everything that the callers had
            _ if name == "context.Context" => return Ok(0),
            Policy::Full(0) | Policy::Identity(0) | Policy::Object(0) => return Ok(0),
            // both ends of a connection belong to a network error's text
            Policy::ErrorText(n) if name == "net.Addr" => {
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
        let concrete = if empty {
            self.tables.any(self.binary)
        } else {
            self.binary.implementers(id)
        };
        for id in concrete.into_iter().take(most) {
            // one that cannot be read stays out: a value of it is missing, with the type's address
            if self.dynamic(table, id, inner).is_err() {
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

    /// Describes dynamic type `id`: the machine's base is the interface's data word, which for a pointer type is the pointer itself.
    fn dynamic(&mut self, table: u32, id: TypeId, policy: Policy) -> Result<(), Error> {
        if self.plan.dyn_types.len() >= MOST_TYPES {
            return Ok(());
        }
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
        let mut direct = false;
        let (index, ops, count) = match ty.kind {
            _ if left == 0 => (self.add_described(&ty, TypeKindSchema::Opaque), 0, 0),
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
            type_addr: id.0,
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
                    let (policy, _) = self.field_policy(&field, policy)?;
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

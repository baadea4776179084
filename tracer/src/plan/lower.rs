//! Types → ops and schema. One walk over a type produces both, so that they cannot disagree.

use std::collections::HashMap;

use tracer_ebpf::wire::limits::MAX_OPS;
use tracer_ebpf::wire::op::{
    COPY, IFACE, MAP, MAP_HMAP, MAP_INDIRECT_ELEM, MAP_INDIRECT_KEY, MAP_SWISS, OP_ITAB, PTR,
    SLICE, STRING,
};

use super::schema::{
    DynTypeSchema, FieldSchema, MapSchema, OpSchema, Plan, Secret, TypeKindSchema, TypeSchema,
};
use crate::gobin::{Error, Field, GoBinary, MapImpl, Type, TypeId, TypeKind};

/// Most bytes of one string.
const MOST_STRING: u32 = 64 << 10;
/// Most elements of one slice or cells of one map.
const MOST_ELEMENTS: u32 = 4096;
/// Most bytes of one COPY op.
const MOST_COPY: u64 = 1024;
/// Gaps up to this many bytes are copied too rather than starting another op.
const GAP: u64 = 24;
/// Fixed arrays that hold pointers are described element by element, up to this length.
const MOST_ARRAY: u64 = 64;
/// Embedded structs searched for promoted fields.
const MOST_EMBEDDED: u32 = 4;
/// Dynamic types described for interface `error`.
const MOST_ERRORS: usize = 512;

/// How much of a value is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Everything, this many pointers deep.
    Full(u8),
    /// Of structs only the fields by which a user knows an object; of other aggregates their length.
    Identity(u8),
    /// Of structs only these fields, each by its own policy.
    Fields(&'static [(&'static str, Policy, Secret)]),
    /// A result: its plain numbers, and the identity of the objects in it.
    Result,
    /// The struct that a result points to.
    ResultStruct,
    /// Text of an error.
    ErrorText(u8),
    /// Nothing.
    Skip,
}

/// Slices, maps and pointers followed from a field of a result to the names of the objects in it.
const OBJECT_DEPTH: u8 = 4;
/// Structs and arrays nested in each other by value; real types stay far below.
const MOST_NESTED: u32 = 64;

/// Values walked for one plan, fields and elements included; real plans need some thousands.
const MOST_WALKED: u32 = 1 << 20;
/// Bytes of a plain value: a complex number of two float64.
const MOST_PLAIN: u64 = 16;

/// Fields by which a user knows an object.
const IDENTITY: &[&str] = &["ID", "Id", "Names", "Name", "State"];

impl Policy {
    fn deeper(self) -> Self {
        match self {
            Self::Full(0) | Self::Identity(0) | Self::ErrorText(0) => Self::Skip,
            Self::Full(n) => Self::Full(n - 1),
            Self::Identity(n) => Self::Identity(n - 1),
            Self::ErrorText(n) => Self::ErrorText(n - 1),
            Self::Result => Self::ResultStruct,
            Self::ResultStruct => Self::Identity(OBJECT_DEPTH),
            Self::Fields(list) => Self::Fields(list),
            Self::Skip => Self::Skip,
        }
    }
}

/// Ops of one block while it is being made.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// (offset, length) of plain bytes.
    scalars: Vec<(u64, u64)>,
    /// Ops that follow something, with offsets from the block's base.
    follow: Vec<OpSchema>,
}

impl Block {
    fn scalar(&mut self, at: u64, len: u64) {
        self.scalars.push((at, len));
    }

    /// Ops that follow something, by offset.
    pub fn follow(&self) -> &[OpSchema] {
        &self.follow
    }

    /// All ops: copies first, then what is followed, by offset.
    fn ops(mut self) -> Vec<OpSchema> {
        self.scalars.sort_unstable();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (at, len) in self.scalars {
            match runs.last_mut() {
                Some((start, run))
                    if at <= *start + *run + GAP && at + len - *start <= MOST_COPY =>
                {
                    *run = (*run).max(at + len - *start);
                }
                _ => {
                    let mut at = at;
                    let mut len = len;
                    while len > MOST_COPY {
                        runs.push((at, MOST_COPY));
                        at += MOST_COPY;
                        len -= MOST_COPY;
                    }
                    runs.push((at, len));
                }
            }
        }
        let copy = |(at, len): (u64, u64)| OpSchema {
            kind: COPY,
            flags: 0,
            off: narrow(at),
            len: narrow(len),
            a: 0,
            b: 0,
            c: 0,
        };
        self.follow.sort_by_key(|o| o.off);
        runs.into_iter().map(copy).chain(self.follow).collect()
    }
}

/// Builds the op, map and type tables of a plan.
pub struct Lowering<'p, 'b, 'data> {
    pub plan: &'p mut Plan,
    pub binary: &'b GoBinary<'data>,
    types: HashMap<(TypeId, Policy), u32>,
    blocks: HashMap<(TypeId, Policy), (u32, u32)>,
    opaque: Option<u32>,
    error_table: Option<u32>,
    next_table: u32,
    nested: u32,
    /// Values walked so far.
    walked: u32,
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl<'p, 'b, 'data> Lowering<'p, 'b, 'data> {
    pub fn new(plan: &'p mut Plan, binary: &'b GoBinary<'data>) -> Self {
        Self {
            plan,
            binary,
            types: HashMap::new(),
            blocks: HashMap::new(),
            opaque: None,
            error_table: None,
            next_table: 1,
            nested: 0,
            walked: 0,
        }
    }

    /// Appends a block to the op table; gives (first op, count).
    pub fn append(&mut self, block: Block) -> (u32, u32) {
        let start = narrow(self.plan.ops.len() as u64);
        let ops = block.ops();
        let count = narrow(ops.len() as u64);
        self.plan.ops.extend(ops);
        (start, count)
    }

    fn add_type(&mut self, ty: TypeSchema) -> u32 {
        self.plan.types.push(ty);
        narrow(self.plan.types.len() as u64 - 1)
    }

    /// The type that is not described.
    pub fn opaque(&mut self) -> u32 {
        if let Some(index) = self.opaque {
            return index;
        }
        let index = self.add_type(TypeSchema {
            name: String::new(),
            size: 0,
            addr: 0,
            kind: TypeKindSchema::Opaque,
        });
        self.opaque = Some(index);
        index
    }

    /// A pointer type without descriptor of its own, whose target is followed.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub fn pointer_to(
        &mut self,
        elem: TypeId,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<u32, Error> {
        let name = format!("*{}", self.binary.type_by_id(elem)?.name);
        let elem_index = self.follow_pointer(elem, policy, at, block)?;
        Ok(self.add_type(TypeSchema {
            name,
            size: 8,
            addr: 0,
            kind: TypeKindSchema::Pointer { elem: elem_index },
        }))
    }

    /// Adds what captures a value of type `id` at `at` to `block`; gives its index in the type table.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub fn value(
        &mut self,
        id: TypeId,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<u32, Error> {
        if policy == Policy::Skip {
            return Ok(self.opaque());
        }
        let ty = self.binary.type_by_id(id)?;
        self.nested += 1;
        self.walked = self.walked.saturating_add(1);
        if self.nested > MOST_NESTED
            || self.walked > MOST_WALKED
            || self.plan.ops.len() > MAX_OPS as usize
        {
            self.nested -= 1;
            return Err(Error::At {
                region: "type descriptor",
                addr: id.0,
                what: format!("{} nests or branches without end", ty.name),
            });
        }
        let kind = self.kind(id, &ty, policy, at, block);
        self.nested -= 1;
        let kind = kind?;
        if let Some(known) = self.types.get(&(id, policy)) {
            return Ok(*known);
        }
        let index = self.add_type(TypeSchema {
            name: ty.name.clone(),
            size: ty.size,
            addr: id.0,
            kind,
        });
        self.types.insert((id, policy), index);
        Ok(index)
    }

    fn kind(
        &mut self,
        id: TypeId,
        ty: &Type,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        Ok(match &ty.kind {
            TypeKind::Bool => self.plain(ty, at, block, TypeKindSchema::Bool),
            TypeKind::Int => self.plain(ty, at, block, TypeKindSchema::Int),
            TypeKind::Uint => self.plain(ty, at, block, TypeKindSchema::Uint),
            TypeKind::Float => self.plain(ty, at, block, TypeKindSchema::Float),
            TypeKind::Complex => self.plain(ty, at, block, TypeKindSchema::Complex),
            TypeKind::Chan { .. } => self.plain(ty, at, block, TypeKindSchema::Chan),
            TypeKind::Func { .. } => self.plain(ty, at, block, TypeKindSchema::Func),
            TypeKind::UnsafePointer => self.plain(ty, at, block, TypeKindSchema::UnsafePointer),
            TypeKind::String => {
                block.follow.push(op(STRING, at, MOST_STRING));
                TypeKindSchema::String
            }
            TypeKind::Struct { fields } => self.structure(fields, policy, at, block)?,
            TypeKind::Pointer { elem } => TypeKindSchema::Pointer {
                elem: self.follow_pointer(*elem, policy, at, block)?,
            },
            TypeKind::Slice { elem } => self.slice(*elem, policy, at, block)?,
            TypeKind::Array { elem, len } => self.array(*elem, *len, policy, at, block)?,
            TypeKind::Map {
                key,
                elem,
                geometry,
            } => self.map(*key, *elem, geometry, policy, at, block)?,
            TypeKind::Interface { methods } => {
                let empty = methods.is_empty();
                let table = if ty.name == "error" {
                    self.errors(id)?
                } else {
                    0
                };
                block.follow.push(OpSchema {
                    flags: if empty { 0 } else { OP_ITAB },
                    a: table,
                    ..op(IFACE, at, 0)
                });
                TypeKindSchema::Interface { empty }
            }
        })
    }

    fn plain(
        &mut self,
        ty: &Type,
        at: u64,
        block: &mut Block,
        kind: TypeKindSchema,
    ) -> TypeKindSchema {
        // a damaged descriptor may claim any size
        if ty.size > MOST_PLAIN {
            return TypeKindSchema::Opaque;
        }
        block.scalar(at, ty.size);
        kind
    }

    fn structure(
        &mut self,
        fields: &[Field],
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        let mut described = Vec::new();
        for field in fields {
            // neither read nor shown by any program
            if field.name == "_" {
                continue;
            }
            let (chosen, secret) = self.field_policy(field, policy)?;
            let ty = if chosen == Policy::Skip {
                if !matches!(policy, Policy::Full(_)) {
                    continue;
                }
                self.opaque()
            } else {
                self.value(field.ty, chosen, at.saturating_add(field.offset), block)?
            };
            described.push(FieldSchema {
                name: field.name.clone(),
                offset: field.offset,
                ty,
                embedded: field.embedded,
                secret,
            });
        }
        Ok(TypeKindSchema::Struct { fields: described })
    }

    /// What of a field is wanted, and how it is masked.
    fn field_policy(&self, field: &Field, policy: Policy) -> Result<(Policy, Secret), Error> {
        Ok(match policy {
            Policy::Skip => (Policy::Skip, Secret::None),
            Policy::Full(_) => (policy, secret_by_name(&field.name)),
            Policy::Fields(list) => list
                .iter()
                .find(|(name, _, _)| *name == field.name)
                .map_or((Policy::Skip, Secret::None), |(_, policy, secret)| {
                    (*policy, *secret)
                }),
            Policy::Identity(_) => {
                let wanted = IDENTITY.contains(&field.name.as_str())
                    || (field.embedded && self.promotes(field.ty, MOST_EMBEDDED)?);
                (if wanted { policy } else { Policy::Skip }, Secret::None)
            }
            Policy::Result | Policy::ResultStruct => {
                let identity = IDENTITY.contains(&field.name.as_str());
                let chosen = match self.binary.type_by_id(field.ty)?.kind {
                    TypeKind::Bool | TypeKind::Int | TypeKind::Uint => policy,
                    TypeKind::Slice { .. } | TypeKind::Pointer { .. } => {
                        Policy::Identity(OBJECT_DEPTH)
                    }
                    _ if identity => Policy::Identity(OBJECT_DEPTH),
                    _ => Policy::Skip,
                };
                (chosen, Secret::None)
            }
            Policy::ErrorText(_) => {
                let kind = self.binary.type_by_id(field.ty)?.kind;
                let wanted = match kind {
                    TypeKind::String | TypeKind::Int | TypeKind::Uint => true,
                    TypeKind::Interface { .. } => self.binary.type_by_id(field.ty)?.name == "error",
                    TypeKind::Pointer { .. } | TypeKind::Struct { .. } => true,
                    _ => false,
                };
                (if wanted { policy } else { Policy::Skip }, Secret::None)
            }
        })
    }

    fn promotes(&self, id: TypeId, levels: u32) -> Result<bool, Error> {
        let ty = self.binary.type_by_id(id)?;
        let fields = match ty.kind {
            TypeKind::Struct { fields } => fields,
            _ => return Ok(false),
        };
        for field in fields {
            if IDENTITY.contains(&field.name.as_str())
                || (field.embedded && levels > 0 && self.promotes(field.ty, levels - 1)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Block of `id` as the target of a pointer or the element of something; shared by all that point there.
    fn target(&mut self, id: TypeId, policy: Policy) -> Result<(u32, (u32, u32)), Error> {
        if let (Some(ty), Some(block)) = (
            self.types.get(&(id, policy)),
            self.blocks.get(&(id, policy)),
        ) {
            return Ok((*ty, *block));
        }
        let mut block = Block::default();
        let ty = self.value(id, policy, 0, &mut block)?;
        let range = self.append(block);
        self.blocks.insert((id, policy), range);
        Ok((ty, range))
    }

    fn follow_pointer(
        &mut self,
        elem: TypeId,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<u32, Error> {
        let deeper = policy.deeper();
        if deeper == Policy::Skip {
            // the address alone
            block.scalar(at, 8);
            return Ok(self.opaque());
        }
        let (ty, (a, b)) = self.target(elem, deeper)?;
        block.follow.push(OpSchema {
            a,
            b,
            ..op(PTR, at, 0)
        });
        Ok(ty)
    }

    fn slice(
        &mut self,
        elem: TypeId,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        let ty = self.binary.type_by_id(elem)?;
        let stride = narrow(ty.size);
        let raw = |schema: u32, block: &mut Block| {
            block.follow.push(OpSchema {
                c: stride,
                ..op(SLICE, at, MOST_ELEMENTS)
            });
            TypeKindSchema::Slice { elem: schema }
        };
        if is_plain(&ty.kind) {
            let index = self.value(elem, policy, 0, &mut Block::default())?;
            return Ok(raw(index, block));
        }
        let policy = policy.deeper();
        if policy == Policy::Skip {
            let index = self.opaque();
            block.follow.push(op(SLICE, at, 0));
            return Ok(TypeKindSchema::Slice { elem: index });
        }
        let (index, (a, b)) = self.target(elem, policy)?;
        let captures = b > 0 && self.says_anything(elem, policy)?;
        block.follow.push(OpSchema {
            a: if captures { a } else { 0 },
            b: if captures { b } else { 0 },
            c: stride,
            ..op(SLICE, at, if captures { MOST_ELEMENTS } else { 0 })
        });
        Ok(TypeKindSchema::Slice { elem: index })
    }

    /// Whether an element shows more than that it is there.
    fn says_anything(&self, elem: TypeId, policy: Policy) -> Result<bool, Error> {
        if !matches!(
            policy,
            Policy::Identity(_) | Policy::Result | Policy::ResultStruct
        ) {
            return Ok(true);
        }
        let ty = self.binary.type_by_id(elem)?;
        match ty.kind {
            TypeKind::Pointer { elem } => self.promotes(elem, MOST_EMBEDDED),
            TypeKind::Struct { .. } => self.promotes(elem, MOST_EMBEDDED),
            _ => Ok(true),
        }
    }

    fn array(
        &mut self,
        elem: TypeId,
        len: u64,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        let ty = self.binary.type_by_id(elem)?;
        if is_plain(&ty.kind)
            && ty.size <= MOST_PLAIN
            && ty.size.saturating_mul(len) <= MOST_COPY * 16
        {
            block.scalar(at, ty.size * len);
            let index = self.value(elem, policy, 0, &mut Block::default())?;
            return Ok(TypeKindSchema::Array { elem: index, len });
        }
        if len > MOST_ARRAY {
            return Ok(TypeKindSchema::Opaque);
        }
        let mut index = self.opaque();
        for i in 0..len {
            index = self.value(
                elem,
                policy,
                at.saturating_add(i.saturating_mul(ty.size)),
                block,
            )?;
        }
        Ok(TypeKindSchema::Array { elem: index, len })
    }

    fn map(
        &mut self,
        key: TypeId,
        elem: TypeId,
        geometry: &crate::gobin::MapGeometry,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        let policy = policy.deeper();
        let (key_ty, (key_ops, key_count)) = self.target(key, policy)?;
        let (elem_ty, (elem_ops, elem_count)) = self.target(elem, policy)?;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let schema = MapSchema {
            kind: match geometry.imp {
                MapImpl::Hmap => MAP_HMAP,
                MapImpl::Swiss => MAP_SWISS,
            },
            flags: flag(geometry.indirect_key, MAP_INDIRECT_KEY)
                | flag(geometry.indirect_elem, MAP_INDIRECT_ELEM),
            bucket_size: geometry.bucket_size,
            keys_off: geometry.keys_off,
            key_stride: geometry.key_stride,
            elems_off: geometry.elems_off,
            elem_stride: geometry.elem_stride,
            overflow_off: geometry.overflow_off,
            key_ops,
            key_count,
            elem_ops,
            elem_count,
        };
        let index = match self.plan.maps.iter().position(|m| *m == schema) {
            Some(index) => index,
            None => {
                self.plan.maps.push(schema);
                self.plan.maps.len() - 1
            }
        };
        block.follow.push(OpSchema {
            a: narrow(index as u64),
            ..op(
                MAP,
                at,
                if policy == Policy::Skip {
                    0
                } else {
                    MOST_ELEMENTS
                },
            )
        });
        Ok(TypeKindSchema::Map {
            key: key_ty,
            elem: elem_ty,
        })
    }

    /// Table of the concrete types that the binary knows to be errors.
    fn errors(&mut self, interface: TypeId) -> Result<u32, Error> {
        if let Some(table) = self.error_table {
            return Ok(table);
        }
        let table = self.next_table;
        self.next_table += 1;
        // set before the types are walked: an error may hold an error
        self.error_table = Some(table);
        let mut concrete: Vec<TypeId> = self
            .binary
            .itabs()?
            .into_iter()
            .filter(|(i, _)| *i == interface)
            .map(|(_, c)| c)
            .collect();
        concrete.sort_unstable();
        concrete.dedup();
        for id in concrete.into_iter().take(MOST_ERRORS) {
            self.dynamic(table, id, Policy::ErrorText(2))?;
        }
        Ok(table)
    }

    /// A dynamic type table with the given types; gives its number.
    ///
    /// # Errors
    /// Type data of the binary is damaged.
    pub fn table_of(&mut self, types: &[TypeId], policy: Policy) -> Result<u32, Error> {
        let table = self.next_table;
        self.next_table += 1;
        for id in types {
            self.dynamic(table, *id, policy)?;
        }
        Ok(table)
    }

    /// Describes dynamic type `id`: the machine's base is the interface's data word, which for a pointer type is the pointer itself.
    fn dynamic(&mut self, table: u32, id: TypeId, policy: Policy) -> Result<(), Error> {
        let ty = self.binary.type_by_id(id)?;
        let (index, ops, count) = match ty.kind {
            TypeKind::Pointer { elem } => {
                let (elem_index, (ops, count)) = self.target(elem, policy)?;
                let index = self.add_type(TypeSchema {
                    name: ty.name.clone(),
                    size: ty.size,
                    addr: id.0,
                    kind: TypeKindSchema::Pointer { elem: elem_index },
                });
                (index, ops, count)
            }
            // other pointer-shaped values lie in the data word itself and are not followed
            _ if ty.direct_iface => (self.named(&ty), 0, 0),
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
        });
        Ok(())
    }

    fn named(&mut self, ty: &Type) -> u32 {
        self.add_type(TypeSchema {
            name: ty.name.clone(),
            size: ty.size,
            addr: ty.id.0,
            kind: TypeKindSchema::Opaque,
        })
    }
}

fn op(kind: u8, at: u64, len: u32) -> OpSchema {
    OpSchema {
        kind,
        flags: 0,
        off: narrow(at),
        len,
        a: 0,
        b: 0,
        c: 0,
    }
}

fn is_plain(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::Bool | TypeKind::Int | TypeKind::Uint | TypeKind::Float | TypeKind::Complex
    )
}

/// Fields whose values are secrets wherever they occur.
fn secret_by_name(name: &str) -> Secret {
    match name {
        "Env" => Secret::EnvValue,
        "Password" | "Auth" | "IdentityToken" | "RegistryToken" | "Secret" | "Token"
        | "JoinToken" | "UnlockKey" | "PrivateKey" => Secret::All,
        _ => Secret::None,
    }
}

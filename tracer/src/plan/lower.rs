//! Types → ops and schema. One walk over a type produces both, so that they cannot disagree.

use std::collections::HashMap;

use tracer_ebpf::wire::limits::{MAX_DYNTYPES, MAX_MAPS, MAX_OPS, MAX_SITES};
use tracer_ebpf::wire::op::{
    ARRAY, IFACE, MAP, MAP_HMAP, MAP_INDIRECT_ELEM, MAP_INDIRECT_KEY, MAP_SWISS, OP_ITAB, PEER,
    PTR, SLICE, STRING,
};

use super::block::{Block, MOST_COPY, narrow, op};
use super::policy::{OBJECT_DEPTH, Policy, is_identity};
use super::schema::{
    FieldSchema, MapSchema, OpSchema, Plan, TypeKindSchema, TypeSchema, Undescribed,
};
use super::secrets;
use super::tables::{Tables, is_reference};
use crate::addr::ImageAddr;
use crate::gobin::{Error, Field, GoBinary, MapGeometry, MapImpl, Type, TypeId, TypeKind};

/// Most bytes of one string.
const MOST_STRING: u32 = 64 << 10;
/// Most elements of one slice or cells of one map.
const MOST_ELEMENTS: u32 = 4096;
/// Bytes of a fixed array of plain values that are copied with the fields around it.
const MOST_PLAIN_ARRAY: u64 = 16 * MOST_COPY;
/// Embedded structs searched for promoted fields.
const MOST_EMBEDDED: u32 = 4;
/// Structs and arrays nested in each other by value; real types stay far below.
const MOST_NESTED: u32 = 64;

/// Values walked for one value of a function, fields and elements included; real ones need some
/// thousands.
const MOST_WALKED: u32 = 1 << 18;
/// Ops of one value of a function.
const MOST_VALUE_OPS: usize = MAX_OPS as usize / 2;
/// Bytes of a plain value: a complex number of two float64.
const MOST_PLAIN: u64 = 16;

/// Builds the op, map and type tables of a plan.
pub struct Lowering<'p, 'b, 'data> {
    pub plan: &'p mut Plan,
    pub binary: &'b GoBinary<'data>,
    types: HashMap<(TypeId, Policy), u32>,
    blocks: HashMap<(TypeId, Policy), (u32, u32)>,
    opaque: Option<u32>,
    deep: Option<u32>,
    /// Tables of dynamic types.
    pub(super) tables: Tables,
    nested: u32,
    /// Values walked so far for this value of a function, and ops that were there before it.
    walked: u32,
    ops_before: usize,
}

/// A state of the plan to go back to.
pub struct Mark {
    lengths: [usize; 7],
    types: HashMap<(TypeId, Policy), u32>,
    blocks: HashMap<(TypeId, Policy), (u32, u32)>,
    opaque: Option<u32>,
    deep: Option<u32>,
    tables: Tables,
}

impl<'p, 'b, 'data> Lowering<'p, 'b, 'data> {
    pub fn new(plan: &'p mut Plan, binary: &'b GoBinary<'data>) -> Self {
        Self {
            plan,
            binary,
            types: HashMap::new(),
            blocks: HashMap::new(),
            opaque: None,
            deep: None,
            tables: Tables::default(),
            nested: 0,
            walked: 0,
            ops_before: 0,
        }
    }

    /// The plan as it is.
    pub fn mark(&self) -> Mark {
        let plan = &*self.plan;
        Mark {
            lengths: [
                plan.functions.len(),
                plan.sites.len(),
                plan.ops.len(),
                plan.maps.len(),
                plan.dyn_types.len(),
                plan.types.len(),
                plan.issues.len(),
            ],
            types: self.types.clone(),
            blocks: self.blocks.clone(),
            opaque: self.opaque,
            deep: self.deep,
            tables: self.tables.clone(),
        }
    }

    /// Takes back what was planned after a mark.
    pub fn go_back(&mut self, mark: Mark) {
        let [functions, sites, ops, maps, dyn_types, types, issues] = mark.lengths;
        self.plan.functions.truncate(functions);
        self.plan.sites.truncate(sites);
        self.plan.ops.truncate(ops);
        self.plan.maps.truncate(maps);
        self.plan.dyn_types.truncate(dyn_types);
        self.plan.types.truncate(types);
        self.plan.issues.truncate(issues);
        self.types = mark.types;
        self.blocks = mark.blocks;
        self.opaque = mark.opaque;
        self.deep = mark.deep;
        self.tables = mark.tables;
    }

    /// Whether the kernel's tables hold the plan.
    pub fn fits(&self) -> bool {
        let plan = &*self.plan;
        plan.ops.len() <= MAX_OPS as usize
            && plan.sites.len() <= MAX_SITES as usize
            && plan.maps.len() <= MAX_MAPS as usize
            && plan.dyn_types.len() <= MAX_DYNTYPES as usize
    }

    /// Appends a block to the op table; gives (first op, count).
    pub fn append(&mut self, block: Block) -> (u32, u32) {
        let start = narrow(self.plan.ops.len() as u64);
        let ops = block.ops();
        let count = narrow(ops.len() as u64);
        self.plan.ops.extend(ops);
        (start, count)
    }

    /// Adds a type; `addr` is that of its descriptor, if it has one.
    pub fn add_type(
        &mut self,
        name: &str,
        size: u64,
        addr: Option<ImageAddr>,
        kind: TypeKindSchema,
    ) -> u32 {
        self.plan.types.push(TypeSchema {
            name: name.to_owned(),
            size,
            addr: addr.unwrap_or_default(),
            kind,
        });
        narrow(self.plan.types.len() as u64 - 1)
    }

    /// Adds a type that has a descriptor.
    pub(super) fn add_described(&mut self, ty: &Type, kind: TypeKindSchema) -> u32 {
        let addr = ty.id.descriptor();
        self.add_type(&ty.name, ty.size, addr, kind)
    }

    /// The type that is not described.
    pub fn opaque(&mut self) -> u32 {
        if let Some(index) = self.opaque {
            return index;
        }
        let index = self.add_type("", 0, None, TypeKindSchema::Opaque);
        self.opaque = Some(index);
        index
    }

    /// What lies deeper than is followed.
    fn deep(&mut self) -> u32 {
        if let Some(index) = self.deep {
            return index;
        }
        let index = self.add_type("", 0, None, TypeKindSchema::Deep);
        self.deep = Some(index);
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
        Ok(self.add_type(&name, 8, None, TypeKindSchema::Pointer { elem: elem_index }))
    }

    /// A value of a function begins: what is behind one type alone is bounded.
    pub fn begin_value(&mut self) {
        self.walked = 0;
        self.ops_before = self.plan.ops.len();
    }

    /// A type whose values are missing for that reason.
    pub fn undescribed(&mut self, why: Undescribed) -> u32 {
        self.add_type("", 0, None, TypeKindSchema::Undescribed { why })
    }

    fn is_undescribed(&self, ty: u32) -> bool {
        let ty = self.plan.types.get(ty as usize);
        ty.is_some_and(|t| matches!(t.kind, TypeKindSchema::Undescribed { .. }))
    }

    /// Adds what captures a value of type `id` at `at` to `block`; gives its index in the type
    /// table. What cannot be captured is of a type that says why.
    ///
    /// # Errors
    /// None at present.
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
        let mark = block.mark();
        self.nested += 1;
        self.walked = self.walked.saturating_add(1);
        let described = self.described(id, policy, at, block);
        self.nested -= 1;
        Ok(match described {
            Ok(index) => index,
            Err(why) => {
                block.go_back(mark);
                self.undescribed(why)
            }
        })
    }

    fn described(
        &mut self,
        id: TypeId,
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<u32, Undescribed> {
        let ops = self.plan.ops.len().saturating_sub(self.ops_before);
        if self.nested > MOST_NESTED || self.walked > MOST_WALKED || ops > MOST_VALUE_OPS {
            return Err(Undescribed::Endless);
        }
        let ty = self.binary.type_by_id(id)?;
        // of a struct the fields before may be within reach
        let end = at.saturating_add(ty.size);
        if end > u64::from(u32::MAX) && !matches!(ty.kind, TypeKind::Struct { .. }) {
            return Err(Undescribed::TooLarge { end });
        }
        let kind = self.kind(id, &ty, policy, at, block)?;
        if let Some(known) = self.types.get(&(id, policy)) {
            return Ok(*known);
        }
        let index = self.add_described(&ty, kind);
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
            TypeKind::Int if policy == Policy::Peer => {
                block.push(op(PEER, at, 0));
                TypeKindSchema::Peer
            }
            TypeKind::Int => self.plain(ty, at, block, TypeKindSchema::Int),
            TypeKind::Uint => self.plain(ty, at, block, TypeKindSchema::Uint),
            TypeKind::Float => self.plain(ty, at, block, TypeKindSchema::Float),
            TypeKind::Complex => self.plain(ty, at, block, TypeKindSchema::Complex),
            TypeKind::Chan { .. } => self.channel(ty, at, block)?,
            TypeKind::Func { .. } => self.plain(ty, at, block, TypeKindSchema::Func),
            TypeKind::UnsafePointer => self.plain(ty, at, block, TypeKindSchema::UnsafePointer),
            TypeKind::String => {
                block.push(op(STRING, at, MOST_STRING));
                TypeKindSchema::String
            }
            TypeKind::Struct { fields } if ty.name == "time.Time" => {
                self.time(fields, at, block)?
            }
            TypeKind::Struct { fields } => self.structure(fields, policy, at, block)?,
            // any pointer type shares this shape: what it leads to is not known here
            // (cmd/compile/internal/types: shapify)
            TypeKind::Pointer { .. } if ty.name.starts_with("go.shape.*") => {
                self.plain(ty, at, block, TypeKindSchema::UnsafePointer)
            }
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
                let table = self.table(id, &ty.name, empty, policy)?;
                block.push(OpSchema {
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

    /// A moment is its `wall` and `ext` (time/time.go); the location is a table of its own.
    fn time(
        &mut self,
        fields: &[Field],
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        let of_moment: Vec<Field> = fields
            .iter()
            .filter(|f| matches!(f.name.as_str(), "wall" | "ext"))
            .cloned()
            .collect();
        self.structure(&of_moment, Policy::Full(0), at, block)
    }

    /// A channel: how many values wait in it, and how many can (`runtime.hchan`, runtime/chan.go).
    fn channel(&mut self, ty: &Type, at: u64, block: &mut Block) -> Result<TypeKindSchema, Error> {
        const FIELDS: Policy =
            Policy::Fields(&[("qcount", Policy::Full(0)), ("dataqsiz", Policy::Full(0))]);
        let Some(header) = self.tables.channel(self.binary) else {
            return Ok(self.plain(ty, at, block, TypeKindSchema::Chan));
        };
        let (elem, (a, b)) = self.target(header, FIELDS)?;
        block.push(OpSchema {
            a,
            b,
            ..op(PTR, at, 0)
        });
        Ok(TypeKindSchema::Pointer { elem })
    }

    fn structure(
        &mut self,
        fields: &[Field],
        policy: Policy,
        at: u64,
        block: &mut Block,
    ) -> Result<TypeKindSchema, Error> {
        let (mut described, mut left_out) = (Vec::new(), 0);
        for field in fields {
            // neither read nor shown by any program
            if field.name == "_" {
                continue;
            }
            let chosen = self.field_policy(field, policy)?;
            let ty = if chosen == Policy::Skip {
                if !policy.names_what_it_leaves_out() {
                    left_out += 1;
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
                secret: secrets::of_name(&field.name),
            });
        }
        Ok(TypeKindSchema::Struct {
            fields: described,
            left_out: Some(left_out),
        })
    }

    /// What of a field is wanted. How it is masked is no policy's business.
    pub(super) fn field_policy(&self, field: &Field, policy: Policy) -> Result<Policy, Error> {
        Ok(match policy {
            Policy::Skip | Policy::Dynamic(_) | Policy::Peer => Policy::Skip,
            Policy::Full(_) => policy,
            Policy::Fields(list) => list
                .iter()
                .find(|(name, _)| *name == field.name)
                .map_or(Policy::Skip, |(_, policy)| *policy),
            Policy::Identity(_) => {
                let wanted = (is_identity(&field.name) && !self.hides_identity(field.ty)?)
                    || (field.embedded && self.promotes(field.ty, MOST_EMBEDDED)?);
                if wanted { policy } else { Policy::Skip }
            }
            Policy::Object(_) => self.of_object(field, policy)?,
            Policy::Result | Policy::ResultStruct | Policy::ResultPart => {
                let identity = is_identity(&field.name);
                match self.binary.type_by_id(field.ty)?.kind {
                    TypeKind::Bool | TypeKind::Int | TypeKind::Uint => policy,
                    TypeKind::Slice { .. } => Policy::Object(OBJECT_DEPTH),
                    TypeKind::Pointer { elem } => self.pointed_part(elem, policy)?,
                    _ if identity => Policy::Identity(OBJECT_DEPTH),
                    _ => Policy::Skip,
                }
            }
            Policy::ErrorText(_) => {
                let ty = self.binary.type_by_id(field.ty)?;
                let wanted = match ty.kind {
                    TypeKind::String
                    | TypeKind::Int
                    | TypeKind::Uint
                    | TypeKind::Pointer { .. }
                    | TypeKind::Struct { .. } => true,
                    TypeKind::Interface { .. } => {
                        matches!(&*ty.name, "error" | "net.Addr" | "interface {}")
                            || is_reference(&ty.name)
                    }
                    TypeKind::Slice { .. } if ty.name == "net.IP" => true,
                    TypeKind::Slice { elem } => {
                        matches!(&*self.binary.type_by_id(elem)?.name, "error" | "string")
                    }
                    _ => false,
                };
                if wanted { policy } else { Policy::Skip }
            }
        })
    }

    /// What is wanted of a field of a listed object.
    fn of_object(&self, field: &Field, policy: Policy) -> Result<Policy, Error> {
        let ty = self.binary.type_by_id(field.ty)?;
        let wanted = match &ty.kind {
            TypeKind::Bool | TypeKind::Int | TypeKind::Uint | TypeKind::Float => true,
            TypeKind::Struct { .. } if ty.name == "time.Time" => true,
            TypeKind::Pointer { elem } if !is_identity(&field.name) => self.is_of_numbers(*elem)?,
            _ => {
                (is_identity(&field.name) && !self.hides_identity(field.ty)?)
                    || (field.embedded && self.promotes(field.ty, MOST_EMBEDDED)?)
            }
        };
        Ok(if wanted { policy } else { Policy::Skip })
    }

    /// A struct of nothing but numbers (`UsageData`).
    fn is_of_numbers(&self, id: TypeId) -> Result<bool, Error> {
        let TypeKind::Struct { fields } = self.binary.type_by_id(id)?.kind else {
            return Ok(false);
        };
        for field in &fields {
            if !is_plain(&self.binary.type_by_id(field.ty)?.kind) {
                return Ok(false);
            }
        }
        Ok(!fields.is_empty())
    }

    /// A struct, or a pointer to one, of which nothing would be shown: it would look empty.
    fn hides_identity(&self, id: TypeId) -> Result<bool, Error> {
        let is_struct = |kind: &TypeKind| matches!(kind, TypeKind::Struct { .. });
        let kind = self.binary.type_by_id(id)?.kind;
        let id = match kind {
            TypeKind::Pointer { elem } if is_struct(&self.binary.type_by_id(elem)?.kind) => elem,
            _ if is_struct(&kind) => id,
            _ => return Ok(false),
        };
        Ok(!self.promotes(id, MOST_EMBEDDED)?)
    }

    /// What is wanted of a struct that a field of a result points to: never nothing of one that is
    /// followed, which would look empty.
    fn pointed_part(&self, elem: TypeId, policy: Policy) -> Result<Policy, Error> {
        let TypeKind::Struct { fields } = self.binary.type_by_id(elem)?.kind else {
            return Ok(Policy::Identity(OBJECT_DEPTH));
        };
        if self.promotes(elem, MOST_EMBEDDED)? {
            return Ok(Policy::Identity(OBJECT_DEPTH));
        }
        if policy == Policy::ResultPart {
            return Ok(Policy::Skip);
        }
        for field in fields {
            if let TypeKind::Bool | TypeKind::Int | TypeKind::Uint | TypeKind::Slice { .. } =
                self.binary.type_by_id(field.ty)?.kind
            {
                return Ok(Policy::ResultPart);
            }
        }
        Ok(Policy::Skip)
    }

    fn promotes(&self, id: TypeId, levels: u32) -> Result<bool, Error> {
        let TypeKind::Struct { fields } = self.binary.type_by_id(id)?.kind else {
            return Ok(false);
        };
        for field in fields {
            if is_identity(&field.name)
                || (field.embedded && levels > 0 && self.promotes(field.ty, levels - 1)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Block of `id` as the target of a pointer or the element of something; shared by all that
    /// point there.
    pub(super) fn target(
        &mut self,
        id: TypeId,
        policy: Policy,
    ) -> Result<(u32, (u32, u32)), Error> {
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
            return Ok(if matches!(policy, Policy::Full(_)) {
                self.deep()
            } else {
                self.opaque()
            });
        }
        let (ty, (a, b)) = self.target(elem, deeper)?;
        if self.is_undescribed(ty) {
            // the address alone
            block.scalar(at, 8);
            return Ok(ty);
        }
        block.push(OpSchema {
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
        if is_plain(&ty.kind) {
            // copied as they are
            let index = self.value(elem, policy, 0, &mut Block::default())?;
            block.push(OpSchema {
                c: stride,
                ..op(SLICE, at, MOST_ELEMENTS)
            });
            return Ok(TypeKindSchema::Slice { elem: index });
        }
        let policy = policy.element();
        if policy == Policy::Skip {
            let index = self.opaque();
            block.push(op(SLICE, at, 0));
            return Ok(TypeKindSchema::Slice { elem: index });
        }
        let (index, (a, b)) = self.target(elem, policy)?;
        let captures = b > 0 && self.says_anything(elem, policy)?;
        block.push(OpSchema {
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
            Policy::Identity(_)
                | Policy::Object(_)
                | Policy::Result
                | Policy::ResultStruct
                | Policy::ResultPart
        ) {
            return Ok(true);
        }
        match self.binary.type_by_id(elem)?.kind {
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
        let plain = is_plain(&ty.kind) && ty.size <= MOST_PLAIN;
        if plain && ty.size.saturating_mul(len) <= MOST_PLAIN_ARRAY {
            block.scalar(at, ty.size * len);
            let index = self.value(elem, policy, 0, &mut Block::default())?;
            return Ok(TypeKindSchema::Array { elem: index, len });
        }
        // the only array that can lie in registers, and the empty one
        if len <= 1 {
            let mut index = self.opaque();
            if len == 1 {
                index = self.value(elem, policy, at, block)?;
            }
            return Ok(TypeKindSchema::Array { elem: index, len });
        }
        // what has no bytes lies where the next value does, and needs no op
        if ty.size == 0 {
            let index = self.value(elem, policy, 0, &mut Block::default())?;
            return Ok(TypeKindSchema::Array { elem: index, len });
        }
        let array = OpSchema {
            c: narrow(ty.size),
            ..op(ARRAY, at, narrow(len.min(u64::from(MOST_ELEMENTS))))
        };
        if plain {
            let index = self.value(elem, policy, 0, &mut Block::default())?;
            block.push(array);
            return Ok(TypeKindSchema::Array { elem: index, len });
        }
        let (index, (a, b)) = self.target(elem, policy)?;
        // an element of nothing, or of which nothing is wanted
        let captured = if b > 0 { array.len } else { 0 };
        block.push(OpSchema {
            a,
            b,
            len: captured,
            ..array
        });
        Ok(TypeKindSchema::Array { elem: index, len })
    }

    fn map(
        &mut self,
        key: TypeId,
        elem: TypeId,
        geometry: &MapGeometry,
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
        let most = if policy == Policy::Skip {
            0
        } else {
            MOST_ELEMENTS
        };
        block.push(OpSchema {
            a: narrow(index as u64),
            ..op(MAP, at, most)
        });
        Ok(TypeKindSchema::Map {
            key: key_ty,
            elem: elem_ty,
        })
    }
}

pub(super) fn is_plain(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::Bool | TypeKind::Int | TypeKind::Uint | TypeKind::Float | TypeKind::Complex
    )
}

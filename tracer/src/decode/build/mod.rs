//! Item trees + types → values; hides secrets in both on the way. One file for each form that a
//! value has.

mod list;
mod map;
mod plain;
mod reference;
mod structure;
mod text;

use tracer_ebpf::wire::op::ARRAY;
use tracer_ebpf::wire::record::{CHANGED, DEPTH, FAULT, IMPLAUSIBLE, MAP_BUSY, NULL, UNKNOWN_TYPE};

use super::items::{Block, Bytes, Node};
use super::mask::Edits;
use super::missing::{Implausible, Limit, Misfit, Missing};
use super::record::RawHit;
use super::value::Value;
use super::{Redact, client, well_known};
use crate::addr::ProcessAddr;
use crate::plan::secrets::Marks;
use crate::plan::{Leaf, PlaceKind, Plan, Secret, TypeKindSchema, ValueSchema};
use plain::{address, complex, hides_plain, is_plain, plain};
use structure::uncovered;

/// Types nested in each other in a plan; hostile ones may be circular.
const MOST_NESTED: u32 = 64;
/// Elements shown of an array that was copied with the values around it.
const MOST_ELEMENTS: u64 = 4096;

/// Where the bytes of a value are: a block of items, or registers with the block that followed
/// them.
#[derive(Clone, Copy)]
struct Source<'a> {
    block: &'a Block,
    registers: Option<&'a [Leaf]>,
}

impl<'a> Source<'a> {
    fn memory(block: &'a Block) -> Self {
        Self {
            block,
            registers: None,
        }
    }
}

/// Builds the values of one hit.
pub struct Builder<'a> {
    pub plan: &'a Plan,
    marks: &'a Marks,
    redact: Redact,
    pub hit: &'a RawHit,
    /// Why the items end, if they do.
    pub end: Option<Missing>,
    /// What becomes of the raw record.
    pub edits: Edits,
    /// Secrets hidden so far.
    pub masked: u32,
    nested: u32,
}

impl<'a> Builder<'a> {
    pub fn new(
        plan: &'a Plan,
        marks: &'a Marks,
        redact: Redact,
        hit: &'a RawHit,
        end: Option<Missing>,
    ) -> Self {
        Self {
            plan,
            marks,
            redact,
            hit,
            end,
            edits: Edits::default(),
            masked: 0,
            nested: 0,
        }
    }

    /// A parameter, result or out value, from the register block or the stack block.
    pub fn top(
        &mut self,
        schema: &ValueSchema,
        secret: Secret,
        regs: &Block,
        stack: &Block,
    ) -> Value {
        if !schema.shown {
            return Value::Missing(Missing::NotWanted);
        }
        match schema.place.kind {
            PlaceKind::Missing => Value::Missing(match &schema.place.reason {
                Some(why) => Missing::Unplaced(why.clone()),
                None => Missing::NotPlanned,
            }),
            PlaceKind::Registers => {
                let source = Source {
                    block: regs,
                    registers: Some(&schema.place.leaves),
                };
                self.value(schema.ty, source, 0, secret)
            }
            PlaceKind::Stack => {
                let offset = u64::from(schema.place.offset);
                self.value(schema.ty, Source::memory(stack), offset, secret)
            }
        }
    }

    fn value(&mut self, index: u32, source: Source<'_>, off: u64, secret: Secret) -> Value {
        let plan = self.plan;
        let secret = match (self.redact, secret) {
            (Redact::Off, _) => Secret::None,
            (Redact::On, Secret::All) => Secret::All,
            (Redact::On, inherited) => self.marks.ty(index).or(inherited),
        };
        let Some(ty) = plan.types.get(index as usize) else {
            return Value::Missing(Missing::Corrupt(Misfit::NoType));
        };
        if self.nested >= MOST_NESTED {
            return Value::Missing(Missing::Corrupt(Misfit::TypesNested));
        }
        self.nested += 1;
        let before = self.masked;
        let value = match &ty.kind {
            kind if hides_plain(secret) && is_plain(kind) => self.hidden_plain(),
            TypeKindSchema::Opaque => Value::Missing(Missing::NotWanted),
            TypeKindSchema::TooLarge => Value::Missing(Missing::Limit(Limit::TypeValues)),
            TypeKindSchema::NoRoom => Value::Missing(Missing::Limit(Limit::PlanTypes)),
            TypeKindSchema::Bool
            | TypeKindSchema::Int
            | TypeKindSchema::Uint
            | TypeKindSchema::Float => self.scalar(source, off, ty.size, |word| {
                well_known::number(&ty.name, plain(&ty.kind, ty.size, word))
            }),
            TypeKindSchema::Complex => {
                let half = ty.size / 2;
                match (
                    self.word(source, off, half),
                    self.word(source, off.saturating_add(half), half),
                ) {
                    (Ok(re), Ok(im)) => complex(half, re, im),
                    (Err(why), _) | (_, Err(why)) => why,
                }
            }
            TypeKindSchema::Deep => Value::Missing(Missing::Limit(Limit::Pointers)),
            TypeKindSchema::Undescribed { why } => {
                Value::Missing(Missing::Undescribed(why.clone()))
            }
            TypeKindSchema::UnsafePointer | TypeKindSchema::Chan | TypeKindSchema::Func => {
                self.scalar(source, off, 8, address)
            }
            TypeKindSchema::Peer => self.peer(source, off),
            TypeKindSchema::Reached { by } => client::end_of(self.value(*by, source, off, secret)),
            TypeKindSchema::String => self.string(source, off, secret),
            TypeKindSchema::Pointer { elem } => self.pointer(*elem, source, off, secret),
            TypeKindSchema::Slice { elem } => self.slice(*elem, source, off, secret),
            TypeKindSchema::Array { elem, len }
                if let Some(node) = Self::node(source, off, ARRAY) =>
            {
                self.elements(*elem, node, Some(*len), secret)
            }
            TypeKindSchema::Array { elem, len } => {
                let stride = plan.types.get(*elem as usize).map_or(0, |t| t.size);
                let items: Vec<Value> = (0..(*len).min(MOST_ELEMENTS))
                    .map(|i| {
                        self.value(
                            *elem,
                            source,
                            off.saturating_add(i.saturating_mul(stride)),
                            secret,
                        )
                    })
                    .collect();
                let why = (*len > MOST_ELEMENTS).then_some(Missing::Limit(Limit::Elements));
                cut_for(why.as_ref(), Value::List { items, len: *len })
            }
            TypeKindSchema::Map { key, elem } => self.map(*key, *elem, source, off, secret),
            TypeKindSchema::Interface { .. } => self.iface(source, off, secret),
            TypeKindSchema::Struct { fields, left_out } => {
                let left_out = left_out.unwrap_or_else(|| uncovered(plan, ty.size, fields));
                let fields = self.fields(index, fields, source, off, secret);
                well_known::structure(&ty.name, fields, left_out)
            }
        };
        self.nested -= 1;
        // how a secret is made up says something of it
        if secret == Secret::All && is_aggregate(&value) {
            self.masked = before.saturating_add(1);
            return Value::Masked;
        }
        value
    }

    /// Why something that should be there is not.
    fn absent(&self) -> Value {
        Value::Missing(self.end.clone().unwrap_or(Missing::Corrupt(Misfit::NoItem)))
    }

    fn bytes(&self, at: &Bytes) -> &'a [u8] {
        self.hit
            .parts
            .get(at.part)
            .and_then(|p| p.items.get(at.range.clone()))
            .unwrap_or_default()
    }

    /// Bytes that came in several items.
    fn joined(&self, chunks: &[Bytes]) -> Vec<u8> {
        chunks.iter().flat_map(|c| self.bytes(c)).copied().collect()
    }

    /// The node of an op of that kind at `off`.
    fn node<'s>(source: Source<'s>, off: u64, kind: u8) -> Option<&'s Node> {
        let off = match source.registers {
            Some(leaves) => {
                let leaf = leaves.iter().find(|l| u64::from(l.offset) == off)?;
                u64::from(leaf.reg) * 8
            }
            None => off,
        };
        source
            .block
            .nodes
            .iter()
            .find(|(at, k, _)| u64::from(*at) == off && *k == kind)
            .map(|(_, _, node)| node)
    }
}

/// A value, or what was captured of it and why that is not all.
fn cut_for(why: Option<&Missing>, part: Value) -> Value {
    match why {
        None => part,
        Some(why) => Value::Cut {
            part: Box::new(part),
            why: why.clone(),
        },
    }
}

/// A value of several parts, at least one.
fn is_aggregate(value: &Value) -> bool {
    match value.part() {
        Value::Struct { .. } => true,
        Value::List { len, .. } | Value::Map { len, .. } => *len > 0,
        _ => false,
    }
}

/// What a status other than OK says about a value.
fn status_value(status: u8, value: u64) -> Value {
    match status {
        NULL => Value::Nil,
        FAULT => Value::Missing(Missing::Fault {
            addr: ProcessAddr(value),
        }),
        DEPTH => Value::Missing(Missing::Limit(Limit::Nesting)),
        MAP_BUSY => Value::Missing(Missing::MapChanged { seen: 0, count: 0 }),
        UNKNOWN_TYPE => Value::Missing(Missing::MapKind),
        IMPLAUSIBLE => Value::Missing(Missing::Implausible(Implausible::Length(value))),
        CHANGED => Value::Missing(Missing::Changed),
        other => Value::Missing(Missing::Corrupt(Misfit::Status(other))),
    }
}

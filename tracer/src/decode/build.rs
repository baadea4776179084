//! Item trees + types → values; hides secrets in both on the way.

use tracer_ebpf::wire::limits::REG_WORDS;
use tracer_ebpf::wire::op::{ARRAY, IFACE, MAP, MAP_HMAP, PEER, PTR, SLICE, STRING};
use tracer_ebpf::wire::peer::Peer;
use tracer_ebpf::wire::record::{
    CHANGED, DEPTH, FAULT, IMPLAUSIBLE, Item, LIMIT, MAP_BUSY, NULL, OK, UNKNOWN_TYPE,
};

use super::Redact;
use super::client;
use super::items::{Block, Bytes, Node};
use super::mask::{self, Edits, MASK, Words};
use super::missing::{Implausible, Limit, Misfit, Missing};
use super::record::{RawHit, read};
use super::value::Value;
use super::well_known;
use crate::plan::secrets::{self, Marks};
use crate::plan::{FieldSchema, Leaf, PlaceKind, Plan, Secret, TypeKindSchema, ValueSchema};

/// Types nested in each other in a plan; hostile ones may be circular.
const MOST_NESTED: u32 = 64;
/// Elements shown of an array that was copied with the values around it.
const MOST_ELEMENTS: u64 = 4096;
/// Where the bytes of a value are: a block of items, or registers with the block that followed them.
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

/// A captured text or list of plain values.
#[derive(Clone, Copy)]
struct Captured<'b> {
    /// Payload of the item that tells its length.
    head: &'b Bytes,
    chunks: &'b [Bytes],
}

impl<'b> Captured<'b> {
    /// Of a string the first chunk is in the item that tells its length.
    fn text(chunks: &'b [Bytes]) -> Option<Self> {
        chunks.first().map(|head| Self { head, chunks })
    }
}

/// What of a list's length a record needs as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// What was captured of it.
    Cut,
    /// Its type says it.
    Array,
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

    fn fields(
        &mut self,
        ty: u32,
        fields: &[FieldSchema],
        source: Source<'_>,
        off: u64,
        secret: Secret,
    ) -> Vec<(String, Value)> {
        let marks = self.marks;
        let mut marks = marks.fields(ty).iter();
        // `{Name, Value}`: the one says what the other is
        let mut named = Secret::None;
        let mut values = Vec::with_capacity(fields.len());
        for f in fields {
            let mark = marks.next().copied().unwrap_or_default();
            let is_value = f.name.eq_ignore_ascii_case("value");
            let secret = match secret {
                Secret::All => Secret::All,
                Secret::Values => Secret::All,
                Secret::EnvValue if !secrets::is_variable_part(f.name.as_bytes()) => Secret::All,
                _ if is_value => mark.or(named),
                _ => mark,
            };
            let value = self.value(f.ty, source, off.saturating_add(f.offset), secret);
            if f.name.eq_ignore_ascii_case("name") || f.name.eq_ignore_ascii_case("key") {
                named = of_name(&value);
            }
            values.push((f.name.clone(), value));
        }
        values
    }

    /// A plain value that is secret: it is not read.
    fn hidden_plain(&mut self) -> Value {
        self.masked = self.masked.saturating_add(1);
        Value::Masked
    }

    /// Why something that should be there is not.
    fn absent(&self) -> Value {
        Value::Missing(self.end.clone().unwrap_or(Missing::Corrupt(Misfit::NoItem)))
    }

    fn scalar(
        &mut self,
        source: Source<'_>,
        off: u64,
        size: u64,
        make: impl Fn(u64) -> Value,
    ) -> Value {
        match self.word(source, off, size) {
            Ok(word) => make(word),
            Err(value) => value,
        }
    }

    /// Up to eight bytes, little endian.
    fn word(&mut self, source: Source<'_>, off: u64, size: u64) -> Result<u64, Value> {
        let size = size.clamp(1, 8);
        if let Some(leaves) = source.registers {
            let leaf = leaves
                .iter()
                .find(|l| u64::from(l.offset) == off && u64::from(l.size) >= size)
                .ok_or_else(|| self.absent())?;
            let regs: &[u64; REG_WORDS] = match self.hit.parts.first() {
                Some(part) => &part.head.regs,
                None => return Err(self.absent()),
            };
            let word = regs
                .get(usize::from(leaf.reg))
                .copied()
                .ok_or_else(|| self.absent())?;
            self.edits.show_register(leaf.reg, size);
            // the upper bytes of a register that holds a small value are garbage
            return Ok(if size == 8 {
                word
            } else {
                word & ((1 << (8 * size)) - 1)
            });
        }
        let copy = source
            .block
            .copies
            .iter()
            .find(|c| {
                let start = u64::from(c.off);
                start <= off && off.saturating_add(size) <= start + u64::from(c.len)
            })
            .ok_or_else(|| self.absent())?;
        if copy.status != OK {
            return Err(Value::Missing(Missing::Fault { addr: copy.addr }));
        }
        let start = usize::try_from(off - u64::from(copy.off)).map_err(|_| self.absent())?;
        let bytes = self.bytes(&copy.bytes);
        let bytes = bytes
            .get(start..start + size as usize)
            .ok_or_else(|| self.absent())?;
        let from = copy.bytes.range.start + start;
        self.edits.show(copy.bytes.part, from, from + size as usize);
        Ok(word_of(bytes))
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

    fn string(&mut self, source: Source<'_>, off: u64, secret: Secret) -> Value {
        self.text(source, off, secret, None)
    }

    /// A string, alone or as one of several words.
    fn text(
        &mut self,
        source: Source<'_>,
        off: u64,
        secret: Secret,
        words: Option<&mut Words>,
    ) -> Value {
        let Some(Node::Str {
            status,
            len,
            chunks,
            cut,
        }) = Self::node(source, off, STRING)
        else {
            return self.absent();
        };
        match *status {
            OK | LIMIT => {
                self.edits.see(chunks);
                let Some(captured) = Captured::text(chunks) else {
                    return self.absent();
                };
                let bytes = self.joined(chunks);
                if self.redact == Redact::Off {
                    return cut_for(cut.as_ref(), Value::Str { bytes, len: *len });
                }
                if secret == Secret::All && *len > 0 {
                    return self.hide(captured, cut.is_some(), 1);
                }
                let whole = cut.is_none();
                let hidden = match words {
                    Some(words) => words.push(&bytes, secret, whole),
                    None => mask::text(&bytes, secret, whole),
                };
                let Some(hidden) = hidden else {
                    self.masked = self.masked.saturating_add(mask::count(&bytes));
                    return cut_for(cut.as_ref(), Value::Str { bytes, len: *len });
                };
                let hidden = self.rewrite(captured, bytes.len(), hidden, secret, whole);
                self.masked = self.masked.saturating_add(mask::count(&hidden));
                let len = (*len - bytes.len().min(*len as usize) as u64) + hidden.len() as u64;
                cut_for(cut.as_ref(), Value::Str { bytes: hidden, len })
            }
            other => status_value(other, *len),
        }
    }

    /// Hides all of a text or list, its length too. `size`: bytes of an element.
    fn hide(&mut self, text: Captured<'_>, is_cut: bool, size: usize) -> Value {
        self.masked = self.masked.saturating_add(1);
        if is_cut {
            // the record goes on behind it as it does: only the length is not its own
            self.edits.blank(text.chunks);
            let more_than_all = self.limit_of(text.head).saturating_add(1);
            self.edits.value(text.head, more_than_all);
        } else {
            let len = if size == 1 { MASK.len() } else { size };
            self.edits.replace(
                text.head,
                text.chunks,
                vec![MASK[0]; len],
                (len / size) as u64,
            );
        }
        Value::Masked
    }

    /// Most elements that the op of an item takes.
    fn limit_of(&self, payload: &Bytes) -> u64 {
        let header = payload.range.start.checked_sub(size_of::<Item>());
        let item: Option<Item> = header
            .and_then(|from| self.hit.parts.get(payload.part)?.items.get(from..))
            .and_then(read);
        item.and_then(|i| self.plan.ops.get(usize::from(i.op)))
            .map_or(0, |op| u64::from(op.len))
    }

    /// Puts a text in the place of another one; what was cut keeps its length, so that the record still fits.
    fn rewrite(
        &mut self,
        text: Captured<'_>,
        was: usize,
        mut now: Vec<u8>,
        secret: Secret,
        whole: bool,
    ) -> Vec<u8> {
        if whole {
            let len = now.len() as u64;
            self.edits.replace(text.head, text.chunks, now.clone(), len);
        } else {
            now = mask::fitted(now, was, secret);
            self.edits.overwrite(text.chunks, &now);
        }
        now
    }

    /// Why what is wanted of a type is never captured.
    fn not_followed(&self, ty: u32) -> Option<Missing> {
        match &self.plan.types.get(ty as usize)?.kind {
            TypeKindSchema::Deep => Some(Missing::Limit(Limit::Pointers)),
            TypeKindSchema::Undescribed { why } => Some(Missing::Undescribed(why.clone())),
            _ => None,
        }
    }

    fn pointer(&mut self, elem: u32, source: Source<'_>, off: u64, secret: Secret) -> Value {
        let Some(Node::Pointer { status, addr, to }) = Self::node(source, off, PTR) else {
            // not followed by the plan: the address was copied with the plain bytes
            let why = self.not_followed(elem);
            return match (self.scalar(source, off, 8, address), why) {
                (Value::Address(addr), Some(why)) => Value::Pointer {
                    addr,
                    to: Box::new(Value::Missing(why)),
                },
                (other, _) => other,
            };
        };
        match (*status, to) {
            (NULL, _) => Value::Nil,
            (OK, Some(block)) => {
                let to = Source::memory(block);
                Value::Pointer {
                    addr: *addr,
                    to: Box::new(self.value(elem, to, 0, secret)),
                }
            }
            (other, _) => status_value(other, *addr),
        }
    }

    fn slice(&mut self, elem: u32, source: Source<'_>, off: u64, secret: Secret) -> Value {
        match Self::node(source, off, SLICE) {
            Some(node) => self.elements(elem, node, None, secret),
            None => self.absent(),
        }
    }

    /// Elements of a slice, or of an array, whose length its type says.
    fn elements(&mut self, elem: u32, node: &Node, all: Option<u64>, secret: Secret) -> Value {
        let Node::Slice {
            status,
            len,
            head,
            elems,
            raw,
            cut,
        } = node
        else {
            return self.absent();
        };
        match *status {
            NULL => Value::Nil,
            OK | LIMIT => {
                let is_array = all.is_some();
                let mut count = *len;
                let items: Vec<Value> = if raw.is_empty() {
                    self.element_values(elem, elems, secret)
                } else {
                    self.edits.see(raw);
                    let keep = match (is_array, cut) {
                        (true, _) => Keep::Array,
                        (false, Some(_)) => Keep::Cut,
                        (false, None) => Keep::Nothing,
                    };
                    match self.raw_elements(elem, Captured { head, chunks: raw }, secret, keep) {
                        Some((items, changed)) => {
                            count = changed.unwrap_or(count);
                            items
                        }
                        None => return Value::Masked,
                    }
                };
                // of what no element is wanted, the length is all
                let len = &count;
                let fewer = *len > 0 && all.is_some_and(|all| all > *len);
                let described = || self.not_followed(elem).filter(|_| *len > 0);
                let why = match cut {
                    None if items.is_empty() && described().is_some() => described(),
                    None if fewer => Some(Missing::Limit(Limit::Elements)),
                    why => why.clone(),
                };
                let len = all.unwrap_or(*len);
                cut_for(why.as_ref(), Value::List { items, len })
            }
            other => status_value(other, *len),
        }
    }

    /// Elements by block; of texts one may say what the next is.
    fn element_values(&mut self, elem: u32, elems: &[Block], secret: Secret) -> Vec<Value> {
        let plan = self.plan;
        let is_text = plan
            .types
            .get(elem as usize)
            .is_some_and(|t| t.kind == TypeKindSchema::String);
        let mut words = Words::default();
        elems
            .iter()
            .map(|block| {
                let source = Source::memory(block);
                if is_text && secret != Secret::All {
                    self.text(source, 0, secret, Some(&mut words))
                } else {
                    self.value(elem, source, 0, secret)
                }
            })
            .collect()
    }

    /// Elements that were copied as plain bytes, and how many there are if that has changed; `None`: they are hidden.
    fn raw_elements(
        &mut self,
        elem: u32,
        raw: Captured<'_>,
        secret: Secret,
        keep: Keep,
    ) -> Option<(Vec<Value>, Option<u64>)> {
        let ty = self.plan.types.get(elem as usize);
        let size = ty.map_or(0, |t| usize::try_from(t.size).unwrap_or(0));
        let is_complex = ty.is_some_and(|t| t.kind == TypeKindSchema::Complex);
        let mut bytes = self.joined(raw.chunks);
        if secret != Secret::None && secret != Secret::Query && !bytes.is_empty() {
            if keep == Keep::Array {
                self.edits.blank(raw.chunks);
                self.masked = self.masked.saturating_add(1);
            } else {
                self.hide(raw, keep == Keep::Cut, size.max(1));
            }
            return None;
        }
        let Some(ty) = ty.filter(|_| size > 0 && size <= if is_complex { 16 } else { 8 }) else {
            self.edits.blank(raw.chunks);
            return Some((Vec::new(), None));
        };
        let mut count = None;
        let whole = keep == Keep::Nothing;
        if size == 1 && self.redact == Redact::On {
            match mask::text(&bytes, Secret::None, whole) {
                Some(hidden) => {
                    bytes = self.rewrite(raw, bytes.len(), hidden, Secret::None, whole);
                    self.masked = self.masked.saturating_add(mask::count(&bytes));
                    count = whole.then_some(bytes.len() as u64);
                }
                None => self.masked = self.masked.saturating_add(mask::count(&bytes)),
            }
        }
        let items = bytes
            .chunks_exact(size)
            .map(|chunk| {
                if is_complex {
                    let (re, im) = chunk.split_at(size / 2);
                    return complex(ty.size / 2, word_of(re), word_of(im));
                }
                well_known::number(&ty.name, plain(&ty.kind, ty.size, word_of(chunk)))
            })
            .collect();
        Some((items, count))
    }

    fn map(&mut self, key: u32, elem: u32, source: Source<'_>, off: u64, secret: Secret) -> Value {
        let Some(Node::Map {
            status,
            addr,
            header,
            cells,
            end,
            kind,
        }) = Self::node(source, off, MAP)
        else {
            return self.absent();
        };
        // the first word of both map headers is the number of entries (runtime/map.go, internal/runtime/maps/map.go)
        let count = header
            .as_ref()
            .and_then(|h| self.bytes(h).first_chunk::<8>())
            .map(|b| u64::from_le_bytes(*b));
        let entries = self.entries(key, elem, cells, secret);
        match (*status, end, count) {
            (NULL, _, _) => Value::Nil,
            (OK, Some(end), Some(count)) => {
                let seen = end.seen;
                let later = end.header.as_ref().map(|h| self.bytes(h));
                let changed = match (header.as_ref().map(|h| self.bytes(h)), later) {
                    (Some(begin), Some(later)) => is_other_map(*kind, begin, later),
                    // a recording made before the header was read twice
                    _ => false,
                };
                match end.status {
                    OK | LIMIT if changed => Value::Missing(Missing::MapChanged { seen, count }),
                    OK if seen == count => Value::Map {
                        entries,
                        len: count,
                    },
                    // of what no cell is wanted, the length is all
                    LIMIT if entries.is_empty() => Value::Map {
                        entries,
                        len: count,
                    },
                    LIMIT => Value::Cut {
                        part: Box::new(Value::Map {
                            entries,
                            len: count,
                        }),
                        why: Missing::Limit(Limit::Elements),
                    },
                    OK => Value::Missing(Missing::MapChanged { seen, count }),
                    other => status_value(other, *addr),
                }
            }
            (OK, None, Some(count)) => match &self.end {
                Some(Missing::Limit(Limit::Entries)) => Value::Missing(Missing::MapCut {
                    seen: cells.len() as u64,
                    count,
                }),
                _ => self.absent(),
            },
            (other, _, _) => status_value(other, *addr),
        }
    }

    /// Cells of a map: a name says what its value is.
    fn entries(
        &mut self,
        key: u32,
        elem: u32,
        cells: &[(Block, Block)],
        secret: Secret,
    ) -> Vec<(Value, Value)> {
        let by_name = self.holds_settings(elem, 0);
        cells
            .iter()
            .map(|(key_block, elem_block)| {
                let for_key = match secret {
                    Secret::All => Secret::All,
                    _ => Secret::None,
                };
                let name = self.value(key, Source::memory(key_block), 0, for_key);
                let inner = match secret {
                    Secret::All | Secret::EnvValue | Secret::Values => Secret::All,
                    Secret::HeaderValues => match &name {
                        Value::Str { bytes, .. } if secrets::is_harmless_header(bytes) => {
                            Secret::None
                        }
                        _ => Secret::All,
                    },
                    Secret::None | Secret::Query if by_name => of_name(&name),
                    Secret::None | Secret::Query => Secret::None,
                };
                let value = self.value(elem, Source::memory(elem_block), 0, inner);
                (name, value)
            })
            .collect()
    }

    /// Whether values of a type are settings, which go by their names; objects have names of their own.
    fn holds_settings(&self, ty: u32, depth: u32) -> bool {
        match self.plan.types.get(ty as usize).map(|t| &t.kind) {
            Some(
                TypeKindSchema::Pointer { elem }
                | TypeKindSchema::Slice { elem }
                | TypeKindSchema::Array { elem, .. },
            ) => depth < 4 && self.holds_settings(*elem, depth + 1),
            Some(
                TypeKindSchema::Struct { .. }
                | TypeKindSchema::Map { .. }
                | TypeKindSchema::Bool
                | TypeKindSchema::Opaque
                | TypeKindSchema::Deep,
            ) => false,
            _ => true,
        }
    }

    fn peer(&self, source: Source<'_>, off: u64) -> Value {
        let Some(Node::Peer {
            status,
            addr,
            payload,
        }) = Self::node(source, off, PEER)
        else {
            return self.absent();
        };
        match (*status, read::<Peer>(self.bytes(payload))) {
            (OK, Some(peer)) => client::value(&peer),
            (OK, None) => Value::Missing(Missing::Corrupt(Misfit::PeerSize)),
            (other, _) => status_value(other, *addr),
        }
    }

    fn iface(&mut self, source: Source<'_>, off: u64, secret: Secret) -> Value {
        let Some(Node::Iface {
            status,
            type_addr,
            data,
            dynamic,
        }) = Self::node(source, off, IFACE)
        else {
            return self.absent();
        };
        match (*status, dynamic) {
            (NULL, _) => Value::Nil,
            (OK, Some((index, block))) => {
                let plan = self.plan;
                let Some(ty) = plan
                    .dyn_types
                    .get(*index)
                    .and_then(|d| plan.types.get(d.ty as usize))
                else {
                    return self.absent();
                };
                let inner = Source::memory(block);
                let direct = plan.dyn_types.get(*index).is_some_and(|d| d.direct);
                let value = match &ty.kind {
                    // the block's base is the data word: for a pointer, its target
                    TypeKindSchema::Pointer { elem } if !direct => {
                        let addr = data
                            .as_ref()
                            .and_then(|d| self.bytes(d).get(8..16)?.first_chunk::<8>())
                            .map_or(0, |b| u64::from_le_bytes(*b));
                        if addr == 0 {
                            Value::Nil
                        } else {
                            Value::Pointer {
                                addr,
                                to: Box::new(self.value(*elem, inner, 0, secret)),
                            }
                        }
                    }
                    _ => {
                        let index = plan.dyn_types.get(*index).map_or(u32::MAX, |d| d.ty);
                        self.value(index, inner, 0, secret)
                    }
                };
                Value::Iface {
                    ty: ty.name.clone(),
                    value: Box::new(value),
                }
            }
            (UNKNOWN_TYPE, _) => Value::Missing(Missing::UnknownType { addr: *type_addr }),
            (other, _) => status_value(other, *type_addr),
        }
    }
}

/// Words of a struct, `size` bytes in all, in which no field is described: those that a plan left out without counting them. Less than a
/// word may be padding.
fn uncovered(plan: &Plan, size: u64, fields: &[FieldSchema]) -> u32 {
    const WORD: u64 = 8;
    let size_of = |ty: u32| plan.types.get(ty as usize).map_or(0, |t| t.size);
    let mut covered: Vec<(u64, u64)> = fields
        .iter()
        .map(|f| (f.offset, f.offset.saturating_add(size_of(f.ty))))
        .collect();
    covered.sort_unstable();
    covered.push((size, size));
    let (mut end, mut words) = (0u64, 0u64);
    for (from, to) in covered {
        words = words.saturating_add(from.saturating_sub(end) / WORD);
        end = end.max(to);
    }
    u32::try_from(words).unwrap_or(u32::MAX)
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

/// Up to eight bytes, little endian.
fn word_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A value that is its own bytes; `size` as its type says, which in a hostile plan may be anything.
fn plain(kind: &TypeKindSchema, size: u64, word: u64) -> Value {
    match kind {
        TypeKindSchema::Bool => match word {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            other => Value::Missing(Missing::Implausible(Implausible::Bool(other))),
        },
        TypeKindSchema::Int => {
            let shift = 64 - 8 * size.clamp(1, 8);
            Value::Int(((word << shift) as i64) >> shift)
        }
        TypeKindSchema::Uint => Value::Uint(word),
        TypeKindSchema::Float if size == 4 => Value::Float(f64::from(f32::from_bits(word as u32))),
        TypeKindSchema::Float => Value::Float(f64::from_bits(word)),
        _ => Value::Missing(Missing::Corrupt(Misfit::Kind)),
    }
}

/// A complex number of two floats of `size` bytes.
fn complex(size: u64, re: u64, im: u64) -> Value {
    let part = |word: u64| match size {
        4 => f64::from(f32::from_bits(word as u32)),
        _ => f64::from_bits(word),
    };
    Value::Complex(part(re), part(im))
}

/// Whether two readings of a map's header differ by more than what reading a map in Go itself changes: of `hmap` (runtime/map.go) an
/// iterator sets flags 1 and 2 and may fill `extra`.
fn is_other_map(kind: u32, begin: &[u8], end: &[u8]) -> bool {
    const FLAGS: usize = 8;
    const EXTRA: usize = 40;
    begin.len() != end.len()
        || begin.iter().zip(end).enumerate().any(|(at, (a, b))| {
            let (a, b) = match at {
                FLAGS if kind == MAP_HMAP => (a & !3, b & !3),
                EXTRA.. if kind == MAP_HMAP => (0, 0),
                _ => (*a, *b),
            };
            a != b
        })
}

fn address(word: u64) -> Value {
    if word == 0 {
        Value::Nil
    } else {
        Value::Address(word)
    }
}

/// How a value is masked by the name that stands beside it; a name that is not whole cannot be judged.
fn of_name(name: &Value) -> Secret {
    match name {
        // it says its own value: `label=password=x` in filters
        Value::Str { bytes, .. } if bytes.contains(&b'=') => Secret::None,
        Value::Str { bytes, .. } => match std::str::from_utf8(bytes) {
            Ok(name) => secrets::of_name(name),
            Err(_) => Secret::None,
        },
        Value::Cut { .. } | Value::Missing(_) | Value::Masked => Secret::All,
        _ => Secret::None,
    }
}

/// Whether a plain value is hidden.
fn hides_plain(secret: Secret) -> bool {
    matches!(secret, Secret::All | Secret::EnvValue | Secret::Values)
}

/// Kinds that are their own bytes.
fn is_plain(kind: &TypeKindSchema) -> bool {
    matches!(
        kind,
        TypeKindSchema::Bool
            | TypeKindSchema::Int
            | TypeKindSchema::Uint
            | TypeKindSchema::Float
            | TypeKindSchema::Complex
    )
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
        FAULT => Value::Missing(Missing::Fault { addr: value }),
        DEPTH => Value::Missing(Missing::Limit(Limit::Nesting)),
        MAP_BUSY => Value::Missing(Missing::MapChanged { seen: 0, count: 0 }),
        UNKNOWN_TYPE => Value::Missing(Missing::MapKind),
        IMPLAUSIBLE => Value::Missing(Missing::Implausible(Implausible::Length(value))),
        CHANGED => Value::Missing(Missing::Changed),
        other => Value::Missing(Missing::Corrupt(Misfit::Status(other))),
    }
}

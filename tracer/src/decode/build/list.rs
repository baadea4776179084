//! Slices and arrays.

use tracer_ebpf::wire::op::SLICE;
use tracer_ebpf::wire::record::{LIMIT, NULL, OK};

use super::super::items::{Block, Node};
use super::super::mask::{self, Words};
use super::super::missing::{Limit, Missing};
use super::super::value::Value;
use super::super::{Redact, well_known};
use super::plain::{complex, plain, word_of};
use super::text::Captured;
use super::{Builder, Source, cut_for, status_value};
use crate::plan::{Secret, TypeKindSchema};

/// What of a list's length a record needs as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    /// What was captured of it.
    Cut,
    /// Its type says it.
    Array,
}

impl Builder<'_> {
    pub(super) fn slice(
        &mut self,
        elem: u32,
        source: Source<'_>,
        off: u64,
        secret: Secret,
    ) -> Value {
        match Self::node(source, off, SLICE) {
            Some(node) => self.elements(elem, node, None, secret),
            None => self.absent(),
        }
    }

    /// Elements of a slice, or of an array, whose length its type says.
    pub(super) fn elements(
        &mut self,
        elem: u32,
        node: &Node,
        all: Option<u64>,
        secret: Secret,
    ) -> Value {
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
    pub(super) fn element_values(
        &mut self,
        elem: u32,
        elems: &[Block],
        secret: Secret,
    ) -> Vec<Value> {
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

    /// Elements that were copied as plain bytes, and how many there are if that has changed;
    /// `None`: they are hidden.
    pub(super) fn raw_elements(
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
}

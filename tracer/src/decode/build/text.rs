//! Strings, and what becomes of the secrets in them.

use tracer_ebpf::wire::op::STRING;
use tracer_ebpf::wire::record::{Item, LIMIT, OK};

use super::super::Redact;
use super::super::items::{Bytes, Node};
use super::super::mask::{self, MASK, Words};
use super::super::record::read;
use super::super::value::Value;
use super::{Builder, Source, cut_for, status_value};
use crate::plan::Secret;

/// A captured text or list of plain values.
#[derive(Clone, Copy)]
pub(super) struct Captured<'b> {
    /// Payload of the item that tells its length.
    pub(super) head: &'b Bytes,
    pub(super) chunks: &'b [Bytes],
}

impl<'b> Captured<'b> {
    /// Of a string the first chunk is in the item that tells its length.
    pub(super) fn text(chunks: &'b [Bytes]) -> Option<Self> {
        chunks.first().map(|head| Self { head, chunks })
    }
}

impl Builder<'_> {
    pub(super) fn string(&mut self, source: Source<'_>, off: u64, secret: Secret) -> Value {
        self.text(source, off, secret, None)
    }

    /// A string, alone or as one of several words.
    pub(super) fn text(
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
    pub(super) fn hide(&mut self, text: Captured<'_>, is_cut: bool, size: usize) -> Value {
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
    pub(super) fn limit_of(&self, payload: &Bytes) -> u64 {
        let header = payload.range.start.checked_sub(size_of::<Item>());
        let item: Option<Item> = header
            .and_then(|from| self.hit.parts.get(payload.part)?.items.get(from..))
            .and_then(read);
        item.and_then(|i| self.plan.ops.get(usize::from(i.op)))
            .map_or(0, |op| u64::from(op.len))
    }

    /// Puts a text in the place of another one; what was cut keeps its length, so that the record
    /// still fits.
    pub(super) fn rewrite(
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
}

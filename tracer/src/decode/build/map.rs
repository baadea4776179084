//! Maps: whole, cut, or written while they were read.

use tracer_ebpf::wire::op::{MAP, MAP_HMAP};
use tracer_ebpf::wire::record::{LIMIT, NULL, OK};

use super::super::items::{Block, Node};
use super::super::missing::{Limit, Missing};
use super::super::value::Value;
use super::structure::of_name;
use super::{Builder, Source, status_value};
use crate::plan::secrets;
use crate::plan::{Secret, TypeKindSchema};

impl Builder<'_> {
    pub(super) fn map(
        &mut self,
        key: u32,
        elem: u32,
        source: Source<'_>,
        off: u64,
        secret: Secret,
    ) -> Value {
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
        // the first word of both map headers is the number of entries (runtime/map.go,
        // internal/runtime/maps/map.go)
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
                    other => status_value(other, addr.0),
                }
            }
            (OK, None, Some(count)) => match &self.end {
                Some(Missing::Limit(Limit::Entries)) => Value::Missing(Missing::MapCut {
                    seen: cells.len() as u64,
                    count,
                }),
                _ => self.absent(),
            },
            (other, _, _) => status_value(other, addr.0),
        }
    }

    /// Cells of a map: a name says what its value is.
    pub(super) fn entries(
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

    /// Whether values of a type are settings, which go by their names; objects have names of their
    /// own.
    pub(super) fn holds_settings(&self, ty: u32, depth: u32) -> bool {
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
}

/// Whether two readings of a map's header differ by more than what reading a map in Go itself
/// changes: of `hmap` (runtime/map.go) an iterator sets flags 1 and 2 and may fill `extra`.
pub(super) fn is_other_map(kind: u32, begin: &[u8], end: &[u8]) -> bool {
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

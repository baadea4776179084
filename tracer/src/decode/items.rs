//! Items of a hit → a tree that mirrors the ops that produced them.

use std::ops::Range;

use tracer_ebpf::wire::op::{ARRAY, COPY, IFACE, MAP, PEER, PTR, SLICE, STRING};
use tracer_ebpf::wire::record::{
    CUT, CUT_DEPTH, CUT_LOST, ITEM_CELL, ITEM_CONT, ITEM_END, Item, LIMIT, OK,
};

use super::missing::{Limit, Misfit, Missing};
use super::record::{RawHit, read};
use crate::addr::{ImageAddr, LoadBias, ProcessAddr};
use crate::plan::Plan;

/// Blocks nested in each other; the kernel's machine has 16 frames.
const MOST_NESTED: u32 = 64;

/// Bytes of an item's payload: entry, range in its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    pub part: usize,
    pub range: Range<usize>,
}

/// Items of one block, with the offsets of their ops.
#[derive(Debug, Default)]
pub struct Block {
    pub copies: Vec<Copy>,
    pub nodes: Vec<(u32, u8, Node)>,
}

#[derive(Debug)]
pub struct Copy {
    pub off: u32,
    /// Bytes asked for; all of them are there, or none.
    pub len: u32,
    pub status: u8,
    pub addr: ProcessAddr,
    pub bytes: Bytes,
}

/// One op's items.
#[derive(Debug)]
pub enum Node {
    Pointer {
        status: u8,
        addr: ProcessAddr,
        to: Option<Block>,
    },
    Str {
        status: u8,
        len: u64,
        chunks: Vec<Bytes>,
        /// Why chunks are missing.
        cut: Option<Missing>,
    },
    Slice {
        status: u8,
        len: u64,
        /// Payload of the item that tells the length; of plain bytes none is in it.
        head: Bytes,
        /// Elements by block.
        elems: Vec<Block>,
        /// Elements as plain bytes.
        raw: Vec<Bytes>,
        /// Why elements are missing.
        cut: Option<Missing>,
    },
    Map {
        status: u8,
        addr: ProcessAddr,
        header: Option<Bytes>,
        cells: Vec<(Block, Block)>,
        /// `None`: the capture ended before the map did.
        end: Option<MapEnd>,
        /// `MAP_HMAP` or `MAP_SWISS`.
        kind: u32,
    },
    Iface {
        status: u8,
        type_addr: ImageAddr,
        data: Option<Bytes>,
        /// Index into `Plan::dyn_types` and its items.
        dynamic: Option<(usize, Block)>,
    },
    Peer {
        status: u8,
        addr: ProcessAddr,
        payload: Bytes,
    },
}

/// What the kernel says at a map's end.
#[derive(Debug)]
pub struct MapEnd {
    pub status: u8,
    /// Cells that it counted.
    pub seen: u64,
    /// The map's header as it was then.
    pub header: Option<Bytes>,
}

/// Reads the items of one hit in order.
pub struct Parser<'a> {
    plan: &'a Plan,
    hit: &'a RawHit,
    load_bias: LoadBias,
    part: usize,
    at: usize,
    nested: u32,
    /// Why nothing more can be read.
    pub end: Option<Missing>,
}

struct Next {
    item: Item,
    payload: Bytes,
}

impl<'a> Parser<'a> {
    pub fn new(plan: &'a Plan, hit: &'a RawHit, load_bias: LoadBias) -> Self {
        Self {
            plan,
            hit,
            load_bias,
            part: 0,
            at: 0,
            nested: 0,
            end: None,
        }
    }

    fn corrupt(&mut self, how: Misfit) {
        self.end.get_or_insert(Missing::Corrupt(how));
    }

    /// Position of the first byte that was not understood: (entry, offset).
    pub fn position(&self) -> (usize, usize) {
        (self.part, self.at)
    }

    fn peek(&mut self) -> Option<Next> {
        if self.end.is_some() {
            return None;
        }
        loop {
            let Some(part) = self.hit.parts.get(self.part) else {
                self.end = Some(self.why_it_ends());
                return None;
            };
            if self.at >= part.items.len() {
                self.part += 1;
                self.at = 0;
                continue;
            }
            let item: Option<Item> = part.items.get(self.at..).and_then(read);
            let start = self.at + size_of::<Item>();
            let payload = item
                .and_then(|i| Some(start..start.checked_add(i.len as usize)?))
                .filter(|r| r.end <= part.items.len());
            return match (item, payload) {
                (Some(item), Some(range)) => Some(Next {
                    item,
                    payload: Bytes {
                        part: self.part,
                        range,
                    },
                }),
                _ => {
                    self.corrupt(Misfit::ItemTooLong);
                    None
                }
            };
        }
    }

    fn advance(&mut self, next: &Next) {
        self.at = next.payload.range.start + (next.item.len as usize).next_multiple_of(8);
    }

    fn why_it_ends(&self) -> Missing {
        let last = self.hit.parts.last().map(|p| p.head);
        match last {
            _ if self.hit.lost_rest => Missing::Lost,
            Some(head) if head.flags & CUT != 0 => match head.cut {
                CUT_LOST => Missing::Lost,
                CUT_DEPTH => Missing::Limit(Limit::Nesting),
                _ => Missing::Limit(Limit::Entries),
            },
            _ => Missing::Corrupt(Misfit::ItemsEnd),
        }
    }

    /// The item of op `index`, or none if the stream ends or does not match.
    fn take(&mut self, index: u32, flags: u8) -> Option<Next> {
        let next = self.peek()?;
        if u32::from(next.item.op) != index || next.item.flags != flags {
            self.corrupt(Misfit::OtherOp);
            return None;
        }
        self.advance(&next);
        Some(next)
    }

    /// A further item of the same op, if the next one is.
    fn take_continuation(&mut self, index: u32) -> Option<Next> {
        let next = self.peek()?;
        if u32::from(next.item.op) != index || next.item.flags != ITEM_CONT {
            return None;
        }
        self.advance(&next);
        Some(next)
    }

    /// Items of a block.
    pub fn block(&mut self, start: u32, count: u32) -> Block {
        let mut block = Block::default();
        if self.nested >= MOST_NESTED {
            self.corrupt(Misfit::BlocksNested);
            return block;
        }
        self.nested += 1;
        for index in start..start.saturating_add(count) {
            let Some(op) = self.plan.ops.get(index as usize).copied() else {
                self.corrupt(Misfit::NoOp);
                break;
            };
            let Some(next) = self.take(index, 0) else {
                break;
            };
            let item = next.item;
            let node = match op.kind {
                COPY => {
                    block.copies.push(Copy {
                        off: op.off,
                        len: op.len,
                        status: item.status,
                        addr: ProcessAddr(item.value),
                        bytes: next.payload,
                    });
                    continue;
                }
                PTR => Node::Pointer {
                    status: item.status,
                    addr: ProcessAddr(item.value),
                    to: (item.status == OK).then(|| self.block(op.a, op.b)),
                },
                STRING => self.string(index, op.len, next),
                SLICE | ARRAY => self.slice(index, &op, &next),
                MAP => self.map(index, op.a, next),
                IFACE => self.iface(op.a, next),
                PEER => Node::Peer {
                    status: item.status,
                    addr: ProcessAddr(item.value),
                    payload: next.payload,
                },
                _ => {
                    self.corrupt(Misfit::OpKind);
                    break;
                }
            };
            block.nodes.push((op.off, op.kind, node));
        }
        self.nested -= 1;
        block
    }

    fn repeat(&mut self, start: u32, count: u32, times: u64) -> Vec<Block> {
        let mut elems = Vec::new();
        for _ in 0..times {
            if self.end.is_some() || count == 0 {
                break;
            }
            let block = self.block(start, count);
            // an element that was not begun is missing, not empty
            if block.copies.is_empty() && block.nodes.is_empty() {
                break;
            }
            elems.push(block);
        }
        elems
    }

    fn string(&mut self, index: u32, most: u32, next: Next) -> Node {
        let (status, len) = (next.item.status, next.item.value);
        let (mut chunks, mut cut) = (Vec::new(), None);
        if matches!(status, OK | LIMIT) {
            let wanted = len.min(u64::from(most));
            let got = next.payload.range.len() as u64;
            chunks.push(next.payload);
            cut = self.continuations(index, wanted - got.min(wanted), &mut chunks);
            if len > wanted {
                cut.get_or_insert(Missing::Limit(Limit::StringBytes));
            }
        }
        Node::Str {
            status,
            len,
            chunks,
            cut,
        }
    }

    /// Chunks of `wanted` bytes in all; gives why there are fewer.
    fn continuations(
        &mut self,
        index: u32,
        mut wanted: u64,
        chunks: &mut Vec<Bytes>,
    ) -> Option<Missing> {
        while wanted > 0 {
            let Some(more) = self.take_continuation(index) else {
                // the machine had no frame left to copy them with
                return Some(self.end.clone().unwrap_or(Missing::Limit(Limit::Nesting)));
            };
            if more.item.status != OK || more.payload.range.is_empty() {
                return Some(Missing::Fault {
                    addr: ProcessAddr(more.item.value),
                });
            }
            wanted = wanted.saturating_sub(more.payload.range.len() as u64);
            chunks.push(more.payload);
        }
        None
    }

    fn slice(&mut self, index: u32, op: &crate::plan::OpSchema, next: &Next) -> Node {
        let (status, len) = (next.item.status, next.item.value);
        let (mut elems, mut raw, mut cut) = (Vec::new(), Vec::new(), None);
        if matches!(status, OK | LIMIT) {
            let wanted = len.min(u64::from(op.len));
            if op.b > 0 {
                elems = self.repeat(op.a, op.b, wanted);
                if (elems.len() as u64) < wanted {
                    cut.clone_from(&self.end);
                }
            } else {
                let bytes = wanted.saturating_mul(u64::from(op.c));
                cut = self.continuations(index, bytes, &mut raw);
            }
            // of what no element is wanted, the length is all
            if len > wanted && op.len > 0 {
                cut.get_or_insert(Missing::Limit(Limit::Elements));
            }
        }
        Node::Slice {
            status,
            len,
            head: next.payload.clone(),
            elems,
            raw,
            cut,
        }
    }

    fn map(&mut self, index: u32, map: u32, next: Next) -> Node {
        let (status, addr) = (next.item.status, ProcessAddr(next.item.value));
        let header = (!next.payload.range.is_empty()).then_some(next.payload);
        let mut cells = Vec::new();
        let mut end = None;
        let schema = self.plan.maps.get(map as usize).copied();
        if status == OK {
            while let Some(next) = self.peek() {
                if u32::from(next.item.op) != index {
                    self.corrupt(Misfit::MapWithoutEnd);
                    break;
                }
                self.advance(&next);
                match (next.item.flags, schema) {
                    (ITEM_CELL, Some(schema)) => {
                        let key = self.block(schema.key_ops, schema.key_count);
                        let elem = self.block(schema.elem_ops, schema.elem_count);
                        cells.push((key, elem));
                    }
                    (ITEM_END, _) => {
                        end = Some(MapEnd {
                            status: next.item.status,
                            seen: next.item.value,
                            header: (!next.payload.range.is_empty()).then_some(next.payload),
                        });
                        break;
                    }
                    _ => {
                        self.corrupt(Misfit::NotOfMap);
                        break;
                    }
                }
            }
        }
        Node::Map {
            status,
            addr,
            header,
            cells,
            end,
            kind: schema.map_or(0, |s| s.kind),
        }
    }

    fn iface(&mut self, table: u32, next: Next) -> Node {
        let (status, value) = (next.item.status, next.item.value);
        let type_addr = self.load_bias.to_image(ProcessAddr(value));
        let dynamic = (status == OK).then(|| {
            self.plan
                .dyn_types
                .iter()
                .position(|d| d.table == table && d.type_addr == type_addr)
        });
        let dynamic = match dynamic {
            Some(Some(index)) => {
                let d = self.plan.dyn_types[index];
                let mut block = self.block(d.ops, d.count);
                if d.direct && next.payload.range.len() == 16 {
                    // behind the first word of the interface
                    block.copies.push(Copy {
                        off: 0,
                        len: 8,
                        status: OK,
                        addr: ProcessAddr(0),
                        bytes: Bytes {
                            part: next.payload.part,
                            range: next.payload.range.start + 8..next.payload.range.end,
                        },
                    });
                }
                Some((index, block))
            }
            Some(None) => {
                self.corrupt(Misfit::NoDynamicType);
                None
            }
            None => None,
        };
        Node::Iface {
            status,
            type_addr,
            data: (!next.payload.range.is_empty()).then_some(next.payload),
            dynamic,
        }
    }
}

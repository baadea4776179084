//! Maps of both implementations: head item, cells, end. `hmap` and `smap` know how to get from one group of cells to the next.
//!
//! Other goroutines may write the map meanwhile. So each cell is looked at again once it is captured: control bytes, first words of key and
//! elem must be what they were. And a map of several groups is walked a second time for its control bytes alone: if they are the same, the keys
//! that were seen were all there at once.

use tracer_ebpf::wire::op::{
    MAP_HMAP, MAP_INDIRECT_ELEM, MAP_INDIRECT_KEY, MAP_SWISS, MapDesc, Op,
};
use tracer_ebpf::wire::record::{DEPTH, FAULT, ITEM_CELL, LIMIT, MAP_BUSY, NULL, OK, UNKNOWN_TYPE};

use super::frame::{F_OPS, WalkPtr};
use super::group::{AGAIN, FACTOR, HEADER, SEVERAL};
use super::{hmap, smap};
use crate::entry::{Entry, read_pair, read_word};
use crate::maps::{MAPS, OPS};
use crate::mode::BOUNDED;

/// Reads the header, emits the head item, pushes the walk.
#[inline(always)]
pub fn begin<const N: usize, const MODE: u8>(entry: &mut Entry<N>, index: u32, op: &Op, map: u64) {
    if map == 0 {
        entry.emit(index, NULL, 0, 0, 0);
        return;
    }
    if !entry.read_payload(HEADER, map) {
        if entry.retry_later::<MODE>(map, HEADER) {
            entry.rewind();
        } else {
            entry.emit(index, FAULT, 0, 0, map);
        }
        return;
    }
    let kind = match MAPS.get(op.a) {
        Some(desc) => desc.kind,
        None => 0,
    };
    let words = [
        entry.payload_word(1),
        entry.payload_word(2),
        entry.payload_word(3),
        entry.payload_word(4),
    ];
    // the bounded programs have no room for both: the verifier of 5.10 would give up
    let swiss = MODE != BOUNDED && kind == MAP_SWISS;
    let status = if !entry.can_push(3) {
        DEPTH
    } else if kind == MAP_HMAP {
        hmap::check(&words)
    } else if swiss {
        smap::check(&words)
    } else {
        UNKNOWN_TYPE
    };
    entry.emit(index, status, 0, HEADER, map);
    if status != OK {
        return;
    }
    let top = entry.machine.top;
    entry.machine.top = top + 1;
    let walk = entry.frame(top).walk();
    walk.set_op(index);
    walk.set_cell(8);
    walk.set_place(0);
    walk.set_seen(0);
    walk.set_group(0);
    walk.set_map(map);
    walk.begin_print(0);
    walk.begin_sum(0);
    if swiss {
        smap::start(walk, &words);
    } else {
        hmap::start(walk, &words);
    }
}

/// One cell, or on to the next group of cells.
#[inline(always)]
pub fn step<const N: usize, const MODE: u8>(entry: &mut Entry<N>, walk: WalkPtr, swiss: bool) {
    let index = walk.op();
    let Some(op) = OPS.get(index) else {
        return entry.end_map(walk, FAULT);
    };
    let Some(desc) = MAPS.get(op.a) else {
        return entry.end_map(walk, FAULT);
    };
    let cell = walk.cell();
    let before = walk.print();
    if before != 0 && walk.kind() & AGAIN == 0 {
        let group = walk.group();
        let Some(now) = fingerprint(desc, group, cell.wrapping_sub(1)) else {
            if !entry.retry_later::<MODE>(group, u64::from(desc.bucket_size)) {
                entry.end_map(walk, FAULT);
            }
            return;
        };
        if now != before {
            return entry.end_map(walk, MAP_BUSY);
        }
        walk.set_print(0);
    }
    if cell >= 8 {
        let done = if swiss {
            smap::next_group::<N, MODE>(entry, walk, desc.bucket_size)
        } else {
            hmap::next_bucket::<N, MODE>(entry, walk, desc.bucket_size, desc.overflow_off)
        };
        if done {
            finish::<N, MODE>(entry, walk, swiss);
        }
        return;
    }
    walk.set_cell(cell + 1);
    let byte = walk.control() >> ((cell & 7) * 8) & 0xff;
    let filled = if swiss {
        smap::is_filled(byte)
    } else {
        hmap::is_filled(byte)
    };
    if filled {
        emit_cell::<N, MODE>(entry, walk, op, desc, index, cell);
    }
}

/// All groups were seen: the walk ends, or begins again.
#[inline(always)]
fn finish<const N: usize, const MODE: u8>(entry: &mut Entry<N>, walk: WalkPtr, swiss: bool) {
    let (kind, map) = (walk.kind(), walk.map());
    let (first, sum) = (walk.print(), walk.sum());
    if kind & AGAIN != 0 {
        return entry.end_map(walk, if first == sum { OK } else { MAP_BUSY });
    }
    if kind & SEVERAL == 0 {
        return entry.end_map(walk, OK);
    }
    if !entry.read_payload(HEADER, map) {
        if !entry.retry_later::<MODE>(map, HEADER) {
            entry.end_map(walk, FAULT);
        }
        return;
    }
    let words = [
        entry.payload_word(1),
        entry.payload_word(2),
        entry.payload_word(3),
        entry.payload_word(4),
    ];
    if swiss {
        smap::start(walk, &words);
    } else {
        hmap::start(walk, &words);
    }
    walk.set_kind(walk.kind() | AGAIN);
    walk.set_place(0);
    walk.set_print(sum);
    walk.set_sum(0);
}

/// Key and elem slot of a cell.
#[inline(always)]
fn slots(desc: &MapDesc, group: u64, cell: u32) -> (u64, u64) {
    let cell = u64::from(cell & 7);
    (
        group + u64::from(desc.keys_off) + cell * u64::from(desc.key_stride),
        group + u64::from(desc.elems_off) + cell * u64::from(desc.elem_stride),
    )
}

/// Control bytes and the first words of a cell's key and elem, folded into one that is not 0. Whole aligned words, which cannot reach
/// into a page that the cell does not touch.
#[inline(always)]
fn fingerprint(desc: &MapDesc, group: u64, cell: u32) -> Option<u64> {
    let (key, elem) = slots(desc, group, cell);
    let control = read_word(group)?;
    let mut sum = control;
    for (slot, stride) in [(key, desc.key_stride), (elem, desc.elem_stride)] {
        let (first, second) = if stride >= 16 {
            read_pair(slot & !7)?
        } else {
            (read_word(slot & !7)?, 0)
        };
        sum = sum.wrapping_mul(FACTOR) ^ first;
        sum = sum.wrapping_mul(FACTOR) ^ second;
    }
    Some(sum | 1)
}

#[inline(always)]
fn emit_cell<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    walk: WalkPtr,
    op: &Op,
    desc: &MapDesc,
    op_index: u32,
    cell: u32,
) {
    let seen = walk.seen();
    if seen >= op.len {
        return entry.end_map(walk, LIMIT);
    }
    walk.set_seen(seen + 1);
    let bucket = walk.group();
    let slots = slots(desc, bucket, cell);
    let (mut key, mut elem) = slots;
    let Some(print) = fingerprint(desc, bucket, cell) else {
        if entry.retry_later::<MODE>(bucket, u64::from(desc.bucket_size)) {
            walk.set_cell(cell);
            walk.set_seen(seen);
        } else {
            entry.end_map(walk, FAULT);
        }
        return;
    };
    walk.set_print(print);
    if desc.flags & MAP_INDIRECT_KEY != 0 {
        key = read_word(key).unwrap_or(0);
    }
    if desc.flags & MAP_INDIRECT_ELEM != 0 {
        elem = read_word(elem).unwrap_or(0);
    }
    // an indirect slot of a filled cell is never nil
    if key == 0 || elem == 0 {
        let slot = if key == 0 { slots.0 } else { slots.1 };
        if entry.retry_later::<MODE>(slot, 8) {
            walk.set_cell(cell);
            walk.set_seen(seen);
            walk.set_print(0);
            return;
        }
    }
    entry.emit(op_index, OK, ITEM_CELL, 0, u64::from(seen));
    if desc.elem_count > 0 && entry.can_push(1) {
        entry.push_ops(F_OPS, desc.elem_ops, desc.elem_count, elem, 0, 0);
    }
    if desc.key_count > 0 && entry.can_push(1) {
        entry.push_ops(F_OPS, desc.key_ops, desc.key_count, key, 0, 0);
    }
}

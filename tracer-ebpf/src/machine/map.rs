//! Maps of both implementations: head item, cells, end. `hmap` and `smap` know how to get from one group of cells to the next.
//!
//! Words of a map's frame: `start` op, `stride` cells seen, `base` the current group of eight cells (bucket or group), `end` next cell in
//! it, `w[2]` its eight tophash or control bytes, `w[4]` the map; the rest belongs to the implementation.

use tracer_ebpf::wire::op::{
    MAP_HMAP, MAP_INDIRECT_ELEM, MAP_INDIRECT_KEY, MAP_SWISS, MapDesc, Op,
};
use tracer_ebpf::wire::record::{DEPTH, FAULT, Frame, ITEM_CELL, LIMIT, NULL, OK, UNKNOWN_TYPE};

use super::{BOUNDED, F_OPS, hmap, smap};
use crate::entry::{Entry, read_word};
use crate::maps::{MAPS, OPS};

/// Bytes of the map header, the same for both implementations.
pub const HEADER: u64 = 48;

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
    let frame = entry.frame(top);
    unsafe {
        (*frame).start = index;
        (*frame).end = 8;
        (*frame).pc = 0;
        (*frame).stride = 0;
        (*frame).base = 0;
        (*frame).w[4] = map;
    }
    if swiss {
        smap::start(frame, &words);
    } else {
        hmap::start(frame, &words);
    }
}

/// One cell, or on to the next group of cells.
#[inline(always)]
pub fn step<const N: usize, const MODE: u8>(entry: &mut Entry<N>, frame: *mut Frame, swiss: bool) {
    let index = unsafe { (*frame).start };
    let Some(op) = OPS.get(index) else {
        return entry.end_map(frame, FAULT);
    };
    let Some(desc) = MAPS.get(op.a) else {
        return entry.end_map(frame, FAULT);
    };
    let cell = unsafe { (*frame).end };
    if cell >= 8 {
        if swiss {
            smap::next_group::<N, MODE>(entry, frame, desc.bucket_size);
        } else {
            hmap::next_bucket::<N, MODE>(entry, frame, desc.bucket_size, desc.overflow_off);
        }
        return;
    }
    unsafe { (*frame).end = cell + 1 };
    let byte = unsafe { (*frame).w[2] } >> ((cell & 7) * 8) & 0xff;
    let filled = if swiss {
        smap::is_filled(byte)
    } else {
        hmap::is_filled(byte)
    };
    if filled {
        emit_cell::<N, MODE>(entry, frame, op, desc, index, cell);
    }
}

#[inline(always)]
fn emit_cell<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    frame: *mut Frame,
    op: &Op,
    desc: &MapDesc,
    op_index: u32,
    cell: u32,
) {
    let seen = unsafe { (*frame).stride };
    if seen >= op.len {
        return entry.end_map(frame, LIMIT);
    }
    unsafe { (*frame).stride = seen + 1 };
    let bucket = unsafe { (*frame).base };
    let mut key =
        bucket + u64::from(desc.keys_off) + u64::from(cell & 7) * u64::from(desc.key_stride);
    let mut elem =
        bucket + u64::from(desc.elems_off) + u64::from(cell & 7) * u64::from(desc.elem_stride);
    let slots = (key, elem);
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
            unsafe {
                (*frame).end = cell;
                (*frame).stride = seen;
            }
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

//! Maps of both implementations: head item, cells, end. `hmap` and `smap` know how to get from one group of cells to the next.
//!
//! Words of a map's frame: `start` op, `stride` cells seen, `base` the current group of eight cells (bucket or group), `end` next cell in
//! it, `w[2]` its eight tophash or control bytes, `w[4]` the map, `w[5]` what the cell before held when it was captured (0: nothing to
//! check), `w[6]` a sum of all control bytes; the rest belongs to the implementation.
//!
//! Other goroutines may write the map meanwhile. So each cell is looked at again once it is captured: control bytes, first words of key and
//! elem must be what they were. And a map of several groups is walked a second time for its control bytes alone: if they are the same, the keys
//! that were seen were all there at once.

use tracer_ebpf::wire::op::{
    MAP_HMAP, MAP_INDIRECT_ELEM, MAP_INDIRECT_KEY, MAP_SWISS, MapDesc, Op,
};
use tracer_ebpf::wire::record::{
    DEPTH, FAULT, Frame, ITEM_CELL, LIMIT, MAP_BUSY, NULL, OK, UNKNOWN_TYPE,
};

use super::{BOUNDED, F_OPS, hmap, smap};
use crate::entry::{Entry, read_pair, read_word};
use crate::maps::{MAPS, OPS};

/// `Frame::kind`: the second walk; `w[5]` is the first one's sum.
pub const AGAIN: u32 = 1 << 8;
/// `Frame::kind`: a group was seen, and another.
const ONE: u32 = 1 << 9;
const SEVERAL: u32 = 1 << 10;
/// An odd number with as many ones as zeroes.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
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
        (&raw mut (*frame).w[5]).write_volatile(0);
        (&raw mut (*frame).w[6]).write_volatile(0);
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
    let before = unsafe { (*frame).w[5] };
    if before != 0 && unsafe { (*frame).kind } & AGAIN == 0 {
        let group = unsafe { (*frame).base };
        let Some(now) = fingerprint(desc, group, cell.wrapping_sub(1)) else {
            if !entry.retry_later::<MODE>(group, u64::from(desc.bucket_size)) {
                entry.end_map(frame, FAULT);
            }
            return;
        };
        if now != before {
            return entry.end_map(frame, MAP_BUSY);
        }
        unsafe { (*frame).w[5] = 0 };
    }
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

/// On to a group. `skip`: its cells are not looked at.
#[inline(always)]
pub fn enter(frame: *mut Frame, group: u64, control: u64, skip: bool) {
    unsafe {
        let kind = (*frame).kind;
        (*frame).kind = kind | if kind & ONE == 0 { ONE } else { SEVERAL };
        (*frame).base = group;
        (*frame).w[2] = control;
        (*frame).w[6] = ((*frame).w[6] ^ control).wrapping_mul(FACTOR);
        (*frame).end = if skip || kind & AGAIN != 0 { 8 } else { 0 };
    }
}

/// All groups were seen: the walk ends, or begins again.
#[inline(always)]
pub fn finish<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    frame: *mut Frame,
    swiss: bool,
) {
    let (kind, map) = unsafe { ((*frame).kind, (*frame).w[4]) };
    let (first, sum) = unsafe { ((*frame).w[5], (*frame).w[6]) };
    if kind & AGAIN != 0 {
        return entry.end_map(frame, if first == sum { OK } else { MAP_BUSY });
    }
    if kind & SEVERAL == 0 {
        return entry.end_map(frame, OK);
    }
    if !entry.read_payload(HEADER, map) {
        if !entry.retry_later::<MODE>(map, HEADER) {
            entry.end_map(frame, FAULT);
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
        smap::start(frame, &words);
    } else {
        hmap::start(frame, &words);
    }
    unsafe {
        (*frame).kind |= AGAIN;
        (*frame).pc = 0;
        (*frame).w[5] = sum;
        (*frame).w[6] = 0;
    }
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
    let slots = slots(desc, bucket, cell);
    let (mut key, mut elem) = slots;
    let Some(print) = fingerprint(desc, bucket, cell) else {
        if entry.retry_later::<MODE>(bucket, u64::from(desc.bucket_size)) {
            unsafe {
                (*frame).end = cell;
                (*frame).stride = seen;
            }
        } else {
            entry.end_map(frame, FAULT);
        }
        return;
    };
    unsafe { (*frame).w[5] = print };
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
                (*frame).w[5] = 0;
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

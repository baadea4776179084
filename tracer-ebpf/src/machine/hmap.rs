//! Hash maps of Go ≤ 1.23 (`runtime/map.go`): buckets, overflow chains, and the old array while growing.

use tracer_ebpf::wire::op::{MAP_HMAP, MAP_INDIRECT_ELEM, MAP_INDIRECT_KEY, Op};
use tracer_ebpf::wire::record::{
    DEPTH, FAULT, Frame, IMPLAUSIBLE, ITEM_CELL, ITEM_END, LIMIT, MAP_BUSY, NULL, OK, UNKNOWN_TYPE,
};

use super::{F_HMAP, F_OPS};
use crate::entry::{Entry, read_word};
use crate::maps::{MAPS, OPS};

/// Bytes of the map header.
const HEADER: u64 = 48;
/// `hmap.flags`: another goroutine writes.
const WRITING: u64 = 4;
/// `hmap.flags`: growing to the same size.
const SAME_SIZE: u64 = 8;
/// `Frame::kind`: the old array has as many buckets as the new one.
const SAME: u32 = 1 << 16;
/// `Frame::kind`: the walk is in the old array.
const OLD: u32 = 1 << 17;
/// First tophash value of a filled cell.
const MIN_TOP: u64 = 5;

/// Reads the header, emits the head item, pushes the walk.
///
/// Words of the frame: 0 bucket array, 1 next overflow bucket, 2 tophash of the current bucket, 3 old array; `base` the current bucket,
/// `pc` next bucket, `remaining` number of buckets, `end` next cell, `start` op, `stride` cells seen.
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
    let known = MAPS.get(op.a).is_some_and(|d| d.kind == MAP_HMAP);
    let packed = entry.payload_word(1);
    let (flags, b) = (packed & 0xff, (packed >> 8) & 0xff);
    let (buckets, old) = (entry.payload_word(2), entry.payload_word(3));
    let status = if !known {
        UNKNOWN_TYPE
    } else if flags & WRITING != 0 {
        MAP_BUSY
    } else if b > 30 {
        IMPLAUSIBLE
    } else if !entry.can_push(3) {
        DEPTH
    } else {
        OK
    };
    entry.emit(index, status, 0, HEADER, map);
    if status != OK {
        return;
    }
    let top = entry.machine.top;
    entry.machine.top = top + 1;
    let frame = entry.frame(top);
    unsafe {
        (*frame).kind = F_HMAP | if flags & SAME_SIZE != 0 { SAME } else { 0 };
        (*frame).start = index;
        (*frame).end = 8;
        (*frame).pc = 0;
        (*frame).remaining = if buckets == 0 {
            0
        } else {
            1u32 << (b as u32 & 31)
        };
        (*frame).stride = 0;
        (*frame).base = 0;
        // one by one: the compiler would call memset, and a program that tail-calls may call nothing on older kernels
        (&raw mut (*frame).w[0]).write_volatile(buckets);
        (&raw mut (*frame).w[1]).write_volatile(0);
        (&raw mut (*frame).w[2]).write_volatile(0);
        (&raw mut (*frame).w[3]).write_volatile(old);
    }
}

#[inline(always)]
pub fn step<const N: usize, const MODE: u8>(entry: &mut Entry<N>, frame: *mut Frame) {
    let op_index = unsafe { (*frame).start };
    let Some(op) = OPS.get(op_index) else {
        return end(entry, frame, FAULT);
    };
    let Some(desc) = MAPS.get(op.a) else {
        return end(entry, frame, FAULT);
    };
    let cell = unsafe { (*frame).end };
    if cell >= 8 {
        next_bucket::<N, MODE>(entry, frame, desc.bucket_size, desc.overflow_off);
        return;
    }
    unsafe { (*frame).end = cell + 1 };
    let tophash = unsafe { (*frame).w[2] } >> ((cell & 7) * 8) & 0xff;
    if tophash < MIN_TOP {
        return;
    }
    let seen = unsafe { (*frame).stride };
    if seen >= op.len {
        return end(entry, frame, LIMIT);
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

#[inline(always)]
fn next_bucket<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    frame: *mut Frame,
    bucket_size: u32,
    overflow_off: u32,
) {
    let overflow = unsafe { (*frame).w[1] };
    let kind = unsafe { (*frame).kind };
    let bucket = if overflow != 0 {
        overflow
    } else {
        let index = unsafe { (*frame).pc };
        let buckets = unsafe { (*frame).remaining };
        if index >= buckets {
            let old = unsafe { (*frame).w[3] };
            if old == 0 {
                return end(entry, frame, OK);
            }
            unsafe {
                (*frame).w[0] = old;
                (*frame).w[3] = 0;
                (*frame).pc = 0;
                (*frame).remaining = if kind & SAME != 0 {
                    buckets
                } else {
                    buckets >> 1
                };
                (*frame).kind = kind | OLD;
            }
            return;
        }
        unsafe {
            (*frame).pc = index + 1;
            (*frame).w[0] + u64::from(index) * u64::from(bucket_size)
        }
    };
    let (Some(tophash), Some(next)) = (
        read_word(bucket),
        read_word(bucket + u64::from(overflow_off)),
    ) else {
        if entry.retry_later::<MODE>(bucket, u64::from(overflow_off) + 8) {
            if overflow == 0 {
                unsafe { (*frame).pc -= 1 };
            }
            return;
        }
        return end(entry, frame, FAULT);
    };
    let first = tophash & 0xff;
    // an evacuated bucket's cells are in the new array already, its overflow chain's too
    let evacuated = kind & OLD != 0 && overflow == 0 && first >= 2 && first < MIN_TOP;
    unsafe {
        (*frame).base = bucket;
        (*frame).w[1] = if evacuated { 0 } else { next };
        (*frame).w[2] = tophash;
        (*frame).end = if evacuated { 8 } else { 0 };
    }
}

#[inline(always)]
fn end<const N: usize>(entry: &mut Entry<N>, frame: *mut Frame, status: u8) {
    let (op, seen) = unsafe { ((*frame).start, (*frame).stride) };
    entry.machine.top -= 1;
    entry.emit(op, status, ITEM_END, 0, u64::from(seen));
}

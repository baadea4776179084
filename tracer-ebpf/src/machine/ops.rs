//! One op: what it reads and the item it emits. The meaning is documented in `wire::op`.

use tracer_ebpf::wire::limits::CHUNK;
use tracer_ebpf::wire::op::{
    ARRAY, COPY, DYN_DIRECT, DynKey, IFACE, MAP, OP_ITAB, Op, PEER, PTR, SLICE, STRING,
};
use tracer_ebpf::wire::peer::Peer;
use tracer_ebpf::wire::record::{
    CHANGED, DEPTH, FAULT, IMPLAUSIBLE, LIMIT, NULL, OK, UNKNOWN_TYPE,
};

use super::frame::{F_OPS, F_REGS};
use super::map;
use crate::entry::{Entry, bound, read_pair, read_word};
use crate::maps::{DYN_TYPES, OPS};
use crate::peer;

/// No string or slice is longer: 47-bit addresses.
const IMPLAUSIBLE_LEN: u64 = 1 << 46;

/// Word of the register file; bounded by it plus the stack array behind it, both inside the head.
#[inline(always)]
fn register<const N: usize>(entry: &Entry<N>, at: u64) -> u64 {
    let index = bound!(at >> 3, 31);
    // SAFETY: 32 words lie there, see above.
    unsafe { entry.head.regs.as_ptr().add(index as usize).read() }
}

/// Where an op's words lie.
#[derive(Clone, Copy)]
struct Place {
    regs: bool,
    at: u64,
}

impl Place {
    /// Whether the two words there are still these: another goroutine may write them while they are followed, and the first of one
    /// value with the second of another is neither.
    #[inline(always)]
    fn still_holds(self, first: u64, second: u64) -> bool {
        if self.regs {
            return true;
        }
        match read_pair(self.at) {
            Some((a, b)) => a == first && b == second,
            None => false,
        }
    }
}

#[inline(always)]
pub fn execute<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    index: u32,
    regs: bool,
    base: u64,
) {
    let Some(op) = OPS.get(index) else { return };
    let op: Op = *op;
    let place = Place {
        regs,
        at: base + u64::from(op.off),
    };
    match op.kind {
        COPY => copy::<N, MODE>(entry, index, &op, place.at),
        ARRAY => array(entry, index, &op, place.at),
        STRING | SLICE | IFACE => {
            let words = if regs {
                Some((register(entry, place.at), register(entry, place.at + 8)))
            } else {
                read_pair(place.at)
            };
            let Some((first, second)) = words else {
                return unread::<N, MODE>(entry, index, place.at, 16);
            };
            if op.kind == STRING {
                string::<N, MODE>(entry, index, &op, place, first, second);
            } else if op.kind == SLICE {
                let cap = if regs {
                    Some(register(entry, place.at + 16))
                } else {
                    read_word(place.at + 16)
                };
                let Some(cap) = cap else {
                    return unread::<N, MODE>(entry, index, place.at + 16, 8);
                };
                slice(entry, index, &op, place, (first, second, cap));
            } else {
                iface::<N, MODE>(entry, index, &op, place, first, second);
            }
        }
        _ => {
            let word = if regs {
                Some(register(entry, place.at))
            } else {
                read_word(place.at)
            };
            let Some(word) = word else {
                return unread::<N, MODE>(entry, index, place.at, 8);
            };
            match op.kind {
                PTR => pointer(entry, index, &op, word),
                MAP => map::begin::<N, MODE>(entry, index, &op, word),
                PEER => {
                    peer::read::<N, MODE>(entry, word);
                    entry.emit(index, OK, 0, size_of::<Peer>() as u64, word);
                }
                _ => {}
            }
        }
    }
}

#[inline(always)]
fn pointer<const N: usize>(entry: &mut Entry<N>, index: u32, op: &Op, to: u64) {
    if to == 0 {
        entry.emit(index, NULL, 0, 0, 0);
    } else if !entry.can_push(1) {
        entry.emit(index, DEPTH, 0, 0, to);
    } else {
        entry.emit(index, OK, 0, 0, to);
        entry.push_ops(F_OPS, op.a, op.b, to, 0, 0);
    }
}

#[inline(always)]
fn array<const N: usize>(entry: &mut Entry<N>, index: u32, op: &Op, at: u64) {
    if !entry.can_push(1) {
        entry.emit(index, DEPTH, 0, 0, u64::from(op.len));
        return;
    }
    entry.emit(index, OK, 0, 0, u64::from(op.len));
    if op.len == 0 {
        return;
    }
    if op.b > 0 {
        entry.push_ops(F_OPS, op.a, op.b, at, op.len - 1, op.c);
    } else {
        entry.push_bytes(index, at, op.len.wrapping_mul(op.c));
    }
}

/// Memory at `addr` could not be read: later, or never.
#[inline(always)]
fn unread<const N: usize, const MODE: u8>(entry: &mut Entry<N>, index: u32, addr: u64, len: u64) {
    if entry.retry_later::<MODE>(addr, len) {
        entry.rewind();
    } else {
        entry.emit(index, FAULT, 0, 0, addr);
    }
}

#[inline(always)]
fn copy<const N: usize, const MODE: u8>(entry: &mut Entry<N>, index: u32, op: &Op, addr: u64) {
    let len = if op.len > CHUNK as u32 {
        CHUNK as u32
    } else {
        op.len
    };
    if entry.read_payload(u64::from(len), addr) {
        entry.emit(index, OK, 0, u64::from(len), addr);
    } else {
        unread::<N, MODE>(entry, index, addr, u64::from(len));
    }
}

#[inline(always)]
fn string<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    index: u32,
    op: &Op,
    place: Place,
    data: u64,
    len: u64,
) {
    if len > IMPLAUSIBLE_LEN || (data == 0 && len != 0) {
        entry.emit(index, IMPLAUSIBLE, 0, 0, len);
        return;
    }
    let (wanted, mut status) = if len > u64::from(op.len) {
        (op.len, LIMIT)
    } else {
        (len as u32, OK)
    };
    let mut first = if wanted > CHUNK as u32 {
        CHUNK as u32
    } else {
        wanted
    };
    if wanted > first && !entry.can_push(1) {
        status = LIMIT;
    }
    if wanted > 0 && !entry.read_payload(u64::from(first), data) {
        if entry.retry_later::<MODE>(data, u64::from(first)) {
            entry.rewind();
            return;
        }
        entry.put_word(0, data);
        entry.emit(index, FAULT, 0, 8, len);
        return;
    }
    if !place.still_holds(data, len) {
        entry.emit(index, CHANGED, 0, 0, 0);
        return;
    }
    if wanted == 0 {
        first = 0;
    }
    entry.emit(index, status, 0, u64::from(first), len);
    if wanted > first && entry.can_push(1) {
        entry.push_bytes(index, data + u64::from(first), wanted - first);
    }
}

#[inline(always)]
fn slice<const N: usize>(
    entry: &mut Entry<N>,
    index: u32,
    op: &Op,
    place: Place,
    (data, len, cap): (u64, u64, u64),
) {
    if !place.still_holds(data, len) {
        entry.emit(index, CHANGED, 0, 0, 0);
        return;
    }
    if len > cap || len > IMPLAUSIBLE_LEN || (data == 0 && len != 0) {
        entry.emit(index, IMPLAUSIBLE, 0, 0, len);
        return;
    }
    let (wanted, status) = if len > u64::from(op.len) {
        (op.len, LIMIT)
    } else {
        (len as u32, OK)
    };
    entry.put_word(0, data);
    entry.put_word(1, cap);
    if data == 0 {
        entry.emit(index, NULL, 0, 16, 0);
        return;
    }
    if wanted > 0 && !entry.can_push(1) {
        entry.emit(index, DEPTH, 0, 16, len);
        return;
    }
    entry.emit(index, status, 0, 16, len);
    if wanted == 0 {
        return;
    }
    if op.b > 0 {
        entry.push_ops(F_OPS, op.a, op.b, data, wanted - 1, op.c);
    } else {
        entry.push_bytes(index, data, wanted.wrapping_mul(op.c));
    }
}

#[inline(always)]
fn iface<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    index: u32,
    op: &Op,
    place: Place,
    tab: u64,
    data: u64,
) {
    if !place.still_holds(tab, data) {
        entry.emit(index, CHANGED, 0, 0, 0);
        return;
    }
    if tab == 0 {
        entry.emit(index, NULL, 0, 0, 0);
        return;
    }
    let type_addr = if op.flags & OP_ITAB != 0 {
        read_word(tab + 8)
    } else {
        Some(tab)
    };
    let Some(type_addr) = type_addr else {
        return unread::<N, MODE>(entry, index, tab + 8, 8);
    };
    entry.put_word(0, tab);
    entry.put_word(1, data);
    let key = DynKey {
        table: op.a,
        target: entry.head.target,
        type_addr,
    };
    // SAFETY: userspace wrote the map before the program ran; nobody writes to it any more.
    match unsafe { DYN_TYPES.get(key) } {
        None => entry.emit(index, UNKNOWN_TYPE, 0, 16, type_addr),
        Some(_) if !entry.can_push(1) => entry.emit(index, DEPTH, 0, 16, type_addr),
        Some(block) => {
            entry.emit(index, OK, 0, 16, type_addr);
            // a value that is the data word itself is read where that lies: in memory, or in the register file
            let (kind, base) = if block.count & DYN_DIRECT == 0 {
                (F_OPS, data)
            } else if place.regs {
                (F_REGS, place.at + 8)
            } else {
                (F_OPS, place.at + 8)
            };
            entry.push_ops(kind, block.ops, block.count & !DYN_DIRECT, base, 0, 0);
        }
    }
}

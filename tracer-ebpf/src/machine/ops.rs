//! One op: what it reads and the item it emits. The meaning is documented in `wire::op`.

use tracer_ebpf::wire::limits::CHUNK;
use tracer_ebpf::wire::op::{
    COPY, DYN_DIRECT, DynKey, IFACE, MAP, OP_ITAB, Op, PEER, PTR, SLICE, STRING,
};
use tracer_ebpf::wire::peer::Peer;
use tracer_ebpf::wire::record::{DEPTH, FAULT, IMPLAUSIBLE, LIMIT, NULL, OK, UNKNOWN_TYPE};

use super::{F_OPS, F_REGS, map};
use crate::entry::{Entry, bound, read_word};
use crate::maps::{DYN_TYPES, OPS};
use crate::peer;

/// No string or slice is longer: 47-bit addresses.
const IMPLAUSIBLE_LEN: u64 = 1 << 46;

#[inline(always)]
fn word<const N: usize>(entry: &mut Entry<N>, regs: bool, base: u64, off: u64) -> Option<u64> {
    if regs {
        // bounded by the register file plus the stack array behind it, both inside the head
        let index = bound!((base + off) >> 3, 31);
        return Some(unsafe { entry.head.regs.as_ptr().add(index as usize).read() });
    }
    read_word(base + off)
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
    let off = u64::from(op.off);
    if op.kind == COPY {
        copy::<N, MODE>(entry, index, &op, base + off);
        return;
    }
    let Some(first) = word(entry, regs, base, off) else {
        return unread::<N, MODE>(entry, index, base + off, 8);
    };
    match op.kind {
        PTR => {
            if first == 0 {
                entry.emit(index, NULL, 0, 0, 0);
            } else if !entry.can_push(1) {
                entry.emit(index, DEPTH, 0, 0, first);
            } else {
                entry.emit(index, OK, 0, 0, first);
                entry.push_ops(F_OPS, op.a, op.b, first, 0, 0);
            }
        }
        MAP => map::begin::<N, MODE>(entry, index, &op, first),
        PEER => {
            peer::read::<N, MODE>(entry, first);
            entry.emit(index, OK, 0, size_of::<Peer>() as u64, first);
        }
        STRING | SLICE | IFACE => {
            let Some(second) = word(entry, regs, base, off + 8) else {
                return unread::<N, MODE>(entry, index, base + off + 8, 8);
            };
            if op.kind == STRING {
                string::<N, MODE>(entry, index, &op, first, second);
            } else if op.kind == SLICE {
                let third = word(entry, regs, base, off + 16);
                slice(entry, index, &op, first, second, third.unwrap_or(0));
            } else {
                let place = (regs, base + off + 8);
                iface::<N, MODE>(entry, index, &op, first, second, place);
            }
        }
        _ => {}
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
    if wanted == 0 {
        first = 0;
    }
    entry.emit(index, status, 0, u64::from(first), len);
    if wanted > first && entry.can_push(1) {
        entry.push_bytes(index, data + u64::from(first), wanted - first);
    }
}

#[inline(always)]
fn slice<const N: usize>(entry: &mut Entry<N>, index: u32, op: &Op, data: u64, len: u64, cap: u64) {
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
    tab: u64,
    data: u64,
    place: (bool, u64),
) {
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
    match unsafe { DYN_TYPES.get(&key) } {
        None => entry.emit(index, UNKNOWN_TYPE, 0, 16, type_addr),
        Some(_) if !entry.can_push(1) => entry.emit(index, DEPTH, 0, 16, type_addr),
        Some(block) => {
            entry.emit(index, OK, 0, 16, type_addr);
            // a value that is the data word itself is read where that lies: in memory, or in the register file
            let (kind, base) = match place {
                (true, at) if block.count & DYN_DIRECT != 0 => (F_REGS, at),
                (false, at) if block.count & DYN_DIRECT != 0 => (F_OPS, at),
                _ => (F_OPS, data),
            };
            entry.push_ops(kind, block.ops, block.count & !DYN_DIRECT, base, 0, 0);
        }
    }
}

//! The capture machine: a depth-first interpreter of ops whose whole state lives in the entry it fills.
//!
//! Nothing of it is in per-CPU memory: from 6.0 these programs are preempted, and another traced thread
//! would overwrite it. Values loaded from the entry are unknown to the verifier, so every index is masked.

mod hmap;
mod map;
mod ops;
mod smap;

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::c_void;
use tracer_ebpf::wire::limits::{CHUNK, FRAMES, STEPS_BOUNDED, STEPS_LOOP};
use tracer_ebpf::wire::record::{FAULT, Frame, ITEM_CONT, ITEM_END, OK};

use crate::entry::{Entry, bound};

/// `Frame::kind`: runs ops against memory at `base`.
pub const F_OPS: u32 = 1;
/// Runs ops against the register file.
pub const F_REGS: u32 = 2;
/// Copies bytes: `base`, `remaining`; `start` = op.
pub const F_BYTES: u32 = 3;
/// Walks a hash map of Go ≤ 1.23.
pub const F_HMAP: u32 = 4;
/// Walks a Swiss map of Go ≥ 1.24.
pub const F_SMAP: u32 = 5;

/// `Machine::halt`: the entry is full.
pub const HALT_FULL: u32 = 1;
/// Nothing is left to do.
pub const HALT_DONE: u32 = 2;
/// A page must be faulted in first, which only a program that may sleep can do, and not while it holds an entry.
pub const HALT_FAULT: u32 = 3;

/// Mode of a program variant: a loop that the verifier can bound (from 5.10).
pub const BOUNDED: u8 = 0;
/// Mode: `bpf_loop` (from 5.17).
pub const LOOP: u8 = 1;
/// Mode: `bpf_loop` in a program that may sleep (from 6.0): pages that are not resident are faulted in.
pub const SLEEP: u8 = 2;

impl<const N: usize> Entry<N> {
    #[inline(always)]
    pub fn frame(&mut self, index: u32) -> *mut Frame {
        let index = bound!(u64::from(index), FRAMES - 1);
        unsafe { self.machine.frames.as_mut_ptr().add(index as usize) }
    }

    /// Whether `n` more frames fit.
    #[inline(always)]
    pub fn can_push(&self, n: u32) -> bool {
        self.machine.top + n <= FRAMES as u32
    }

    /// Pushes a frame that runs ops `[start, start + count)`, first at `base`, then `repeat` times `stride` further.
    #[inline(always)]
    pub fn push_ops(
        &mut self,
        kind: u32,
        start: u32,
        count: u32,
        base: u64,
        repeat: u32,
        stride: u32,
    ) {
        let top = self.machine.top;
        self.machine.top = top + 1;
        let frame = self.frame(top);
        unsafe {
            (*frame).kind = kind;
            (*frame).start = start;
            (*frame).end = start + count;
            (*frame).pc = start;
            // volatile: zeroes side by side would become a call of memset, see `hmap`
            (&raw mut (*frame).base).write_volatile(base);
            (&raw mut (*frame).remaining).write_volatile(repeat);
            (*frame).stride = stride;
        }
    }

    /// Pushes a frame that copies `len` bytes as continuation items of `op`.
    #[inline(always)]
    pub fn push_bytes(&mut self, op: u32, base: u64, len: u32) {
        let top = self.machine.top;
        self.machine.top = top + 1;
        let frame = self.frame(top);
        unsafe {
            (*frame).kind = F_BYTES;
            (*frame).start = op;
            (*frame).base = base;
            (*frame).remaining = len;
        }
    }

    /// One step. `false`: halted.
    #[inline(always)]
    fn step<const MODE: u8>(&mut self) -> bool {
        let top = self.machine.top;
        if top == 0 || top > FRAMES as u32 {
            self.machine.halt = HALT_DONE;
            return false;
        }
        if !self.has_room() {
            self.machine.halt = HALT_FULL;
            return false;
        }
        let frame = self.frame(top - 1);
        match unsafe { (*frame).kind } & 0xff {
            F_OPS | F_REGS => unsafe {
                let pc = (*frame).pc;
                if pc < (*frame).end {
                    (*frame).pc = pc + 1;
                    let regs = (*frame).kind == F_REGS;
                    let base = (*frame).base;
                    ops::execute::<N, MODE>(self, pc, regs, base);
                } else if (*frame).remaining > 0 {
                    (*frame).remaining -= 1;
                    (*frame).base += u64::from((*frame).stride);
                    (*frame).pc = (*frame).start;
                } else {
                    self.machine.top = top - 1;
                }
            },
            F_BYTES => unsafe {
                let (op, base, remaining) = ((*frame).start, (*frame).base, (*frame).remaining);
                let len = if remaining > CHUNK as u32 {
                    CHUNK as u32
                } else {
                    remaining
                };
                if self.read_payload(u64::from(len), base) {
                    if remaining <= CHUNK as u32 {
                        self.machine.top = top - 1;
                    } else {
                        (*frame).remaining = remaining - len;
                        (*frame).base = base + u64::from(len);
                    }
                    self.emit(op, OK, ITEM_CONT, u64::from(len), base);
                } else if !self.retry_later::<MODE>(base, u64::from(len)) {
                    self.machine.top = top - 1;
                    self.emit(op, FAULT, ITEM_CONT, 0, base);
                }
            },
            F_HMAP => map::step::<N, MODE>(self, frame, false),
            F_SMAP if MODE != BOUNDED => map::step::<N, MODE>(self, frame, true),
            _ => self.machine.top = top - 1,
        }
        self.machine.halt == 0
    }

    /// A read of `len` (more than 0) bytes of user memory at `addr` failed. `true`: the machine halts, and the step is to be left as it was, to be run
    /// again once the page is there. `false`: it is not there to be had; counted.
    #[inline(always)]
    pub fn retry_later<const MODE: u8>(&mut self, addr: u64, len: u64) -> bool {
        if MODE == SLEEP && self.machine.retried == 0 && addr != 0 {
            self.machine.halt = HALT_FAULT;
            self.machine.fault = addr;
            self.machine.fault_last = addr + len - 1;
            return true;
        }
        self.machine.retried = 0;
        self.count_fault();
        false
    }

    /// First and last byte that must be faulted in before the machine goes on; 0: none.
    #[inline(always)]
    pub fn missing(&self) -> (u64, u64) {
        if self.machine.halt == HALT_FAULT {
            (self.machine.fault, self.machine.fault_last)
        } else {
            (0, 0)
        }
    }

    /// Emits a map's end item, with the header as it is now, and pops its walk.
    #[inline(always)]
    pub fn end_map(&mut self, frame: *mut Frame, status: u8) {
        let (op, seen, map) = unsafe { ((*frame).start, (*frame).stride, (*frame).w[4]) };
        self.machine.top -= 1;
        let len = if self.read_payload(map::HEADER, map) {
            map::HEADER
        } else {
            0
        };
        self.emit(op, status, ITEM_END, len, u64::from(seen));
    }

    /// Lets the top frame run its current op again.
    #[inline(always)]
    pub fn rewind(&mut self) {
        let frame = self.frame(self.machine.top - 1);
        unsafe { (*frame).pc -= 1 };
    }

    /// Counts a failed read of user memory.
    #[inline(always)]
    fn count_fault(&mut self) {
        if let Some(counters) = crate::maps::COUNTERS.get(self.head.site) {
            crate::entry::count(&counters.faults);
        }
    }

    /// Runs until halted, with `bpf_loop` (5.17) or a loop the verifier can bound.
    #[inline(always)]
    pub fn run<const MODE: u8>(&mut self) {
        self.machine.halt = 0;
        if MODE != BOUNDED {
            let mut context = Context {
                entry: core::ptr::from_mut(self),
            };
            unsafe {
                bpf_loop(
                    STEPS_LOOP,
                    step_callback::<N, MODE> as *mut c_void,
                    (&raw mut context).cast(),
                    0,
                );
            }
        } else {
            for _ in 0..STEPS_BOUNDED {
                if !self.step::<MODE>() {
                    break;
                }
            }
        }
    }
}

#[repr(C)]
struct Context<const N: usize> {
    entry: *mut Entry<N>,
}

unsafe extern "C" fn step_callback<const N: usize, const MODE: u8>(
    _index: u64,
    context: *mut c_void,
) -> i64 {
    let entry = unsafe { &mut *(*context.cast::<Context<N>>()).entry };
    i64::from(!entry.step::<MODE>())
}

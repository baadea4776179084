//! The capture machine: a depth-first interpreter of ops whose whole state lives in the entry it fills.
//!
//! Nothing of it is in per-CPU memory: from 6.0 these programs are preempted, and another traced thread
//! would overwrite it. Values loaded from the entry are unknown to the verifier, so every index is masked.

mod hmap;
mod ops;

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::c_void;
use tracer_ebpf::wire::limits::{CHUNK, FRAMES, STEPS_BOUNDED, STEPS_LOOP};
use tracer_ebpf::wire::record::{FAULT, Frame, ITEM_CONT, OK};

use crate::entry::{Entry, bound};

/// `Frame::kind`: runs ops against memory at `base`.
pub const F_OPS: u32 = 1;
/// Runs ops against the register file.
pub const F_REGS: u32 = 2;
/// Copies bytes: `base`, `remaining`; `start` = op.
pub const F_BYTES: u32 = 3;
/// Walks a hash map of Go ≤ 1.23.
pub const F_HMAP: u32 = 4;

/// `Machine::halt`: the entry is full.
pub const HALT_FULL: u32 = 1;
/// Nothing is left to do.
pub const HALT_DONE: u32 = 2;

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
            (*frame).base = base;
            (*frame).remaining = repeat;
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
    fn step(&mut self) -> bool {
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
                    ops::execute(self, pc, regs, base);
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
                if remaining <= CHUNK as u32 {
                    self.machine.top = top - 1;
                } else {
                    (*frame).remaining = remaining - len;
                    (*frame).base = base + u64::from(len);
                }
                if self.read_payload(u64::from(len), base) {
                    self.emit(op, OK, ITEM_CONT, u64::from(len), base);
                } else {
                    self.fault();
                    self.machine.top = top - 1;
                    self.emit(op, FAULT, ITEM_CONT, 0, base);
                }
            },
            F_HMAP => hmap::step(self, frame),
            _ => self.machine.top = top - 1,
        }
        true
    }

    /// Counts a failed read of user memory.
    #[inline(always)]
    pub fn fault(&mut self) {
        if let Some(counters) = crate::maps::COUNTERS.get(self.head.site) {
            crate::entry::count(&counters.faults);
        }
    }

    /// Runs until halted, with `bpf_loop` (5.17) or a loop the verifier can bound.
    #[inline(always)]
    pub fn run<const LOOP: bool>(&mut self) {
        self.machine.halt = 0;
        if LOOP {
            let mut context = Context {
                entry: core::ptr::from_mut(self),
            };
            unsafe {
                bpf_loop(
                    STEPS_LOOP,
                    step_callback::<N> as *mut c_void,
                    (&raw mut context).cast(),
                    0,
                );
            }
        } else {
            for _ in 0..STEPS_BOUNDED {
                if !self.step() {
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

unsafe extern "C" fn step_callback<const N: usize>(_index: u64, context: *mut c_void) -> i64 {
    let entry = unsafe { &mut *(*context.cast::<Context<N>>()).entry };
    i64::from(!entry.step())
}

//! The capture machine: a depth-first interpreter of ops whose whole state lives in the entry it fills.
//!
//! Nothing of it is in per-CPU memory: from 6.0 these programs are preempted, and another traced thread
//! would overwrite it. Values loaded from the entry are unknown to the verifier, so every index is masked.

mod frame;
mod group;
mod hmap;
mod map;
mod ops;
mod smap;

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::c_void;
use tracer_ebpf::wire::limits::{CHUNK, FRAMES, STEPS_BOUNDED, STEPS_LOOP};
use tracer_ebpf::wire::record::{FAULT, ITEM_CONT, ITEM_END, OK};

use self::frame::{F_BYTES, F_HMAP, F_SMAP, WalkPtr};
pub use self::frame::{F_OPS, F_REGS};
use crate::entry::Entry;
use crate::mode::{BOUNDED, SLEEP};

/// `Machine::halt`: the entry is full.
pub const HALT_FULL: u32 = 1;
/// Nothing is left to do.
pub const HALT_DONE: u32 = 2;
/// A page must be faulted in first, which only a program that may sleep can do, and not while it holds an entry.
pub const HALT_FAULT: u32 = 3;

impl<const N: usize> Entry<N> {
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
        let ops = self.frame(top).ops();
        ops.set_kind(kind);
        ops.set_start(start);
        ops.set_end(start + count);
        ops.set_next(start);
        ops.begin_base(base);
        ops.begin_repeats(repeat);
        ops.set_stride(stride);
    }

    /// Pushes a frame that copies `len` bytes as continuation items of `op`.
    #[inline(always)]
    pub fn push_bytes(&mut self, op: u32, base: u64, len: u32) {
        let top = self.machine.top;
        self.machine.top = top + 1;
        let bytes = self.frame(top).bytes();
        bytes.set_kind(F_BYTES);
        bytes.set_op(op);
        bytes.set_addr(base);
        bytes.set_left(len);
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
        match frame.kind() {
            F_OPS | F_REGS => {
                let ops = frame.ops();
                let next = ops.next();
                if next < ops.end() {
                    ops.set_next(next + 1);
                    ops::execute::<N, MODE>(self, next, ops.kind() == F_REGS, ops.base());
                } else if ops.repeats() > 0 {
                    ops.set_repeats(ops.repeats() - 1);
                    ops.set_base(ops.base() + u64::from(ops.stride()));
                    ops.set_next(ops.start());
                } else {
                    self.machine.top = top - 1;
                }
            }
            F_BYTES => {
                let bytes = frame.bytes();
                let (op, addr, left) = (bytes.op(), bytes.addr(), bytes.left());
                let len = if left > CHUNK as u32 {
                    CHUNK as u32
                } else {
                    left
                };
                if self.read_payload(u64::from(len), addr) {
                    if left <= CHUNK as u32 {
                        self.machine.top = top - 1;
                    } else {
                        bytes.set_left(left - len);
                        bytes.set_addr(addr + u64::from(len));
                    }
                    self.emit(op, OK, ITEM_CONT, u64::from(len), addr);
                } else if !self.retry_later::<MODE>(addr, u64::from(len)) {
                    self.machine.top = top - 1;
                    self.emit(op, FAULT, ITEM_CONT, 0, addr);
                }
            }
            F_HMAP => map::step::<N, MODE>(self, frame.walk(), false),
            F_SMAP if MODE != BOUNDED => map::step::<N, MODE>(self, frame.walk(), true),
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
    pub fn end_map(&mut self, walk: WalkPtr, status: u8) {
        let (op, seen, map) = (walk.op(), walk.seen(), walk.map());
        self.machine.top -= 1;
        let len = if self.read_payload(group::HEADER, map) {
            group::HEADER
        } else {
            0
        };
        self.emit(op, status, ITEM_END, len, u64::from(seen));
    }

    /// Lets the top frame run its current op again.
    #[inline(always)]
    pub fn rewind(&mut self) {
        let ops = self.frame(self.machine.top - 1).ops();
        ops.set_next(ops.next() - 1);
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
            // SAFETY: the callback takes this context, which outlives the loop.
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

/// What a step of `bpf_loop` is given.
#[repr(C)]
struct Context<const N: usize> {
    entry: *mut Entry<N>,
}

unsafe extern "C" fn step_callback<const N: usize, const MODE: u8>(
    _index: u64,
    context: *mut c_void,
) -> i64 {
    // SAFETY: `run` hands over its own context, whose entry nothing else uses meanwhile.
    let entry = unsafe { &mut *(*context.cast::<Context<N>>()).entry };
    i64::from(!entry.step::<MODE>())
}

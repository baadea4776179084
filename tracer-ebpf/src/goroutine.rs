//! Which goroutine: goid, parent, depth on its stack, callers by frame pointers.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tracer_ebpf::wire::limits::STACK_DEPTH;
use tracer_ebpf::wire::record::{BAD_STACK, Head, NO_G};
use tracer_ebpf::wire::site::{G_TLS, Target};

use crate::entry::{read_word, read_words};
use crate::regs::Regs;
use crate::task;

/// Marks a field that this Go release does not have.
const ABSENT: u32 = u32::MAX;

/// What was read of g.
#[derive(Clone, Copy)]
pub struct Goroutine {
    pub g: u64,
    pub goid: u64,
    pub parent: u64,
    pub depth: u64,
    pub low: u64,
    pub high: u64,
    pub flags: u16,
}

/// g of the running thread, as the stack ABI keeps it; 0: not known.
#[inline(always)]
fn thread_local_g(target: &Target) -> u64 {
    if target.fsbase_off == ABSENT {
        return 0;
    }
    // with `read_kernel` the verifier would go through three times as many states of the bounded programs
    let mut base = 0u64;
    let task = task::current() + u64::from(target.fsbase_off);
    // SAFETY: the helper writes one word, or fails; it checks where it reads.
    let rc = unsafe { bpf_probe_read_kernel((&raw mut base).cast(), 8, task as *const c_void) };
    if rc != 0 {
        return 0;
    }
    read_word(base.wrapping_add_signed(i64::from(target.tls_off))).unwrap_or(0)
}

impl Goroutine {
    #[inline(always)]
    pub fn read(regs: &Regs, source: u8, target: &Target) -> Self {
        let unknown = Self {
            g: 0,
            goid: 0,
            parent: 0,
            depth: 0,
            low: 0,
            high: 0,
            flags: NO_G,
        };
        let g = if source == G_TLS {
            thread_local_g(target)
        } else {
            regs.g(source)
        };
        if g == 0
            || target.goid_off == ABSENT
            || target.stack_hi_off == ABSENT
            || target.stack_lo_off == ABSENT
        {
            return unknown;
        }
        let (Some(goid), Some(low), Some(high)) = (
            read_word(g + u64::from(target.goid_off)),
            read_word(g + u64::from(target.stack_lo_off)),
            read_word(g + u64::from(target.stack_hi_off)),
        ) else {
            return unknown;
        };
        let parent = if target.parent_goid_off == ABSENT {
            0
        } else {
            read_word(g + u64::from(target.parent_goid_off)).unwrap_or(0)
        };
        let sp = regs.sp();
        let flags = if sp < low || sp > high { BAD_STACK } else { 0 };
        Self {
            g,
            goid,
            parent,
            depth: high.wrapping_sub(sp),
            low,
            high,
            flags,
        }
    }

    /// Return addresses, innermost first: the function's own, then the chain of saved frame pointers.
    #[inline(always)]
    pub fn walk(&self, regs: &Regs, head: &mut Head) {
        head.stack_len = 0;
        let first = regs.return_address();
        if first == 0 || self.flags != 0 {
            return;
        }
        head.stack[0] = first;
        let mut frame = regs.fp();
        let mut len = 1u32;
        for i in 1..STACK_DEPTH {
            if frame < self.low || frame >= self.high || frame & 7 != 0 {
                break;
            }
            let Some((next, address)) = read_words(frame, frame + 8) else {
                break;
            };
            if address == 0 {
                break;
            }
            head.stack[i] = address;
            len = i as u32 + 1;
            if next <= frame {
                break;
            }
            frame = next;
        }
        head.stack_len = len;
    }
}

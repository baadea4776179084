//! `pt_regs` of arm64.

use core::mem::offset_of;

use aya_ebpf::bindings::pt_regs;
use tracer_ebpf::wire::record::Head;
use tracer_ebpf::wire::site::{
    COND_ARM64_LO, COND_ARM64_LS, COND_X86_B, COND_X86_BE, G_NONE, G_RCX,
};

use super::{Regs, load};

/// Offset of X0 … X30, which lie in a row at the front.
const fn x(number: usize) -> usize {
    8 * number
}

impl Regs {
    #[inline(always)]
    pub fn ip(&self) -> u64 {
        load!(self.0, offset_of!(pt_regs, pc))
    }
    #[inline(always)]
    pub fn sp(&self) -> u64 {
        load!(self.0, offset_of!(pt_regs, sp))
    }
    #[inline(always)]
    pub fn fp(&self) -> u64 {
        load!(self.0, x(29))
    }
    #[inline(always)]
    pub fn closure(&self) -> u64 {
        load!(self.0, x(26))
    }
    /// Address of g, 0 if it is not known at this site.
    #[inline(always)]
    pub fn g(&self, source: u8) -> u64 {
        match source {
            G_NONE | G_RCX => 0,
            _ => load!(self.0, x(28)),
        }
    }
    /// Whether the branch at the site is about to be taken: the function starts over.
    #[inline(always)]
    pub fn restarts(&self, cond: u8) -> bool {
        const Z: u64 = 1 << 30;
        const C: u64 = 1 << 29;
        let flags = load!(self.0, offset_of!(pt_regs, pstate));
        match cond {
            COND_ARM64_LS => flags & C == 0 || flags & Z != 0,
            COND_ARM64_LO => flags & C == 0,
            COND_X86_BE | COND_X86_B => true,
            _ => false,
        }
    }
    /// Go's integer registers in ABI order.
    #[inline(always)]
    pub fn fill(&self, head: &mut Head) {
        let r = self.0;
        {
            head.regs[0] = load!(r, x(0));
            head.regs[1] = load!(r, x(1));
            head.regs[2] = load!(r, x(2));
            head.regs[3] = load!(r, x(3));
            head.regs[4] = load!(r, x(4));
            head.regs[5] = load!(r, x(5));
            head.regs[6] = load!(r, x(6));
            head.regs[7] = load!(r, x(7));
            head.regs[8] = load!(r, x(8));
            head.regs[9] = load!(r, x(9));
            head.regs[10] = load!(r, x(10));
            head.regs[11] = load!(r, x(11));
            head.regs[12] = load!(r, x(12));
            head.regs[13] = load!(r, x(13));
            head.regs[14] = load!(r, x(14));
            head.regs[15] = load!(r, x(15));
        }
    }
    /// Return address at a function's entry or at its return: in the link register.
    #[inline(always)]
    pub fn return_address(&self) -> u64 {
        load!(self.0, x(30))
    }
}

//! `pt_regs` of amd64.

use core::mem::offset_of;

use aya_ebpf::bindings::pt_regs;
use tracer_ebpf::wire::record::Head;
use tracer_ebpf::wire::site::{
    COND_ARM64_LO, COND_ARM64_LS, COND_X86_B, COND_X86_BE, G_NONE, G_RCX,
};

use super::{Regs, load};

impl Regs {
    #[inline(always)]
    pub fn ip(&self) -> u64 {
        load!(self.0, offset_of!(pt_regs, rip))
    }
    #[inline(always)]
    pub fn sp(&self) -> u64 {
        load!(self.0, offset_of!(pt_regs, rsp))
    }
    #[inline(always)]
    pub fn fp(&self) -> u64 {
        load!(self.0, offset_of!(pt_regs, rbp))
    }
    #[inline(always)]
    pub fn closure(&self) -> u64 {
        load!(self.0, offset_of!(pt_regs, rdx))
    }
    /// Address of g, 0 if it is not known at this site.
    #[inline(always)]
    pub fn g(&self, source: u8) -> u64 {
        match source {
            G_NONE => 0,
            G_RCX => load!(self.0, offset_of!(pt_regs, rcx)),
            _ => load!(self.0, offset_of!(pt_regs, r14)),
        }
    }
    /// Whether the branch at the site is about to be taken: the function starts over.
    #[inline(always)]
    pub fn restarts(&self, cond: u8) -> bool {
        const CF: u64 = 1;
        const ZF: u64 = 1 << 6;
        let flags = load!(self.0, offset_of!(pt_regs, eflags));
        match cond {
            COND_X86_BE => flags & (CF | ZF) != 0,
            COND_X86_B => flags & CF != 0,
            COND_ARM64_LS | COND_ARM64_LO => true,
            _ => false,
        }
    }
    /// Go's integer registers in ABI order.
    #[inline(always)]
    pub fn fill(&self, head: &mut Head) {
        let r = self.0;
        {
            head.regs[0] = load!(r, offset_of!(pt_regs, rax));
            head.regs[1] = load!(r, offset_of!(pt_regs, rbx));
            head.regs[2] = load!(r, offset_of!(pt_regs, rcx));
            head.regs[3] = load!(r, offset_of!(pt_regs, rdi));
            head.regs[4] = load!(r, offset_of!(pt_regs, rsi));
            head.regs[5] = load!(r, offset_of!(pt_regs, r8));
            head.regs[6] = load!(r, offset_of!(pt_regs, r9));
            head.regs[7] = load!(r, offset_of!(pt_regs, r10));
            head.regs[8] = load!(r, offset_of!(pt_regs, r11));
            for i in 9..16 {
                // SAFETY: a word of the head; volatile, or the compiler calls memset.
                unsafe { (&raw mut head.regs[i]).write_volatile(0) };
            }
        }
    }
    /// Return address at a function's entry or at its return: on the stack.
    #[inline(always)]
    pub fn return_address(&self) -> u64 {
        crate::entry::read_word(self.sp()).unwrap_or(0)
    }
}

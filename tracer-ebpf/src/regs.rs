//! Registers of the probed thread in Go's terms; the only file that knows pt_regs.

use core::mem::offset_of;

use aya_ebpf::bindings::pt_regs;
use tracer_ebpf::wire::record::Head;
use tracer_ebpf::wire::site::{
    COND_ARM64_LO, COND_ARM64_LS, COND_X86_B, COND_X86_BE, G_NONE, G_RCX,
};

/// Loads a register with the offset in the instruction: the verifier refuses a context pointer that was added to,
/// and the compiler would do just that for neighbouring fields.
macro_rules! load {
    ($regs:expr, $offset:expr) => {{
        let value: u64;
        unsafe { core::arch::asm!("{0} = *(u64 *)({1} + {2})", out(reg) value, in(reg) $regs, const $offset, options(readonly, nostack)) };
        value
    }};
}

/// Registers of one hit.
pub struct Regs(pub *const pt_regs);

#[cfg(bpf_target_arch = "x86_64")]
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

#[cfg(bpf_target_arch = "aarch64")]
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
        load!(self.0, 8 * 29)
    }
    #[inline(always)]
    pub fn closure(&self) -> u64 {
        load!(self.0, 8 * 26)
    }
    /// Address of g, 0 if it is not known at this site.
    #[inline(always)]
    pub fn g(&self, source: u8) -> u64 {
        match source {
            G_NONE | G_RCX => 0,
            _ => load!(self.0, 8 * 28),
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
            head.regs[0] = load!(r, 8 * 0);
            head.regs[1] = load!(r, 8 * 1);
            head.regs[2] = load!(r, 8 * 2);
            head.regs[3] = load!(r, 8 * 3);
            head.regs[4] = load!(r, 8 * 4);
            head.regs[5] = load!(r, 8 * 5);
            head.regs[6] = load!(r, 8 * 6);
            head.regs[7] = load!(r, 8 * 7);
            head.regs[8] = load!(r, 8 * 8);
            head.regs[9] = load!(r, 8 * 9);
            head.regs[10] = load!(r, 8 * 10);
            head.regs[11] = load!(r, 8 * 11);
            head.regs[12] = load!(r, 8 * 12);
            head.regs[13] = load!(r, 8 * 13);
            head.regs[14] = load!(r, 8 * 14);
            head.regs[15] = load!(r, 8 * 15);
        }
    }
    /// Return address at a function's entry or at its return: in the link register.
    #[inline(always)]
    pub fn return_address(&self) -> u64 {
        load!(self.0, 8 * 30)
    }
}

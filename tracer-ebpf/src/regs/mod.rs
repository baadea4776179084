//! Registers of the probed thread in Go's terms: one file per architecture, the only ones that know `pt_regs`.

#[cfg(bpf_target_arch = "aarch64")]
mod aarch64;
#[cfg(bpf_target_arch = "x86_64")]
mod x86_64;

use aya_ebpf::bindings::pt_regs;

/// Loads a register with the offset in the instruction: the verifier refuses a context pointer that was added to,
/// and the compiler would do just that for neighbouring fields.
macro_rules! load {
    ($regs:expr, $offset:expr) => {{
        let value: u64;
        // SAFETY: the context that the kernel gave holds all of `pt_regs`, and nothing writes to it.
        unsafe { core::arch::asm!("{0} = *(u64 *)({1} + {2})", out(reg) value, in(reg) $regs, const $offset, options(readonly, nostack)) };
        value
    }};
}

pub(crate) use load;

/// Registers of one hit.
pub struct Regs(pub *const pt_regs);

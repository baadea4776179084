//! What the kernel says of the running thread and of the hit: calls without memory in them.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{
    bpf_get_attach_cookie, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_ktime_get_ns,
};
use aya_ebpf::programs::ProbeContext;

/// Address of the running thread's `task_struct`, in kernel memory.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper takes nothing and gives a number.
    unsafe { bpf_get_current_task() }
}

/// `tgid << 32 | tid`, in the initial pid namespace.
#[inline(always)]
pub fn pid_tgid() -> u64 {
    // SAFETY: the helper takes nothing and gives a number.
    unsafe { bpf_get_current_pid_tgid() }
}

/// CLOCK_MONOTONIC, ns.
#[inline(always)]
pub fn monotonic_ns() -> u64 {
    // SAFETY: the helper takes nothing and gives a number.
    unsafe { bpf_ktime_get_ns() }
}

/// The number that the probe was attached with (from 5.15).
#[inline(always)]
pub fn cookie(ctx: &ProbeContext) -> u64 {
    // SAFETY: the context is the one that the kernel gave to this program.
    unsafe { bpf_get_attach_cookie(ctx.as_ptr()) }
}

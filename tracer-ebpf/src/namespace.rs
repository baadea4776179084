//! Is this the traced process, where its number is known only in the tracer's pid namespace?

use aya_ebpf::bindings::bpf_pidns_info;
use aya_ebpf::helpers::generated::bpf_get_ns_current_pid_tgid;
use tracer_ebpf::wire::site::{TGID_BY_NAMESPACE, Target};

use crate::entry::read_kernel;
use crate::maps::{FOUND, KERNEL};
use crate::mode::BOUNDED;
use crate::{peer, task};

/// Whether the current process, `tgid` in the initial namespace, is target number `index`. Found out once, then remembered.
#[inline(always)]
pub fn is_target<const MODE: u8>(index: u32, target: &Target, tgid: u32) -> bool {
    if target.tgid != TGID_BY_NAMESPACE {
        return target.tgid == tgid;
    }
    let Some(found) = FOUND.get_ptr_mut(index) else {
        return false;
    };
    // SAFETY: a value of the map: an aligned word that other processors may write meanwhile, hence volatile.
    let known = unsafe { found.read_volatile() };
    if known != 0 {
        return known == tgid;
    }
    if number::<MODE>(target) != target.ns_tgid {
        return false;
    }
    // SAFETY: the same word; all that write to it write the same.
    unsafe { found.write_volatile(tgid) };
    true
}

/// Number of the current process in the tracer's pid namespace; 0: it has none, or it cannot be told.
#[inline(always)]
fn number<const MODE: u8>(target: &Target) -> u32 {
    let mut info = bpf_pidns_info { pid: 0, tgid: 0 };
    // SAFETY: the helper fills the struct of the size that it is told, or fails.
    let rc = unsafe {
        bpf_get_ns_current_pid_tgid(
            u64::from(target.ns_dev),
            u64::from(target.ns_inum),
            &raw mut info,
            size_of::<bpf_pidns_info>() as u32,
        )
    };
    if rc == 0 {
        return info.tgid;
    }
    // the helper knows the process' own namespace only; this one may be nested in the tracer's
    if MODE == BOUNDED {
        return 0;
    }
    let Some(layout) = KERNEL.get(0).filter(|l| l.known == 1) else {
        return 0;
    };
    let task = task::current();
    let pid = peer::pointer(task, layout.task_group_leader)
        .and_then(|leader| peer::pointer(leader, layout.task_thread_pid));
    let Some(pid) = pid else { return 0 };
    match peer::number(layout, pid) {
        0 => 0,
        off => read_kernel::<u32>(pid + off).unwrap_or(0),
    }
}

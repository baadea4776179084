//! Copies the first words of the running task's `task_struct`, for userspace to find in them what it knows of its own thread.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tracer_ebpf::wire::limits::TASK_BYTES;

use crate::maps::TASK;
use crate::task;

/// Bytes copied at once: what lies behind the end of the struct may be unreadable, and costs one piece only.
const PIECE: usize = 512;

#[inline(always)]
pub fn copy_task() -> Option<()> {
    let to = TASK.get_ptr_mut(0)?;
    let task = task::current();
    for i in 0..TASK_BYTES / PIECE {
        let at = i * PIECE;
        // SAFETY: the map's value has room for every piece; the helper refuses what it cannot read.
        unsafe {
            bpf_probe_read_kernel(
                to.cast::<u8>().add(at).cast(),
                PIECE as u32,
                (task + at as u64) as *const c_void,
            )
        };
    }
    Some(())
}

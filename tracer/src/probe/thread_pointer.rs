//! Where `task_struct` keeps the thread pointer, which programs of the stack calling convention
//! need at their returns.
//!
//! From the kernel's type information, or else found out: two threads of our own, whose thread
//! pointers we know, have their `task_struct` copied by a program that is run and attached to
//! nothing. The one offset where both copies hold the pointer of their thread is it.

use aya::Ebpf;
use aya::maps::Array;
use aya::programs::{RawTracePoint, RawTracePointRunOptions, TestRun};
use tracer_ebpf::wire::Wire;
use tracer_ebpf::wire::limits::TASK_BYTES;

use super::btf::Btf;
use super::maps::Raw;
use super::object::{OBJECT, open};
use super::{Error, kernel};

/// Ways to the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadPointer {
    /// The kernel's type information.
    Types,
    /// Our own threads.
    Own,
    /// None: for tests of what follows.
    Unknown,
}

/// Words of a `task_struct`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Words([u64; TASK_BYTES / 8]);
// SAFETY: an array of integers.
unsafe impl Wire for Words {}

/// The offset in bytes, by the wanted way or the first that gives it.
pub fn offset(ebpf: &mut Ebpf, btf: Option<&Btf>, wanted: Option<ThreadPointer>) -> Option<u32> {
    match wanted {
        Some(ThreadPointer::Types) => btf.and_then(kernel::fsbase),
        Some(ThreadPointer::Own) => by_own_threads(ebpf),
        Some(ThreadPointer::Unknown) => None,
        None => btf
            .and_then(kernel::fsbase)
            .or_else(|| by_own_threads(ebpf)),
    }
}

fn by_own_threads(ebpf: &mut Ebpf) -> Option<u32> {
    let program: &mut RawTracePoint = ebpf.program_mut("calibrate")?.try_into().ok()?;
    program.load().ok()?;
    // both alive at the same time: an ended thread's memory is given to the next one
    let ebpf = &*ebpf;
    let samples = [
        sample(ebpf)?,
        std::thread::scope(|scope| scope.spawn(|| sample(ebpf)).join().ok().flatten())?,
    ];
    let differ = samples[0].0 != samples[1].0;
    let mut found = (0..TASK_BYTES / 8).filter(|i| {
        samples
            .iter()
            .all(|(pointer, words)| words.0.get(*i) == Some(pointer))
    });
    // one place only, and no coincidence
    match (differ, found.next(), found.next()) {
        (true, Some(index), None) => u32::try_from(8 * index).ok(),
        _ => None,
    }
}

/// Thread pointer of the calling thread, and its `task_struct`.
fn sample(ebpf: &Ebpf) -> Option<(u64, Words)> {
    let pointer = own_thread_pointer()?;
    let program: &RawTracePoint = ebpf.program("calibrate")?.try_into().ok()?;
    program.test_run(RawTracePointRunOptions::new()).ok()?;
    let array: Array<_, Raw<Words>> = Array::try_from(ebpf.map("TASK")?).ok()?;
    Some((pointer, array.get(&0, 0).ok()?.0))
}

#[cfg(target_arch = "x86_64")]
fn own_thread_pointer() -> Option<u64> {
    /// asm/prctl.h
    const ARCH_GET_FS: libc::c_int = 0x1003;
    let mut base = 0u64;
    // SAFETY: the kernel writes one word to where the pointer leads.
    let rc = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_FS, &raw mut base) };
    (rc == 0 && base != 0).then_some(base)
}

/// Only amd64 has programs whose returns need it.
#[cfg(not(target_arch = "x86_64"))]
fn own_thread_pointer() -> Option<u64> {
    None
}

/// The offset by one way alone, bytes. `None`: it cannot be had that way.
///
/// # Errors
/// The kernel object cannot be opened.
pub fn thread_pointer_offset(way: ThreadPointer) -> Result<Option<u32>, Error> {
    let mut ebpf = open(OBJECT, false)?;
    Ok(offset(&mut ebpf, Btf::of_kernel().as_ref(), Some(way)))
}

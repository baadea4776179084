//! Probe sites and targets, written by userspace before anything is attached.

use super::Wire;

/// `Site::cond`: every hit counts.
pub const COND_NONE: u8 = 0;
/// The site is an x86 `jbe`/`jb` to the morestack block: a hit with CF or ZF set restarts the function, skip it.
pub const COND_X86_BE: u8 = 1;
/// The site is an arm64 `b.ls`/`b.lo` to the morestack block: a hit with C clear or Z set restarts the function, skip it.
pub const COND_ARM64_LS: u8 = 2;
/// The site is an x86 `jb`: a hit with CF set restarts the function.
pub const COND_X86_B: u8 = 3;
/// The site is an arm64 `b.lo`: a hit with C clear restarts the function.
pub const COND_ARM64_LO: u8 = 4;

/// `Site::kind`
pub const SITE_ENTRY: u8 = 1;
/// `Site::kind`
pub const SITE_RETURN: u8 = 2;

/// `Site::flags`: store `save_regs` for the return site under (tgid, goid, depth, func).
pub const SITE_SAVE: u16 = 1;
/// `Site::flags`: fetch (and delete) what the entry saved into the register file.
pub const SITE_RESTORE: u16 = 2;
/// `Site::flags`: record the caller stack.
pub const SITE_STACK: u16 = 4;

/// `Site::g_source`: g is in Go's g register (R14, R28).
pub const G_REGISTER: u8 = 0;
/// g is in RCX (stack ABI, at the branch of the prologue).
pub const G_RCX: u8 = 1;
/// g is not known here: goid and depth are 0, flag `NO_G`.
pub const G_NONE: u8 = 2;
/// g is in thread-local storage (`Target::fsbase_off`, `Target::tls_off`; stack ABI on amd64).
pub const G_TLS: u8 = 3;

/// `Site::save_regs`: this bit marks a stack word after the return address instead of a register.
pub const SAVE_STACK: u8 = 0x80;
/// `Site::save_regs`: unused slot.
pub const SAVE_NONE: u8 = 0xff;

/// One probed instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Site {
    pub kind: u8,
    pub cond: u8,
    pub g_source: u8,
    /// 0: small entries, 1: large ones.
    pub class: u8,
    pub flags: u16,
    pub pad: u16,
    /// Index into the target table.
    pub target: u32,
    /// Function index, part of the pairing key.
    pub func: u32,
    /// Block that runs against the register file.
    pub reg_ops: u32,
    pub reg_count: u32,
    /// Block that runs against the stack arguments, base = SP + 8.
    pub stack_ops: u32,
    pub stack_count: u32,
    /// Register-file indexes that are saved (`SITE_SAVE`), or with `SAVE_STACK` words of the stack; `SAVE_NONE`.
    pub save_regs: [u8; 4],
    pub pad2: u32,
}
const _: () = assert!(size_of::<Site>() == 40);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for Site {}

/// `Target::tgid`: not known, because the tracer is in another pid namespace than the initial one; the process is the one with number
/// `Target::ns_tgid` there.
pub const TGID_BY_NAMESPACE: u32 = u32::MAX;

/// One traced process. Offsets are those of `runtime.g` in its binary; `u32::MAX` = that field is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Target {
    /// Thread group id as the kernel's `bpf_get_current_pid_tgid` shows it (initial pid namespace), or `TGID_BY_NAMESPACE`.
    pub tgid: u32,
    pub goid_off: u32,
    pub stack_lo_off: u32,
    pub stack_hi_off: u32,
    pub parent_goid_off: u32,
    /// Offset of `thread.fsbase` in the kernel's `task_struct`; `u32::MAX` = not known.
    pub fsbase_off: u32,
    /// Offset of g from the thread pointer.
    pub tls_off: i32,
    /// Thread group id in the tracer's own pid namespace.
    pub ns_tgid: u32,
    /// That namespace: device, in the kernel's encoding, and inode number.
    pub ns_dev: u32,
    pub ns_inum: u32,
}
const _: () = assert!(size_of::<Target>() == 40);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for Target {}

/// Key of the table that finds a site by address (programs without attach cookies).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct SiteKey {
    /// As in the target.
    pub tgid: u32,
    pub pad: u32,
    pub ip: u64,
}
const _: () = assert!(size_of::<SiteKey>() == 16);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for SiteKey {}

/// Key of the table of calls in flight with saved words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CallKey {
    pub goid: u64,
    /// `stack.hi - sp`: invariant when the runtime moves the stack.
    pub depth: u64,
    pub tgid: u32,
    pub func: u32,
}
const _: () = assert!(size_of::<CallKey>() == 24);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for CallKey {}

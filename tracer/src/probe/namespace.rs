//! The pid namespace that the tracer is in.

use std::os::linux::fs::MetadataExt;

use tracer_ebpf::wire::site::TGID_BY_NAMESPACE;

use super::Error;

/// Inode number of the initial pid namespace on every kernel (`PROC_PID_INIT_INO`,
/// include/linux/proc_ns.h).
const INITIAL: u32 = 0xefff_fffc;

/// A pid namespace, as the kernel's helpers identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidNamespace {
    /// Device in the kernel's own encoding.
    pub dev: u32,
    pub inum: u32,
}

/// Fails where the numbers in `/proc` are not those that system calls understand.
pub fn check_proc() -> Result<(), Error> {
    let own = std::process::id();
    let shown = std::fs::read_link("/proc/self").map(|p| p.display().to_string());
    match shown {
        Ok(shown) if shown != own.to_string() => Err(Error::ForeignProc { shown, own }),
        _ => Ok(()),
    }
}

impl PidNamespace {
    /// The caller's own. Without `/proc`, the initial one: nothing could be traced anyway.
    pub fn own() -> Self {
        let Ok(link) = std::fs::metadata("/proc/self/ns/pid") else {
            return Self {
                dev: 0,
                inum: INITIAL,
            };
        };
        // the kernel has twelve bits of major number above twenty of minor
        let (major, minor) = (
            rustix::fs::major(link.st_dev()),
            rustix::fs::minor(link.st_dev()),
        );
        Self {
            dev: major << 20 | minor,
            inum: u32::try_from(link.st_ino()).unwrap_or(INITIAL),
        }
    }

    /// What `Target::tgid` is for a process with number `pid` here.
    pub fn target(self, pid: u32) -> u32 {
        if self.inum == INITIAL {
            pid
        } else {
            TGID_BY_NAMESPACE
        }
    }
}

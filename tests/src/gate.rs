//! A gate in front of a directory: whoever opens it waits until the gate is opened. It makes work
//! of a daemon take exactly as long as a test needs.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A closed gate. Dropping it opens it, also when the test fails: the kernel lets everybody pass
/// whose judge is gone.
#[derive(Debug)]
pub struct Gate {
    _judge: OwnedFd,
}

impl Gate {
    /// Closes the gate (fanotify, permission to open; needs root).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn close(dir: &Path) -> Result<Self> {
        let path = CString::new(dir.as_os_str().as_bytes())?;
        // SAFETY: no pointers are passed.
        let judge = unsafe {
            libc::fanotify_init(
                libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC,
                (libc::O_RDONLY | libc::O_CLOEXEC) as u32,
            )
        };
        ensure!(
            judge >= 0,
            "fanotify_init: {}",
            std::io::Error::last_os_error()
        );
        // SAFETY: the descriptor was just made, and nobody else has it.
        let judge = unsafe { OwnedFd::from_raw_fd(judge) };
        // SAFETY: the path ends with a zero and lives until the call returns.
        let marked = unsafe {
            libc::fanotify_mark(
                judge.as_raw_fd(),
                libc::FAN_MARK_ADD | libc::FAN_MARK_ONLYDIR,
                libc::FAN_OPEN_PERM | libc::FAN_ONDIR,
                libc::AT_FDCWD,
                path.as_ptr(),
            )
        };
        if marked != 0 {
            return Err(std::io::Error::last_os_error()).context(dir.display().to_string());
        }
        Ok(Self { _judge: judge })
    }
}

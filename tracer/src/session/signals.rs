//! Signals that end a session: SIGINT, SIGTERM, SIGHUP, SIGQUIT, all in the same way.
//!
//! They are caught from the first moment on. While there is nothing to undo (the daemon is looked
//! for, its binary is read, the plan is built) the first one ends the process at once. From
//! [`defer`] on it only asks: whoever does long work looks at the [`flag`], so that loading and
//! attaching end too. Who is asked again a second later does not wait for anything any more: the
//! kernel takes the probes out when the process is gone.

use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Error;
use crate::capture::monotonic_ns;

const CAUGHT: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
/// A signal that comes sooner after the first one is part of the same wish, ns.
const AGAIN: u64 = 1_000_000_000;

/// What is said when nothing was attached yet.
pub const STOPPED: &str = "stopped before anything was traced; nothing is left attached";
/// The exit status of a session that traced nothing.
const NOTHING: libc::c_int = 1;

static STOP: AtomicBool = AtomicBool::new(false);
/// Whether there is something to undo.
static DEFERRED: AtomicBool = AtomicBool::new(false);
static FIRST: AtomicU64 = AtomicU64::new(0);
/// An event descriptor that becomes readable with the first signal, and stays so.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Catches them from now on. A SIGHUP that the caller ignores (`nohup`) stays ignored. What is
/// written beyond a limit on file sizes is refused from now on, and ends nothing.
///
/// # Errors
/// The kernel refuses.
pub fn catch() -> io::Result<()> {
    use rustix::event::{EventfdFlags, eventfd};
    if WAKE.load(Ordering::SeqCst) >= 0 {
        return Ok(());
    }
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    WAKE.store(wake.into_raw_fd(), Ordering::SeqCst);
    for signal in CAUGHT {
        if signal == libc::SIGHUP && is_ignored(signal)? {
            continue;
        }
        let handler: extern "C" fn(libc::c_int) = caught;
        set(signal, handler as libc::sighandler_t)?;
    }
    set(libc::SIGXFSZ, libc::SIG_IGN)
}

/// From now on there is something to undo: a file, probes. A signal asks the session to end and no
/// longer ends the process.
///
/// # Errors
/// `Stopped`: one came already.
pub fn defer() -> Result<(), Error> {
    DEFERRED.store(true, Ordering::SeqCst);
    check()
}

/// Whether the session is to end.
#[must_use]
pub fn flag() -> &'static AtomicBool {
    &STOP
}

/// Fails if the session is to end before it has begun.
fn check() -> Result<(), Error> {
    if STOP.load(Ordering::SeqCst) {
        Err(Error::Stopped)
    } else {
        Ok(())
    }
}

/// Ends with the first signal. Any number of tasks and threads may wait.
///
/// # Errors
/// No descriptor is free.
pub async fn asked() -> io::Result<()> {
    let fd = WAKE.load(Ordering::SeqCst);
    if fd < 0 {
        return std::future::pending().await;
    }
    // SAFETY: the descriptor is never closed.
    let wake = unsafe { BorrowedFd::borrow_raw(fd) };
    // a copy: each runtime registers one of its own
    let own: OwnedFd = wake.try_clone_to_owned()?;
    // SAFETY: the descriptor is owned by the AsyncFd and stays open as long as it is registered.
    let readable = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }
        .map_err(|e| e.into_parts().1)?;
    let _ready = readable.readable().await?;
    Ok(())
}

/// Whether nobody reads what is written to stdout any more: a pipe or a terminal whose other end is
/// closed.
pub fn stdout_is_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
        && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

fn set(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: a plain struct of integers; all of it zero is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is initialised, and the old one is not asked for.
    let rc = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn is_ignored(signal: libc::c_int) -> io::Result<bool> {
    // SAFETY: a plain struct of integers, which the call fills.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed, and the old action has room.
    let rc = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut old) };
    if rc == 0 {
        Ok(old.sa_sigaction == libc::SIG_IGN)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Only what is safe in a signal handler: atomics, a clock, and system calls.
extern "C" fn caught(signal: libc::c_int) {
    // SAFETY: the address of this thread's own errno.
    let errno = unsafe { *libc::__errno_location() };
    if !DEFERRED.load(Ordering::SeqCst) {
        leave();
    }
    if STOP.swap(true, Ordering::SeqCst) {
        // a closing terminal may say so twice
        let again = monotonic_ns().saturating_sub(FIRST.load(Ordering::SeqCst)) >= AGAIN;
        if signal != libc::SIGHUP && again && set(signal, libc::SIG_DFL).is_ok() {
            // SAFETY: the signal is blocked here; it ends the process when this handler returns.
            unsafe { libc::raise(signal) };
        }
    } else {
        FIRST.store(monotonic_ns(), Ordering::SeqCst);
        let one = 1u64.to_ne_bytes();
        let fd: RawFd = WAKE.load(Ordering::SeqCst);
        // SAFETY: eight bytes, as an event descriptor wants them; it is never closed.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Ends the process with one line on stderr. Only what is safe in a signal handler.
fn leave() -> ! {
    for text in [STOPPED, "\n"] {
        // SAFETY: bytes that live as long as the program. Nobody is left who could be told of a
        // failure.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    }
    // SAFETY: ends the process, and runs nothing of ours.
    unsafe { libc::_exit(NOTHING) }
}

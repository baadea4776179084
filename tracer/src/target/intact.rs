//! Mapped files that shrink: reading behind the new end would end this process by SIGBUS.
//!
//! The signal is caught. If it came from a watched mapping, a page of zeroes is put where the
//! file's page is gone, and the mapping counts as broken: whoever read it learns that by asking,
//! and throws away what was made of it.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Mappings watched at once, at most.
const MOST: usize = 64;

/// One watched mapping; without an address, free.
struct Watched {
    start: AtomicUsize,
    len: AtomicUsize,
    broken: AtomicBool,
    taken: AtomicBool,
}

static WATCHED: [Watched; MOST] = [const {
    Watched {
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        broken: AtomicBool::new(false),
        taken: AtomicBool::new(false),
    }
}; MOST];
static PAGE: AtomicUsize = AtomicUsize::new(4096);
static CATCH: Once = Once::new();

/// Watches a mapping as long as it lives, which must be no longer than the mapping.
#[derive(Debug)]
pub struct Guard(usize);

impl Guard {
    /// Watches the pages of `bytes`.
    ///
    /// # Errors
    /// Too many are watched, or the signal cannot be caught.
    pub fn watch(bytes: &[u8]) -> io::Result<Self> {
        let mut caught = Ok(());
        CATCH.call_once(|| caught = catch());
        caught?;
        let free = |w: &Watched| !w.taken.swap(true, Ordering::SeqCst);
        let index = WATCHED
            .iter()
            .position(free)
            .ok_or_else(|| io::Error::other("too many files are mapped"))?;
        let watched = &WATCHED[index];
        watched.broken.store(false, Ordering::SeqCst);
        watched.len.store(bytes.len(), Ordering::SeqCst);
        watched
            .start
            .store(bytes.as_ptr() as usize, Ordering::SeqCst);
        Ok(Self(index))
    }

    /// Whether a page of it was gone when it was read.
    pub fn is_broken(&self) -> bool {
        WATCHED[self.0].broken.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let watched = &WATCHED[self.0];
        watched.start.store(0, Ordering::SeqCst);
        watched.len.store(0, Ordering::SeqCst);
        watched.taken.store(false, Ordering::SeqCst);
    }
}

fn catch() -> io::Result<()> {
    PAGE.store(rustix::param::page_size(), Ordering::SeqCst);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = caught;
    // SAFETY: a plain struct of integers; all of it zero is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is initialised, and the old one is not asked for.
    match unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Only what is safe in a signal handler: atomics and system calls. A fault elsewhere ends the
/// process as it always did.
extern "C" fn caught(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gave us a valid pointer, and SIGBUS has an address.
    let at = unsafe { (*info).si_addr() } as usize;
    // SAFETY: the address of this thread's own errno.
    let errno = unsafe { *libc::__errno_location() };
    let watched = WATCHED.iter().find(|w| {
        let start = w.start.load(Ordering::SeqCst);
        start != 0 && at.wrapping_sub(start) < w.len.load(Ordering::SeqCst)
    });
    let page = PAGE.load(Ordering::SeqCst);
    let replaced = watched.is_some_and(|watched| {
        watched.broken.store(true, Ordering::SeqCst);
        // SAFETY: a page of a mapping that only this program has, which reads it and never writes.
        let there = unsafe {
            libc::mmap(
                (at & !(page - 1)) as *mut libc::c_void,
                page,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        there != libc::MAP_FAILED
    });
    if !replaced {
        // SAFETY: sets the default action; the fault comes again when this handler returns, and
        // ends the process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

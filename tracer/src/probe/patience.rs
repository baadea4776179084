//! System calls that a signal interrupts: done again, unless the signal meant that the session is
//! to end.
//!
//! The verifier gives up with EAGAIN as soon as a signal is pending. That says nothing about the
//! program.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Error;

/// Times that one call is done again, at most: each needs a signal of its own.
const MOST: usize = 100;

/// The wish to stop, if anybody may have it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience(Option<&'static AtomicBool>);

impl Patience {
    pub fn until(stop: Option<&'static AtomicBool>) -> Self {
        Self(stop)
    }

    /// Fails once the session is to end.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn check(self) -> Result<(), Error> {
        match self.0 {
            Some(stop) if stop.load(Ordering::SeqCst) => Err(Error::Stopped),
            _ => Ok(()),
        }
    }

    /// Does a call, and does it again when it was interrupted. `code` gives the error number of a
    /// failure.
    ///
    /// # Errors
    /// `Stopped`; the inner result is the call's own.
    pub fn with<T, E>(
        self,
        code: impl Fn(&E) -> Option<i32>,
        mut call: impl FnMut() -> Result<T, E>,
    ) -> Result<Result<T, E>, Error> {
        for _ in 0..MOST {
            self.check()?;
            match call() {
                Err(error) if matches!(code(&error), Some(libc::EAGAIN | libc::EINTR)) => {}
                other => return Ok(other),
            }
        }
        self.check()?;
        Ok(call())
    }
}

/// Error number of a failed system call.
pub fn code(error: &io::Error) -> Option<i32> {
    error.raw_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signal_interrupted_is_done_again_unless_it_is_to_end() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let patience = Patience::until(Some(&STOP));
        let mut left = vec![libc::EINTR, libc::EAGAIN];
        let done = patience.with(code, || match left.pop() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(7),
        });
        assert!(matches!(done, Ok(Ok(7))));

        let refused = patience.with(code, || -> io::Result<()> {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        });
        assert!(matches!(refused, Ok(Err(e)) if code(&e) == Some(libc::EPERM)));

        let mut calls = 0;
        let stopped = patience.with(code, || -> io::Result<()> {
            calls += 1;
            STOP.store(true, Ordering::SeqCst);
            Err(io::Error::from_raw_os_error(libc::EAGAIN))
        });
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert_eq!(calls, 1);

        let mut calls = 0;
        let forever = Patience::default().with(code, || -> io::Result<()> {
            calls += 1;
            Err(io::Error::from_raw_os_error(libc::EAGAIN))
        });
        assert!(matches!(forever, Ok(Err(_))));
        assert_eq!(calls, MOST + 1);
    }
}

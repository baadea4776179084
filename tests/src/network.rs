//! A network of a test's own, where nothing but loopback is.

use anyhow::{Result, ensure};

/// Runs something on a thread in a new network namespace whose loopback is up. What that thread
/// starts lives there too, threads and programs. Gives what `job` gives.
///
/// # Errors
/// The kernel refuses (this needs root).
///
/// # Panics
/// As `job` does.
pub fn own_network<T: Send>(job: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter()?;
            Ok(job())
        });
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn enter() -> Result<()> {
    let failed = std::io::Error::last_os_error;
    // SAFETY: no pointers are passed.
    let apart = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    ensure!(apart == 0, "a network namespace: {}", failed());
    // SAFETY: a plain struct of integers; all of it zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    let up = libc::IFF_UP | libc::IFF_LOOPBACK | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(up)?;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: an open socket, and a request that lives until the call returns.
    let done = unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw mut request) };
    ensure!(done == 0, "loopback: {}", failed());
    Ok(())
}

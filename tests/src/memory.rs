//! Memory of processes: a traced program's code against its file, and how much one has; and
//! processor time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

/// Run-time addresses in executable mappings of the program's own file where memory and file
/// differ.
///
/// # Errors
/// The process cannot be read.
pub fn changed_code(pid: u32) -> Result<Vec<u64>> {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe"))?;
    let exe = exe.to_string_lossy().into_owned();
    let file = File::open(format!("/proc/{pid}/exe"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut changed = Vec::new();
    let mut compared = 0usize;
    for line in maps.lines().filter(|l| l.ends_with(&exe)) {
        let mut words = line.split_ascii_whitespace();
        let (range, perms, offset) = (
            words.next().context("range")?,
            words.next().context("perms")?,
            u64::from_str_radix(words.next().context("offset")?, 16)?,
        );
        if !perms.contains('x') {
            continue;
        }
        let (start, end) = range.split_once('-').context("range")?;
        let (start, end) = (
            u64::from_str_radix(start, 16)?,
            u64::from_str_radix(end, 16)?,
        );
        let mut at = start;
        while at < end {
            let len = usize::try_from((end - at).min(1 << 20))?;
            let (mut there, mut here) = (vec![0u8; len], vec![0u8; len]);
            memory.read_exact_at(&mut there, at)?;
            let got = file.read_at(&mut here, offset + (at - start))?;
            compared += got;
            changed.extend(
                there
                    .iter()
                    .zip(&here)
                    .take(got)
                    .enumerate()
                    .filter(|(_, (a, b))| a != b)
                    .map(|(i, _)| at + i as u64),
            );
            at += len as u64;
        }
    }
    anyhow::ensure!(
        compared > 0,
        "no executable mapping of {exe} in process {pid}"
    );
    Ok(changed)
}

/// A field of `/proc/PID/status` that is a number of KiB: `VmRSS`, `RssAnon`.
///
/// # Errors
/// The process cannot be read, or there is no such field.
pub fn status_kib(pid: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    text.lines()
        .find_map(|l| {
            let rest = l.strip_prefix(name)?.strip_prefix(':')?;
            rest.split_ascii_whitespace().next()?.parse().ok()
        })
        .with_context(|| format!("no {name} of process {pid}"))
}

/// Lets a program have this much memory of its own (heap, stacks, written data) and no more:
/// beyond, it cannot allocate.
pub fn limit_memory(command: &mut Command, bytes: u64) {
    // SAFETY: between fork and exec only `setrlimit` is called, which may be.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit {
                rlim_cur: bytes,
                rlim_max: bytes,
            };
            match libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

/// The most memory that a program had at once, KiB, as it was last seen before its end. (What the
/// kernel says of one that ended counts its parent's memory too, from before its exec.)
#[must_use]
pub fn peak_kib(pid: u32) -> u64 {
    let mut peak = 0;
    while let Ok(kib) = status_kib(pid, "VmHWM") {
        peak = kib;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    peak
}

/// Processor time of this process: a loaded machine makes nothing hang.
#[must_use]
pub fn processor_time() -> std::time::Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let whole = std::time::Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or(0));
    whole + std::time::Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or(0))
}

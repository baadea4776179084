//! Why nothing could be attached, and what to do about it.

use std::io;

/// Errors of loading and attaching.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to load the kernel object: {0}")]
    Object(String),
    #[error("bpf() was refused while {doing}: {source}")]
    Bpf { doing: String, source: io::Error },
    #[error("the verifier of this kernel rejected program {program}: {summary}")]
    Verifier { program: String, summary: String },
    #[error("perf_event_open() was refused for {site}: {source}")]
    PerfEvent { site: String, source: io::Error },
    #[error("failed to attach {sites} sites by one link: {source}")]
    Link { sites: usize, source: io::Error },
    #[error("failed to attach to {site}: {what}")]
    Attach { site: String, what: String },
    #[error("the plan needs {needed} {what}, the kernel table holds {room}")]
    TooLarge {
        what: &'static str,
        needed: usize,
        room: usize,
    },
    #[error(
        "/proc is that of another pid namespace: mobytrace is {shown} there and {own} in its own"
    )]
    ForeignProc { shown: String, own: u32 },
    #[error("failed to read the counters: {0}")]
    Counters(String),
    #[error("stopped by a signal")]
    Stopped,
}

impl Error {
    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Bpf { source, .. } | Self::PerfEvent { source, .. } | Self::Link { source, .. } => match source.raw_os_error() {
                Some(1 | 13) => "run as root; in a container with --privileged --pid=host (a seccomp profile or kernel lockdown also refuses it)".into(),
                Some(38) => "the kernel lacks the system call, or a seccomp filter hides it: run outside of it".into(),
                _ => "`mobytrace doctor` checks what this kernel can do".into(),
            },
            Self::Verifier { .. } => "report this with `uname -r` and the output of -v; kernels 5.10 and newer are supported".into(),
            Self::ForeignProc { .. } => "run it where both are one: with `unshare --mount-proc`, or in a container with --pid=host".into(),
            Self::TooLarge { .. } => "trace fewer functions".into(),
            Self::Stopped => "run it again".into(),
            Self::Object(_) | Self::Attach { .. } | Self::Counters(_) => "`mobytrace doctor` checks what this kernel can do".into(),
        }
    }
}

/// The first `io::Error` in a chain of causes.
pub(super) fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<io::Error> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>()
            && let Some(code) = io.raw_os_error()
        {
            return Some(io::Error::from_raw_os_error(code));
        }
        next = current.source();
    }
    None
}

/// The telling lines of a verifier log: the last few that are not statistics.
pub(super) fn verifier_summary(log: &str) -> String {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|l| {
            !l.is_empty()
                && !l.starts_with("processed ")
                && !l.starts_with("verification time")
                && !l.starts_with("stack depth")
        })
        .collect();
    match lines.last() {
        Some(last) => (*last).to_owned(),
        None => "no log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_the_verdict_not_the_statistics() {
        let log = "0: R1=ctx()\n5: (85) call unknown#174\ninvalid func unknown#174\nprocessed 6 insns (limit 1000000)\n";
        assert_eq!(verifier_summary(log), "invalid func unknown#174");
    }
}

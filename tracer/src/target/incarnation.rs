//! By what a daemon is known again when it was started anew, and how it is found early.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::discover::{candidates, is_dockerd, pids};
use super::socket::{api_path, holds_listener, identity, listens_on};
use super::{Process, Program};

/// One run of a daemon: what the next one has in common with it.
#[derive(Clone, Debug)]
pub struct Incarnation {
    process: Process,
    program: Option<Program>,
    /// Path of its executable.
    exe: String,
    /// Its arguments, its own name not among them.
    arguments: Vec<String>,
    /// Whose it is: another user's process is not the same daemon.
    owner: Option<u32>,
    /// Its mount namespace: paths mean the same there.
    mounts: Option<PathBuf>,
    /// Where its API listens, as it bound it, and as that is reached from here.
    bound: Option<PathBuf>,
    reached: Option<PathBuf>,
}

impl Incarnation {
    /// What a running daemon is known by. `reached`: its socket as seen from here.
    #[must_use]
    pub fn of(process: &Process, reached: Option<&Path>) -> Self {
        Self {
            process: process.clone(),
            program: Program::of(process),
            exe: executable(process.pid).unwrap_or_default(),
            arguments: arguments(process),
            owner: owner(process.pid),
            mounts: mounts(process.pid),
            bound: api_path(process),
            // what leads through a process is gone with it
            reached: reached
                .filter(|path| !path.starts_with("/proc"))
                .map(Path::to_owned),
        }
    }

    /// What cannot be seen of this run yet is as it was in the run before.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.bound = self.bound.or_else(|| before.bound.clone());
        self.reached = self.reached.or_else(|| before.reached.clone());
        self
    }

    /// Whether another run of it can be told: it listens somewhere, or is a dockerd.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.bound.is_some() || self.is_dockerd()
    }

    fn is_dockerd(&self) -> bool {
        base(&self.exe).is_some_and(is_dockerd)
    }

    /// Whether this is the run of that process, not another one by the same number.
    #[must_use]
    pub fn is_run_of(&self, process: &Process) -> bool {
        let replaced = |program: &Program| program.was_replaced(process);
        self.process == *process && !self.program.as_ref().is_some_and(replaced)
    }

    /// The next run, when there is one: a process that was started in the same way (which shows
    /// from its first moment on), or a dockerd that listens on the same socket. Runs that `known`
    /// says yes to are passed over.
    #[must_use]
    pub fn next(&self, known: impl Fn(&Process) -> bool) -> Option<Process> {
        let own = base(&self.exe);
        let likely = |exe: &str| {
            let name = base(exe);
            name == own || (self.is_dockerd() && name.is_some_and(is_dockerd))
        };
        let runs = |pid: u32| -> Option<Process> {
            let process = Process::open(pid).ok()?;
            let same_owner = self.owner.is_some() && owner(pid) == self.owner;
            (same_owner && !self.is_run_of(&process) && !known(&process)).then_some(process)
        };
        let likely: Vec<Process> = pids()
            .into_iter()
            .filter(|pid| executable(*pid).is_some_and(|exe| likely(&exe)))
            .filter_map(runs)
            .collect();
        let started_alike = |process: &&Process| {
            let name = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            let first = name.split(|b| *b == 0).next().unwrap_or_default();
            let first = String::from_utf8_lossy(first);
            // a daemon runs its own executable under other names for some work
            base(&first).is_some_and(|name| Some(name) == own || is_dockerd(name))
                && arguments(process) == self.arguments
                && self.mounts.is_some()
                && mounts(process.pid) == self.mounts
        };
        let at_socket = |process: &&Process| self.is_at_socket(process);
        let alike = likely.iter().find(started_alike);
        alike.or_else(|| likely.iter().find(at_socket)).cloned()
    }

    /// Whether a process listens where this one did.
    fn is_at_socket(&self, process: &Process) -> bool {
        let reached = self.reached.as_deref().and_then(identity);
        reached.is_some_and(|file| listens_on(process.pid, file))
    }
}

/// A dockerd that is going to listen on `path`, or does: it is found before its socket is there if
/// its command line names that. `None`: there is none (yet).
#[must_use]
pub fn awaited(path: &Path) -> Option<Process> {
    let named = format!("unix://{}", path.display());
    let found = running_dockerds();
    let process = |pid: u32| Process::open(pid).ok();
    let by_name = found
        .iter()
        .filter_map(|pid| process(*pid))
        .find(|process| arguments(process).iter().any(|a| a.ends_with(&named)));
    by_name.or_else(|| {
        let file = identity(path)?;
        let listens = candidates().into_iter().find(|c| listens_on(c.pid, file))?;
        process(listens.pid)
    })
}

/// Numbers of the processes whose executable is a dockerd: a quick look.
#[must_use]
pub fn running_dockerds() -> Vec<u32> {
    let is_one = |pid: &u32| executable(*pid).is_some_and(|exe| base(&exe).is_some_and(is_dockerd));
    pids().into_iter().filter(is_one).collect()
}

/// Whether a process holds a socket that listens, whatever its kind. `None`: that cannot be seen.
#[must_use]
pub fn listens(process: &Process) -> Option<bool> {
    holds_listener(process.pid)
}

fn executable(pid: u32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let path = link.to_string_lossy();
    Some(path.trim_end_matches(" (deleted)").to_owned())
}

fn base(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

fn arguments(process: &Process) -> Vec<String> {
    let all = process.command_line().unwrap_or_default();
    all.into_iter().skip(1).collect()
}

/// Effective user of a process.
fn owner(pid: u32) -> Option<u32> {
    Some(fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

fn mounts(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use super::*;

    fn sleeping(seconds: &str) -> (Child, Process) {
        let child = Command::new("sleep").arg(seconds).spawn().expect("sleep");
        let process = Process::open(child.id()).expect("process");
        let deadline = Instant::now() + Duration::from_secs(60);
        while arguments(&process) != [seconds] && Instant::now() < deadline {
            std::thread::yield_now();
        }
        (child, process)
    }

    fn end(mut child: Child) {
        let _ = child.kill();
        let _ = child.wait();
    }

    #[test]
    fn the_next_run_is_known_by_how_it_was_started() {
        // numbers that no other test sleeps for
        let own = format!("9{}", std::process::id());
        let (first, before) = sleeping(&own);
        let run = Incarnation::of(&before, None);
        assert!(run.is_run_of(&before));
        assert_eq!(run.next(|_| false), None, "it runs, and there is no other");
        end(first);
        assert_eq!(run.next(|_| false), None);
        let (other, _) = sleeping(&format!("{own}1"));
        assert_eq!(run.next(|_| false), None, "started in another way");
        let (second, after) = sleeping(&own);
        assert_eq!(run.next(|_| false), Some(after.clone()));
        assert_eq!(run.next(|process| *process == after), None);
        assert!(!run.is_run_of(&after));
        end(second);
        end(other);
    }

    #[test]
    fn a_socket_that_listens_is_seen() {
        let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep");
        let process = Process::open(child.id()).expect("process");
        let own = Process::open(std::process::id()).expect("own");
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
        assert_eq!(listens(&own), Some(true));
        assert_eq!(listens(&process), Some(false));
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(listens(&process), None, "it is gone");
    }
}

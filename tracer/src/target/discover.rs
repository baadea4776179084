//! Finding the daemon: by pid, by socket, or by looking for `dockerd` in `/proc`, whatever its
//! mount and pid namespaces are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::socket::{api_path, listens_on};
use super::{Error, Process};
use crate::moby::programs::DAEMON;

/// Inode number of the initial pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// How the user chose the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Pid(u32),
    Socket(PathBuf),
    /// The only `dockerd` there is.
    Auto,
}

/// A process that looks like a dockerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub pid: u32,
    pub command: String,
    /// Where it listens, as it knows that path itself.
    pub socket: Option<PathBuf>,
    /// It is known to have a mount namespace other than ours: one of us runs in a container.
    pub apart: bool,
}

/// Finds the one daemon that is meant.
///
/// # Errors
/// None, or more than one, or it cannot be seen.
pub fn find(selection: &Selection) -> Result<Process, Error> {
    match selection {
        Selection::Pid(pid) => Process::open(*pid),
        Selection::Socket(path) => by_socket(path),
        Selection::Auto => {
            let mut found = candidates();
            match (found.pop(), found.is_empty()) {
                (None, _) => Err(no_daemon()),
                (Some(one), true) => Process::open(one.pid),
                (Some(one), false) => {
                    found.push(one);
                    Err(Error::Several { found })
                }
            }
        }
    }
}

/// No dockerd found, as an error that knows whether `/proc` shows all processes.
#[must_use]
pub fn no_daemon() -> Error {
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |m| m.ino());
    Error::NoDaemon {
        contained: namespace != INITIAL_PID_NAMESPACE,
    }
}

/// All processes that look like a dockerd, by pid.
pub fn candidates() -> Vec<Candidate> {
    let seen: Vec<Seen> = pids().into_iter().filter_map(Seen::of).collect();
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let own = mounts("self");
    choose(&seen)
        .into_iter()
        .map(|s| Candidate {
            pid: s.pid,
            command: s.arguments.join(" "),
            socket: api_path(&Process {
                pid: s.pid,
                start: 0,
            }),
            apart: mounts(&s.pid.to_string())
                .zip(own.as_ref())
                .is_some_and(|(its, own)| its != *own),
        })
        .collect()
}

/// Numbers of all processes that `/proc` shows, in order.
pub(super) fn pids() -> Vec<u32> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// What tells a dockerd from other processes.
#[derive(Clone, Debug, Default)]
struct Seen {
    pid: u32,
    parent: u32,
    /// Device and inode of the executable.
    file: Option<(u64, u64)>,
    executable: String,
    arguments: Vec<String>,
    /// Name of the thread, readable without rights.
    comm: String,
}

impl Seen {
    fn of(pid: u32) -> Option<Self> {
        let at = |what: &str| format!("/proc/{pid}/{what}");
        let comm = fs::read_to_string(at("comm")).ok()?.trim_end().to_owned();
        let executable = fs::read_link(at("exe")).ok();
        let base = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        Some(Self {
            pid,
            parent: parent_of(pid)?,
            file: fs::metadata(at("exe")).ok().map(|m| (m.dev(), m.ino())),
            executable: executable
                .and_then(|path| base(&path))
                .map(|name| name.trim_end_matches(" (deleted)").to_owned())
                .unwrap_or_default(),
            arguments: Process { pid, start: 0 }.command_line().ok()?,
            comm,
        })
    }

    /// How much speaks for a dockerd: 3 executable and first argument, 2 one of them, 1 only the
    /// thread's name, 0 nothing.
    ///
    /// dockerd runs itself for some work, under other names (`docker-untar`, `libnetwork-setkey`).
    fn likeness(&self) -> u8 {
        let first = self
            .arguments
            .first()
            .and_then(|a| Path::new(a).file_name()?.to_str());
        match (is_dockerd(&self.executable), first.is_some_and(is_dockerd)) {
            (true, true) => 3,
            (true, false) | (false, true) => 2,
            (false, false) if self.executable.is_empty() && is_dockerd(&self.comm) => 1,
            (false, false) => 0,
        }
    }
}

/// `dockerd`, and what packagers make of it: `dockerd-ce`, `dockerd.real`. Scripts around it are
/// none.
pub(super) fn is_dockerd(name: &str) -> bool {
    name.strip_prefix(DAEMON).is_some_and(|rest| {
        (rest.is_empty() || rest.starts_with(['-', '.'])) && !rest.ends_with(".sh")
    })
}

fn choose(seen: &[Seen]) -> Vec<&Seen> {
    let best = seen.iter().map(Seen::likeness).max().unwrap_or(0);
    if best == 0 {
        return Vec::new();
    }
    let alike: Vec<&Seen> = seen.iter().filter(|s| s.likeness() == best).collect();
    // a child with the same executable works for its parent
    let is_helper = |s: &Seen| {
        alike
            .iter()
            .any(|p| p.pid == s.parent && p.file.is_some() && p.file == s.file)
    };
    alike.iter().copied().filter(|s| !is_helper(s)).collect()
}

/// Field 4 of `/proc/PID/stat`, counted after the command's name, which may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.get(stat.rfind(')')? + 1..)?;
    after.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The process that listens on a socket: a dockerd if one does, else the only other one. Asked of
/// `/proc`, not of the connection: its peer is systemd under socket activation, and has no number
/// in another pid namespace.
fn by_socket(path: &Path) -> Result<Process, Error> {
    let shown = path.display().to_string();
    let unusable = |source| Error::Socket {
        path: shown.clone(),
        source,
    };
    drop(UnixStream::connect(path).map_err(unusable)?);
    let file = fs::metadata(path).map_err(unusable)?;
    let file = (file.dev(), file.ino());
    let dockerds: Vec<Candidate> = candidates()
        .into_iter()
        .filter(|c| listens_on(c.pid, file))
        .collect();
    match dockerds.as_slice() {
        [one] => return Process::open(one.pid),
        [] => {}
        _ => return Err(Error::Several { found: dockerds }),
    }
    let others: Vec<u32> = pids()
        .into_iter()
        .filter(|pid| *pid != 1 && listens_on(*pid, file))
        .collect();
    match others.as_slice() {
        [one] => Process::open(*one),
        _ => Err(Error::NoListener { path: shown }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, executable: &str, first: &str) -> Seen {
        Seen {
            pid,
            parent,
            file: Some((1, if executable.is_empty() { 0 } else { 7 })),
            executable: executable.into(),
            arguments: vec![first.into()],
            comm: first.into(),
        }
    }

    fn chosen(seen: &[Seen]) -> Vec<u32> {
        choose(seen).iter().map(|s| s.pid).collect()
    }

    #[test]
    fn helpers_of_a_daemon_are_no_daemons() {
        let daemon = process(10, 1, "dockerd", "/usr/bin/dockerd");
        let untar = process(11, 10, "dockerd", "docker-untar");
        let hook = process(12, 9, "dockerd", "libnetwork-setkey");
        let again = process(13, 10, "dockerd", "dockerd");
        let shim = process(14, 1, "docker-proxy", "docker-proxy");
        assert_eq!(chosen(&[daemon, untar, hook, again, shim]), [10]);
    }

    #[test]
    fn two_daemons_are_two_also_in_each_other() {
        let outer = process(10, 1, "dockerd", "dockerd");
        let inner = process(20, 15, "dockerd", "dockerd");
        assert_eq!(chosen(&[outer, inner]), [10, 20]);
    }

    #[test]
    fn names_that_packagers_give() {
        for name in ["dockerd", "dockerd-ce", "dockerd.real"] {
            assert!(is_dockerd(name), "{name}");
        }
        for name in [
            "docker",
            "dockerd-rootless.sh",
            "dockerdx",
            "docker-init",
            "",
        ] {
            assert!(!is_dockerd(name), "{name}");
        }
        // started by another name, alone
        assert_eq!(chosen(&[process(10, 1, "dockerd", "moby")]), [10]);
        assert_eq!(chosen(&[process(10, 1, "engine", "/x/dockerd")]), [10]);
        // without the right to see the executable
        assert_eq!(chosen(&[process(10, 1, "", "dockerd")]), [10]);
    }
}

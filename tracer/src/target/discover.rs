//! Finding the daemon: by pid, by socket, or by looking for `dockerd` in `/proc`.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::socket::listener_pids;
use super::{Error, Process};

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
                (None, _) => Err(Error::NoDaemon),
                (Some(one), true) => Process::open(one.pid),
                (Some(one), false) => {
                    found.push(one);
                    Err(Error::Several { found })
                }
            }
        }
    }
}

/// All processes whose executable or first argument is called `dockerd`, by pid.
pub fn candidates() -> Vec<Candidate> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<Candidate> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let name = exe
                .file_name()?
                .to_str()?
                .trim_end_matches(" (deleted)")
                .to_owned();
            let arguments = Process { pid, start: 0 }.command_line().ok()?;
            (name == "dockerd"
                || arguments
                    .first()
                    .is_some_and(|a| Path::new(a).ends_with("dockerd")))
            .then(|| Candidate {
                pid,
                command: arguments.join(" "),
            })
        })
        .collect();
    found.sort_by_key(|c| c.pid);
    found
}

fn by_socket(path: &Path) -> Result<Process, Error> {
    let shown = path.display().to_string();
    let stream = UnixStream::connect(path).map_err(|source| Error::Socket {
        path: shown.clone(),
        source,
    })?;
    // SO_PEERCRED of a connected stream is the process that called listen(); under socket activation
    // that is systemd, so a holder of the listening socket is looked for when it is not a dockerd.
    let peer = rustix::net::sockopt::socket_peercred(&stream)
        .ok()
        .map(|c| c.pid.as_raw_nonzero().get().unsigned_abs());
    drop(stream);
    let dockerds = candidates();
    if let Some(pid) = peer
        && pid != 1
    {
        return Process::open(pid);
    }
    let holders = listener_pids(path);
    match dockerds.iter().find(|c| holders.contains(&c.pid)) {
        Some(one) => Process::open(one.pid),
        None => Err(Error::NoListener { path: shown }),
    }
}

//! Finds the daemon and opens the right binary: pid and start time, executable, mappings, socket.
//!
//! Reads `/proc` only; never touches the process or its descriptors, and knows nothing of Go.

mod connections;
mod discover;
mod image;
mod incarnation;
mod intact;
mod process;
mod program;
mod socket;

pub use connections::open_connections;
pub use discover::{Candidate, Selection, candidates, find, no_daemon};
pub use image::Image;
pub use incarnation::{Incarnation, awaited, listens, running_dockerds};
pub use process::Process;
pub use program::Program;
pub use socket::{api_path, listening_socket};

use rustix::process::geteuid;

/// What can go wrong before anything is attached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no process {pid}")]
    NoProcess { pid: u32 },
    #[error("no running dockerd found in /proc{}", if *.contained { ", which shows only the processes of this container" } else { "" })]
    NoDaemon {
        /// We are in a pid namespace of our own.
        contained: bool,
    },
    #[error("several dockerd processes run: {}", list(.found))]
    Several { found: Vec<Candidate> },
    #[error("failed to connect to {path}: {source}")]
    Socket {
        path: String,
        source: std::io::Error,
    },
    #[error("no process with an open listener on {path} found")]
    NoListener { path: String },
    #[error("failed to open the executable of process {pid} ({shown}): {source}")]
    Open {
        pid: u32,
        shown: String,
        source: std::io::Error,
    },
    #[error("failed to open {path}: {source}")]
    OpenFile {
        path: String,
        source: std::io::Error,
    },
    #[error("failed to map {shown} into memory: {source}")]
    Map {
        shown: String,
        source: std::io::Error,
    },
    #[error("{shown} was changed while it was read")]
    Changed { shown: String },
    #[error("failed to read /proc/{pid}/{what}: {source}")]
    Proc {
        pid: u32,
        what: &'static str,
        source: std::io::Error,
    },
    #[error("{shown} is not mapped in process {pid} at an address that fits its program headers")]
    NotMapped { pid: u32, shown: String },
    #[error("process {pid} ended and its number was given to another process")]
    Replaced { pid: u32 },
}

impl Error {
    /// Whether there is no daemon (yet).
    #[must_use]
    pub fn is_absence(&self) -> bool {
        use std::io::ErrorKind;
        match self {
            Self::NoDaemon { .. } | Self::NoListener { .. } => true,
            Self::Socket { source, .. } => matches!(
                source.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ),
            _ => false,
        }
    }

    /// Whether the cause is that we are not root: others see little of a daemon, or nothing.
    fn is_for_want_of_rights(&self) -> bool {
        let others = match self {
            Self::NoDaemon { .. } | Self::NoListener { .. } | Self::NotMapped { .. } => true,
            Self::Open { source, .. } | Self::Proc { source, .. } | Self::Socket { source, .. } => {
                source.kind() == std::io::ErrorKind::PermissionDenied
            }
            _ => false,
        };
        others && !geteuid().is_root()
    }

    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            _ if self.is_for_want_of_rights() => "run as root".into(),
            Self::Changed { .. } => "run it again when the file is whole".into(),
            Self::NoProcess { .. } | Self::Replaced { .. } => "give the pid of a running dockerd: `pgrep -a dockerd`".into(),
            Self::NoDaemon { contained: true } => "run the container with `--privileged --pid=host`".into(),
            Self::NoDaemon { contained: false } => "start dockerd, or name it with --pid N or --socket PATH".into(),
            Self::Several { .. } if !geteuid().is_root() => {
                "run as root, and choose one with --pid N or --socket PATH".into()
            }
            Self::Several { .. } => "choose one with --pid N or --socket PATH".into(),
            Self::Socket { .. } | Self::NoListener { .. } => "give the socket dockerd itself listens on (a proxy's leads nowhere), or its pid with --pid N; in a container, run that with --pid=host".into(),
            Self::Open { .. } | Self::Proc { .. } => "run as root, in the daemon's or a parent pid namespace".into(),
            Self::OpenFile { .. } | Self::Map { .. } => "give the path of a readable Go ELF executable".into(),
            Self::NotMapped { .. } => "the running image differs from the file; restart the daemon at a time that suits you and try again".into(),
        }
    }
}

fn list(found: &[Candidate]) -> String {
    found
        .iter()
        .map(|c| {
            let apart = if c.apart {
                ", in another mount namespace"
            } else {
                ""
            };
            match &c.socket {
                Some(path) => format!("{} (on {}{apart})", c.pid, path.display()),
                None => format!("{} ({}{apart})", c.pid, c.command),
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

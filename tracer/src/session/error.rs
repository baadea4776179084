//! What can end a session, or keep it from beginning.

use super::signals;
use crate::{capture, gobin, plan, probe, target};

/// What failed, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A signal ended the session before anything was traced: no failure, and nothing was found.
    #[error("{}", signals::STOPPED)]
    Stopped,
    #[error(transparent)]
    Target(#[from] target::Error),
    #[error("{file}: {source}")]
    Binary { file: String, source: gobin::Error },
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error(transparent)]
    Probe(probe::Error),
    #[error(transparent)]
    Output(#[from] capture::OutputError),
    /// None of the functions that were asked for can be traced.
    #[error("{file} has none of the functions to trace: {why}")]
    NoFunctions {
        file: String,
        why: String,
        meant: Vec<Meant>,
    },
    #[error("process {pid} runs another program by now")]
    Replaced { pid: u32 },
    /// The file takes no more of the recording.
    #[error("the recording ended early: {0}")]
    Recording(std::io::Error),
    /// What collecting needs of the system cannot be had.
    #[error("failed to wait for records: {0}")]
    Wait(std::io::Error),
}

/// What may have been meant by a pattern that matches no function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    pub pattern: String,
    /// Names close to it, the closest first; at least one.
    pub names: Vec<String>,
}

impl std::fmt::Display for Meant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.names.join(" or ");
        write!(f, "for {}, did you mean {names}?", self.pattern)
    }
}

impl From<probe::Error> for Error {
    fn from(error: probe::Error) -> Self {
        match error {
            probe::Error::Stopped => Self::Stopped,
            other => Self::Probe(other),
        }
    }
}

impl Error {
    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Stopped | Self::Replaced { .. } => "run it again".into(),
            Self::Target(error) => error.hint(),
            Self::Binary { source, .. } => source.hint(),
            Self::Plan(error) => error.hint(),
            Self::Probe(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::NoFunctions { meant, .. } if meant.is_empty() => {
                "list what is there with `mobytrace inspect functions NAME --pid N`".into()
            }
            Self::NoFunctions { meant, .. } => {
                let lines: Vec<String> = meant.iter().map(ToString::to_string).collect();
                lines.join("; ")
            }
            Self::Recording(_) => {
                "what is in it can be shown; free space, or record elsewhere with -o".into()
            }
            Self::Wait(_) => {
                "run with -v for details; `mobytrace doctor` checks this machine".into()
            }
        }
    }
}

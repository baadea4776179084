//! The one form in which a failure reaches the user: `error: …`, `hint: …`, exit 2.

use std::fmt;

use super::say::say;
use crate::decode::mask;
use crate::session;

/// What failed and where, and the way out.
#[derive(Clone, Debug)]
pub struct Failure {
    pub message: String,
    pub hint: String,
}

impl Failure {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Any error as a failure.
    pub fn of(error: &anyhow::Error) -> Self {
        let failure = error.downcast_ref::<Self>().cloned();
        let ended = error.downcast_ref::<session::Error>();
        match failure.or_else(|| ended.map(Self::from)) {
            Some(failure) => failure,
            None => Self::new(
                format!("{error:#}"),
                "run with -v for details; `mobytrace doctor` checks this machine",
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<&session::Error> for Failure {
    fn from(error: &session::Error) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        // command lines of daemons stand in what is said of finding one
        match error {
            session::Error::Target(_) => {
                Self::new(mask::command(&message).unwrap_or(message), hint)
            }
            _ => Self::new(message, hint),
        }
    }
}

impl From<crate::target::Error> for Failure {
    fn from(error: crate::target::Error) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        // command lines of daemons stand in it
        Self::new(mask::command(&message).unwrap_or(message), hint)
    }
}

impl From<crate::capture::OutputError> for Failure {
    fn from(error: crate::capture::OutputError) -> Self {
        let hint = error.hint();
        Self::new(error.to_string(), hint)
    }
}

impl From<crate::capture::SourceError> for Failure {
    fn from(error: crate::capture::SourceError) -> Self {
        let hint = error.hint();
        Self::new(error.to_string(), hint)
    }
}

/// Prints a failure to stderr, whatever it is made of, each part on one line.
pub fn print(error: &anyhow::Error) {
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    let failure = Failure::of(error);
    say!("error: {}", one_line(&failure.message));
    say!("hint: {}", one_line(&failure.hint));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Candidate, Error};

    #[test]
    fn secrets_in_command_lines_of_daemons_are_hidden() {
        let candidate = |command: &str| Candidate {
            pid: 7,
            command: command.to_owned(),
            socket: None,
            apart: false,
        };
        let found = vec![
            candidate("dockerd --log-opt splunk-token=hunter2 --label owner=me"),
            candidate("dockerd --label api-key=hunter3"),
        ];
        let failure = Failure::from(Error::Several { found });
        assert_eq!(
            failure.message,
            "several dockerd processes run: 7 (dockerd --log-opt splunk-token=******** \
             --label owner=me), 7 (dockerd --label api-key=********)"
        );
    }
}

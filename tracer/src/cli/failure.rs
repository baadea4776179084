//! The one form in which a failure reaches the user: `error: …`, `hint: …`, exit 2.

use std::fmt;

/// What failed and where, and the way out.
#[derive(Debug)]
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
        match error.downcast_ref::<Self>() {
            Some(failure) => Self::new(&failure.message, &failure.hint),
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

impl From<crate::target::Error> for Failure {
    fn from(error: crate::target::Error) -> Self {
        let hint = error.hint();
        Self::new(error.to_string(), hint)
    }
}

/// Prints a failure to stderr, whatever it is made of, each part on one line.
pub fn print(error: &anyhow::Error) {
    // names of processes and paths of sockets are in there, which their owners choose
    let one_line = |text: &str| crate::render::escape(&text.replace(['\n', '\r'], " "));
    let failure = Failure::of(error);
    eprintln!("error: {}", one_line(&failure.message));
    eprintln!("hint: {}", one_line(&failure.hint));
}

//! Why no plan can be made at all. What is wrong with one function is an [`Issue`](super::Issue)
//! instead.

use crate::gobin;

/// Errors of planning.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown profile {name:?} (known: {known})")]
    UnknownProfile { name: String, known: String },
    #[error("the type runtime.g of this binary cannot be read: {what}")]
    Goroutine { what: String },
    #[error("the plan needs more than {room} {what}")]
    TooLarge { what: &'static str, room: u32 },
    #[error(transparent)]
    Binary(#[from] gobin::Error),
}

impl Error {
    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownProfile { .. } => {
                "`mobytrace profiles` says what each is for; -f names single functions".into()
            }
            Self::Goroutine { .. } => {
                "goroutines cannot be told apart without it; report this with `mobytrace inspect binary`".into()
            }
            Self::TooLarge { .. } => "trace fewer functions".into(),
            Self::Binary(_) => "`mobytrace inspect binary` shows what is there".into(),
        }
    }
}

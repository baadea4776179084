//! The recording of a session. A file that takes no more ends it, and nothing else.

use std::io;

use super::Error;
use super::note::{Note, Tell};
use crate::capture::{Trailer, Writer};

pub(super) enum Recording {
    None,
    On(Writer),
    Failed(io::Error),
}

impl Recording {
    pub(super) fn write(
        &mut self,
        tell: Tell<'_>,
        job: impl FnOnce(&mut Writer) -> io::Result<()>,
    ) {
        if let Self::On(writer) = self
            && let Err(error) = job(writer)
        {
            self.fail(tell, error);
        }
    }

    fn fail(&mut self, tell: Tell<'_>, error: io::Error) {
        let why = error.to_string();
        *self = Self::Failed(error);
        tell(Note::RecordingFailed { why });
    }

    /// Closes it; gives why it is not whole.
    pub(super) fn finish(mut self, tell: Tell<'_>, trailer: &Trailer) -> Option<Error> {
        if let Self::On(writer) = self {
            self = Self::None;
            if let Err(error) = writer.finish(trailer) {
                self.fail(tell, error);
            }
        }
        match self {
            Self::Failed(error) => Some(Error::Recording(error)),
            Self::None | Self::On(_) => None,
        }
    }
}

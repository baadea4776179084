//! The recording of a session. A file that takes no more ends it, and nothing else.

use std::io;

use super::Error;
use super::note::{Note, Tell};
use crate::capture::{Files, Header, Trailer, Writer};

#[derive(Debug, Default)]
pub(super) enum Recording {
    #[default]
    None,
    On(Box<Files>),
    Failed(io::Error),
}

impl Recording {
    pub(super) fn write(
        &mut self,
        tell: Tell<'_>,
        job: impl FnOnce(&mut Writer) -> io::Result<()>,
    ) {
        if let Self::On(files) = self
            && let Err(error) = job(files.writer())
        {
            self.fail(tell, error);
        }
    }

    fn fail(&mut self, tell: Tell<'_>, error: io::Error) {
        let why = error.to_string();
        *self = Self::Failed(error);
        tell(Note::RecordingFailed { why });
    }

    /// Whether it is to go on in a further file. `quiet`: nothing would be cut in two.
    pub(super) fn is_due(&self, quiet: bool) -> bool {
        matches!(self, Self::On(files) if files.is_due(quiet))
    }

    /// Goes on in a further file.
    pub(super) fn turn(&mut self, tell: Tell<'_>, trailer: &Trailer) {
        let Self::On(files) = self else {
            return;
        };
        match files.turn(trailer) {
            Ok(turned) => tell(Note::Turned(turned)),
            Err(error) => self.fail(tell, io::Error::other(error)),
        }
    }

    /// Goes on with another run of the daemon.
    pub(super) fn segment(&mut self, tell: Tell<'_>, header: &Header) {
        if let Self::On(files) = self
            && let Err(error) = files.segment(header)
        {
            self.fail(tell, error);
        }
    }

    /// Ends its segment. Gives the recording, which may go on, or why it is not whole.
    pub(super) fn finish(mut self, tell: Tell<'_>, trailer: &Trailer) -> (Self, Option<Error>) {
        if let Self::On(files) = &mut self
            && let Err(error) = files.finish(trailer)
        {
            self.fail(tell, error);
        }
        match self {
            Self::Failed(error) => (Self::None, Some(Error::Recording(error))),
            whole => (whole, None),
        }
    }
}

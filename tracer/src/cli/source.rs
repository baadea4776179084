//! The recording that a command is given: passed over once for its end, then read for what is in
//! it.

use std::path::Path;

use anyhow::Result;

use super::failure::Failure;
use super::progress::Progress;
use crate::capture::{self, Ending, Header, Reader, Unpacked};
use crate::correlate::{Summary, Trace};
use crate::decode::Redact;
use crate::session::{Context, replay_in_batches};

/// A recording that can be read any number of times, and what its end says.
pub struct Source {
    from: capture::Source,
    pub header: Header,
    pub ending: Ending,
    pub progress: Progress,
}

impl Source {
    /// Opens a recording and looks for its end.
    pub fn open(path: &Path) -> Result<Self> {
        let from = capture::Source::open(path).map_err(Failure::from)?;
        let progress = Progress::new(from.size());
        let reader = from.read(|bytes| progress.passed(bytes));
        let reader = reader.map_err(Failure::from)?;
        let header = reader.header().clone();
        let ending = reader.finish();
        let ending = ending.map_err(|error| Failure::from(from.failed(error.into())))?;
        Ok(Self {
            from,
            header,
            ending,
            progress,
        })
    }

    /// How it is called in messages.
    pub fn shown(&self) -> &str {
        self.from.shown()
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> Result<Reader<Unpacked<'_>>> {
        self.progress.again();
        let reader = self.from.read(|bytes| self.progress.passed(bytes));
        Ok(reader.map_err(Failure::from)?)
    }

    /// What is known of it.
    pub fn context(&self) -> Context {
        Context::ending(&self.header, &self.ending)
    }

    /// Gives everything that is whole in it, in batches; gives the counts of all.
    pub fn batches(
        &self,
        redact: Redact,
        give: impl FnMut(Trace) -> Result<()>,
    ) -> Result<Summary> {
        let summary = replay_in_batches(self.reader()?, &self.ending, redact, give);
        self.progress.hide();
        summary.map_err(|error| self.failed(error))
    }

    /// An error of reading it gets its name.
    pub fn failed(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<capture::Error>() {
            Ok(error) => Failure::from(self.from.failed(error)).into(),
            Err(error) => error,
        }
    }
}

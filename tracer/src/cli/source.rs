//! The recording that a command is given: passed over once for its end, then read for what is in
//! it.

use std::path::Path;
use std::rc::Rc;

use anyhow::Result;

use super::failure::Failure;
use super::progress::Progress;
use crate::capture::{self, Ending, Header, Reader, Unpacked};
use crate::correlate::{Summary, Trace};
use crate::decode::Redact;
use crate::session::{Context, replay_in_batches};

/// A segment of a recording (of one run of the daemon) that can be read any number of times, and
/// what its end says.
pub struct Source {
    from: Rc<capture::Source>,
    /// Segments before it.
    before: usize,
    pub header: Header,
    pub ending: Ending,
    pub progress: Rc<Progress>,
}

impl Source {
    /// Opens a recording and looks for its ends: one for each segment, at least one.
    pub fn open(path: &Path) -> Result<Vec<Self>> {
        let from = Rc::new(capture::Source::open(path).map_err(Failure::from)?);
        let progress = Rc::new(Progress::new(from.size()));
        let mut segments: Vec<Self> = Vec::new();
        let reader = from.read(|bytes| progress.passed(bytes));
        let mut next = Some(reader.map_err(Failure::from)?);
        while let Some(reader) = next {
            let header = reader.header().clone();
            let (ending, behind) = reader.next_segment().map_err(|e| unread(&from, e))?;
            segments.push(Self {
                from: Rc::clone(&from),
                before: segments.len(),
                header,
                ending,
                progress: Rc::clone(&progress),
            });
            next = behind;
        }
        drop(next);
        Ok(segments)
    }

    /// How it is called in messages.
    pub fn shown(&self) -> &str {
        self.from.shown()
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> Result<Reader<Unpacked<'_>>> {
        self.progress.again();
        let reader = self.from.read(|bytes| self.progress.passed(bytes));
        let mut reader = reader.map_err(Failure::from)?;
        for _ in 0..self.before {
            let (_, next) = reader.next_segment().map_err(|e| unread(&self.from, e))?;
            reader = next.ok_or_else(|| {
                Failure::new(
                    format!("{}: it became shorter while it was read", self.shown()),
                    "show it when nothing writes to it any more",
                )
            })?;
        }
        Ok(reader)
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

fn unread(from: &capture::Source, error: std::io::Error) -> Failure {
    Failure::from(from.failed(error.into()))
}

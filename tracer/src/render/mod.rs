//! Traces → text, JSON Lines, Markdown. What comes from the daemon is untrusted text: escaped on every output.

mod compare;
mod jsonl;
mod markdown;
mod style;
mod text;
mod tree;

use std::io::{self, Write};

pub use compare::{Column, Comparison};
pub use markdown::markdown;
pub use style::Style;
pub use text::{escape, go_duration};

use crate::capture::Header;
use crate::correlate::{Owner, Summary, Trace};

/// Form of a stream of requests and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    Tree,
    Jsonl,
}

/// Writes traces as they come, live or replayed.
#[derive(Debug)]
pub struct Stream<'h> {
    kind: StreamKind,
    style: Style,
    header: &'h Header,
    clock: Clock,
}

/// Turns monotonic times into wall clock.
#[derive(Clone, Copy, Debug)]
struct Clock {
    wall_ns: u64,
    monotonic_ns: u64,
}

impl Clock {
    fn of(header: &Header) -> Self {
        Self {
            wall_ns: header.wall_ns,
            monotonic_ns: header.monotonic_ns,
        }
    }

    /// Wall clock with zone, e.g. `12:01:02.123456+01:00`.
    fn time(&self, monotonic: u64) -> String {
        self.format("%H:%M:%S.%6f%:z", monotonic)
    }

    /// RFC 3339.
    fn date_time(&self, monotonic: u64) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%6f%:z", monotonic)
    }

    fn format(&self, form: &str, monotonic: u64) -> String {
        let wall = i128::from(self.wall_ns) + i128::from(monotonic) - i128::from(self.monotonic_ns);
        jiff::Timestamp::from_nanosecond(wall).map_or_else(
            |_| "?".to_owned(),
            |stamp| {
                let zoned = stamp.to_zoned(jiff::tz::TimeZone::system());
                zoned.strftime(form).to_string()
            },
        )
    }
}

impl<'h> Stream<'h> {
    /// For the session or recording that begins with `header`.
    #[must_use]
    pub fn new(kind: StreamKind, style: Style, header: &'h Header) -> Self {
        Self {
            kind,
            style,
            header,
            clock: Clock::of(header),
        }
    }

    /// What was traced.
    ///
    /// # Errors
    /// Writing fails.
    pub fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.kind {
            StreamKind::Tree => tree::header(self.header, &self.style, out),
            StreamKind::Jsonl => jsonl::header(self.header, &self.clock, out),
        }
    }

    /// Requests with their calls, then calls without a request.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write(&self, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        match self.kind {
            StreamKind::Tree => {
                tree::write(&self.header.plan, &self.clock, trace, &self.style, out)
            }
            StreamKind::Jsonl => jsonl::write(&self.header.plan, &self.clock, trace, out),
        }
    }

    /// Counts and completeness.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(
        &self,
        summary: &Summary,
        completeness: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self.kind {
            StreamKind::Tree => Ok(()),
            StreamKind::Jsonl => jsonl::finish(summary, completeness, out),
        }
    }
}

/// Requests that own at least one call, by position in the trace.
#[must_use]
pub fn list_requests(trace: &Trace) -> Vec<usize> {
    let mut found: Vec<usize> = trace
        .calls
        .iter()
        .filter_map(|c| match c.owner {
            Owner::Request { request, .. } => Some(request),
            Owner::Internal => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

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
pub use text::escape;

use crate::capture::Recording;
use crate::correlate::{Owner, Summary, Trace};
use crate::plan::Plan;

/// Form of a stream of requests and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    Tree,
    Jsonl,
}

/// Writes traces as they come, live or replayed.
#[derive(Debug)]
pub struct Stream<'p> {
    kind: StreamKind,
    style: Style,
    plan: &'p Plan,
    clock: Clock,
}

/// Turns monotonic times into wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_ns: u64,
    monotonic_ns: u64,
}

impl Clock {
    /// Wall clock with zone, e.g. `12:01:02.123456+01:00`.
    fn time(&self, monotonic: u64) -> String {
        self.zoned(monotonic).map_or_else(
            || "?".to_owned(),
            |z| z.strftime("%H:%M:%S.%6f%:z").to_string(),
        )
    }

    /// RFC 3339.
    fn date_time(&self, monotonic: u64) -> String {
        self.zoned(monotonic).map_or_else(
            || "?".to_owned(),
            |z| z.strftime("%Y-%m-%dT%H:%M:%S.%6f%:z").to_string(),
        )
    }

    fn zoned(&self, monotonic: u64) -> Option<jiff::Zoned> {
        let wall = i128::from(self.wall_ns) + i128::from(monotonic) - i128::from(self.monotonic_ns);
        let stamp = jiff::Timestamp::from_nanosecond(wall).ok()?;
        Some(stamp.to_zoned(jiff::tz::TimeZone::system()))
    }
}

impl<'p> Stream<'p> {
    /// `recording`: the session's header stands for it live.
    #[must_use]
    pub fn new(kind: StreamKind, style: Style, header: &'p crate::capture::Header) -> Self {
        Self {
            kind,
            style,
            plan: &header.plan,
            clock: Clock {
                wall_ns: header.wall_ns,
                monotonic_ns: header.monotonic_ns,
            },
        }
    }

    /// What was traced.
    ///
    /// # Errors
    /// Writing fails.
    pub fn header(&self, header: &crate::capture::Header, out: &mut dyn Write) -> io::Result<()> {
        match self.kind {
            StreamKind::Tree => tree::header(header, &self.style, out),
            StreamKind::Jsonl => jsonl::header(header, &self.clock, out),
        }
    }

    /// Requests with their calls, then calls without a request.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write(&self, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        match self.kind {
            StreamKind::Tree => tree::write(self.plan, &self.clock, trace, &self.style, out),
            StreamKind::Jsonl => jsonl::write(self.plan, &self.clock, trace, out),
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

fn clock_of(recording: &Recording) -> Clock {
    Clock {
        wall_ns: recording.header().wall_ns,
        monotonic_ns: recording.header().monotonic_ns,
    }
}

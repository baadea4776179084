//! Traces → text, JSON Lines, Markdown. What comes from the daemon is untrusted text: escaped on every output.

mod call;
mod compare;
mod error;
mod jsonl;
mod line;
mod lint;
mod markdown;
mod origin;
mod request;
mod root;
mod style;
mod table;
mod text;
mod tree;
mod unreached;
mod what;

use std::collections::BTreeMap;
use std::io::{self, Write};

pub use compare::{Column, Comparison};
pub use markdown::markdown;
pub use style::Style;
pub use text::{escape, escape_json, go_duration, seconds};
pub use what::what;

use self::line::{Line, Look};
use crate::capture::{Completeness, Header};
use crate::correlate::{CallState, Owner, Summary, Trace};
use crate::decode::Redact;
use crate::ledger::{Ledger, Thresholds, Unreached};
use crate::plan::{FuncSchema, Plan};

/// Form of a stream of requests and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    Tree,
    Table,
    Jsonl,
}

/// What of a trace is shown, and how wide.
#[derive(Clone, Debug)]
pub struct View {
    /// Columns of a row.
    pub width: usize,
    /// Only requests whose route holds this, or that reached this function.
    pub root: Option<String>,
    /// Callers are shown under each call.
    pub stack: bool,
    /// Names of return addresses, innermost inlined frame first.
    pub symbols: BTreeMap<u64, Vec<String>>,
    /// Where several daemons are traced: what stands in front of everything that is this one's.
    pub daemon: Option<String>,
    /// What has been in flight this long is slow, ns.
    pub slow: u64,
    /// Whether secrets are hidden in what is shown.
    pub redact: Redact,
}

/// Columns where the output is no terminal, or tells none.
const WIDTH: usize = 80;
/// Longer than any ordinary request takes, ns.
const SLOW: u64 = 10_000_000_000;
/// Narrower terminals get rows of this width all the same.
const NARROWEST: usize = 40;

impl Default for View {
    fn default() -> Self {
        Self {
            width: WIDTH,
            root: None,
            stack: false,
            symbols: BTreeMap::new(),
            daemon: None,
            slow: SLOW,
            redact: Redact::On,
        }
    }
}

impl View {
    /// As wide as the terminal on stdout; 80 columns where there is none.
    #[must_use]
    pub fn of_stdout() -> Self {
        let columns =
            rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_col);
        let width = match usize::from(columns) {
            0 => WIDTH,
            columns => columns.max(NARROWEST),
        };
        Self {
            width,
            ..Self::default()
        }
    }
}

/// Writes traces as they come, live or replayed.
#[derive(Debug)]
pub struct Stream<'h> {
    kind: StreamKind,
    style: Style,
    view: View,
    header: &'h Header,
    clock: Clock,
    ledger: Ledger,
    unreached: Unreached,
    /// Requests that came, whether they are shown or not.
    came: u64,
    /// Calls given out.
    shown: u64,
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
    pub fn new(kind: StreamKind, style: Style, view: View, header: &'h Header) -> Self {
        Self {
            kind,
            style,
            view,
            header,
            clock: Clock::of(header),
            ledger: Ledger::new(&header.plan),
            unreached: Unreached::new(&header.plan),
            came: 0,
            shown: 0,
        }
    }

    /// Gives names to return addresses.
    pub fn name(&mut self, names: impl IntoIterator<Item = (u64, Vec<String>)>) {
        self.view.symbols.extend(names);
    }

    /// What was traced.
    ///
    /// # Errors
    /// Writing fails.
    pub fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.kind {
            StreamKind::Tree | StreamKind::Table => {
                tree::header(self.header, self.style, &self.view, out)
            }
            StreamKind::Jsonl => jsonl::header(self.header, &self.clock, out),
        }
    }

    /// Requests with their calls, then calls without a request; of a table nothing yet.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write(&mut self, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        let last = trace.requests.iter().map(|r| u64::from(r.id)).max();
        self.came = self.came.max(last.unwrap_or(0));
        let selected = root::select(&self.header.plan, trace, self.view.root.as_deref());
        let trace = selected.as_ref();
        self.shown = self.shown.saturating_add(trace.calls.len() as u64);
        self.ledger.add(trace);
        self.unreached.add(trace);
        match self.kind {
            StreamKind::Table => Ok(()),
            StreamKind::Tree => tree::write(
                &self.header.plan,
                &self.clock,
                trace,
                self.style,
                &self.view,
                out,
            ),
            StreamKind::Jsonl => {
                jsonl::write(self.header, &self.clock, trace, &self.view.symbols, out)
            }
        }
    }

    /// Requests that are still open, while the session goes on.
    ///
    /// # Errors
    /// Writing fails.
    pub fn open(&self, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        let selected = root::select(&self.header.plan, trace, self.view.root.as_deref());
        let trace = selected.as_ref();
        match self.kind {
            StreamKind::Table => Ok(()),
            StreamKind::Tree => tree::open(
                &self.header.plan,
                &self.clock,
                trace,
                self.style,
                &self.view,
                out,
            ),
            StreamKind::Jsonl => jsonl::open(self.header, &self.clock, trace, out),
        }
    }

    /// Calls given out up to now.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// What is said at the end: what is not shown, warnings, the table, or counts and completeness.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(
        &self,
        summary: &Summary,
        completeness: &Completeness,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let slow = self.view.slow;
        match self.kind {
            StreamKind::Tree => {
                self.not_shown(out)?;
                let lints = self.ledger.lints(&Thresholds { slow });
                lint::write(&lints, self.style, &self.view, out)?;
                // how many were hidden goes to stderr: a tree shows each
                if self.view.redact == Redact::Off {
                    self.secrets(summary, out)?;
                }
                self.incomplete(completeness, out)
            }
            StreamKind::Table => {
                table::write(
                    &self.ledger,
                    &self.header.plan.g,
                    &self.clock,
                    self.style,
                    &self.view,
                    out,
                )?;
                self.secrets(summary, out)?;
                self.incomplete(completeness, out)
            }
            StreamKind::Jsonl => jsonl::finish(self.header, summary, &completeness.text, out),
        }
    }

    /// Requests that reached none of the traced functions, or that there is nothing to show.
    fn not_shown(&self, out: &mut dyn Write) -> io::Result<()> {
        for text in not_shown(&self.unreached, self.shown, self.came, &self.view) {
            unreached::write(&text, self.style, &self.view, out)?;
        }
        Ok(())
    }

    /// Says what became of secrets.
    fn secrets(&self, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
        let Some(text) = secrets(self.view.redact, summary.masked) else {
            return Ok(());
        };
        let mut line = Line::default();
        tree::prefix(&mut line, &self.view);
        line.push(Look::Warn, text);
        line.put(self.style, self.view.width, "", "  ", out)
    }

    /// Says what is missing where it would look as if it had never been.
    fn incomplete(&self, completeness: &Completeness, out: &mut dyn Write) -> io::Result<()> {
        if !completeness.records_missing {
            return Ok(());
        }
        let mut line = Line::default();
        tree::prefix(&mut line, &self.view);
        line.push(Look::Warn, escape(&completeness.text));
        line.put(self.style, self.view.width, "", "  ", out)
    }
}

/// What is said of requests that are not shown, and of there being nothing else.
fn not_shown(unreached: &Unreached, shown: u64, came: u64, view: &View) -> Vec<String> {
    let line = unreached::line(&unreached.counts());
    let root = view.root.as_deref();
    let nothing = (shown == 0 && line.is_none()).then(|| unreached::nothing(came, root));
    line.into_iter().chain(nothing).collect()
}

/// Functions whose calls a request is in, outermost first.
fn open_calls<'p>(
    plan: &'p Plan,
    trace: &Trace,
    request: usize,
) -> impl Iterator<Item = &'p FuncSchema> {
    trace
        .calls
        .iter()
        .filter(move |c| {
            let owned = matches!(c.owner, Owner::Request { request: r, .. } if r == request);
            owned && c.state == CallState::InFlight
        })
        .filter_map(|c| plan.functions.get(c.func as usize))
}

/// Requests that own at least one call, or share another's, by position in the trace.
#[must_use]
pub fn list_requests(trace: &Trace) -> Vec<usize> {
    let own = trace.calls.iter().filter_map(|c| match c.owner {
        Owner::Request { request, .. } => Some(request),
        Owner::Internal => None,
    });
    let shared = trace
        .calls
        .iter()
        .flat_map(|c| c.shared_with.iter().map(|s| s.request));
    let mut found: Vec<usize> = own.chain(shared).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// How many secrets were hidden, or that none was.
fn secrets(redact: Redact, masked: u64) -> Option<String> {
    match (redact, masked) {
        (Redact::Off, _) => Some("secrets are in clear (--redact=off)".to_owned()),
        (Redact::On, 0) => None,
        (Redact::On, 1) => Some("1 value masked as a secret".to_owned()),
        (Redact::On, n) => Some(format!("{n} values masked as secrets")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_records_are_said_in_every_format() {
        let header = Header::default();
        let text = "incomplete: 7 hits; 3 records lost (ring buffer full)";
        let finished = |kind, records_missing| {
            let stream = Stream::new(kind, Style::new(Some(false)), View::default(), &header);
            let completeness = Completeness {
                text: text.into(),
                records_missing,
            };
            let mut out = Vec::new();
            stream
                .finish(&Summary::default(), &completeness, &mut out)
                .expect("written");
            String::from_utf8(out).expect("text")
        };
        for kind in [StreamKind::Tree, StreamKind::Table, StreamKind::Jsonl] {
            assert!(finished(kind, true).contains(text), "{kind:?}");
        }
        // what is missing within values is said at each of them
        assert!(!finished(StreamKind::Tree, false).contains(text));
        assert!(finished(StreamKind::Tree, false).contains("no request came"));
    }
}

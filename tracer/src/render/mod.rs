//! Traces → text, JSON Lines, Markdown. What comes from the daemon is untrusted text: escaped on
//! every output.

mod call;
mod closing;
mod compare;
mod error;
mod format;
mod jsonl;
mod line;
mod lint;
mod markdown;
mod origin;
mod request;
mod seam;
mod selection;
mod style;
mod table;
mod text;
mod time;
mod tree;
mod unreached;
mod what;

pub use compare::{Column, Comparison};
pub use format::{FORMATS, Format};
pub use style::Style;
pub use text::{escape, escape_json, go_duration, seconds};
pub use what::What;

use closing::Closing;

use crate::correlate::{CallState, Owner, Trace};
use crate::decode::Redact;
use crate::plan::{FuncSchema, Plan};

/// What of a trace is shown, and how wide.
#[derive(Clone, Debug)]
pub struct View {
    /// Columns of a row.
    pub width: usize,
    /// Callers are shown under each call.
    pub stack: bool,
    /// Name of the daemon, in front of each of its lines where several daemons are traced.
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
            stack: false,
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

//! Code paths side by side: the options each one passed and where they come from, what it got back,
//! where the paths part, and what follows from it.
//!
//! `rows` finds the calls to compare and their options, `returned` takes their results apart,
//! `differences` puts two results side by side, `effects` knows what each option can change,
//! `verdict` says what follows, `layout` writes it.

mod differences;
mod layout;
mod returned;
mod rows;
mod verdict;

use super::request::{agent, route, unread};
use super::text::{duration, escape};
use super::time::time;
use crate::correlate::{CallState, Request, Trace};
use crate::plan::Plan;
use crate::provenance::Provenance;
use crate::session::Context;
use returned::Outcome;

/// What one column is to show: a label, and the requests that can be meant. More than one is
/// ambiguous, and none is picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub label: String,
    /// Positions in the trace.
    pub candidates: Vec<usize>,
}

impl Column {
    /// A column for exactly one request.
    #[must_use]
    pub fn one(label: String, request: usize) -> Self {
        Self {
            label,
            candidates: vec![request],
        }
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    text: String,
    /// What it is compared by; `None`: unknown, neither equal nor different.
    key: Option<String>,
    /// Where an option's value comes from.
    from: Option<String>,
}

impl Cell {
    fn known(text: String) -> Self {
        Self {
            key: Some(text.clone()),
            text,
            from: None,
        }
    }
    fn shown(text: String) -> Self {
        Self {
            text,
            key: None,
            from: None,
        }
    }
    /// `true (query all=1)`
    fn whole(&self) -> String {
        match &self.from {
            Some(from) => format!("{} ({from})", self.text),
            None => self.text.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKind {
    About,
    Option,
    Status,
    Result,
}

#[derive(Clone, Debug)]
struct Row {
    label: String,
    kind: RowKind,
    cells: Vec<Cell>,
}

impl Row {
    /// All known, and not all the same.
    fn differs(&self) -> bool {
        let keys: Vec<&String> = self.cells.iter().filter_map(|c| c.key.as_ref()).collect();
        keys.len() == self.cells.len() && keys.windows(2).any(|w| w[0] != w[1])
    }
    /// A difference that the reader is to see.
    fn is_marked(&self) -> bool {
        self.kind != RowKind::About && self.differs()
    }
    fn unknown(&self) -> bool {
        self.cells.iter().any(|c| c.key.is_none())
    }
}

/// The comparison, ready to be written.
#[derive(Clone, Debug)]
pub struct Comparison {
    title: String,
    heads: Vec<String>,
    rows: Vec<Row>,
    verdict: Vec<String>,
    notes: Vec<String>,
    certain: bool,
}

impl Comparison {
    #[must_use]
    pub fn new(context: &Context, trace: &Trace, columns: &[Column]) -> Self {
        let plan = context.plan.as_ref();
        let daemon = &context.daemon;
        let title = format!(
            "{} (pid {}, {})",
            escape(&daemon.exe),
            daemon.pid,
            escape(&daemon.go_version)
        );
        let mut notes: Vec<String> = plan.issues.iter().map(|i| escape(&i.text())).collect();
        notes.push(context.completeness().text);
        let heads = columns
            .iter()
            .enumerate()
            .map(|(n, c)| {
                if c.label.is_empty() {
                    format!("path {}", letter(n))
                } else {
                    escape(&c.label)
                }
            })
            .collect();
        let mut this = Self {
            title,
            heads,
            rows: Vec::new(),
            verdict: Vec::new(),
            notes,
            certain: false,
        };
        let picked: Vec<usize> = columns
            .iter()
            .filter_map(|c| match c.candidates.as_slice() {
                [one] => Some(*one),
                _ => None,
            })
            .collect();
        if picked.len() != columns.len() {
            this.not_unique(context, trace, columns);
            return this;
        }
        let provenance = Provenance::new(plan, trace, &context.symbols);
        this.compare(plan, trace, &provenance, &picked);
        this
    }

    /// Every column stands for one request and every value compared was captured.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.certain
    }

    fn not_unique(&mut self, context: &Context, trace: &Trace, columns: &[Column]) {
        for (head, column) in self.heads.iter().zip(columns) {
            if column.candidates.is_empty() {
                self.verdict
                    .push(format!("No request with list calls was seen for {head}."));
            } else if column.candidates.len() > 1 {
                self.verdict.push(format!(
                    "{} requests can be meant by {head}; none is picked:",
                    column.candidates.len()
                ));
                for index in &column.candidates {
                    let Some(r) = trace.requests.get(*index) else {
                        continue;
                    };
                    self.verdict.push(format!(
                        "  #{} {}  {}  {}",
                        r.id,
                        route(r),
                        time(&context.clock, r.start),
                        agent(r.user_agent.as_ref())
                    ));
                }
            }
        }
        self.verdict.push(
            "No conclusion. Record with -o and choose requests by number: mobytrace compare FILE REQ REQ".into(),
        );
    }

    fn row<T>(&mut self, label: &str, kind: RowKind, of: &[T], cell: impl Fn(&T) -> Cell) {
        self.rows.push(Row {
            label: label.to_owned(),
            kind,
            cells: of.iter().map(cell).collect(),
        });
    }

    fn compare(
        &mut self,
        plan: &Plan,
        trace: &Trace,
        provenance: &Provenance<'_>,
        picked: &[usize],
    ) {
        let requests: Vec<&Request> = picked
            .iter()
            .filter_map(|i| trace.requests.get(*i))
            .collect();
        self.row("request", RowKind::About, &requests, |r| {
            Cell::shown(route(r))
        });
        self.row("status", RowKind::Status, &requests, |r| {
            match (r.status, r.state) {
                (Some(status), _) => Cell::known(status.to_string()),
                (None, CallState::Panicked) => Cell::known("none: its handler panicked".into()),
                (None, _) => Cell::shown("none".into()),
            }
        });
        self.row("client", RowKind::About, &requests, |r| {
            Cell::shown(agent(r.user_agent.as_ref()))
        });
        for (head, request) in self.heads.iter().zip(&requests) {
            if let Some(unread) = unread(plan, request) {
                let note = format!("parameters of {head} that dockerd does not read: {unread}");
                self.notes.insert(0, note);
            }
        }
        let Some(common) = rows::common(plan, trace, picked) else {
            self.row("calls", RowKind::About, picked, |request| {
                Cell::shown(rows::call_names(plan, trace, *request))
            });
            self.request_time(&requests);
            self.nothing_in_common();
            return;
        };
        let (function, calls) = (common.function, &common.calls);
        self.row("function", RowKind::About, calls, |_| {
            Cell::shown(escape(&function.short))
        });
        self.row("reached by", RowKind::About, calls, |part| {
            Cell::shown(rows::path_to(plan, trace, *part))
        });
        let (options, unknown) = rows::options(function, trace, provenance, calls);
        self.rows.extend(options);
        let noun = rows::noun(plan, function);
        let outcomes: Vec<Outcome> = calls
            .iter()
            .map(|p| returned::outcome(function, p.call))
            .collect();
        let both: Vec<_> = calls.iter().zip(&outcomes).collect();
        self.row(
            "returned",
            RowKind::Result,
            &both,
            |(part, outcome)| match outcome {
                Outcome::Came(r) => match r.lists.as_slice() {
                    [list] if list.path.is_empty() => Cell::known(noun.counted(list.len)),
                    _ => Cell::shown(super::call::results(function, &part.call.results)),
                },
                Outcome::Failed(_) => Cell::shown("nothing".into()),
                Outcome::Unknown(why) => Cell::shown(why.clone()),
            },
        );
        self.row("error", RowKind::Result, calls, |part| {
            rows::error(function, part.call)
        });
        self.row("call took", RowKind::About, calls, |part| {
            took(part.call.start, part.call.end)
        });
        self.request_time(&requests);
        for (head, reasons) in self.heads.iter().zip(unknown) {
            for (why, options) in reasons {
                self.notes.insert(
                    0,
                    format!(
                        "where {} of {head} comes from is not known: {}",
                        options.join(", "),
                        escape(&why)
                    ),
                );
            }
        }
        self.conclude(&common, &outcomes, noun);
    }

    fn request_time(&mut self, requests: &[&Request]) {
        self.row("request took", RowKind::About, requests, |r| {
            took(r.start, r.end)
        });
    }
}

fn took(start: u64, end: Option<u64>) -> Cell {
    Cell::shown(end.map_or_else(
        || "not known: its end was not seen".to_owned(),
        |end| duration(end.saturating_sub(start)),
    ))
}

fn letter(n: usize) -> char {
    char::from(b'A' + u8::try_from(n % 26).unwrap_or(0))
}

#[cfg(test)]
mod tests;

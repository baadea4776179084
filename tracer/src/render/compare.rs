//! Code paths side by side: the options each one passed, what it got back, where they part, and what follows from it.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::text::{self, duration, escape};
use super::tree::route;
use super::{Style, clock_of};
use crate::capture::Recording;
use crate::correlate::{Call, CallState, Link, Owner, Trace};
use crate::decode::{Missing, Value};
use crate::plan::{FuncSchema, Plan};

/// Width of the text form.
const WIDTH: usize = 96;
/// IDs named when sets differ.
const MOST_IDS: usize = 3;

/// What one column is to show: a label, and the requests that can be meant. More than one is ambiguous, and none is picked.
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

/// One cell: its text, and what it is compared by (`None`: unknown, neither equal nor different).
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    text: String,
    key: Option<String>,
}

impl Cell {
    fn known(text: String) -> Self {
        Self {
            key: Some(text.clone()),
            text,
        }
    }
    fn shown(text: String) -> Self {
        Self { text, key: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKind {
    About,
    Option,
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
    fn unknown(&self) -> bool {
        self.cells.iter().any(|c| c.key.is_none())
    }
}

/// What one path got back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Returned {
    count: u64,
    /// IDs, if every element's ID was captured.
    ids: Option<BTreeSet<String>>,
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
    pub fn new(recording: &Recording, trace: &Trace, columns: &[Column]) -> Self {
        let plan = recording.plan();
        let daemon = &recording.header().daemon;
        let title = format!(
            "{} (pid {}, {})",
            escape(&daemon.exe),
            daemon.pid,
            escape(&daemon.go_version)
        );
        let mut notes: Vec<String> = plan.issues.iter().map(|i| escape(&i.text)).collect();
        notes.push(recording.completeness());
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
            this.not_unique(recording, trace, columns);
            return this;
        }
        this.compare(plan, trace, &picked);
        this
    }

    /// Every column stands for one request and every value compared was captured.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.certain
    }

    fn not_unique(&mut self, recording: &Recording, trace: &Trace, columns: &[Column]) {
        let clock = clock_of(recording);
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
                        escape(&route(r)),
                        clock.time(r.start),
                        escape(r.user_agent.as_deref().unwrap_or("no User-Agent"))
                    ));
                }
            }
        }
        self.verdict.push(
            "No conclusion. Record with -o and choose requests by number: mobytrace compare FILE REQ REQ".into(),
        );
    }

    fn compare(&mut self, plan: &Plan, trace: &Trace, picked: &[usize]) {
        let requests: Vec<_> = picked
            .iter()
            .filter_map(|i| trace.requests.get(*i))
            .collect();
        let row = |label: &str, kind, cells: Vec<Cell>| Row {
            label: label.to_owned(),
            kind,
            cells,
        };
        self.rows.push(row(
            "request",
            RowKind::About,
            requests
                .iter()
                .map(|r| Cell::shown(escape(&route(r))))
                .collect(),
        ));
        self.rows.push(row(
            "status",
            RowKind::About,
            requests
                .iter()
                .map(|r| Cell::shown(r.status.map_or_else(|| "none".into(), |s| s.to_string())))
                .collect(),
        ));
        self.rows.push(row(
            "client",
            RowKind::About,
            requests
                .iter()
                .map(|r| Cell::shown(escape(r.user_agent.as_deref().unwrap_or("no User-Agent"))))
                .collect(),
        ));
        let Some((function, calls)) = common_call(plan, trace, picked) else {
            self.rows.push(row(
                "calls",
                RowKind::About,
                picked
                    .iter()
                    .map(|i| Cell::shown(call_names(plan, trace, *i)))
                    .collect(),
            ));
            self.verdict
                .push("The paths have no traced function in common: nothing to compare.".into());
            return;
        };
        self.rows.push(row(
            "function",
            RowKind::About,
            calls
                .iter()
                .map(|_| Cell::shown(escape(&function.short)))
                .collect(),
        ));
        self.rows.push(row(
            "reached by",
            RowKind::About,
            calls
                .iter()
                .map(|c| Cell::shown(path_to(plan, trace, c)))
                .collect(),
        ));
        self.rows.extend(option_rows(function, &calls));
        let returned: Vec<Option<Returned>> = calls.iter().map(|c| returned(function, c)).collect();
        self.rows.push(row(
            "returned",
            RowKind::Result,
            calls
                .iter()
                .zip(&returned)
                .map(|(c, r)| match (r, &c.state) {
                    (Some(r), _) => Cell::known(format!("{} containers", r.count)),
                    (None, CallState::Returned) => {
                        Cell::shown(super::tree::results(&function.results, &c.results))
                    }
                    _ => Cell::shown("did not return while traced".into()),
                })
                .collect(),
        ));
        self.rows.push(row(
            "error",
            RowKind::Result,
            calls.iter().map(|c| error_cell(function, c)).collect(),
        ));
        self.rows.push(row(
            "time",
            RowKind::About,
            calls
                .iter()
                .map(|c| {
                    Cell::shown(
                        c.end
                            .map_or_else(|| "?".into(), |e| duration(e.saturating_sub(c.start))),
                    )
                })
                .collect(),
        ));
        self.conclude(&returned);
    }

    fn conclude(&mut self, returned: &[Option<Returned>]) {
        let differing: Vec<&Row> = self
            .rows
            .iter()
            .filter(|r| r.kind == RowKind::Option && r.differs())
            .collect();
        let unknown: Vec<String> = self
            .rows
            .iter()
            .filter(|r| r.kind != RowKind::About && r.unknown())
            .map(|r| r.label.clone())
            .collect();
        let mut verdict = Vec::new();
        let pairs = |row: &Row| {
            self.heads
                .iter()
                .zip(&row.cells)
                .map(|(head, cell)| format!("{} for {head}", cell.text))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match differing.as_slice() {
            [] if unknown.is_empty() => {
                verdict.push("Options: the same on every path.".to_owned());
            }
            [] => {}
            [first, rest @ ..] => {
                verdict.push(format!(
                    "First difference: {} is {}.",
                    first.label,
                    pairs(first)
                ));
                if !rest.is_empty() {
                    let names: Vec<&str> = rest.iter().map(|r| r.label.as_str()).collect();
                    verdict.push(format!("Also different: {}.", names.join(", ")));
                }
            }
        }
        let known: Option<Vec<&Returned>> = returned.iter().map(Option::as_ref).collect();
        match known {
            Some(known) => verdict.extend(self.compare_results(&known, !differing.is_empty())),
            None => verdict.push(
                "What the paths returned cannot be compared: not every call's result was captured."
                    .into(),
            ),
        }
        if !unknown.is_empty() {
            verdict.push(format!(
                "Not compared, because a value is missing: {}.",
                unknown.join(", ")
            ));
        }
        self.certain = unknown.is_empty() && returned.iter().all(Option::is_some);
        self.verdict = verdict;
    }

    fn compare_results(&self, known: &[&Returned], options_differ: bool) -> Vec<String> {
        let mut said = Vec::new();
        let Some((first, others)) = known.split_first() else {
            return said;
        };
        let same_count = others.iter().all(|r| r.count == first.count);
        let same_ids = others.iter().all(|r| r.ids == first.ids) && first.ids.is_some();
        if same_count && same_ids {
            said.push(format!(
                "Conclusion: the daemon returned the same {} containers on {} paths{}. If a client shows different \
                 numbers, the difference arises outside dockerd (an API proxy, or the client's own filter).",
                first.count,
                if known.len() == 2 { "both".to_owned() } else { format!("all {}", known.len()) },
                if options_differ { ", although the options differ" } else { "" }
            ));
            return said;
        }
        let counts: Vec<String> = self
            .heads
            .iter()
            .zip(known)
            .enumerate()
            .map(|(n, (head, r))| {
                let unit = if n == 0 { " containers" } else { "" };
                format!("{}{unit} for {head}", r.count)
            })
            .collect();
        said.push(format!(
            "Conclusion: the paths part inside dockerd: it returned {}{}.",
            counts.join(", "),
            if options_differ {
                ", and they asked with different options"
            } else {
                " with the same options: the containers changed in between, or a value that was not compared decides"
            }
        ));
        for (n, other) in others.iter().enumerate() {
            let (Some(a), Some(b)) = (&first.ids, &other.ids) else {
                said.push(
                    "Which containers differ cannot be said: not every ID was captured.".into(),
                );
                continue;
            };
            for (ids, head) in [
                (a.difference(b).collect::<Vec<_>>(), &self.heads[0]),
                (b.difference(a).collect::<Vec<_>>(), &self.heads[n + 1]),
            ] {
                if ids.is_empty() {
                    continue;
                }
                let mut names: Vec<String> = ids
                    .iter()
                    .take(MOST_IDS)
                    .map(|id| escape(id).chars().take(12).collect())
                    .collect();
                if ids.len() > MOST_IDS {
                    names.push(format!("… {} more", ids.len() - MOST_IDS));
                }
                said.push(format!(
                    "Only in {head}: {} ({}).",
                    ids.len(),
                    names.join(", ")
                ));
            }
        }
        said
    }

    /// Aligned text.
    ///
    /// # Errors
    /// Writing fails.
    pub fn text(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style.dim(&self.title))?;
        let label_width = self
            .rows
            .iter()
            .map(|r| r.label.chars().count())
            .max()
            .unwrap_or(0)
            .max(8);
        let columns = self.heads.len().max(1);
        let room = WIDTH.saturating_sub(label_width + 4) / columns;
        let width = room.saturating_sub(2).max(16);
        let line =
            |label: &str, cells: &[String], mark: bool, out: &mut dyn Write| -> io::Result<()> {
                let wrapped: Vec<Vec<String>> = cells.iter().map(|c| wrap(c, width)).collect();
                let lines = wrapped.iter().map(Vec::len).max().unwrap_or(1);
                for n in 0..lines {
                    let label = if n == 0 { label } else { "" };
                    let sign = if mark && n == 0 { "≠" } else { " " };
                    let mut text = format!("{sign} {label:<label_width$}");
                    for cell in &wrapped {
                        let part = cell.get(n).map_or("", String::as_str);
                        text.push_str(&format!("  {part:<width$}"));
                    }
                    let text = text.trim_end();
                    writeln!(
                        out,
                        "{}",
                        if mark {
                            style.differs(text)
                        } else {
                            text.to_owned()
                        }
                    )?;
                }
                Ok(())
            };
        line("", &self.heads, false, out)?;
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(|c| c.text.clone()).collect();
            line(
                &row.label,
                &cells,
                row.kind != RowKind::About && row.differs(),
                out,
            )?;
        }
        writeln!(out)?;
        for sentence in &self.verdict {
            for part in wrap_words(sentence, WIDTH) {
                writeln!(out, "{}", style.bold(&part))?;
            }
        }
        for note in &self.notes {
            for part in wrap_words(&format!("note: {note}"), WIDTH) {
                writeln!(out, "{}", style.dim(&part))?;
            }
        }
        Ok(())
    }

    /// Markdown for a bug report.
    ///
    /// # Errors
    /// Writing fails.
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "**mobytrace {}**: {}\n",
            env!("CARGO_PKG_VERSION"),
            self.title
        )?;
        if !self.rows.is_empty() {
            let heads: Vec<String> = self
                .heads
                .iter()
                .map(|h| super::markdown::cell(h))
                .collect();
            writeln!(out, "| | {} | |", heads.join(" | "))?;
            writeln!(out, "|---|{}---|", "---|".repeat(heads.len()))?;
            for row in &self.rows {
                let cells: Vec<String> = row
                    .cells
                    .iter()
                    .map(|c| super::markdown::cell(&c.text))
                    .collect();
                let mark = if row.kind != RowKind::About && row.differs() {
                    "**≠**"
                } else {
                    ""
                };
                writeln!(
                    out,
                    "| {} | {} | {mark} |",
                    super::markdown::cell(&row.label),
                    cells.join(" | ")
                )?;
            }
            writeln!(out)?;
        }
        for sentence in &self.verdict {
            writeln!(out, "{}", super::markdown::text(sentence))?;
        }
        writeln!(out)?;
        for note in &self.notes {
            writeln!(out, "- {}", super::markdown::text(note))?;
        }
        Ok(())
    }
}

fn letter(n: usize) -> char {
    char::from(b'A' + u8::try_from(n % 26).unwrap_or(0))
}

fn calls_of(trace: &Trace, request: usize) -> impl Iterator<Item = &Call> {
    trace
        .calls
        .iter()
        .filter(move |c| matches!(c.owner, Owner::Request { request: r, .. } if r == request))
}

fn call_names(plan: &Plan, trace: &Trace, request: usize) -> String {
    let names: Vec<String> = calls_of(trace, request)
        .filter_map(|c| plan.functions.get(c.func as usize))
        .map(|f| escape(&f.short))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The innermost traced function with options that every path reached, and its first call on each.
fn common_call<'a>(
    plan: &'a Plan,
    trace: &'a Trace,
    picked: &[usize],
) -> Option<(&'a FuncSchema, Vec<&'a Call>)> {
    let depth = |call: &Call| {
        let mut levels = 0;
        let mut next = call.parent;
        while let Some(parent) = next.and_then(|p| trace.calls.get(p)) {
            levels += 1;
            next = parent.parent.filter(|_| levels < 64);
        }
        levels
    };
    let mut best: Option<(usize, &FuncSchema, Vec<&Call>)> = None;
    for (index, function) in plan.functions.iter().enumerate() {
        if !function.params.iter().any(|p| p.shown) {
            continue;
        }
        let calls: Option<Vec<&Call>> = picked
            .iter()
            .map(|request| calls_of(trace, *request).find(|c| c.func as usize == index))
            .collect();
        let Some(calls) = calls else { continue };
        let level = calls.iter().map(|c| depth(c)).max().unwrap_or(0);
        if best.as_ref().is_none_or(|(l, _, _)| level > *l) {
            best = Some((level, function, calls));
        }
    }
    best.map(|(_, function, calls)| (function, calls))
}

/// Traced callers, and how the goroutine is tied to the request.
fn path_to(plan: &Plan, trace: &Trace, call: &Call) -> String {
    let mut names = Vec::new();
    let mut next = call.parent;
    while let Some(parent) = next.and_then(|p| trace.calls.get(p)) {
        if let Some(f) = plan.functions.get(parent.func as usize) {
            names.push(escape(&f.short));
        }
        next = parent.parent.filter(|_| names.len() < 16);
    }
    names.reverse();
    let link = match call.owner {
        Owner::Request {
            link: Link::Birth { hops },
            ..
        } => format!(
            "goroutine {hops} birth{} away",
            if hops == 1 { "" } else { "s" }
        ),
        _ => "request's goroutine".to_owned(),
    };
    if names.is_empty() {
        link
    } else {
        format!("{}; {link}", names.join(" → "))
    }
}

/// One row per option: the fields of struct parameters, other parameters as they are.
fn option_rows(function: &FuncSchema, calls: &[&Call]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (position, schema) in function.params.iter().enumerate().filter(|(_, p)| p.shown) {
        let values: Vec<Option<&Value>> = calls.iter().map(|c| c.params.get(position)).collect();
        let mut fields: Vec<String> = Vec::new();
        for value in values.iter().flatten() {
            if let Value::Struct { fields: f, .. } = pointed(value) {
                for (name, v) in f {
                    if !fields.contains(name) && *v != Value::Missing(Missing::NotSelected) {
                        fields.push(name.clone());
                    }
                }
            }
        }
        if fields.is_empty() {
            rows.push(Row {
                label: escape(&schema.name),
                kind: RowKind::Option,
                cells: values.iter().map(|v| option_cell(*v)).collect(),
            });
        }
        for name in fields {
            let cells = values
                .iter()
                .map(|v| match v.map(pointed) {
                    Some(Value::Struct { fields, .. }) => {
                        option_cell(fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v))
                    }
                    other => option_cell(other),
                })
                .collect();
            rows.push(Row {
                label: escape(&name),
                kind: RowKind::Option,
                cells,
            });
        }
    }
    rows
}

fn pointed(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => pointed(to),
        other => other,
    }
}

fn option_cell(value: Option<&Value>) -> Cell {
    match value {
        None => Cell::shown("?".into()),
        Some(v) if is_whole(v) => Cell {
            text: text::value(v, false),
            key: Some(text::value(v, true)),
        },
        Some(v) => Cell::shown(text::value(v, false)),
    }
}

/// Nothing inside is missing or cut.
fn is_whole(v: &Value) -> bool {
    match v {
        Value::Missing(Missing::NotSelected) => true,
        Value::Missing(_) => false,
        Value::Str { bytes, len } => bytes.len() as u64 == *len,
        Value::List { items, len } => items.len() as u64 == *len && items.iter().all(is_whole),
        Value::Map { entries, len } => {
            entries.len() as u64 == *len && entries.iter().all(|(k, v)| is_whole(k) && is_whole(v))
        }
        Value::Struct { fields, .. } => fields.iter().all(|(_, v)| is_whole(v)),
        Value::Pointer { to, .. } => is_whole(to),
        Value::Iface { value, .. } => is_whole(value),
        _ => true,
    }
}

/// The first list among the results.
fn returned(function: &FuncSchema, call: &Call) -> Option<Returned> {
    if call.state != CallState::Returned {
        return None;
    }
    let value = function
        .results
        .iter()
        .zip(&call.results)
        .find(|(s, _)| s.name != "error")
        .map(|(_, v)| v)?;
    match value {
        Value::Nil => Some(Returned {
            count: 0,
            ids: Some(BTreeSet::new()),
        }),
        Value::List { items, len } => {
            let ids: Option<BTreeSet<String>> = items.iter().map(id_of).collect();
            Some(Returned {
                count: *len,
                ids: ids.filter(|ids| ids.len() as u64 == *len),
            })
        }
        _ => None,
    }
}

fn id_of(value: &Value) -> Option<String> {
    let Value::Struct { fields, .. } = pointed(value) else {
        return None;
    };
    match fields.iter().find(|(n, _)| n == "ID").map(|(_, v)| v)? {
        Value::Str { bytes, len } if bytes.len() as u64 == *len => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    }
}

fn error_cell(function: &FuncSchema, call: &Call) -> Cell {
    let error = function
        .results
        .iter()
        .zip(&call.results)
        .find(|(s, _)| s.name == "error")
        .map(|(_, v)| v);
    match error {
        Some(Value::Nil) => Cell::known("none".into()),
        Some(v) => Cell::known(text::value(v, false)),
        None => Cell::shown("?".into()),
    }
}

/// Cuts a cell into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return vec![String::new()];
    }
    let mut lines = Vec::new();
    let mut rest = chars.as_slice();
    while rest.len() > width {
        // break behind the last separator that fits
        let at = rest[..width]
            .iter()
            .rposition(|c| " ,&;".contains(*c))
            .map_or(width, |p| p + 1)
            .max(width / 3);
        lines.push(rest[..at].iter().collect::<String>().trim_end().to_owned());
        rest = &rest[at..];
    }
    lines.push(rest.iter().collect());
    lines
}

fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() || word.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

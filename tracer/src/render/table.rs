//! The ledger as a table: one row per endpoint and client, then what has been in flight for long,
//! then warnings.

use std::io::{self, Write};

use super::line::{Line, Look, prefix};
use super::lint;
use super::request::process;
use super::text::{duration, escape, seconds, short_duration};
use super::time::time as wall_time;
use super::tree::header;
use super::{Closing, Style, View};
use crate::correlate::{ProcessName, Trace};
use crate::ledger::{
    ClientKey, Container, Containers, Layers, Ledger, Open, OpenCall, Row, Thresholds,
};
use crate::moby::objects::ID_DIGITS;
use crate::plan::GSchema;
use crate::session::{Clock, Context, End, Sink};

/// Widths of the columns behind the client, each with a blank in front.
const COLUMNS: [(&str, usize); 7] = [
    ("calls", 6),
    ("open", 5),
    ("errors", 7),
    ("p50", 7),
    ("p99", 7),
    ("containers", 11),
    ("in layers", 11),
];
/// Narrowest column of clients; a terminal that is narrower than the table gets longer rows.
const LEAST_CLIENT: usize = 12;

/// Requests added up, shown at the end.
pub struct Table {
    style: Style,
    view: View,
    closing: Closing,
}

impl Table {
    pub fn new(context: &Context, style: Style, view: View) -> Self {
        Self {
            style,
            view,
            closing: Closing::new(&context.plan),
        }
    }
}

impl Sink for Table {
    fn begin(&mut self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        header(context, self.style, &self.view, out)
    }

    fn batch(&mut self, _: &Context, trace: &Trace, _: &mut dyn Write) -> io::Result<()> {
        self.closing.add(trace);
        Ok(())
    }

    fn finish(&mut self, context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
        let (style, view, ledger) = (self.style, &self.view, &self.closing.ledger);
        write(ledger, &context.plan.g, &context.clock, style, view, out)?;
        self.closing.table(context, end, style, view, out)
    }
}

/// Writes the whole table.
fn write(
    ledger: &Ledger,
    g: &GSchema,
    clock: &Clock,
    style: Style,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    if view.daemon.is_some() {
        let mut line = Line::default();
        prefix(&mut line, view);
        line.put(style, view.width, "", "  ", out)?;
    }
    let rows = ledger.rows();
    let fixed: usize = COLUMNS.iter().map(|(_, width)| width).sum();
    let client = view.width.saturating_sub(fixed).max(LEAST_CLIENT);
    if let (Some((from, to)), false) = (ledger.span(), rows.is_empty()) {
        let heads: String = COLUMNS
            .iter()
            .map(|(head, width)| format!("{head:>width$}"))
            .collect();
        writeln!(out, "{}", style.dim(&format!("{:client$}{heads}", "")))?;
        let mut endpoint = "";
        for row in &rows {
            if row.endpoint != endpoint {
                endpoint = &row.endpoint;
                let mut line = Line::default();
                line.push(Look::Bold, escape(endpoint));
                line.put(style, view.width, "", "  ", out)?;
            }
            write_row(row, client, view.width, style, out)?;
        }
        writeln!(out)?;
        let mut line = Line::default();
        line.push(Look::Dim, totals(&rows, ledger, from, to, clock));
        line.put(style, view.width, "", "  ", out)?;
        untraced(&rows, style, view.width, out)?;
    } else {
        writeln!(out, "no requests")?;
    }
    in_flight(ledger, g, style, view, out)?;
    let lints = ledger.lints(&Thresholds { slow: view.slow });
    if !lints.is_empty() {
        writeln!(out)?;
    }
    lint::write(&lints, style, view, out)
}

fn write_row(
    row: &Row,
    client: usize,
    width: usize,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let cells = [
        count(row.calls),
        count(row.open),
        count(row.errors),
        time(row, 50),
        time(row, 99),
        row.containers.map_or_else(dash, containers),
        layers(row.layers),
    ];
    let figures: String = cells
        .iter()
        .zip(COLUMNS)
        .map(|(cell, (_, width))| format!("{cell:>width$}"))
        .collect();
    let mut name = Line::default();
    name.push(Look::Plain, who(&row.client, row.pids.text()));
    // measured without colour; a name that does not fit has a row of its own
    let plain = Style::new(Some(false));
    let rows = name.wrap(plain, client, "  ", "    ");
    let first = match rows.as_slice() {
        [only] => only.as_str(),
        _ => {
            name.put(plain, width, "  ", "    ", out)?;
            ""
        }
    };
    let line = format!("{first:client$}{figures}");
    if row.errors > 0 {
        writeln!(out, "{}", style.warn(&line))
    } else {
        writeln!(out, "{line}")
    }
}

fn dash() -> String {
    "–".to_owned()
}

fn count(n: u64) -> String {
    if n == 0 { dash() } else { n.to_string() }
}

fn time(row: &Row, percent: u64) -> String {
    row.durations
        .percentile(percent)
        .map_or_else(dash, short_duration)
}

fn containers(of: Containers) -> String {
    if of.least == of.most {
        of.most.to_string()
    } else {
        format!("{}-{}", of.least, of.most)
    }
}

fn layers(of: Layers) -> String {
    match of {
        Layers::NotTraced => "not traced".to_owned(),
        Layers::None => dash(),
        Layers::Share {
            percent,
            at_least: false,
        } => format!("{percent} %"),
        Layers::Share { percent, .. } => format!("≥ {percent} %"),
    }
}

/// `docker, pid 4711, uid 1000, in container 0123456789ab`; a client whose process is not known by
/// what it calls itself.
fn who(client: &ClientKey, pids: Option<String>) -> String {
    match client {
        ClientKey::Process {
            comm,
            uid,
            container,
        } => {
            let mut parts = vec![process(comm)];
            parts.extend(pids);
            match uid {
                // goes without saying
                Some(0) => {}
                Some(uid) => parts.push(format!("uid {uid}")),
                None => parts.push("uid not known".to_owned()),
            }
            match container {
                Container::In(id) => {
                    let id: String = id.chars().take(ID_DIGITS).collect();
                    parts.push(format!("in container {}", escape(&id)));
                }
                // goes without saying
                Container::None => {}
                // so does this of a process that had ended
                Container::Unknown if *comm == ProcessName::Ended => {}
                Container::Unknown => parts.push("container not known".to_owned()),
            }
            parts.join(", ")
        }
        ClientKey::Agent { name, more } => {
            format!("\"{}{}\"", escape(name), if *more { "…" } else { "" })
        }
        ClientKey::Unknown => "unknown client".to_owned(),
    }
}

fn totals(rows: &[Row], ledger: &Ledger, from: u64, to: u64, clock: &Clock) -> String {
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
    let (calls, untimed, beyond) = (sum(|r| r.calls), sum(|r| r.untimed), ledger.beyond());
    let mut text = format!(
        "{} request{} in {}, from {}",
        calls + beyond,
        if calls + beyond == 1 { "" } else { "s" },
        duration(to.saturating_sub(from)),
        wall_time(clock, from)
    );
    if untimed > 0 {
        text.push_str(&format!("; {untimed} without a known end"));
    }
    if beyond > 0 {
        text.push_str(&format!(
            "; {beyond} of further endpoints and clients have no row"
        ));
    }
    text
}

/// Says once why the last column is empty.
fn untraced(rows: &[Row], style: Style, width: usize, out: &mut dyn Write) -> io::Result<()> {
    if rows.iter().all(|r| r.layers == Layers::NotTraced) {
        let mut line = Line::default();
        line.push(
            Look::Dim,
            "in layers: this session traced no function that finds out layer sizes",
        );
        line.put(style, width, "", "  ", out)?;
    }
    Ok(())
}

fn in_flight(
    ledger: &Ledger,
    g: &GSchema,
    style: Style,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let now = ledger.span().map_or(0, |(_, until)| until);
    let slow = |start: u64| now.saturating_sub(start) >= view.slow;
    let open: Vec<&Open> = ledger
        .open()
        .into_iter()
        .filter(|o| slow(o.start))
        .collect();
    let internal: Vec<&OpenCall> = ledger.internal().iter().filter(|c| slow(c.start)).collect();
    if open.is_empty() && internal.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nin flight for {} or longer", seconds(view.slow))?;
    for request in open {
        let mut line = Line::default();
        line.push(
            Look::Bold,
            format!("#{} {}", request.id, escape(&request.endpoint)),
        );
        let age = seconds(now.saturating_sub(request.start));
        line.push_whole(Look::Warn, format!(" open for {age}"));
        if let Some(run) = request.waits_for {
            line.push(Look::Warn, format!(", waits for the run of #{run}"));
        }
        let pid = request.pid.map(|pid| format!("pid {pid}"));
        line.push(Look::Dim, format!("  {}", who(&request.client, pid)));
        line.put(style, view.width, "  ", "      ", out)?;
        if let Some(sample) = &request.sample {
            let mut line = Line::default();
            line.push(Look::Plain, escape(&sample.text(g)));
            line.put(style, view.width, "    ", "      ", out)?;
        }
        for call in &request.calls {
            call_line(call, now, g).put(style, view.width, "    ", "      ", out)?;
        }
    }
    for call in internal {
        call_line(call, now, g).put(style, view.width, "  ", "    ", out)?;
    }
    Ok(())
}

fn call_line(call: &OpenCall, now: u64, g: &GSchema) -> Line {
    let mut line = Line::default();
    line.push(Look::Plain, format!("in {}", escape(&call.function)));
    let age = seconds(now.saturating_sub(call.start));
    line.push(Look::Plain, format!(" for {age}"));
    if let Some(sample) = &call.sample {
        line.push(Look::Plain, format!(": {}", escape(&sample.text(g))));
    }
    line
}

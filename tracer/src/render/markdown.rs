//! A recording as Markdown, ready for a bug report.

use std::io::{self, Write};

use super::text::escape;
use super::{Clock, Style, View, lint, root, tree};
use crate::capture::Recording;
use crate::correlate::Trace;
use crate::ledger::{Ledger, Thresholds, Unreached};

/// The whole trace, or what of it `view` asks for; gives how many calls that is.
///
/// # Errors
/// Writing fails.
pub fn markdown(
    recording: &Recording,
    trace: &Trace,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let selected = root::select(recording.plan(), trace, view.root.as_deref());
    let came = trace.requests.len() as u64;
    let trace = selected.as_ref();
    let header = recording.header();
    let d = &header.daemon;
    writeln!(
        out,
        "**mobytrace {}**: {} ({}, build id {}), Linux {} {}\n",
        text(&header.mobytrace),
        text(&escape(&d.exe)),
        text(&escape(&d.go_version)),
        text(&escape(d.build_id.as_deref().unwrap_or("none"))),
        text(&escape(&header.host.kernel)),
        text(&escape(&header.host.arch)),
    )?;
    // a fence longer than any run of backticks inside: values come from the daemon
    let mut body = Vec::new();
    tree::write(
        recording.plan(),
        &Clock::of(recording.header()),
        trace,
        Style::new(Some(false)),
        &View {
            symbols: recording.symbols(),
            stack: view.stack,
            ..View::default()
        },
        &mut body,
    )?;
    let body = String::from_utf8_lossy(&body);
    let fence = "`".repeat(longest_run(&body, '`').max(2) + 1);
    writeln!(out, "{fence}text\n{}\n{fence}\n", body.trim_end())?;
    for issue in &header.plan.issues {
        writeln!(out, "- {}", text(&escape(&issue.text)))?;
    }
    let mut ledger = Ledger::new(recording.plan());
    ledger.add(trace);
    let mut unreached = Unreached::new(recording.plan());
    unreached.add(trace);
    let shown = trace.calls.len() as u64;
    for line in super::not_shown(&unreached, shown, came, view) {
        writeln!(out, "- {}", text(&escape(&line)))?;
    }
    for one in ledger.lints(&Thresholds { slow: view.slow }) {
        writeln!(out, "- warning: {}", text(&lint::lint(&one)))?;
    }
    if let Some(line) = super::secrets(view.redact, trace.summary.masked) {
        writeln!(out, "- {}", text(&line))?;
    }
    writeln!(out, "- {}", text(&recording.completeness().text))?;
    Ok(shown)
}

fn longest_run(text: &str, of: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Text that Markdown must not interpret.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_[]<>|#~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    // mentions notify people on code hosts
    out.replace('@', "@\u{2060}")
}

/// A table cell.
pub fn cell(value: &str) -> String {
    text(value).replace('\n', " ")
}

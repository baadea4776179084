//! A recording as Markdown, ready for a bug report.

use std::io::{self, Write};

use super::text::escape;
use super::{Clock, tree};
use super::{Style, View};
use crate::capture::Recording;
use crate::correlate::Trace;

/// The whole trace.
///
/// # Errors
/// Writing fails.
pub fn markdown(recording: &Recording, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
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
    writeln!(out, "- {}", text(&recording.completeness()))
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

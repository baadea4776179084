//! A recording as Markdown, ready for a bug report.

use std::io::{self, Write};

use super::text::escape;
use super::{Closing, Style, View, lint, tree};
use crate::correlate::Trace;
use crate::ledger::Thresholds;
use crate::session::{Context, End, Sink};

/// A report in one piece: what was traced is kept as text until its end.
pub struct Markdown {
    view: View,
    /// Trees, whatever is in them.
    body: Vec<u8>,
    closing: Closing,
}

impl Markdown {
    pub fn new(context: &Context, view: View) -> Self {
        Self {
            view,
            body: Vec::new(),
            closing: Closing::new(&context.plan),
        }
    }
}

impl Sink for Markdown {
    fn begin(&mut self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        let d = &context.daemon;
        writeln!(
            out,
            "**mobytrace {}**: {} ({}, build id {}), Linux {} {}\n",
            text(&context.mobytrace),
            text(&escape(&d.exe)),
            text(&escape(&d.go_version)),
            text(&escape(d.build_id.as_deref().unwrap_or("none"))),
            text(&escape(&context.host.kernel)),
            text(&escape(&context.host.arch)),
        )
    }

    fn batch(&mut self, context: &Context, trace: &Trace, _: &mut dyn Write) -> io::Result<()> {
        self.closing.add(trace);
        let view = View {
            stack: self.view.stack,
            ..View::default()
        };
        let style = Style::new(Some(false));
        tree::write(context, trace, style, &view, &mut self.body)
    }

    fn finish(&mut self, context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
        // a fence longer than any run of backticks inside: values come from the daemon
        let body = String::from_utf8_lossy(&self.body);
        let fence = "`".repeat(longest_run(&body, '`').max(2) + 1);
        writeln!(out, "{fence}text\n{}\n{fence}\n", body.trim_end())?;
        for issue in &context.plan.issues {
            writeln!(out, "- {}", text(&escape(&issue.text())))?;
        }
        for line in self.closing.not_shown(end) {
            writeln!(out, "- {}", text(&escape(&line)))?;
        }
        let slow = self.view.slow;
        for one in self.closing.ledger.lints(&Thresholds { slow }) {
            writeln!(out, "- warning: {}", text(&lint::lint(&one)))?;
        }
        for line in self.closing.left_out(end, slow) {
            writeln!(out, "- {}", text(&line))?;
        }
        if let Some(line) = super::secrets(self.view.redact, end.summary.masked) {
            writeln!(out, "- {}", text(&line))?;
        }
        writeln!(out, "- {}", text(&context.completeness().text))
    }
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

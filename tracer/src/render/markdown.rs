//! A recording as Markdown, ready for a bug report.

use std::io::{self, Read, Seek, Write};

use tempfile::SpooledTempFile;

use super::text::escape;
use super::{Closing, Style, View, lint, seam, tree};
use crate::correlate::Trace;
use crate::ledger::Thresholds;
use crate::session::{Context, End, Sink};

/// Bytes of trees that are kept in memory; what is longer waits in a file without a name.
const MOST_HELD: usize = 1 << 20;

/// A report in one piece: what was traced is kept as text until its end.
pub struct Markdown {
    view: View,
    body: Body,
    closing: Closing,
}

/// Trees, whatever is in them, with what is to be known of them before they are written.
struct Body {
    text: SpooledTempFile,
    /// Bytes written, and those of them up to the last that is no white space.
    len: u64,
    trimmed: u64,
    /// The longest run of backticks, and the one at the end.
    longest: usize,
    run: usize,
}

impl Body {
    fn new() -> Self {
        Self {
            text: SpooledTempFile::new(MOST_HELD),
            len: 0,
            trimmed: 0,
            longest: 0,
            run: 0,
        }
    }

    /// Writes it, without white space at the end.
    fn put(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.text.rewind()?;
        let mut text = Read::by_ref(&mut self.text).take(self.trimmed);
        io::copy(&mut text, out)?;
        Ok(())
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.text.write(bytes)?;
        for byte in &bytes[..written] {
            self.len += 1;
            if !byte.is_ascii_whitespace() {
                self.trimmed = self.len;
            }
            self.run = if *byte == b'`' { self.run + 1 } else { 0 };
            self.longest = self.longest.max(self.run);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Markdown {
    pub fn new(context: &Context, view: View) -> Self {
        Self {
            view,
            body: Body::new(),
            closing: Closing::new(&context.plan),
        }
    }
}

impl Sink for Markdown {
    fn begin(&mut self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        if let Some(one) = &context.seam {
            let said = seam::text(&context.clock, context.daemon.pid, one);
            writeln!(out, "\n{}\n", text(&said))?;
        }
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
        let fence = "`".repeat(self.body.longest.max(2) + 1);
        writeln!(out, "{fence}text")?;
        self.body.put(out)?;
        writeln!(out, "\n{fence}\n")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_knows_its_backticks_and_its_end() {
        let mut body = Body::new();
        let filler = "x".repeat(MOST_HELD);
        for piece in ["a ``", "`` b ```\n", &filler, " c\n", "\n \n"] {
            body.write_all(piece.as_bytes()).expect("written");
        }
        assert_eq!(body.longest, 4, "across two pieces");
        let mut out = Vec::new();
        body.put(&mut out).expect("put");
        assert_eq!(out, format!("a ```` b ```\n{filler} c").as_bytes());
    }
}

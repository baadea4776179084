//! What is said at the end: requests that are not shown, warnings, secrets, what is missing.

use std::io::{self, Write};

use super::line::{Line, Look, prefix};
use super::text::seconds;
use super::{Style, View, escape, lint, secrets, selection, unreached};
use crate::correlate::Trace;
use crate::decode::Redact;
use crate::ledger::{Ledger, Thresholds, Unreached};
use crate::plan::Plan;
use crate::session::{Context, End, Filter};

/// What is added up for the end.
pub struct Closing {
    pub ledger: Ledger,
    unreached: Unreached,
}

impl Closing {
    pub fn new(plan: &Plan) -> Self {
        Self {
            ledger: Ledger::new(plan),
            unreached: Unreached::new(plan),
        }
    }

    pub fn add(&mut self, trace: &Trace) {
        self.ledger.add(trace);
        self.unreached.add(trace);
    }

    /// What is said of requests that are not shown, and of there being nothing else.
    pub fn not_shown(&self, end: &End) -> Vec<String> {
        let line = unreached::line(&self.unreached.counts());
        let nothing = (!end.selected.any() && line.is_none()).then(|| selection::nothing(end));
        let untold = selection::untold(&end.selected);
        line.into_iter().chain(nothing).chain(untold).collect()
    }

    /// What was left out to stay within bounds, one line each; `slow`: as of warnings, ns.
    pub fn left_out(&self, end: &End, slow: u64) -> Vec<String> {
        let left = self.ledger.left_out();
        let mut lines = Vec::new();
        let evicted = end.summary.evicted;
        if evicted > 0 {
            lines.push(format!(
                "memory is bounded: {evicted} open calls, goroutines or shared runs were forgotten, so that calls \
                 may lack their request and requests their runs"
            ));
        }
        if left.longest_run >= slow && left.runs > 0 {
            lines.push(format!(
                "{} more runs that others waited for, of {} or less, have no warning of their own",
                left.runs,
                seconds(left.longest_run)
            ));
        }
        if left.repeated > 0 {
            lines.push(format!(
                "{} requests were not looked at for being sent again and again: there are too many different ones, \
                 or their queries are too long",
                left.repeated
            ));
        }
        lines
    }

    /// Below trees.
    pub fn tree(
        &self,
        context: &Context,
        end: &End,
        style: Style,
        view: &View,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for text in self.not_shown(end) {
            unreached::write(&text, style, view, out)?;
        }
        let slow = view.slow;
        lint::write(&self.ledger.lints(&Thresholds { slow }), style, view, out)?;
        for line in self.left_out(end, slow) {
            warn(line, style, view, out)?;
        }
        // how many were hidden goes to stderr: a tree shows each
        if view.redact == Redact::Off {
            write_secrets(end, style, view, out)?;
        }
        incomplete(context, style, view, out)
    }

    /// Below a table.
    pub fn table(
        &self,
        context: &Context,
        end: &End,
        style: Style,
        view: &View,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // a table of nothing says itself that no request came
        let filtered = end.selected.filter != Filter::default();
        let nothing = (filtered && !end.selected.any()).then(|| selection::nothing(end));
        for text in nothing.into_iter().chain(selection::untold(&end.selected)) {
            unreached::write(&text, style, view, out)?;
        }
        for line in self.left_out(end, view.slow) {
            warn(line, style, view, out)?;
        }
        write_secrets(end, style, view, out)?;
        incomplete(context, style, view, out)
    }
}

/// Says what became of secrets.
fn write_secrets(end: &End, style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    match secrets(view.redact, end.summary.masked) {
        Some(text) => warn(text, style, view, out),
        None => Ok(()),
    }
}

/// Says what is missing where it would look as if it had never been.
fn incomplete(context: &Context, style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let completeness = context.completeness();
    if !completeness.records_missing {
        return Ok(());
    }
    warn(escape(&completeness.text), style, view, out)
}

fn warn(text: String, style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Line::default();
    prefix(&mut line, view);
    line.push(Look::Warn, text);
    line.put(style, view.width, "", "  ", out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Summary;

    #[test]
    fn what_was_forgotten_is_said() {
        let closing = Closing::new(&Plan::default());
        let end = |evicted| End {
            summary: Summary {
                evicted,
                ..Summary::default()
            },
            ..End::default()
        };
        assert_eq!(closing.left_out(&end(0), 1), [""; 0]);
        let said = closing.left_out(&end(3), 1);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains(": 3 open calls, goroutines"), "{said:?}");
    }
}

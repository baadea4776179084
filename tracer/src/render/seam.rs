//! The seam between two incarnations of a daemon, in words.

use std::io::{self, Write};

use super::line::{Line, Look, prefix};
use super::time::time;
use super::{Style, View};
use crate::session::{Clock, Context, Left, Seam};

/// What happened, and from when on the next one is traced.
pub fn text(clock: &Clock, pid: u32, seam: &Seam) -> String {
    let left = match seam.left {
        Left::Ended => "ended",
        Left::Replaced => "became another program",
    };
    let since = match seam.listened {
        Some(false) => "before it listened: none of its requests is missing",
        Some(true) => "it listened by then: requests before that are not seen",
        None => "requests before that are not seen",
    };
    format!(
        "daemon pid {} {left} ({}); pid {pid} is traced from {} on, {since}",
        seam.pid,
        time(clock, seam.left_ns),
        time(clock, seam.attached_ns),
    )
}

/// A row that says so, where there is a seam.
pub fn write(context: &Context, style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let Some(seam) = &context.seam else {
        return Ok(());
    };
    let mut line = Line::default();
    prefix(&mut line, view);
    let text = text(&context.clock, context.daemon.pid, seam);
    line.push(Look::Warn, format!("── {text}"));
    line.put(style, view.width, "", "   ", out)
}

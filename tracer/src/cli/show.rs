//! `mobytrace show`: replays a recording; needs no root, no kernel and no binary.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::args::{self, ShowFormat};
use super::failure::Failure;
use super::say::say;
use crate::capture::Recording;
use crate::correlate::Trace;
use crate::render::{self, Style};
use crate::replay::replay;

/// `Ok(false)`: the recording is cut, or nothing is in it.
pub fn run(args: &args::Show, style: Style, out: &mut dyn Write) -> Result<bool> {
    let (recording, trace) = load(&args.file)?;
    let view = render::View {
        root: args.root.clone(),
        stack: args.stack,
        symbols: recording.symbols(),
        slow: args::nanoseconds(args.slow),
        ..render::View::of_stdout()
    };
    let kind = match args.format {
        ShowFormat::Jsonl => Some(render::StreamKind::Jsonl),
        ShowFormat::Table => Some(render::StreamKind::Table),
        ShowFormat::Tree => Some(render::StreamKind::Tree),
        ShowFormat::Markdown => None,
    };
    let shown = match kind {
        Some(kind) => {
            let mut sink = render::Stream::new(kind, style, view, recording.header());
            sink.header(out)?;
            sink.write(&trace, out)?;
            sink.finish(&trace.summary, &recording.completeness(), out)?;
            sink.shown()
        }
        None => render::markdown(&recording, &trace, &view, out)?,
    };
    out.flush()?;
    match recording.damage() {
        Some(why) => say!(
            "warning: {}: {why}; what is whole is shown",
            args.file.display()
        ),
        None => say!("{}", recording.completeness()),
    }
    Ok(recording.is_whole() && shown > 0)
}

/// Reads, decodes and correlates a recording.
pub fn load(file: &Path) -> Result<(Recording, Trace)> {
    let shown = file.display();
    let input = std::fs::File::open(file).map_err(|e| {
        let hint = match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "it belongs to another user, root perhaps: run as root, or `chown` it"
            }
            _ => "give a recording made with `mobytrace trace -o FILE`",
        };
        Failure::new(format!("failed to open {shown}: {e}"), hint)
    })?;
    let recording = Recording::read(std::io::BufReader::new(input))
        .map_err(|e| Failure::new(format!("{shown}: {e}"), e.hint()))?;
    let trace = replay(&recording);
    Ok((recording, trace))
}

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
    match args.format {
        ShowFormat::Tree | ShowFormat::Table | ShowFormat::Jsonl => {
            let kind = match args.format {
                ShowFormat::Jsonl => render::StreamKind::Jsonl,
                ShowFormat::Table => render::StreamKind::Table,
                ShowFormat::Tree | ShowFormat::Markdown => render::StreamKind::Tree,
            };
            let mut sink = render::Stream::new(
                kind,
                style,
                render::View {
                    root: args.root.clone(),
                    stack: args.stack,
                    symbols: recording.symbols(),
                    slow: args::nanoseconds(args.slow),
                    ..render::View::of_stdout()
                },
                recording.header(),
            );
            sink.header(out)?;
            sink.write(&trace, out)?;
            sink.finish(&trace.summary, &recording.completeness(), out)?;
        }
        ShowFormat::Markdown => {
            render::markdown(&recording, &trace, args::nanoseconds(args.slow), out)?;
        }
    }
    match recording.damage() {
        Some(why) => say!(
            "warning: {}: {why}; what is whole is shown",
            args.file.display()
        ),
        None => say!("{}", recording.completeness()),
    }
    Ok(recording.is_whole() && !trace.calls.is_empty())
}

/// Reads, decodes and correlates a recording.
pub fn load(file: &Path) -> Result<(Recording, Trace)> {
    let shown = file.display();
    let input = std::fs::File::open(file).map_err(|e| {
        Failure::new(
            format!("failed to open {shown}: {e}"),
            "give a recording made with `mobytrace trace -o FILE`",
        )
    })?;
    let recording = Recording::read(std::io::BufReader::new(input))
        .map_err(|e| Failure::new(format!("{shown}: {e}"), e.hint()))?;
    let trace = replay(&recording);
    Ok((recording, trace))
}

//! `mobytrace show`: replays a recording; needs no root, no kernel and no binary.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::Result;

use super::args;
use super::failure::Failure;
use super::say::say;
use super::source::Source;
use crate::capture::{Beside, Header, Writer};
use crate::decode::Redact;
use crate::render::{self, Style};
use crate::session::{Cleaned, Filter, Stream, clean as cleaned, signals};

/// `Ok(false)`: the recording is cut, or nothing is in it.
pub fn run(args: &args::Show, style: Style, out: &mut dyn Write) -> Result<bool> {
    let segments = Source::open(&args.file)?;
    if let Some(path) = &args.output {
        return clean(args, &segments, path);
    }
    if args.what {
        for source in &segments {
            let sink = Box::new(render::What::default());
            let stream = Stream::new(source.context(), Filter::default(), sink);
            show(source, Redact::On, stream, out)?;
        }
        return Ok(true);
    }
    let redact = args.redact.into();
    if redact == Redact::Off {
        say!("warning: --redact=off: secrets that were recorded are shown in clear");
    } else if let Some(source) = segments.iter().find(|s| s.header.redact == Redact::Off) {
        let shown = source.shown();
        say!(
            "warning: {shown} was made with --redact=off and holds secrets in clear; `mobytrace show --redact {shown} -o NEW` writes it anew without them"
        );
    }
    let (mut whole, mut found, mut masked) = (true, false, 0u64);
    for source in &segments {
        let view = render::View {
            stack: args.stack,
            slow: args::nanoseconds(args.slow),
            redact,
            ..render::View::of_stdout()
        };
        let context = source.context();
        let sink = args.format.sink(&context, style, view);
        let stream = Stream::new(context, args.only.filter(), sink);
        let shown = show(source, redact, stream, out)?;
        match &source.ending.damage {
            Some(why) => say!("warning: {}: {why}; what is whole is shown", source.shown()),
            None => say!("{}", source.ending.completeness()),
        }
        whole &= source.ending.is_whole();
        masked = masked.saturating_add(shown.0);
        found |= shown.1;
    }
    super::say_masked(masked);
    Ok(whole && found)
}

/// Gives a recording to a stream; gives how many values were masked, and whether anything was
/// there that was asked for.
fn show(
    source: &Source,
    redact: Redact,
    mut stream: Stream,
    out: &mut dyn Write,
) -> Result<(u64, bool)> {
    source.progress.writes();
    stream.begin(out)?;
    let summary = source.batches(redact, |trace| Ok(stream.batch(&trace, out)?))?;
    stream.finish(&summary, out)?;
    out.flush()?;
    Ok((summary.masked, stream.found()))
}

/// Writes a recording anew, secrets hidden. The new file has its name when it is whole.
fn clean(args: &args::Show, segments: &[Source], path: &Path) -> Result<bool> {
    if args.redact == args::Redact::Off {
        return Err(Failure::new(
            "-o of show writes a recording without secrets",
            "leave --redact=off out, or copy the file",
        )
        .into());
    }
    signals::catch()?;
    signals::defer()?;
    let output = Beside::open(path, args.force).map_err(Failure::from)?;
    let header = |source: &Source| Header {
        redact: Redact::On,
        ..source.header.clone()
    };
    let Some((first, others)) = segments.split_first() else {
        return Ok(false);
    };
    let mut writer = output.begin(&header(first)).map_err(Failure::from)?;
    let mut whole = clean_segment(first, &mut writer, path)?;
    for source in others {
        writer.segment(&header(source))?;
        whole &= clean_segment(source, &mut writer, path)?;
    }
    output.finish().map_err(Failure::from)?;
    say!(
        "secrets of {} are hidden in {}",
        first.shown(),
        path.display()
    );
    Ok(whole)
}

/// Writes a segment anew; gives whether it is whole.
fn clean_segment(source: &Source, writer: &mut Writer, path: &Path) -> Result<bool> {
    let ending = cleaned(source.reader()?, |one| {
        if signals::flag().load(Ordering::SeqCst) {
            let message = format!("interrupted before {} was whole", path.display());
            return Err(Failure::new(message, "run it again; nothing is left of it").into());
        }
        anyhow::Ok(match one {
            Cleaned::Record(part) => writer.record(&part.to_stored()),
            Cleaned::Sample(sample) => writer.sample(&sample),
        }?)
    });
    source.progress.hide();
    let ending = ending.map_err(|error| source.failed(error))?;
    match &ending.trailer {
        Some(trailer) => writer.finish(trailer)?,
        None => writer.flush()?,
    }
    Ok(ending.is_whole())
}

//! `mobytrace show`: replays a recording; needs no root, no kernel and no binary.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::args;
use super::failure::Failure;
use super::say::say;
use crate::capture::{Header, Output, Recording};
use crate::correlate::Trace;
use crate::decode::Redact;
use crate::render::{self, Style};
use crate::session::{Cleaned, Context, Stream, clean as cleaned, replay_as};

/// `Ok(false)`: the recording is cut, or nothing is in it.
pub fn run(args: &args::Show, style: Style, out: &mut dyn Write) -> Result<bool> {
    let recording = read(&args.file)?;
    let redact = args.redact.into();
    if let Some(path) = &args.output {
        return clean(args, &recording, path);
    }
    let trace = replay_as(&recording, redact);
    if args.what {
        render::what(&Context::of_recording(&recording), &trace, out)?;
        return Ok(true);
    }
    if redact == Redact::Off {
        say!("warning: --redact=off: secrets that were recorded are shown in clear");
    } else if recording.header().redact == Redact::Off {
        say!(
            "warning: {} was made with --redact=off and holds secrets in clear; `mobytrace show --redact {} -o NEW` writes it anew without them",
            args.file.display(),
            args.file.display()
        );
    }
    let view = render::View {
        stack: args.stack,
        slow: args::nanoseconds(args.slow),
        redact,
        ..render::View::of_stdout()
    };
    let context = Context::of_recording(&recording);
    let sink = args.format.sink(&context, style, view);
    let mut stream = Stream::new(context, args.only.filter(), sink);
    stream.begin(out)?;
    stream.batch(&trace, out)?;
    stream.finish(&trace.summary, out)?;
    out.flush()?;
    match recording.damage() {
        Some(why) => say!(
            "warning: {}: {why}; what is whole is shown",
            args.file.display()
        ),
        None => say!("{}", recording.completeness()),
    }
    super::say_masked(trace.summary.masked);
    Ok(recording.is_whole() && stream.found())
}

/// Writes a recording anew, secrets hidden.
fn clean(args: &args::Show, recording: &Recording, path: &Path) -> Result<bool> {
    if args.redact == args::Redact::Off {
        return Err(Failure::new(
            "-o of show writes a recording without secrets",
            "leave --redact=off out, or copy the file",
        )
        .into());
    }
    let output = Output::open(path, args.force).map_err(Failure::from)?;
    let header = Header {
        redact: Redact::On,
        ..recording.header().clone()
    };
    let mut writer = output.begin(&header).map_err(Failure::from)?;
    cleaned(recording, |one| match one {
        Cleaned::Record(part) => writer.record(&part.to_stored()),
        Cleaned::Sample(sample) => writer.sample(&sample),
    })?;
    if let Some(trailer) = recording.trailer() {
        writer.finish(trailer)?;
    } else {
        writer.flush()?;
    }
    say!(
        "secrets of {} are hidden in {}",
        args.file.display(),
        path.display()
    );
    Ok(recording.is_whole())
}

/// Reads, decodes and correlates a recording.
pub fn load(file: &Path) -> Result<(Recording, Trace)> {
    let recording = read(file)?;
    let trace = replay_as(&recording, Redact::On);
    Ok((recording, trace))
}

/// Reads a recording.
fn read(file: &Path) -> Result<Recording> {
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
    Ok(Recording::read(std::io::BufReader::new(input))
        .map_err(|e| Failure::new(format!("{shown}: {e}"), e.hint()))?)
}

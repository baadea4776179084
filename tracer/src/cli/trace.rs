//! `mobytrace trace`: live session, recorded with `-o`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::args;
use super::command::Running;
use super::profiles;
use super::say::say;
use super::{stop, words};
use crate::capture::{Header, Limits};
use crate::plan::Profile;
use crate::render::{self, Style};
use crate::session::{
    self, Batch, Context, Destination, Hooks, Live, Options, Prepared, Stream, Wish, signals,
};
use crate::target::Selection;

/// `Ok(false)`: nothing was traced.
pub async fn run(
    args: &args::Trace,
    style: Style,
    verbose: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    signals::catch()?;
    let profiles = profiles::of(&args.profiles)?;
    let prepared = Prepared::new(&wish(args, &profiles, args.daemon.selection()))?;
    words::warn_of_secrets(None, args.redact);
    let tell = words::teller(None);
    let live = Live::attach(
        &prepared,
        &options(args, args.output.as_deref(), verbose),
        &tell,
    )?;
    let mut sink = stream(args, style, &prepared.header, None);
    // what cannot be written ends the session as any other end does
    let mut headed = Some(sink.begin(out).and_then(|()| out.flush()));
    let socket = prepared.socket.as_deref();
    let ended = session::run(live, until(args, socket), |batch| {
        if let Some(headed) = headed.take() {
            headed?;
        }
        write(&mut sink, batch, out)?;
        Ok(args.calls.is_some_and(|most| sink.shown() >= most))
    })
    .await?;
    if let Some(what) = stop::of_daemon(&ended.stop) {
        say!("{what}");
    }
    write(&mut sink, ended.rest, out)?;
    sink.context().ended(ended.completeness.clone());
    sink.finish(&ended.summary, out)?;
    out.flush()?;
    say!("{}", ended.completeness);
    super::say_masked(ended.summary.masked);
    match ended.recording {
        Some(failure) => Err(failure.into()),
        None => Ok(sink.found()),
    }
}

/// What the arguments want of one daemon.
pub fn wish<'w>(args: &'w args::Trace, profiles: &'w [Profile], daemon: Selection) -> Wish<'w> {
    Wish {
        daemon,
        socket: args.daemon.socket.clone(),
        profiles,
        functions: &args.functions,
        // only tables show time in layer sizes: this one, or that of a recording
        layers: args.format.layers || args.output.is_some(),
        redact: args.redact.into(),
    }
}

/// How the arguments want a session to go.
pub fn options<'a>(
    args: &args::Trace,
    output: Option<&'a std::path::Path>,
    verbose: bool,
) -> Options<'a> {
    Options {
        output: output.map(|path| Destination {
            path,
            force: args.force,
            limits: Limits {
                size: args.max_size,
                files: args.max_files,
            },
        }),
        slow: Some(args.slow),
        verbose,
        hooks: Hooks::of_environment(),
    }
}

/// The stream that the arguments ask for. `daemon`: what stands in front of what is this one's.
pub fn stream(args: &args::Trace, style: Style, header: &Header, daemon: Option<String>) -> Stream {
    let view = render::View {
        stack: args.stack,
        slow: args::nanoseconds(args.slow),
        redact: args.redact.into(),
        daemon,
        ..render::View::of_stdout()
    };
    let context = Context::new(header);
    let sink = args.format.sink(&context, style, view);
    Stream::new(context, args.only.filter(), sink)
}

/// Writes a batch at once.
pub fn write(sink: &mut Stream, batch: Batch, out: &mut dyn Write) -> Result<()> {
    sink.context().name(batch.symbols);
    sink.batch(&batch.trace, out)?;
    if let Some(open) = &batch.open {
        sink.open(open, out)?;
    }
    Ok(out.flush()?)
}

/// Runs the commands, or waits for ever where there are none; both for `--duration` at most.
pub async fn until(args: &args::Trace, socket: Option<&Path>) -> Result<()> {
    let Some(most) = args.duration else {
        return work(&args.commands, socket).await;
    };
    let worked = tokio::time::timeout(most, work(&args.commands, socket)).await;
    worked.unwrap_or_else(|_| {
        if !args.commands.is_empty() {
            say!("warning: {most:?} are over before the commands are; what runs got SIGINT");
        }
        Ok(())
    })
}

async fn work(commands: &[String], socket: Option<&Path>) -> Result<()> {
    if commands.is_empty() {
        std::future::pending::<()>().await;
    }
    for command in commands {
        Running::start(command, socket)?.wait().await?;
    }
    // the daemon writes its answer before its handler returns
    tokio::time::sleep(super::SETTLE).await;
    Ok(())
}

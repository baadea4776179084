//! `mobytrace trace`: live session, recorded with `-o`.

use std::io::Write;
use std::path::{Path, PathBuf};

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
    self, Batch, Claims, Context, Destination, Ended, Event, Hooks, Life, Options, Prepared,
    Stream, Wish, signals,
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
    let claims = Claims::default();
    let life = life(
        args,
        &profiles,
        args.daemon.selection(),
        args.output.as_deref(),
        verbose,
        &claims,
    );
    words::warn_of_secrets(None, args.redact);
    let tell = words::teller(None);
    let mut shown = Shown::new(args, style);
    let until = |socket: Option<PathBuf>| async move { until(args, socket.as_deref()).await };
    session::follow(
        &life,
        &tell,
        async |_: &mut Prepared| {},
        until,
        |event| shown.take(event, out),
    )
    .await?;
    match shown.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(shown.found),
    }
}

/// What was shown of a session.
struct Shown<'a> {
    args: &'a args::Trace,
    style: Style,
    /// Of the incarnation that is traced now.
    stream: Option<Stream>,
    /// Calls of those before.
    calls: u64,
    found: bool,
    /// Why the recording is not whole.
    failure: Option<session::Error>,
}

impl<'a> Shown<'a> {
    fn new(args: &'a args::Trace, style: Style) -> Self {
        Self {
            args,
            style,
            stream: None,
            calls: 0,
            found: false,
            failure: None,
        }
    }

    /// Writes what a session gives out; `true`: that is enough.
    fn take(&mut self, event: Event, out: &mut dyn Write) -> Result<bool> {
        match (event, &mut self.stream) {
            (Event::Begun(header), place) => {
                let new = place.insert(stream(self.args, self.style, &header, None));
                new.begin(out)?;
                out.flush()?;
            }
            (Event::Batch(batch), Some(stream)) => write(stream, batch, out)?,
            (Event::Over(ended), Some(_)) => self.end(*ended, out)?,
            (Event::Batch(_) | Event::Over(_), None) => {}
        }
        let now = self.stream.as_ref().map_or(0, Stream::shown);
        let shown = self.calls.saturating_add(now);
        Ok(self.args.calls.is_some_and(|most| shown >= most))
    }

    fn end(&mut self, ended: Ended, out: &mut dyn Write) -> Result<()> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(());
        };
        if let Some(what) = stop::of_daemon(&ended.stop) {
            say!("{what}");
        }
        write(&mut stream, ended.rest, out)?;
        stream.context().ended(ended.completeness.clone());
        stream.finish(&ended.summary, out)?;
        out.flush()?;
        say!("{}", ended.completeness);
        super::say_masked(ended.summary.masked);
        self.calls = self.calls.saturating_add(stream.shown());
        self.found |= stream.found();
        self.failure = self.failure.take().or(ended.recording);
        Ok(())
    }
}

/// How the arguments want a daemon's life to be traced.
pub fn life<'a>(
    args: &'a args::Trace,
    profiles: &'a [Profile],
    daemon: Selection,
    output: Option<&'a Path>,
    verbose: bool,
    claims: &'a Claims,
) -> Life<'a> {
    Life {
        wish: wish(args, profiles, daemon),
        options: options(args, output, verbose),
        wait: args.wait,
        once: args.once,
        claims,
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

//! `mobytrace compare`: two code paths side by side, from commands, GETs, passively, or from a recording.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::args::{self, ReportFormat};
use super::command::{Running, shown};
use super::failure::Failure;
use super::kept::{self, Kept};
use super::live::{Destination, Finished, Live, Prepared, Stop};
use super::say::say;
use super::signals;
use super::wanted::{Sender, Wanted};
use super::{SETTLE, http};
use crate::capture::monotonic_ns;
use crate::correlate::Trace;
use crate::render::{self, Style};
use crate::session::Context;

/// What is traced.
const PROFILE: &str = "compare";

/// `Ok(false)`: nothing to compare.
pub async fn run(
    args: &args::Compare,
    style: Style,
    verbose: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    if let Some(file) = &args.file {
        return from_recording(args, file, style, out);
    }
    let active = args.commands.len() + args.gets.len();
    if active == 1 {
        return Err(Failure::new(
            "one path alone cannot be compared",
            "give two or more --cmd or --get, or none to run your own two commands",
        )
        .into());
    }
    for path in &args.gets {
        if !http::is_request_path(path) {
            return Err(Failure::new(
                format!("--get {path:?} is not a request path"),
                "start it with / and percent-encode spaces, e.g. --get '/containers/json?all=1'",
            )
            .into());
        }
    }
    signals::catch()?;
    let mut prepared = Prepared::daemon(&args.daemon, &[PROFILE.to_owned()], &[], false)?;
    if !args.gets.is_empty() && prepared.socket.is_none() {
        return Err(Failure::new(
            "no unix socket of the daemon found for --get",
            "name it with --socket PATH",
        )
        .into());
    }
    prepared.redact(args.redact);
    let destination = args.output.as_deref().map(|path| Destination {
        path,
        force: args.force,
    });
    let mut live = Live::attach(&prepared, destination, verbose)?;
    let mut kept = Kept::default();
    let wanted = if active > 0 {
        active_run(args, &prepared, &mut live, &mut kept).await
    } else {
        passive_run(args, &mut live, &mut kept).await.map(|()| None)
    };
    // whatever happened, the probes go and the recording is closed before anything else is said
    let finished = live.finish();
    let wanted = wanted?;
    let Finished {
        trace: rest,
        trailer,
        recording: unrecorded,
    } = finished?;
    match &wanted {
        Some(wanted) => kept.take(rest, usize::MAX, kept::From::All, |trace, index| {
            can_be_meant(wanted, trace, index)
        }),
        None => kept.take(rest, 2, kept::From::Calling, |trace, index| {
            is_awaited(trace, index, &args.routes)
        }),
    };
    let chosen: Vec<u32> = kept.ids().collect();
    if wanted.is_some() && kept.left_out > 0 {
        say!(
            "warning: {} more requests can be meant; they were not kept",
            kept.left_out
        );
    }
    let trace = kept.into_trace();
    let columns = match wanted {
        Some(wanted) => wanted.iter().map(|w| w.choose(&trace)).collect(),
        None => columns_of(&trace, &chosen),
    };
    let mut context = Context::new(&prepared.header);
    context.ended(trailer.completeness());
    context.name(trailer.symbols);
    let certain = report(&context, &trace, columns, args.format, style, out)?;
    match unrecorded {
        Some(failure) => {
            out.flush()?;
            Err(failure.into())
        }
        None => Ok(certain),
    }
}

async fn active_run(
    args: &args::Compare,
    prepared: &Prepared,
    live: &mut Live<'_>,
    kept: &mut Kept,
) -> Result<Option<Vec<Wanted>>> {
    let socket = prepared.socket.as_deref();
    // what runs now is in there too: its requests are kept as they end
    let wanted: RefCell<Vec<Wanted>> = RefCell::default();
    let begin = |start: u64, label: String, sender: Sender| {
        wanted.borrow_mut().push(Wanted {
            label,
            start,
            end: u64::MAX,
            sender,
        });
    };
    let end = || {
        if let Some(last) = wanted.borrow_mut().last_mut() {
            last.end = monotonic_ns();
        }
    };
    let until = async {
        for command in &args.commands {
            let start = monotonic_ns();
            let running = Running::start(command, socket)?;
            let shell = running.shell();
            begin(start, shown(command), Sender::Command { shell });
            running.wait().await?;
            end();
        }
        for (n, path) in args.gets.iter().enumerate() {
            let agent = format!(
                "mobytrace/{} ({}-{n})",
                env!("CARGO_PKG_VERSION"),
                std::process::id()
            );
            let user_agent = agent.clone();
            begin(
                monotonic_ns(),
                shown(&format!("GET {path}")),
                Sender::Get { user_agent },
            );
            get(socket, path, &agent).await?;
            end();
        }
        tokio::time::sleep(SETTLE).await;
        anyhow::Ok(())
    };
    let until = async {
        match args.duration {
            None => until.await,
            Some(most) => tokio::time::timeout(most, until).await.unwrap_or_else(|_| {
                let label = wanted
                    .borrow()
                    .last()
                    .map_or_else(String::new, |w| w.label.clone());
                Err(unanswered(&label, most).into())
            }),
        }
    };
    let stop = live
        .collect(until, |correlator| {
            let wanted = wanted.borrow();
            kept.take(
                correlator.drain_finished(),
                usize::MAX,
                kept::From::All,
                |trace, index| can_be_meant(&wanted, trace, index),
            );
            Ok(None)
        })
        .await?;
    match stop {
        Stop::Done(done) => done?,
        Stop::Interrupted => {
            return Err(
                Failure::new("interrupted before the commands ended", "run it again").into(),
            );
        }
        Stop::Unread => return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()),
        Stop::DaemonEnded | Stop::DaemonReplaced => return Err(of_daemon(&stop).into()),
    }
    Ok(Some(wanted.into_inner()))
}

/// A command or a GET that did not end in time.
fn unanswered(label: &str, most: Duration) -> Failure {
    Failure::new(
        format!("`{label}` did not end within {most:?}"),
        "the daemon may have stopped answering, and its own log may say why; --duration gives it longer",
    )
}

fn can_be_meant(wanted: &[Wanted], trace: &Trace, index: usize) -> bool {
    trace
        .requests
        .get(index)
        .is_some_and(|request| wanted.iter().any(|w| w.fits(request)))
}

fn of_daemon<T>(stop: &Stop<T>) -> Failure {
    Failure::new(
        stop.of_daemon().unwrap_or("the session ended early"),
        "look at the daemon's own log",
    )
}

async fn get(socket: Option<&Path>, path: &str, agent: &str) -> Result<()> {
    let Some(socket) = socket else { return Ok(()) };
    let status = http::get(socket, path, agent).await.map_err(|e| {
        Failure::new(
            format!("GET {path} on {}: {e}", socket.display()),
            "name the daemon's socket with --socket PATH",
        )
    })?;
    say!("GET {path}: {status}");
    Ok(())
}

async fn passive_run(args: &args::Compare, live: &mut Live<'_>, kept: &mut Kept) -> Result<()> {
    say!("run your two commands now (waiting for two list requests)");
    let until = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let stop = live
        .collect(until, |correlator| {
            let batch = correlator.drain_finished();
            let routes: Vec<(u32, String)> = batch
                .requests
                .iter()
                .map(|r| (r.id, format!("{} {}", r.method, r.path)))
                .collect();
            let fresh = kept.take(batch, 2, kept::From::Calling, |trace, index| {
                is_awaited(trace, index, &args.routes)
            });
            for (_, route) in routes.iter().filter(|(id, _)| fresh.contains(id)) {
                say!("seen: {route}");
            }
            Ok((kept.ids().count() >= 2).then_some(()))
        })
        .await?;
    match stop {
        Stop::Done(()) | Stop::Interrupted | Stop::Unread => Ok(()),
        Stop::DaemonEnded | Stop::DaemonReplaced => Err(of_daemon(&stop).into()),
    }
}

fn from_recording(
    args: &args::Compare,
    file: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<bool> {
    let (recording, trace) = super::show::load(file)?;
    let columns: Vec<render::Column> = if args.requests.is_empty() {
        first_two(&trace)
    } else {
        args.requests
            .iter()
            .map(|id| match trace.requests.iter().position(|r| r.id == *id) {
                Some(index) => Ok(render::Column::one(String::new(), index)),
                None => Err(Failure::new(
                    format!("{} has no request {id}", file.display()),
                    format!("`mobytrace show {}` lists them", file.display()),
                )),
            })
            .collect::<Result<_, _>>()?
    };
    let whole = recording.is_whole();
    let context = Context::of_recording(&recording);
    Ok(report(&context, &trace, columns, args.format, style, out)? && whole)
}

fn report(
    context: &Context,
    trace: &Trace,
    columns: Vec<render::Column>,
    format: ReportFormat,
    style: Style,
    out: &mut dyn Write,
) -> Result<bool> {
    if columns.len() < 2 {
        say!(
            "{} list request(s) seen; two are needed to compare",
            columns.len()
        );
        return Ok(false);
    }
    let comparison = render::Comparison::new(context, trace, &columns);
    match format {
        ReportFormat::Text => comparison.text(style, out)?,
        ReportFormat::Markdown => comparison.markdown(out)?,
    }
    Ok(comparison.is_certain())
}

/// Whether a request is over and of a route that is waited for.
fn is_awaited(trace: &Trace, index: usize, routes: &[String]) -> bool {
    trace.requests.get(index).is_some_and(|request| {
        request.end.is_some() && (routes.is_empty() || routes.iter().any(|r| request.path.holds(r)))
    })
}

/// A column each for the first two list requests.
fn first_two(trace: &Trace) -> Vec<render::Column> {
    render::list_requests(trace)
        .into_iter()
        .filter(|index| is_awaited(trace, *index, &[]))
        .take(2)
        .map(|request| render::Column::one(String::new(), request))
        .collect()
}

/// A column for each of these requests.
fn columns_of(trace: &Trace, ids: &[u32]) -> Vec<render::Column> {
    trace
        .requests
        .iter()
        .enumerate()
        .filter(|(_, r)| ids.contains(&r.id))
        .map(|(index, _)| render::Column::one(String::new(), index))
        .collect()
}

//! `mobytrace compare`: two code paths side by side, from commands, GETs, passively, or from a recording.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::args::{self, ReportFormat};
use super::failure::Failure;
use super::live::{Live, Prepared, Stop};
use super::wanted::{Sender, Wanted};
use super::{SETTLE, http, run_command};
use crate::capture::{self, monotonic_ns};
use crate::correlate::Trace;
use crate::render::{self, Style};

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
    let prepared = Prepared::daemon(&args.daemon, &[], &[])?;
    if !args.gets.is_empty() && prepared.socket.is_none() {
        return Err(Failure::new(
            "no unix socket of the daemon found for --get",
            "name it with --socket PATH",
        )
        .into());
    }
    let mut live = Live::attach(&prepared, args.output.as_deref(), verbose)?;
    let wanted = if active > 0 {
        active_run(args, &prepared, &mut live).await
    } else {
        passive_run(args, &mut live).await
    };
    // whatever happened, the probes go and the recording is closed before anything else is said
    let finished = live.finish();
    let wanted = wanted?;
    let (trace, trailer) = finished?;
    let columns = match wanted {
        Some(wanted) => wanted.iter().map(|w| w.choose(&trace)).collect(),
        None => first_two(&trace, &args.routes),
    };
    let recording = capture::Recording::of_session(prepared.header.clone(), trailer);
    report(&recording, &trace, columns, args.format, style, out)
}

async fn active_run(
    args: &args::Compare,
    prepared: &Prepared,
    live: &mut Live<'_>,
) -> Result<Option<Vec<Wanted>>> {
    let socket = prepared.socket.as_deref();
    let until = async {
        let mut wanted = Vec::new();
        for command in &args.commands {
            let start = monotonic_ns();
            let shell = run_command(command, socket).await?;
            wanted.push(Wanted {
                label: command.clone(),
                start,
                end: monotonic_ns(),
                sender: Sender::Command { shell },
            });
        }
        for (n, path) in args.gets.iter().enumerate() {
            let start = monotonic_ns();
            let agent = format!(
                "mobytrace/{} ({}-{n})",
                env!("CARGO_PKG_VERSION"),
                std::process::id()
            );
            get(socket, path, &agent).await?;
            let label = format!("GET {path}");
            wanted.push(Wanted {
                label,
                start,
                end: monotonic_ns(),
                sender: Sender::Get { user_agent: agent },
            });
        }
        tokio::time::sleep(SETTLE).await;
        anyhow::Ok(wanted)
    };
    match live.collect(until, |_| Ok(None)).await? {
        Stop::Done(wanted) => Ok(Some(wanted?)),
        Stop::Interrupted => {
            Err(Failure::new("interrupted before the commands ended", "run it again").into())
        }
        Stop::DaemonEnded => Err(daemon_ended().into()),
    }
}

fn daemon_ended() -> Failure {
    Failure::new(
        "the daemon ended while it was traced",
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
    eprintln!("GET {path}: {status}");
    Ok(())
}

async fn passive_run(args: &args::Compare, live: &mut Live<'_>) -> Result<Option<Vec<Wanted>>> {
    eprintln!("run your two commands now (waiting for two list requests)");
    let until = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let mut told = 0;
    let stop = live
        .collect(until, |correlator| {
            let trace = correlator.snapshot();
            let found = listing_requests(&trace, &args.routes);
            for index in found.iter().skip(told).take(2 - told) {
                let request = &trace.requests[*index];
                eprintln!("seen: {} {}", request.method, render::escape(&request.path));
            }
            told = found.len().min(2);
            Ok((found.len() >= 2).then_some(()))
        })
        .await?;
    match stop {
        Stop::Done(()) | Stop::Interrupted => Ok(None),
        Stop::DaemonEnded => Err(daemon_ended().into()),
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
        first_two(&trace, &[])
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
    Ok(report(&recording, &trace, columns, args.format, style, out)? && whole)
}

fn report(
    recording: &capture::Recording,
    trace: &Trace,
    columns: Vec<render::Column>,
    format: ReportFormat,
    style: Style,
    out: &mut dyn Write,
) -> Result<bool> {
    if columns.len() < 2 {
        eprintln!(
            "{} list request(s) seen; two are needed to compare",
            columns.len()
        );
        return Ok(false);
    }
    let comparison = render::Comparison::new(recording, trace, &columns);
    match format {
        ReportFormat::Text => comparison.text(style, out)?,
        ReportFormat::Markdown => comparison.markdown(out)?,
    }
    Ok(comparison.is_certain())
}

/// Finished requests that own at least one call of a traced function, in order of arrival.
fn listing_requests(trace: &Trace, routes: &[String]) -> Vec<usize> {
    render::list_requests(trace)
        .into_iter()
        .filter(|index| {
            let request = &trace.requests[*index];
            request.end.is_some()
                && (routes.is_empty() || routes.iter().any(|r| request.path.contains(r.as_str())))
        })
        .collect()
}

/// A column each for the first two list requests.
fn first_two(trace: &Trace, routes: &[String]) -> Vec<render::Column> {
    listing_requests(trace, routes)
        .into_iter()
        .take(2)
        .map(|request| render::Column::one(String::new(), request))
        .collect()
}

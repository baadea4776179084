//! `mobytrace compare`: two code paths side by side, from commands, GETs, passively, or from a
//! recording.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::args::{self, ReportFormat};
use super::command::{Running, shown};
use super::failure::Failure;
use super::kept::{self, Kept};
use super::profiles;
use super::say::say;
use super::source::Source;
use super::wanted::{Sender, Wanted};
use super::{SETTLE, http, stop, words};
use crate::capture::{Limits, monotonic_ns};
use crate::correlate::Trace;
use crate::decode::Redact;
use crate::render::{self, Style};
use crate::session::{
    self, Context, Destination, Ended, Hooks, Live, Options, Prepared, Stop, Wish, signals,
};

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
    let prepared = Prepared::new(&Wish {
        daemon: args.daemon.selection(),
        socket: args.daemon.socket.clone(),
        profiles: &profiles::named(PROFILE)?,
        functions: &[],
        layers: false,
        redact: args.redact.into(),
    })?;
    if !args.gets.is_empty() && prepared.socket.is_none() {
        return Err(Failure::new(
            "no unix socket of the daemon found for --get",
            "name it with --socket PATH",
        )
        .into());
    }
    words::warn_of_secrets(None, args.redact);
    let options = Options {
        output: args.output.as_deref().map(|path| Destination {
            path,
            force: args.force,
            limits: Limits::default(),
        }),
        slow: None,
        verbose,
        hooks: Hooks::of_environment(),
    };
    let tell = words::teller(None);
    let live = Live::attach(&prepared, &options, &tell)?;
    let mut context = Context::new(&prepared.header);
    let mut kept = Kept::default();
    let (ended, wanted) = if active > 0 {
        let socket = prepared.socket.as_deref();
        let (ended, wanted) = active_run(args, socket, live, &mut kept, &mut context).await?;
        (ended, Some(wanted))
    } else {
        let ended = passive_run(args, live, &mut kept, &mut context).await?;
        (ended, None)
    };
    context.name(ended.rest.symbols);
    context.ended(ended.completeness);
    let rest = ended.rest.trace;
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
    let certain = report(&context, &trace, columns, args.format, style, out)?;
    match ended.recording {
        Some(failure) => {
            out.flush()?;
            Err(failure.into())
        }
        None => Ok(certain),
    }
}

async fn active_run(
    args: &args::Compare,
    socket: Option<&Path>,
    live: Live<'_>,
    kept: &mut Kept,
    context: &mut Context,
) -> Result<(Ended, Vec<Wanted>)> {
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
    let ended = session::run(live, until, |batch| {
        let wanted = wanted.borrow();
        context.name(batch.symbols);
        kept.take(batch.trace, usize::MAX, kept::From::All, |trace, index| {
            can_be_meant(&wanted, trace, index)
        });
        anyhow::Ok(false)
    })
    .await?;
    match ended.stop {
        Stop::Done(()) => Ok((ended, wanted.into_inner())),
        Stop::Interrupted => {
            Err(Failure::new("interrupted before the commands ended", "run it again").into())
        }
        Stop::Unread => Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()),
        Stop::DaemonEnded | Stop::DaemonReplaced => Err(of_daemon(&ended.stop).into()),
    }
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
        stop::of_daemon(stop).unwrap_or("the session ended early"),
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

async fn passive_run(
    args: &args::Compare,
    live: Live<'_>,
    kept: &mut Kept,
    context: &mut Context,
) -> Result<Ended> {
    say!("run your two commands now (waiting for two list requests)");
    let until = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
        anyhow::Ok(())
    };
    let ended = session::run(live, until, |batch| {
        context.name(batch.symbols);
        let routes: Vec<(u32, String)> = batch
            .trace
            .requests
            .iter()
            .map(|r| (r.id, format!("{} {}", r.method, r.path)))
            .collect();
        let fresh = kept.take(batch.trace, 2, kept::From::Calling, |trace, index| {
            is_awaited(trace, index, &args.routes)
        });
        for (_, route) in routes.iter().filter(|(id, _)| fresh.contains(id)) {
            say!("seen: {route}");
        }
        anyhow::Ok(kept.ids().count() >= 2)
    })
    .await?;
    match ended.stop {
        Stop::Done(()) | Stop::Interrupted | Stop::Unread => Ok(ended),
        Stop::DaemonEnded | Stop::DaemonReplaced => Err(of_daemon(&ended.stop).into()),
    }
}

fn from_recording(
    args: &args::Compare,
    file: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<bool> {
    let segments = Source::open(file)?;
    let whole = segments.iter().all(|source| source.ending.is_whole());
    let asked = args.requests.as_slice();
    if asked.len() > kept::MOST {
        return Err(Failure::new(
            format!("{} requests cannot be put side by side", asked.len()),
            format!("give {} at most", kept::MOST),
        )
        .into());
    }
    let source = segment_of(&segments, asked)?;
    let mut kept = Kept::default();
    source.batches(Redact::On, |batch| {
        if asked.is_empty() {
            kept.take(batch, usize::MAX, kept::From::Calling, |trace, index| {
                is_awaited(trace, index, &[])
            });
            kept.keep_first(2);
        } else {
            kept.take(batch, usize::MAX, kept::From::All, |trace, index| {
                let request = trace.requests.get(index);
                request.is_some_and(|r| asked.contains(&r.id))
            });
        }
        Ok(())
    })?;
    let ids: Vec<u32> = match asked {
        [] => kept.ids().collect(),
        chosen => chosen.to_vec(),
    };
    let trace = kept.into_trace();
    let columns = ids
        .iter()
        .map(|id| match trace.requests.iter().position(|r| r.id == *id) {
            Some(index) => Ok(render::Column::one(String::new(), index)),
            None => Err(Failure::new(
                format!("{} has no request {id}", source.shown()),
                format!("`mobytrace show {}` lists them", source.shown()),
            )),
        })
        .collect::<Result<_, _>>()?;
    let certain = report(&source.context(), &trace, columns, args.format, style, out)?;
    Ok(certain && whole)
}

/// The segment that holds these requests; without any, the first that has two to compare.
fn segment_of<'s>(segments: &'s [Source], requests: &[u32]) -> Result<&'s Source> {
    let before = |source: &Source| source.header.seam.as_ref().map_or(0, |seam| seam.requests);
    // numbers go on from one segment to the next
    let place = |id: &u32| segments.iter().rposition(|source| before(source) < *id);
    let mut places = requests.iter().map(place);
    let first = places.next();
    if places.any(|other| Some(other) != first) {
        return Err(Failure::new(
            "these requests were not served by the same run of the daemon",
            "compare requests between the same two restarts",
        )
        .into());
    }
    let chosen = match first {
        Some(place) => place,
        None => first_with_two(segments)?,
    };
    let source = segments.get(chosen.unwrap_or(0));
    source.ok_or_else(|| Failure::new("the recording is empty", "give another one").into())
}

/// The first segment in which two list requests are over.
fn first_with_two(segments: &[Source]) -> Result<Option<usize>> {
    if segments.len() < 2 {
        return Ok(None);
    }
    for (place, source) in segments.iter().enumerate() {
        let mut found = 0;
        source.batches(Redact::On, |batch| {
            let listed = render::list_requests(&batch);
            found += listed
                .iter()
                .filter(|i| is_awaited(&batch, **i, &[]))
                .count();
            Ok(())
        })?;
        if found > 1 {
            return Ok(Some(place));
        }
    }
    Ok(None)
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

//! `mobytrace trace --all`: every daemon in a session of its own, on a thread of its own; one
//! output. Each goes on when its daemon is started anew, and daemons that appear later are taken
//! up.
//!
//! What happens to one daemon or its session does not concern the others. Recordings are one for
//! each daemon: whatever reads them knows one daemon only, and requests are numbered by daemon.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use super::failure::Failure;
use super::say::say;
use super::{args, block_on, http, is_stopped, profiles, stop, trace, words};
use crate::capture::Header;
use crate::moby::endpoints;
use crate::plan::Profile;
use crate::render::Style;
use crate::session::{self, Batch, Claims, Ended, Event, Prepared, Stop, Stream, signals};
use crate::target::{Process, Selection, candidates, no_daemon};

/// Batches that wait to be written, at most; beyond, sessions wait, and the kernel's buffers fill.
const WAITING: usize = 64;
/// How long a daemon may take to say its version.
const VERSION: Duration = Duration::from_secs(2);
/// How often new daemons are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What a session tells.
enum Said {
    /// It begins, with the process of that number.
    Found(u32),
    Attached(Box<Header>),
    Batch(Box<Batch>),
    Over(Box<Ended>),
    /// The daemon ended before it could be traced.
    Gone,
    /// The user did not wait until it was traced.
    Stopped,
    Failed(anyhow::Error),
}

/// What all threads share.
struct Shared<'a> {
    args: &'a args::Trace,
    profiles: Vec<Profile>,
    verbose: bool,
    claims: Claims,
    /// All are to stop.
    stop: watch::Sender<bool>,
    /// All daemons that there were at the beginning are traced, or will not be.
    attached: watch::Sender<bool>,
    /// Sessions begun.
    begun: AtomicUsize,
}

/// `Ok(false)`: nothing was traced.
pub fn run(args: &args::Trace, style: Style, verbose: bool, out: &mut dyn Write) -> Result<bool> {
    signals::catch()?;
    let shared = Shared {
        args,
        profiles: profiles::of(&args.profiles)?,
        verbose,
        claims: Claims::default(),
        stop: watch::channel(false).0,
        attached: watch::channel(false).0,
        begun: AtomicUsize::new(0),
    };
    let first = shared.claims.take_new();
    if first.is_empty() {
        if !args.wait {
            return Err(Failure::from(no_daemon()).into());
        }
        say!("{}; waiting for one, Ctrl-C stops", no_daemon());
    }
    let (said, heard) = sync_channel(WAITING);
    let initial = first.len();
    let shared = &shared;
    let result = std::thread::scope(|scope| {
        for process in first {
            let said = said.clone();
            scope.spawn(move || line(shared, &process, &said));
        }
        if !args.once || initial == 0 {
            let said = said.clone();
            scope.spawn(move || {
                let begin = |process: Process| {
                    let said = said.clone();
                    scope.spawn(move || line(shared, &process, &said));
                };
                if let Err(error) = block_on(look(shared, begin)) {
                    say!("warning: new daemons are not looked for: {error}");
                }
            });
        }
        drop(said);
        let work =
            scope.spawn(|| block_on(work(args, initial == 1, &shared.attached, &shared.stop)));
        let printer = Printer {
            shared,
            style,
            initial: initial.max(1),
        };
        let printed = printer.print(&heard, out);
        shared.stop.send_replace(true);
        let worked = work.join().unwrap_or(Ok(()));
        printed.and_then(|seen| worked.map(|()| seen))
    });
    Ok(result? > 0)
}

/// Looks for daemons that appear, until all are to stop.
async fn look(shared: &Shared<'_>, begin: impl Fn(Process)) -> Result<()> {
    let mut stopped = shared.stop.subscribe();
    let stopped = stopped.wait_for(|stop| *stop);
    tokio::pin!(stopped);
    let asked = signals::asked();
    tokio::pin!(asked);
    loop {
        if shared.claims.is_there_a_new_one() {
            let new = shared.claims.take_new();
            let enough = shared.args.once && !new.is_empty();
            new.into_iter().for_each(&begin);
            if enough {
                return Ok(());
            }
        }
        if signals::stdout_is_gone() {
            shared.stop.send_replace(true);
        }
        tokio::select! {
            _ = &mut stopped => return Ok(()),
            asked = &mut asked => {
                shared.stop.send_replace(true);
                return Ok(asked?);
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// One daemon, from its first incarnation on.
fn line(shared: &Shared<'_>, process: &Process, said: &SyncSender<(usize, Said)>) {
    let index = shared.begun.fetch_add(1, Ordering::SeqCst);
    let pid = process.pid;
    let tell = |what| said.send((index, what)).is_ok();
    tell(Said::Found(pid));
    match block_on(one(shared, pid, &tell)) {
        Ok(Stop::Interrupted | Stop::Unread) => {
            shared.stop.send_replace(true);
        }
        Ok(Stop::Done(()) | Stop::DaemonEnded | Stop::DaemonReplaced) => {}
        Err(error) if is_stopped(&error) => {
            shared.stop.send_replace(true);
            tell(Said::Stopped);
        }
        Err(_) if Process::open(pid).is_err() => {
            tell(Said::Gone);
        }
        Err(error) => {
            tell(Said::Failed(error));
        }
    }
}

/// Traces one daemon until all are to stop.
async fn one(shared: &Shared<'_>, pid: u32, tell: &impl Fn(Said) -> bool) -> Result<Stop<()>> {
    let args = shared.args;
    let output = args.output.as_deref().map(|path| for_daemon(path, pid));
    let mut life = trace::life(
        args,
        &shared.profiles,
        Selection::Pid(pid),
        output.as_deref(),
        shared.verbose,
        &shared.claims,
    );
    // it is there
    life.wait = false;
    let name = RefCell::new(None::<String>);
    let last = RefCell::new(None::<Header>);
    let teller = |note| words::say_note(name.borrow().as_deref(), &note);
    let before = async |prepared: &mut Prepared| {
        let known = last.borrow().clone();
        prepared.header.daemon.version = match (&known, &prepared.socket) {
            // one that was just started does not answer yet
            (Some(before), _) => version_of_same(before, &prepared.header),
            (None, Some(socket)) => version(socket).await,
            (None, None) => None,
        };
        let label = label(&prepared.header);
        if known.is_none() {
            words::warn_of_secrets(Some(&label), args.redact);
        }
        name.replace(Some(label));
        last.replace(Some(prepared.header.clone()));
    };
    let mut stopped = shared.stop.subscribe();
    let until = |_: Option<PathBuf>| async move {
        // the sender is older than this session
        let _ = stopped.wait_for(|stop| *stop).await;
        anyhow::Ok(())
    };
    let mut output = output.as_deref();
    session::follow(&life, &teller, before, until, |event| {
        anyhow::Ok(!match event {
            Event::Begun(header) => {
                if let Some(path) = output.take() {
                    let text = format!("recording to {}", path.display());
                    words::line(name.borrow().as_deref(), &text);
                }
                tell(Said::Attached(header))
            }
            Event::Batch(batch) => tell(Said::Batch(Box::new(batch))),
            Event::Over(ended) => tell(Said::Over(ended)),
        })
    })
    .await
}

/// The version of a program that was seen before, by its build id.
fn version_of_same(before: &Header, now: &Header) -> Option<String> {
    let (before, now) = (&before.daemon, &now.daemon);
    let same = now.build_id.is_some() && now.build_id == before.build_id;
    same.then(|| before.version.clone())?
}

/// Runs the commands once every daemon is traced, then ends the sessions.
async fn work(
    args: &args::Trace,
    alone: bool,
    attached: &watch::Sender<bool>,
    stop: &watch::Sender<bool>,
) -> Result<()> {
    let (mut attached, mut stopped) = (attached.subscribe(), stop.subscribe());
    let work = async {
        let _ = attached.wait_for(|all| *all).await;
        let socket = candidates()
            .first()
            .filter(|_| alone)
            .and_then(|c| c.socket.clone());
        trace::until(args, socket.as_deref()).await
    };
    let worked = tokio::select! {
        worked = work => worked,
        _ = stopped.wait_for(|stop| *stop) => Ok(()),
    };
    stop.send_replace(true);
    worked
}

/// What dockerd says its version is.
async fn version(socket: &Path) -> Option<String> {
    let answer = tokio::time::timeout(VERSION, http::body(socket, endpoints::VERSION));
    let body = answer.await.ok()?.ok()?;
    let json: serde_json::Value = serde_json::from_slice(&body).ok()?;
    Some(json.get(endpoints::VERSION_FIELD)?.as_str()?.to_owned())
}

/// `[26.1.5 pid 4711]`
fn label(header: &Header) -> String {
    let d = &header.daemon;
    match &d.version {
        Some(version) => format!("[{version} pid {}]", d.pid),
        None => format!("[pid {}]", d.pid),
    }
}

/// `trace.4711.mobytrace` for `trace.mobytrace`.
fn for_daemon(path: &Path, pid: u32) -> PathBuf {
    match path.extension() {
        Some(extension) => {
            let mut end = std::ffi::OsString::from(format!("{pid}."));
            end.push(extension);
            path.with_extension(end)
        }
        None => path.with_extension(pid.to_string()),
    }
}

/// Writes what all sessions tell.
struct Printer<'a> {
    shared: &'a Shared<'a>,
    style: Style,
    /// Daemons that there were at the beginning, or the first one that is waited for.
    initial: usize,
}

/// What is known of one session.
#[derive(Default)]
struct Line {
    pid: u32,
    /// Of the incarnation that is traced now.
    stream: Option<Stream>,
    /// It was traced, or will not be.
    reported: bool,
}

impl Printer<'_> {
    /// Until every session has ended; gives the calls seen.
    fn print(&self, heard: &Receiver<(usize, Said)>, out: &mut dyn Write) -> Result<u64> {
        let stop = &self.shared.stop;
        let mut lines: BTreeMap<usize, Line> = BTreeMap::new();
        let mut seen = 0u64;
        let mut failures: Vec<(u32, Failure)> = Vec::new();
        let mut broken = None;
        while let Ok((index, said)) = heard.recv() {
            let line = lines.entry(index).or_default();
            line.reported |= !matches!(said, Said::Found(_) | Said::Batch(_));
            let before = line.stream.as_ref().map_or(0, Stream::shown);
            let written = match said {
                Said::Failed(error) => {
                    let failure = Failure::of(&error);
                    let (pid, message) = (line.pid, &failure.message);
                    say!("warning: dockerd pid {pid} is not traced: {message}");
                    failures.push((pid, failure));
                    Ok(0)
                }
                said => self.write(line, said, out),
            };
            match written {
                Ok(shown) => seen = seen.saturating_add(shown.saturating_sub(before)),
                // what cannot be written ends all sessions, each of which detaches
                Err(error) => {
                    broken.get_or_insert(error);
                }
            }
            if lines.values().filter(|line| line.reported).count() >= self.initial {
                self.shared.attached.send_replace(true);
            }
            if broken.is_some() || self.shared.args.calls.is_some_and(|most| seen >= most) {
                stop.send_replace(true);
            }
        }
        match (broken, failures.is_empty()) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(seen),
            (None, false) => Err(failed(lines.len(), failures).into()),
        }
    }

    /// Writes what a session tells; gives the calls of its incarnation that were shown.
    fn write(&self, line: &mut Line, said: Said, out: &mut dyn Write) -> Result<u64> {
        match (said, line.stream.take()) {
            (Said::Found(pid), stream) => {
                line.pid = pid;
                line.stream = stream;
            }
            (Said::Attached(own), _) => {
                let label = Some(label(&own));
                let stream = trace::stream(self.shared.args, self.style, &own, label);
                let stream = line.stream.insert(stream);
                stream.begin(out)?;
                out.flush()?;
            }
            (Said::Batch(batch), Some(stream)) => {
                trace::write(line.stream.insert(stream), *batch, out)?;
            }
            (Said::Over(ended), Some(mut stream)) => {
                end(&mut stream, *ended, out)?;
                return Ok(stream.shown());
            }
            (Said::Gone, _) => {
                let pid = line.pid;
                say!("note: dockerd pid {pid} ended before it was traced");
            }
            (_, stream) => line.stream = stream,
        }
        Ok(line.stream.as_ref().map_or(0, Stream::shown))
    }
}

/// An incarnation is over.
fn end(stream: &mut Stream, ended: Ended, out: &mut dyn Write) -> Result<()> {
    let pid = stream.context().daemon.pid;
    if let Some(what) = stop::of_daemon(&ended.stop) {
        say!("dockerd pid {pid}: {what}");
    }
    trace::write(stream, ended.rest, out)?;
    stream.context().ended(ended.completeness.clone());
    stream.finish(&ended.summary, out)?;
    say!("dockerd pid {pid}: {}", ended.completeness);
    out.flush()?;
    match ended.recording {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

/// Several failures as one: the others were traced.
fn failed(all: usize, failures: Vec<(u32, Failure)>) -> Failure {
    let few = failures.len();
    let mut hint = None;
    let each: Vec<String> = failures
        .into_iter()
        .map(|(pid, failure)| {
            hint.get_or_insert(failure.hint);
            format!("pid {pid}: {}", failure.message)
        })
        .collect();
    Failure::new(
        format!("{few} of {all} daemons not traced: {}", each.join("; ")),
        hint.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_for_each_daemon() {
        let of = |path: &str| for_daemon(Path::new(path), 7).display().to_string();
        assert_eq!(of("/tmp/trace.mobytrace"), "/tmp/trace.7.mobytrace");
        assert_eq!(of("/tmp.d/trace"), "/tmp.d/trace.7");
        assert_eq!(of("a.b.c"), "a.b.7.c");
    }
}

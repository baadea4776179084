//! `mobytrace trace --all`: every daemon in a session of its own, on a thread of its own; one output.
//!
//! What happens to one daemon or its session does not concern the others. Recordings are one for each daemon: whatever reads
//! them knows one daemon only, and requests are numbered by daemon.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
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
use crate::session::{self, Batch, Ended, Live, Prepared, Stop, Stream, signals};
use crate::target::{Process, Selection, candidates, no_daemon};

/// Batches that wait to be written, at most; beyond, sessions wait, and the kernel's buffers fill.
const WAITING: usize = 64;
/// How long a daemon may take to say its version.
const VERSION: Duration = Duration::from_secs(2);

/// What a session tells.
enum Said {
    Attached(Box<Header>),
    Batch(Box<Batch>),
    Ended(Box<Ended>),
    /// It ended before it could be traced.
    Gone,
    /// The user did not wait until it was traced.
    Stopped,
    Failed(anyhow::Error),
}

/// `Ok(false)`: nothing was traced.
pub fn run(args: &args::Trace, style: Style, verbose: bool, out: &mut dyn Write) -> Result<bool> {
    signals::catch()?;
    let profiles = profiles::of(&args.profiles)?;
    let pids: Vec<u32> = candidates().iter().map(|c| c.pid).collect();
    if pids.is_empty() {
        return Err(Failure::from(no_daemon()).into());
    }
    let (stop, _) = watch::channel(false);
    let (attached, _) = watch::channel(false);
    let (said, heard) = sync_channel(WAITING);
    let result = std::thread::scope(|scope| {
        for (index, pid) in pids.iter().copied().enumerate() {
            let (said, stop, profiles) = (said.clone(), &stop, profiles.as_slice());
            let apart = pids.len() > 1;
            scope.spawn(move || {
                let tell = |what| said.send((index, what)).is_ok();
                let end = match block_on(one(args, profiles, pid, apart, verbose, stop, &tell)) {
                    Ok(ended) => Said::Ended(Box::new(ended)),
                    Err(error) if is_stopped(&error) => {
                        stop.send_replace(true);
                        Said::Stopped
                    }
                    Err(_) if Process::open(pid).is_err() => Said::Gone,
                    Err(error) => Said::Failed(error),
                };
                tell(end);
            });
        }
        drop(said);
        let work = scope.spawn(|| block_on(work(args, pids.len() == 1, &attached, &stop)));
        let printer = Printer {
            args,
            style,
            pids: &pids,
        };
        let printed = printer.print(&heard, &attached, &stop, out);
        stop.send_replace(true);
        let worked = work.join().unwrap_or(Ok(()));
        printed.and_then(|seen| worked.map(|()| seen))
    });
    Ok(result? > 0)
}

/// Traces one daemon until all are to stop.
async fn one(
    args: &args::Trace,
    profiles: &[Profile],
    pid: u32,
    apart: bool,
    verbose: bool,
    stop: &watch::Sender<bool>,
    tell: &impl Fn(Said) -> bool,
) -> Result<Ended> {
    let mut prepared = Prepared::new(&trace::wish(args, profiles, Selection::Pid(pid)))?;
    if let Some(socket) = &prepared.socket {
        prepared.header.daemon.version = version(socket).await;
    }
    let label = apart.then(|| label(&prepared.header));
    words::warn_of_secrets(label.as_deref(), args.redact);
    let output = args.output.as_deref().map(|path| for_daemon(path, pid));
    let options = trace::options(args, output.as_deref(), verbose);
    let teller = words::teller(label.clone());
    let live = Live::attach(&prepared, &options, &teller)?;
    if let Some(path) = &output {
        let text = format!("recording to {}", path.display());
        words::line(label.as_deref(), &text);
    }
    tell(Said::Attached(Box::new(prepared.header.clone())));
    let mut stopped = stop.subscribe();
    let until = async {
        // the sender is older than this session
        let _ = stopped.wait_for(|stop| *stop).await;
        Ok(())
    };
    let ended = session::run(live, until, |batch| {
        anyhow::Ok(!tell(Said::Batch(Box::new(batch))))
    })
    .await?;
    if matches!(ended.stop, Stop::Interrupted | Stop::Unread) {
        stop.send_replace(true);
    }
    Ok(ended)
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
    args: &'a args::Trace,
    style: Style,
    pids: &'a [u32],
}

impl Printer<'_> {
    /// Until every session has ended; gives the calls seen.
    fn print(
        &self,
        heard: &Receiver<(usize, Said)>,
        attached: &watch::Sender<bool>,
        stop: &watch::Sender<bool>,
        out: &mut dyn Write,
    ) -> Result<u64> {
        let mut streams: Vec<Option<Stream>> = self.pids.iter().map(|_| None).collect();
        let (mut reported, mut seen) = (0, 0u64);
        let mut failures: Vec<(u32, Failure)> = Vec::new();
        let mut broken = None;
        while let Ok((index, said)) = heard.recv() {
            let (Some(pid), Some(stream)) = (self.pids.get(index), streams.get_mut(index)) else {
                continue;
            };
            let first = stream.is_none();
            reported += usize::from(first && !matches!(said, Said::Batch(_)));
            if reported == self.pids.len() {
                attached.send_replace(true);
            }
            let written = match (said, stream) {
                (Said::Attached(own), stream) => {
                    let label = (self.pids.len() > 1).then(|| label(&own));
                    let mut new = trace::stream(self.args, self.style, &own, label);
                    let written = new.begin(out).and_then(|()| out.flush());
                    *stream = Some(new);
                    written.map_err(Into::into)
                }
                (Said::Batch(batch), Some(stream)) => {
                    let before = stream.shown();
                    let written = trace::write(stream, *batch, out);
                    seen += stream.shown() - before;
                    written
                }
                (Said::Ended(ended), Some(stream)) => {
                    let before = stream.shown();
                    let written = self.end(*pid, stream, *ended, out);
                    seen += stream.shown() - before;
                    written
                }
                (Said::Failed(error), _) => {
                    let failure = Failure::of(&error);
                    say!(
                        "warning: dockerd pid {pid} is not traced: {}",
                        failure.message
                    );
                    failures.push((*pid, failure));
                    Ok(())
                }
                (Said::Gone, _) => {
                    say!("note: dockerd pid {pid} ended before it was traced");
                    Ok(())
                }
                (Said::Stopped, _) | (Said::Batch(_) | Said::Ended(_), None) => Ok(()),
            };
            // what cannot be written ends all sessions, each of which detaches
            if let Err(error) = written {
                broken.get_or_insert(error);
            }
            if broken.is_some() || self.args.calls.is_some_and(|most| seen >= most) {
                stop.send_replace(true);
            }
        }
        match (broken, failures.is_empty()) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(seen),
            (None, false) => Err(self.failed(failures).into()),
        }
    }

    fn end(&self, pid: u32, stream: &mut Stream, ended: Ended, out: &mut dyn Write) -> Result<()> {
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
    fn failed(&self, failures: Vec<(u32, Failure)>) -> Failure {
        let all = self.pids.len();
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

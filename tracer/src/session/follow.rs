//! A daemon traced through its life: one incarnation after the other, until somebody stops it.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::attach::{Carried, Options};
use super::claims::Claims;
use super::live::{Live, Stop};
use super::note::{Note, Tell};
use super::prepare::{Prepared, Wish};
use super::run::{Batch, Ended, run};
use super::{Error, signals};
use crate::capture::{Header, Left, Seam};
use crate::target::{self, Incarnation, Process, Selection};

/// How long, after this long a time of waiting, until the next look for a daemon: a restart takes
/// moments, and who waits for hours must not cost anything.
const PAUSES: [(Duration, Duration); 2] = [
    (Duration::from_secs(10), Duration::from_millis(5)),
    (Duration::from_secs(120), Duration::from_millis(20)),
];
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// How a daemon's life is to be traced.
#[derive(Clone, Debug)]
pub struct Life<'w> {
    pub wish: Wish<'w>,
    pub options: Options<'w>,
    /// The session waits until there is a daemon.
    pub wait: bool,
    /// The session ends with the daemon.
    pub once: bool,
    /// What is told apart among sessions that run side by side.
    pub claims: &'w Claims,
}

/// What such a session gives out, in this order for each incarnation.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "almost every event is a batch")]
pub enum Event {
    /// The probes are there.
    Begun(Box<Header>),
    /// Any number of them.
    Batch(Batch),
    /// The probes are gone, the segment of the recording has its end.
    Over(Box<Ended>),
}

/// What looking for a daemon came to.
enum Sought<T> {
    Found(T),
    Stop(Stop<()>),
}

/// Traces a daemon, and what follows it on its socket or is started in the same way, until `until`
/// ends, the user interrupts, or `each` says by `true` that it is enough. `before` sees each
/// incarnation before it is attached. Nothing is left attached when this returns.
///
/// # Errors
/// What `until` and `each` fail with, or the session itself. An incarnation that cannot be traced
/// fails only if it is the first; of others it is told.
pub async fn follow<E: From<Error>, U: Future<Output = Result<(), E>>>(
    life: &Life<'_>,
    tell: Tell<'_>,
    mut before: impl AsyncFnMut(&mut Prepared),
    until: impl FnOnce(Option<PathBuf>) -> U,
    mut each: impl FnMut(Event) -> Result<bool, E>,
) -> Result<Stop<()>, E> {
    let process = match first(life, tell).await? {
        Sought::Found(process) => process,
        Sought::Stop(stop) => return Ok(stop),
    };
    life.claims.take(&process);
    let mut prepared = Prepared::of(process, &life.wish, None)?;
    before(&mut prepared).await;
    let until = until(prepared.socket.clone());
    tokio::pin!(until);
    let mut carried: Option<Carried> = None;
    let mut last: Option<Incarnation> = None;
    // from its first probe on: it may be started anew before its end was seen
    let mut waits = None;
    loop {
        match Live::attach_next(&prepared, &life.options, carried.as_mut(), tell) {
            Ok(live) => {
                let own = live.incarnation(last.as_ref());
                drop(waits.take());
                waits = (!life.once).then(|| life.claims.wait(&own));
                let mut begun = Some(each(Event::Begun(Box::new(live.header().clone()))));
                let mut ended = run(live, until.as_mut(), |batch| {
                    // what cannot be written ends the session as any other end does
                    let enough = begun.take().unwrap_or(Ok(false))?;
                    Ok(each(Event::Batch(batch))? || enough)
                })
                .await?;
                carried = Some(Carried::from(&mut ended, prepared.process.pid));
                let stop = ended.stop;
                let enough = each(Event::Over(Box::new(ended)))?;
                let is_over = matches!(stop, Stop::DaemonEnded | Stop::DaemonReplaced);
                if enough || !is_over || life.once || !own.is_daemon() {
                    return Ok(stop);
                }
                last = Some(own);
                tell(Note::Awaiting);
            }
            Err(error) if carried.is_none() => return Err(error.into()),
            Err(Error::Stopped) => return Ok(Stop::Interrupted),
            Err(error) => not_taken(&prepared.process, &error, tell),
        }
        let Some(last) = &last else {
            return Ok(Stop::DaemonEnded);
        };
        prepared = match next(life, last, &prepared, until.as_mut(), tell).await? {
            Sought::Found(next) => next,
            Sought::Stop(stop) => return Ok(stop),
        };
        before(&mut prepared).await;
    }
}

/// The daemon to begin with.
async fn first(life: &Life<'_>, tell: Tell<'_>) -> Result<Sought<Process>, Error> {
    let daemon = &life.wish.daemon;
    let missing = match target::find(daemon) {
        Ok(process) => return Ok(Sought::Found(process)),
        Err(error) if life.wait && error.is_absence() => error,
        Err(error) => return Err(error.into()),
    };
    tell(Note::Waiting {
        why: missing.to_string(),
    });
    let look = || match daemon {
        Selection::Socket(path) => target::awaited(path).map(Ok),
        _ if target::running_dockerds().is_empty() => None,
        _ => match target::find(daemon) {
            Err(error) if error.is_absence() => None,
            found => Some(found),
        },
    };
    match seek(std::future::pending::<Result<(), Error>>(), look).await? {
        Sought::Found(found) => Ok(Sought::Found(found?)),
        Sought::Stop(stop) => Ok(Sought::Stop(stop)),
    }
}

/// The next incarnation that can be read.
async fn next<E: From<Error>>(
    life: &Life<'_>,
    last: &Incarnation,
    before: &Prepared,
    mut until: Pin<&mut impl Future<Output = Result<(), E>>>,
    tell: Tell<'_>,
) -> Result<Sought<Prepared>, E> {
    life.claims.release(&before.process);
    loop {
        let look = || last.next(|process| life.claims.is_taken(process));
        let process = match seek(until.as_mut(), look).await? {
            Sought::Found(process) => process,
            Sought::Stop(stop) => return Ok(Sought::Stop(stop)),
        };
        if !life.claims.take(&process) {
            continue;
        }
        match Prepared::of(process.clone(), &life.wish, Some(before)) {
            Ok(prepared) => return Ok(Sought::Found(prepared)),
            Err(error) => not_taken(&process, &error, tell),
        }
    }
}

/// Looks again and again until something is found, `until` ends, or the session is to end.
async fn seek<T, E: From<Error>>(
    until: impl Future<Output = Result<(), E>>,
    look: impl Fn() -> Option<T>,
) -> Result<Sought<T>, E> {
    tokio::pin!(until);
    let asked = signals::asked();
    tokio::pin!(asked);
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(Sought::Found(found));
        }
        if signals::stdout_is_gone() {
            return Ok(Sought::Stop(Stop::Unread));
        }
        let waited = started.elapsed();
        let pause = PAUSES.iter().find(|(until, _)| waited < *until);
        let pause = pause.map_or(LAST_PAUSE, |(_, pause)| *pause);
        tokio::select! {
            result = &mut until => return result.map(|()| Sought::Stop(Stop::Done(()))),
            asked = &mut asked => {
                asked.map_err(Error::Wait)?;
                return Ok(Sought::Stop(Stop::Interrupted));
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Tells why an incarnation is not traced, unless it is gone already.
fn not_taken(process: &Process, error: &Error, tell: Tell<'_>) {
    if process.is_alive() {
        tell(Note::NotTaken {
            pid: process.pid,
            why: error.to_string(),
        });
    }
}

impl Carried {
    /// What the next incarnation takes on from one that is over.
    fn from(ended: &mut Ended, pid: u32) -> Self {
        Self {
            recording: std::mem::take(&mut ended.carried),
            seam: Seam {
                pid,
                left: match ended.stop {
                    Stop::DaemonReplaced => Left::Replaced,
                    _ => Left::Ended,
                },
                left_ns: ended.left_ns,
                // known when its probes are there
                attached_ns: 0,
                listened: None,
                requests: ended.requests,
            },
        }
    }
}

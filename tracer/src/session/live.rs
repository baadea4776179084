//! A live session: records are taken as they come, written, decoded and correlated.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::attach::{Attached, Carried, Options, attach};
use super::clocks::Clocks;
use super::drain::{Drain, Taken};
use super::note::{Detached, Note, Tell};
use super::pipeline::Pipeline;
use super::prepare::{DaemonState, Prepared};
use super::record::Recording;
use super::slow::Watch;
use super::{Context, Error, signals};
use crate::addr::ImageAddr;
use crate::capture::{self, Completeness, Event, Header, Trailer};
use crate::correlate::{Correlator, Trace};
use crate::decode::{Hit, RawHit};
use crate::gobin::GoBinary;
use crate::probe::{self, Session};
use crate::target::{Image, Incarnation};

/// Different return addresses that are named, at most: a program has few, damaged stacks may have
/// any.
const MOST_NAMED: usize = 1 << 16;
/// Bytes of records decoded at once: what comes of them is given out before the next.
const MOST_AT_ONCE: usize = 1 << 20;
/// How often the daemon is checked for being alive, and slow goroutines may be looked at.
const ALIVE: Duration = Duration::from_millis(200);

/// Why collecting stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<T> {
    Done(T),
    Interrupted,
    /// Nobody reads stdout any more.
    Unread,
    DaemonEnded,
    /// The process runs another program by now.
    DaemonReplaced,
}

/// Probes attached, records flowing.
pub struct Live<'p> {
    prepared: &'p Prepared,
    header: Header,
    binary: GoBinary<'p>,
    session: Session,
    drain: Drain,
    pipeline: Pipeline,
    store: Store<'p>,
    watch: Option<Watch>,
    /// Return addresses whose names were given out.
    named: BTreeSet<ImageAddr>,
    tell: Tell<'p>,
}

/// Names of return addresses, innermost inlined frame first.
pub(super) type Symbols = Vec<(ImageAddr, Vec<String>)>;

/// What is kept of every hit: the recording, and the return addresses to be named at the end of
/// its file.
struct Store<'p> {
    recording: Recording,
    callers: BTreeSet<ImageAddr>,
    /// Return addresses for which there was no room in `callers`.
    unnamed: u64,
    /// Counts when the file began; none: when the session did.
    before: Trailer,
    tell: Tell<'p>,
}

impl Store<'_> {
    fn hit(&mut self, raw: &RawHit, hit: Option<&Hit>) {
        for part in &raw.parts {
            let write = |writer: &mut capture::Writer| writer.record(&part.to_stored());
            self.recording.write(self.tell, write);
        }
        for address in hit.map_or(&[][..], |hit| &hit.stack) {
            if self.callers.len() < MOST_NAMED || self.callers.contains(address) {
                self.callers.insert(*address);
            } else {
                self.unnamed += 1;
            }
        }
    }
}

/// What a session left.
pub(super) struct Finished {
    /// What was not given out before, what is still open included.
    pub(super) trace: Trace,
    /// Names that it needs.
    pub(super) symbols: Symbols,
    pub(super) completeness: Completeness,
    /// Why the recording is not whole.
    pub(super) failure: Option<Error>,
    /// The recording, in which another segment may follow.
    pub(super) recording: Recording,
    /// The number of the last request.
    pub(super) requests: u32,
}

impl<'p> Live<'p> {
    /// Attaches the probes. `tell` is given what the user may want to know, now and later.
    ///
    /// # Errors
    /// Nothing can be traced, or not now; nothing is left attached then.
    pub fn attach(
        prepared: &'p Prepared,
        options: &Options<'_>,
        tell: Tell<'p>,
    ) -> Result<Self, Error> {
        Self::attach_next(prepared, options, None, tell)
    }

    /// The same; `carried` is what goes on from the incarnation before.
    pub(super) fn attach_next(
        prepared: &'p Prepared,
        options: &Options<'_>,
        carried: Option<&mut Carried>,
        tell: Tell<'p>,
    ) -> Result<Self, Error> {
        let Attached {
            binary,
            header,
            session,
            drain,
            recording,
        } = attach(prepared, options, carried, tell)?;
        let context = Context::new(&header);
        let pid = prepared.process.pid;
        Ok(Self {
            prepared,
            header,
            binary,
            session,
            drain,
            pipeline: Pipeline::new(&context, prepared.header.redact),
            store: Store {
                recording,
                callers: BTreeSet::new(),
                unnamed: 0,
                before: Trailer::default(),
                tell,
            },
            watch: options
                .slow
                .map(|threshold| Watch::new(pid, prepared.plan(), threshold)),
            named: BTreeSet::new(),
            tell,
        })
    }

    /// What a recording of it begins with.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// By what the daemon is known again; what cannot be seen yet is as it was in the run before.
    pub(super) fn incarnation(&self, before: Option<&Incarnation>) -> Incarnation {
        let socket = self.header.daemon.socket.as_deref();
        let own = Incarnation::of(&self.prepared.process, socket.map(Path::new));
        match before {
            Some(before) => own.after(before),
            None => own,
        }
    }

    /// Reads records until `until` ends, the user interrupts, or the daemon ends. `each` is called
    /// after every batch and ends the collection by `true`.
    pub(super) async fn collect<T, E: From<Error>>(
        &mut self,
        until: impl Future<Output = T>,
        mut each: impl FnMut(&mut Self) -> Result<bool, E>,
    ) -> Result<Option<Stop<T>>, E> {
        tokio::pin!(until);
        let asked = signals::asked();
        tokio::pin!(asked);
        let ended = process_ended(self.prepared.process.pid);
        tokio::pin!(ended);
        let mut told = false;
        let mut clocks = Clocks::now();
        let mut alive = tokio::time::interval(ALIVE);
        loop {
            let stop = tokio::select! {
                () = self.drain.came() => None,
                // more waits than was decoded at once
                () = std::future::ready(()), if !self.drain.is_empty() => None,
                value = &mut until => Some(Stop::Done(value)),
                asked = &mut asked => {
                    asked.map_err(Error::Wait)?;
                    Some(Stop::Interrupted)
                }
                () = &mut ended, if !told => {
                    told = true;
                    let state = self.prepared.daemon_state();
                    (state == DaemonState::Ended).then_some(Stop::DaemonEnded)
                }
                _ = alive.tick() => match self.prepared.daemon_state() {
                    DaemonState::Ended => Some(Stop::DaemonEnded),
                    DaemonState::Replaced => Some(Stop::DaemonReplaced),
                    DaemonState::Runs => signals::stdout_is_gone().then_some(Stop::Unread),
                },
            };
            if let Some(jump) = clocks.look() {
                (self.tell)(Note::Jump(jump));
            }
            let records = self.drain.take(MOST_AT_ONCE);
            self.take(records);
            self.session.log();
            self.turn()?;
            // what is not decoded yet may say that it is over
            if self.is_up_to_date() {
                self.look(false);
            }
            if each(self)? {
                return Ok(None);
            }
            if stop.is_some() {
                return Ok(stop);
            }
        }
    }

    /// What is over and was not given out before, and names of return addresses in it that were
    /// not given out either.
    pub(super) fn drain_finished(&mut self) -> (Trace, Symbols) {
        let trace = self.pipeline.drain();
        let fresh = fresh(&mut self.named, &trace);
        let symbols = symbols(&self.prepared.image, &self.binary, fresh);
        (trace, symbols)
    }

    /// Whether everything that was recorded up to now is decoded.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.drain.is_up_to_date()
    }

    pub(super) fn correlator(&self) -> &Correlator {
        self.pipeline.correlator()
    }

    /// Looks at slow goroutines.
    fn look(&mut self, at_end: bool) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let plan = self.prepared.plan();
        let seen = watch.look(self.pipeline.correlator_mut(), plan, at_end, self.tell);
        for sample in seen {
            self.store
                .recording
                .write(self.tell, |writer| writer.sample(&sample));
            self.pipeline.take(Event::Sample(sample), |_, _| ());
        }
    }

    /// Decodes records, which masks their secrets; then writes them to the recording and
    /// correlates.
    fn take(&mut self, records: Vec<Taken>) {
        let mut damaged = None;
        for record in records {
            let store = &mut self.store;
            match record {
                Ok(part) => {
                    let event = Event::Part(part);
                    self.pipeline.take(event, |raw, hit| store.hit(raw, hit));
                }
                Err(error) => damaged = Some(error),
            }
        }
        if let Some(error) = damaged {
            (self.tell)(Note::Damaged(error));
        }
        // what happens to us now does not cost what was seen
        self.store
            .recording
            .write(self.tell, capture::Writer::flush);
    }

    /// Goes on in a further file of the recording, if one is due; best where no request is open and
    /// nothing waits.
    fn turn(&mut self) -> Result<(), Error> {
        let quiet = self.is_up_to_date() && self.correlator().open_requests().next().is_none();
        if !self.store.recording.is_due(quiet) {
            return Ok(());
        }
        let counters = self.session.counters()?;
        let store = &mut self.store;
        let callers = std::mem::take(&mut store.callers);
        let names = symbols(&self.prepared.image, &self.binary, callers);
        let counts = Trailer {
            unnamed: store.unnamed,
            ..Trailer::new(&counters, Vec::new(), capture::monotonic_ns())
        };
        let before = std::mem::replace(&mut store.before, counts.clone());
        let trailer = Trailer {
            symbols: names,
            ..counts.since(&before)
        };
        store.recording.turn(self.tell, &trailer);
        Ok(())
    }

    /// Detaches, checks that the daemon's code is as before, closes the recording.
    pub(super) fn finish(mut self) -> Result<Finished, Error> {
        let (rest, ring) = self.drain.finish();
        self.take(rest);
        let store = &mut self.store;
        self.pipeline.settle(|raw, hit| store.hit(raw, hit));
        self.look(true);
        let counters = self.session.counters();
        let ended = capture::monotonic_ns();
        let Self {
            prepared,
            binary,
            session,
            pipeline,
            store,
            mut named,
            tell,
            ..
        } = self;
        let sites = session.attach_report().attached();
        tell(Note::Detaching { sites });
        let started = Instant::now();
        session.detach()?;
        drop(ring);
        tell(Note::Detached(check_code(
            prepared,
            started.elapsed(),
            tell,
        )));
        let counters = counters?;
        let requests = pipeline.correlator().last_request();
        let trace = pipeline.finish(counters.iter().map(|c| c.drops).sum(), ended);
        let names = symbols(&prepared.image, &binary, store.callers);
        let trailer = Trailer {
            unnamed: store.unnamed,
            ..Trailer::new(&counters, names, ended)
        };
        let completeness = trailer.completeness();
        let fresh = fresh(&mut named, &trace);
        let (recording, failure) = store.recording.finish(tell, &trailer.since(&store.before));
        Ok(Finished {
            requests,
            failure,
            recording,
            symbols: symbols(&prepared.image, &binary, fresh),
            trace,
            completeness,
        })
    }
}

/// Waits for the end of a process; for ever where the kernel does not tell of it.
async fn process_ended(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let open = |pid| pidfd_open(pid, PidfdFlags::empty()).ok();
    // SAFETY: the descriptor is owned by the AsyncFd and stays open as long as it is registered.
    let register = |fd| unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok();
    match pid.and_then(open).and_then(register) {
        Some(fd) if fd.readable().await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

/// Looks whether the daemon's code is as before.
fn check_code(prepared: &Prepared, took: Duration, tell: Tell<'_>) -> Detached {
    match prepared.daemon_state() {
        DaemonState::Runs => {}
        DaemonState::Ended => return Detached::Ended,
        DaemonState::Replaced => return Detached::Replaced,
    }
    let plan = prepared.plan();
    match probe::check_bytes(prepared.process.pid, prepared.load_bias(), plan) {
        Ok(bytes) => {
            for m in &bytes.mismatches {
                tell(Note::Mismatch(m.to_string()));
            }
            Detached::Checked {
                took,
                sites: plan.sites.len(),
                breakpoints: bytes.breakpoints,
                mismatches: bytes.mismatches.len(),
            }
        }
        Err(error) => Detached::Unchecked {
            why: error.to_string(),
        },
    }
}

/// Return addresses of a batch that have no names yet.
fn fresh(named: &mut BTreeSet<ImageAddr>, trace: &Trace) -> BTreeSet<ImageAddr> {
    if named.len() >= MOST_NAMED {
        return BTreeSet::new();
    }
    let all = trace.calls.iter().flat_map(|c| &c.stack).copied();
    all.filter(|a| named.insert(*a)).collect()
}

/// Names of return addresses, inlined frames expanded; none if the file is not any more what it
/// was.
fn symbols(image: &Image, binary: &GoBinary<'_>, addresses: BTreeSet<ImageAddr>) -> Symbols {
    // a return address points after its call
    let named = addresses
        .into_iter()
        .map(|a| (a, binary.inline_frames(ImageAddr(a.0.saturating_sub(1)))))
        .collect();
    match image.check() {
        Ok(()) => named,
        Err(_) => Vec::new(),
    }
}

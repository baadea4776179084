//! One daemon traced: what is given out as the session goes on, and how it ends.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::failure::Failure;
use super::live::{self, Live, Stop};
use crate::capture::{Completeness, monotonic_ns};
use crate::correlate::{Correlator, Summary, Trace};
use crate::gobin::GoBinary;
use crate::target::Image;

/// A request that has been open for so long is told while the session goes on, once.
const LONG: Duration = Duration::from_secs(5);
/// How often open requests are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Open requests told at once, at most; the others follow.
const MOST_TOLD: usize = 64;
/// Addresses that get names, at most: a program has few, damaged stacks may have any.
const MOST_NAMES: usize = 1 << 16;

/// What came since the last one.
#[derive(Debug)]
pub struct Batch {
    /// What is over.
    pub trace: Trace,
    /// Requests that have been open for long.
    pub open: Option<Trace>,
    /// Names of return addresses that were not given out before.
    pub symbols: Vec<(u64, Vec<String>)>,
}

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    pub stop: Stop<()>,
    /// What was not given out before, what is still open included.
    pub rest: Batch,
    pub summary: Summary,
    pub completeness: Completeness,
    /// Why the recording is not whole.
    pub recording: Option<Failure>,
}

/// Runs an attached session until `until` ends, the user interrupts, the daemon ends, or `give` says that it is enough.
pub async fn run(
    mut live: Live<'_>,
    until: impl Future<Output = Result<()>>,
    mut give: impl FnMut(Batch) -> Result<bool>,
) -> Result<Ended> {
    let mut names = Names {
        binary: live.binary(),
        image: live.image(),
        known: BTreeSet::new(),
    };
    let mut watch = OpenRequests::default();
    let stop = live
        .collect(until, |correlator| {
            let trace = correlator.drain_finished();
            let batch = Batch {
                symbols: names.of(&trace),
                open: watch.look(correlator),
                trace,
            };
            Ok(give(batch)?.then_some(Ok(())))
        })
        .await;
    // whatever happened, the probes go and the recording is closed before anything else is said
    let finished = live.finish();
    let stop = match stop? {
        Stop::Done(result) => Stop::Done(result?),
        Stop::DaemonEnded => Stop::DaemonEnded,
        Stop::DaemonReplaced => Stop::DaemonReplaced,
        Stop::Interrupted => Stop::Interrupted,
        Stop::Unread => Stop::Unread,
    };
    let live::Finished {
        trace,
        trailer,
        recording,
    } = finished?;
    Ok(Ended {
        stop,
        summary: trace.summary.clone(),
        rest: Batch {
            symbols: names.of(&trace),
            open: None,
            trace,
        },
        completeness: trailer.completeness(),
        recording,
    })
}

/// Names return addresses, each once: they tell who made a value.
struct Names<'p> {
    binary: Rc<GoBinary<'p>>,
    image: &'p Image,
    known: BTreeSet<u64>,
}

impl Names<'_> {
    fn of(&mut self, trace: &Trace) -> Vec<(u64, Vec<String>)> {
        if self.known.len() >= MOST_NAMES {
            return Vec::new();
        }
        let all = trace.calls.iter().flat_map(|c| &c.stack).copied();
        let fresh: BTreeSet<u64> = all.filter(|a| self.known.insert(*a)).collect();
        live::symbols(self.image, &self.binary, fresh)
    }
}

/// Finds requests that have been open for long.
#[derive(Default)]
struct OpenRequests {
    looked: Option<Instant>,
    told: BTreeSet<u32>,
}

impl OpenRequests {
    fn look(&mut self, correlator: &Correlator) -> Option<Trace> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return None;
        }
        self.looked = Some(Instant::now());
        let now = monotonic_ns();
        let long = |start: u64| u128::from(now.saturating_sub(start)) >= LONG.as_nanos();
        let open: BTreeSet<u32> = correlator
            .open_requests()
            .filter(|(_, start)| long(*start))
            .map(|(id, _)| id)
            .collect();
        self.told.retain(|id| open.contains(id));
        let fresh: BTreeSet<u32> = open
            .difference(&self.told)
            .take(MOST_TOLD)
            .copied()
            .collect();
        if fresh.is_empty() {
            return None;
        }
        self.told.extend(&fresh);
        Some(correlator.glance(&fresh, now))
    }
}

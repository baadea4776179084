//! One daemon traced: what is given out as the session goes on, and how it ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Error;
use super::live::{Finished, Live, Stop};
use super::record::Recording;
use crate::addr::ImageAddr;
use crate::capture::{Completeness, monotonic_ns};
use crate::correlate::{Correlator, Summary, Trace};

/// A request that has been open for so long is told while the session goes on, once.
const LONG: Duration = Duration::from_secs(5);
/// How often open requests are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Open requests told at once, at most; the others follow.
const MOST_TOLD: usize = 64;

/// What came since the last one.
#[derive(Debug, Default)]
pub struct Batch {
    /// What is over.
    pub trace: Trace,
    /// Requests that have been open for long.
    pub open: Option<Trace>,
    /// Names of return addresses that were not given out before.
    pub symbols: Vec<(ImageAddr, Vec<String>)>,
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
    pub recording: Option<Error>,
    /// The recording, in which another segment may follow.
    pub(super) carried: Recording,
    /// When collecting ended, CLOCK_MONOTONIC, ns.
    pub left_ns: u64,
    /// The number of the last request.
    pub requests: u32,
}

/// Runs an attached session until `until` ends, the user interrupts, the daemon ends, or `give`
/// says by `true` that it is enough. However it ends, the probes go and the recording is closed
/// before anything is returned.
///
/// # Errors
/// What `until` and `give` fail with, or the session itself.
pub async fn run<E: From<Error>>(
    mut live: Live<'_>,
    until: impl Future<Output = Result<(), E>>,
    mut give: impl FnMut(Batch) -> Result<bool, E>,
) -> Result<Ended, E> {
    let mut watch = OpenRequests::default();
    let stop = live
        .collect(until, |live| {
            let (trace, symbols) = live.drain_finished();
            give(Batch {
                // what is not decoded yet may say that it is over
                open: live
                    .is_up_to_date()
                    .then(|| watch.look(live.correlator()))
                    .flatten(),
                trace,
                symbols,
            })
        })
        .await;
    let left_ns = monotonic_ns();
    let finished = live.finish();
    let stop = match stop? {
        None => Stop::Done(()),
        Some(Stop::Done(result)) => Stop::Done(result?),
        Some(Stop::DaemonEnded) => Stop::DaemonEnded,
        Some(Stop::DaemonReplaced) => Stop::DaemonReplaced,
        Some(Stop::Interrupted) => Stop::Interrupted,
        Some(Stop::Unread) => Stop::Unread,
    };
    let Finished {
        trace,
        symbols,
        completeness,
        failure,
        recording,
        requests,
    } = finished?;
    Ok(Ended {
        stop,
        summary: trace.summary.clone(),
        rest: Batch {
            trace,
            open: None,
            symbols,
        },
        completeness,
        recording: failure,
        carried: recording,
        left_ns,
        requests,
    })
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

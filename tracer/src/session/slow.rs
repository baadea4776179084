//! Looks at the goroutines of what has been in flight for long, while it goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::note::{self, Note, Tell};
use crate::addr::ProcessAddr;
use crate::capture::monotonic_ns;
use crate::correlate::{Correlator, Slow};
use crate::decode::{Found, Sample};
use crate::plan::Plan;
use crate::probe::{Goroutines, Look};

/// Goroutines looked at at once, longest in flight first, because each look costs two reads; the
/// others' turn comes with the next round.
const MOST: usize = 256;

/// Requests remembered as said, those with the highest numbers: one that is forgotten may be said
/// twice.
const MOST_SAID: usize = 1 << 12;
/// From one round of looks to the next, ns.
const PAUSE: u64 = 150_000_000;

/// What has been in flight for this long is looked at.
pub(super) struct Watch {
    /// Ns.
    threshold: u64,
    /// When to look again, monotonic ns.
    next: u64,
    /// Requests that were said.
    said: BTreeSet<u32>,
    goroutines: Result<Goroutines, String>,
}

impl Watch {
    pub(super) fn new(pid: u32, plan: &Plan, threshold: Duration) -> Self {
        Self {
            // longer than five centuries is that
            threshold: u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX),
            next: 0,
            said: BTreeSet::new(),
            goroutines: Goroutines::open(pid, &plan.g).map_err(|e| e.to_string()),
        }
    }

    /// Looks at what is due, or, at the end of a session, at everything. What is seen for the first
    /// time is told.
    pub(super) fn look(
        &mut self,
        correlator: &mut Correlator,
        plan: &Plan,
        at_end: bool,
        tell: Tell<'_>,
    ) -> Vec<Sample> {
        let now = monotonic_ns();
        if now < self.next && !at_end {
            return Vec::new();
        }
        self.next = now.saturating_add(PAUSE);
        let slow = correlator.slow(now, self.threshold, at_end, MOST);
        let looks: Vec<(Slow, Sample)> = slow
            .into_iter()
            .map(|one| {
                let sample = Sample {
                    at: monotonic_ns(),
                    goid: one.goid,
                    found: self.found(&one),
                };
                (one, sample)
            })
            .collect();
        if !at_end {
            self.tell(plan, &looks, tell);
        }
        looks.into_iter().map(|(_, sample)| sample).collect()
    }

    /// Tells of each request, and of each call without one, when they are seen for the first time:
    /// of the goroutine that began last, because those that began before it wait for it.
    fn tell(&mut self, plan: &Plan, looks: &[(Slow, Sample)], tell: Tell<'_>) {
        for (at, (slow, sample)) in looks.iter().enumerate() {
            let later = looks.iter().skip(at + 1);
            let Some(id) = slow.request else {
                if slow.first {
                    tell(note(plan, slow, slow.since, sample));
                }
                continue;
            };
            if later.clone().any(|(other, _)| other.request == Some(id)) || !self.said.insert(id) {
                continue;
            }
            if self.said.len() > MOST_SAID {
                self.said.pop_first();
            }
            let earliest = looks.iter().find(|(other, _)| other.request == Some(id));
            let since = earliest.map_or(slow.since, |(e, _)| e.since);
            tell(note(plan, slow, since, sample));
        }
    }

    fn found(&self, slow: &Slow) -> Found {
        let goroutines = match &self.goroutines {
            Ok(goroutines) => goroutines,
            Err(why) => return Found::Unreadable(why.clone()),
        };
        if slow.g == ProcessAddr(0) {
            return Found::Unreadable("its address was not seen".to_owned());
        }
        match goroutines.look(slow.g, slow.goid) {
            Ok(Look::State { status, reason }) => Found::State { status, reason },
            Ok(Look::Changing) => Found::Changing,
            Ok(Look::Gone) => Found::Gone,
            Err(error) => Found::Unreadable(error.to_string()),
        }
    }
}

fn note(plan: &Plan, slow: &Slow, since: u64, sample: &Sample) -> Note {
    let function = slow.func.and_then(|f| plan.functions.get(f as usize));
    Note::Slow(note::Slow {
        request: slow.request,
        route: slow.route.clone(),
        function: function.map(|f| f.short.clone()),
        age: sample.at.saturating_sub(since),
        waits: sample.text(&plan.g),
    })
}

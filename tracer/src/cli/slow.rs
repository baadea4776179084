//! Looks at the goroutines of what has been in flight for long, while it goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::args::nanoseconds;
use super::live::Prepared;
use crate::capture::monotonic_ns;
use crate::correlate::{Correlator, Slow};
use crate::decode::{Found, Sample};
use crate::plan::Plan;
use crate::probe::{Goroutines, Look};
use crate::render::{escape, seconds};

/// Goroutines looked at at once, longest in flight first; a daemon with more has other troubles, and each look costs two reads.
const MOST: usize = 256;

/// Requests remembered as said.
const MOST_SAID: usize = 1 << 12;
/// From one round of looks to the next, ns.
const PAUSE: u64 = 150_000_000;

/// What has been in flight for this long is looked at.
pub struct Watch {
    threshold: u64,
    /// When to look again, monotonic ns.
    next: u64,
    /// Requests that were said.
    said: BTreeSet<u32>,
    goroutines: Result<Goroutines, String>,
}

impl Watch {
    pub fn new(pid: u32, plan: &Plan, threshold: Duration) -> Self {
        Self {
            threshold: nanoseconds(threshold),
            next: 0,
            said: BTreeSet::new(),
            goroutines: Goroutines::open(pid, &plan.g).map_err(|e| e.to_string()),
        }
    }

    /// Looks at what is due, or, at the end of a session, at everything. What is seen for the first time is said on stderr.
    pub fn look(
        &mut self,
        prepared: &Prepared,
        correlator: &mut Correlator,
        at_end: bool,
    ) -> Vec<Sample> {
        let now = monotonic_ns();
        if now < self.next && !at_end {
            return Vec::new();
        }
        self.next = now.saturating_add(PAUSE);
        let slow = correlator.slow(now, self.threshold, at_end);
        let looks: Vec<(Slow, Sample)> = slow
            .into_iter()
            .take(MOST)
            .map(|one| {
                let sample = Sample {
                    at: monotonic_ns(),
                    goid: one.goid,
                    found: self.found(&one),
                };
                correlator.observe(sample.clone());
                (one, sample)
            })
            .collect();
        if !at_end {
            self.say(prepared, &looks);
        }
        looks.into_iter().map(|(_, sample)| sample).collect()
    }

    /// One line for each request, and for each call without one, when they are seen for the first time: of the goroutine that began last,
    /// because those that began before it wait for it.
    fn say(&mut self, prepared: &Prepared, looks: &[(Slow, Sample)]) {
        for (at, (slow, sample)) in looks.iter().enumerate() {
            let later = looks.iter().skip(at + 1);
            let Some(id) = slow.request else {
                if slow.first {
                    say(prepared, slow, slow.since, sample);
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
            say(
                prepared,
                slow,
                earliest.map_or(slow.since, |(e, _)| e.since),
                sample,
            );
        }
    }

    fn found(&self, slow: &Slow) -> Found {
        let goroutines = match &self.goroutines {
            Ok(goroutines) => goroutines,
            Err(why) => return Found::Unreadable(why.clone()),
        };
        if slow.g == 0 {
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

fn say(prepared: &Prepared, slow: &Slow, since: u64, sample: &Sample) {
    let plan = prepared.plan();
    let function = slow
        .func
        .and_then(|f| plan.functions.get(f as usize))
        .map(|f| escape(&f.short));
    let route = slow.route.as_ref();
    let route = route.map(|(method, path)| escape(&format!("{method} {path}")));
    let what = match (slow.request, route, &function) {
        (Some(id), Some(route), Some(f)) => format!("#{id} {route}, in {f},"),
        (Some(id), Some(route), None) => format!("#{id} {route}"),
        (Some(id), None, Some(f)) => format!("{f} of #{id}"),
        (None, _, Some(f)) => f.clone(),
        _ => "a call".to_owned(),
    };
    prepared.say(&format!(
        "slow: {what} in flight for {}: {}",
        seconds(sample.at.saturating_sub(since)),
        escape(&sample.text(&plan.g))
    ));
}

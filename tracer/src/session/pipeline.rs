//! Records → hits → calls and requests: the stages that a live session and a replay have in common.

use std::sync::Arc;

use super::Context;
use crate::capture::Event;
use crate::correlate::{Correlator, Trace};
use crate::decode::{Assembler, Decoder, Hit, Part, RawHit, Redact};
use crate::plan::Plan;

/// Puts entries together to hits and decodes them, which masks their secrets.
#[derive(Debug)]
pub struct Hits {
    assembler: Assembler,
    decoder: Decoder<Arc<Plan>>,
}

impl Hits {
    /// Of the session that `context` is about; secrets are hidden as `redact` says.
    #[must_use]
    pub fn new(context: &Context, redact: Redact) -> Self {
        let plan = Arc::clone(&context.plan);
        Self {
            assembler: Assembler::default(),
            decoder: Decoder::new(plan, context.daemon.load_bias).redact(redact),
        }
    }

    /// Takes an entry. `each` is given every hit that is whole now, masked, with its values; no
    /// values where the plan does not know its site.
    pub fn take(&mut self, part: Part, each: impl FnMut(RawHit, Option<Hit>)) {
        let whole = self.assembler.push(part);
        self.decode(whole, each);
    }

    /// The same for what still waits for a further entry.
    pub fn finish(&mut self, each: impl FnMut(RawHit, Option<Hit>)) {
        let rest = self.assembler.finish();
        self.decode(rest, each);
    }

    fn decode(&self, hits: Vec<RawHit>, mut each: impl FnMut(RawHit, Option<Hit>)) {
        for mut raw in hits {
            let hit = self.decoder.decode(&mut raw);
            each(raw, hit);
        }
    }
}

/// All stages: events in, batches out.
#[derive(Debug)]
pub struct Pipeline {
    hits: Hits,
    correlator: Correlator,
}

impl Pipeline {
    /// Of the session that `context` is about; secrets are hidden as `redact` says.
    #[must_use]
    pub fn new(context: &Context, redact: Redact) -> Self {
        Self {
            hits: Hits::new(context, redact),
            correlator: Correlator::new(&context.plan).numbered_behind(context.requests_before()),
        }
    }

    /// Takes what was captured next. `seen` is given every hit that is whole now, masked, before it
    /// is tied to others.
    pub fn take(&mut self, event: Event, mut seen: impl FnMut(&RawHit, Option<&Hit>)) {
        let Self { hits, correlator } = self;
        match event {
            Event::Part(part) => hits.take(part, |raw, hit| push(correlator, &raw, hit, &mut seen)),
            Event::Sample(sample) => correlator.observe(sample),
        }
    }

    /// No further entry comes: takes the hits that waited for one.
    pub fn settle(&mut self, mut seen: impl FnMut(&RawHit, Option<&Hit>)) {
        let Self { hits, correlator } = self;
        hits.finish(|raw, hit| push(correlator, &raw, hit, &mut seen));
    }

    /// What is over, and was not given out before.
    pub fn drain(&mut self) -> Trace {
        self.correlator.drain_finished()
    }

    /// What is open: which requests, for how long, in which goroutines.
    pub fn correlator(&self) -> &Correlator {
        &self.correlator
    }

    /// The same, to choose what is looked at.
    pub fn correlator_mut(&mut self) -> &mut Correlator {
        &mut self.correlator
    }

    /// Everything that was not given out yet. `lost`: entries that were lost in all; `ended`: when
    /// collecting ended, monotonic ns (0: not known).
    #[must_use]
    pub fn finish(self, lost: u64, ended: u64) -> Trace {
        self.correlator.finish(lost, ended)
    }
}

fn push(
    correlator: &mut Correlator,
    raw: &RawHit,
    hit: Option<Hit>,
    seen: &mut impl FnMut(&RawHit, Option<&Hit>),
) {
    seen(raw, hit.as_ref());
    if let Some(hit) = hit {
        correlator.push(hit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Recording;

    /// A recording of a stock daemon that is kept in the tree.
    fn kept() -> Recording {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/captures/polled-26.1.5.mobytrace"
        );
        Recording::read(std::fs::File::open(path).expect("opened")).expect("recording")
    }

    /// Takes events as a live session does, a batch after every event, and stores what it masked.
    fn live(context: &Context, events: &[Event]) -> (Trace, Vec<Event>) {
        let mut pipeline = Pipeline::new(context, Redact::On);
        let (mut all, mut stored) = (Trace::default(), Vec::new());
        let parts = |raw: &RawHit, stored: &mut Vec<Event>| {
            for part in &raw.parts {
                let bytes = part.to_stored();
                stored.push(Event::Part(Part::from_stored(&bytes).expect("stored")));
            }
        };
        for event in events {
            if let Event::Sample(_) = event {
                stored.push(event.clone());
            }
            pipeline.take(event.clone(), |raw, _| parts(raw, &mut stored));
            all.absorb(pipeline.drain());
        }
        pipeline.settle(|raw, _| parts(raw, &mut stored));
        all.absorb(pipeline.finish(0, 0));
        (all, stored)
    }

    /// Takes them as a replay does: one batch at the end.
    fn replayed(context: &Context, events: Vec<Event>) -> Trace {
        let mut pipeline = Pipeline::new(context, Redact::On);
        for event in events {
            pipeline.take(event, |_, _| ());
        }
        pipeline.settle(|_, _| ());
        pipeline.finish(0, 0)
    }

    #[test]
    fn the_same_hundred_events_live_and_replayed() {
        let recording = kept();
        let context = Context::of_recording(&recording);
        let events: Vec<Event> = recording.events().take(100).collect();
        assert_eq!(events.len(), 100);
        let (live, stored) = live(&context, &events);
        let replayed = replayed(&context, stored);
        assert!(live.requests.len() > 2, "{}", live.requests.len());
        assert_eq!(live.requests, replayed.requests);
        assert_eq!(live.summary, replayed.summary);
        // batches give calls in the order in which they are over
        let calls = |trace: &Trace| -> Vec<String> {
            let mut calls: Vec<String> = trace
                .calls
                .iter()
                .map(|c| {
                    let parent = c.parent.and_then(|p| trace.calls.get(p)).map(|p| p.start);
                    let call = crate::correlate::Call {
                        parent: None,
                        born_in: None,
                        ..c.clone()
                    };
                    format!("{parent:?} {call:?}")
                })
                .collect();
            calls.sort();
            calls
        };
        assert!(!live.calls.is_empty());
        assert_eq!(calls(&live), calls(&replayed));
    }
}

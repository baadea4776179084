//! A recording taken through the stages of a live session.

use super::Context;
use super::pipeline::{Hits, Pipeline};
use crate::capture::{Event, Recording};
use crate::correlate::Trace;
use crate::decode::{Part, RawHit, Redact, Sample};

/// Everything that is whole in a recording, secrets hidden.
#[must_use]
pub fn replay(recording: &Recording) -> Trace {
    replay_as(recording, Redact::On)
}

/// The same, with secrets hidden or as they were recorded.
#[must_use]
pub fn replay_as(recording: &Recording, redact: Redact) -> Trace {
    let mut pipeline = Pipeline::new(&Context::new(recording.header()), redact);
    for event in recording.events() {
        pipeline.take(event, |_, _| ());
    }
    pipeline.settle(|_, _| ());
    let ended = recording.trailer().map_or(0, |t| t.ended);
    pipeline.finish(recording.lost(), ended)
}

/// What of a recording is written anew.
#[derive(Debug)]
pub enum Cleaned {
    Record(Box<Part>),
    Sample(Sample),
}

/// Gives the records of a recording in order, by today's rules without secrets.
///
/// # Errors
/// What `each` fails with.
pub fn clean<E>(
    recording: &Recording,
    mut each: impl FnMut(Cleaned) -> Result<(), E>,
) -> Result<(), E> {
    let mut hits = Hits::new(&Context::new(recording.header()), Redact::On);
    let mut whole: Vec<RawHit> = Vec::new();
    for event in recording.events() {
        match event {
            Event::Part(part) => hits.take(part, |raw, _| whole.push(raw)),
            Event::Sample(sample) => each(Cleaned::Sample(sample))?,
        }
        write(&mut whole, &mut each)?;
    }
    hits.finish(|raw, _| whole.push(raw));
    write(&mut whole, &mut each)
}

fn write<E>(
    whole: &mut Vec<RawHit>,
    each: &mut impl FnMut(Cleaned) -> Result<(), E>,
) -> Result<(), E> {
    whole
        .drain(..)
        .flat_map(|raw| raw.parts)
        .try_for_each(|part| each(Cleaned::Record(Box::new(part))))
}

//! A recording taken through the stages of a live session.

use std::io::Read;

use super::Context;
use super::pipeline::{Hits, Pipeline};
use crate::capture::{self, Ending, Event, Reader, Recording};
use crate::correlate::{Summary, Trace};
use crate::decode::{Part, RawHit, Redact, Sample};

/// Bytes of records after which what is over is given out: memory does not grow with the recording.
/// Smaller recordings are one batch.
const BATCH: usize = 4 << 20;

/// Everything that is whole in a recording, secrets hidden.
#[must_use]
pub fn replay(recording: &Recording) -> Trace {
    let mut pipeline = Pipeline::new(&Context::new(recording.header()), Redact::On);
    for event in recording.events() {
        pipeline.take(event, |_, _| ());
    }
    pipeline.settle(|_, _| ());
    let ending = recording.ending();
    pipeline.finish(ending.lost(), ending.ended())
}

/// Gives what is whole in a recording in batches: each holds what is over, the last one everything
/// else. `ending` is what an earlier reading found at its end. Gives the counts of all.
///
/// # Errors
/// The recording cannot be read, or what `give` fails with.
pub fn replay_in_batches<E: From<capture::Error>>(
    mut reader: Reader<impl Read>,
    ending: &Ending,
    redact: Redact,
    mut give: impl FnMut(Trace) -> Result<(), E>,
) -> Result<Summary, E> {
    let mut pipeline = Pipeline::new(&Context::new(reader.header()), redact);
    let mut bytes = 0;
    while let Some(event) = next(&mut reader)? {
        bytes += size(&event);
        pipeline.take(event, |_, _| ());
        if bytes >= BATCH {
            bytes = 0;
            give(pipeline.drain())?;
        }
    }
    pipeline.settle(|_, _| ());
    let rest = pipeline.finish(ending.lost(), ending.ended());
    let summary = rest.summary.clone();
    give(rest)?;
    Ok(summary)
}

fn next<E: From<capture::Error>>(reader: &mut Reader<impl Read>) -> Result<Option<Event>, E> {
    let event = reader.next_event();
    event.map_err(|error| capture::Error::from(error).into())
}

/// Memory that an event takes.
fn size(event: &Event) -> usize {
    match event {
        Event::Part(part) => size_of::<Part>() + part.items.len(),
        Event::Sample(_) => size_of::<Sample>(),
    }
}

/// What of a recording is written anew.
#[derive(Debug)]
pub enum Cleaned {
    Record(Box<Part>),
    Sample(Sample),
}

/// Gives the records of a recording in order, by today's rules without secrets; gives what is known
/// at its end.
///
/// # Errors
/// The recording cannot be read, or what `each` fails with.
pub fn clean<E: From<capture::Error>>(
    mut reader: Reader<impl Read>,
    mut each: impl FnMut(Cleaned) -> Result<(), E>,
) -> Result<Ending, E> {
    let mut hits = Hits::new(&Context::new(reader.header()), Redact::On);
    let mut whole: Vec<RawHit> = Vec::new();
    while let Some(event) = next(&mut reader)? {
        match event {
            Event::Part(part) => hits.take(part, |raw, _| whole.push(raw)),
            Event::Sample(sample) => each(Cleaned::Sample(sample))?,
        }
        write(&mut whole, &mut each)?;
    }
    hits.finish(|raw, _| whole.push(raw));
    write(&mut whole, &mut each)?;
    let ending = reader.finish();
    ending.map_err(|error| capture::Error::from(error).into())
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

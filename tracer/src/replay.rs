//! A recording decoded and correlated, by the same code as a live session.

use crate::capture::Recording;
use crate::correlate::{Correlator, Trace};
use crate::decode::{Assembler, Decoder, Part, RawHit, Redact, Sample};

/// Everything that is whole in a recording, secrets hidden.
#[must_use]
pub fn replay(recording: &Recording) -> Trace {
    replay_as(recording, Redact::On)
}

/// The same, with secrets hidden or as they were recorded.
#[must_use]
pub fn replay_as(recording: &Recording, redact: Redact) -> Trace {
    let decoder = decoder(recording).redact(redact);
    let mut assembler = Assembler::default();
    let mut correlator = Correlator::new(recording.plan());
    let mut samples = recording.samples().iter().peekable();
    let take = |hits: Vec<RawHit>, correlator: &mut Correlator| {
        for mut raw in hits {
            if let Some(hit) = decoder.decode(&mut raw) {
                correlator.push(hit);
            }
        }
    };
    for (index, part) in recording.parts().iter().enumerate() {
        while let Some((_, sample)) = samples.next_if(|(before, _)| *before <= index) {
            correlator.observe(sample.clone());
        }
        take(assembler.push(part.clone()), &mut correlator);
    }
    take(assembler.finish(), &mut correlator);
    for (_, sample) in samples {
        correlator.observe(sample.clone());
    }
    let ended = recording.trailer().map_or(0, |t| t.ended);
    correlator.finish(recording.lost(), ended)
}

/// What of a recording is written anew.
#[derive(Debug)]
pub enum Cleaned<'r> {
    Record(Box<Part>),
    Sample(&'r Sample),
}

/// Gives the records of a recording in order, by today's rules without secrets.
///
/// # Errors
/// What `each` fails with.
pub fn clean<E>(
    recording: &Recording,
    mut each: impl FnMut(Cleaned<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let decoder = decoder(recording);
    let mut assembler = Assembler::default();
    let mut samples = recording.samples().iter().peekable();
    let take =
        |hits: Vec<RawHit>, each: &mut dyn FnMut(Cleaned<'_>) -> Result<(), E>| -> Result<(), E> {
            for mut raw in hits {
                decoder.decode(&mut raw);
                raw.parts
                    .into_iter()
                    .try_for_each(|part| each(Cleaned::Record(Box::new(part))))?;
            }
            Ok(())
        };
    for (index, part) in recording.parts().iter().enumerate() {
        while let Some((_, sample)) = samples.next_if(|(before, _)| *before <= index) {
            each(Cleaned::Sample(sample))?;
        }
        take(assembler.push(part.clone()), &mut each)?;
    }
    take(assembler.finish(), &mut each)?;
    samples.try_for_each(|(_, sample)| each(Cleaned::Sample(sample)))
}

fn decoder(recording: &Recording) -> Decoder<'_> {
    Decoder::new(recording.plan(), recording.header().daemon.load_bias)
}

//! A recording decoded and correlated, by the same code as a live session.

use crate::capture::Recording;
use crate::correlate::{Correlator, Trace};
use crate::decode::{Assembler, Decoder, RawHit};

/// Everything that is whole in a recording.
#[must_use]
pub fn replay(recording: &Recording) -> Trace {
    let decoder = Decoder::new(recording.plan(), recording.header().daemon.load_bias);
    let mut assembler = Assembler::default();
    let mut correlator = Correlator::new(recording.plan());
    let mut hits: Vec<RawHit> = recording
        .parts()
        .iter()
        .flat_map(|part| assembler.push(part.clone()))
        .collect();
    hits.extend(assembler.finish());
    for mut raw in hits {
        if let Some(hit) = decoder.decode(&mut raw) {
            correlator.push(hit);
        }
    }
    let ended = recording.trailer().map_or(0, |t| t.ended);
    correlator.finish(recording.lost(), ended)
}

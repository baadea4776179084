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

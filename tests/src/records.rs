//! Records of a fixture that was traced without a session's engine.

use mobytrace::addr::LoadBias;
use mobytrace::correlate::{Correlator, Trace};
use mobytrace::decode::{Assembler, Decoder, Part};
use mobytrace::plan::Plan;

/// What records of a program that lies where its file says amount to, nothing being lost.
///
/// # Panics
/// A record is of no site of the plan.
#[must_use]
pub fn trace_of(plan: &Plan, records: Vec<Part>) -> Trace {
    let decoder = Decoder::new(plan, LoadBias::default());
    let mut assembler = Assembler::default();
    let mut correlator = Correlator::new(plan);
    let mut hits: Vec<_> = records
        .into_iter()
        .flat_map(|part| assembler.push(part))
        .collect();
    hits.extend(assembler.finish());
    for mut hit in hits {
        correlator.push(decoder.decode(&mut hit).expect("hit"));
    }
    correlator.finish(0, 0)
}

//! Hits → calls → requests. A state machine over decoded hits: no clock, no I/O, bounded memory.

mod correlator;
mod model;

pub use correlator::Correlator;
pub use model::{Call, CallState, Client, Link, Owner, Request, Summary, Trace};

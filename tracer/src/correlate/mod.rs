//! Hits → calls → requests. A state machine over decoded hits: no clock, no I/O, bounded memory.
//!
//! `correlator` pairs entries and returns and keeps what is open; `lineage` knows which request a goroutine works for; `joins`
//! finds executions that serve several requests; `request` reads what a request says about itself; `selection` takes traces apart and puts
//! them together.

mod correlator;
mod joins;
mod lineage;
mod model;
mod request;
mod selection;

pub use correlator::Correlator;
pub use model::{Call, CallState, Client, Link, Owner, Request, Sharing, Summary, Trace};

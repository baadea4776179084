//! Hits → calls → requests. A state machine over decoded hits: no clock, no I/O, bounded memory.
//!
//! `correlator` pairs entries and returns and keeps what is open; `lineage` knows which request a goroutine works for; `joins`
//! finds executions that serve several requests; `layers` adds up what requests spend in layer sizes; `slow` says what has been in flight
//! for long; `request` reads what a request says about itself; `selection` takes traces apart and puts them together.

mod correlator;
#[cfg(test)]
pub mod examples;
mod joins;
mod layers;
mod lineage;
mod model;
mod request;
mod selection;
mod slow;

pub use correlator::Correlator;
pub use model::{
    Body, Call, CallState, Client, LayerWork, Length, Link, Owner, ProcessName, Request, Sharing,
    Summary, Trace,
};
pub use request::split_version;
pub use slow::Slow;

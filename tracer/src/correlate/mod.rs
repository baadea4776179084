//! Hits → calls → requests. A state machine over decoded hits: no clock, no I/O, bounded memory.
//!
//! `correlator` takes each hit and hands it to three parts. `pairing` says which frames are open
//! and how each ends. `ownership` says whose work it is: `lineage` knows what goroutines inherited,
//! `joins` finds executions that serve several requests. `delivery` keeps requests and calls until
//! they are finished, and says what goes out together; `layers` adds up what requests spend in
//! layer sizes.
//!
//! `slow` says what has been in flight for long; `request` reads what a request says about itself;
//! `selection` takes traces apart and puts them together.

mod correlator;
mod delivery;
#[cfg(test)]
pub mod examples;
mod joins;
mod layers;
mod lineage;
mod model;
mod ownership;
mod pairing;
mod request;
mod selection;
mod slow;
#[cfg(test)]
mod tests;

pub use correlator::Correlator;
pub use delivery::MOST_KEPT;
pub use model::{
    Body, Call, CallState, Client, LayerWork, Length, Link, Owner, ProcessName, Request, Sharing,
    Summary, Trace,
};
pub use request::split_version;
pub use slow::Slow;

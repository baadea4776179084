//! The engine of a trace: what is the same for every command, live or replayed.
//!
//! `context` is what is known of a session beside its records; `sink` is how what was traced is
//! given out; `pipeline` are the stages that a live session and a replay have in common; `replay`
//! takes a recording through them; `root` chooses what of a trace is wanted.

mod context;
mod pipeline;
mod replay;
mod root;
mod sink;

pub use context::{Clock, Context};
pub use pipeline::{Hits, Pipeline};
pub use replay::{Cleaned, clean, replay, replay_as};
pub use sink::{End, Sink, Stream};

//! The engine of a trace: what is the same for every command, live or replayed.
//!
//! `prepare` finds the daemon and makes the plan, `attach` brings the probes there, `drain` takes
//! their records from the kernel, `live` decodes them, `run` gives it out batch by batch and ends
//! the session; `record` writes it to a file, `follow` goes on with the next incarnation of a
//! daemon, `claims` keeps sessions side by side from taking the same one. `slow` looks at what has
//! been in flight for long. `pipeline` are the stages that a live session and a replay have in
//! common; `replay` takes a recording through them. `context` is what is known of a session beside
//! its records, `sink` how what was traced is given out, `filter` and `root` what of it is wanted.
//! `note` is what a session tells meanwhile; `signals` end it; `hooks` are for tests.

mod attach;
mod claims;
mod clocks;
mod context;
mod drain;
mod error;
mod filter;
mod follow;
mod hooks;
mod live;
mod note;
mod once;
mod pipeline;
mod prepare;
mod record;
mod replay;
mod root;
mod run;
pub mod signals;
mod sink;
mod slow;
mod suggest;

pub use attach::{Destination, Options};
pub use claims::Claims;
pub use clocks::Jump;
pub use context::{Clock, Context, Left, Seam};
pub use error::{Error, Meant};
pub use filter::{Asked, Client, Filter, Selected, Status};
pub use follow::{Event, Life, follow};
pub use hooks::Hooks;
pub use live::{Live, Stop};
pub use note::{Detached, Note, Slow, Tell};
pub use once::Once;
pub use pipeline::{Hits, Pipeline};
pub use prepare::{Prepared, Wish, parse_binary, plan_for, unread};
pub use replay::{Cleaned, clean, replay, replay_in_batches};
pub use run::{Batch, Ended, run};
pub use sink::{End, Sink, Stream};
pub use suggest::close_to;

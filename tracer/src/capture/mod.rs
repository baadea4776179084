//! Recordings: a header with the plan, masked records, a trailer. Replay needs no root, no kernel
//! and no binary.
//!
//! File: the magic, a format version (u32, little endian), then frames of kind (u32), length (u32),
//! payload: one header (JSON), any number of records (`decode::Part::to_stored`), one trailer
//! (JSON). Where the session went on with the next incarnation of its daemon, another such segment
//! follows, whose header says so (`Seam`). Without a trailer the recording was cut; what is whole
//! before the cut is used.

mod files;
mod format;
mod output;
mod reader;
mod recording;
mod source;
mod writer;

pub use files::{Files, Limits, Turned};
pub use format::{Completeness, Counters, Daemon, Header, Host, Left, Seam, Trailer, monotonic_ns};
pub use output::{Beside, Output, OutputError};
pub use reader::{Ending, Error, Event, Reader};
pub use recording::Recording;
pub use source::{Source, SourceError, Unpacked};
pub use writer::Writer;

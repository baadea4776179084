//! What a session tells while it goes on, beside what it traces. Whoever started it puts it into
//! words.

use std::time::Duration;

use super::clocks::Jump;
use super::error::Meant;
use crate::addr::ImageAddr;
use crate::capture::Turned;
use crate::decode::{RecordError, Text};
use crate::plan::Issue;
use crate::probe::{Links, PerfReason};

/// One thing that the user may want to know.
#[derive(Clone, Debug)]
pub enum Note {
    /// A site could not be attached.
    SiteFailed(String),
    /// A site and why it was chosen.
    Site {
        /// Image address.
        address: ImageAddr,
        instruction: String,
        function: String,
        why: String,
    },
    /// A kernel program and the instructions that the verifier went through.
    Program { name: String, instructions: u32 },
    /// What is missing for all calls.
    Missing(String),
    /// Each site has a link of its own, and why.
    PerfLinks(PerfReason),
    /// Connections to the API that were open before the probes were there; at least one.
    OpenConnections(usize),
    /// What the plan could not do as wished.
    Issue(Issue),
    /// What may have been meant by a pattern that matches nothing.
    Meant(Meant),
    /// The probes are there.
    Attached {
        /// Path of the daemon's program.
        exe: String,
        pid: u32,
        go_version: String,
        sites: usize,
        took: Duration,
        variant: &'static str,
        links: Links,
    },
    /// The daemon's program has no name any more: its file was deleted, or another one took its
    /// place.
    Deleted { exe: String },
    /// The kernel gave a record that cannot be read.
    Damaged(RecordError),
    /// The recording takes no more; the session goes on.
    RecordingFailed { why: String },
    /// The recording goes on in a further file.
    Turned(Turned),
    /// There is no daemon yet.
    Waiting { why: String },
    /// The daemon is over; the session goes on when it is started anew.
    Awaiting,
    /// It was started anew, and cannot be traced.
    NotTaken { pid: u32, why: String },
    /// Wall-clock times that are shown are wrong from now on.
    Jump(Jump),
    /// Something has been in flight for long.
    Slow(Slow),
    /// The probes are about to go.
    Detaching { sites: usize },
    /// The probes are gone; what became of the daemon's code.
    Detached(Detached),
    /// A site where the daemon's code is not what the file says.
    Mismatch(String),
}

/// Something that has been in flight for long, as it was when it was looked at.
#[derive(Clone, Debug)]
pub struct Slow {
    /// Number, method and path of its request.
    pub request: Option<u32>,
    pub route: Option<(Text, Text)>,
    /// Short name of the innermost traced function.
    pub function: Option<String>,
    /// How long, ns.
    pub age: u64,
    /// What its goroutine does.
    pub waits: String,
}

/// What was found when the probes were gone.
#[derive(Clone, Debug)]
pub enum Detached {
    /// The daemon ended before.
    Ended,
    /// Its process runs another program.
    Replaced,
    /// The bytes at every site were compared with the file's.
    Checked {
        took: Duration,
        sites: usize,
        /// Sites with another tracer's breakpoint.
        breakpoints: usize,
        /// Sites with other bytes, each of which is a note of its own.
        mismatches: usize,
    },
    /// They could not be compared.
    Unchecked { why: String },
}

/// Takes notes.
pub type Tell<'t> = &'t dyn Fn(Note);

//! What a session attaches to.

use std::path::Path;

/// The process to attach to.
#[derive(Clone, Copy, Debug)]
pub struct TargetProc<'a> {
    /// In our own pid namespace.
    pub pid: u32,
    pub load_bias: u64,
    /// The executable, through an open descriptor.
    pub exe: &'a Path,
}

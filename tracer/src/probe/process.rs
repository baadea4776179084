//! What a session attaches to.

use std::path::Path;

use crate::addr::LoadBias;

/// The process to attach to.
#[derive(Clone, Copy, Debug)]
pub struct TargetProc<'a> {
    /// In our own pid namespace.
    pub pid: u32,
    pub load_bias: LoadBias,
    /// The executable, through an open descriptor.
    pub exe: &'a Path,
}

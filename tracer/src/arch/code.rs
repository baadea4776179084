//! What the code of a function says, in terms of neither architecture.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::site::{GSource, Restarts};
use crate::addr::ImageAddr;

/// A function's code and what is known beside it.
pub struct Input<'a> {
    pub code: &'a [u8],
    pub entry: ImageAddr,
    pub sp: &'a SpTable,
    /// Whether a call of that address makes the stack grow.
    pub is_morestack: &'a dyn Fn(ImageAddr) -> bool,
    /// Arguments are on the stack in this binary.
    pub stack_abi: bool,
    /// g can be read from thread-local storage.
    pub thread_local: bool,
}

/// SP delta of a range of a function: bytes that SP is below its value at entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpRange {
    pub start: ImageAddr,
    pub end: ImageAddr,
    pub delta: i32,
}

/// SP below its value at entry, by address.
pub struct SpTable(pub Vec<SpRange>);

impl SpTable {
    pub(super) fn at(&self, addr: ImageAddr) -> Option<i32> {
        self.0
            .iter()
            .find(|r| r.start <= addr && addr < r.end)
            .map(|r| r.delta)
    }
}

/// What a function's code says.
pub struct Code {
    /// The instructions that every call passes first, up to the first at which arguments are not in
    /// place.
    pub first: Vec<Insn>,
    pub check: Check,
    /// A call of `runtime.morestack*`.
    pub morestack_call: Option<ImageAddr>,
    /// Branches, but the way back from `runtime.morestack*`: from, to.
    pub branches: Vec<(ImageAddr, ImageAddr)>,
    /// Where g is at the entry and at the returns (`tracer_ebpf::wire::site`, `G_…`).
    pub g_at_entry: GSource,
    pub g_at_return: GSource,
    pub returns: Result<Vec<Insn>, NoReturns>,
    /// The code is seen to take its arguments from the stack.
    pub arguments_on_stack: bool,
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Insn {
    pub addr: ImageAddr,
    /// Bytes.
    pub len: usize,
    pub text: String,
    /// It depends on a reservation, which an interruption takes away.
    pub exclusive: bool,
}

impl Insn {
    #[must_use]
    pub fn end(&self) -> ImageAddr {
        ImageAddr(self.addr.0.saturating_add(self.len as u64))
    }
}

/// The stack check of a function.
pub enum Check {
    /// There is none among its first instructions.
    None,
    /// Its last branch, and when the function starts over there.
    Branch { insn: Insn, restarts: Restarts },
    /// Its last branch, where arguments are not in place any more.
    Late { branch: ImageAddr },
    /// Its last branch has a condition that no check of Go has.
    Unknown,
}

/// Why the returns of a function cannot be probed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NoReturns {
    /// What lies there is no instruction, so what follows is not known.
    NoInstruction { at: ImageAddr },
    /// Disassembler and SP table disagree.
    FrameStays { at: ImageAddr },
}

impl fmt::Display for NoReturns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInstruction { at } => write!(f, "the bytes at {at} are no instruction"),
            Self::FrameStays { at } => write!(
                f,
                "the disassembler sees a return at {at}, the SP table says that the frame is still there"
            ),
        }
    }
}

/// Constants that bytes are compared with, and addresses that are loaded, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Operands {
    pub bytes: Vec<u8>,
    pub addresses: Vec<ImageAddr>,
}

impl Operands {
    pub(super) fn each_once(mut bytes: Vec<u8>, mut addresses: Vec<ImageAddr>) -> Self {
        bytes.sort_unstable();
        bytes.dedup();
        addresses.sort_unstable();
        addresses.dedup();
        Self { bytes, addresses }
    }
}

//! Why an instruction is probed, and why none is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::addr::ImageAddr;
use crate::arch::Arch;

/// Why this instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The last conditional branch of the stack check.
    StackCheck(Arch),
    /// The first instruction of a function without a stack check.
    First,
    /// Behind the first instructions, to which the runtime may go back.
    BehindRestart,
    /// A return at which the frame is gone.
    Return,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StackCheck(Arch::Amd64) => {
                "branch of the stack check: emulated by the kernel, arguments in place, restarts told apart by the flags"
            }
            Self::StackCheck(Arch::Arm64) => {
                "branch of the stack check: simulated by the kernel, arguments in place, restarts told apart by the flags"
            }
            Self::First => "first instruction: the function has no stack check",
            Self::BehindRestart => {
                "the function has no stack check; the runtime may go back to the instructions before this one, arguments in place"
            }
            Self::Return => "return, frame gone by the SP table",
        })
    }
}

/// Why a function has no entry that can be probed: whatever is counted there would not be the
/// calls.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NoEntry {
    /// The function has no code.
    NoCode,
    /// It calls `runtime.morestack*` (here), but no branch to that call was understood.
    UnknownCheck { call: ImageAddr },
    /// The stack check changes what holds arguments.
    CheckChangesArguments { branch: ImageAddr },
    /// A branch of the code leads back to the only instructions at which the arguments are in
    /// place.
    Loop { from: ImageAddr },
    /// Asynchronous preemption goes back from here to the only instructions at which the arguments
    /// are in place.
    Restart { from: ImageAddr },
    /// An exclusive load: an interruption takes away its reservation, so that a loop around it
    /// might never end.
    Exclusive { at: ImageAddr },
}

impl fmt::Display for NoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCode => f.write_str("the function has no code"),
            Self::UnknownCheck { call } => write!(
                f,
                "it makes its stack grow at {call}, and the check that leads there is not understood"
            ),
            Self::CheckChangesArguments { branch } => write!(
                f,
                "at the branch of its stack check, {branch}, the arguments are not in place any more"
            ),
            Self::Loop { from } => write!(
                f,
                "the branch at {from} leads back to its first instructions: rounds of a loop would count as calls"
            ),
            Self::Restart { from } => write!(
                f,
                "asynchronous preemption goes back to its first instructions from {from}: a call could count twice"
            ),
            Self::Exclusive { at } => write!(
                f,
                "it begins with an exclusive load at {at}, which may not be interrupted"
            ),
        }
    }
}

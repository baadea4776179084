//! What the kernel side must know of an instruction to judge a hit there. The wire has a number for
//! each (`tracer_ebpf::wire::site`), and so have recordings.

use serde::{Deserialize, Serialize};
use tracer_ebpf::wire::site::{
    COND_ARM64_LO, COND_ARM64_LS, COND_NONE, COND_X86_B, COND_X86_BE, G_NONE, G_RCX, G_REGISTER,
    G_TLS,
};

/// A number that nothing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {what} has the number {number}")]
pub struct UnknownNumber {
    pub what: &'static str,
    pub number: u8,
}

/// Flags at the branch of a stack check that say: the function is about to start over.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8", into = "u8")]
pub enum Restarts {
    /// Every hit counts.
    Never,
    /// `jbe`: CF or ZF set.
    X86BelowOrEqual,
    /// `jb`: CF set.
    X86Below,
    /// `b.ls`: C clear or Z set.
    Arm64LowerOrSame,
    /// `b.lo`: C clear.
    Arm64Lower,
}

/// Where g is found at an instruction.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8", into = "u8")]
pub enum GSource {
    /// In Go's g register (R14, R28).
    Register,
    /// In RCX: at the branch of the stack check, where arguments are on the stack.
    Rcx,
    /// Nowhere that is known.
    Unknown,
    /// In thread-local storage.
    ThreadLocal,
}

impl From<Restarts> for u8 {
    fn from(restarts: Restarts) -> Self {
        match restarts {
            Restarts::Never => COND_NONE,
            Restarts::X86BelowOrEqual => COND_X86_BE,
            Restarts::X86Below => COND_X86_B,
            Restarts::Arm64LowerOrSame => COND_ARM64_LS,
            Restarts::Arm64Lower => COND_ARM64_LO,
        }
    }
}

impl TryFrom<u8> for Restarts {
    type Error = UnknownNumber;

    fn try_from(number: u8) -> Result<Self, UnknownNumber> {
        match number {
            COND_NONE => Ok(Self::Never),
            COND_X86_BE => Ok(Self::X86BelowOrEqual),
            COND_X86_B => Ok(Self::X86Below),
            COND_ARM64_LS => Ok(Self::Arm64LowerOrSame),
            COND_ARM64_LO => Ok(Self::Arm64Lower),
            number => Err(UnknownNumber {
                what: "condition of a stack check",
                number,
            }),
        }
    }
}

impl From<GSource> for u8 {
    fn from(source: GSource) -> Self {
        match source {
            GSource::Register => G_REGISTER,
            GSource::Rcx => G_RCX,
            GSource::Unknown => G_NONE,
            GSource::ThreadLocal => G_TLS,
        }
    }
}

impl TryFrom<u8> for GSource {
    type Error = UnknownNumber;

    fn try_from(number: u8) -> Result<Self, UnknownNumber> {
        match number {
            G_REGISTER => Ok(Self::Register),
            G_RCX => Ok(Self::Rcx),
            G_NONE => Ok(Self::Unknown),
            G_TLS => Ok(Self::ThreadLocal),
            number => Err(UnknownNumber {
                what: "place of g",
                number,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the wire does not have is refused; what it has comes back as it was.
    #[test]
    fn numbers_of_the_wire() {
        for number in 0..=u8::MAX {
            let restarts = Restarts::try_from(number).map(u8::from);
            assert_eq!(restarts.ok(), (number <= 4).then_some(number));
            let g = GSource::try_from(number).map(u8::from);
            assert_eq!(g.ok(), (number <= 3).then_some(number));
        }
        let json = serde_json::to_string(&(Restarts::X86Below, GSource::Unknown));
        assert_eq!(json.expect("JSON"), "[3,2]", "as recordings have had it");
        assert!(serde_json::from_str::<Restarts>("9").is_err());
    }
}

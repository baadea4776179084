//! What differs by processor architecture: one file each. Registers and relocations by number, what
//! the code of a function says, and what the machine that we run on does.
//!
//! The kernel programs have their own such place (`tracer-ebpf/src/regs/`), because the `pt_regs`
//! that they read are the kernel's.

mod amd64;
mod arm64;
mod code;
mod site;

use crate::addr::ImageAddr;

pub use code::{Check, Code, Input, Insn, NoReturns, Operands, SpRange, SpTable};
pub use site::{GSource, Restarts, UnknownNumber};

/// Processor architecture of a binary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    Amd64,
    Arm64,
}

/// What is known of an architecture.
#[derive(Debug)]
pub struct Properties {
    /// Minor release of Go from which on arguments are passed in registers
    /// (`internal/abi/abi_*.go`).
    pub register_abi: u32,
    /// Registers of Go's integer sequence, in order (cmd/compile/abi-internal.md).
    pub integers: &'static [Register],
    /// How many registers the floating-point sequence has.
    pub floats: u8,
    /// Number of its first register in DWARF; the others follow.
    pub first_float: u16,
    /// Bytes from the frame address of DWARF to the first stack argument. Arguments start one word
    /// above SP, which is the frame address where a call pushes the return address.
    pub first_argument: i64,
    /// Go up to 1.16 keeps g in thread-local storage.
    pub thread_local_g: bool,
    /// The pclntab's header from its second byte on: the rest of the magic, two zero bytes, the
    /// smallest length of an instruction, the size of a pointer (cmd/link/internal/ld/pcln.go,
    /// cmd/internal/sys/arch.go).
    pub pclntab: &'static [u8],
    /// Types of the dynamic relocations that Go's linker makes: base plus addend, and symbol plus
    /// addend (ELF psABI: `R_*_RELATIVE` and `R_X86_64_64` or `R_AARCH64_ABS64`).
    pub relative: u64,
    pub absolute: u64,
    /// What a breakpoint of the kernel puts over an instruction.
    pub breakpoint: &'static [u8],
}

/// A register of Go's integer sequence.
#[derive(Debug)]
pub struct Register {
    pub name: &'static str,
    /// Number in DWARF (cmd/internal/obj: `…DWARFRegisters`).
    pub dwarf: u16,
}

impl Arch {
    /// The architecture that this program is built for.
    #[cfg(target_arch = "x86_64")]
    pub const OWN: Self = Self::Amd64;
    #[cfg(target_arch = "aarch64")]
    pub const OWN: Self = Self::Arm64;

    #[must_use]
    pub fn properties(self) -> &'static Properties {
        match self {
            Self::Amd64 => &amd64::PROPERTIES,
            Self::Arm64 => &arm64::PROPERTIES,
        }
    }

    /// What the code of a function says.
    #[must_use]
    pub fn read(self, input: &Input<'_>) -> Code {
        match self {
            Self::Amd64 => amd64::read(input),
            Self::Arm64 => arm64::read(input),
        }
    }

    /// Constants and addresses in a function's code.
    #[must_use]
    pub fn operands(self, code: &[u8], entry: ImageAddr) -> Operands {
        match self {
            Self::Amd64 => amd64::operands(code, entry),
            Self::Arm64 => arm64::operands(code, entry),
        }
    }

    /// The offset from the thread pointer at which code, from its first instruction on, loads g.
    #[must_use]
    pub fn thread_local_offset(self, code: &[u8]) -> Option<i32> {
        match self {
            Self::Amd64 => amd64::thread_local_offset(code),
            Self::Arm64 => None,
        }
    }
}

//! Why a binary cannot be read. Every message names the region, the address, what was found and
//! what was expected.

use super::layout::{NEWEST_KNOWN, OLDEST_KNOWN};

/// Errors of this module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not an ELF file (starts with {found})")]
    NotElf { found: String },
    #[error("ELF header: {what}")]
    Unsupported { what: String },
    #[error("ELF file is damaged: {what}")]
    Damaged { what: String },
    #[error("not a Go binary: no pclntab found in {searched} bytes of loaded segments")]
    NotGo { searched: u64 },
    #[error("pclntab at {addr}: {what}")]
    Pclntab { addr: String, what: String },
    #[error("moduledata: {what}")]
    Moduledata { what: String },
    #[error("Go version unknown: no build info and no runtime.buildVersion found")]
    NoVersion,
    #[error("{region} at 0x{addr:x}: {what}")]
    At {
        region: &'static str,
        addr: u64,
        what: String,
    },
}

impl Error {
    /// Whether it is an ELF file that could be read, of which something can be said without the
    /// tables that are not understood.
    #[must_use]
    pub fn leaves_an_outline(&self) -> bool {
        matches!(
            self,
            Self::NotGo { .. } | Self::Pclntab { .. } | Self::Moduledata { .. } | Self::NoVersion
        )
    }

    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotElf { .. } | Self::Unsupported { .. } | Self::NotGo { .. } => format!(
                "a 64-bit little-endian Linux ELF built by Go 1.{OLDEST_KNOWN} to 1.{NEWEST_KNOWN} for amd64 or arm64 is needed"
            ),
            Self::Damaged { .. } | Self::At { .. } => {
                "compare the file with the package it came from: it is cut, or was changed"
                    .to_owned()
            }
            Self::Pclntab { .. } | Self::Moduledata { .. } | Self::NoVersion => format!(
                "Go 1.{OLDEST_KNOWN} to 1.{NEWEST_KNOWN} are known: a newer mobytrace may read a newer release; `mobytrace inspect binary` shows what can be said"
            ),
        }
    }
}

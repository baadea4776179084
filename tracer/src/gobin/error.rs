//! Why a binary cannot be read. Every message names the region, the address, what was found and what was expected.

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

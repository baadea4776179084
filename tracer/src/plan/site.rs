//! What a probed instruction is to its function. The wire has a number for each
//! (`tracer_ebpf::wire::site`), and so have recordings.

use serde::{Deserialize, Serialize};
use tracer_ebpf::wire::site::{SITE_ENTRY, SITE_RETURN};

/// What a hit of a site says of its function.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8", into = "u8")]
pub enum SiteKind {
    /// It is entered.
    Entry,
    /// It returns.
    Return,
}

/// A number that nothing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {what} has the number {number}")]
pub struct UnknownNumber {
    what: &'static str,
    number: u8,
}

impl From<SiteKind> for u8 {
    fn from(kind: SiteKind) -> Self {
        match kind {
            SiteKind::Entry => SITE_ENTRY,
            SiteKind::Return => SITE_RETURN,
        }
    }
}

impl TryFrom<u8> for SiteKind {
    type Error = UnknownNumber;

    fn try_from(number: u8) -> Result<Self, UnknownNumber> {
        match number {
            SITE_ENTRY => Ok(Self::Entry),
            SITE_RETURN => Ok(Self::Return),
            number => Err(UnknownNumber {
                what: "kind of site",
                number,
            }),
        }
    }
}

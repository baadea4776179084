//! What a probed instruction is to its function. The wire has a number for each
//! (`tracer_ebpf::wire::site`), and so have recordings.

use serde::{Deserialize, Serialize};
use tracer_ebpf::wire::site::{SITE_ENTRY, SITE_RETURN};

use crate::arch::UnknownNumber;

/// What a hit of a site says of its function.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8", into = "u8")]
pub enum SiteKind {
    /// It is entered.
    Entry,
    /// It returns.
    Return,
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

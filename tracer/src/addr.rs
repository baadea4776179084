//! Addresses: in the image as linked, in a process, and offsets in the file. Three types, so that
//! none is taken for another.
//!
//! There are two ways from one to another: between image and process by the [`LoadBias`] of that
//! process, from the image to the file by its segments (`GoBinary::file_offset`). What crosses the
//! kernel boundary (`tracer_ebpf::wire`) are plain words; they get their type where they are read.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// That many bytes further; `None`: behind the last address.
            #[must_use]
            pub fn checked_add(self, bytes: u64) -> Option<Self> {
                self.0.checked_add(bytes).map(Self)
            }

            /// Bytes from `start` to here; 0 if it lies before `start`.
            #[must_use]
            pub fn since(self, start: Self) -> u64 {
                self.0.saturating_sub(start.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{:x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

address! {
    /// Virtual address in the image as linked (load bias 0).
    ImageAddr
}
address! {
    /// Virtual address in a process.
    ProcessAddr
}
address! {
    /// Offset in the file, bytes.
    FileOffset
}

/// Process addresses minus image addresses of one image in one process, bytes; 0 unless it is
/// position-independent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoadBias(pub u64);

impl LoadBias {
    /// Where an address of the image lies in the process.
    #[must_use]
    pub fn to_process(self, addr: ImageAddr) -> ProcessAddr {
        ProcessAddr(addr.0.wrapping_add(self.0))
    }

    /// What an address of the process is in the image.
    #[must_use]
    pub fn to_image(self, addr: ProcessAddr) -> ImageAddr {
        ImageAddr(addr.0.wrapping_sub(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_there_and_back() {
        let bias = LoadBias(0x5555_0000_0000);
        let there = bias.to_process(ImageAddr(0x1000));
        assert_eq!(there, ProcessAddr(0x5555_0000_1000));
        assert_eq!(bias.to_image(there), ImageAddr(0x1000));
        // an address that lies in no image comes back as it was
        assert_eq!(
            bias.to_process(bias.to_image(ProcessAddr(1))),
            ProcessAddr(1)
        );
    }

    #[test]
    fn recordings_keep_plain_numbers() {
        let text =
            serde_json::to_string(&(ImageAddr(1), ProcessAddr(2), FileOffset(3), LoadBias(4)));
        assert_eq!(text.expect("json"), "[1,2,3,4]");
    }
}

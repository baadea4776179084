//! The ring buffer, in the hands of whoever empties it: that may be another thread.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{MapData, RingBuf};

/// The consumer's end of the ring buffer. There is one.
pub struct Ring(pub(super) RingBuf<MapData>);

impl Ring {
    /// Takes the next record, if one is there that is whole. It leaves the buffer when the result
    /// is dropped.
    pub fn next_record(&mut self) -> Option<impl Deref<Target = [u8]> + '_> {
        self.0.next()
    }
}

impl AsFd for Ring {
    /// Becomes readable when a record comes and all before it were taken.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

//! What the kernel side counts, per site.

use super::Wire;

/// Counters of one site; all only grow, by atomic add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SiteCounters {
    /// Hits that belong to the target, restarts through morestack not included.
    pub hits: u64,
    /// Hits skipped because the function was about to start over.
    pub restarts: u64,
    /// Ring-buffer entries submitted (first parts).
    pub records: u64,
    /// Further entries of long captures.
    pub parts: u64,
    /// Entries that found no room in the ring buffer.
    pub drops: u64,
    /// User memory reads that failed.
    pub faults: u64,
    /// Captures ended by a budget.
    pub cuts: u64,
    /// Failed inserts into the table of calls in flight, or a continuation that could not be stored.
    pub map_full: u64,
}
const _: () = assert!(size_of::<SiteCounters>() == 64);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for SiteCounters {}

//! Groups of cells, as the walks of both implementations enter them: buckets of maps of Go ≤ 1.23, groups of Swiss
//! maps.

use super::frame::WalkPtr;

/// Bytes of the map header, the same for both implementations.
pub const HEADER: u64 = 48;
/// An odd number with as many ones as zeroes.
pub const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Beside the kind of a walk: it is the second one.
pub const AGAIN: u32 = 1 << 8;
/// A group was seen, and another.
const ONE: u32 = 1 << 9;
pub const SEVERAL: u32 = 1 << 10;

/// On to a group. `skip`: its cells are not looked at.
#[inline(always)]
pub fn enter(walk: WalkPtr, group: u64, control: u64, skip: bool) {
    let kind = walk.kind();
    walk.set_kind(kind | if kind & ONE == 0 { ONE } else { SEVERAL });
    walk.set_group(group);
    walk.set_control(control);
    walk.set_sum((walk.sum() ^ control).wrapping_mul(FACTOR));
    walk.set_cell(if skip || kind & AGAIN != 0 { 8 } else { 0 });
}

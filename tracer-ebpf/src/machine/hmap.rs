//! Hash maps of Go ≤ 1.23 (`runtime/map.go`): buckets, overflow chains, and the old array while growing.

use tracer_ebpf::wire::record::{FAULT, IMPLAUSIBLE, MAP_BUSY, OK};

use super::frame::{F_HMAP, WalkPtr};
use super::group;
use crate::entry::{Entry, read_words};

/// `hmap.flags`: another goroutine writes.
const WRITING: u64 = 4;
/// `hmap.flags`: growing to the same size.
const SAME_SIZE: u64 = 8;
/// Beside the kind of a walk: the old array has as many buckets as the new one.
const SAME: u32 = 1 << 16;
/// Beside the kind of a walk: it is in the old array.
const OLD: u32 = 1 << 17;
/// First tophash value of a filled cell.
const MIN_TOP: u64 = 5;
/// First tophash of a bucket whose cells are in the new array: `evacuatedX`, `evacuatedY`, `evacuatedEmpty`.
const EVACUATED: core::ops::Range<u64> = 2..MIN_TOP;

/// Status of a map by header words 1 to 4.
#[inline(always)]
pub fn check(words: &[u64; 4]) -> u8 {
    let (flags, b) = (words[0] & 0xff, (words[0] >> 8) & 0xff);
    if flags & WRITING != 0 {
        MAP_BUSY
    } else if b > 30 {
        IMPLAUSIBLE
    } else {
        OK
    }
}

#[inline(always)]
pub fn is_filled(tophash: u64) -> bool {
    tophash >= MIN_TOP
}

/// The walk's own words.
#[inline(always)]
pub fn start(walk: WalkPtr, words: &[u64; 4]) {
    let (flags, b) = (words[0] & 0xff, (words[0] >> 8) & 0xff);
    let (buckets, old) = (words[1], words[2]);
    walk.set_kind(F_HMAP | if flags & SAME_SIZE != 0 { SAME } else { 0 });
    walk.set_places(if buckets == 0 {
        0
    } else {
        1u32 << (b as u32 & 31)
    });
    walk.begin_array(buckets);
    walk.begin_next(0);
    walk.begin_control(0);
    walk.begin_other(old);
}

/// On to the next bucket, or to the old array; `true`: there is none left.
#[inline(always)]
pub fn next_bucket<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    walk: WalkPtr,
    bucket_size: u32,
    overflow_off: u32,
) -> bool {
    let overflow = walk.next();
    let kind = walk.kind();
    let bucket = if overflow != 0 {
        overflow
    } else {
        let index = walk.place();
        let buckets = walk.places();
        if index >= buckets {
            let old = walk.other();
            if old == 0 {
                return true;
            }
            walk.set_array(old);
            walk.set_other(0);
            walk.set_place(0);
            walk.set_places(if kind & SAME != 0 {
                buckets
            } else {
                buckets >> 1
            });
            walk.set_kind(kind | OLD);
            return false;
        }
        walk.set_place(index + 1);
        walk.array() + u64::from(index) * u64::from(bucket_size)
    };
    let Some((tophash, next)) = read_words(bucket, bucket + u64::from(overflow_off)) else {
        if entry.retry_later::<MODE>(bucket, u64::from(overflow_off) + 8) {
            if overflow == 0 {
                walk.set_place(walk.place() - 1);
            }
            return false;
        }
        entry.end_map(walk, FAULT);
        return false;
    };
    let first = tophash & 0xff;
    // an evacuated bucket's cells are in the new array already, its overflow chain's too
    let evacuated = kind & OLD != 0 && overflow == 0 && EVACUATED.contains(&first);
    walk.set_next(if evacuated { 0 } else { next });
    group::enter(walk, bucket, tophash, evacuated);
    false
}

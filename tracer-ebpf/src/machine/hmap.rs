//! Hash maps of Go ≤ 1.23 (`runtime/map.go`): buckets, overflow chains, and the old array while growing.
//!
//! Words of the frame: 0 bucket array, 1 next overflow bucket, 3 old array; `pc` next bucket, `remaining` number of buckets.

use tracer_ebpf::wire::record::{FAULT, Frame, IMPLAUSIBLE, MAP_BUSY, OK};

use super::{F_HMAP, map};
use crate::entry::{Entry, read_words};

/// `hmap.flags`: another goroutine writes.
const WRITING: u64 = 4;
/// `hmap.flags`: growing to the same size.
const SAME_SIZE: u64 = 8;
/// `Frame::kind`: the old array has as many buckets as the new one.
const SAME: u32 = 1 << 16;
/// `Frame::kind`: the walk is in the old array.
const OLD: u32 = 1 << 17;
/// First tophash value of a filled cell.
const MIN_TOP: u64 = 5;

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
pub fn start(frame: *mut Frame, words: &[u64; 4]) {
    let (flags, b) = (words[0] & 0xff, (words[0] >> 8) & 0xff);
    let (buckets, old) = (words[1], words[2]);
    unsafe {
        (*frame).kind = F_HMAP | if flags & SAME_SIZE != 0 { SAME } else { 0 };
        (*frame).remaining = if buckets == 0 {
            0
        } else {
            1u32 << (b as u32 & 31)
        };
        // one by one: the compiler would call memset, and a program that tail-calls may call nothing on older kernels
        (&raw mut (*frame).w[0]).write_volatile(buckets);
        (&raw mut (*frame).w[1]).write_volatile(0);
        (&raw mut (*frame).w[2]).write_volatile(0);
        (&raw mut (*frame).w[3]).write_volatile(old);
    }
}

#[inline(always)]
pub fn next_bucket<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    frame: *mut Frame,
    bucket_size: u32,
    overflow_off: u32,
) {
    let overflow = unsafe { (*frame).w[1] };
    let kind = unsafe { (*frame).kind };
    let bucket = if overflow != 0 {
        overflow
    } else {
        let index = unsafe { (*frame).pc };
        let buckets = unsafe { (*frame).remaining };
        if index >= buckets {
            let old = unsafe { (*frame).w[3] };
            if old == 0 {
                return map::finish::<N, MODE>(entry, frame, false);
            }
            unsafe {
                (*frame).w[0] = old;
                (*frame).w[3] = 0;
                (*frame).pc = 0;
                (*frame).remaining = if kind & SAME != 0 {
                    buckets
                } else {
                    buckets >> 1
                };
                (*frame).kind = kind | OLD;
            }
            return;
        }
        unsafe {
            (*frame).pc = index + 1;
            (*frame).w[0] + u64::from(index) * u64::from(bucket_size)
        }
    };
    let Some((tophash, next)) = read_words(bucket, bucket + u64::from(overflow_off)) else {
        if entry.retry_later::<MODE>(bucket, u64::from(overflow_off) + 8) {
            if overflow == 0 {
                unsafe { (*frame).pc -= 1 };
            }
            return;
        }
        return entry.end_map(frame, FAULT);
    };
    let first = tophash & 0xff;
    // an evacuated bucket's cells are in the new array already, its overflow chain's too
    let evacuated = kind & OLD != 0 && overflow == 0 && first >= 2 && first < MIN_TOP;
    unsafe { (*frame).w[1] = if evacuated { 0 } else { next } };
    map::enter(frame, bucket, tophash, evacuated);
}

//! Swiss maps of Go ≥ 1.24 (`internal/runtime/maps`): one group, or a directory of tables of groups.
//!
//! The walk counts the groups left in the current table in the upper half of its kind.

use tracer_ebpf::wire::record::{FAULT, IMPLAUSIBLE, MAP_BUSY, OK};

use super::frame::{F_SMAP, WalkPtr};
use super::group;
use crate::entry::{Entry, read_word, read_words};

/// A directory is never longer in a map whose cells fit into a capture.
const MOST_TABLES: u64 = 1 << 20;
/// A table has at most 1024 slots (`maxTableCapacity`).
const MOST_GROUPS: u64 = 128;
/// Control byte of an empty or deleted slot.
const NOT_FULL: u64 = 0x80;
/// `table.groups.data` and `table.groups.lengthMask`.
const GROUPS: u64 = 16;
const LENGTH_MASK: u64 = 24;

/// Status of a map by header words 1 to 4.
#[inline(always)]
pub fn check(words: &[u64; 4]) -> u8 {
    if (words[3] >> 16) & 0xff != 0 {
        MAP_BUSY
    } else if words[2] > MOST_TABLES {
        IMPLAUSIBLE
    } else {
        OK
    }
}

#[inline(always)]
pub fn is_filled(control: u64) -> bool {
    control & NOT_FULL == 0
}

/// The walk's own words.
#[inline(always)]
pub fn start(walk: WalkPtr, words: &[u64; 4]) {
    let (directory, tables) = (words[1], words[2]);
    // a small map: the directory is the only group; nil if nothing was ever stored
    let only = u32::from(tables == 0 && directory != 0);
    walk.set_kind(F_SMAP | only << 16);
    walk.set_places(tables as u32);
    walk.begin_array(directory);
    walk.begin_next(directory);
    walk.begin_control(0);
    walk.begin_other(0);
}

/// On to the next group; `true`: there is none left.
#[inline(always)]
pub fn next_group<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    walk: WalkPtr,
    group_size: u32,
) -> bool {
    let kind = walk.kind();
    let left = kind >> 16;
    if left == 0 {
        return next_table::<N, MODE>(entry, walk);
    }
    let group = walk.next();
    let Some(control) = read_word(group) else {
        if !entry.retry_later::<MODE>(group, 8) {
            entry.end_map(walk, FAULT);
        }
        return false;
    };
    walk.set_kind(kind & 0xffff | (left - 1) << 16);
    walk.set_next(group + u64::from(group_size));
    group::enter(walk, group, control, false);
    false
}

#[inline(always)]
fn next_table<const N: usize, const MODE: u8>(entry: &mut Entry<N>, walk: WalkPtr) -> bool {
    let (index, tables) = (walk.place(), walk.places());
    if index >= tables {
        return true;
    }
    let slot = walk.array() + 8 * u64::from(index);
    let Some(table) = read_word(slot) else {
        if !entry.retry_later::<MODE>(slot, 8) {
            entry.end_map(walk, FAULT);
        }
        return false;
    };
    // neighbouring entries of the directory share a table that has not been split yet
    if table == walk.other() {
        walk.set_place(index + 1);
        return false;
    }
    let Some((groups, mask)) = read_words(table + GROUPS, table + LENGTH_MASK) else {
        if !entry.retry_later::<MODE>(table, LENGTH_MASK + 8) {
            entry.end_map(walk, FAULT);
        }
        return false;
    };
    if mask >= MOST_GROUPS {
        entry.end_map(walk, IMPLAUSIBLE);
        return false;
    }
    walk.set_place(index + 1);
    walk.set_kind(walk.kind() & 0xffff | (mask as u32 + 1) << 16);
    walk.set_next(groups);
    walk.set_other(table);
    false
}

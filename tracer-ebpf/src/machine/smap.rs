//! Swiss maps of Go ≥ 1.24 (`internal/runtime/maps`): one group, or a directory of tables of groups.
//!
//! Words of the frame: 0 directory, 1 next group, 3 the table before; `pc` next directory entry, `remaining` number of them; groups left
//! in the current table in the upper half of `kind`.

use tracer_ebpf::wire::record::{FAULT, Frame, IMPLAUSIBLE, MAP_BUSY, OK};

use super::{F_SMAP, map};
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
pub fn start(frame: *mut Frame, words: &[u64; 4]) {
    let (directory, tables) = (words[1], words[2]);
    // a small map: the directory is the only group; nil if nothing was ever stored
    let only = u32::from(tables == 0 && directory != 0);
    unsafe {
        (*frame).kind = F_SMAP | only << 16;
        (*frame).remaining = tables as u32;
        (&raw mut (*frame).w[0]).write_volatile(directory);
        (&raw mut (*frame).w[1]).write_volatile(directory);
        (&raw mut (*frame).w[2]).write_volatile(0);
        (&raw mut (*frame).w[3]).write_volatile(0);
    }
}

#[inline(always)]
pub fn next_group<const N: usize, const MODE: u8>(
    entry: &mut Entry<N>,
    frame: *mut Frame,
    group_size: u32,
) {
    let kind = unsafe { (*frame).kind };
    let left = kind >> 16;
    if left == 0 {
        return next_table::<N, MODE>(entry, frame);
    }
    let group = unsafe { (*frame).w[1] };
    let Some(control) = read_word(group) else {
        if !entry.retry_later::<MODE>(group, 8) {
            entry.end_map(frame, FAULT);
        }
        return;
    };
    unsafe {
        (*frame).kind = kind & 0xffff | (left - 1) << 16;
        (*frame).w[1] = group + u64::from(group_size);
    }
    map::enter(frame, group, control, false);
}

#[inline(always)]
fn next_table<const N: usize, const MODE: u8>(entry: &mut Entry<N>, frame: *mut Frame) {
    let (index, tables) = unsafe { ((*frame).pc, (*frame).remaining) };
    if index >= tables {
        return map::finish::<N, MODE>(entry, frame, true);
    }
    let slot = unsafe { (*frame).w[0] } + 8 * u64::from(index);
    let Some(table) = read_word(slot) else {
        if !entry.retry_later::<MODE>(slot, 8) {
            entry.end_map(frame, FAULT);
        }
        return;
    };
    // neighbouring entries of the directory share a table that has not been split yet
    if table == unsafe { (*frame).w[3] } {
        unsafe { (*frame).pc = index + 1 };
        return;
    }
    let Some((groups, mask)) = read_words(table + GROUPS, table + LENGTH_MASK) else {
        if !entry.retry_later::<MODE>(table, LENGTH_MASK + 8) {
            entry.end_map(frame, FAULT);
        }
        return;
    };
    if mask >= MOST_GROUPS {
        return entry.end_map(frame, IMPLAUSIBLE);
    }
    unsafe {
        (*frame).pc = index + 1;
        (*frame).kind = (*frame).kind & 0xffff | (mask as u32 + 1) << 16;
        (*frame).w[1] = groups;
        (*frame).w[3] = table;
    }
}

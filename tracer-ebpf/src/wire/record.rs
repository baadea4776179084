//! Ring-buffer entries: a fixed head, the machine's state, then items.

use super::Wire;
use super::limits::{FRAMES, REG_WORDS, STACK_DEPTH};

/// `Head::flags`: g could not be determined; goid and depth are 0.
pub const NO_G: u16 = 1;
/// `Head::flags`: SP is not within g's stack bounds; goid and depth are not to be trusted.
pub const BAD_STACK: u16 = 2;
/// `Head::flags`: the capture was cut by a budget; the reason is in `Head::cut`.
pub const CUT: u16 = 4;
/// `Head::flags`: the hit continues in another entry with the same `(pid_tgid, ktime)` and `part + 1`.
pub const MORE: u16 = 8;
/// `Head::flags`: the return site found no saved words of its entry.
pub const NO_SAVED: u16 = 16;

/// `Head::cut`: the budget of entries per hit.
pub const CUT_PARTS: u8 = 1;
/// `Head::cut`: frames nested too deep.
pub const CUT_DEPTH: u8 = 2;
/// `Head::cut`: the next entry found no room in the ring buffer (what follows is lost).
pub const CUT_LOST: u8 = 3;

/// Version of this layout.
pub const RECORD_VERSION: u8 = 1;

/// Head of every entry. A continuation repeats the first part's head with its own `part` and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    pub version: u8,
    /// `SITE_ENTRY` or `SITE_RETURN`.
    pub kind: u8,
    /// 0 small, 1 large.
    pub class: u8,
    pub cut: u8,
    pub flags: u16,
    pub part: u16,
    pub site: u32,
    pub target: u32,
    /// CLOCK_MONOTONIC, ns, taken once per hit.
    pub ktime: u64,
    /// `tgid << 32 | tid`, initial pid namespace.
    pub pid_tgid: u64,
    pub goid: u64,
    /// 0 if unknown or none.
    pub parent_goid: u64,
    /// `stack.hi - sp`
    pub depth: u64,
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    /// Address of g.
    pub g: u64,
    /// Closure context register (RDX, R26) at the site.
    pub closure: u64,
    /// Go integer registers in ABI order, then saved words.
    pub regs: [u64; REG_WORDS],
    /// Return addresses, innermost first; `stack_len` of them.
    pub stack: [u64; STACK_DEPTH],
    pub stack_len: u32,
    /// Bytes of items in this entry.
    pub data_len: u32,
}
const _: () = assert!(size_of::<Head>() == 16 + 10 * 8 + REG_WORDS * 8 + STACK_DEPTH * 8 + 8);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for Head {}

/// Room of a frame of the capture machine. What its words hold is the kernel side's own affair
/// (`machine/frame.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Frame {
    pub words: [u64; 11],
}
const _: () = assert!(size_of::<Frame>() == 88);

/// State of the capture machine; lives in the entry so that no other thread can touch it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Machine {
    /// Frames in use.
    pub top: u32,
    /// Next free byte of the item area.
    pub pos: u32,
    /// 0 running, else the reason to leave the loop.
    pub halt: u32,
    /// The step about to run failed before, and its memory was faulted in since: it is not tried again.
    pub retried: u32,
    /// First and last byte of what is to be faulted in before going on: two pages at most.
    pub fault: u64,
    pub fault_last: u64,
    pub frames: [Frame; FRAMES],
}
const _: () = assert!(size_of::<Machine>() == 32 + FRAMES * 88);

/// Item flag: continues the bytes of the item before it.
pub const ITEM_CONT: u8 = 1;
/// Item flag: one cell of a map; key and elem items follow.
pub const ITEM_CELL: u8 = 2;
/// Item flag: end of a map.
pub const ITEM_END: u8 = 4;

/// Item status: read as asked.
pub const OK: u8 = 0;
/// The pointer, slice data or map is nil.
pub const NULL: u8 = 1;
/// User memory could not be read (not resident or invalid); value is the address where known.
pub const FAULT: u8 = 2;
/// Cut to the op's limit; value is the true length.
pub const LIMIT: u8 = 3;
/// The frame stack is full; the target was not followed.
pub const DEPTH: u8 = 4;
/// The map was being written or is inconsistent.
pub const MAP_BUSY: u8 = 5;
/// The dynamic type is not in the table; not followed.
pub const UNKNOWN_TYPE: u8 = 6;
/// A length or count that no such value can have.
pub const IMPLAUSIBLE: u8 = 7;
/// The words of a string, slice or interface in memory were written while they were read.
pub const CHANGED: u8 = 8;

/// Header of an item; `len` payload bytes follow, padded to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Item {
    /// Index of the op that emitted it.
    pub op: u16,
    pub status: u8,
    pub flags: u8,
    pub len: u32,
    pub value: u64,
}
const _: () = assert!(size_of::<Item>() == 16);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for Item {}

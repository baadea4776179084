//! Frames of the capture machine: what it is in the middle of, the innermost one last. All kinds have the room of
//! one `wire::record::Frame`; the first word says which kind it is.
//!
//! Frames are read and written in place, through pointers: the compiler would copy what it may hold by value.
//! Neighbouring zeroes are written one by one (`volatile`), because it would make a call of memset of them, and a
//! program that tail-calls may call nothing on older kernels.

use tracer_ebpf::wire::limits::FRAMES;
use tracer_ebpf::wire::record::Frame;

use crate::entry::{Entry, bound};

/// Runs ops against memory at `base`.
pub const F_OPS: u32 = 1;
/// Runs ops against the register file.
pub const F_REGS: u32 = 2;
/// Copies bytes.
pub const F_BYTES: u32 = 3;
/// Walks a hash map of Go ≤ 1.23.
pub const F_HMAP: u32 = 4;
/// Walks a Swiss map of Go ≥ 1.24.
pub const F_SMAP: u32 = 5;
/// What of the first word tells the kind; walks keep more in it.
const KIND: u32 = 0xff;

/// A block of ops.
#[repr(C)]
struct Ops {
    kind: u32,
    /// First op of the block, and the one behind the last.
    start: u32,
    end: u32,
    /// The next one to run.
    next: u32,
    /// What their offsets count from: an address, or a byte of the register file.
    base: u64,
    /// How many times the block runs once more, `base` moved on by `stride`.
    repeats: u32,
    stride: u32,
}

/// Bytes that follow an item.
#[repr(C)]
struct Bytes {
    kind: u32,
    /// The op that they belong to.
    op: u32,
    unused: [u32; 2],
    /// Where the next ones lie, and how many are left.
    addr: u64,
    left: u32,
}

/// A walk over the cells of a map: groups of eight, which are buckets in maps of Go ≤ 1.23.
#[repr(C)]
struct Walk {
    /// Kind, and what `hmap`, `smap` and `map` note beside it.
    kind: u32,
    /// The op of the map.
    op: u32,
    /// Next cell of the current group.
    cell: u32,
    /// Next place of the array, and how many it has.
    place: u32,
    /// The current group.
    group: u64,
    places: u32,
    /// Cells seen.
    seen: u32,
    /// The array of buckets, or the directory of tables.
    array: u64,
    /// The next overflow bucket (0: none), or the next group of the table.
    next: u64,
    /// Tophash or control bytes of the current group.
    control: u64,
    /// The array of buckets that is being left (0: none), or the table before this one.
    other: u64,
    /// The map's header.
    map: u64,
    /// What the cell before held when it was captured (0: nothing to check); in the second walk the first one's sum.
    print: u64,
    /// Sum over the control bytes of all groups.
    sum: u64,
}

const _: () = assert!(size_of::<Ops>() <= size_of::<Frame>());
const _: () = assert!(size_of::<Bytes>() <= size_of::<Frame>());
const _: () = assert!(size_of::<Walk>() == size_of::<Frame>());

/// A frame of an entry. Only [`Entry::frame`] makes one: it lies in an entry that is being filled, which stays
/// reserved for as long as the machine runs.
#[derive(Clone, Copy)]
pub struct FramePtr(*mut Frame);

/// The same as a block of ops.
#[derive(Clone, Copy)]
pub struct OpsPtr(*mut Ops);

/// The same as bytes to copy.
#[derive(Clone, Copy)]
pub struct BytesPtr(*mut Bytes);

/// The same as the walk over a map.
#[derive(Clone, Copy)]
pub struct WalkPtr(*mut Walk);

macro_rules! read {
    ($($field:ident: $ty:ty,)*) => {$(
        #[inline(always)]
        pub fn $field(self) -> $ty {
            // SAFETY: the pointer is that of a frame (`FramePtr`), every bit pattern is a number.
            unsafe { (*self.0).$field }
        }
    )*};
}

macro_rules! write {
    ($($set:ident($field:ident: $ty:ty),)*) => {$(
        #[inline(always)]
        pub fn $set(self, value: $ty) {
            // SAFETY: the pointer is that of a frame (`FramePtr`).
            unsafe { (*self.0).$field = value }
        }
    )*};
}

/// One by one, see the module.
macro_rules! write_volatile {
    ($($set:ident($field:ident: $ty:ty),)*) => {$(
        #[inline(always)]
        pub fn $set(self, value: $ty) {
            // SAFETY: the pointer is that of a frame (`FramePtr`).
            unsafe { (&raw mut (*self.0).$field).write_volatile(value) }
        }
    )*};
}

impl FramePtr {
    #[inline(always)]
    pub fn kind(self) -> u32 {
        self.ops().kind() & KIND
    }

    #[inline(always)]
    pub fn ops(self) -> OpsPtr {
        OpsPtr(self.0.cast())
    }

    #[inline(always)]
    pub fn bytes(self) -> BytesPtr {
        BytesPtr(self.0.cast())
    }

    #[inline(always)]
    pub fn walk(self) -> WalkPtr {
        WalkPtr(self.0.cast())
    }
}

impl OpsPtr {
    read! {
        kind: u32,
        start: u32,
        end: u32,
        next: u32,
        base: u64,
        repeats: u32,
        stride: u32,
    }
    write! {
        set_kind(kind: u32),
        set_start(start: u32),
        set_end(end: u32),
        set_next(next: u32),
        set_base(base: u64),
        set_repeats(repeats: u32),
        set_stride(stride: u32),
    }
    write_volatile! {
        begin_base(base: u64),
        begin_repeats(repeats: u32),
    }
}

impl BytesPtr {
    read! {
        op: u32,
        addr: u64,
        left: u32,
    }
    write! {
        set_kind(kind: u32),
        set_op(op: u32),
        set_addr(addr: u64),
        set_left(left: u32),
    }
}

impl WalkPtr {
    read! {
        kind: u32,
        op: u32,
        cell: u32,
        place: u32,
        group: u64,
        places: u32,
        seen: u32,
        array: u64,
        next: u64,
        control: u64,
        other: u64,
        map: u64,
        print: u64,
        sum: u64,
    }
    write! {
        set_kind(kind: u32),
        set_op(op: u32),
        set_cell(cell: u32),
        set_place(place: u32),
        set_group(group: u64),
        set_places(places: u32),
        set_seen(seen: u32),
        set_array(array: u64),
        set_next(next: u64),
        set_control(control: u64),
        set_other(other: u64),
        set_map(map: u64),
        set_print(print: u64),
        set_sum(sum: u64),
    }
    write_volatile! {
        begin_array(array: u64),
        begin_next(next: u64),
        begin_control(control: u64),
        begin_other(other: u64),
        begin_print(print: u64),
        begin_sum(sum: u64),
    }
}

impl<const N: usize> Entry<N> {
    #[inline(always)]
    pub fn frame(&mut self, index: u32) -> FramePtr {
        let index = bound!(u64::from(index), FRAMES - 1);
        // SAFETY: the index is below the number of frames.
        FramePtr(unsafe { self.machine.frames.as_mut_ptr().add(index as usize) })
    }
}

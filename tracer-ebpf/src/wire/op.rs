//! Ops of the capture machine.
//!
//! A *block* is a run of ops that is executed against a base address (or, flag `REGS`, against the
//! record's register file). Ops are executed in order, depth first: an op that follows a pointer
//! runs its target block to the end before the next op of its own block. Each op emits exactly
//! one item (or a documented sequence), so the stream of items can be parsed by walking the same
//! ops: that is what the decoder does.

use super::Wire;

/// Copies `len` bytes at `base + off`. Item: the bytes, value = address.
pub const COPY: u8 = 1;
/// Reads the pointer at `base + off`. Item: value = the pointer, status NULL if 0. If OK, block
/// `(a, b)` runs with the pointer as its base.
pub const PTR: u8 = 2;
/// Reads `(data, len)` at `base + off`. Item: value = true length in bytes, first chunk of data; further
/// chunks follow as items of the same op with flag `ITEM_CONT` until `min(true length, len)` bytes are out.
/// With status FAULT the payload is the 8-byte data pointer.
pub const STRING: u8 = 3;
/// Reads `(data, len, cap)` at `base + off`. Item: value = true length in elements, status NULL if data is 0,
/// payload: data pointer u64, cap u64. With a block (`b > 0`): it runs for each of the first `min(length, len)`
/// elements, base moving by `c` (the element size). Without: the elements' raw bytes follow as `ITEM_CONT` items.
pub const SLICE: u8 = 4;
/// Reads a map pointer at `base + off`. Item (MAP head): value = pointer, payload = the 48 bytes of the runtime's
/// map header; NULL if 0. Then per cell one item with flag `ITEM_CELL` (no payload), the key block, the elem block.
/// Ends with an item with flag `ITEM_END`, value = cells visited, payload = the header as it is then, if it can be read (recordings
/// made before have none). `a` = index of its `MapDesc`, `len` = most cells.
pub const MAP: u8 = 5;
/// Reads `(tab, data)` at `base + off`. Item: value = address of the dynamic type's descriptor (run-time address),
/// payload: tab u64, data u64; NULL if tab is 0. Flag `OP_ITAB`: the first word is an itab, type at `tab + 8`.
/// If `(a, type)` is in the dynamic type table, that block runs with base = data; flag `DYN_DIRECT` in its count: with base = the data word's own
/// place, because the value is that word. Such a block has no COPY.
pub const IFACE: u8 = 6;
/// Reads a file descriptor number (an `int`) at `base + off`. Item: value = the number, payload: `wire::peer::Peer`, the process at the
/// other end of that socket of the traced process.
pub const PEER: u8 = 7;
/// A fixed array at `base + off` of `len` captured elements. Item: value = `len`, no payload. With a block (`b > 0`): it runs for each, base
/// moving by `c` (the element size). Without: the elements' raw bytes follow as `ITEM_CONT` items. Not for values in registers.
pub const ARRAY: u8 = 8;
/// `Op::flags`: the interface has methods.
pub const OP_ITAB: u8 = 1;

/// One op. Offsets and sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Op {
    pub kind: u8,
    pub flags: u8,
    pub pad: u16,
    /// Offset of the field from the block's base.
    pub off: u32,
    /// COPY: bytes. STRING: most bytes. SLICE, MAP, ARRAY: most elements.
    pub len: u32,
    /// First op of the target block; MAP: index into the map table; IFACE: table id.
    pub a: u32,
    /// Number of ops of the target block.
    pub b: u32,
    /// Element stride.
    pub c: u32,
}
const _: () = assert!(size_of::<Op>() == 24 && align_of::<Op>() == 4);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for Op {}

/// `MapDesc::kind`: hash map with buckets (Go ≤ 1.23).
pub const MAP_HMAP: u32 = 1;
/// `MapDesc::kind`: Swiss map (Go ≥ 1.24).
pub const MAP_SWISS: u32 = 2;
/// `MapDesc::flags`: keys are stored by pointer.
pub const MAP_INDIRECT_KEY: u32 = 1;
/// `MapDesc::flags`: elems are stored by pointer.
pub const MAP_INDIRECT_ELEM: u32 = 2;

/// Geometry of one map type, read from its bucket or group descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct MapDesc {
    pub kind: u32,
    pub flags: u32,
    /// Bytes of a bucket or group.
    pub bucket_size: u32,
    /// Offset of key 0 in the bucket or group.
    pub keys_off: u32,
    pub key_stride: u32,
    pub elems_off: u32,
    pub elem_stride: u32,
    /// HMAP: offset of the overflow pointer.
    pub overflow_off: u32,
    /// Block run for each key (0 ops: nothing).
    pub key_ops: u32,
    pub key_count: u32,
    /// Block run for each elem.
    pub elem_ops: u32,
    pub elem_count: u32,
}
const _: () = assert!(size_of::<MapDesc>() == 48);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for MapDesc {}

/// Key of the dynamic type table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct DynKey {
    /// `Op::a` of the IFACE op.
    pub table: u32,
    pub target: u32,
    /// Run-time address of the type descriptor in that target.
    pub type_addr: u64,
}
const _: () = assert!(size_of::<DynKey>() == 16);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for DynKey {}

/// `DynBlock::count`: the value lies in the interface's data word itself (maps, channels, structs of one pointer).
pub const DYN_DIRECT: u32 = 1 << 31;

/// Value of the dynamic type table: the block to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DynBlock {
    pub ops: u32,
    /// Number of ops, and perhaps `DYN_DIRECT`.
    pub count: u32,
}
const _: () = assert!(size_of::<DynBlock>() == 8);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for DynBlock {}

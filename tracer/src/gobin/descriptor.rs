//! Runtime type descriptors by name: kinds, flags, and what lies where. Sizes and offsets in bytes,
//! 64-bit.
//!
//! Sources: `internal/abi/type.go`, up to Go 1.20 `runtime/type.go`; the same from 1.13 to 1.27 but
//! for what `layout` has. Itabs: `runtime/runtime2.go`, from 1.22 `internal/abi/iface.go`.

/// `reflect.Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
}

/// All kinds; the first one's number is 1.
const KINDS: [Kind; 26] = [
    Kind::Bool,
    Kind::Int,
    Kind::Int8,
    Kind::Int16,
    Kind::Int32,
    Kind::Int64,
    Kind::Uint,
    Kind::Uint8,
    Kind::Uint16,
    Kind::Uint32,
    Kind::Uint64,
    Kind::Uintptr,
    Kind::Float32,
    Kind::Float64,
    Kind::Complex64,
    Kind::Complex128,
    Kind::Array,
    Kind::Chan,
    Kind::Func,
    Kind::Interface,
    Kind::Map,
    Kind::Pointer,
    Kind::Slice,
    Kind::String,
    Kind::Struct,
    Kind::UnsafePointer,
];

impl Kind {
    pub const COUNT: usize = KINDS.len();

    pub fn of(number: u8) -> Option<Self> {
        KINDS.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// `Type`, what every kind begins with.
pub const TYPE_SIZE: usize = 48;
pub const SIZE: usize = 0;
pub const HASH: u64 = 16;
pub const TFLAG: usize = 20;
pub const ALIGN: usize = 21;
pub const KIND: usize = 23;
pub const STR: usize = 40;

/// Of the kind's byte: the kind, and up to Go 1.25 "direct interface".
pub const KIND_MASK: u8 = 31;
pub const KIND_DIRECT: u8 = 32;

pub const TFLAG_UNCOMMON: u8 = 1;
pub const TFLAG_EXTRA_STAR: u8 = 2;
pub const TFLAG_NAMED: u8 = 4;
/// From Go 1.26 on.
pub const TFLAG_DIRECT: u8 = 32;

/// `ArrayType`, `ChanType`, `PtrType`, `SliceType`: what they are of. `MapType`: its keys.
pub const ELEM: u64 = 48;
pub const ARRAY_LEN: u64 = 64;
pub const ARRAY_SIZE: u64 = 72;
pub const CHAN_SIZE: u64 = 64;
pub const POINTER_SIZE: u64 = 56;
pub const SLICE_SIZE: u64 = 56;

/// `FuncType`: numbers of parameters and results, two bytes each.
pub const FUNC_COUNTS: u64 = 48;
pub const FUNC_SIZE: u64 = 56;
/// Of the number of results: the last parameter is variadic.
pub const FUNC_VARIADIC: u64 = 0x8000;

/// `InterfaceType.Methods` and `StructType.Fields`: pointer and length.
pub const MEMBERS: u64 = 56;
pub const MEMBER_COUNT: u64 = 64;
pub const INTERFACE_SIZE: u64 = 80;
pub const STRUCT_SIZE: u64 = 80;

/// `MapType.Elem`, and `.Bucket` or `.Group`; the size is `layout`'s.
pub const MAP_ELEM: u64 = 56;
pub const MAP_GROUP: u64 = 64;
/// Flags of maps with buckets, and of Swiss maps: keys and elems are kept by pointer.
pub const HMAP_INDIRECT: [u32; 2] = [1, 2];
pub const SWISS_INDIRECT: [u32; 2] = [4, 8];
/// Cells of a bucket or group.
pub const GROUP_CELLS: u64 = 8;

/// `Imethod`: name and type, as offsets of four bytes.
pub const IMETHOD_SIZE: u64 = 8;
/// `Method`: the same, and two offsets of code.
pub const METHOD_SIZE: u64 = 16;
pub const METHOD_NAME: usize = 0;
pub const METHOD_TYPE: usize = 4;
pub const METHOD_CODE: usize = 12;

/// `StructField`.
pub const FIELD_SIZE: u64 = 24;
pub const FIELD_NAME: u64 = 0;
pub const FIELD_TYPE: u64 = 8;
pub const FIELD_OFFSET: u64 = 16;
/// Of the flags of a field's name: it is embedded (from Go 1.19 on).
pub const NAME_EMBEDDED: u8 = 8;

/// `UncommonType`, behind the kind's own part.
pub const UNCOMMON_SIZE: u64 = 16;
pub const UNCOMMON_PACKAGE: usize = 0;
pub const UNCOMMON_METHODS: usize = 4;
pub const UNCOMMON_TABLE: usize = 8;

/// `ITab`: interface, concrete type, its hash, and code of the methods.
pub const ITAB_INTERFACE: u64 = 0;
pub const ITAB_TYPE: u64 = 8;
pub const ITAB_HASH: u64 = 16;
pub const ITAB_SIZE: u64 = 24;

/// A pointer.
pub const WORD: u64 = 8;

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn numbers_of_kinds_are_those_of_reflect() {
        assert_eq!(Kind::of(0), None);
        assert_eq!(Kind::of(1), Some(Kind::Bool));
        assert_eq!(Kind::of(12), Some(Kind::Uintptr));
        assert_eq!(Kind::of(25), Some(Kind::Struct));
        assert_eq!(Kind::of(26), Some(Kind::UnsafePointer));
        assert_eq!(Kind::of(27), None);
    }
}

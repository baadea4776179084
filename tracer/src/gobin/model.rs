//! The one model of functions and types that every source (descriptors, DWARF) produces.

use crate::addr::ImageAddr;

/// Go release of the binary, e.g. `go1.19.8` → minor 19.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoVersion {
    /// As recorded, e.g. `go1.24.4 X:noswissmap`.
    pub text: String,
    /// The minor release by whose layouts and conventions the binary is read: the recorded one, if
    /// those are known.
    pub minor: u32,
}

/// One compiled function. Names are not unique (closures from 1.27, ABI0 wrappers).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FuncInfo {
    pub name: String,
    pub entry: ImageAddr,
    /// First address after it (padding included).
    pub end: ImageAddr,
    /// `_func.args`: bytes of the argument area; `None` = unknown (assembly).
    pub args: Option<u32>,
    /// Compiler-generated wrapper (`funcID_wrapper`).
    pub wrapper: bool,
    /// The function is assembly (flag 4) as far as the release records it.
    pub assembly: bool,
}

/// FUNCDATA_ArgInfo: shape of the arguments as word groups. `None` entries are "…" (not recorded).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArgInfo {
    /// Offset from the first argument slot, size in bytes.
    Scalar {
        offset: u32,
        size: u32,
    },
    Aggregate(Vec<ArgInfo>),
    /// Further components are not recorded.
    More,
    /// Offset too large to be recorded.
    OffsetTooLarge,
}

/// A call site that swallowed a function by inlining.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InlinedAt {
    /// The function whose code contains the copy.
    pub caller: String,
    pub caller_entry: ImageAddr,
}

/// Identity of a type: address of its runtime descriptor or, for a type that has none, its place in
/// DWARF.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub u64);

impl TypeId {
    /// Set for types that only DWARF knows. No descriptor lies there: user addresses have the bit
    /// clear.
    const DWARF: u64 = 1 << 63;

    #[must_use]
    pub fn of_descriptor(addr: ImageAddr) -> Self {
        Self(addr.0 & !Self::DWARF)
    }

    /// A type without descriptor, by its offset in `.debug_info`.
    #[must_use]
    pub fn of_dwarf(offset: u64) -> Self {
        Self(offset | Self::DWARF)
    }

    /// Address of the runtime descriptor.
    #[must_use]
    pub fn descriptor(self) -> Option<ImageAddr> {
        (self.0 & Self::DWARF == 0).then_some(ImageAddr(self.0))
    }

    /// Offset in `.debug_info` of a type that has no descriptor.
    #[must_use]
    pub fn dwarf(self) -> Option<u64> {
        (self.0 & Self::DWARF != 0).then_some(self.0 & !Self::DWARF)
    }
}

/// A Go type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Type {
    pub id: TypeId,
    /// Full name: named types with full import path
    /// (`github.com/docker/docker/api/types.Container`), others as Go spells them in the descriptor
    /// (`*types.Container`, `[]string`).
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u8,
    /// Named (defined) type.
    pub named: bool,
    /// Stored in the data word of an interface itself (pointer-shaped).
    pub direct_iface: bool,
    pub kind: TypeKind,
}

/// Kind with what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TypeKind {
    Bool,
    /// Signed integer, size from `Type::size`.
    Int,
    /// Unsigned integer or uintptr.
    Uint,
    Float,
    Complex,
    String,
    UnsafePointer,
    Array {
        elem: TypeId,
        len: u64,
    },
    Chan {
        elem: TypeId,
    },
    Func {
        params: Vec<TypeId>,
        results: Vec<TypeId>,
        variadic: bool,
    },
    Interface {
        methods: Vec<Method>,
    },
    Map {
        key: TypeId,
        elem: TypeId,
        geometry: MapGeometry,
    },
    Pointer {
        elem: TypeId,
    },
    Slice {
        elem: TypeId,
    },
    Struct {
        fields: Vec<Field>,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub name: String,
    pub offset: u64,
    pub ty: TypeId,
    pub embedded: bool,
}

/// Method of an interface type (`entry` None), or of a concrete type's method table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Method {
    pub name: String,
    /// Func type without receiver, if kept.
    pub ty: Option<TypeId>,
    /// Code address of the method itself (`Tfn`), if kept.
    pub entry: Option<ImageAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapImpl {
    /// Buckets (Go ≤ 1.23, or noswissmap).
    Hmap,
    /// Swiss map (Go ≥ 1.24).
    Swiss,
}

/// Geometry of a map type as read from its bucket or group descriptor. Offsets in bytes from the
/// bucket or group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapGeometry {
    pub imp: MapImpl,
    pub bucket_size: u32,
    pub keys_off: u32,
    pub key_stride: u32,
    pub elems_off: u32,
    pub elem_stride: u32,
    /// Hmap: offset of the overflow pointer in the bucket.
    pub overflow_off: u32,
    pub indirect_key: bool,
    pub indirect_elem: bool,
}

/// Parameter and result types of a function, receiver first (if it is a method).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    pub receiver: Option<TypeId>,
    pub params: Vec<TypeId>,
    pub results: Vec<TypeId>,
    pub variadic: bool,
}

//! Every layout that changes with the Go release, as data. Offsets in bytes, 64-bit.
//!
//! Sources: `runtime/symtab.go`, `runtime/runtime2.go` (`_func`),
//! `cmd/link/internal/ld/{pcln,symtab}.go`, `internal/abi/type.go` of the releases named.

use std::ops::RangeInclusive;

/// pclntab header format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PclnFormat {
    /// 1.2 … 1.15
    Go12,
    /// 1.16, 1.17
    Go116,
    /// 1.18, 1.19
    Go118,
    /// 1.20 …
    Go120,
}

/// What distinguishes a pclntab format.
#[derive(Debug)]
pub struct PclnLayout {
    pub format: PclnFormat,
    pub magic: u32,
    pub releases: &'static str,
    /// Minor releases that have it, as far as they are known here.
    pub minors: RangeInclusive<u32>,
    /// Offset of the word with the text base, if the header has one.
    pub text_start: Option<usize>,
    /// Offset of the first of the five table offsets: funcname, cu, filetab, pctab, pcln. `None`:
    /// one table, starts at the header.
    pub tables: Option<usize>,
    /// Bytes of a function table entry: pairs of u64 or u32.
    pub ftab_entry: usize,
    pub func: FuncLayout,
}

/// `_func`.
#[derive(Debug)]
pub struct FuncLayout {
    /// Entry is a u64 address, else a u32 offset from the text base.
    pub wide_entry: bool,
    pub name_off: usize,
    pub args: usize,
    pub pcsp: usize,
    pub npcdata: usize,
    pub func_id: usize,
    /// flag byte (1.17+).
    pub flag: Option<usize>,
    pub nfuncdata: usize,
    pub pcdata: usize,
}

pub const PCLN_LAYOUTS: &[PclnLayout] = &[
    PclnLayout {
        format: PclnFormat::Go12,
        magic: 0xffff_fffb,
        releases: "go1.2 to go1.15",
        minors: OLDEST_KNOWN..=15,
        text_start: None,
        tables: None,
        ftab_entry: 16,
        func: FuncLayout {
            wide_entry: true,
            name_off: 8,
            args: 12,
            pcsp: 20,
            npcdata: 32,
            func_id: 36,
            flag: None,
            nfuncdata: 39,
            pcdata: 40,
        },
    },
    PclnLayout {
        format: PclnFormat::Go116,
        magic: 0xffff_fffa,
        releases: "go1.16 and go1.17",
        minors: 16..=17,
        text_start: None,
        tables: Some(24),
        ftab_entry: 16,
        func: FuncLayout {
            wide_entry: true,
            name_off: 8,
            args: 12,
            pcsp: 20,
            npcdata: 32,
            func_id: 40,
            flag: Some(41),
            nfuncdata: 43,
            pcdata: 44,
        },
    },
    PclnLayout {
        format: PclnFormat::Go118,
        magic: 0xffff_fff0,
        releases: "go1.18 and go1.19",
        minors: 18..=19,
        text_start: Some(24),
        tables: Some(32),
        ftab_entry: 8,
        func: FuncLayout {
            wide_entry: false,
            name_off: 4,
            args: 8,
            pcsp: 16,
            npcdata: 28,
            func_id: 36,
            flag: Some(37),
            nfuncdata: 39,
            pcdata: 40,
        },
    },
    PclnLayout {
        format: PclnFormat::Go120,
        magic: 0xffff_fff1,
        releases: "go1.20 to go1.27",
        minors: 20..=NEWEST_KNOWN,
        text_start: Some(24),
        tables: Some(32),
        ftab_entry: 8,
        func: FuncLayout {
            wide_entry: false,
            name_off: 4,
            args: 8,
            pcsp: 16,
            npcdata: 28,
            func_id: 40,
            flag: Some(41),
            nfuncdata: 43,
            pcdata: 44,
        },
    },
];

/// `runtime.moduledata`: offsets of the fields that are used.
#[derive(Debug, PartialEq, Eq)]
pub struct ModuleLayout {
    pub name: &'static str,
    /// Minor releases that have it.
    pub minors: RangeInclusive<u32>,
    pub ftab: usize,
    pub minpc: usize,
    pub text: usize,
    pub types: usize,
    pub etypes: usize,
    /// 1.27: bytes of the typelinked descriptors at the front of the type region.
    pub typedesclen: Option<usize>,
    /// 1.27: offset and size of the itabs in the type region.
    pub itabs: Option<usize>,
    pub gofunc: Option<usize>,
    pub textsectmap: usize,
    pub typelinks: Option<usize>,
    pub itablinks: Option<usize>,
    /// 1.26+: end of the pclntab.
    pub epclntab: Option<usize>,
    /// Followed by pluginpath, pkghashes, inittasks (1.21+), modulename, modulehashes, hasmain.
    pub ptab: usize,
    pub inittasks: bool,
    pub hasmain: usize,
}

impl ModuleLayout {
    /// Minor releases that have this layout and are in `other` too.
    pub fn within(&self, other: &RangeInclusive<u32>) -> RangeInclusive<u32> {
        *self.minors.start().max(other.start())..=*self.minors.end().min(other.end())
    }
}

pub const MODULE_LAYOUTS: &[ModuleLayout] = &[
    ModuleLayout {
        name: "go1.13 to go1.15",
        minors: 13..=15,
        ftab: 24,
        minpc: 80,
        text: 96,
        types: 200,
        etypes: 208,
        typedesclen: None,
        itabs: None,
        gofunc: None,
        textsectmap: 216,
        typelinks: Some(240),
        itablinks: Some(264),
        epclntab: None,
        ptab: 288,
        inittasks: false,
        hasmain: 392,
    },
    ModuleLayout {
        name: "go1.16 and go1.17",
        minors: 16..=17,
        ftab: 128,
        minpc: 160,
        text: 176,
        types: 280,
        etypes: 288,
        typedesclen: None,
        itabs: None,
        gofunc: None,
        textsectmap: 296,
        typelinks: Some(320),
        itablinks: Some(344),
        epclntab: None,
        ptab: 368,
        inittasks: false,
        hasmain: 472,
    },
    ModuleLayout {
        name: "go1.18 and go1.19",
        minors: 18..=19,
        ftab: 128,
        minpc: 160,
        text: 176,
        types: 280,
        etypes: 288,
        typedesclen: None,
        itabs: None,
        gofunc: Some(304),
        textsectmap: 312,
        typelinks: Some(336),
        itablinks: Some(360),
        epclntab: None,
        ptab: 384,
        inittasks: false,
        hasmain: 488,
    },
    ModuleLayout {
        name: "go1.20",
        minors: 20..=20,
        ftab: 128,
        minpc: 160,
        text: 176,
        types: 296,
        etypes: 304,
        typedesclen: None,
        itabs: None,
        gofunc: Some(320),
        textsectmap: 328,
        typelinks: Some(352),
        itablinks: Some(376),
        epclntab: None,
        ptab: 400,
        inittasks: false,
        hasmain: 504,
    },
    ModuleLayout {
        name: "go1.21 to go1.25",
        minors: 21..=25,
        ftab: 128,
        minpc: 160,
        text: 176,
        types: 296,
        etypes: 304,
        typedesclen: None,
        itabs: None,
        gofunc: Some(320),
        textsectmap: 328,
        typelinks: Some(352),
        itablinks: Some(376),
        epclntab: None,
        ptab: 400,
        inittasks: true,
        hasmain: 528,
    },
    ModuleLayout {
        name: "go1.26",
        minors: 26..=26,
        ftab: 128,
        minpc: 160,
        text: 176,
        types: 296,
        etypes: 304,
        typedesclen: None,
        itabs: None,
        gofunc: Some(320),
        textsectmap: 336,
        typelinks: Some(360),
        itablinks: Some(384),
        epclntab: Some(328),
        ptab: 408,
        inittasks: true,
        hasmain: 536,
    },
    ModuleLayout {
        name: "go1.27",
        minors: 27..=27,
        ftab: 128,
        minpc: 160,
        text: 176,
        types: 296,
        etypes: 312,
        typedesclen: Some(304),
        itabs: Some(320),
        gofunc: Some(344),
        textsectmap: 360,
        typelinks: None,
        itablinks: None,
        epclntab: Some(352),
        ptab: 384,
        inittasks: true,
        hasmain: 512,
    },
];

/// Index of FUNCDATA_InlTree.
pub fn funcdata_inltree(minor: u32) -> usize {
    if minor <= 15 { 4 } else { 3 }
}

/// Index of FUNCDATA_ArgInfo (1.17+).
pub fn funcdata_arginfo(minor: u32) -> Option<usize> {
    (minor >= 17).then_some(5)
}

/// Index of PCDATA_UnsafePoint (up to Go 1.14 of a table without such values).
pub const PCDATA_UNSAFE_POINT: usize = 0;
/// Its values for sequences that start over: two, so that neighbours can be told apart.
pub const UNSAFE_POINT_RESTART: [i32; 2] = [-3, -4];
/// Its value for instructions from which the function starts over.
pub const UNSAFE_POINT_RESTART_AT_ENTRY: i32 = -5;
/// Index of PCDATA_InlTreeIndex.
pub const PCDATA_INLTREE: usize = 2;

/// Inline tree entry: size, offset of the name, offset of parentPc.
pub fn inline_entry(format: PclnFormat) -> (usize, usize, usize) {
    if format == PclnFormat::Go120 {
        (16, 4, 8)
    } else {
        (20, 12, 16)
    }
}

/// `funcID_wrapper`.
pub fn wrapper_id(minor: u32) -> u8 {
    match minor {
        ..=13 => 20,
        14..=17 => 22,
        18..=21 => 21,
        22..=24 => 22,
        _ => 23,
    }
}

/// Type names: length as two bytes big endian up to 1.16, uvarint from 1.17.
pub fn name_len_is_varint(minor: u32) -> bool {
    minor >= 17
}

/// Struct field offsets: `offset << 1 | embedded` up to 1.18, plain from 1.19 (embedded is bit 3 of
/// the name's flags).
pub fn field_offset_is_plain(minor: u32) -> bool {
    minor >= 19
}

/// "Direct interface": bit 5 of the kind up to 1.25, of TFlag from 1.26.
pub fn direct_iface_in_tflag(minor: u32) -> bool {
    minor >= 26
}

/// Offset of the map type's flags, and whether it is a Swiss map; `swiss` as the type itself tells.
pub fn map_flags_offset(minor: u32, swiss: bool) -> usize {
    match (swiss, minor) {
        (false, ..=13) => 76,
        (false, _) => 84,
        (true, ..=26) => 104,
        (true, _) => 128,
    }
}

/// Size of a map type descriptor without the uncommon part.
pub fn map_type_size(minor: u32, swiss: bool) -> usize {
    match (swiss, minor) {
        (false, ..=13) => 80,
        (false, _) => 88,
        (true, ..=26) => 112,
        (true, _) => 136,
    }
}

/// Second word of `runtime.textsect`: length up to 1.17, end from 1.18 (`runtime/symtab.go`).
pub fn textsect_has_length(minor: u32) -> bool {
    minor <= 17
}

/// Oldest and newest release whose layouts were checked.
pub const OLDEST_KNOWN: u32 = 13;
pub const NEWEST_KNOWN: u32 = 27;

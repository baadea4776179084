//! The plan: everything the kernel needs and everything the decoder needs, without the binary.
//!
//! It is stored in recordings as JSON, so it derives serde here; wire ops are kept as plain
//! numbers.

use serde::{Deserialize, Serialize};

use super::issue::Issue;
use super::site::SiteKind;
use crate::addr::{FileOffset, ImageAddr};
use crate::arch::{GSource, Restarts};

/// A complete plan for one binary.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    pub functions: Vec<FuncSchema>,
    /// All sites, entry and returns; index = wire site index for a single target.
    pub sites: Vec<SiteSchema>,
    /// Op table, shared by kernel and decoder.
    pub ops: Vec<OpSchema>,
    pub maps: Vec<MapSchema>,
    /// Dynamic types that IFACE ops follow: (table, image address of the type descriptor, first op,
    /// count, type index).
    pub dyn_types: Vec<DynTypeSchema>,
    pub types: Vec<TypeSchema>,
    /// Offsets of `runtime.g`.
    pub g: GSchema,
    /// Functions wished for that are not probed, or probed with a blind spot: what the user must
    /// know.
    pub issues: Vec<Issue>,
}

/// Offsets of the fields of `runtime.g` in this binary; `None`: absent in this Go release.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct GSchema {
    pub goid: Option<u32>,
    pub stack_lo: Option<u32>,
    pub stack_hi: Option<u32>,
    pub parent_goid: Option<u32>,
    /// Offset of g from the thread pointer, where the calling convention keeps it there (amd64, Go
    /// ≤ 1.16).
    #[serde(default)]
    pub tls: Option<i32>,
    /// Where a goroutine says what it does (`atomicstatus`) and what it waits for (`waitreason`).
    /// Its `waitsince` is no time of its own: the collector writes the end of the collection before
    /// into it (runtime/mgcmark.go, mgc.go, Go 1.15 to 1.27), which may lie before the wait.
    #[serde(default)]
    pub status: Option<u32>,
    #[serde(default)]
    pub wait_reason: Option<u32>,
    /// Texts of the numbers in `waitreason`; empty: not known in this build.
    #[serde(default)]
    pub wait_reasons: Vec<String>,
}

/// What the function means to the correlator.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A traced call.
    Call,
    /// `net/http.serverHandler.ServeHTTP`: a request.
    Request,
    /// `runtime.newproc1`: a goroutine is born.
    Birth,
    /// `runtime.Goexit`: the goroutine leaves all its frames.
    Recovery,
    /// `runtime.recovery`: a goroutine whose panic was recovered leaves the frames up to the
    /// recovering one.
    Recovered,
    /// `singleflight.(*Group).Do`: one execution may serve several callers.
    Join,
    /// `net/http.(*response).Hijack`: a handler takes the connection of its request over.
    Hijack,
    /// Finds out how large layers are: only its time counts.
    Layers,
}

/// Where a function's signature was found.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureSource {
    /// Nowhere, or it was not looked for.
    #[default]
    #[serde(alias = "")]
    None,
    /// The method table of its receiver.
    #[serde(alias = "method table")]
    MethodTable,
    /// An interface that its receiver implements.
    Interface,
    /// What all instantiations of generic code agree on.
    Instantiation,
    #[serde(alias = "DWARF")]
    Dwarf,
    /// The catalogue of moby's functions.
    Catalogue,
}

impl std::fmt::Display for SignatureSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::MethodTable => "method table",
            Self::Interface => "interface",
            Self::Instantiation => "instantiation",
            Self::Dwarf => "DWARF",
            Self::Catalogue => "catalogue",
        })
    }
}

/// One probed function.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct FuncSchema {
    /// Full symbol name.
    pub name: String,
    /// Short name for display (`Containers`).
    pub short: String,
    pub role: Role,
    /// Go signature in text, as far as known.
    pub signature: String,
    pub signature_source: SignatureSource,
    /// Image addresses.
    pub entry: ImageAddr,
    pub end: ImageAddr,
    /// Receiver and parameters, in order.
    pub params: Vec<ValueSchema>,
    pub results: Vec<ValueSchema>,
    /// Values read at the return site through saved words of the entry (e.g. HTTP status).
    pub out: Vec<ValueSchema>,
    /// Callers that inlined it: calls from there are invisible.
    pub inlined_at: Vec<String>,
    /// Of `Do` of a singleflight group ([`Role::Join`]): what is known of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupSchema>,
}

/// A singleflight group: when two callers of its `Do` certainly got the result of one execution.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct GroupSchema {
    pub package: GroupPackage,
    pub keys: GroupKeys,
    pub result: GroupResult,
}

/// Where a group comes from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum GroupPackage {
    /// `resenje.org/singleflight`: the function runs on a goroutine of its own, and its result is
    /// handed out for as long as anyone takes it.
    Resenje,
    /// `golang.org/x/sync/singleflight`: it runs on the first caller's goroutine, and whoever comes
    /// after its end starts another run.
    XSync,
}

/// The keys of a group's calls.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKeys {
    /// Their type has one value only: whoever comes while another one runs waits for it.
    One,
    Many,
}

/// What a group's result is, as far as one can be told from another by it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum GroupResult {
    /// A pointer: its word.
    Pointer,
    /// An interface: its two words.
    Interface,
    /// Anything else (a number, a slice): two executions may return the same words.
    Other,
}

impl FuncSchema {
    /// Whether parameters and results are known: a call without any has none then.
    #[must_use]
    pub fn has_signature(&self) -> bool {
        self.signature_source != SignatureSource::None
    }

    /// Position of the error among the results.
    #[must_use]
    pub fn error_result(&self) -> Option<usize> {
        self.results.iter().position(ValueSchema::is_error)
    }
}

impl ValueSchema {
    /// Whether it is the error that a call returns.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.meaning == Meaning::Error
    }
}

/// What a value is to its call.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    #[default]
    Value,
    /// The error that it returns; of several the last.
    Error,
}

/// A parameter, result, or out value.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ValueSchema {
    /// Parameter name where the catalogue or DWARF knows it, else `arg0`, `result0` …
    pub name: String,
    /// Index into `Plan::types`.
    pub ty: u32,
    pub place: ArgPlace,
    /// Wanted by the profile; others are not shown by default.
    pub shown: bool,
    #[serde(default)]
    pub meaning: Meaning,
}

/// Where a value lies at the site.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ArgPlace {
    pub kind: PlaceKind,
    /// Registers: one leaf per piece, in order.
    pub leaves: Vec<Leaf>,
    /// Stack: offset from SP + 8.
    pub offset: u32,
    /// Why it is missing.
    pub reason: Option<Unplaced>,
}

/// Why a value lies where it cannot be read.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unplaced {
    /// A probe does not see these registers.
    #[serde(alias = "it lies in floating-point registers, which a probe cannot read")]
    FloatRegisters,
    /// What another release of mobytrace says.
    #[serde(untagged)]
    Other(String),
}

impl std::fmt::Display for Unplaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FloatRegisters => {
                "it lies in floating-point registers, which a probe cannot read"
            }
            Self::Other(why) => why,
        })
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    Registers,
    Stack,
    /// Cannot be read; reason in the place.
    Missing,
}

/// One register piece of a value: bytes `[offset, offset + size)` of the value are the low bytes of
/// register-file word `reg`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Leaf {
    pub reg: u8,
    pub offset: u32,
    pub size: u32,
}

/// One probed instruction.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct SiteSchema {
    /// Index into `Plan::functions`.
    pub func: u32,
    pub kind: SiteKind,
    /// Image address of the instruction, and its offset in the file.
    pub addr: ImageAddr,
    pub file_offset: FileOffset,
    /// Bytes of the instruction in the file, hex: what must be there before and after tracing.
    pub bytes: String,
    /// The instruction in text.
    pub insn: String,
    /// Why this instruction.
    pub why: String,
    /// Wire `Site` fields.
    pub cond: Restarts,
    pub g_source: GSource,
    pub class: u8,
    pub flags: u16,
    pub reg_ops: u32,
    pub reg_count: u32,
    pub stack_ops: u32,
    pub stack_count: u32,
    pub save_regs: [u8; 4],
}

/// A wire op as data (see `tracer_ebpf::wire::op`), plus what the decoder needs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct OpSchema {
    pub kind: u8,
    pub flags: u8,
    pub off: u32,
    pub len: u32,
    pub a: u32,
    pub b: u32,
    pub c: u32,
}

/// A wire map descriptor as data.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct MapSchema {
    pub kind: u32,
    pub flags: u32,
    pub bucket_size: u32,
    pub keys_off: u32,
    pub key_stride: u32,
    pub elems_off: u32,
    pub elem_stride: u32,
    pub overflow_off: u32,
    pub key_ops: u32,
    pub key_count: u32,
    pub elem_ops: u32,
    pub elem_count: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct DynTypeSchema {
    pub table: u32,
    /// Image address of the descriptor.
    pub type_addr: ImageAddr,
    pub ops: u32,
    pub count: u32,
    /// Index into `Plan::types`.
    pub ty: u32,
    /// The value is the interface's data word itself; its bytes are in the item of the interface.
    #[serde(default)]
    pub direct: bool,
}

/// A type as the decoder needs it; field order as in memory.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct TypeSchema {
    pub name: String,
    pub size: u64,
    /// Image address of the descriptor (0 if none): dynamic types are looked up by it.
    pub addr: ImageAddr,
    pub kind: TypeKindSchema,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum TypeKindSchema {
    Bool,
    Int,
    Uint,
    Float,
    Complex,
    String,
    UnsafePointer,
    Chan,
    Func,
    Array {
        elem: u32,
        len: u64,
    },
    Interface {
        empty: bool,
    },
    Map {
        key: u32,
        elem: u32,
    },
    Pointer {
        elem: u32,
    },
    Slice {
        elem: u32,
    },
    Struct {
        fields: Vec<FieldSchema>,
        /// Fields that are not described because they are not wanted; `None`: not counted when the
        /// plan was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<u32>,
    },
    /// The process at the other end of the socket that a file descriptor stands for.
    Peer,
    /// What a chain of pointers, interfaces and structs of one field ends in.
    Reached {
        by: u32,
    },
    /// Deeper than pointers are followed.
    Deep,
    /// A dynamic type with more values than are described of one.
    TooLarge,
    /// A dynamic type for whose values the plan has no room.
    NoRoom,
    /// Not described further (not needed).
    Opaque,
    /// Wanted, but not to be had.
    Undescribed {
        why: Undescribed,
    },
}

/// Why values of a type are not captured although they are wanted.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Undescribed {
    /// Its descriptor cannot be read.
    Damaged { what: String },
    /// It ends so far from where it begins: no object is so large. Such types are views of memory
    /// whose true length they do not say.
    TooLarge { end: u64 },
    /// Types nest or branch without end.
    Endless,
}

impl From<crate::gobin::Error> for Undescribed {
    fn from(error: crate::gobin::Error) -> Self {
        Self::Damaged {
            what: error.to_string(),
        }
    }
}

impl std::fmt::Display for Undescribed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged { what } => write!(f, "its type cannot be read: {what}"),
            Self::TooLarge { end } => write!(
                f,
                "its type reaches {end} bytes far, as no object does: where the value ends is not known"
            ),
            Self::Endless => f.write_str("its type nests or branches without end"),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct FieldSchema {
    pub name: String,
    pub offset: u64,
    pub ty: u32,
    pub embedded: bool,
    /// By its name, for readers of the plan: [`Marks`](super::secrets::Marks) decides.
    pub secret: Secret,
}

/// How a field's captured bytes are masked before they are written or shown.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    #[default]
    None,
    /// The whole value.
    All,
    /// Strings of the form `NAME=value`: what follows `=`.
    EnvValue,
    /// HTTP header map: values of all names but a short list of harmless ones.
    HeaderValues,
    /// All values, however they are kept, but not the names that they have (build arguments).
    Values,
    /// The query of a URL: values by the names of their parameters.
    Query,
}

impl Secret {
    /// This one, or another if this is none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::None => other,
            known => known,
        }
    }
}

//! The one value type that correlation and renderers see.

use std::fmt;

/// A decoded Go value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
    /// A `time.Time`: seconds since 1970 and nanoseconds, UTC; Go's zero time is the year 1.
    Time {
        seconds: i64,
        nanos: u32,
    },
    /// A `time.Duration`, ns.
    Duration(i64),
    /// Bytes of a Go string as captured, and its true length in bytes (more than captured: cut).
    Str {
        bytes: Vec<u8>,
        len: u64,
    },
    /// Nil pointer, slice, map, interface, func or chan.
    Nil,
    /// Pointer that was followed; `addr` as in the process.
    Pointer {
        addr: u64,
        to: Box<Value>,
    },
    /// Pointer-shaped value that was not followed (func, chan, unsafe.Pointer, receiver).
    Address(u64),
    Struct {
        ty: String,
        fields: Vec<(String, Value)>,
    },
    /// Elements captured, and the true length (more than captured: cut).
    List {
        items: Vec<Value>,
        len: u64,
    },
    /// Cells captured in memory order, and the map's own count.
    Map {
        entries: Vec<(Value, Value)>,
        len: u64,
    },
    /// Interface value with its dynamic type.
    Iface {
        ty: String,
        value: Box<Value>,
    },
    /// A secret, replaced before it was written or shown; true length in bytes.
    Masked {
        len: u64,
    },
    /// A string, list or map of which only a part was captured, and why; the true length is that of `part`.
    Cut {
        part: Box<Value>,
        why: Missing,
    },
    Missing(Missing),
}

/// Why a value is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The profile does not capture it.
    NotSelected,
    /// User memory could not be read in the kernel (not resident, or invalid address).
    Fault { addr: u64 },
    /// A budget (entries per hit, nesting depth) ended the capture before it.
    Budget(&'static str),
    /// It is a secret, and was overwritten.
    Masked,
    /// The ring-buffer entry that held it was lost.
    Lost,
    /// The map was being written while it was read: cells seen differ from its count.
    MapChanged { seen: u64, count: u64 },
    /// The capture ended inside of a map, whose cells can then not be checked against its count.
    MapCut { seen: u64, count: u64 },
    /// A string, slice or interface that another goroutine wrote while it was read.
    Changed,
    /// The interface's dynamic type is not described by the binary.
    UnknownType { addr: u64 },
    /// Cannot be read at this site (e.g. a floating-point register).
    Unreadable(String),
    /// The length or count is not one that such a value can have.
    Implausible { what: String },
    /// The record does not match the plan.
    Corrupt(String),
}

/// One decoded hit of a site: all parts of its record joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Index into `Plan::sites` and `Plan::functions`.
    pub site: u32,
    pub func: u32,
    /// `SITE_ENTRY` or `SITE_RETURN`.
    pub kind: u8,
    /// CLOCK_MONOTONIC, ns.
    pub ktime: u64,
    pub tgid: u32,
    pub tid: u32,
    /// `None`: g could not be determined at this site.
    pub goid: Option<u64>,
    /// Address of its `runtime.g`; 0: not known.
    pub g: u64,
    pub parent_goid: Option<u64>,
    /// Hits lost before this one, at any site: between two hits with the same number nothing is missing.
    pub lost_before: u64,
    /// SP lies within g's stack bounds: `depth` identifies the frame.
    pub on_own_stack: bool,
    /// `stack.hi - sp`.
    pub depth: u64,
    /// Return addresses of the callers, image addresses (load bias removed), innermost first.
    pub stack: Vec<u64>,
    /// Parameters (entry) or results (return), in the order of the function's schema.
    pub values: Vec<Value>,
    /// Out values (return).
    pub out: Vec<Value>,
    /// The hit as a whole is complete, else why not.
    pub incomplete: Option<Missing>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSelected => f.write_str("not captured"),
            Self::Fault { addr } => write!(f, "memory at 0x{addr:x} was not resident"),
            Self::Budget(what) => write!(f, "cut by the budget for {what}"),
            Self::Masked => f.write_str("it is a secret, and masked"),
            Self::Lost => f.write_str("its record was lost"),
            Self::MapChanged { seen: 0, count: 0 } => f.write_str("the map was being written"),
            Self::MapChanged { seen, count } => {
                write!(
                    f,
                    "the map changed while it was read ({seen} of {count} cells seen)"
                )
            }
            Self::MapCut { seen, count } => write!(
                f,
                "a map of {count} entries, cut after {seen} by the budget for entries per hit"
            ),
            Self::Changed => f.write_str("it was being written while it was read"),
            Self::UnknownType { addr } => write!(f, "dynamic type at 0x{addr:x} is not followed"),
            Self::Unreadable(why) => f.write_str(why),
            Self::Implausible { what } => write!(f, "implausible: {what}"),
            Self::Corrupt(what) => write!(f, "the record does not fit the plan: {what}"),
        }
    }
}

//! The one value type that correlation and renderers see.

use super::missing::Missing;
use crate::addr::{ImageAddr, ProcessAddr};
use crate::plan::SiteKind;

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
        addr: ProcessAddr,
        to: Box<Value>,
    },
    /// Pointer-shaped value that was not followed (func, chan, unsafe.Pointer, receiver).
    Address(ProcessAddr),
    Struct {
        ty: String,
        fields: Vec<(String, Value)>,
        /// Fields of the type that the capture leaves out; in recordings made before they were
        /// counted, at least so many.
        left_out: u32,
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
    /// A secret, replaced before it was written or shown; nothing of it is known, its length
    /// neither.
    Masked,
    /// A string, list or map of which only a part was captured, and why; the true length is that of
    /// `part`.
    Cut {
        part: Box<Value>,
        why: Missing,
    },
    Missing(Missing),
}

/// One decoded hit of a site: all parts of its record joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Index into `Plan::sites` and `Plan::functions`.
    pub site: u32,
    pub func: u32,
    pub kind: SiteKind,
    /// CLOCK_MONOTONIC, ns.
    pub ktime: u64,
    pub tgid: u32,
    pub tid: u32,
    /// `None`: g could not be determined at this site.
    pub goid: Option<u64>,
    /// Address of its `runtime.g`; 0: not known.
    pub g: ProcessAddr,
    pub parent_goid: Option<u64>,
    /// Hits lost before this one, at any site: between two hits with the same number nothing is
    /// missing.
    pub lost_before: u64,
    /// SP lies within g's stack bounds: `depth` identifies the frame.
    pub on_own_stack: bool,
    /// `stack.hi - sp`.
    pub depth: u64,
    /// Return addresses of the callers, innermost first.
    pub stack: Vec<ImageAddr>,
    /// Parameters (entry) or results (return), in the order of the function's schema.
    pub values: Vec<Value>,
    /// Out values (return).
    pub out: Vec<Value>,
    /// Secrets hidden in it.
    pub masked: u32,
    /// The hit as a whole is complete, else why not.
    pub incomplete: Option<Missing>,
}

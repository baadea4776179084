//! Calls, requests, and how they were tied together.

use crate::addr::ImageAddr;
use crate::decode::{Missing, Sample, Text, Value};

/// How a call was tied to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    SameGoroutine,
    /// Through `hops` goroutine births.
    Birth {
        hops: u32,
    },
}

impl Link {
    /// Goroutine births between the request and the call.
    #[must_use]
    pub fn hops(self) -> u32 {
        match self {
            Self::SameGoroutine => 0,
            Self::Birth { hops } => hops,
        }
    }
}

/// The kernel's name of a process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessName {
    Known(String),
    /// It had ended before it could be asked.
    Ended,
    /// It was not captured.
    Unknown,
}

impl ProcessName {
    /// The name, where it is known.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(name) => Some(name),
            Self::Ended | Self::Unknown => None,
        }
    }
}

/// The process behind a request's connection, as it was when the request began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Process id, in the pid namespace of mobytrace itself.
    pub pid: u32,
    pub uid: Option<u32>,
    /// The kernel's name of the process (at most 15 bytes).
    pub comm: ProcessName,
    /// Thread group ids of the client, its parent, grandparent … outward, or why they are not
    /// known.
    pub ancestors: Result<Vec<u32>, Missing>,
    /// Id of the container it lives in: 64 hexadecimal digits in the name of its cgroup.
    /// `Ok(None)`: in none; `Err`: why it is not known.
    pub container: Result<Option<String>, Missing>,
}

/// A request that waited for an execution which another request had started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Index into `Trace::requests`.
    pub request: usize,
    /// The traced call of that request that waited, index into `Trace::calls`.
    pub within: Option<usize>,
}

/// What a request spent in functions that find out how large layers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerWork {
    /// Time in which at least one of them ran, ns.
    pub covered: u64,
    pub calls: u64,
    /// The end of some is not known: `covered` is too low.
    pub partial: bool,
}

/// Who a call belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Index into `Trace::requests`.
    Request { request: usize, link: Link },
    /// No certain owner: daemon-internal, or its request began before the trace.
    Internal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Entry and return seen.
    Returned,
    /// Still running at the end of the trace.
    InFlight,
    /// Left by a panic that a function further out recovered: of a request, net/http, which closes
    /// its connection.
    Panicked,
    /// Left by `Goexit`: its goroutine ended.
    Exited,
    /// Left without a return; by a panic or `Goexit`, which of them was not seen.
    Abandoned,
    /// Its return cannot be told from another call's: hits were lost while it was open, or the
    /// goroutine is not known at its return.
    Unpaired,
}

/// One call of a traced function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Index into `Plan::functions`.
    pub func: u32,
    pub goid: Option<u64>,
    pub tid: u32,
    pub depth: u64,
    /// Monotonic ns.
    pub start: u64,
    pub end: Option<u64>,
    pub params: Vec<Value>,
    pub results: Vec<Value>,
    pub out: Vec<Value>,
    /// Caller stack, image addresses.
    pub stack: Vec<ImageAddr>,
    pub state: CallState,
    pub owner: Owner,
    /// Enclosing traced call on the same goroutine, index into `Trace::calls`.
    pub parent: Option<usize>,
    /// Without a parent: the traced call that was running when this goroutine, or the one it
    /// descends from, was born; index into `Trace::calls`.
    pub born_in: Option<usize>,
    /// The last look at its goroutine while it was in flight and the innermost call there.
    pub sample: Option<Sample>,
    /// Further requests that this execution serves (`singleflight`).
    pub shared_with: Vec<Sharing>,
}

/// What a request says of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub length: Length,
    /// `None`: the request certainly told none.
    pub content_type: Option<Text>,
}

/// Bytes of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Bytes(u64),
    /// The request did not tell: it was sent in chunks.
    Untold,
    NotCaptured,
}

/// One HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Number in order of arrival, from 1: how users name it.
    pub id: u32,
    pub goid: Option<u64>,
    pub start: u64,
    pub end: Option<u64>,
    pub method: Text,
    pub path: Text,
    /// Raw query, still encoded.
    pub query: Text,
    /// `None`: the request certainly had none.
    pub user_agent: Option<Text>,
    pub body: Body,
    /// Of a path like `/v1.41/info`: `1.41`.
    pub api_version: Option<String>,
    pub status: Option<i64>,
    /// Bytes of the body that the handler wrote.
    pub bytes: Option<u64>,
    /// The handler took the connection over (`attach`, `exec`): status and bytes are not the HTTP
    /// server's any more. `None`: not known.
    pub hijacked: Option<bool>,
    /// Number of the request whose running execution this one waits for (`singleflight`).
    pub waits_for: Option<u32>,
    /// The process that sent it, or why that is not known.
    pub client: Result<Client, Missing>,
    /// Time in layer-size work; `None`: no such function is traced.
    pub layers: Option<LayerWork>,
    /// The last look at its goroutine while it was in flight and in no traced call.
    pub sample: Option<Sample>,
    pub state: CallState,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    pub requests: Vec<Request>,
    pub calls: Vec<Call>,
    /// Time of the last hit, monotonic ns: what is open has lasted at least until then.
    pub until: u64,
    pub summary: Summary,
}

/// Completeness of the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub hits: u64,
    /// Secrets hidden in them.
    pub masked: u64,
    /// Returns whose entry was not seen.
    pub unmatched_returns: u64,
    /// Calls with no certain request.
    pub internal: u64,
    /// State dropped to stay within bounds.
    pub evicted: u64,
    /// Entries lost in the kernel (no room in the ring buffer).
    pub lost: u64,
}

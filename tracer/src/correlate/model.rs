//! Calls, requests, and how they were tied together.

use crate::decode::Value;

/// How a call was tied to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    SameGoroutine,
    /// Through `hops` goroutine births.
    Birth {
        hops: u32,
    },
}

/// Who a call belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Index into `Trace::requests`.
    Request { request: usize, link: Link },
    /// No certain owner: daemon-internal, or its request began before the trace.
    Internal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Entry and return seen.
    Returned,
    /// Still running at the end of the trace.
    InFlight,
    /// Left by a panic or `Goexit`.
    Abandoned,
    /// Hits were lost while it was open: what looks like its return may be another call's.
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
    pub stack: Vec<u64>,
    pub state: CallState,
    pub owner: Owner,
    /// Enclosing traced call, index into `Trace::calls`.
    pub parent: Option<usize>,
}

/// One HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Number in order of arrival, from 1: how users name it.
    pub id: u32,
    pub goid: Option<u64>,
    pub start: u64,
    pub end: Option<u64>,
    pub method: String,
    pub path: String,
    /// Raw query, still encoded.
    pub query: String,
    pub user_agent: Option<String>,
    pub status: Option<i64>,
    pub state: CallState,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    pub requests: Vec<Request>,
    pub calls: Vec<Call>,
    pub summary: Summary,
}

/// Completeness of the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub hits: u64,
    /// Returns whose entry was not seen.
    pub unmatched_returns: u64,
    /// Calls with no certain request.
    pub internal: u64,
    /// State dropped to stay within bounds.
    pub evicted: u64,
    /// Entries lost in the kernel (no room in the ring buffer).
    pub lost: u64,
}

//! The state machine: takes hits in order, keeps what is open, gives out what is finished.
//!
//! Frames are paired by (goroutine, depth, function): the depth is invariant when the runtime moves the
//! stack. A goroutine inherits the owner that its creator had when it was born. Nothing is concluded across a loss: what was open
//! when hits were lost is given up, because its end, and the beginning of what follows, may be among them.

use std::collections::{BTreeMap, HashMap};

use tracer_ebpf::wire::site::SITE_ENTRY;

use super::model::{Call, CallState, Link, Owner, Request, Summary, Trace};
use crate::decode::{Hit, Value};
use crate::plan::{Plan, Role};

/// Goroutines that have an inherited owner, at most; the oldest are forgotten (and counted).
const MOST_INHERITED: usize = 1 << 16;
/// Goroutines with open frames, at most.
const MOST_OPEN: usize = 1 << 16;
/// Finished requests kept for calls that outlive them.
const MOST_KEPT: usize = 1 << 12;
/// Goroutine births between a request and a call, at most.
const MOST_HOPS: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Request(u32),
    Call(u64),
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    func: u32,
    depth: u64,
    /// Hits lost before its entry.
    lost_before: u64,
    what: What,
}

/// A call with the identities that `Trace` turns into indexes.
#[derive(Clone, Debug)]
struct OpenCall {
    call: Call,
    request: Option<(u32, Link)>,
    parent: Option<u64>,
}

/// Ties hits together.
#[derive(Debug)]
pub struct Correlator {
    roles: Vec<Role>,
    /// Parameter position of `req`, by function.
    request_params: Vec<Option<usize>>,
    requests: BTreeMap<u32, Request>,
    /// Requests that were given out already.
    given: BTreeMap<u32, Request>,
    calls: BTreeMap<u64, OpenCall>,
    open: HashMap<u64, Vec<Frame>>,
    inherited: BTreeMap<u64, (u32, u32)>,
    /// Creator of the goroutine that a thread is making, and the hits lost before.
    births: HashMap<u32, (u64, u64)>,
    next_request: u32,
    next_call: u64,
    summary: Summary,
}

impl Correlator {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            roles: plan.functions.iter().map(|f| f.role).collect(),
            request_params: plan
                .functions
                .iter()
                .map(|f| f.params.iter().position(|p| p.name == "req"))
                .collect(),
            requests: BTreeMap::new(),
            given: BTreeMap::new(),
            calls: BTreeMap::new(),
            open: HashMap::new(),
            inherited: BTreeMap::new(),
            births: HashMap::new(),
            next_request: 1,
            next_call: 0,
            summary: Summary::default(),
        }
    }

    /// Takes the next hit.
    pub fn push(&mut self, hit: Hit) {
        self.summary.hits += 1;
        if let Some(goid) = hit.goid {
            self.distrust(goid, hit.lost_before);
        }
        let entry = hit.kind == SITE_ENTRY;
        match (self.roles.get(hit.func as usize), entry) {
            (Some(Role::Birth), true) => self.birth_begins(&hit),
            (Some(Role::Birth), false) => self.birth_ends(&hit),
            (Some(Role::Request), true) => self.request_begins(&hit),
            (Some(Role::Call), true) => self.call_begins(hit),
            (Some(Role::Request | Role::Call), false) => self.returns(hit),
            (Some(Role::Recovery), true) => self.goroutine_exits(&hit),
            (Some(Role::Recovery), false) | (None, _) => {}
        }
    }

    /// Deferred functions still run, deeper than what is open now, and return.
    fn goroutine_exits(&mut self, hit: &Hit) {
        let (Some(goid), true) = (hit.goid, hit.on_own_stack) else {
            return;
        };
        self.abandon(goid, |_| true);
        self.open.remove(&goid);
    }

    /// `newproc1` runs on the scheduler's stack of a thread: entry and return are paired by thread.
    fn birth_begins(&mut self, hit: &Hit) {
        let parent = hit.values.iter().find_map(goid_of);
        match parent {
            Some(goid) => self.births.insert(hit.tid, (goid, hit.lost_before)),
            None => self.births.remove(&hit.tid),
        };
    }

    fn birth_ends(&mut self, hit: &Hit) {
        let begun = self
            .births
            .remove(&hit.tid)
            .filter(|(_, lost)| *lost == hit.lost_before);
        let (Some((parent, _)), Some(child)) = (begun, hit.values.iter().find_map(goid_of)) else {
            return;
        };
        self.distrust(parent, hit.lost_before);
        // numbers of goroutines are never used twice, but a lost record may have left something behind
        self.inherited.remove(&child);
        if let Some((request, link)) = self.owner(parent) {
            self.inherit(child, request, link.hops() + 1);
        }
    }

    fn inherit(&mut self, child: u64, request: u32, hops: u32) {
        if hops > MOST_HOPS {
            return;
        }
        self.inherited.insert(child, (request, hops));
        if self.inherited.len() > MOST_INHERITED {
            self.inherited.pop_first();
            self.summary.evicted += 1;
        }
    }

    /// The request that a goroutine works for now.
    fn owner(&self, goid: u64) -> Option<(u32, Link)> {
        let open = self.open.get(&goid).and_then(|frames| {
            frames.iter().rev().find_map(|f| match f.what {
                What::Request(id) => Some((id, Link::SameGoroutine)),
                What::Call(_) => None,
            })
        });
        open.or_else(|| {
            self.inherited
                .get(&goid)
                .map(|(request, hops)| (*request, Link::Birth { hops: *hops }))
        })
    }

    /// Frames that are no longer there when SP is at `depth`: left by a panic or `Goexit`.
    fn abandon(&mut self, goid: u64, gone: impl Fn(&Frame) -> bool) {
        self.give_up(goid, gone, &CallState::Abandoned);
    }

    /// Frames that were open when hits were lost: their returns may be among those.
    fn distrust(&mut self, goid: u64, lost_before: u64) {
        self.give_up(goid, |f| f.lost_before != lost_before, &CallState::Unpaired);
    }

    fn give_up(&mut self, goid: u64, gone: impl Fn(&Frame) -> bool, state: &CallState) {
        let Some(frames) = self.open.get_mut(&goid) else {
            return;
        };
        for frame in frames.extract_if(.., |f| gone(f)) {
            match frame.what {
                What::Call(serial) => {
                    if let Some(open) = self.calls.get_mut(&serial) {
                        open.call.state = state.clone();
                    }
                }
                What::Request(id) => {
                    if let Some(request) = self.requests.get_mut(&id) {
                        request.state = state.clone();
                    }
                }
            }
        }
    }

    /// Opens a frame. `false`: its return could not be told from another's, so that it is not waited for.
    fn enter(&mut self, hit: &Hit, what: What) -> bool {
        let (Some(goid), true) = (hit.goid, hit.on_own_stack) else {
            return false;
        };
        if self.open.len() >= MOST_OPEN && !self.open.contains_key(&goid) {
            self.summary.evicted += 1;
            return false;
        }
        self.open.entry(goid).or_default().push(Frame {
            func: hit.func,
            depth: hit.depth,
            lost_before: hit.lost_before,
            what,
        });
        true
    }

    fn request_begins(&mut self, hit: &Hit) {
        if let Some(goid) = hit.goid {
            self.abandon(goid, |f| f.depth >= hit.depth);
        }
        let id = self.next_request;
        self.next_request += 1;
        let req = self
            .request_params
            .get(hit.func as usize)
            .copied()
            .flatten()
            .and_then(|i| hit.values.get(i))
            .map(target);
        let text = |path: &[&str]| req.and_then(|r| text_at(r, path));
        self.requests.insert(
            id,
            Request {
                id,
                goid: hit.goid,
                start: hit.ktime,
                end: None,
                method: text(&["Method"]).unwrap_or_else(|| "?".into()),
                path: text(&["URL", "Path"]).unwrap_or_else(|| "?".into()),
                query: text(&["URL", "RawQuery"]).unwrap_or_default(),
                user_agent: req.and_then(user_agent),
                api_version: None,
                status: None,
                bytes: None,
                hijacked: false,
                client: None,
                client_unknown: None,
                state: CallState::InFlight,
            },
        );
        if !self.enter(hit, What::Request(id))
            && let Some(request) = self.requests.get_mut(&id)
        {
            request.state = CallState::Unpaired;
        }
    }

    fn call_begins(&mut self, hit: Hit) {
        if let Some(goid) = hit.goid {
            self.abandon(goid, |f| f.depth >= hit.depth);
        }
        let owner = hit.goid.and_then(|goid| {
            if self.owner(goid).is_none()
                && let Some(parent) = hit.parent_goid
            {
                self.distrust(parent, hit.lost_before);
                if let Some((request, link)) = self.owner(parent) {
                    self.inherit(goid, request, link.hops() + 1);
                }
            }
            self.owner(goid)
        });
        let parent = hit
            .goid
            .and_then(|goid| self.open.get(&goid))
            .and_then(|frames| {
                frames.iter().rev().find_map(|f| match f.what {
                    What::Call(serial) => Some(serial),
                    What::Request(_) => None,
                })
            });
        let serial = self.next_call;
        self.next_call += 1;
        if owner.is_none() {
            self.summary.internal += 1;
        }
        let state = if self.enter(&hit, What::Call(serial)) {
            CallState::InFlight
        } else {
            CallState::Unpaired
        };
        self.calls.insert(
            serial,
            OpenCall {
                request: owner,
                parent,
                call: Call {
                    func: hit.func,
                    goid: hit.goid,
                    tid: hit.tid,
                    depth: hit.depth,
                    start: hit.ktime,
                    end: None,
                    params: hit.values,
                    results: Vec::new(),
                    out: Vec::new(),
                    stack: hit.stack,
                    state,
                    owner: Owner::Internal,
                    parent: None,
                    shared_with: Vec::new(),
                },
            },
        );
    }

    fn returns(&mut self, hit: Hit) {
        let found = match (hit.goid, hit.on_own_stack) {
            (Some(goid), true) => {
                self.abandon(goid, |f| f.depth > hit.depth);
                let frames = self.open.get_mut(&goid);
                let frame =
                    frames.and_then(|f| f.pop_if(|f| f.depth == hit.depth && f.func == hit.func));
                if self.open.get(&goid).is_some_and(Vec::is_empty) {
                    self.open.remove(&goid);
                }
                frame
            }
            _ => None,
        };
        match found.map(|f| f.what) {
            Some(What::Request(id)) => {
                if let Some(request) = self.requests.get_mut(&id) {
                    request.end = Some(hit.ktime);
                    request.state = CallState::Returned;
                    request.status = hit
                        .out
                        .first()
                        .and_then(|v| int_at(v, "status"))
                        .filter(|s| *s != 0);
                }
            }
            Some(What::Call(serial)) => {
                if let Some(open) = self.calls.get_mut(&serial) {
                    open.call.end = Some(hit.ktime);
                    open.call.results = hit.values;
                    open.call.out = hit.out;
                    open.call.state = CallState::Returned;
                }
            }
            None => self.summary.unmatched_returns += 1,
        }
    }

    /// Takes out what is over: requests that ended with all their calls, and calls without a request.
    pub fn drain_finished(&mut self) -> Trace {
        let is_open = |c: &OpenCall| c.call.state == CallState::InFlight;
        let waiting: std::collections::HashSet<u32> = self
            .calls
            .values()
            .filter(|c| is_open(c))
            .filter_map(|c| c.request.map(|(id, _)| id))
            .collect();
        let over: Vec<u32> = self
            .requests
            .values()
            .filter(|r| r.state != CallState::InFlight && !waiting.contains(&r.id))
            .map(|r| r.id)
            .collect();
        let mut requests = BTreeMap::new();
        for id in over {
            if let Some(request) = self.requests.remove(&id) {
                self.given.insert(id, request.clone());
                requests.insert(id, request);
            }
        }
        while self.given.len() > MOST_KEPT {
            self.given.pop_first();
        }
        // a call within another is given out with it
        let mut calls: BTreeMap<u64, OpenCall> = BTreeMap::new();
        for (serial, open) in &self.calls {
            let with_parent = open
                .parent
                .is_none_or(|p| calls.contains_key(&p) || !self.calls.contains_key(&p));
            let ready = !is_open(open)
                && match open.request {
                    Some((id, _)) => requests.contains_key(&id) || !self.requests.contains_key(&id),
                    None => with_parent,
                };
            if ready {
                calls.insert(*serial, open.clone());
            }
        }
        for (serial, open) in &calls {
            self.calls.remove(serial);
            // a call that outlived its request is shown under it again
            if let Some((id, _)) = open.request
                && !requests.contains_key(&id)
                && let Some(request) = self.given.get(&id)
            {
                requests.insert(id, request.clone());
            }
        }
        self.trace(&requests, &calls)
    }

    /// Everything that is there now, finished or not.
    #[must_use]
    pub fn snapshot(&self) -> Trace {
        self.trace(&self.requests, &self.calls)
    }

    /// Everything that was not given out yet; what is still open stays in flight. `lost`: entries lost in the kernel.
    pub fn finish(mut self, lost: u64) -> Trace {
        self.summary.lost = lost;
        let mut requests = std::mem::take(&mut self.requests);
        let calls = std::mem::take(&mut self.calls);
        for open in calls.values() {
            if let Some((id, _)) = open.request
                && let Some(request) = self.given.get(&id)
            {
                requests.entry(id).or_insert_with(|| request.clone());
            }
        }
        self.trace(&requests, &calls)
    }

    fn trace(&self, requests: &BTreeMap<u32, Request>, calls: &BTreeMap<u64, OpenCall>) -> Trace {
        let request_index: HashMap<u32, usize> = requests
            .keys()
            .enumerate()
            .map(|(i, id)| (*id, i))
            .collect();
        let call_index: HashMap<u64, usize> =
            calls.keys().enumerate().map(|(i, s)| (*s, i)).collect();
        let calls = calls
            .values()
            .map(|open| {
                let owner = match open.request {
                    Some((id, link)) => match request_index.get(&id) {
                        Some(request) => Owner::Request {
                            request: *request,
                            link,
                        },
                        None => Owner::Internal,
                    },
                    None => Owner::Internal,
                };
                Call {
                    owner,
                    parent: open.parent.and_then(|p| call_index.get(&p)).copied(),
                    ..open.call.clone()
                }
            })
            .collect();
        Trace {
            requests: requests.values().cloned().collect(),
            calls,
            summary: self.summary.clone(),
        }
    }
}

/// What a pointer or interface leads to.
fn target(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => target(to),
        Value::Iface { value, .. } => target(value),
        other => other,
    }
}

fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match target(value) {
        Value::Struct { fields, .. } => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
        _ => None,
    }
}

fn goid_of(value: &Value) -> Option<u64> {
    match field(value, "goid")? {
        Value::Int(goid) => u64::try_from(*goid).ok().filter(|g| *g != 0),
        Value::Uint(goid) => Some(*goid).filter(|g| *g != 0),
        _ => None,
    }
}

fn int_at(value: &Value, name: &str) -> Option<i64> {
    match field(value, name)? {
        Value::Int(n) => Some(*n),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Str { bytes, len } => {
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            if *len > bytes.len() as u64 {
                text.push('…');
            }
            Some(text)
        }
        _ => None,
    }
}

fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    match path {
        [] => text(value),
        [first, rest @ ..] => text_at(field(value, first)?, rest),
    }
}

fn user_agent(request: &Value) -> Option<String> {
    let Value::Map { entries, .. } = field(request, "Header")? else {
        return None;
    };
    let (_, values) = entries
        .iter()
        .find(|(k, _)| text(k).as_deref() == Some("User-Agent"))?;
    match values {
        Value::List { items, .. } => items.first().and_then(text),
        _ => None,
    }
}

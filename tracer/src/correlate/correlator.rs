//! The state machine: takes hits in order, keeps what is open, gives out what is finished.
//!
//! Frames are paired by (goroutine, depth, function): the depth is invariant when the runtime moves the
//! stack. A goroutine inherits the owner that its creator had when it was born. Nothing is concluded across a loss: what was open
//! when hits were lost is given up, because its end, and the beginning of what follows, may be among them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tracer_ebpf::wire::site::SITE_ENTRY;

use super::joins::Joins;
use super::layers::Layers;
use super::lineage::{Lineage, Work};
use super::model::{Call, CallState, LayerWork, Link, Owner, Request, Sharing, Summary, Trace};
use super::request::{self, Parameters, goid_of, recovered};
use super::slow::Looks;
use crate::decode::{Hit, Value};
use crate::plan::{Plan, Role};

/// Goroutines with open frames, at most.
const MOST_OPEN: usize = 1 << 16;
/// Open frames of one goroutine, at most.
const MOST_FRAMES: usize = 1 << 12;
/// Finished requests kept for calls that outlive them.
const MOST_KEPT: usize = 1 << 12;
/// Threads in the middle of making a goroutine, at most.
const MOST_BIRTHS: usize = 1 << 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Request(u32),
    Call(u64),
    Join(u64),
    Hijack,
    Layer(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) func: u32,
    depth: u64,
    /// When it was entered, and the address of its goroutine's `runtime.g` (0: not known).
    pub(super) start: u64,
    pub(super) g: u64,
    /// Hits lost before its entry.
    lost_before: u64,
    pub(super) what: What,
}

/// A call with the identities that `Trace` turns into indexes.
#[derive(Clone, Debug)]
pub(super) struct OpenCall {
    pub(super) call: Call,
    pub(super) request: Option<(u32, Link)>,
    parent: Option<u64>,
    born_in: Option<u64>,
    join: Option<u64>,
}

/// What of a function's schema is looked at.
#[derive(Clone, Copy, Debug)]
struct Function {
    role: Role,
    parameters: Parameters,
    /// `Do` of a group whose calls all have the same key.
    only_key: bool,
    /// A result is known by two words (an interface), not one (a pointer).
    two_words: bool,
}

/// Ties hits together.
#[derive(Debug)]
pub struct Correlator {
    functions: Vec<Function>,
    /// `Hijack`, if it is traced.
    hijack: Option<u32>,
    /// Births are seen as they happen; without, a goroutine names its creator only when it is first seen.
    sees_births: bool,
    pub(super) requests: BTreeMap<u32, Request>,
    /// Requests that were given out already.
    given: BTreeMap<u32, Request>,
    pub(super) calls: BTreeMap<u64, OpenCall>,
    pub(super) open: HashMap<u64, Vec<Frame>>,
    lineage: Lineage,
    joins: Joins,
    layers: Layers,
    /// Functions of layer-size work are traced.
    sees_layers: bool,
    pub(super) looks: Looks,
    /// Creator of the goroutine that a thread is making, and the hits lost before.
    births: HashMap<u32, (u64, u64)>,
    /// Goroutines that served a request which is over: what they started then cannot be told from what they start now.
    served: HashSet<u64>,
    /// Functions whose returns do not tell their goroutine: a frame that is gone may well have returned.
    blind: HashSet<u32>,
    next_request: u32,
    next_call: u64,
    until: u64,
    /// Hits lost before the last one.
    lost_before: u64,
    summary: Summary,
}

impl Correlator {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let functions: Vec<Function> = plan
            .functions
            .iter()
            .map(|f| Function {
                role: f.role,
                parameters: Parameters::of(f),
                only_key: f.name.contains(".(*Group[go.shape.struct {},"),
                two_words: f.name.contains("x/sync/singleflight"),
            })
            .collect();
        Self {
            sees_layers: functions.iter().any(|f| f.role == Role::Layers),
            hijack: functions
                .iter()
                .position(|f| f.role == Role::Hijack)
                .and_then(|f| u32::try_from(f).ok()),
            sees_births: functions.iter().any(|f| f.role == Role::Birth),
            functions,
            requests: BTreeMap::new(),
            given: BTreeMap::new(),
            calls: BTreeMap::new(),
            open: HashMap::new(),
            lineage: Lineage::default(),
            joins: Joins::default(),
            layers: Layers::default(),
            looks: Looks::default(),
            births: HashMap::new(),
            served: HashSet::new(),
            blind: HashSet::new(),
            next_request: 1,
            next_call: 0,
            until: 0,
            lost_before: 0,
            summary: Summary::default(),
        }
    }

    /// Takes the next hit.
    pub fn push(&mut self, hit: Hit) {
        self.summary.hits += 1;
        self.summary.masked += u64::from(hit.masked);
        self.until = self.until.max(hit.ktime);
        self.lost_before = self.lost_before.max(hit.lost_before);
        if let Some(goid) = hit.goid {
            self.distrust(goid, hit.lost_before);
        }
        let entry = hit.kind == SITE_ENTRY;
        let Some(function) = self.functions.get(hit.func as usize).copied() else {
            return;
        };
        match (function.role, entry) {
            (Role::Birth, true) => self.birth_begins(&hit),
            (Role::Birth, false) => self.birth_ends(&hit),
            (Role::Request, true) => self.request_begins(&hit, function.parameters),
            (Role::Call, true) => self.call_begins(hit),
            (Role::Join, true) => self.join_begins(&hit, function.only_key),
            (Role::Hijack, true) => {
                self.leave_deeper(&hit);
                self.enter(&hit, What::Hijack);
            }
            (Role::Layers, true) => self.layers_begin(&hit),
            (Role::Request | Role::Call | Role::Join | Role::Hijack | Role::Layers, false) => {
                self.returns(hit, function);
            }
            (Role::Recovery, _) => {
                if let Some(goid) = hit.goid {
                    self.leave(goid, |_| true, CallState::Exited, hit.ktime);
                }
            }
            (Role::Recovered, _) => {
                if let Some((goid, depth)) = hit.values.iter().find_map(recovered) {
                    self.distrust(goid, hit.lost_before);
                    self.leave(goid, |f| f.depth > depth, CallState::Panicked, hit.ktime);
                }
            }
        }
    }

    /// `newproc1` runs on the scheduler's stack of a thread: entry and return are paired by thread.
    fn birth_begins(&mut self, hit: &Hit) {
        if self.births.len() >= MOST_BIRTHS {
            self.summary.evicted += self.births.len() as u64;
            self.births.clear();
        }
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
        self.lineage.born(child, self.work_of(parent), hit.ktime);
    }

    /// What a goroutine works for now, and within which of its frames.
    fn work_of(&self, goid: u64) -> Option<Work> {
        let inherited = self.lineage.of(goid);
        let frames = self.open.get(&goid).map_or(&[][..], Vec::as_slice);
        let (mut call, mut join, mut request) = (None, None, None);
        for frame in frames.iter().rev() {
            match frame.what {
                What::Request(id) => {
                    request = Some(id);
                    break;
                }
                What::Call(serial) => call = call.or(Some(serial)),
                What::Join(serial) => join = join.or(Some(serial)),
                What::Hijack | What::Layer(_) => {}
            }
        }
        let from = match request {
            Some(request) => Work {
                request,
                link: Link::SameGoroutine,
                call: None,
                join: None,
            },
            None => inherited?,
        };
        Some(Work {
            call: call.or(from.call),
            join: join.or(from.join),
            ..from
        })
    }

    /// Takes over the work of the creator that the goroutine itself names, if that is certain: a creator that has served another
    /// request before may have started it then.
    fn adopt(&mut self, hit: &Hit) {
        let (Some(goid), Some(parent)) = (hit.goid, hit.parent_goid) else {
            return;
        };
        if self.sees_births || self.work_of(goid).is_some() || self.served.contains(&parent) {
            return;
        }
        self.distrust(parent, hit.lost_before);
        let work = self.work_of(parent);
        if work.is_some() {
            self.lineage.born(goid, work, hit.ktime);
        }
    }

    /// Frames that are no longer there: left by a panic or `Goexit` that was not seen.
    fn abandon(&mut self, goid: u64, gone: impl Fn(&Frame) -> bool) {
        self.give_up(goid, gone, CallState::Abandoned, None);
    }

    /// Frames that were open when hits were lost: their returns may be among those.
    fn distrust(&mut self, goid: u64, lost_before: u64) {
        let before = |f: &Frame| f.lost_before != lost_before;
        self.give_up(goid, before, CallState::Unpaired, None);
    }

    /// Frames that a goroutine was seen leaving, and when.
    fn leave(&mut self, goid: u64, gone: impl Fn(&Frame) -> bool, state: CallState, at: u64) {
        self.give_up(goid, gone, state, Some(at));
    }

    fn give_up(
        &mut self,
        goid: u64,
        gone: impl Fn(&Frame) -> bool,
        state: CallState,
        at: Option<u64>,
    ) {
        let sees_hijack = self.sees_hijack();
        let Some(frames) = self.open.get_mut(&goid) else {
            return;
        };
        for frame in frames.extract_if(.., |f| gone(f)) {
            let (state, at) = if self.blind.contains(&frame.func) {
                (CallState::Unpaired, None)
            } else {
                (state, at)
            };
            match frame.what {
                What::Call(serial) => {
                    if let Some(open) = self.calls.get_mut(&serial) {
                        open.call.state = state;
                        open.call.end = at;
                    }
                }
                What::Request(id) => {
                    if let Some(request) = self.requests.get_mut(&id) {
                        request.state = state;
                        request.end = at;
                        if at.is_some() && sees_hijack {
                            request.hijacked.get_or_insert(false);
                        }
                        self.lineage.request_ended(id, self.until);
                        self.layers.request_ended(id, self.until);
                    }
                }
                What::Join(serial) => self.joins.give_up(serial),
                What::Hijack => {}
                What::Layer(serial) => self.layers.give_up(serial),
            }
        }
        if frames.is_empty() {
            self.open.remove(&goid);
        }
    }

    /// `false`: the frame cannot be kept, and its return will not be recognised.
    fn enter(&mut self, hit: &Hit, what: What) -> bool {
        let (Some(goid), true) = (hit.goid, hit.on_own_stack) else {
            return false;
        };
        if self.open.len() >= MOST_OPEN && !self.open.contains_key(&goid) {
            self.summary.evicted += 1;
            return false;
        }
        let frames = self.open.entry(goid).or_default();
        if frames.len() >= MOST_FRAMES {
            self.summary.evicted += 1;
            return false;
        }
        frames.push(Frame {
            func: hit.func,
            depth: hit.depth,
            start: hit.ktime,
            g: hit.g,
            lost_before: hit.lost_before,
            what,
        });
        true
    }

    fn leave_deeper(&mut self, hit: &Hit) {
        if let Some(goid) = hit.goid {
            self.abandon(goid, |f| f.depth >= hit.depth);
        }
    }

    fn request_begins(&mut self, hit: &Hit, parameters: Parameters) {
        self.leave_deeper(hit);
        let id = self.next_request;
        self.next_request += 1;
        let mut begun = request::begun(id, hit, parameters);
        if !self.enter(hit, What::Request(id)) {
            begun.state = CallState::Unpaired;
        }
        self.requests.insert(id, begun);
    }

    fn join_begins(&mut self, hit: &Hit, only_key: bool) {
        self.leave_deeper(hit);
        self.adopt(hit);
        let (Some(goid), Some(Value::Address(group))) = (hit.goid, hit.values.first()) else {
            return;
        };
        let work = self.work_of(goid);
        let serial = self.joins.begin(
            *group,
            only_key,
            work.map(|w| w.request),
            work.and_then(|w| w.call),
            hit.ktime,
        );
        if !self.enter(hit, What::Join(serial)) {
            self.joins.give_up(serial);
        }
    }

    fn layers_begin(&mut self, hit: &Hit) {
        self.leave_deeper(hit);
        self.adopt(hit);
        let request = hit.goid.and_then(|goid| self.work_of(goid));
        let serial = self.layers.begin(request.map(|w| w.request), hit.ktime);
        if !self.enter(hit, What::Layer(serial)) {
            self.layers.give_up(serial);
        }
    }

    fn call_begins(&mut self, hit: Hit) {
        self.leave_deeper(&hit);
        self.adopt(&hit);
        let work = hit.goid.and_then(|goid| self.work_of(goid));
        let parent = hit
            .goid
            .and_then(|goid| self.open.get(&goid))
            .and_then(|frames| {
                frames.iter().rev().find_map(|f| match f.what {
                    What::Call(serial) => Some(serial),
                    What::Request(_) | What::Join(_) | What::Hijack | What::Layer(_) => None,
                })
            });
        let serial = self.next_call;
        self.next_call += 1;
        if work.is_none() {
            self.summary.internal += 1;
        }
        if let Some(join) = work.and_then(|w| w.join) {
            self.joins.works(join);
        }
        let state = if self.enter(&hit, What::Call(serial)) {
            CallState::InFlight
        } else {
            CallState::Unpaired
        };
        self.calls.insert(
            serial,
            OpenCall {
                request: work.map(|w| (w.request, w.link)),
                parent,
                born_in: work.and_then(|w| w.call).filter(|_| parent.is_none()),
                join: work.and_then(|w| w.join),
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
                    born_in: None,
                    sample: None,
                    shared_with: Vec::new(),
                },
            },
        );
    }

    fn returns(&mut self, hit: Hit, function: Function) {
        if hit.goid.is_none() {
            self.blind.insert(hit.func);
        }
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
                    request::ended(request, &hit);
                }
                self.lineage.request_ended(id, hit.ktime);
                self.layers.request_ended(id, hit.ktime);
                if !self.sees_births
                    && let Some(goid) = hit.goid
                {
                    if self.served.len() >= MOST_OPEN {
                        self.served.clear();
                        self.summary.evicted += 1;
                    }
                    self.served.insert(goid);
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
            Some(What::Join(serial)) => {
                let word = |i: usize| match hit.values.get(i) {
                    Some(Value::Address(word)) => Some(*word),
                    _ => None,
                };
                let second = if function.two_words { word(1) } else { Some(0) };
                let result = word(0).zip(second).map(|(a, b)| [a, b]);
                self.joins.finish(serial, result, hit.ktime);
            }
            Some(What::Hijack) => {
                let work = hit.goid.and_then(|goid| self.work_of(goid));
                if let Some(request) = work.and_then(|w| self.requests.get_mut(&w.request)) {
                    request.hijacked = Some(true);
                }
            }
            Some(What::Layer(serial)) => self.layers.end(serial, hit.ktime),
            // it says nothing about requests
            None if function.role == Role::Layers => {}
            None => self.summary.unmatched_returns += 1,
        }
    }

    /// Takes out what is over: requests that ended with all their calls, and calls without a request.
    pub fn drain_finished(&mut self) -> Trace {
        let is_open = |c: &OpenCall| c.call.state == CallState::InFlight;
        let waiting: HashSet<u32> = self
            .calls
            .values()
            .filter(|c| is_open(c) || c.join.is_some_and(|j| self.joins.awaits_sharers(j)))
            .filter_map(|c| c.request.map(|(id, _)| id))
            .collect();
        let over: Vec<u32> = self
            .requests
            .values()
            .filter(|r| r.state != CallState::InFlight && !waiting.contains(&r.id))
            .map(|r| r.id)
            .collect();
        let over = self.with_sharers(over);
        let mut requests = BTreeMap::new();
        for id in over {
            if let Some(mut request) = self.requests.remove(&id) {
                request.layers = self.layers_of(id);
                self.layers.forget(id);
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

    /// Requests that share an execution are given out together: those of `over` that must wait for another are left out.
    fn with_sharers(&self, over: Vec<u32>) -> Vec<u32> {
        let mut ready: HashSet<u32> = over.iter().copied().collect();
        let shares: Vec<(u32, Vec<u32>)> = self
            .calls
            .values()
            .filter_map(|c| {
                let (id, _) = c.request?;
                let waiters = self.joins.waiters(c.join?);
                let others: Vec<u32> = waiters
                    .iter()
                    .map(|w| w.request)
                    .filter(|r| self.requests.contains_key(r))
                    .collect();
                (!others.is_empty()).then_some((id, others))
            })
            .collect();
        loop {
            let before = ready.len();
            for (id, others) in &shares {
                let together = ready.contains(id) && others.iter().all(|o| ready.contains(o));
                if !together && self.requests.contains_key(id) {
                    ready.remove(id);
                    for other in others {
                        ready.remove(other);
                    }
                }
            }
            if ready.len() == before {
                break;
            }
        }
        over.into_iter().filter(|id| ready.contains(id)).collect()
    }

    /// Number and start (monotonic ns) of every request that is open.
    pub fn open_requests(&self) -> impl Iterator<Item = (u32, u64)> {
        self.requests
            .values()
            .filter(|r| r.state == CallState::InFlight)
            .map(|r| (r.id, r.start))
    }

    /// Some of the requests that are there, with what they have done so far; nothing is taken out. `now`: monotonic ns.
    #[must_use]
    pub fn glance(&self, wanted: &BTreeSet<u32>, now: u64) -> Trace {
        let requests: BTreeMap<u32, Request> = wanted
            .iter()
            .filter_map(|id| Some((*id, self.requests.get(id)?.clone())))
            .collect();
        let calls: BTreeMap<u64, OpenCall> = self
            .calls
            .iter()
            .filter(|(_, c)| c.request.is_some_and(|(id, _)| wanted.contains(&id)))
            .map(|(serial, c)| (*serial, c.clone()))
            .collect();
        let mut trace = self.trace(&requests, &calls);
        trace.until = trace.until.max(now);
        trace
    }

    /// Whether a connection that a handler took over would be seen: `Hijack` is traced, and every return of it tells its goroutine.
    fn sees_hijack(&self) -> bool {
        self.hijack.is_some_and(|f| !self.blind.contains(&f))
    }

    /// Open requests whose handlers certainly have not taken their connections over: nothing was lost since they began, and every
    /// return of `Hijack` tells its goroutine.
    fn not_hijacked(&self) -> HashSet<u32> {
        if !self.sees_hijack() {
            return HashSet::new();
        }
        self.open
            .values()
            .filter(|frames| frames.iter().all(|f| f.what != What::Hijack))
            .flatten()
            .filter(|f| f.lost_before == self.lost_before)
            .filter_map(|f| match f.what {
                What::Request(id) => Some(id),
                What::Call(_) | What::Join(_) | What::Hijack | What::Layer(_) => None,
            })
            .collect()
    }

    /// Everything that was not given out yet; what is still open stays in flight. `lost`: entries lost in the kernel;
    /// `ended`: when collecting ended, monotonic ns (0: not known).
    pub fn finish(mut self, lost: u64, ended: u64) -> Trace {
        self.summary.lost = lost;
        self.until = self.until.max(ended);
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

    fn layers_of(&self, request: u32) -> Option<LayerWork> {
        self.sees_layers
            .then(|| self.layers.of(request, self.until))
    }

    fn trace(&self, requests: &BTreeMap<u32, Request>, calls: &BTreeMap<u64, OpenCall>) -> Trace {
        let request_index: HashMap<u32, usize> = requests
            .keys()
            .enumerate()
            .map(|(i, id)| (*id, i))
            .collect();
        let call_index: HashMap<u64, usize> =
            calls.keys().enumerate().map(|(i, s)| (*s, i)).collect();
        let at = |serial: Option<u64>| serial.and_then(|s| call_index.get(&s)).copied();
        let calls = calls
            .values()
            .map(|open| {
                let owner = open
                    .request
                    .and_then(|(id, link)| Some((*request_index.get(&id)?, link)))
                    .map_or(Owner::Internal, |(request, link)| Owner::Request {
                        request,
                        link,
                    });
                let waiters = open.join.map_or_else(Vec::new, |j| self.joins.waiters(j));
                Call {
                    owner,
                    parent: at(open.parent),
                    born_in: at(open.born_in),
                    shared_with: waiters
                        .iter()
                        .filter_map(|w| {
                            Some(Sharing {
                                request: *request_index.get(&w.request)?,
                                within: at(w.within),
                            })
                        })
                        .collect(),
                    ..open.call.clone()
                }
            })
            .collect();
        // a handler that returned has said so itself
        let untouched = match requests.values().all(|r| r.hijacked.is_some()) {
            true => HashSet::new(),
            false => self.not_hijacked(),
        };
        let mut requests: Vec<Request> = requests
            .values()
            .cloned()
            .map(|r| Request {
                layers: r.layers.or_else(|| self.layers_of(r.id)),
                hijacked: r.hijacked.or(untouched.contains(&r.id).then_some(false)),
                ..r
            })
            .collect();
        for (waits, runs) in self.joins.waiting() {
            if let Some(index) = request_index.get(&waits) {
                requests[*index].waits_for = Some(runs);
            }
        }
        let mut summary = self.summary.clone();
        summary.evicted += self.lineage.forgotten + self.joins.forgotten + self.layers.forgotten;
        Trace {
            requests,
            calls,
            until: self.until,
            summary,
        }
    }
}

//! What was not given out yet: requests and calls, when they are finished, and what of them goes
//! out together.
//!
//! A request is given out with all its calls, and with the requests that share an execution with
//! it. Calls without a request go out as they end, together with what they were made in.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::joins::Joins;
use super::layers::Layers;
use super::lineage::Work;
use super::model::{Call, CallState, LayerWork, Link, Owner, Request, Sharing, Summary, Trace};
use super::pairing::Left;
use super::request::{self, Parameters};
use crate::decode::{Hit, Sample, Text};

/// Finished requests kept for calls that outlive them: those with the highest numbers. No other
/// request is given out a second time.
pub const MOST_KEPT: usize = 1 << 12;

/// A call with the identities that `Trace` turns into indexes.
#[derive(Clone, Debug)]
struct OpenCall {
    call: Call,
    request: Option<(u32, Link)>,
    parent: Option<u64>,
    born_in: Option<u64>,
    join: Option<u64>,
}

impl OpenCall {
    fn is_open(&self) -> bool {
        self.call.state == CallState::InFlight
    }
}

/// Requests and calls that were not given out yet.
#[derive(Debug)]
pub struct Delivery {
    requests: BTreeMap<u32, Request>,
    /// Requests that were given out already.
    given: BTreeMap<u32, Request>,
    calls: BTreeMap<u64, OpenCall>,
    pub layers: Layers,
    /// Functions of layer-size work are traced.
    sees_layers: bool,
    next_request: u32,
    next_call: u64,
    /// Time of the last hit, monotonic ns.
    pub until: u64,
    pub summary: Summary,
    /// Calls given out without their request, which was not kept that long.
    orphans: u64,
}

impl Delivery {
    pub fn new(sees_layers: bool) -> Self {
        Self {
            requests: BTreeMap::new(),
            given: BTreeMap::new(),
            calls: BTreeMap::new(),
            layers: Layers::default(),
            sees_layers,
            next_request: 1,
            next_call: 0,
            until: 0,
            summary: Summary::default(),
            orphans: 0,
        }
    }

    /// Requests are numbered behind this many.
    pub fn number_behind(&mut self, requests: u32) {
        self.next_request = requests.saturating_add(1);
    }

    /// The number of the last request.
    pub fn last_request(&self) -> u32 {
        self.next_request.saturating_sub(1)
    }

    /// A request begins; gives its number.
    pub fn request_begins(&mut self, hit: &Hit, parameters: Parameters) -> u32 {
        let id = self.next_request;
        self.next_request = self.next_request.saturating_add(1);
        self.requests
            .insert(id, request::begun(id, hit, parameters));
        id
    }

    /// Its handler returned.
    pub fn request_returned(&mut self, id: u32, hit: &Hit) {
        if let Some(request) = self.requests.get_mut(&id) {
            request::ended(request, hit);
        }
        self.layers.request_ended(id, hit.ktime);
    }

    /// It ended otherwise. `sees_hijack`: that its connection was taken over would have been seen.
    pub fn request_left(&mut self, id: u32, left: Left, sees_hijack: bool) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.state = left.state;
            request.end = left.at;
            if left.at.is_some() && sees_hijack {
                request.hijacked.get_or_insert(false);
            }
        }
        self.layers.request_ended(id, self.until);
    }

    /// Its return will not be recognised.
    pub fn request_unpaired(&mut self, id: u32) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.state = CallState::Unpaired;
        }
    }

    /// Its handler took its connection over.
    pub fn hijacked(&mut self, id: u32) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.hijacked = Some(true);
        }
    }

    /// Serial of the next call.
    pub fn next_call(&mut self) -> u64 {
        let serial = self.next_call;
        self.next_call += 1;
        serial
    }

    /// A call begins, for that work and within that call of the same goroutine.
    pub fn call_begins(&mut self, serial: u64, hit: Hit, work: Option<Work>, parent: Option<u64>) {
        if work.is_none() {
            self.summary.internal += 1;
        }
        let call = Call {
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
            state: CallState::InFlight,
            owner: Owner::Internal,
            parent: None,
            born_in: None,
            sample: None,
            shared_with: Vec::new(),
        };
        self.calls.insert(
            serial,
            OpenCall {
                request: work.map(|w| (w.request, w.link)),
                parent,
                born_in: work.and_then(|w| w.call).filter(|_| parent.is_none()),
                join: work.and_then(|w| w.join),
                call,
            },
        );
    }

    /// It returned.
    pub fn call_returned(&mut self, serial: u64, hit: Hit) {
        if let Some(open) = self.calls.get_mut(&serial) {
            open.call.end = Some(hit.ktime);
            open.call.results = hit.values;
            open.call.out = hit.out;
            open.call.state = CallState::Returned;
        }
    }

    /// It ended otherwise.
    pub fn call_left(&mut self, serial: u64, state: CallState, at: Option<u64>) {
        if let Some(open) = self.calls.get_mut(&serial) {
            open.call.state = state;
            open.call.end = at;
        }
    }

    /// A look at the goroutine of a call that is in flight.
    pub fn observe_call(&mut self, serial: u64, sample: Sample) {
        if let Some(open) = self.calls.get_mut(&serial).filter(|c| c.is_open()) {
            open.call.sample = Some(sample);
        }
    }

    /// A look at the goroutine of a request that is in flight.
    pub fn observe_request(&mut self, id: u32, sample: Sample) {
        let request = self.requests.get_mut(&id);
        if let Some(request) = request.filter(|r| r.state == CallState::InFlight) {
            request.sample = Some(sample);
        }
    }

    /// Function of a call, and the number of its request.
    pub fn call(&self, serial: u64) -> Option<(u32, Option<u32>)> {
        let open = self.calls.get(&serial)?;
        Some((open.call.func, open.request.map(|(id, _)| id)))
    }

    /// Method and path of a request.
    pub fn route(&self, id: u32) -> Option<(Text, Text)> {
        let request = self.requests.get(&id)?;
        Some((request.method.clone(), request.path.clone()))
    }

    /// Number and start (monotonic ns) of every request that is open.
    pub fn open_requests(&self) -> impl Iterator<Item = (u32, u64)> {
        self.requests
            .values()
            .filter(|r| r.state == CallState::InFlight)
            .map(|r| (r.id, r.start))
    }

    /// Takes out what is over: requests that ended with all their calls, and calls without a
    /// request.
    pub fn drain(&mut self, joins: &Joins) -> Trace {
        let mut requests = BTreeMap::new();
        for id in self.finished_requests(joins) {
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
        let mut calls: BTreeMap<u64, OpenCall> = BTreeMap::new();
        for serial in self.finished_calls(&requests) {
            let Some(open) = self.calls.remove(&serial) else {
                continue;
            };
            self.give_again(&open, &mut requests);
            calls.insert(serial, open);
        }
        self.trace(requests, calls, joins)
    }

    /// Some of the requests that are there, with what they have done so far; nothing is taken out.
    pub fn glance(&self, wanted: &BTreeSet<u32>, joins: &Joins) -> Trace {
        let requests = wanted
            .iter()
            .filter_map(|id| Some((*id, self.requests.get(id)?.clone())))
            .collect();
        let calls = self
            .calls
            .iter()
            .filter(|(_, c)| c.request.is_some_and(|(id, _)| wanted.contains(&id)))
            .map(|(serial, c)| (*serial, c.clone()))
            .collect();
        self.trace(requests, calls, joins)
    }

    /// Everything that was not given out yet; what is still open stays in flight.
    pub fn finish(&mut self, joins: &Joins) -> Trace {
        let mut requests = std::mem::take(&mut self.requests);
        let calls = std::mem::take(&mut self.calls);
        for open in calls.values() {
            self.give_again(open, &mut requests);
        }
        self.trace(requests, calls, joins)
    }

    /// A call that outlived its request is shown under it again.
    fn give_again(&mut self, open: &OpenCall, requests: &mut BTreeMap<u32, Request>) {
        let Some((id, _)) = open.request.filter(|(id, _)| !requests.contains_key(id)) else {
            return;
        };
        match self.given.get(&id) {
            Some(request) => {
                requests.insert(id, request.clone());
            }
            None => self.orphans += 1,
        }
    }

    /// Requests that ended, as did all their calls and whatever may still share with them.
    fn finished_requests(&self, joins: &Joins) -> Vec<u32> {
        let waiting: HashSet<u32> = self
            .calls
            .values()
            .filter(|c| c.is_open() || c.join.is_some_and(|j| joins.awaits_sharers(j)))
            .filter_map(|c| c.request.map(|(id, _)| id))
            .chain(joins.awaiting_runs())
            .collect();
        let over = self
            .requests
            .values()
            .filter(|r| r.state != CallState::InFlight && !waiting.contains(&r.id))
            .map(|r| r.id)
            .collect();
        self.with_sharers(over, joins)
    }

    /// Requests that share an execution are given out together: those of `over` that must wait for
    /// another are left out.
    fn with_sharers(&self, over: Vec<u32>, joins: &Joins) -> Vec<u32> {
        let mut ready: HashSet<u32> = over.iter().copied().collect();
        let shares: Vec<(u32, Vec<u32>)> = self
            .calls
            .values()
            .filter_map(|c| {
                let (id, _) = c.request?;
                let others: Vec<u32> = joins
                    .waiters(c.join?)
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

    /// Calls that go out with `requests` or after them; those without a request when they are over,
    /// together with what they were made in.
    fn finished_calls(&self, requests: &BTreeMap<u32, Request>) -> BTreeSet<u64> {
        let mut finished: BTreeSet<u64> = BTreeSet::new();
        for (serial, open) in &self.calls {
            let ready = !open.is_open()
                && match open.request {
                    Some((id, _)) => requests.contains_key(&id) || !self.requests.contains_key(&id),
                    None => open
                        .parent
                        .is_none_or(|p| finished.contains(&p) || !self.calls.contains_key(&p)),
                };
            if ready {
                finished.insert(*serial);
            }
        }
        finished
    }

    /// What was forgotten to stay within bounds.
    pub fn evicted(&self) -> u64 {
        self.layers.forgotten + self.orphans
    }

    fn layers_of(&self, request: u32) -> Option<LayerWork> {
        self.sees_layers
            .then(|| self.layers.of(request, self.until))
    }

    /// Serials and numbers become positions.
    fn trace(
        &self,
        requests: BTreeMap<u32, Request>,
        calls: BTreeMap<u64, OpenCall>,
        joins: &Joins,
    ) -> Trace {
        let request_index: HashMap<u32, usize> = requests
            .keys()
            .enumerate()
            .map(|(i, id)| (*id, i))
            .collect();
        let call_index: HashMap<u64, usize> =
            calls.keys().enumerate().map(|(i, s)| (*s, i)).collect();
        let at = |serial: Option<u64>| serial.and_then(|s| call_index.get(&s)).copied();
        let calls = calls
            .into_values()
            .map(|open| Call {
                owner: open
                    .request
                    .and_then(|(id, link)| Some((*request_index.get(&id)?, link)))
                    .map_or(Owner::Internal, |(request, link)| Owner::Request {
                        request,
                        link,
                    }),
                parent: at(open.parent),
                born_in: at(open.born_in),
                shared_with: open
                    .join
                    .map_or_else(Vec::new, |j| joins.waiters(j))
                    .iter()
                    .filter_map(|w| {
                        Some(Sharing {
                            request: *request_index.get(&w.request)?,
                            within: at(w.within),
                        })
                    })
                    .collect(),
                ..open.call
            })
            .collect();
        let mut requests: Vec<Request> = requests
            .into_values()
            .map(|r| Request {
                layers: r.layers.or_else(|| self.layers_of(r.id)),
                ..r
            })
            .collect();
        for (waits, runs) in joins.waiting() {
            let request = request_index.get(&waits).and_then(|i| requests.get_mut(*i));
            if let Some(request) = request {
                request.waits_for = Some(runs);
            }
        }
        Trace {
            requests,
            calls,
            until: self.until,
            summary: self.summary.clone(),
        }
    }
}

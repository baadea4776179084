//! Takes hits in order and hands each to whom it concerns: `pairing` says which frame it enters or
//! leaves, `ownership` whose work that is, `delivery` keeps what comes of it.

use std::collections::{BTreeSet, HashSet};

use super::delivery::Delivery;
use super::lineage::Work;
use super::model::{CallState, Trace};
use super::ownership::Ownership;
use super::pairing::{Left, Pairing, What};
use super::request::{Parameters, recovered};
use super::slow::Looks;
use crate::decode::Hit;
use crate::plan::{GroupSchema, Plan, Role, SiteKind};

/// What of a function's schema is looked at.
#[derive(Clone, Copy, Debug)]
struct Function {
    role: Role,
    parameters: Parameters,
    /// Whose `Do` it is.
    group: Option<GroupSchema>,
}

/// Ties hits together.
#[derive(Debug)]
pub struct Correlator {
    functions: Vec<Function>,
    /// `Hijack`, if it is traced.
    hijack: Option<u32>,
    pub(super) pairing: Pairing,
    ownership: Ownership,
    pub(super) delivery: Delivery,
    pub(super) looks: Looks,
    /// Hits lost before the last one.
    lost_before: u64,
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
                group: f.group,
            })
            .collect();
        let of_role = |role| functions.iter().position(|f| f.role == role);
        Self {
            hijack: of_role(Role::Hijack).and_then(|f| u32::try_from(f).ok()),
            pairing: Pairing::default(),
            ownership: Ownership::new(of_role(Role::Birth).is_some()),
            delivery: Delivery::new(of_role(Role::Layers).is_some()),
            looks: Looks::default(),
            lost_before: 0,
            functions,
        }
    }

    /// Requests are numbered behind this many.
    #[must_use]
    pub fn numbered_behind(mut self, requests: u32) -> Self {
        self.delivery.number_behind(requests);
        self
    }

    /// The number of the last request.
    #[must_use]
    pub fn last_request(&self) -> u32 {
        self.delivery.last_request()
    }

    /// Takes the next hit.
    pub fn push(&mut self, hit: Hit) {
        let delivery = &mut self.delivery;
        delivery.summary.hits += 1;
        delivery.summary.masked += u64::from(hit.masked);
        delivery.until = delivery.until.max(hit.ktime);
        self.lost_before = self.lost_before.max(hit.lost_before);
        self.ownership.joins.lost_before = self.lost_before;
        if let Some(goid) = hit.goid {
            self.distrust(goid, hit.lost_before);
        }
        let entry = hit.kind == SiteKind::Entry;
        let Some(function) = self.functions.get(hit.func as usize).copied() else {
            return;
        };
        match (function.role, entry) {
            (Role::Birth, true) => self.ownership.birth_begins(&hit),
            (Role::Birth, false) => self.birth_ends(&hit),
            (Role::Request, true) => self.request_begins(&hit, function.parameters),
            (Role::Call, true) => self.call_begins(hit),
            (Role::Join, true) => self.join_begins(&hit, function.group),
            (Role::Hijack, true) => {
                self.overwritten(&hit);
                self.pairing.enter(&hit, What::Hijack);
            }
            (Role::Layers, true) => self.layers_begin(&hit),
            (Role::Request | Role::Call | Role::Join | Role::Hijack | Role::Layers, false) => {
                self.returns(hit, function);
            }
            (Role::Recovery, _) => {
                if let Some(goid) = hit.goid {
                    let left = self.pairing.exited(goid, hit.ktime);
                    self.ended(left);
                }
            }
            (Role::Recovered, _) => {
                if let Some((goid, depth)) = hit.values.iter().find_map(recovered) {
                    self.distrust(goid, hit.lost_before);
                    let left = self.pairing.recovered(goid, depth, hit.ktime);
                    self.ended(left);
                }
            }
        }
    }

    fn birth_ends(&mut self, hit: &Hit) {
        if let Some(birth) = self.ownership.birth_ends(hit) {
            self.distrust(birth.parent, hit.lost_before);
            let work = self.work_of(birth.parent);
            self.ownership.born(birth.child, work, hit.ktime);
        }
    }

    /// Takes over the work of the creator that the goroutine itself names, if it has none yet.
    fn adopt(&mut self, hit: &Hit) {
        let Some(birth) = self.ownership.named_creator(hit) else {
            return;
        };
        if self.work_of(birth.child).is_some() {
            return;
        }
        self.distrust(birth.parent, hit.lost_before);
        let work = self.work_of(birth.parent);
        if work.is_some() {
            self.ownership.born(birth.child, work, hit.ktime);
        }
    }

    fn work_of(&self, goid: u64) -> Option<Work> {
        self.ownership.work_of(goid, self.pairing.frames(goid))
    }

    fn distrust(&mut self, goid: u64, lost_before: u64) {
        let left = self.pairing.distrust(goid, lost_before);
        self.ended(left);
    }

    fn overwritten(&mut self, hit: &Hit) {
        let left = self.pairing.overwritten(hit);
        self.ended(left);
    }

    /// Frames ended without a return.
    fn ended(&mut self, left: Vec<Left>) {
        for one in left {
            match one.what {
                What::Call(serial) => self.delivery.call_left(serial, one.state, one.at),
                What::Request(id) => {
                    let sees_hijack = self.sees_hijack();
                    self.delivery.request_left(id, one, sees_hijack);
                    self.ownership.request_ended(id, None, self.delivery.until);
                }
                What::Join(serial) => self.ownership.joins.give_up(serial),
                What::Hijack => {}
                What::Layer(serial) => self.delivery.layers.give_up(serial),
            }
        }
    }

    fn request_begins(&mut self, hit: &Hit, parameters: Parameters) {
        self.overwritten(hit);
        let id = self.delivery.request_begins(hit, parameters);
        if !self.pairing.enter(hit, What::Request(id)) {
            self.delivery.request_unpaired(id);
        }
    }

    fn join_begins(&mut self, hit: &Hit, group: Option<GroupSchema>) {
        self.overwritten(hit);
        self.adopt(hit);
        let work = hit.goid.and_then(|goid| self.work_of(goid));
        let Some(serial) = self.ownership.join_begins(hit, group, work) else {
            return;
        };
        if !self.pairing.enter(hit, What::Join(serial)) {
            self.ownership.joins.give_up(serial);
        }
    }

    fn layers_begin(&mut self, hit: &Hit) {
        self.overwritten(hit);
        self.adopt(hit);
        let work = hit.goid.and_then(|goid| self.work_of(goid));
        let layers = &mut self.delivery.layers;
        let serial = layers.begin(work.map(|w| w.request), hit.ktime);
        if !self.pairing.enter(hit, What::Layer(serial)) {
            layers.give_up(serial);
        }
    }

    fn call_begins(&mut self, hit: Hit) {
        self.overwritten(&hit);
        self.adopt(&hit);
        let work = hit.goid.and_then(|goid| self.work_of(goid));
        let frames = hit.goid.map_or(&[][..], |goid| self.pairing.frames(goid));
        let parent = frames.iter().rev().find_map(|f| match f.what {
            What::Call(serial) => Some(serial),
            What::Request(_) | What::Join(_) | What::Hijack | What::Layer(_) => None,
        });
        if let Some(join) = work.and_then(|w| w.join) {
            self.ownership.joins.works(join);
        }
        let serial = self.delivery.next_call();
        let entered = self.pairing.enter(&hit, What::Call(serial));
        self.delivery.call_begins(serial, hit, work, parent);
        if !entered {
            self.delivery.call_left(serial, CallState::Unpaired, None);
        }
    }

    fn returns(&mut self, hit: Hit, function: Function) {
        let (left, own) = self.pairing.returns(&hit);
        self.ended(left);
        match own {
            Some(What::Request(id)) => {
                self.delivery.request_returned(id, &hit);
                self.ownership.request_ended(id, hit.goid, hit.ktime);
            }
            Some(What::Call(serial)) => self.delivery.call_returned(serial, hit),
            Some(What::Join(serial)) => self.ownership.join_ends(serial, &hit),
            Some(What::Hijack) => {
                if let Some(work) = hit.goid.and_then(|goid| self.work_of(goid)) {
                    self.delivery.hijacked(work.request);
                }
            }
            Some(What::Layer(serial)) => self.delivery.layers.end(serial, hit.ktime),
            // it says nothing about requests
            None if function.role == Role::Layers => {}
            None => self.delivery.summary.unmatched_returns += 1,
        }
    }

    /// Number and start (monotonic ns) of every request that is open.
    pub fn open_requests(&self) -> impl Iterator<Item = (u32, u64)> {
        self.delivery.open_requests()
    }

    /// Takes out what is over: requests that ended with all their calls, and calls without a
    /// request.
    pub fn drain_finished(&mut self) -> Trace {
        let trace = self.delivery.drain(&self.ownership.joins);
        self.completed(trace)
    }

    /// Some of the requests that are there, with what they have done so far; nothing is taken out.
    /// `now`: monotonic ns.
    #[must_use]
    pub fn glance(&self, wanted: &BTreeSet<u32>, now: u64) -> Trace {
        let mut trace = self.completed(self.delivery.glance(wanted, &self.ownership.joins));
        trace.until = trace.until.max(now);
        trace
    }

    /// Everything that was not given out yet; what is still open stays in flight. `lost`: entries
    /// lost in the kernel; `ended`: when collecting ended, monotonic ns (0: not known).
    pub fn finish(mut self, lost: u64, ended: u64) -> Trace {
        self.delivery.summary.lost = lost;
        self.delivery.until = self.delivery.until.max(ended);
        let trace = self.delivery.finish(&self.ownership.joins);
        self.completed(trace)
    }

    /// Adds what only the open frames tell, and all that was dropped.
    fn completed(&self, mut trace: Trace) -> Trace {
        // a handler that returned has said so itself
        if trace.requests.iter().any(|r| r.hijacked.is_none()) {
            let untouched = self.not_hijacked();
            for request in trace.requests.iter_mut().filter(|r| r.hijacked.is_none()) {
                request.hijacked = untouched.contains(&request.id).then_some(false);
            }
        }
        trace.summary.evicted =
            self.pairing.evicted + self.ownership.evicted() + self.delivery.evicted();
        trace
    }

    /// Whether a connection that a handler took over would be seen: `Hijack` is traced, and every
    /// return of it tells its goroutine.
    fn sees_hijack(&self) -> bool {
        self.hijack.is_some_and(|f| !self.pairing.is_blind(f))
    }

    /// Open requests whose handlers certainly have not taken their connections over: nothing was
    /// lost since they began, and every return of `Hijack` tells its goroutine.
    fn not_hijacked(&self) -> HashSet<u32> {
        if !self.sees_hijack() {
            return HashSet::new();
        }
        self.pairing
            .goroutines()
            .filter(|(_, frames)| frames.iter().all(|f| f.what != What::Hijack))
            .flat_map(|(_, frames)| frames)
            .filter(|f| f.lost_before == self.lost_before)
            .filter_map(|f| match f.what {
                What::Request(id) => Some(id),
                What::Call(_) | What::Join(_) | What::Hijack | What::Layer(_) => None,
            })
            .collect()
    }
}

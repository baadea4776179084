//! Whose call it is: which request each goroutine works for, and within what.
//!
//! A goroutine inherits the work that its creator did when it was born. What it does under a
//! request of its own, or within a call of its own, is read from its open frames.

use std::collections::{HashMap, HashSet};

use super::joins::{Group, Joins};
use super::lineage::{Lineage, Work};
use super::model::Link;
use super::pairing::{Frame, What};
use super::request::goid_of;
use crate::decode::{Hit, Value};
use crate::plan::GroupSchema;

/// Threads in the middle of making a goroutine, at most.
const MOST_BIRTHS: usize = 1 << 12;
/// Goroutines remembered that served a request, at most.
const MOST_SERVED: usize = 1 << 16;

/// What tells the owner of a call.
#[derive(Debug)]
pub struct Ownership {
    lineage: Lineage,
    pub joins: Joins,
    /// Births are seen as they happen; without, a goroutine names its creator only when it is first
    /// seen.
    sees_births: bool,
    /// Creator of the goroutine that a thread is making, and the hits lost before.
    births: HashMap<u32, (u64, u64)>,
    /// Goroutines that served a request which is over: what they started then cannot be told from
    /// what they start now.
    served: HashSet<u64>,
    /// Not all of them are remembered: no creator that a goroutine names is certain any more.
    forgot_served: bool,
    evicted: u64,
}

/// A goroutine is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    pub parent: u64,
    pub child: u64,
}

impl Ownership {
    pub fn new(sees_births: bool) -> Self {
        Self {
            lineage: Lineage::default(),
            joins: Joins::default(),
            sees_births,
            births: HashMap::new(),
            served: HashSet::new(),
            forgot_served: false,
            evicted: 0,
        }
    }

    /// `newproc1` is entered. It runs on the scheduler's stack of a thread: entry and return are
    /// paired by thread.
    pub fn birth_begins(&mut self, hit: &Hit) {
        if self.births.len() >= MOST_BIRTHS {
            self.evicted += self.births.len() as u64;
            self.births.clear();
        }
        let parent = hit.values.iter().find_map(goid_of);
        match parent {
            Some(goid) => self.births.insert(hit.tid, (goid, hit.lost_before)),
            None => self.births.remove(&hit.tid),
        };
    }

    /// `newproc1` returns: who was born by whom, if nothing was lost between.
    pub fn birth_ends(&mut self, hit: &Hit) -> Option<Birth> {
        let (parent, lost) = self.births.remove(&hit.tid)?;
        let child = hit.values.iter().find_map(goid_of)?;
        (lost == hit.lost_before).then_some(Birth { parent, child })
    }

    /// A goroutine is born by one that does `work`; `None`: by one that works for no request.
    pub fn born(&mut self, child: u64, work: Option<Work>, now: u64) {
        self.lineage.born(child, work, now);
    }

    /// The creator that a goroutine itself names, where births are not seen and that is certain: a
    /// creator that has served another request before may have started it then.
    pub fn named_creator(&self, hit: &Hit) -> Option<Birth> {
        let (child, parent) = hit.goid.zip(hit.parent_goid)?;
        let certain = !self.forgot_served && !self.served.contains(&parent);
        (!self.sees_births && certain).then_some(Birth { parent, child })
    }

    /// What a goroutine with these open frames works for now, and within which of them.
    pub fn work_of(&self, goid: u64, frames: &[Frame]) -> Option<Work> {
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
            None => self.lineage.of(goid)?,
        };
        Some(Work {
            call: call.or(from.call),
            join: join.or(from.join),
            ..from
        })
    }

    /// A request is over. `returned`: on that goroutine, by its handler's return.
    pub fn request_ended(&mut self, id: u32, returned: Option<u64>, at: u64) {
        self.lineage.request_ended(id, at);
        if let Some(goid) = returned.filter(|_| !self.sees_births) {
            if self.served.len() < MOST_SERVED {
                self.served.insert(goid);
            } else if !self.served.contains(&goid) {
                self.forgot_served = true;
                self.evicted += 1;
            }
        }
    }

    /// `Group.Do` is entered; gives its serial. `None`: nothing is known of its group, or where it
    /// is was not captured.
    pub fn join_begins(
        &mut self,
        hit: &Hit,
        group: Option<GroupSchema>,
        work: Option<Work>,
    ) -> Option<u64> {
        let (Some(_), Some(Value::Address(address))) = (hit.goid, hit.values.first()) else {
            return None;
        };
        let group = Group {
            address: address.0,
            of: group?,
        };
        Some(self.joins.begin(group, work, hit.ktime))
    }

    /// `Group.Do` returns.
    pub fn join_ends(&mut self, serial: u64, hit: &Hit) {
        let word = |i: usize| match hit.values.get(i) {
            Some(Value::Address(word)) => Some(word.0),
            _ => None,
        };
        self.joins.finish(serial, [word(0), word(1)], hit.ktime);
    }

    /// What was forgotten to stay within bounds.
    pub fn evicted(&self) -> u64 {
        self.evicted + self.lineage.forgotten + self.joins.forgotten
    }
}

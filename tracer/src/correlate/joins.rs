//! Executions that serve several requests (`singleflight`).
//!
//! Callers of `Group.Do` with one key at one time get the result of one execution, which belongs by
//! birth to whoever came first. Two calls are one execution if they were made on one group, overlap
//! in time (or both with others of it), came back with the same result, and traced calls were made
//! under one of them only.

use std::collections::{BTreeMap, BTreeSet};

use super::lineage::Work;
use crate::plan::{GroupKeys, GroupPackage, GroupResult, GroupSchema};

/// Joins remembered, at most; beyond, the oldest are forgotten.
const MOST: usize = 4096;
/// How long a finished join is remembered, monotonic ns.
const MEMORY: u64 = 60 * 1_000_000_000;

/// A group, and what its type says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where it is, in the process.
    pub address: u64,
    pub of: GroupSchema,
}

impl Group {
    /// The words by which a result is told from another one; `None`: they were not captured, or are
    /// the same for every result of its kind (nil).
    fn identity(self, words: [Option<u64>; 2]) -> Option<[u64; 2]> {
        let first = words[0].filter(|word| *word != 0)?;
        match (self.of.result, self.of.keys) {
            (GroupResult::Pointer, _) => Some([first, 0]),
            (GroupResult::Interface, _) => Some([first, words[1]?]),
            // equal numbers tell only where whoever overlaps has the same key
            (GroupResult::Other, GroupKeys::One) => Some([first, 0]),
            (GroupResult::Other, GroupKeys::Many) => None,
        }
    }
}

/// One call of `Group.Do`.
#[derive(Clone, Debug)]
struct Join {
    group: Group,
    request: Option<u32>,
    /// The traced call that made it.
    within: Option<u64>,
    start: u64,
    end: Option<u64>,
    /// Words by which its result is known.
    result: Option<[u64; 2]>,
    /// Traced calls made under it.
    calls: u64,
    /// It, or what came after it, may have been lost.
    broken: bool,
    /// Hits lost before its entry.
    lost_before: u64,
}

/// All joins that may still matter.
#[derive(Debug, Default)]
pub struct Joins {
    all: BTreeMap<u64, Join>,
    next: u64,
    pub forgotten: u64,
    /// Hits lost until now.
    pub lost_before: u64,
}

/// A request that gets the result of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub request: u32,
    pub within: Option<u64>,
}

impl Joins {
    /// `Do` is entered, for that work; gives its serial.
    pub fn begin(&mut self, group: Group, work: Option<Work>, now: u64) -> u64 {
        let serial = self.next;
        self.next += 1;
        self.all.insert(
            serial,
            Join {
                group,
                request: work.map(|w| w.request),
                within: work.and_then(|w| w.call),
                start: now,
                end: None,
                result: None,
                calls: 0,
                broken: false,
                lost_before: self.lost_before,
            },
        );
        if self.all.len() > MOST {
            let before = self.all.len();
            self.all
                .retain(|_, j| j.end.is_none_or(|end| end.saturating_add(MEMORY) > now));
            if self.all.len() > MOST {
                self.all.pop_first();
            }
            self.forgotten += (before - self.all.len()) as u64;
        }
        serial
    }

    /// A traced call was made under it.
    pub fn works(&mut self, serial: u64) {
        if let Some(join) = self.all.get_mut(&serial) {
            join.calls += 1;
        }
    }

    /// It returned; `words`: the first two of its result, as far as they were captured.
    pub fn finish(&mut self, serial: u64, words: [Option<u64>; 2], now: u64) {
        if let Some(join) = self.all.get_mut(&serial) {
            join.end = Some(now);
            join.result = join.group.identity(words);
        }
    }

    /// It was left without a return, or its return cannot be told.
    pub fn give_up(&mut self, serial: u64) {
        if let Some(join) = self.all.get_mut(&serial) {
            join.broken = true;
            join.end = join.end.or(Some(join.start));
        }
    }

    fn overlap(a: &Join, b: &Join) -> bool {
        let before = |x: &Join, y: &Join| x.end.is_none_or(|end| y.start < end);
        a.group == b.group && before(a, b) && before(b, a)
    }

    /// A run, and the calls that came back with its result: each overlaps with it, or, where a
    /// group hands its result out for as long as anyone still takes it, with another one of them.
    fn one_execution(&self, serial: u64) -> Vec<&Join> {
        let Some(run) = self.all.get(&serial) else {
            return Vec::new();
        };
        let mut found = vec![run];
        let Some(result) = run.result.filter(|_| !run.broken) else {
            return found;
        };
        let got = |j: &Join| !j.broken && j.calls == 0 && j.result == Some(result);
        let mut rest: Vec<&Join> = self
            .all
            .iter()
            .filter(|(other, j)| **other != serial && j.group == run.group && got(j))
            .map(|(_, j)| j)
            .collect();
        let mut met = 0;
        let handed_on = run.group.of.package == GroupPackage::Resenje;
        while let Some(one) = found.get(met).copied().filter(|_| met == 0 || handed_on) {
            let (more, others) = rest.into_iter().partition(|j| Self::overlap(one, j));
            let more: Vec<&Join> = more;
            found.extend(more);
            rest = others;
            met += 1;
        }
        found
    }

    /// Requests other than its own that the execution under `serial` serves.
    pub fn waiters(&self, serial: u64) -> Vec<Waiter> {
        let Some(run) = self.all.get(&serial).filter(|run| run.calls > 0) else {
            return Vec::new();
        };
        let mut shared = self.one_execution(serial).split_off(1);
        shared.sort_by_key(|j| j.start);
        let mut found: Vec<Waiter> = shared
            .into_iter()
            .filter_map(|j| {
                Some(Waiter {
                    request: j.request?,
                    within: j.within,
                })
            })
            .filter(|w| Some(w.request) != run.request)
            .collect();
        found.dedup();
        found
    }

    /// Whether another caller of the same group, that came while `serial` ran or its result was
    /// still taken, has not returned yet: it may turn out to share.
    pub fn awaits_sharers(&self, serial: u64) -> bool {
        let one = self.one_execution(serial);
        self.all.iter().any(|(other, j)| {
            let open = *other != serial && j.end.is_none() && j.calls == 0;
            open && one.iter().any(|of| Self::overlap(of, j))
        })
    }

    /// Requests that came back with a result while a run which they met has not come back: it may
    /// turn out to be their run. A run that began before hits were lost may never be seen coming
    /// back.
    pub fn awaiting_runs(&self) -> BTreeSet<u32> {
        let is_run = |j: &&Join| {
            j.end.is_none() && !j.broken && j.calls > 0 && j.lost_before == self.lost_before
        };
        let runs: Vec<&Join> = self.all.values().filter(is_run).collect();
        self.all
            .values()
            .filter(|j| j.calls == 0 && !j.broken && j.result.is_some())
            .filter(|j| runs.iter().any(|run| Self::overlap(run, j)))
            .filter_map(|j| j.request)
            .collect()
    }

    /// (waiting request, request whose execution runs), of groups with one key only.
    pub fn waiting(&self) -> Vec<(u32, u32)> {
        let open = |j: &&Join| j.end.is_none() && !j.broken && j.group.of.keys == GroupKeys::One;
        let mut found = Vec::new();
        for waiter in self.all.values().filter(open).filter(|j| j.calls == 0) {
            let run = self
                .all
                .values()
                .filter(open)
                .find(|j| j.group == waiter.group && j.calls > 0 && j.start <= waiter.start);
            if let Some((waits, runs)) = waiter.request.zip(run.and_then(|r| r.request)) {
                found.push((waits, runs));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Link;
    use super::*;

    const GROUP: Group = Group {
        address: 0x1000,
        of: GroupSchema {
            package: GroupPackage::Resenje,
            keys: GroupKeys::One,
            result: GroupResult::Pointer,
        },
    };

    fn work(request: u32, call: Option<u64>) -> Option<Work> {
        Some(Work {
            request,
            link: Link::SameGoroutine,
            call,
            join: None,
        })
    }

    #[test]
    fn results_that_tell_one_execution() {
        let of = |result, words| {
            let of = GroupSchema { result, ..GROUP.of };
            Group { of, ..GROUP }.identity(words)
        };
        use GroupResult::{Interface, Other, Pointer};
        assert_eq!(of(Pointer, [Some(7), None]), Some([7, 0]));
        assert_eq!(of(Pointer, [Some(0), Some(7)]), None, "nil");
        assert_eq!(of(Interface, [Some(7), Some(8)]), Some([7, 8]));
        assert_eq!(of(Interface, [Some(7), None]), None, "a type alone");
        assert_eq!(of(Other, [Some(7), None]), Some([7, 0]), "the only key");
        let many = GroupSchema {
            keys: GroupKeys::Many,
            result: Other,
            ..GROUP.of
        };
        let many = Group { of: many, ..GROUP };
        let chance = many.identity([Some(7), None]);
        assert_eq!(chance, None, "another key may have the same number");
    }

    fn two(first_result: u64, second_result: u64) -> (Joins, u64, u64) {
        let mut joins = Joins::default();
        let a = joins.begin(GROUP, work(1, Some(7)), 10);
        joins.works(a);
        let b = joins.begin(GROUP, work(2, Some(8)), 20);
        assert_eq!(joins.waiting(), [(2, 1)]);
        assert!(joins.awaits_sharers(a));
        joins.finish(a, [Some(first_result), None], 30);
        assert!(joins.awaits_sharers(a));
        joins.finish(b, [Some(second_result), None], 31);
        assert!(!joins.awaits_sharers(a));
        (joins, a, b)
    }

    #[test]
    fn one_result_is_one_execution() {
        let (joins, a, b) = two(0xc000, 0xc000);
        assert_eq!(
            joins.waiters(a),
            [Waiter {
                request: 2,
                within: Some(8)
            }]
        );
        assert_eq!(joins.waiters(b), [], "nothing was done under it");
    }

    #[test]
    fn other_results_or_none_are_not_shared() {
        let (joins, a, _) = two(0xc000, 0xd000);
        assert_eq!(joins.waiters(a), []);
        let (joins, a, _) = two(0, 0);
        assert_eq!(joins.waiters(a), []);
    }

    #[test]
    fn two_that_both_work_are_two_executions() {
        let (mut joins, a, b) = two(0xc000, 0xc000);
        joins.works(b);
        assert_eq!(
            (joins.waiters(a), joins.waiters(b)),
            (Vec::new(), Vec::new())
        );
    }

    /// The second takes the result while the first still has it, the third while the second has.
    #[test]
    fn who_meets_a_waiter_with_the_result_shares_it() {
        let (mut joins, a, _) = two(0xc000, 0xc000);
        let begin =
            |joins: &mut Joins, request, from| joins.begin(GROUP, work(request, None), from);
        let late = begin(&mut joins, 3, 29);
        joins.finish(late, [Some(0xc000), None], 40);
        let latest = begin(&mut joins, 4, 35);
        assert!(joins.awaits_sharers(a));
        joins.finish(latest, [Some(0xc000), None], 41);
        let other = begin(&mut joins, 5, 36);
        joins.finish(other, [Some(0xd000), None], 60);
        // it met only one with another result
        let apart = begin(&mut joins, 6, 50);
        joins.finish(apart, [Some(0xc000), None], 51);
        let of: Vec<u32> = joins.waiters(a).iter().map(|w| w.request).collect();
        assert_eq!(of, [2, 3, 4]);
        assert!(!joins.awaits_sharers(a));
    }

    #[test]
    fn one_after_the_other_is_not_shared() {
        let mut joins = Joins::default();
        let a = joins.begin(GROUP, work(1, None), 10);
        joins.works(a);
        joins.finish(a, [Some(0xc000), None], 20);
        let b = joins.begin(GROUP, work(2, None), 30);
        assert!(!joins.awaits_sharers(a));
        joins.finish(b, [Some(0xc000), None], 40);
        assert_eq!(joins.waiters(a), []);
    }
}

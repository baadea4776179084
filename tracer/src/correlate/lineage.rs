//! Which request a goroutine works for, from the goroutine that started it.

use std::collections::BTreeMap;

use super::model::Link;

/// Goroutines that have an inherited owner, at most; beyond, those with the lowest numbers are
/// forgotten (and counted).
const MOST: usize = 1 << 16;
/// Goroutine births between a request and a call, at most.
const MOST_HOPS: u32 = 64;
/// How long after the end of its request a goroutine may still work for it, monotonic ns.
const AFTERLIFE: u64 = 600 * 1_000_000_000;
/// Births between two searches for goroutines whose time is over.
const SWEEP: u32 = 4096;

/// What a goroutine works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    pub request: u32,
    pub link: Link,
    /// The call within which the goroutine, or the one it descends from, was born.
    pub call: Option<u64>,
    /// The innermost shared execution (`singleflight`) that it is part of.
    pub join: Option<u64>,
}

/// Inherited work, by goroutine. Numbers of goroutines are never used twice (`runtime.goidgen`).
#[derive(Debug, Default)]
pub struct Lineage {
    inherited: BTreeMap<u64, Work>,
    /// Requests that are over, and when.
    ended: BTreeMap<u32, u64>,
    births: u32,
    /// Goroutines forgotten to stay within bounds.
    pub forgotten: u64,
}

impl Lineage {
    /// What a goroutine inherited.
    pub fn of(&self, goid: u64) -> Option<Work> {
        self.inherited.get(&goid).copied()
    }

    /// A goroutine is born by one that does `work`; `None`: by one that works for no request.
    pub fn born(&mut self, child: u64, work: Option<Work>, now: u64) {
        let too_far = work.is_some_and(|w| w.link.hops() >= MOST_HOPS);
        self.forgotten += u64::from(too_far);
        let Some(work) = work.filter(|_| !too_far) else {
            // a lost record may have left something behind
            self.inherited.remove(&child);
            return;
        };
        let link = Link::Birth {
            hops: work.link.hops() + 1,
        };
        self.inherited.insert(child, Work { link, ..work });
        self.births += 1;
        if self.births >= SWEEP {
            self.births = 0;
            self.sweep(now);
        }
        while self.inherited.len() > MOST {
            self.inherited.pop_first();
            self.forgotten += 1;
        }
    }

    /// A request is over: its goroutines are forgotten some time later.
    pub fn request_ended(&mut self, id: u32, at: u64) {
        self.ended.insert(id, at);
        // its goroutines stay until the bound of all of them is reached, which is counted
        if self.ended.len() > MOST {
            self.ended.pop_first();
        }
    }

    fn sweep(&mut self, now: u64) {
        let over = |at: &u64| at.saturating_add(AFTERLIFE) < now;
        let ended = &self.ended;
        self.inherited
            .retain(|_, work| !ended.get(&work.request).is_some_and(over));
        self.ended.retain(|_, at| !over(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work {
        request: 1,
        link: Link::SameGoroutine,
        call: None,
        join: None,
    };

    #[test]
    fn work_is_handed_on_and_counts_births() {
        let mut lineage = Lineage::default();
        lineage.born(10, Some(WORK), 0);
        lineage.born(11, lineage.of(10), 0);
        let hops = |l: &Lineage, goid| l.of(goid).map(|w| w.link.hops());
        assert_eq!((hops(&lineage, 10), hops(&lineage, 11)), (Some(1), Some(2)));
        lineage.born(11, None, 0);
        assert_eq!(hops(&lineage, 11), None, "born again by nobody's goroutine");
    }

    #[test]
    fn what_is_beyond_the_bounds_is_counted() {
        let mut lineage = Lineage::default();
        let far = Link::Birth { hops: MOST_HOPS };
        lineage.born(10, Some(Work { link: far, ..WORK }), 0);
        assert_eq!((lineage.of(10), lineage.forgotten), (None, 1));
        for child in 0..=MOST as u64 {
            lineage.born(child, Some(WORK), 0);
        }
        assert_eq!((lineage.of(0), lineage.forgotten), (None, 2));
        assert!(lineage.of(1).is_some());
    }

    #[test]
    fn goroutines_of_requests_long_over_are_forgotten() {
        let mut lineage = Lineage::default();
        lineage.born(10, Some(WORK), 0);
        lineage.request_ended(1, 5);
        for child in 100..100 + u64::from(SWEEP) {
            lineage.born(child, Some(Work { request: 2, ..WORK }), AFTERLIFE);
        }
        assert!(lineage.of(10).is_some(), "not yet");
        for child in 10_000..10_000 + u64::from(SWEEP) {
            lineage.born(child, Some(Work { request: 2, ..WORK }), AFTERLIFE + 6);
        }
        assert!(lineage.of(10).is_none());
        assert!(lineage.of(100).is_some(), "its request is not over");
    }
}

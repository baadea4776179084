//! Time that requests spend in layer-size work: walking the file systems of containers and images.
//!
//! Only when such functions begin and end is looked at. What runs side by side for one request
//! counts once.

use std::collections::{BTreeMap, HashMap};

use super::model::LayerWork;

/// Calls open at the same time, at most.
const MOST: usize = 1 << 16;

/// What one request has spent.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    work: LayerWork,
    /// Calls that run, and when the first of them began.
    running: u64,
    since: u64,
    over: bool,
}

impl Spent {
    /// What ran until now counts.
    fn settle(&mut self, now: u64) {
        if self.running > 0 {
            self.work.covered += now.saturating_sub(self.since);
            self.since = self.since.max(now);
        }
    }
}

/// All requests that are still kept.
#[derive(Debug, Default)]
pub struct Layers {
    spent: BTreeMap<u32, Spent>,
    /// Request of each call that runs.
    calls: HashMap<u64, u32>,
    next: u64,
    pub forgotten: u64,
}

impl Layers {
    /// A call begins; gives its identity. Without a request it is not looked at.
    pub fn begin(&mut self, request: Option<u32>, now: u64) -> u64 {
        let serial = self.next;
        self.next += 1;
        let Some(request) = request else {
            return serial;
        };
        let spent = self.spent.entry(request).or_default();
        if self.calls.len() >= MOST {
            spent.work.partial = true;
            self.forgotten += 1;
            return serial;
        }
        if !spent.over {
            spent.settle(now);
            if spent.running == 0 {
                spent.since = now;
            }
            spent.running += 1;
            spent.work.calls += 1;
            self.calls.insert(serial, request);
        }
        serial
    }

    pub fn end(&mut self, serial: u64, now: u64) {
        let request = self.calls.remove(&serial);
        if let Some(spent) = request.and_then(|r| self.spent.get_mut(&r))
            && !spent.over
        {
            spent.settle(now);
            spent.running = spent.running.saturating_sub(1);
        }
    }

    /// When it ended cannot be told: it counts for nothing from its beginning on, and that is said.
    pub fn give_up(&mut self, serial: u64) {
        let request = self.calls.remove(&serial);
        if let Some(spent) = request.and_then(|r| self.spent.get_mut(&r)) {
            spent.work.partial = true;
            spent.running = spent.running.saturating_sub(1);
        }
    }

    /// What goes on behind the end of a request is not its time any more.
    pub fn request_ended(&mut self, request: u32, now: u64) {
        if let Some(spent) = self.spent.get_mut(&request) {
            spent.settle(now);
            spent.running = 0;
            spent.over = true;
        }
    }

    /// What a request has spent until `now`.
    pub fn of(&self, request: u32, now: u64) -> LayerWork {
        self.spent
            .get(&request)
            .map_or_else(LayerWork::default, |s| {
                let mut spent = *s;
                spent.settle(now);
                spent.work
            })
    }

    pub fn forget(&mut self, request: u32) {
        self.spent.remove(&request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_side_by_side_counts_once() {
        let mut layers = Layers::default();
        let a = layers.begin(Some(1), 10);
        let b = layers.begin(Some(1), 15);
        layers.end(a, 20);
        layers.end(b, 30);
        let c = layers.begin(Some(1), 40);
        assert_eq!(layers.of(1, 41).covered, 21);
        layers.end(c, 45);
        let spent = layers.of(1, 100);
        assert_eq!((spent.covered, spent.calls, spent.partial), (25, 3, false));
        assert_eq!(layers.of(2, 100), LayerWork::default());
    }

    #[test]
    fn nothing_counts_after_the_request() {
        let mut layers = Layers::default();
        let a = layers.begin(Some(1), 10);
        layers.request_ended(1, 20);
        layers.end(a, 90);
        let late = layers.begin(Some(1), 95);
        layers.end(late, 99);
        assert_eq!(
            (layers.of(1, 100).covered, layers.of(1, 100).calls),
            (10, 1)
        );
    }

    #[test]
    fn an_end_that_cannot_be_told_is_said() {
        let mut layers = Layers::default();
        let a = layers.begin(Some(1), 10);
        layers.give_up(a);
        let b = layers.begin(None, 10);
        layers.end(b, 20);
        assert_eq!(
            (layers.of(1, 50).covered, layers.of(1, 50).partial),
            (0, true)
        );
    }
}

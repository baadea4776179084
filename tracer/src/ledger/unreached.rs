//! Requests that reached none of the traced functions: how many, what they were answered, and which
//! profile would show them.
//!
//! A profile is offered only for what it certainly shows: requests that were answered well, on
//! routes of which it is known that their handler calls a function of the profile in every release.

use std::collections::{BTreeMap, BTreeSet};

use crate::correlate::{CallState, Owner, Request, Trace};
use crate::moby::profiles::{MADE_OF_OTHERS, PROFILES, Wanted};
use crate::plan::Plan;
use crate::provenance::called_by;

/// Requests that are remembered one by one: a call that outlives its request may come later.
const MOST: usize = 1 << 13;

/// What is remembered of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The answer, if it was a failure.
    failed: Option<i64>,
    open: bool,
    /// Its handler panicked.
    panicked: bool,
    /// By position in `PROFILES`.
    profiles: Vec<usize>,
}

/// Counts of such requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    /// How many got each answer of 400 and more.
    pub failed: BTreeMap<i64, u64>,
    /// Still open at the end.
    pub open: u64,
    /// Ended by a panic of their handlers, without an answer.
    pub panicked: u64,
    /// How many of them each profile shows.
    pub profiles: BTreeMap<&'static str, u64>,
}

impl Counts {
    fn add(&mut self, entry: &Entry) {
        self.requests += 1;
        self.open += u64::from(entry.open);
        self.panicked += u64::from(entry.panicked);
        if let Some(status) = entry.failed {
            *self.failed.entry(status).or_default() += 1;
        }
        for profile in entry.profiles.iter().filter_map(|p| PROFILES.get(*p)) {
            *self.profiles.entry(profile.name).or_default() += 1;
        }
    }
}

/// Adds traces up as they come.
#[derive(Debug)]
pub struct Unreached {
    /// Symbols.
    traced: Vec<String>,
    known: BTreeMap<u32, Entry>,
    /// Requests that reached a function.
    reached: BTreeSet<u32>,
    /// Those that are not remembered one by one any more.
    before: Counts,
}

impl Unreached {
    /// For sessions with this plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            traced: plan.functions.iter().map(|f| f.name.clone()).collect(),
            known: BTreeMap::new(),
            reached: BTreeSet::new(),
            before: Counts::default(),
        }
    }

    /// Takes a further trace of the same session.
    pub fn add(&mut self, trace: &Trace) {
        let mut reached: BTreeSet<usize> = BTreeSet::new();
        for call in &trace.calls {
            reached.extend(call.shared_with.iter().map(|s| s.request));
            if let Owner::Request { request, .. } = call.owner {
                reached.insert(request);
            }
        }
        for (index, request) in trace.requests.iter().enumerate() {
            if reached.contains(&index) || request.waits_for.is_some() {
                self.known.remove(&request.id);
                self.reached.insert(request.id);
                if self.reached.len() > MOST {
                    self.reached.pop_first();
                }
            } else if !self.reached.contains(&request.id) {
                let entry = self.entry(request);
                self.known.insert(request.id, entry);
                self.forget_oldest();
            }
        }
    }

    /// Counts the oldest that is over where there are too many to remember one by one: the
    /// correlator has forgotten it by then, and nothing of it can come any more. What is open may
    /// still reach a function; the daemon's own connections bound how many there are.
    fn forget_oldest(&mut self) {
        if self.known.len() <= MOST {
            return;
        }
        let over = self.known.iter().find(|(_, entry)| !entry.open);
        if let Some(oldest) = over
            .map(|(id, _)| *id)
            .and_then(|id| self.known.remove(&id))
        {
            self.before.add(&oldest);
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut all = self.before.clone();
        for entry in self.known.values() {
            all.add(entry);
        }
        all
    }

    fn entry(&self, request: &Request) -> Entry {
        let failed = request.status.filter(|status| *status >= 400);
        let answered = request.state == CallState::Returned && failed.is_none();
        Entry {
            failed,
            open: request.state == CallState::InFlight,
            panicked: request.state == CallState::Panicked,
            profiles: if answered {
                self.shown_by(request)
            } else {
                Vec::new()
            },
        }
    }

    /// Profiles that show the calls of such a request.
    fn shown_by(&self, request: &Request) -> Vec<usize> {
        let (Some(method), Some(path)) = (request.method.whole_str(), request.path.whole_str())
        else {
            return Vec::new();
        };
        let rows = called_by(method, path);
        let shows = |wanted: &[Wanted]| {
            rows.iter().any(|names| {
                // a function that is traced and was not reached is no promise
                let traced = |name: &str| self.traced.iter().any(|t| ends_with(t, name));
                let named = |name: &str| {
                    let mut symbols = wanted.iter().flat_map(|w| w.pattern.split('|'));
                    symbols.any(|symbol| ends_with(symbol, name))
                };
                !names.iter().any(|n| traced(n)) && names.iter().all(|n| named(n))
            })
        };
        PROFILES
            .iter()
            .enumerate()
            .filter(|(_, p)| p.name != MADE_OF_OTHERS && shows(p.functions))
            .map(|(position, _)| position)
            .collect()
    }
}

/// Whether a symbol is that of a function, e.g. of `(*Daemon).Containers`.
fn ends_with(symbol: &str, function: &str) -> bool {
    symbol
        .strip_suffix(function)
        .is_some_and(|before| before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::examples;

    fn answered(id: u32, method: &str, path: &str, status: i64) -> Request {
        Request {
            id,
            status: Some(status),
            ..examples::request(method, path, "")
        }
    }

    fn trace(requests: Vec<Request>) -> Trace {
        Trace {
            requests,
            ..Trace::default()
        }
    }

    #[test]
    fn what_another_profile_shows_is_offered_and_nothing_else() {
        let mut unreached = Unreached::new(&Plan::default());
        unreached.add(&trace(vec![
            answered(1, "GET", "/v1.41/networks", 200),
            answered(2, "GET", "/networks", 200),
            // refused before it came to a function
            answered(3, "GET", "/v1.41/networks", 400),
            answered(4, "GET", "/_ping", 200),
            answered(5, "POST", "/containers/prune", 200),
            answered(6, "GET", "/containers/json", 200),
        ]));
        let counts = unreached.counts();
        assert_eq!(counts.requests, 6);
        assert_eq!(counts.failed, BTreeMap::from([(400, 1)]));
        assert_eq!(
            counts.profiles,
            BTreeMap::from([("containers", 1), ("list", 1), ("networks", 2)])
        );
    }

    #[test]
    fn a_call_that_outlives_its_request_takes_it_back() {
        let mut unreached = Unreached::new(&Plan::default());
        let request = || answered(7, "GET", "/networks", 200);
        unreached.add(&trace(vec![request()]));
        assert_eq!(unreached.counts().requests, 1);
        unreached.add(&Trace {
            requests: vec![request()],
            calls: vec![examples::call(0, Vec::new(), None)],
            ..Trace::default()
        });
        assert_eq!(unreached.counts(), Counts::default());
        // and it stays so
        unreached.add(&trace(vec![request()]));
        assert_eq!(unreached.counts(), Counts::default());
    }

    #[test]
    fn many_are_counted_in_bounded_memory() {
        let mut unreached = Unreached::new(&Plan::default());
        let many = 20_000;
        for id in 1..=many {
            unreached.add(&trace(vec![answered(id, "GET", "/_ping", 200)]));
        }
        assert_eq!(unreached.counts().requests, u64::from(many));
        assert!(unreached.known.len() <= MOST);
    }

    #[test]
    fn an_open_request_is_remembered_until_it_is_over() {
        let mut unreached = Unreached::new(&Plan::default());
        let open = Request {
            end: None,
            state: CallState::InFlight,
            ..examples::request("GET", "/events", "")
        };
        let add = |unreached: &mut Unreached, request: Request| {
            unreached.add(&Trace {
                requests: vec![request],
                ..Trace::default()
            });
        };
        add(&mut unreached, open.clone());
        for id in 2..MOST as u32 + 4 {
            let other = examples::request("GET", "/info", "");
            add(&mut unreached, Request { id, ..other });
        }
        let before = unreached.counts();
        add(
            &mut unreached,
            Request {
                state: CallState::Returned,
                ..open
            },
        );
        assert_eq!(before.open, 1);
        let after = unreached.counts();
        assert_eq!(
            (after.open, after.requests),
            (0, before.requests),
            "counted once"
        );
    }
}

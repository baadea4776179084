//! The ledger: requests added up by endpoint and client, and what of it deserves a warning. Bounded
//! memory; no clock, no I/O.
//!
//! `endpoint` folds paths, `durations` keeps a distribution, `rows` adds up, `rhythm` sees who asks
//! the same again and again, `lint` draws conclusions.

mod durations;
mod endpoint;
mod lint;
mod rhythm;
mod rows;
mod unreached;

use std::collections::{BTreeMap, BTreeSet};

pub use durations::Durations;
use endpoint::endpoint_of;
pub use lint::{Lint, Repeated, Thresholds, size_of};
pub use rows::{ClientKey, Container, Containers, Layers, Pids, Row};
pub use unreached::{Counts, Unreached};

use crate::correlate::{Call, CallState, MOST_KEPT, Owner, Request, Trace};
use crate::decode::{Sample, Value};
use crate::moby::functions::CONTAINER_LISTS;
use crate::plan::{FuncSchema, Plan};
use rhythm::Rhythms;
use rows::Rows;

/// Requests remembered as counted, those with the highest numbers.
const MOST_COUNTED: usize = 1 << 13;
// a trace gives a request out again only while the correlator keeps it: none is counted twice
const _: () = assert!(MOST_COUNTED >= MOST_KEPT);
/// Runs that others waited for which are remembered, longest first.
const MOST_RUNS: usize = 64;

/// A request that is still open.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: u32,
    pub endpoint: String,
    pub start: u64,
    pub client: ClientKey,
    pub pid: Option<u32>,
    /// Functions of layer-size work are traced.
    pub layers: bool,
    /// Number of the request whose execution it waits for.
    pub waits_for: Option<u32>,
    /// What its goroutine was seen doing.
    pub sample: Option<Sample>,
    pub calls: Vec<OpenCall>,
}

/// A call in flight: of an open request, or of none.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCall {
    /// Short name of the function.
    pub function: String,
    pub start: u64,
    pub sample: Option<Sample>,
}

/// An execution that other requests than its own waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    request: u32,
    endpoint: String,
    ns: u64,
    waiters: BTreeSet<u32>,
}

/// What the ledger left out to stay within bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Runs that others waited for, shorter than those remembered, and how long the longest of them
    /// took, ns.
    pub runs: u64,
    pub longest_run: u64,
    /// Requests that were not looked at for being sent again and again.
    pub repeated: u64,
}

/// Adds traces up as they come, live or replayed.
#[derive(Debug)]
pub struct Ledger {
    /// Short name and whether it lists containers, by function of the plan.
    functions: Vec<(String, bool)>,
    rows: Rows,
    rhythms: Rhythms,
    counted: BTreeSet<u32>,
    open: BTreeMap<u32, Open>,
    /// Calls in flight that no request certainly owns.
    internal: Vec<OpenCall>,
    runs: Vec<Run>,
    left_out: LeftOut,
    /// Monotonic ns.
    first: Option<u64>,
    until: u64,
}

impl Ledger {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let lists = |f: &FuncSchema| CONTAINER_LISTS.contains(&f.short.as_str());
        Self {
            functions: plan
                .functions
                .iter()
                .map(|f| (f.short.clone(), lists(f)))
                .collect(),
            rows: Rows::default(),
            rhythms: Rhythms::default(),
            counted: BTreeSet::new(),
            open: BTreeMap::new(),
            internal: Vec::new(),
            runs: Vec::new(),
            left_out: LeftOut::default(),
            first: None,
            until: 0,
        }
    }

    /// Takes a further trace of the same session: what ended, and what is open now.
    pub fn add(&mut self, trace: &Trace) {
        self.until = self.until.max(trace.until);
        let listed = self.listed(trace);
        let (sharers, runs) = self.shared(trace);
        for (index, request) in trace.requests.iter().enumerate() {
            let start = self.first.get_or_insert(request.start);
            *start = (*start).min(request.start);
            let endpoint = endpoint_of(request);
            if request.state == CallState::InFlight {
                self.open.insert(request.id, opened(request, endpoint));
                continue;
            }
            self.open.remove(&request.id);
            if !self.counted.insert(request.id) {
                continue;
            }
            if self.counted.len() > MOST_COUNTED {
                self.counted.pop_first();
            }
            let containers = listed.get(&index).map(|(_, count)| *count);
            self.rhythms.add(&endpoint, request);
            self.rows
                .add(endpoint, request, containers, sharers.contains(&index));
        }
        self.runs.extend(runs);
        self.runs.sort_by_key(|r| std::cmp::Reverse(r.ns));
        if let Some(longest) = self.runs.get(MOST_RUNS) {
            self.left_out.longest_run = self.left_out.longest_run.max(longest.ns);
            self.left_out.runs += (self.runs.len() - MOST_RUNS) as u64;
            self.runs.truncate(MOST_RUNS);
        }
        self.calls_in_flight(trace);
    }

    /// Containers that each request got, by the outermost call that lists them.
    fn listed(&self, trace: &Trace) -> BTreeMap<usize, (u64, u64)> {
        let mut listed: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        for call in &trace.calls {
            let lists = self.functions.get(call.func as usize).is_some_and(|f| f.1);
            let Some(count) = count_of(call).filter(|_| lists) else {
                continue;
            };
            for request in served(call) {
                let known = listed.entry(request).or_insert((call.start, count));
                if call.start < known.0 {
                    *known = (call.start, count);
                }
            }
        }
        listed
    }

    /// Requests that got another one's result, and the executions they waited for.
    fn shared(&self, trace: &Trace) -> (BTreeSet<usize>, Vec<Run>) {
        let mut sharers = BTreeSet::new();
        let mut runs: BTreeMap<usize, Run> = BTreeMap::new();
        for call in trace.calls.iter().filter(|c| !c.shared_with.is_empty()) {
            sharers.extend(call.shared_with.iter().map(|s| s.request));
            let (Owner::Request { request, .. }, Some(end)) = (&call.owner, call.end) else {
                continue;
            };
            let Some(owner) = trace.requests.get(*request) else {
                continue;
            };
            let run = runs.entry(*request).or_insert_with(|| Run {
                request: owner.id,
                endpoint: endpoint_of(owner),
                ns: 0,
                waiters: BTreeSet::new(),
            });
            run.ns = run.ns.max(end.saturating_sub(call.start));
            let ids = call.shared_with.iter();
            run.waiters
                .extend(ids.filter_map(|s| Some(trace.requests.get(s.request)?.id)));
        }
        (sharers, runs.into_values().collect())
    }

    fn calls_in_flight(&mut self, trace: &Trace) {
        self.internal.clear();
        for call in trace
            .calls
            .iter()
            .filter(|c| c.state == CallState::InFlight)
        {
            let function = self.functions.get(call.func as usize);
            let open = OpenCall {
                function: function.map_or_else(|| "?".to_owned(), |f| f.0.clone()),
                start: call.start,
                sample: call.sample.clone(),
            };
            let owner = match call.owner {
                Owner::Request { request, .. } => trace.requests.get(request).map(|r| r.id),
                Owner::Internal => None,
            };
            match owner.and_then(|id| self.open.get_mut(&id)) {
                Some(request) => request.calls.push(open),
                None => self.internal.push(open),
            }
        }
    }

    /// Rows, by endpoint and client.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.rows.all(self.open.values())
    }

    /// Requests of endpoints and clients beyond those that have rows.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.rows.beyond
    }

    /// What was left out to stay within bounds; rows are counted by [`Ledger::beyond`].
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        LeftOut {
            repeated: self.rhythms.left_out,
            ..self.left_out
        }
    }

    /// Open requests, oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<&Open> {
        let mut open: Vec<&Open> = self.open.values().collect();
        open.sort_by_key(|o| (o.start, o.id));
        open
    }

    /// Calls in flight that belong to no open request.
    #[must_use]
    pub fn internal(&self) -> &[OpenCall] {
        &self.internal
    }

    /// From the first request to the last thing seen, monotonic ns.
    #[must_use]
    pub fn span(&self) -> Option<(u64, u64)> {
        self.first.map(|first| (first, self.until))
    }

    /// What deserves a warning.
    #[must_use]
    pub fn lints(&self, thresholds: &Thresholds) -> Vec<Lint> {
        let mut lints = self.rhythms.lints(self.rows.list_time());
        lints.extend(lint::waiting(&self.open, self.until, thresholds));
        lints.extend(lint::waited(&self.runs, thresholds));
        lints
    }
}

fn opened(request: &Request, endpoint: String) -> Open {
    Open {
        id: request.id,
        endpoint,
        start: request.start,
        client: ClientKey::of(request),
        pid: request.client.as_ref().ok().map(|c| c.pid),
        layers: request.layers.is_some(),
        waits_for: request.waits_for,
        sample: request.sample.clone(),
        calls: Vec::new(),
    }
}

/// Positions of the requests that a call works for.
fn served(call: &Call) -> impl Iterator<Item = usize> + '_ {
    let owner = match call.owner {
        Owner::Request { request, .. } => Some(request),
        Owner::Internal => None,
    };
    owner
        .into_iter()
        .chain(call.shared_with.iter().map(|s| s.request))
}

/// Length of the list that a call returned without an error.
fn count_of(call: &Call) -> Option<u64> {
    if call.state != CallState::Returned {
        return None;
    }
    let (first, rest) = call.results.split_first()?;
    if rest.iter().any(|v| *v != Value::Nil) {
        return None;
    }
    match first {
        Value::Nil => Some(0),
        Value::List { len, .. } => Some(*len),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::{Link, Sharing, examples};

    /// A run of so many ns that request `id` made and another one waited for.
    fn shared_run(id: u32, ns: u64) -> Trace {
        let request = |id| Request {
            id,
            end: Some(ns),
            ..examples::request("GET", "/system/df", "")
        };
        let run = Call {
            end: Some(ns),
            owner: Owner::Request {
                request: 0,
                link: Link::SameGoroutine,
            },
            shared_with: vec![Sharing {
                request: 1,
                within: None,
            }],
            ..examples::call(0, Vec::new(), None)
        };
        Trace {
            requests: vec![request(id), request(id + 1)],
            calls: vec![run],
            ..Trace::default()
        }
    }

    #[test]
    fn runs_beyond_those_remembered_are_counted() {
        let mut ledger = Ledger::new(&Plan::default());
        for n in 0..MOST_RUNS as u32 + 2 {
            ledger.add(&shared_run(2 * n + 1, 100 + u64::from(n)));
        }
        let left = ledger.left_out();
        assert_eq!((left.runs, left.longest_run), (2, 101), "the shortest two");
    }
}

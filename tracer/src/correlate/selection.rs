//! Parts of traces: only what some requests need, and parts put together again.

use std::collections::{BTreeSet, HashMap};

use super::model::{Call, Owner, Request, Sharing, Trace};

impl Trace {
    /// What the requests `wanted` need: their calls, the executions that they share with others,
    /// and the requests named there.
    #[must_use]
    pub fn only(self, wanted: &BTreeSet<u32>) -> Self {
        self.with(wanted, BTreeSet::new())
    }

    /// The same, and further calls, by position, with what they were made in.
    #[must_use]
    pub fn with(self, wanted: &BTreeSet<u32>, further: BTreeSet<usize>) -> Self {
        let id_of = |index: usize| self.requests.get(index).map(|r| r.id);
        let is_wanted = |index: usize| id_of(index).is_some_and(|id| wanted.contains(&id));
        let mut needed: BTreeSet<usize> = BTreeSet::new();
        for (index, call) in self.calls.iter().enumerate() {
            let shared = call.shared_with.iter().any(|s| is_wanted(s.request));
            if shared || owner(call).is_some_and(is_wanted) || further.contains(&index) {
                // what a call was made in, and what waited for it
                let mut next = vec![index];
                while let Some(index) = next.pop() {
                    let Some(call) = self.calls.get(index).filter(|_| needed.insert(index)) else {
                        continue;
                    };
                    next.extend(call.parent.into_iter().chain(call.born_in));
                    next.extend(call.shared_with.iter().filter_map(|s| s.within));
                }
            }
        }
        let mut named: BTreeSet<usize> =
            (0..self.requests.len()).filter(|i| is_wanted(*i)).collect();
        for call in needed.iter().filter_map(|i| self.calls.get(*i)) {
            named.extend(owner(call));
            named.extend(call.shared_with.iter().map(|s| s.request));
        }
        let places = |kept: &BTreeSet<usize>| -> HashMap<usize, usize> {
            kept.iter()
                .enumerate()
                .map(|(to, from)| (*from, to))
                .collect()
        };
        let (request_at, call_at) = (places(&named), places(&needed));
        let Self {
            requests,
            calls,
            until,
            summary,
        } = self;
        Self {
            requests: pick(requests, &named),
            calls: pick(calls, &needed)
                .into_iter()
                .map(|call| {
                    moved(
                        call,
                        |r| request_at.get(&r).copied(),
                        |c| call_at.get(&c).copied(),
                    )
                })
                .collect(),
            until,
            summary,
        }
    }

    /// Adds a later part of the same session; what both say of a request is taken from the later
    /// one.
    pub fn absorb(&mut self, later: Self) {
        let mut request_at: HashMap<usize, usize> = HashMap::new();
        let known: HashMap<u32, usize> = self
            .requests
            .iter()
            .enumerate()
            .map(|(i, r)| (r.id, i))
            .collect();
        for (index, request) in later.requests.into_iter().enumerate() {
            let at = match known.get(&request.id) {
                Some(at) => {
                    if let Some(old) = self.requests.get_mut(*at) {
                        *old = request;
                    }
                    *at
                }
                None => {
                    self.requests.push(request);
                    self.requests.len() - 1
                }
            };
            request_at.insert(index, at);
        }
        let first = self.calls.len();
        self.calls.extend(later.calls.into_iter().map(|call| {
            moved(
                call,
                |r| request_at.get(&r).copied(),
                |c| Some(c.saturating_add(first)),
            )
        }));
        self.until = self.until.max(later.until);
        self.summary = later.summary;
        self.sort();
    }

    /// Requests in order of arrival.
    fn sort(&mut self) {
        if self.requests.is_sorted_by_key(|r| r.id) {
            return;
        }
        let mut order: Vec<(usize, Request)> = std::mem::take(&mut self.requests)
            .into_iter()
            .enumerate()
            .collect();
        order.sort_by_key(|(_, r)| r.id);
        let at: HashMap<usize, usize> = order
            .iter()
            .enumerate()
            .map(|(to, (from, _))| (*from, to))
            .collect();
        self.requests = order.into_iter().map(|(_, r)| r).collect();
        self.calls = std::mem::take(&mut self.calls)
            .into_iter()
            .map(|call| moved(call, |r| at.get(&r).copied(), Some))
            .collect();
    }
}

fn owner(call: &Call) -> Option<usize> {
    match call.owner {
        Owner::Request { request, .. } => Some(request),
        Owner::Internal => None,
    }
}

fn pick<T>(all: Vec<T>, wanted: &BTreeSet<usize>) -> Vec<T> {
    all.into_iter()
        .enumerate()
        .filter(|(i, _)| wanted.contains(i))
        .map(|(_, t)| t)
        .collect()
}

/// A call with other positions in it; what has none is left out.
fn moved(
    mut call: Call,
    request: impl Fn(usize) -> Option<usize>,
    at: impl Fn(usize) -> Option<usize>,
) -> Call {
    call.owner = match call.owner {
        Owner::Request { request: r, link } => {
            request(r).map_or(Owner::Internal, |request| Owner::Request { request, link })
        }
        Owner::Internal => Owner::Internal,
    };
    call.parent = call.parent.and_then(&at);
    call.born_in = call.born_in.and_then(&at);
    call.shared_with = call
        .shared_with
        .iter()
        .filter_map(|s| {
            Some(Sharing {
                request: request(s.request)?,
                within: s.within.and_then(&at),
            })
        })
        .collect();
    call
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::{Link, examples};

    fn request(id: u32) -> Request {
        Request {
            id,
            start: u64::from(id),
            end: Some(u64::from(id) + 1),
            ..examples::request("GET", &format!("/{id}"), "")
        }
    }

    fn call(start: u64, request: usize, parent: Option<usize>) -> Call {
        Call {
            start,
            end: None,
            owner: Owner::Request {
                request,
                link: Link::SameGoroutine,
            },
            ..examples::call(0, Vec::new(), parent)
        }
    }

    fn trace(requests: &[u32], calls: Vec<Call>) -> Trace {
        Trace {
            requests: requests.iter().copied().map(request).collect(),
            calls,
            ..Trace::default()
        }
    }

    fn ids(trace: &Trace) -> Vec<u32> {
        trace.requests.iter().map(|r| r.id).collect()
    }

    #[test]
    fn a_shared_execution_keeps_its_owner_and_what_waited() {
        // 1 runs, 2 waits within its own call, 3 has nothing to do with it
        let mut run = call(10, 0, Some(0));
        run.shared_with = vec![Sharing {
            request: 1,
            within: Some(1),
        }];
        let all = trace(
            &[1, 2, 3],
            vec![call(9, 0, None), call(11, 1, None), call(12, 2, None), run],
        );
        let kept = all.only(&[2].into());
        assert_eq!(ids(&kept), [1, 2]);
        let starts: Vec<u64> = kept.calls.iter().map(|c| c.start).collect();
        assert_eq!(
            starts,
            [9, 11, 10],
            "the run, what it was made in, what waited"
        );
        let run = &kept.calls[2];
        assert_eq!(run.parent, Some(0));
        assert_eq!(
            run.shared_with,
            [Sharing {
                request: 1,
                within: Some(1)
            }]
        );
    }

    #[test]
    fn parts_are_put_together_in_order_of_arrival() {
        let mut all = trace(&[5], vec![call(50, 0, None)]);
        all.absorb(trace(
            &[2, 5],
            vec![call(20, 0, None), call(51, 1, Some(0))],
        ));
        assert_eq!(ids(&all), [2, 5]);
        let owners: Vec<Option<usize>> = all.calls.iter().map(owner).collect();
        assert_eq!(owners, [Some(1), Some(0), Some(1)]);
        assert_eq!(all.calls[2].parent, Some(1), "positions of the later part");
    }

    #[test]
    fn nothing_wanted_keeps_nothing() {
        let kept = trace(&[1], vec![call(1, 0, None)]).only(&BTreeSet::new());
        assert!(kept.requests.is_empty() && kept.calls.is_empty());
    }
}

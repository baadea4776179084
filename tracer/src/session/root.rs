//! `--root`: what of a trace is below a route or a function, the same for every format.

use std::collections::BTreeSet;

use crate::correlate::{Call, Owner, Request, Trace};
use crate::decode::Text;
use crate::plan::Plan;

/// A part of a trace: requests with what they need, and calls that no request owns, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) requests: BTreeSet<usize>,
    pub(super) internal: BTreeSet<usize>,
}

impl Part {
    /// Everything.
    pub(super) fn all(trace: &Trace) -> Self {
        let internal = |i: &usize| trace.calls[*i].owner == Owner::Internal;
        Self {
            requests: (0..trace.requests.len()).collect(),
            internal: (0..trace.calls.len()).filter(internal).collect(),
        }
    }

    /// Takes it out.
    pub(super) fn of(self, trace: &Trace) -> Trace {
        let ids: BTreeSet<u32> = self
            .requests
            .iter()
            .filter_map(|i| trace.requests.get(*i))
            .map(|r| r.id)
            .collect();
        trace.clone().with(&ids, self.internal)
    }
}

/// Requests whose route holds `root`, or that reached a function of that name; those whose runs
/// served them, which are not understood without; and what no request owns if such a function is
/// in it.
pub(super) fn reached(plan: &Plan, trace: &Trace, root: &str) -> Part {
    let is_root = |call: &Call| {
        let function = plan.functions.get(call.func as usize);
        function.is_some_and(|f| f.short == root || crate::plan::matches(root, &f.name))
    };
    let mut wanted: BTreeSet<usize> = (0..trace.requests.len())
        .filter(|i| holds(&trace.requests[*i], root))
        .collect();
    let outermost = outermost(trace);
    let mut tops: BTreeSet<usize> = BTreeSet::new();
    for (index, call) in trace.calls.iter().enumerate() {
        if !is_root(call) {
            continue;
        }
        wanted.extend(call.shared_with.iter().map(|s| s.request));
        match call.owner {
            Owner::Request { request, .. } => {
                wanted.insert(request);
            }
            Owner::Internal => {
                tops.extend(outermost.get(index));
            }
        }
    }
    // whose runs served them, and so on
    loop {
        let owners: Vec<usize> = trace
            .calls
            .iter()
            .filter(|c| c.shared_with.iter().any(|s| wanted.contains(&s.request)))
            .filter_map(|c| match c.owner {
                Owner::Request { request, .. } => Some(request),
                Owner::Internal => None,
            })
            .collect();
        let before = wanted.len();
        wanted.extend(owners);
        if wanted.len() == before {
            break;
        }
    }
    let internal: BTreeSet<usize> = (0..trace.calls.len())
        .filter(|i| trace.calls[*i].owner == Owner::Internal && tops.contains(&outermost[*i]))
        .collect();
    Part {
        requests: wanted,
        internal,
    }
}

/// Whether `wanted` occurs in the route, as far as it was captured.
pub(super) fn holds(request: &Request, wanted: &str) -> bool {
    let mut whole = request.method.captured().to_vec();
    whole.push(b' ');
    whole.extend_from_slice(request.path.captured());
    if !request.query.captured().is_empty() {
        whole.push(b'?');
        whole.extend_from_slice(request.query.captured());
    }
    Text::Whole(whole).holds(wanted)
}

/// The outermost call around each one.
fn outermost(trace: &Trace) -> Vec<usize> {
    let mut found: Vec<Option<usize>> = vec![None; trace.calls.len()];
    for index in 0..trace.calls.len() {
        let (mut path, mut at) = (Vec::new(), index);
        // what was passed counts as found: of a damaged recording the calls may lead in a circle
        while let Some(unknown @ None) = found.get_mut(at) {
            *unknown = Some(at);
            path.push(at);
            match trace.calls.get(at).and_then(|c| c.parent.or(c.born_in)) {
                Some(above) if above < trace.calls.len() => at = above,
                _ => break,
            }
        }
        let top = found.get(at).copied().flatten().unwrap_or(at);
        for passed in path {
            if let Some(of) = found.get_mut(passed) {
                *of = Some(top);
            }
        }
    }
    found
        .into_iter()
        .enumerate()
        .map(|(index, top)| top.unwrap_or(index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::examples;

    #[test]
    fn calls_lead_to_the_outermost_one_and_circles_end() {
        let call = |parent| examples::call(0, Vec::new(), parent);
        let trace = Trace {
            calls: vec![
                call(None),
                call(Some(0)),
                call(Some(1)),
                // a circle, one that leads into it, and one that leads nowhere
                call(Some(4)),
                call(Some(3)),
                call(Some(4)),
                call(Some(99)),
            ],
            ..Trace::default()
        };
        let tops = outermost(&trace);
        assert_eq!(tops[..3], [0, 0, 0]);
        assert_eq!(tops[3], tops[4]);
        assert_eq!(tops[5], tops[4]);
        assert_eq!(tops[6], 6);
    }
}

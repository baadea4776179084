//! `--root`: what of a trace is below a route or a function, the same for every format.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::request;
use crate::correlate::{Call, Owner, Trace};
use crate::plan::Plan;

/// The part of a trace that is wanted; without a wish all of it.
///
/// Requests whose route holds `root`, or that reached a function of that name; those whose runs served them, which are not
/// understood without; and what no request owns if such a function is in it.
pub fn select<'t>(plan: &Plan, trace: &'t Trace, root: Option<&str>) -> Cow<'t, Trace> {
    let Some(root) = root else {
        return Cow::Borrowed(trace);
    };
    let is_root = |call: &Call| {
        let function = plan.functions.get(call.func as usize);
        function.is_some_and(|f| f.short == root || crate::plan::matches(root, &f.name))
    };
    let mut wanted: BTreeSet<usize> = (0..trace.requests.len())
        .filter(|i| request::holds(&trace.requests[*i], root))
        .collect();
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
                tops.insert(top(trace, index));
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
    let ids: BTreeSet<u32> = wanted
        .iter()
        .filter_map(|i| trace.requests.get(*i))
        .map(|r| r.id)
        .collect();
    let internal: BTreeSet<usize> = (0..trace.calls.len())
        .filter(|i| trace.calls[*i].owner == Owner::Internal && tops.contains(&top(trace, *i)))
        .collect();
    Cow::Owned(trace.clone().with(&ids, internal))
}

/// The outermost call around one.
fn top(trace: &Trace, mut index: usize) -> usize {
    // of a damaged recording the calls may lead in a circle
    for _ in 0..trace.calls.len() {
        let Some(call) = trace.calls.get(index) else {
            return index;
        };
        match call.parent.or(call.born_in) {
            Some(above) if above != index => index = above,
            _ => return index,
        }
    }
    index
}

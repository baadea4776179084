//! Where a probe is blind.

use std::collections::BTreeMap;

use super::issue::{Issue, Shortcoming};
use super::schema::Plan;
use super::short_name;
use crate::gobin::InlinedAt;
use crate::gobin::symbol::is_of_type;
use crate::moby::functions::COVERED_BY;

/// Says where a probe is blind because the compiler copied the function's body into its caller, and
/// what sees those calls.
pub fn spots(plan: &mut Plan, inlined: &BTreeMap<String, Vec<InlinedAt>>) {
    let mut issues = Vec::new();
    let traced: Vec<String> = plan.functions.iter().map(|f| f.short.clone()).collect();
    for f in &mut plan.functions {
        let Some(at) = inlined.get(&f.name) else {
            continue;
        };
        f.inlined_at = at.iter().map(|i| i.caller.clone()).collect();
        let callers = callers(&f.name, f.inlined_at.iter().map(String::as_str));
        if callers.is_empty() {
            continue;
        }
        let cover = COVERED_BY
            .iter()
            .find(|(inner, _)| *inner == f.short)
            .filter(|(_, by)| traced.iter().any(|short| short == by));
        let what = match cover {
            Some((_, by)) => Shortcoming::SeenElsewhere {
                callers,
                by: (*by).to_owned(),
            },
            None => Shortcoming::InlinedAt { callers },
        };
        issues.push(Issue::of(&f.name, what));
    }
    plan.issues.append(&mut issues);
}

/// Short names of the functions that hold a copy of the one of that name, itself aside.
pub fn callers<'c>(name: &str, inlined_at: impl Iterator<Item = &'c str>) -> Vec<String> {
    // promoted methods of embedding structs are compiler-made and named by the whole struct
    let mut callers: Vec<String> = inlined_at
        .filter(|c| !is_of_type(c))
        .map(|c| short_name(c).to_owned())
        .filter(|c| c != short_name(name))
        .collect();
    callers.sort_unstable();
    callers.dedup();
    callers
}

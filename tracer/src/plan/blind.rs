//! Where a probe is blind.

use std::collections::BTreeMap;

use super::schema::{Issue, IssueKind, Plan};
use super::short_name;
use crate::gobin::InlinedAt;
use crate::gobin::symbol::is_of_type;

/// One-line wrappers and the function they end in.
const COVERED_BY: &[(&str, &str)] = &[("Containers", "reduceContainers")];

/// Says where a probe is blind because the compiler copied the function's body into its caller, and what sees those calls.
pub fn spots(plan: &mut Plan, inlined: &BTreeMap<String, Vec<InlinedAt>>) {
    let mut issues = Vec::new();
    let traced: Vec<String> = plan.functions.iter().map(|f| f.short.clone()).collect();
    for f in &mut plan.functions {
        let Some(at) = inlined.get(&f.name) else {
            continue;
        };
        f.inlined_at = at.iter().map(|i| i.caller.clone()).collect();
        // promoted methods of embedding structs are compiler-made and named by the whole struct
        let mut callers: Vec<&str> = f
            .inlined_at
            .iter()
            .filter(|c| !is_of_type(c))
            .map(|c| short_name(c))
            .filter(|c| *c != f.short)
            .collect();
        callers.sort_unstable();
        callers.dedup();
        if callers.is_empty() {
            continue;
        }
        let cover = COVERED_BY
            .iter()
            .find(|(inner, _)| *inner == f.short)
            .filter(|(_, by)| traced.iter().any(|short| short == by));
        let inlined = format!(
            "{} is inlined into {}: its probe cannot see calls from there",
            f.short,
            callers.join(", ")
        );
        let (kind, text) = match cover {
            Some((_, by)) => (
                IssueKind::SeenElsewhere,
                format!("{inlined}; {by} sees those calls"),
            ),
            None => (IssueKind::InlinedAt, inlined),
        };
        issues.push(Issue {
            function: f.name.clone(),
            kind,
            text,
        });
    }
    plan.issues.append(&mut issues);
}

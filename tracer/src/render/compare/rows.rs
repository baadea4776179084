//! What a comparison is made of: the call that every path reached, its options, what it returned.

use std::collections::BTreeSet;

use super::super::text::{self, escape};
use super::{Cell, Row, RowKind};
use crate::correlate::{Call, CallState, Link, Owner, Trace};
use crate::decode::Value;
use crate::plan::{FuncSchema, Plan};

/// Traced calls within each other; a damaged recording may claim any number.
const MOST_CALLERS: usize = 64;

/// What one path got back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    pub count: u64,
    /// IDs, if every element's ID was captured.
    pub ids: Option<BTreeSet<String>>,
}

/// What the listed objects are, as far as their type tells.
pub fn noun(plan: &Plan, function: &FuncSchema) -> &'static str {
    let listed = function
        .results
        .first()
        .and_then(|r| plan.types.get(r.ty as usize))
        .is_some_and(|t| t.name.to_ascii_lowercase().contains("container"));
    if listed { "containers" } else { "objects" }
}

fn calls_of(trace: &Trace, request: usize) -> impl Iterator<Item = &Call> {
    trace
        .calls
        .iter()
        .filter(move |c| matches!(c.owner, Owner::Request { request: r, .. } if r == request))
}

/// Traced callers of a call, innermost first.
fn callers<'t>(trace: &'t Trace, call: &Call) -> impl Iterator<Item = &'t Call> {
    let parent = |call: &Call| call.parent.and_then(|p| trace.calls.get(p));
    std::iter::successors(parent(call), move |c| parent(c)).take(MOST_CALLERS)
}

pub fn call_names(plan: &Plan, trace: &Trace, request: usize) -> String {
    let names: Vec<String> = calls_of(trace, request)
        .filter_map(|c| plan.functions.get(c.func as usize))
        .map(|f| escape(&f.short))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The innermost traced function with options that every path reached, and its first call on each.
pub fn common_call<'a>(
    plan: &'a Plan,
    trace: &'a Trace,
    picked: &[usize],
) -> Option<(&'a FuncSchema, Vec<&'a Call>)> {
    let mut best: Option<(usize, &FuncSchema, Vec<&Call>)> = None;
    for (index, function) in plan.functions.iter().enumerate() {
        if !function.params.iter().any(|p| p.shown) {
            continue;
        }
        let calls: Option<Vec<&Call>> = picked
            .iter()
            .map(|request| calls_of(trace, *request).find(|c| c.func as usize == index))
            .collect();
        let Some(calls) = calls else { continue };
        let level = calls
            .iter()
            .map(|c| callers(trace, c).count())
            .max()
            .unwrap_or(0);
        if best.as_ref().is_none_or(|(l, _, _)| level > *l) {
            best = Some((level, function, calls));
        }
    }
    best.map(|(_, function, calls)| (function, calls))
}

/// Traced callers, and how the goroutine is tied to the request.
pub fn path_to(plan: &Plan, trace: &Trace, call: &Call) -> String {
    let mut names: Vec<String> = callers(trace, call)
        .filter_map(|c| plan.functions.get(c.func as usize))
        .map(|f| escape(&f.short))
        .collect();
    names.reverse();
    let link = match call.owner {
        Owner::Request {
            link: Link::Birth { hops },
            ..
        } => format!(
            "goroutine {hops} birth{} away",
            if hops == 1 { "" } else { "s" }
        ),
        _ => "request's goroutine".to_owned(),
    };
    if names.is_empty() {
        link
    } else {
        format!("{}; {link}", names.join(" → "))
    }
}

/// One row per option: the fields of struct parameters, other parameters as they are.
pub fn options(function: &FuncSchema, calls: &[&Call]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (position, schema) in function.params.iter().enumerate().filter(|(_, p)| p.shown) {
        let values: Vec<Option<&Value>> = calls.iter().map(|c| c.params.get(position)).collect();
        let mut fields: Vec<String> = Vec::new();
        for value in values.iter().flatten() {
            if let Value::Struct { fields: f, .. } = pointed(value) {
                for (name, _) in f {
                    if !fields.contains(name) {
                        fields.push(name.clone());
                    }
                }
            }
        }
        if fields.is_empty() {
            rows.push(Row {
                label: escape(&schema.name),
                kind: RowKind::Option,
                cells: values.iter().map(|v| option_cell(*v)).collect(),
            });
        }
        for name in fields {
            let cells = values
                .iter()
                .map(|v| match v.map(pointed) {
                    Some(Value::Struct { fields, .. }) => {
                        option_cell(fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v))
                    }
                    other => option_cell(other),
                })
                .collect();
            rows.push(Row {
                label: escape(&name),
                kind: RowKind::Option,
                cells,
            });
        }
    }
    rows
}

fn pointed(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => pointed(to),
        other => other,
    }
}

fn option_cell(value: Option<&Value>) -> Cell {
    match value {
        None => Cell::shown("?".into()),
        Some(v) if is_whole(v) => Cell {
            text: text::value(v, false),
            key: Some(text::value(v, true)),
        },
        Some(v) => Cell::shown(text::value(v, false)),
    }
}

/// Nothing inside is missing or cut.
fn is_whole(v: &Value) -> bool {
    match v {
        Value::Missing(_) => false,
        Value::Str { bytes, len } => bytes.len() as u64 == *len,
        Value::List { items, len } => items.len() as u64 == *len && items.iter().all(is_whole),
        Value::Map { entries, len } => {
            entries.len() as u64 == *len && entries.iter().all(|(k, v)| is_whole(k) && is_whole(v))
        }
        Value::Struct { fields, .. } => fields.iter().all(|(_, v)| is_whole(v)),
        Value::Pointer { to, .. } => is_whole(to),
        Value::Iface { value, .. } => is_whole(value),
        _ => true,
    }
}

/// The first list among the results.
pub fn returned(function: &FuncSchema, call: &Call) -> Option<Returned> {
    if call.state != CallState::Returned {
        return None;
    }
    let value = function
        .results
        .iter()
        .zip(&call.results)
        .find(|(s, _)| s.name != "error")
        .map(|(_, v)| v)?;
    match value {
        Value::Nil => Some(Returned {
            count: 0,
            ids: Some(BTreeSet::new()),
        }),
        Value::List { items, len } => {
            let ids: Option<BTreeSet<String>> = items.iter().map(id_of).collect();
            Some(Returned {
                count: *len,
                ids: ids.filter(|ids| ids.len() as u64 == *len),
            })
        }
        _ => None,
    }
}

fn id_of(value: &Value) -> Option<String> {
    let Value::Struct { fields, .. } = pointed(value) else {
        return None;
    };
    match fields.iter().find(|(n, _)| n == "ID").map(|(_, v)| v)? {
        Value::Str { bytes, len } if bytes.len() as u64 == *len => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    }
}

/// The error among the results.
pub fn error(function: &FuncSchema, call: &Call) -> Cell {
    let error = function
        .results
        .iter()
        .zip(&call.results)
        .find(|(s, _)| s.name == "error")
        .map(|(_, v)| v);
    match error {
        Some(Value::Nil) => Cell::known("none".into()),
        Some(v) => Cell::known(text::value(v, false)),
        None => Cell::shown("?".into()),
    }
}

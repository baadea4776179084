//! What a comparison is made of: the call that every path reached, its options, what it returned.

use std::collections::BTreeMap;

use super::super::origin;
use super::super::text::{self, escape};
use super::{Cell, Row, RowKind};
use crate::correlate::{Call, CallState, Link, Owner, Trace};
use crate::decode::{Missing, Value};
use crate::plan::{FuncSchema, Plan, TypeKindSchema};
use crate::provenance::{OptionValue, Origin, Provenance};

/// Traced calls within each other; a damaged recording may claim any number.
const MOST_CALLERS: usize = 64;

/// What one path got back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    List(Returned),
    /// The call came back with this error.
    Failed(String),
    /// And why.
    Unknown(&'static str),
}

/// A list that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    pub count: u64,
    /// Names by ID, if every element's ID was captured.
    pub objects: Option<BTreeMap<String, String>>,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noun {
    one: &'static str,
    pub many: &'static str,
}

impl Noun {
    /// `1 container`, `85 containers`
    pub fn counted(self, count: u64) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

/// What the listed objects are, as far as their type tells.
pub fn noun(plan: &Plan, function: &FuncSchema) -> Noun {
    let listed = function
        .results
        .first()
        .and_then(|r| plan.types.get(r.ty as usize))
        .is_some_and(|t| t.name.to_ascii_lowercase().contains("container"));
    if listed {
        Noun {
            one: "container",
            many: "containers",
        }
    } else {
        Noun {
            one: "object",
            many: "objects",
        }
    }
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

/// The traced function with options that every path reached, and its first call on each: one that returns a list before others, then the
/// innermost.
pub fn common_call<'a>(
    plan: &'a Plan,
    trace: &'a Trace,
    picked: &[usize],
) -> Option<(&'a FuncSchema, Vec<&'a Call>)> {
    let mut best: Option<((bool, usize), &FuncSchema, Vec<&Call>)> = None;
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
        let rank = (lists(plan, function), level);
        if best.as_ref().is_none_or(|(r, _, _)| rank > *r) {
            best = Some((rank, function, calls));
        }
    }
    best.map(|(_, function, calls)| (function, calls))
}

/// Whether its first result is a list.
fn lists(plan: &Plan, function: &FuncSchema) -> bool {
    function
        .results
        .first()
        .and_then(|r| plan.types.get(r.ty as usize))
        .is_some_and(|t| matches!(t.kind, TypeKindSchema::Slice { .. }))
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

/// One row per option: the fields of struct parameters, other parameters as they are; and why origins are not known.
pub fn options(
    function: &FuncSchema,
    provenance: &Provenance<'_>,
    calls: &[&Call],
) -> (Vec<Row>, Vec<UnknownOrigins>) {
    type Place<'v> = (usize, Option<&'v str>);
    let known: Vec<Vec<(OptionValue<'_>, Origin)>> =
        calls.iter().map(|c| provenance.of_call(c)).collect();
    let mut places: Vec<Place<'_>> = Vec::new();
    for (option, _) in known.iter().flatten() {
        let place = (option.parameter, option.field);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    // the fields of one struct side by side, also where a column has more of them
    places.sort_by_key(|(parameter, _)| *parameter);
    let mut unknown: Vec<UnknownOrigins> = calls.iter().map(|_| Vec::new()).collect();
    let mut rows = Vec::new();
    for (parameter, field) in places {
        let name = function.params.get(parameter).map_or("?", |p| &p.name);
        let label = escape(field.unwrap_or(name));
        let found: Vec<Option<&(OptionValue<'_>, Origin)>> = known
            .iter()
            .map(|options| {
                let here = |o: &OptionValue<'_>| (o.parameter, o.field) == (parameter, field);
                options.iter().find(|(o, _)| here(o))
            })
            .collect();
        let mut cells: Vec<Cell> = found.iter().map(|o| option_cell(*o)).collect();
        // Go reads a nil map as an empty one
        let is_map =
            |o: &(OptionValue<'_>, Origin)| matches!(text::inner(o.0.value), Value::Map { .. });
        if found.iter().flatten().any(|o| is_map(o)) {
            for cell in &mut cells {
                if cell.key.as_deref() == Some("nil") {
                    cell.key = Some("{}".to_owned());
                }
            }
        }
        for (reasons, option) in unknown.iter_mut().zip(&found) {
            // a value that is not whole says itself what it lacks
            let why = match option {
                Some((o, Origin::Unknown(why))) if o.value.is_whole() => why,
                _ => continue,
            };
            let why = why.to_string();
            match reasons.iter_mut().find(|(w, _)| *w == why) {
                Some((_, labels)) => labels.push(label.clone()),
                None => reasons.push((why, vec![label.clone()])),
            }
        }
        rows.push(Row {
            label,
            kind: RowKind::Option,
            cells,
        });
    }
    (rows, unknown)
}

/// Of one column: reasons, and the options that they are about.
pub type UnknownOrigins = Vec<(String, Vec<String>)>;

fn option_cell(option: Option<&(OptionValue<'_>, Origin)>) -> Cell {
    let Some((OptionValue { value, .. }, from)) = option else {
        return Cell::shown("?".into());
    };
    let whole = value.is_whole();
    Cell {
        text: text::value(value, false),
        key: whole.then(|| text::value(value, true)),
        from: whole.then(|| origin::short(from)),
    }
}

/// What the call came back with: its error, else the first list among its results.
pub fn outcome(function: &FuncSchema, call: &Call) -> Outcome {
    if call.state != CallState::Returned {
        return Outcome::Unknown("it did not return while it was traced");
    }
    match error_of(function, call) {
        Some(Value::Nil) | None => {}
        // not nil, of a type that the plan does not describe
        Some(error @ Value::Missing(Missing::UnknownType { .. })) => {
            return Outcome::Failed(text::value(error, false));
        }
        Some(Value::Missing(_)) => return Outcome::Unknown("whether it failed was not captured"),
        // whatever of it was captured: it is not nil
        Some(error) => return Outcome::Failed(text::value(error, false)),
    }
    let value = function
        .results
        .iter()
        .zip(&call.results)
        .find(|(s, _)| !s.is_error())
        .map(|(_, v)| v);
    match value.map(Value::part) {
        Some(Value::Nil) => Outcome::List(Returned {
            count: 0,
            objects: Some(BTreeMap::new()),
        }),
        Some(Value::List { items, len }) => {
            let objects: Option<BTreeMap<String, String>> = items.iter().map(identity).collect();
            Outcome::List(Returned {
                count: *len,
                objects: objects.filter(|o| o.len() as u64 == *len),
            })
        }
        Some(Value::Missing(_)) | None => Outcome::Unknown("its result was not captured"),
        Some(_) => Outcome::Unknown("its result is no list"),
    }
}

/// ID and name of a listed object.
fn identity(value: &Value) -> Option<(String, String)> {
    let Value::Struct { fields, .. } = value.pointed() else {
        return None;
    };
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    let whole = |value: &Value| match value {
        Value::Str { bytes, len } if bytes.len() as u64 == *len => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    };
    let id = whole(field("ID")?)?;
    let name = match field("Names") {
        Some(Value::List { items, .. }) => items.first().and_then(whole),
        _ => field("Name").and_then(whole),
    };
    let name = name.map_or_else(String::new, |n| n.trim_start_matches('/').to_owned());
    Some((id, name))
}

fn error_of<'c>(function: &FuncSchema, call: &'c Call) -> Option<&'c Value> {
    call.results.get(function.error_result()?)
}

/// The error among the results.
pub fn error(function: &FuncSchema, call: &Call) -> Cell {
    match error_of(function, call) {
        Some(Value::Nil) => Cell::known("none".into()),
        Some(v) => Cell::known(text::value(v, false)),
        None => Cell::shown("?".into()),
    }
}

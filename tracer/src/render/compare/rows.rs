//! What a comparison is made of: the call that every path reached, its options, what it returned.

use super::super::origin;
use super::super::text::{self, escape};
use super::{Cell, Row, RowKind, returned};
use crate::correlate::{Call, Link, Owner, Trace};
use crate::decode::{Value, error_text};
use crate::moby::objects::{NOUNS, Noun, OBJECT};
use crate::plan::{FuncSchema, Plan, TypeKindSchema};
use crate::provenance::{OptionValue, Origin, Provenance};

/// Traced calls within each other; a damaged recording may claim any number.
const MOST_CALLERS: usize = 64;

impl Noun {
    /// `1 container`, `85 containers`
    pub fn counted(self, count: u64) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

/// What the listed objects are, as far as their type tells.
pub fn noun(plan: &Plan, function: &FuncSchema) -> Noun {
    let ty = function
        .results
        .first()
        .and_then(|r| plan.types.get(r.ty as usize));
    let name = ty.map_or("", |t| text::short_type(&t.name));
    let name = name.to_ascii_lowercase();
    NOUNS
        .iter()
        .find(|(part, _)| name.contains(part))
        .map_or(OBJECT, |(_, noun)| *noun)
}

/// A call that a request has a part in.
#[derive(Clone, Copy, Debug)]
pub struct Part<'t> {
    pub call: &'t Call,
    /// Another request started it and this one got its result (`singleflight`).
    pub shared: bool,
}

fn calls_of(trace: &Trace, request: usize) -> impl Iterator<Item = Part<'_>> {
    trace.calls.iter().filter_map(move |call| {
        let own = matches!(call.owner, Owner::Request { request: r, .. } if r == request);
        let shared = !own && call.shared_with.iter().any(|s| s.request == request);
        (own || shared).then_some(Part { call, shared })
    })
}

/// The request that started a call, as users name it.
fn starter(trace: &Trace, call: &Call) -> String {
    let request = match call.owner {
        Owner::Request { request, .. } => trace.requests.get(request),
        Owner::Internal => None,
    };
    request.map_or_else(|| "another request".to_owned(), |r| format!("#{}", r.id))
}

/// Traced callers of a call, innermost first.
fn callers<'t>(trace: &'t Trace, call: &Call) -> impl Iterator<Item = &'t Call> {
    let parent = |call: &Call| call.parent.and_then(|p| trace.calls.get(p));
    std::iter::successors(parent(call), move |c| parent(c)).take(MOST_CALLERS)
}

pub fn call_names(plan: &Plan, trace: &Trace, request: usize) -> String {
    let names: Vec<String> = calls_of(trace, request)
        .filter_map(|p| plan.functions.get(p.call.func as usize))
        .map(|f| escape(&f.short))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// A traced function that every path reached.
#[derive(Debug)]
pub struct Common<'a> {
    pub function: &'a FuncSchema,
    /// Its first call on each path.
    pub calls: Vec<Part<'a>>,
    /// Further calls of it on each path, which are not compared.
    pub further: Vec<usize>,
    /// Other traced functions that every path reached.
    pub others: Vec<&'a FuncSchema>,
}

/// The traced function that every path reached: one that returns a list before others, then one
/// with options, then the innermost.
pub fn common<'a>(plan: &'a Plan, trace: &'a Trace, picked: &[usize]) -> Option<Common<'a>> {
    let mut best: Option<((bool, bool, usize), Common<'a>)> = None;
    let mut all = Vec::new();
    for (index, function) in plan.functions.iter().enumerate() {
        let of = |request: &usize| -> Vec<Part<'a>> {
            calls_of(trace, *request)
                .filter(|p| p.call.func as usize == index)
                .collect()
        };
        let calls: Vec<Vec<Part<'a>>> = picked.iter().map(of).collect();
        let firsts: Option<Vec<Part<'a>>> = calls.iter().map(|c| c.first().copied()).collect();
        let Some(firsts) = firsts else { continue };
        all.push(function);
        let levels = firsts.iter().map(|p| callers(trace, p.call).count());
        let level = levels.max().unwrap_or(0);
        let has_options = function.params.iter().any(|p| p.shown);
        let rank = (lists(plan, function), has_options, level);
        if best.as_ref().is_none_or(|(r, _)| rank > *r) {
            let common = Common {
                function,
                calls: firsts,
                further: calls.iter().map(|c| c.len() - 1).collect(),
                others: Vec::new(),
            };
            best = Some((rank, common));
        }
    }
    let (_, mut best) = best?;
    all.retain(|f| f.name != best.function.name);
    best.others = all;
    Some(best)
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
pub fn path_to(plan: &Plan, trace: &Trace, part: Part<'_>) -> String {
    let call = part.call;
    let mut names: Vec<String> = callers(trace, call)
        .filter_map(|c| plan.functions.get(c.func as usize))
        .map(|f| escape(&f.short))
        .collect();
    if names.len() == MOST_CALLERS {
        names.push("…".to_owned());
    }
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
    let link = if part.shared {
        format!("shares the run of {} (singleflight)", starter(trace, call))
    } else {
        link
    };
    if names.is_empty() {
        link
    } else {
        format!("{}; {link}", names.join(" → "))
    }
}

/// One row per option: the fields of struct parameters, other parameters as they are; and why
/// origins are not known.
pub fn options(
    function: &FuncSchema,
    trace: &Trace,
    provenance: &Provenance<'_>,
    calls: &[Part<'_>],
) -> (Vec<Row>, Vec<UnknownOrigins>) {
    type Place<'v> = (usize, Option<&'v str>);
    let known: Vec<Vec<(OptionValue<'_>, Origin)>> =
        calls.iter().map(|p| provenance.of_call(p.call)).collect();
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
        for (cell, (part, option)) in cells.iter_mut().zip(calls.iter().zip(&found)) {
            // it is the other request that sent the parameter
            let sent = matches!(
                option,
                Some((_, Origin::Query { .. } | Origin::Path { .. }))
            );
            if let (true, true, Some(from)) = (part.shared, sent, &mut cell.from) {
                from.push_str(&format!(" of {}", starter(trace, part.call)));
            }
        }
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

/// The error among the results.
pub fn error(function: &FuncSchema, call: &Call) -> Cell {
    match returned::error_of(function, call) {
        Some(Value::Nil) => Cell::known("none".into()),
        // of one that is shown in part others may look the same
        Some(v) if v.is_whole() || error_text(v).is_some() => Cell::known(text::value(v, false)),
        Some(v) => Cell::shown(text::value(v, false)),
        None if !function.has_signature() => Cell::shown("not known".into()),
        None if function.error_result().is_none() => Cell::shown("it returns none".into()),
        None => Cell::shown("not captured".into()),
    }
}

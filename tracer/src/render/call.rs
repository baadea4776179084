//! Arguments and results of a call, as people read them on one line.

use super::text::{self, escape};
use crate::decode::{Missing, Value};
use crate::moby::objects::{
    DELETED, DIGEST, ID, ID_DIGITS, ID_OF_NETWORK, NAME, NAMES, REPO_TAGS, STATE, UNTAGGED,
};
use crate::plan::{FuncSchema, ValueSchema};

/// Longest argument or result on a call's line, characters.
const MOST: usize = 240;

/// Shown parameters: `config={All: true}`.
pub fn arguments(schemas: &[ValueSchema], values: &[Value]) -> String {
    let shown: Vec<String> = schemas
        .iter()
        .zip(values)
        .filter(|(s, _)| s.shown)
        .map(|(s, v)| format!("{}={}", escape(&s.name), bounded(text::value(v, false))))
        .collect();
    shown.join(", ")
}

/// A value that is not for one line any more is cut, but not within the true length of a part that
/// is cut already.
fn bounded(text: String) -> String {
    const LONGEST_NOTE: usize = 40;
    let all = text.chars().count();
    if all <= MOST {
        return text;
    }
    let mut head: String = text.chars().take(MOST).collect();
    let opened = head.rfind("… (").filter(|at| !head[*at..].contains(')'));
    let rest: String = text.chars().skip(MOST).take(LONGEST_NOTE).collect();
    if let (Some(_), Some(close)) = (opened, rest.find(')')) {
        head.push_str(&rest[..=close]);
    }
    format!("{head}… ({all} characters; --format jsonl has all)")
}

/// What a call returned; a nil error goes without saying.
pub fn results(function: &FuncSchema, values: &[Value]) -> String {
    let schemas = &function.results;
    if !function.has_signature() {
        return "results not known".to_owned();
    }
    if values.len() < schemas.len() {
        return "results not captured".to_owned();
    }
    let all = || schemas.iter().zip(values);
    let shown: Vec<String> = all()
        .filter(|(s, v)| s.shown && !(s.is_error() && **v == Value::Nil))
        .map(|(s, v)| match s.is_error() {
            true => format!("error {}", text::value(v, false)),
            false => bounded(result(v)),
        })
        .collect();
    if !shown.is_empty() {
        return shown.join(", ");
    }
    let said = match (schemas.is_empty(), all().all(|(s, _)| !s.shown)) {
        (true, _) => "returned",
        (false, true) => "results not captured",
        // a nil error alone
        (false, false) => "ok",
    };
    said.to_owned()
}

/// A list by its length and first objects, a struct with the lists in it so; anything else as it
/// is.
fn result(v: &Value) -> String {
    match v {
        Value::Pointer { to, .. } => result(to),
        Value::List { items, len } => counted(items, *len),
        Value::Cut { part, why } if matches!(part.as_ref(), Value::List { .. }) => {
            cut(result(part), why)
        }
        Value::Struct {
            fields, left_out, ..
        } if v.channel().is_none() && !fields.is_empty() => {
            let shown = fields
                .iter()
                .filter(|(_, v)| fields.len() == 1 || !text::is_silent(v))
                .map(|(name, v)| format!("{}: {}", escape(name), part(v)));
            text::fields_of(fields, *left_out, shown.collect())
        }
        other => text::value(other, false),
    }
}

/// A field of a result: of a list its length and first object.
fn part(v: &Value) -> String {
    match v {
        Value::List { items, len } => match items.first() {
            None => len.to_string(),
            Some(first) if *len > 1 => format!("{len} ({}, …)", object(first)),
            Some(first) => format!("{len} ({})", object(first)),
        },
        Value::Cut { part: list, why } if matches!(list.as_ref(), Value::List { .. }) => {
            cut(part(list), why)
        }
        other => result(other),
    }
}

fn cut(text: String, why: &Missing) -> String {
    format!("{text} <{}>", escape(&why.to_string()))
}

/// `85: 961f903e7002 /up running, … 82 more`
fn counted(items: &[Value], len: u64) -> String {
    const SHOWN: usize = 2;
    if len == 0 {
        return "0".to_owned();
    }
    let mut names: Vec<String> = items.iter().take(SHOWN).map(object).collect();
    let left = len.saturating_sub(names.len() as u64);
    if left > 0 && !names.is_empty() {
        names.push(format!("… {left} more"));
    }
    if names.is_empty() {
        len.to_string()
    } else {
        format!("{len}: {}", names.join(", "))
    }
}

/// A listed object by what users know it: ID (shortened as docker does), names, state. Others by
/// their fields.
pub fn object(v: &Value) -> String {
    let Value::Struct { fields, .. } = text::inner(v) else {
        return text::value(v, false);
    };
    let words: Vec<String> = fields
        .iter()
        .filter(|(_, v)| !text::is_silent(v))
        .filter_map(|(name, v)| word(name, v))
        .collect();
    if words.is_empty() {
        text::value(v, false)
    } else {
        words.join(" ")
    }
}

/// A field that needs no label.
fn word(name: &str, v: &Value) -> Option<String> {
    match (name, v) {
        (ID | ID_OF_NETWORK, Value::Str { bytes, .. }) => {
            Some(short_id(&escape(&String::from_utf8_lossy(bytes))))
        }
        (NAMES | REPO_TAGS, Value::List { items, .. }) => {
            let names: Vec<String> = items.iter().map(|v| text::value(v, false)).collect();
            Some(names.join(" "))
        }
        (ID | ID_OF_NETWORK | NAMES | REPO_TAGS | NAME | STATE, v) => Some(text::value(v, false)),
        (DELETED | UNTAGGED, v) => {
            Some(format!("{} {}", name.to_lowercase(), text::value(v, false)))
        }
        _ => None,
    }
}

/// An ID, escaped already, as docker shows it.
pub fn short_id(id: &str) -> String {
    let id = id.strip_prefix(DIGEST).unwrap_or(id);
    id.chars().take(ID_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Meaning, SignatureSource};
    use crate::provenance::examples;

    fn text(of: &str) -> Value {
        examples::text(of)
    }

    fn structure(fields: Vec<(&str, Value)>) -> Value {
        Value::Struct {
            ty: "T".into(),
            fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
            left_out: 0,
        }
    }

    fn list(items: Vec<Value>) -> Value {
        let len = items.len() as u64;
        Value::List { items, len }
    }

    fn container(id: &str, name: &str) -> Value {
        structure(vec![
            ("ID", text(id)),
            ("Names", list(vec![text(name)])),
            ("Created", Value::Int(1_795_697_486)),
            ("SizeRootFs", Value::Int(4096)),
            ("State", text("created")),
        ])
    }

    #[track_caller]
    fn shows(names: &[&str], values: &[Value], expected: &str) {
        let mut function = examples::function("f", &[]);
        function.signature_source = SignatureSource::MethodTable;
        function.results = names.iter().map(|n| examples::schema(n)).collect();
        if let Some(error) = function.results.iter_mut().find(|s| s.name == "error") {
            error.meaning = Meaning::Error;
        }
        assert_eq!(results(&function, values), expected);
    }

    #[test]
    fn unknown_results_are_no_success() {
        let mut function = examples::function("f", &[]);
        function.signature_source = SignatureSource::None;
        assert_eq!(results(&function, &[]), "results not known");
        function.signature_source = SignatureSource::MethodTable;
        assert_eq!(results(&function, &[]), "returned");
        shows(&["error"], &[Value::Nil], "ok");
        shows(&["result", "error"], &[], "results not captured");
        let mut hidden = examples::schema("result");
        hidden.shown = false;
        function.results = vec![hidden];
        let values = [Value::Missing(Missing::NotWanted)];
        assert_eq!(results(&function, &values), "results not captured");
    }

    #[test]
    fn results_say_what_they_hold() {
        let not_wanted = || Value::Missing(Missing::NotWanted);
        for (value, expected) in [
            (list(vec![]), "0"),
            (
                list(vec![container("0123456789abcdef", "/web")]),
                "1: 0123456789ab /web created",
            ),
            // without identity every value has its label
            (
                list(vec![structure(vec![
                    ("Created", Value::Int(1)),
                    ("Size", Value::Int(0)),
                ])]),
                "1: {Created: 1}",
            ),
            (
                structure(vec![("NetworksDeleted", Value::Nil)]),
                "{NetworksDeleted: nil}",
            ),
            (
                structure(vec![("NetworksDeleted", list(vec![text("a"), text("b")]))]),
                "{NetworksDeleted: 2 (a, …)}",
            ),
            (
                structure(vec![("N", Value::Int(0)), ("Names", not_wanted())]),
                "{zero, 1 field not captured}",
            ),
            (
                structure(vec![
                    (
                        "ImagesDeleted",
                        list(vec![structure(vec![
                            ("Untagged", text("shop:1.0")),
                            ("Deleted", text("")),
                        ])]),
                    ),
                    ("SpaceReclaimed", Value::Uint(7)),
                ]),
                "{ImagesDeleted: 1 (untagged shop:1.0), SpaceReclaimed: 7}",
            ),
        ] {
            shows(&["result", "error"], &[value, Value::Nil], expected);
        }
    }
}

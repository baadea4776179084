//! Arguments and results of a call, as people read them on one line.

use super::text::{self, escape};
use crate::decode::Value;
use crate::plan::ValueSchema;

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

/// A value that is not for one line any more is cut, but not within the true length of a part that is cut already.
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

/// Results; a nil error goes without saying.
pub fn results(schemas: &[ValueSchema], values: &[Value]) -> String {
    let shown: Vec<String> = schemas
        .iter()
        .zip(values)
        .filter(|(s, v)| s.shown && !(s.is_error() && **v == Value::Nil))
        .map(|(s, v)| match (s.is_error(), v) {
            (true, v) => format!("error {}", text::value(v, false)),
            (_, Value::List { items, len }) => counted(items, *len),
            (_, Value::Cut { part, why }) => match part.as_ref() {
                Value::List { items, len } => {
                    format!("{} <{}>", counted(items, *len), escape(&why.to_string()))
                }
                _ => bounded(aggregate(v)),
            },
            (_, v) => bounded(aggregate(v)),
        })
        .collect();
    if shown.is_empty() {
        "ok".to_owned()
    } else {
        shown.join(", ")
    }
}

/// A result struct: lists in it by their length.
fn aggregate(v: &Value) -> String {
    let pointed = match v {
        Value::Pointer { to, .. } => to,
        other => other,
    };
    let Value::Struct { ty, fields, .. } = pointed else {
        return text::value(v, false);
    };
    if ty == text::CHANNEL {
        return text::value(v, false);
    }
    let shown: Vec<String> = fields
        .iter()
        .filter(|(_, v)| !text::is_silent(v))
        .map(|(name, v)| match v {
            Value::List { len, .. } => format!("{}: {len}", escape(name)),
            other => format!("{}: {}", escape(name), aggregate(other)),
        })
        .collect();
    if shown.is_empty() {
        return text::value(v, false);
    }
    format!("{{{}}}", shown.join(", "))
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

/// ID (shortened as docker does), name, state.
pub fn object(v: &Value) -> String {
    let Value::Struct { fields, .. } = text::inner(v) else {
        return text::value(v, false);
    };
    let words: Vec<String> = fields
        .iter()
        .filter(|(_, v)| !text::is_silent(v))
        .map(|(name, v)| match (name.as_str(), v) {
            ("ID", Value::Str { bytes, .. }) => {
                let id = escape(&String::from_utf8_lossy(bytes));
                let id = id.strip_prefix("sha256:").unwrap_or(&id);
                id.chars().take(12).collect()
            }
            ("Names", Value::List { items, .. }) => items
                .iter()
                .map(|v| text::value(v, false))
                .collect::<Vec<_>>()
                .join(" "),
            (_, v) => text::value(v, false),
        })
        .collect();
    words.join(" ")
}

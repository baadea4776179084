//! Values as people read them, on one line.

use super::error::error;
use crate::decode::{Channel, Missing, Value, ZERO_TIME, errno_name, error_text};

/// Longest string and list shown on a line of the tree.
const MOST_TEXT: usize = 120;
const MOST_ITEMS: usize = 4;

/// Whether a character could move the cursor, colour the screen or hide text: control characters,
/// bidirectional and zero-width ones.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The same for finished JSON, as escapes of its own: such characters occur within its strings
/// only.
#[must_use]
pub fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // a line break between values, as it is; within strings it has been escaped
        if is_unsafe(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Escapes what could move the cursor, colour the screen or hide text: control characters,
/// bidirectional and zero-width ones.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Cuts to a number of characters and says how long the whole is.
pub fn shorten(text: &str, most: usize, true_len: u64) -> String {
    let cut = text.chars().count() > most;
    if !cut && true_len <= text.len() as u64 {
        return text.to_owned();
    }
    let head: String = text.chars().take(most).collect();
    format!("{head}… ({true_len} bytes)")
}

/// A string value, escaped; quoted if it is empty or holds what would be misread.
pub fn string(bytes: &[u8], len: u64, most: usize) -> String {
    let text = escape(&String::from_utf8_lossy(bytes));
    let text = shorten(&text, most, len);
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_./:=@+%*…()".contains(c));
    if plain { text } else { format!("\"{text}\"") }
}

/// What a pointer leads to; a struct that only wraps one value (`filters.Args`) is that value.
pub fn inner(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => inner(to),
        Value::Struct { fields, .. } => wrapped(fields).map_or(value, inner),
        other => other,
    }
}

/// The only field of a struct, where it has no name that users know: an exported one is an option
/// or a result like others.
fn wrapped(fields: &[(String, Value)]) -> Option<&Value> {
    match fields {
        [(name, only)] if !is_exported(name) => Some(only),
        _ => None,
    }
}

/// Go exports what begins with a capital letter.
fn is_exported(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

fn is_left_out(value: &Value) -> bool {
    *value == Value::Missing(Missing::NotWanted)
}

/// A struct by those of its fields that are worth a word, and how many of them the capture does not
/// want: these are not zero.
pub fn fields_of(fields: &[(String, Value)], left_out: u32, shown: Vec<String>) -> String {
    let named = fields.iter().filter(|(_, v)| is_left_out(v)).count();
    let absent = match named.saturating_add(left_out as usize) {
        0 => None,
        1 => Some("1 field not captured".to_owned()),
        n => Some(format!("{n} fields not captured")),
    };
    let said: Vec<String> = match (shown.is_empty(), absent) {
        (true, None) if fields.is_empty() => Vec::new(),
        (true, None) => vec!["all zero".to_owned()],
        (true, Some(absent)) if named == fields.len() => vec![absent],
        (true, Some(absent)) => vec![format!("zero, {absent}")],
        (false, absent) => shown.into_iter().chain(absent).collect(),
    };
    format!("{{{}}}", said.join(", "))
}

/// Whether it says nothing: zero, or not captured by the plan.
pub fn is_silent(value: &Value) -> bool {
    value.is_zero() || is_left_out(value)
}

/// A value on one line. `whole`: nothing is shortened and zero fields are shown too.
pub fn value(v: &Value, whole: bool) -> String {
    let most = if whole { usize::MAX } else { MOST_TEXT };
    match v {
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Uint(n) => n.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Complex(re, im) => format!("{re}{im:+}i"),
        Value::Time { seconds, nanos } => time(*seconds, *nanos),
        Value::Duration(ns) => go_duration(*ns),
        Value::Str { bytes, len } => string(bytes, *len, most),
        Value::Nil => "nil".to_owned(),
        Value::Pointer { to, .. } => value(to, whole),
        Value::Address(addr) => format!("0x{addr:x}"),
        Value::Struct {
            fields, left_out, ..
        } => match (v.channel(), wrapped(fields)) {
            (Some(found), _) => channel(found),
            (None, Some(only)) if *left_out == 0 => value(only, whole),
            (None, _) => {
                let shown = fields
                    .iter()
                    .filter(|(_, v)| !is_left_out(v))
                    .filter(|(_, v)| whole || fields.len() == 1 || !is_silent(v))
                    .map(|(n, v)| format!("{}: {}", escape(n), value(v, whole)));
                fields_of(fields, *left_out, shown.collect())
            }
        },
        Value::List { items, len } => list(items, *len, whole),
        Value::Map { entries, len } => map(entries, *len, whole),
        Value::Iface { ty, value: inner } => {
            let ty = escape(short_type(ty));
            match error_text(v) {
                Some(text) => {
                    let text = error(&text, whole);
                    match errno_name(v) {
                        Some(errno) => format!("{ty}({text}) {errno}"),
                        None => format!("{ty}({text})"),
                    }
                }
                None if is_silent(self::inner(inner)) => ty,
                None => format!("{ty}({})", value(inner, whole)),
            }
        }
        Value::Cut { part, why } => {
            format!("{} <{}>", value(part, whole), escape(&why.to_string()))
        }
        Value::Masked => "<masked>".to_owned(),
        Value::Missing(why) => format!("<missing: {}>", escape(&why.to_string())),
    }
}

/// A channel: how many values wait in it, of how many that can.
fn channel(found: Channel<'_>) -> String {
    let number = |field: Option<&Value>| field.map_or_else(|| "?".to_owned(), |v| value(v, false));
    format!("chan({} of {})", number(found.waiting), number(found.room))
}

fn list(items: &[Value], len: u64, whole: bool) -> String {
    if len > 0 && items.is_empty() {
        return format!("{len} items");
    }
    let most = if whole { usize::MAX } else { MOST_ITEMS };
    let mut shown: Vec<String> = items.iter().take(most).map(|v| value(v, whole)).collect();
    let left = len.saturating_sub(shown.len() as u64);
    if left > 0 {
        shown.push(format!("… {left} more"));
    }
    format!("[{}]", shown.join(", "))
}

fn map(entries: &[(Value, Value)], len: u64, whole: bool) -> String {
    // a set
    let all_true = !entries.is_empty() && entries.iter().all(|(_, v)| *v == Value::Bool(true));
    let mut shown: Vec<String> = entries
        .iter()
        .map(|(k, v)| {
            if all_true {
                value(k, whole)
            } else {
                format!("{}: {}", value(k, whole), value(v, whole))
            }
        })
        .collect();
    // memory order is random
    shown.sort();
    let left = len.saturating_sub(shown.len() as u64);
    if left > 0 {
        shown.push(format!("… {left} more"));
    }
    format!("{{{}}}", shown.join(", "))
}

/// RFC 3339, UTC.
pub fn time(seconds: i64, nanos: u32) -> String {
    if (seconds, nanos) == ZERO_TIME {
        return "zero time".to_owned();
    }
    let nanos = i32::try_from(nanos).unwrap_or(0);
    match jiff::Timestamp::new(seconds, nanos) {
        Ok(t) => t.to_string(),
        Err(_) => format!("{seconds} s from 1970, beyond the calendar"),
    }
}

/// A duration as Go writes it: `1h2m3.5s`.
pub fn go_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    // digits of a fraction, without zeroes at the end
    let decimal = |whole: u64, fraction: u64, digits: usize| {
        let fraction = format!("{fraction:0digits$}");
        match fraction.trim_end_matches('0') {
            "" => whole.to_string(),
            rest => format!("{whole}.{rest}"),
        }
    };
    let text = match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(ns / 1_000, ns % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(ns / 1_000_000, ns % 1_000_000, 6)),
        _ => {
            let (all, fraction) = (ns / 1_000_000_000, ns % 1_000_000_000);
            let (h, m) = (all / 3600, all / 60 % 60);
            let s = decimal(all % 60, fraction, 9);
            match (h, m) {
                (0, 0) => format!("{s}s"),
                (0, _) => format!("{m}m{s}s"),
                _ => format!("{h}h{m}m{s}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// `*errors.errorString` of a full type name.
pub fn short_type(ty: &str) -> &str {
    ty.rsplit('/').next().unwrap_or(ty)
}

/// A duration as people say it.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// A duration in a column of six characters: two or three digits.
pub fn short_duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => (ns as f64, "ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        1_000_000_000..1_000_000_000_000 => (ns as f64 / 1e9, "s"),
        _ => (ns as f64 / 60e9, "min"),
    };
    if value < 9.95 && unit != "ns" {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A duration that someone waits for: `0.4 s`, `38 s`, `12 min`, `3 h`.
#[must_use]
pub fn seconds(ns: u64) -> String {
    let s = ns as f64 / 1e9;
    match s {
        ..0.0995 => format!("{:.0} ms", s * 1e3),
        ..9.95 => format!("{s:.1} s"),
        ..600.0 => format!("{s:.0} s"),
        ..10_800.0 => format!("{:.0} min", s / 60.0),
        _ => format!("{:.0} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_hidden_characters_are_escaped() {
        assert_eq!(
            escape("a\x1b[31mb\u{202e}c\n"),
            "a\\u{1b}[31mb\\u{202e}c\\n"
        );
    }

    #[test]
    fn durations_that_fit() {
        let short: Vec<String> = [7, 1_500, 999_999, 41_300_000, 999_600_000, 1_234_000_000]
            .map(short_duration)
            .into();
        assert_eq!(
            short,
            ["7 ns", "1.5 µs", "1000 µs", "41 ms", "1000 ms", "1.2 s"]
        );
        let long: Vec<String> = [
            40_000_000,
            400_000_000,
            1_000_000_000,
            38_200_000_000,
            720_000_000_000,
            11_000_000_000_000,
        ]
        .map(seconds)
        .into();
        assert_eq!(long, ["40 ms", "0.4 s", "1.0 s", "38 s", "12 min", "3 h"]);
    }

    #[test]
    fn json_stays_what_it_says() {
        let text = "a\x1b[31m\x7f\u{9b}2J\u{202e}\u{e0041}\n\"é";
        let json = escape_json(&serde_json::to_string(text).expect("JSON"));
        assert!(json.chars().all(|c| !is_unsafe(c)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }

    #[test]
    fn a_set_reads_as_a_set_and_is_sorted() {
        let s = |t: &str| Value::Str {
            bytes: t.as_bytes().to_vec(),
            len: t.len() as u64,
        };
        let v = Value::Map {
            entries: vec![(s("b"), Value::Bool(true)), (s("a"), Value::Bool(true))],
            len: 2,
        };
        assert_eq!(value(&v, false), "{a, b}");
    }

    fn of(fields: Vec<(&str, Value)>) -> Value {
        Value::Struct {
            ty: "t".into(),
            fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
            left_out: 0,
        }
    }

    #[test]
    fn what_was_not_captured_is_not_called_zero() {
        let not_wanted = || Value::Missing(Missing::NotWanted);
        let zero = || Value::Int(0);
        for (fields, expected) in [
            (vec![("A", zero()), ("B", Value::Bool(false))], "{all zero}"),
            (
                vec![("A", zero()), ("B", not_wanted())],
                "{zero, 1 field not captured}",
            ),
            (
                vec![("A", not_wanted()), ("B", not_wanted())],
                "{2 fields not captured}",
            ),
            (
                vec![("A", Value::Int(1)), ("B", not_wanted()), ("C", zero())],
                "{A: 1, 1 field not captured}",
            ),
            (
                vec![("A", zero()), ("B", Value::Missing(Missing::Lost))],
                "{B: <missing: its record was lost>}",
            ),
            (vec![], "{}"),
        ] {
            let one = of(fields);
            assert_eq!(value(&one, false), expected);
            assert_eq!(one.is_zero(), matches!(expected, "{all zero}" | "{}"));
        }
    }

    #[test]
    fn a_struct_of_one_field_keeps_its_name() {
        let one = |name: &str, v: Value| value(&of(vec![(name, v)]), false);
        assert_eq!(one("Size", Value::Bool(true)), "{Size: true}");
        assert_eq!(one("Size", Value::Bool(false)), "{Size: false}");
        assert_eq!(one("NetworksDeleted", Value::Nil), "{NetworksDeleted: nil}");
        // a type that only wraps another
        assert_eq!(one("fields", Value::Nil), "nil");
    }

    #[test]
    fn a_cut_string_says_its_true_length() {
        assert_eq!(string(b"abc", 10_000, 120), "\"abc… (10000 bytes)\"");
    }
}

//! How handlers turn a parameter into a value (moby: daemon/server/httputils/form.go, api/types/filters), and whether a decoded
//! value is that one.

use std::collections::BTreeMap;
use std::fmt;

use super::routes::Conversion;
use crate::decode::Value;

/// Keys, and the set of values of each.
pub type Filters = BTreeMap<String, BTreeMap<String, bool>>;

/// What a handler makes of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// As if the parameter were not there.
    Zero,
    Bool(bool),
    Int(i64),
    Text(String),
    Filters(Filters),
    /// Seconds since 1970 and nanoseconds.
    Time(i64, u32),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("the zero value"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Filters(filters) => {
                f.write_str(&serde_json::to_string(filters).unwrap_or_default())
            }
            Self::Time(seconds, nanos) => write!(f, "the time {seconds}.{nanos:09}"),
        }
    }
}

/// Converts the values of a parameter.
///
/// # Errors
/// Why it is not known what a handler makes of them.
pub fn convert(conversion: Conversion, values: &[String]) -> Result<Expected, String> {
    let first = values.first().map_or("", String::as_str);
    let refused = |what: &str| Err(format!("{first:?} is {what}"));
    match conversion {
        Conversion::Bool => Ok(Expected::Bool(bool_value(first))),
        Conversion::NotBool => Ok(Expected::Bool(!bool_value(first))),
        // strconv.ParseBool
        Conversion::StrictBool => match first {
            "" => Ok(Expected::Zero),
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Expected::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Expected::Bool(false)),
            _ => refused("no boolean"),
        },
        Conversion::Int if first.is_empty() => Ok(Expected::Zero),
        Conversion::Int => match first.parse() {
            Ok(number) => Ok(Expected::Int(number)),
            Err(_) => refused("no number"),
        },
        Conversion::Text => Ok(Expected::Text(first.to_owned())),
        Conversion::Holds(what) => Ok(Expected::Bool(values.iter().any(|v| v == what))),
        Conversion::Filters => filters(first).map(Expected::Filters),
        Conversion::Timestamp => timestamp(first),
        Conversion::Signal => signal(first),
        Conversion::Opaque => Err("how it is converted is not known here".into()),
    }
}

/// What moby takes for true (api/server/httputils, `BoolValue`).
#[must_use]
pub fn bool_value(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    !matches!(text.as_str(), "" | "0" | "no" | "false" | "none")
}

/// `filters.FromJSON`: sets, or the lists of clients before API 1.22.
fn filters(text: &str) -> Result<Filters, String> {
    if text.is_empty() {
        return Ok(Filters::new());
    }
    if let Ok(sets) = serde_json::from_str::<Filters>(text) {
        return Ok(sets);
    }
    match serde_json::from_str::<BTreeMap<String, Vec<String>>>(text) {
        Ok(lists) => Ok(lists
            .into_iter()
            .map(|(key, values)| (key, values.into_iter().map(|v| (v, true)).collect()))
            .collect()),
        Err(_) => Err("it holds no filters in a form that is known here".into()),
    }
}

/// `timestamp.ParseTimestamps`: seconds, and a fraction of at most nine digits.
fn timestamp(text: &str) -> Result<Expected, String> {
    if text.is_empty() {
        return Ok(Expected::Zero);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = !fraction.is_empty() && fraction.len() <= 9;
    match (seconds.parse(), fraction.parse::<u32>()) {
        // -1 stands for no time
        (Ok(seconds), Ok(parsed)) if digits && seconds >= 0 && !fraction.starts_with('+') => {
            let zeroes = u32::try_from(9 - fraction.len()).unwrap_or(0);
            Ok(Expected::Time(seconds, parsed * 10u32.pow(zeroes)))
        }
        _ => Err("it is no time in a form that is known here".into()),
    }
}

/// Names of signals by number, from 1 (Linux, all but alpha, mips, parisc and sparc).
const SIGNALS: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// `signal.ParseSignal`: a number, or a name with or without SIG.
fn signal(text: &str) -> Result<Expected, String> {
    if text.is_empty() {
        return Ok(Expected::Zero);
    }
    if let Ok(number) = text.parse() {
        return Ok(Expected::Int(number));
    }
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    match SIGNALS.iter().position(|s| *s == name) {
        Some(at) => Ok(Expected::Int(i64::try_from(at).unwrap_or(0) + 1)),
        None => Err(format!("{text:?} is no signal that is known here")),
    }
}

impl Expected {
    /// Whether a whole value is this one.
    pub fn is(&self, value: &Value) -> bool {
        match (self, value.pointed()) {
            (Self::Zero, _) => value.is_zero(),
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Int(a), Value::Uint(b)) => u64::try_from(*a).is_ok_and(|a| a == *b),
            (Self::Text(a), Value::Str { bytes, .. }) => a.as_bytes() == bytes,
            (Self::Time(s, n), Value::Time { seconds, nanos }) => (s, n) == (seconds, nanos),
            (Self::Filters(a), other) => decoded_filters(other).is_some_and(|b| *a == b),
            _ => false,
        }
    }
}

/// A decoded value in a sentence, as far as it is a plain one.
pub fn said(value: &Value) -> String {
    match value.pointed() {
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Uint(n) => n.to_string(),
        Value::Str { bytes, .. } => format!("{:?}", String::from_utf8_lossy(bytes)),
        Value::Nil => "nil".to_owned(),
        other => match decoded_filters(other) {
            Some(filters) => Expected::Filters(filters).to_string(),
            None => "another value".to_owned(),
        },
    }
}

/// A `filters.Args`: a struct with one map of sets, or that map.
fn decoded_filters(value: &Value) -> Option<Filters> {
    match value {
        Value::Struct { fields, .. } => match fields.as_slice() {
            [(_, only)] => decoded_filters(only),
            _ => None,
        },
        Value::Nil => Some(Filters::new()),
        Value::Map { entries, .. } => entries
            .iter()
            .map(|(key, set)| {
                let set = match set {
                    Value::Nil => BTreeMap::new(),
                    Value::Map { entries, .. } => entries
                        .iter()
                        .map(|(v, on)| match on {
                            Value::Bool(on) => Some((text(v)?, *on)),
                            _ => None,
                        })
                        .collect::<Option<_>>()?,
                    _ => return None,
                };
                Some((text(key)?, set))
            })
            .collect(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Str { bytes, .. } => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conversion: Conversion, value: &str, expected: Expected) {
        assert_eq!(
            convert(conversion, &[value.to_owned()]),
            Ok(expected),
            "{value}"
        );
    }

    fn text_value(text: &str) -> Value {
        Value::Str {
            bytes: text.as_bytes().to_vec(),
            len: text.len() as u64,
        }
    }

    #[test]
    fn booleans_as_httputils_has_them() {
        for no in ["", "0", "no", "No", "false", "FALSE", "none", " 0 "] {
            check(Conversion::Bool, no, Expected::Bool(false));
            check(Conversion::NotBool, no, Expected::Bool(true));
        }
        for yes in ["1", "true", "True", "yes", "2", "off"] {
            check(Conversion::Bool, yes, Expected::Bool(true));
        }
        check(Conversion::StrictBool, "T", Expected::Bool(true));
        check(Conversion::StrictBool, "False", Expected::Bool(false));
        assert!(convert(Conversion::StrictBool, &["yes".into()]).is_err());
    }

    #[test]
    fn numbers_texts_and_lists() {
        check(Conversion::Int, "-1", Expected::Int(-1));
        check(Conversion::Int, "", Expected::Zero);
        assert!(convert(Conversion::Int, &["many".into()]).is_err());
        check(Conversion::Text, "c2", Expected::Text("c2".into()));
        let types = ["image".to_owned(), "volume".to_owned()];
        assert_eq!(
            convert(Conversion::Holds("volume"), &types),
            Ok(Expected::Bool(true))
        );
        assert_eq!(
            convert(Conversion::Holds("container"), &types),
            Ok(Expected::Bool(false))
        );
        assert!(convert(Conversion::Opaque, &types).is_err());
    }

    #[test]
    fn signals() {
        check(Conversion::Signal, "SIGKILL", Expected::Int(9));
        check(Conversion::Signal, "term", Expected::Int(15));
        check(Conversion::Signal, "10", Expected::Int(10));
        check(Conversion::Signal, "SYS", Expected::Int(31));
        assert!(convert(Conversion::Signal, &["SIGNOPE".into()]).is_err());
    }

    #[test]
    fn times() {
        check(Conversion::Timestamp, "17", Expected::Time(17, 0));
        check(
            Conversion::Timestamp,
            "17.5",
            Expected::Time(17, 500_000_000),
        );
        check(Conversion::Timestamp, "17.000000007", Expected::Time(17, 7));
        check(Conversion::Timestamp, "", Expected::Zero);
        for bad in ["-1", "x", "17.", "17.1234567890", "17.+5"] {
            assert!(
                convert(Conversion::Timestamp, &[bad.into()]).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn both_forms_of_filters_are_one() {
        let sets = filters(r#"{"label":{"a=b":true,"c":true},"status":{"exited":true}}"#);
        let lists = filters(r#"{"status":["exited"],"label":["c","a=b"]}"#);
        assert_eq!(sets, lists);
        assert_eq!(filters(""), Ok(Filters::new()));
        assert_eq!(filters("{}"), Ok(Filters::new()));
        for bad in [
            "[]",
            "x",
            r#"{"a":"b"}"#,
            r#"{"a":null}"#,
            r#"{"a":{"b":1}}"#,
        ] {
            assert!(filters(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_are_compared_with_decoded_maps() {
        let set = Value::Map {
            entries: vec![(text_value("c1"), Value::Bool(true))],
            len: 1,
        };
        let fields = Value::Map {
            entries: vec![(text_value("name"), set)],
            len: 1,
        };
        let args = |fields| Value::Struct {
            ty: "filters.Args".into(),
            fields: vec![("fields".into(), fields)],
            left_out: 0,
        };
        let expected = convert(Conversion::Filters, &[r#"{"name":["c1"]}"#.into()]).expect("known");
        assert!(expected.is(&args(fields)));
        assert!(!expected.is(&args(Value::Nil)));
        let none = convert(Conversion::Filters, &["{}".into()]).expect("known");
        assert!(none.is(&args(Value::Nil)));
    }

    #[test]
    fn other_values_are_not_taken_for_the_expected() {
        assert!(Expected::Int(3).is(&Value::Int(3)));
        assert!(!Expected::Int(3).is(&Value::Int(4)));
        assert!(!Expected::Int(-1).is(&Value::Uint(u64::MAX)));
        assert!(!Expected::Bool(true).is(&Value::Int(1)));
        assert!(Expected::Text("c2".into()).is(&text_value("c2")));
        assert!(!Expected::Text("c2".into()).is(&text_value("c")));
        let pointer = Value::Pointer {
            addr: 1,
            to: Box::new(Value::Int(3)),
        };
        assert!(Expected::Int(3).is(&pointer));
        assert!(Expected::Zero.is(&Value::Nil) && !Expected::Zero.is(&pointer));
    }
}

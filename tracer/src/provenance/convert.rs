//! How handlers turn a parameter into a value (moby: daemon/server/httputils/form.go,
//! api/types/filters), and whether a decoded value is that one.

use std::collections::BTreeMap;
use std::fmt;

use crate::decode::Value;
use crate::moby::routes::Conversion;

/// Keys, and the set of values of each.
pub type Filters = BTreeMap<String, BTreeMap<String, bool>>;

/// What a handler makes of a parameter, or an option has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// As if the parameter were not there.
    Zero,
    Bool(bool),
    Int(i64),
    /// Only of decoded values.
    Number(u64),
    Nil,
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
            Self::Number(n) => write!(f, "{n}"),
            Self::Nil => f.write_str("nil"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Filters(filters) => {
                f.write_str(&serde_json::to_string(filters).unwrap_or_default())
            }
            Self::Time(seconds, nanos) => write!(f, "the time {seconds}.{nanos:09}"),
        }
    }
}

/// What a handler makes of a parameter that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted {
    /// One of these, by release.
    Values(Vec<Expected>),
    /// It is as if the parameter were not there.
    AsAbsent,
}

/// Why it is not known what a handler makes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconverted {
    #[error("it is no number")]
    Number,
    #[error("it holds no filters in a form that is known here")]
    Filters,
    #[error("it is no time in a form that is known here")]
    Time,
    #[error("it is no signal that is known here")]
    Signal,
    #[error("it is no condition that is known here")]
    Condition,
    #[error("how it is converted is not known here")]
    Opaque,
}

/// Converts the values of a parameter, for an option that has the form of `value`.
///
/// # Errors
/// Why it is not known what a handler makes of them.
pub fn convert(
    conversion: Conversion,
    values: &[String],
    value: &Value,
) -> Result<Converted, Unconverted> {
    let first = values.first().map_or("", String::as_str);
    let one = |made: Expected| Converted::Values(vec![made]);
    Ok(match conversion {
        Conversion::Bool => one(Expected::Bool(bool_value(first))),
        Conversion::NotBool => one(Expected::Bool(!bool_value(first))),
        Conversion::EitherBool | Conversion::RaisedBool => {
            let either = [Some(bool_value(first)), parse_bool(first)];
            Converted::Values(either.into_iter().flatten().map(Expected::Bool).collect())
        }
        Conversion::Int if first.is_empty() => one(Expected::Zero),
        Conversion::Int => one(Expected::Int(
            first.parse().map_err(|_| Unconverted::Number)?,
        )),
        Conversion::Text => one(Expected::Text(first.to_owned())),
        Conversion::Moment if matches!(value.pointed(), Value::Time { .. }) => {
            let mut made = vec![timestamp(first)?];
            // which stood for no time while it was a text
            made.extend((first == "0").then_some(Expected::Zero));
            Converted::Values(made)
        }
        Conversion::Moment => one(Expected::Text(first.to_owned())),
        Conversion::Holds(what) => one(Expected::Bool(values.iter().any(|v| v == what))),
        Conversion::Timestamp => one(timestamp(first)?),
        Conversion::Signal => one(signal(first)?),
        Conversion::Condition if first.is_empty() => Converted::AsAbsent,
        Conversion::Condition => one(condition(first, value)?),
        Conversion::Opaque if values.iter().all(String::is_empty) => Converted::AsAbsent,
        Conversion::Opaque => return Err(Unconverted::Opaque),
    })
}

/// Wait conditions by number (container/state.go, up to 28.1).
const CONDITIONS: &[&str] = &["not-running", "next-exit", "removed"];

fn condition(text: &str, value: &Value) -> Result<Expected, Unconverted> {
    let at = CONDITIONS.iter().position(|c| *c == text);
    let number = at.and_then(|at| i64::try_from(at).ok());
    match (number, value.pointed()) {
        (None, _) => Err(Unconverted::Condition),
        (Some(number), Value::Int(_) | Value::Uint(_)) => Ok(Expected::Int(number)),
        (Some(_), _) => Ok(Expected::Text(text.to_owned())),
    }
}

/// `strconv.ParseBool`; empty is as if absent.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// What moby takes for true (api/server/httputils, `BoolValue`).
#[must_use]
pub fn bool_value(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    !matches!(text.as_str(), "" | "0" | "no" | "false" | "none")
}

/// `filters.FromJSON`: sets, or the lists of clients before API 1.22. Where Go expects a map, a set
/// or a boolean, `null` is its zero value.
pub fn filters(text: &str) -> Result<Filters, Unconverted> {
    type Keys<T> = Option<BTreeMap<String, Option<T>>>;
    if text.is_empty() {
        return Ok(Filters::new());
    }
    if let Ok(sets) = serde_json::from_str::<Keys<BTreeMap<String, Option<bool>>>>(text) {
        let set = |set: BTreeMap<String, Option<bool>>| {
            let values = set.into_iter();
            values.map(|(v, on)| (v, on.unwrap_or_default())).collect()
        };
        return Ok(each_key(sets, set));
    }
    match serde_json::from_str::<Keys<Vec<String>>>(text) {
        Ok(lists) => Ok(each_key(lists, |list| {
            list.into_iter().map(|v| (v, true)).collect()
        })),
        Err(_) => Err(Unconverted::Filters),
    }
}

fn each_key<T>(
    keys: Option<BTreeMap<String, Option<T>>>,
    set: impl Fn(T) -> BTreeMap<String, bool>,
) -> Filters {
    let keys = keys.unwrap_or_default().into_iter();
    keys.map(|(key, values)| (key, values.map(&set).unwrap_or_default()))
        .collect()
}

/// `timestamp.ParseTimestamps`: seconds, and a fraction of at most nine digits.
fn timestamp(text: &str) -> Result<Expected, Unconverted> {
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
        _ => Err(Unconverted::Time),
    }
}

/// Names of signals by number, from 1 (Linux, all but alpha, mips, parisc and sparc; the map of
/// github.com/moby/sys/signal).
const SIGNALS: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Further names in the same map.
const SIGNALS_TOO: &[(&str, i64)] = &[("IOT", 6), ("CLD", 17), ("POLL", 29)];
/// Real-time signals: `RTMIN` to `RTMIN+15`, `RTMAX-14` to `RTMAX`.
const RTMIN: i64 = 34;
const RTMAX: i64 = 64;

/// `signal.ParseSignal`: a number, or a name with or without SIG.
fn signal(text: &str) -> Result<Expected, Unconverted> {
    if text.is_empty() {
        return Ok(Expected::Zero);
    }
    if let Ok(number) = text.parse() {
        return Ok(Expected::Int(number));
    }
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let at = SIGNALS.iter().position(|s| *s == name);
    let by_name = at.and_then(|at| i64::try_from(at + 1).ok());
    let too = || SIGNALS_TOO.iter().find(|(n, _)| *n == name);
    by_name
        .or_else(|| too().map(|(_, number)| *number))
        .or_else(|| real_time(name))
        .map(Expected::Int)
        .ok_or(Unconverted::Signal)
}

fn real_time(name: &str) -> Option<i64> {
    let away = |rest: &str, sign: char, most: i64| -> Option<i64> {
        let Some(digits) = rest.strip_prefix(sign) else {
            return rest.is_empty().then_some(0);
        };
        // as the map spells them: no sign, no leading zero
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        digits.parse().ok().filter(|n| plain && *n <= most)
    };
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => Some(RTMIN + away(rest, '+', 15)?),
        (_, Some(rest)) => Some(RTMAX - away(rest, '-', 14)?),
        _ => None,
    }
}

/// How a whole value compares with what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Same,
    Other,
    /// It has a form that such a value is not known to have.
    Incomparable,
}

impl Expected {
    /// Whether a whole value is this one.
    pub fn fit(&self, value: &Value) -> Fit {
        let same = match (self, value.pointed()) {
            (Self::Zero, _) => value.is_zero(),
            // a pointer to nothing, or a set of nothing
            (Self::Filters(a), other) => match decoded_filters(other) {
                Some(b) => *a == b,
                None => return Fit::Incomparable,
            },
            (_, Value::Nil) => false,
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Int(a), Value::Uint(b)) => u64::try_from(*a).is_ok_and(|a| a == *b),
            (Self::Text(a), Value::Str { bytes, .. }) => a.as_bytes() == bytes,
            (Self::Time(s, n), Value::Time { seconds, nanos }) => (s, n) == (seconds, nanos),
            _ => return Fit::Incomparable,
        };
        if same { Fit::Same } else { Fit::Other }
    }

    /// A decoded value as one of these, as far as it is a plain one.
    pub fn found(value: &Value) -> Option<Self> {
        Some(match value.pointed() {
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(n) => Self::Int(*n),
            Value::Uint(n) => Self::Number(*n),
            Value::Str { bytes, .. } => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            Value::Time { seconds, nanos } => Self::Time(*seconds, *nanos),
            Value::Nil => Self::Nil,
            other => Self::Filters(decoded_filters(other)?),
        })
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

    /// For an option that is a text.
    fn made(conversion: Conversion, value: &str) -> Result<Converted, Unconverted> {
        convert(conversion, &[value.to_owned()], &text_value(""))
    }

    #[track_caller]
    fn check(conversion: Conversion, value: &str, expected: Expected) {
        let expected = Ok(Converted::Values(vec![expected]));
        assert_eq!(made(conversion, value), expected, "{value}");
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
        let either = |text: &str, all: &[bool]| {
            let all = all.iter().copied().map(Expected::Bool).collect();
            let expected = Ok(Converted::Values(all));
            assert_eq!(made(Conversion::EitherBool, text), expected, "{text}");
        };
        either("T", &[true, true]);
        either("False", &[false, false]);
        either("", &[false, false]);
        // what `ParseBool` refuses reaches no function there
        either("yes", &[true]);
        either("none", &[false]);
        either("f", &[true, false]);
    }

    #[test]
    fn numbers_texts_and_lists() {
        check(Conversion::Int, "-1", Expected::Int(-1));
        check(Conversion::Int, "", Expected::Zero);
        assert_eq!(made(Conversion::Int, "many"), Err(Unconverted::Number));
        check(Conversion::Text, "c2", Expected::Text("c2".into()));
        let types = ["image".to_owned(), "volume".to_owned()];
        let holds = |what| convert(Conversion::Holds(what), &types, &Value::Bool(true));
        let one = |b| Ok(Converted::Values(vec![Expected::Bool(b)]));
        assert_eq!(holds("volume"), one(true));
        assert_eq!(holds("container"), one(false));
        let opaque = |values: &[String]| convert(Conversion::Opaque, values, &Value::Nil);
        assert_eq!(opaque(&types), Err(Unconverted::Opaque));
        assert_eq!(opaque(&[String::new()]), Ok(Converted::AsAbsent));
    }

    #[test]
    fn signals() {
        check(Conversion::Signal, "SIGKILL", Expected::Int(9));
        check(Conversion::Signal, "term", Expected::Int(15));
        check(Conversion::Signal, "10", Expected::Int(10));
        check(Conversion::Signal, "SYS", Expected::Int(31));
        check(Conversion::Signal, "sigrtmin+3", Expected::Int(37));
        check(Conversion::Signal, "RTMAX", Expected::Int(64));
        check(Conversion::Signal, "RTMAX-14", Expected::Int(50));
        check(Conversion::Signal, "POLL", Expected::Int(29));
        for bad in ["SIGNOPE", "RTMIN+16", "RTMIN+03", "RTMIN-1", "RTMAX-"] {
            assert_eq!(
                made(Conversion::Signal, bad),
                Err(Unconverted::Signal),
                "{bad}"
            );
        }
    }

    #[test]
    fn options_that_changed_their_type() {
        let of =
            |conversion, text: &str, value: Value| convert(conversion, &[text.to_owned()], &value);
        let one = |made: Expected| Ok(Converted::Values(vec![made]));
        let moment = Value::Time {
            seconds: 0,
            nanos: 0,
        };
        check(Conversion::Moment, "3", Expected::Text("3".into()));
        let since = of(Conversion::Moment, "3", moment.clone());
        assert_eq!(since, one(Expected::Time(3, 0)));
        let zero = of(Conversion::Moment, "0", moment);
        let both = vec![Expected::Time(0, 0), Expected::Zero];
        assert_eq!(zero, Ok(Converted::Values(both)));
        let text = Expected::Text("removed".into());
        check(Conversion::Condition, "removed", text);
        let number = of(Conversion::Condition, "removed", Value::Int(2));
        assert_eq!(number, one(Expected::Int(2)));
        assert_eq!(made(Conversion::Condition, ""), Ok(Converted::AsAbsent));
        assert_eq!(
            made(Conversion::Condition, "soon"),
            Err(Unconverted::Condition)
        );
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
            let refused = made(Conversion::Timestamp, bad);
            assert_eq!(refused, Err(Unconverted::Time), "{bad}");
        }
    }

    fn add_to(key: &str, value: &str, on: bool) -> Filters {
        [(key.to_owned(), [(value.to_owned(), on)].into())].into()
    }

    #[test]
    fn both_forms_of_filters_are_one() {
        let sets = filters(r#"{"label":{"a=b":true,"c":true},"status":{"exited":true}}"#);
        let lists = filters(r#"{"status":["exited"],"label":["c","a=b"]}"#);
        assert_eq!(sets, lists);
        assert_eq!(filters(""), Ok(Filters::new()));
        for none in ["{}", "null", " null "] {
            assert_eq!(filters(none), Ok(Filters::new()), "{none}");
        }
        let empty = Ok(Filters::from([("a".to_owned(), BTreeMap::new())]));
        assert_eq!(filters(r#"{"a":null}"#), empty);
        let off = add_to("a", "b", false);
        assert_eq!(filters(r#"{"a":{"b":null}}"#), Ok(off));
        let both = filters(r#"{"a":["b"],"c":null}"#).expect("known");
        assert_eq!(both.get("c"), Some(&BTreeMap::new()));
        for bad in ["[]", "x", r#"{"a":"b"}"#, r#"{"a":{"b":1}}"#] {
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
        let expected = Expected::Filters(filters(r#"{"name":["c1"]}"#).expect("known"));
        assert_eq!(expected.fit(&args(fields)), Fit::Same);
        assert_eq!(expected.fit(&args(Value::Nil)), Fit::Other);
        let none = Expected::Filters(filters("{}").expect("known"));
        assert_eq!(none.fit(&args(Value::Nil)), Fit::Same);
        assert_eq!(none.fit(&text_value("")), Fit::Incomparable);
    }

    #[test]
    fn other_values_are_not_taken_for_the_expected() {
        let pointer = Value::Pointer {
            addr: crate::addr::ProcessAddr(1),
            to: Box::new(Value::Int(3)),
        };
        let text = |text: &str| Expected::Text(text.into());
        for (expected, value, fit) in [
            (Expected::Int(3), Value::Int(3), Fit::Same),
            (Expected::Int(3), Value::Int(4), Fit::Other),
            (Expected::Int(-1), Value::Uint(u64::MAX), Fit::Other),
            (Expected::Int(3), pointer.clone(), Fit::Same),
            (Expected::Int(0), Value::Nil, Fit::Other),
            (Expected::Bool(true), Value::Int(1), Fit::Incomparable),
            (text("c2"), text_value("c2"), Fit::Same),
            (text("c2"), text_value("c"), Fit::Other),
            (text("3"), Value::Int(3), Fit::Incomparable),
            (Expected::Zero, Value::Nil, Fit::Same),
            (Expected::Zero, pointer, Fit::Other),
        ] {
            assert_eq!(expected.fit(&value), fit, "{expected:?} {value:?}");
        }
    }
}

//! Types of the standard library that mean more than their fields.

use super::missing::{Implausible, Missing};
use super::value::Value;

/// `Time.wall`: the rest holds seconds since 1885 and a monotonic reading is in `ext`
/// (time/time.go).
const HAS_MONOTONIC: u64 = 1 << 63;
const NANO_BITS: u32 = 30;
/// From the year 1 to 1885, and from the year 1 to 1970, in seconds of the proleptic Gregorian
/// calendar.
const TO_1885: i64 = 59_453_308_800;
const TO_1970: i64 = 62_135_596_800;

/// What a channel points to (runtime/chan.go).
const CHANNEL: &str = "runtime.hchan";

/// Whether a struct of that type is a channel.
pub fn is_channel(ty: &str) -> bool {
    ty == CHANNEL
}

/// A number, by the name of its type.
pub fn number(ty: &str, value: Value) -> Value {
    match value {
        Value::Int(ns) if ty == "time.Duration" => Value::Duration(ns),
        other => other,
    }
}

/// A struct, by its name.
pub fn structure(ty: &str, fields: Vec<(String, Value)>, left_out: u32) -> Value {
    if ty == "time.Time" {
        let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        match (field("wall"), field("ext")) {
            (Some(Value::Uint(wall)), Some(Value::Int(ext))) => return moment(*wall, *ext),
            (Some(Value::Missing(why)), _) | (_, Some(Value::Missing(why))) => {
                return Value::Missing(why.clone());
            }
            _ => {}
        }
    }
    Value::Struct {
        ty: ty.to_owned(),
        fields,
        left_out,
    }
}

fn moment(wall: u64, ext: i64) -> Value {
    let nanos = (wall & ((1 << NANO_BITS) - 1)) as u32;
    let since_year_1 = if wall & HAS_MONOTONIC != 0 {
        TO_1885 + (wall << 1 >> (NANO_BITS + 1)) as i64
    } else {
        ext
    };
    match since_year_1.checked_sub(TO_1970) {
        Some(seconds) if nanos < 1_000_000_000 => Value::Time { seconds, nanos },
        _ => Value::Missing(Missing::Implausible(Implausible::Time { wall, ext })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(wall: u64, ext: i64) -> Value {
        structure(
            "time.Time",
            vec![
                ("wall".into(), Value::Uint(wall)),
                ("ext".into(), Value::Int(ext)),
            ],
            1,
        )
    }

    #[test]
    fn moments_with_and_without_a_monotonic_reading() {
        // 2021-02-03T04:05:06.000000007Z
        let seconds = 1_612_325_106;
        let expected = Value::Time { seconds, nanos: 7 };
        assert_eq!(time(7, seconds + TO_1970), expected);
        let packed = (seconds + TO_1970 - TO_1885) as u64;
        assert_eq!(time(HAS_MONOTONIC | packed << 30 | 7, 12345), expected);
    }

    #[test]
    fn the_zero_time_is_the_year_1() {
        let zero = Value::Time {
            seconds: -TO_1970,
            nanos: 0,
        };
        assert_eq!(time(0, 0), zero);
    }

    #[test]
    fn nanoseconds_that_no_time_has_are_not_shown() {
        assert!(matches!(time((1 << 30) - 1, 0), Value::Missing(_)));
    }
}

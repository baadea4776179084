//! Wall-clock times, with the zone of this machine.

use crate::session::Clock;

/// Wall clock with zone at a monotonic time in ns, e.g. `12:01:02.123456+01:00`.
pub fn time(clock: &Clock, monotonic: u64) -> String {
    format("%H:%M:%S.%6f%:z", clock, monotonic)
}

/// RFC 3339.
pub fn date_time(clock: &Clock, monotonic: u64) -> String {
    format("%Y-%m-%dT%H:%M:%S.%6f%:z", clock, monotonic)
}

fn format(form: &str, clock: &Clock, monotonic: u64) -> String {
    jiff::Timestamp::from_nanosecond(clock.wall(monotonic)).map_or_else(
        |_| "?".to_owned(),
        |stamp| {
            let zoned = stamp.to_zoned(jiff::tz::TimeZone::system());
            zoned.strftime(form).to_string()
        },
    )
}

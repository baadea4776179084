//! Whether wall-clock times are still true: they are made of CLOCK_MONOTONIC and one look at both
//! clocks, and the two may part.

use rustix::time::{ClockId, clock_gettime};

/// What the two clocks must part by to be told, ns. Adjusting a clock moves it by far less.
const TOLD: i128 = 1_000_000_000;

/// All clocks at one moment, ns.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: i128,
    monotonic: i128,
    /// CLOCK_BOOTTIME goes on while the machine is suspended.
    boot: i128,
}

/// By how much wall-clock times are wrong from now on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The wall clock is ahead of the times that are shown by so much, ns; negative: behind.
    pub ahead: i64,
    /// For so long of it the machine was suspended, ns.
    pub suspended: u64,
}

/// Looks at the clocks again and again.
#[derive(Debug)]
pub(super) struct Clocks(Reading);

impl Clocks {
    /// The clocks as they are now.
    pub(super) fn now() -> Self {
        Self(Reading::now())
    }

    /// A jump since it was last told, once.
    pub(super) fn look(&mut self) -> Option<Jump> {
        let now = Reading::now();
        let jump = jump(self.0, now)?;
        self.0 = now;
        Some(jump)
    }
}

impl Reading {
    fn now() -> Self {
        let read = |id| {
            let time = clock_gettime(id);
            i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
        };
        let before = read(ClockId::Monotonic);
        let (wall, boot) = (read(ClockId::Realtime), read(ClockId::Boottime));
        // whoever is kept waiting between two looks must not take that for a jump
        let after = read(ClockId::Monotonic);
        Self {
            wall,
            monotonic: before + (after - before) / 2,
            boot,
        }
    }
}

/// What moved the wall clock, if more than time did.
fn jump(before: Reading, now: Reading) -> Option<Jump> {
    let passed = now.monotonic - before.monotonic;
    let ahead = now.wall - before.wall - passed;
    let suspended = (now.boot - before.boot - passed).max(0);
    (ahead.abs() > TOLD || suspended > TOLD).then(|| Jump {
        ahead: i64::try_from(ahead).unwrap_or(i64::MAX),
        suspended: u64::try_from(suspended).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    fn at(wall: i128, monotonic: i128, boot: i128) -> Reading {
        Reading {
            wall: wall * SECOND,
            monotonic: monotonic * SECOND,
            boot: boot * SECOND,
        }
    }

    #[test]
    fn what_moves_the_wall_clock() {
        let before = at(1000, 10, 20);
        let told = |now| jump(before, now).map(|j| (j.ahead, j.suspended));
        let s = |seconds: i64| seconds * 1_000_000_000;
        assert_eq!(told(at(1060, 70, 80)), None, "a minute passed");
        assert_eq!(told(at(1361, 71, 381)), Some((s(300), s(300) as u64)));
        assert_eq!(told(at(1000 + 3700, 110, 120)), Some((s(3600), 0)));
        assert_eq!(told(at(990, 20, 30)), Some((s(-20), 0)));
        // suspended, and the clock was set back by as much: times are right
        assert_eq!(told(at(1010, 20, 330)), Some((0, s(300) as u64)));
        assert_eq!(told(at(1001, 10, 20)), None, "a second is not told");
    }

    #[test]
    fn an_ordinary_moment_is_no_jump() {
        let mut clocks = Clocks::now();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(clocks.look(), None);
    }
}

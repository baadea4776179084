//! What of the ledger deserves a warning. Every threshold says why it is there; without evidence
//! nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use super::rhythm::Series;
use super::{Open, Run};
use crate::moby::endpoints::{DISK_USAGE, LIST};
use crate::provenance::bool_value;

/// Requests of a series before it says anything: four intervals alike are a rhythm, and a person
/// who repeats a command does not keep one.
pub const ENOUGH: u64 = 5;
/// Longest interval of a poll, ns: what asks once a minute or less often costs a daemon little.
const LONGEST: u64 = 60_000_000_000;
/// Least share of the list time, percent: below, the daemon's time goes elsewhere.
const SHARE: u64 = 10;
/// Requests per second of one kind from which on they are too many: nobody reads a display that
/// changes more often, and `/events` tells of changes without being asked.
const FLOOD: u64 = 5;
/// Least length of a flood, ns: a client may start with a burst.
const FLOOD_LASTS: u64 = 3_000_000_000;

/// What the user sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// In flight for long, ns (`--slow`).
    pub slow: u64,
}

/// A request that one process sends again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    pub endpoint: String,
    /// Raw, still encoded.
    pub query: String,
    pub pid: u32,
    /// `None`: the process had ended.
    pub comm: Option<String>,
}

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// One process asks for sizes in a rhythm, and much of the list time goes there.
    SizePoll {
        what: Repeated,
        interval: u64,
        percent: u64,
    },
    /// One process sends the same request many times a second.
    Flood {
        what: Repeated,
        count: u64,
        lasted: u64,
    },
    /// Every one of a process' requests of this kind failed.
    Failing {
        what: Repeated,
        count: u64,
        statuses: Vec<i64>,
    },
    /// Open requests wait for an execution that another one started.
    Waiting {
        waiters: u64,
        endpoint: String,
        request: u32,
        ns: u64,
    },
    /// The same, when it is over.
    Waited {
        waiters: u64,
        endpoint: String,
        request: u32,
        ns: u64,
    },
}

/// What a series says, if anything; `share`: percent of the list time, if there was any.
pub fn repeated(what: Repeated, series: &Series, share: Option<u64>) -> Option<Lint> {
    if series.count < ENOUGH {
        return None;
    }
    if series.failed.values().sum::<u64>() == series.count {
        return Some(Lint::Failing {
            what,
            count: series.count,
            statuses: series.failed.keys().copied().collect(),
        });
    }
    if let (Some(interval), Some(percent)) = (rhythm(series), share)
        && asks_for_sizes(&what)
        && interval <= LONGEST
        && percent >= SHARE
    {
        return Some(Lint::SizePoll {
            what,
            interval,
            percent,
        });
    }
    let lasted = series.last.saturating_sub(series.first);
    let often =
        u128::from(series.count - 1) * 1_000_000_000 >= u128::from(FLOOD) * u128::from(lasted);
    (what.endpoint.starts_with("GET ") && lasted >= FLOOD_LASTS && often).then_some(Lint::Flood {
        what,
        count: series.count,
        lasted,
    })
}

/// The usual interval, if four of five are within a half of it: timers are late on a busy machine,
/// people are not that regular.
fn rhythm(series: &Series) -> Option<u64> {
    let (low, middle, high) = (
        series.intervals.percentile(10)?,
        series.intervals.percentile(50)?,
        series.intervals.percentile(90)?,
    );
    (low >= middle / 2 && high <= middle.saturating_add(middle / 2) && middle > 0).then_some(middle)
}

/// Sizes are found by walking the layers of every container: a list with `size`, and disk usage.
fn asks_for_sizes(what: &Repeated) -> bool {
    match what.endpoint.as_str() {
        DISK_USAGE => true,
        LIST => size_of(&what.query).is_some(),
        _ => false,
    }
}

/// The parameter as it stands in the query, `size=1`, if moby takes its value for true.
pub fn size_of(query: &str) -> Option<&str> {
    query
        .split('&')
        .find(|parameter| parameter.strip_prefix("size=").is_some_and(bool_value))
}

/// Open requests that wait for an execution which has been running for long.
pub fn waiting(open: &BTreeMap<u32, Open>, now: u64, thresholds: &Thresholds) -> Vec<Lint> {
    let mut runs: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for request in open.values() {
        if let Some(run) = request.waits_for {
            runs.entry(run).or_default().insert(request.id);
        }
    }
    runs.into_iter()
        .filter_map(|(run, waiters)| {
            let runner = open.get(&run)?;
            let ns = now.saturating_sub(runner.start);
            (ns >= thresholds.slow).then(|| Lint::Waiting {
                waiters: waiters.len() as u64,
                endpoint: runner.endpoint.clone(),
                request: run,
                ns,
            })
        })
        .collect()
}

/// Executions that others waited for, and that took long.
pub fn waited(runs: &[Run], thresholds: &Thresholds) -> Vec<Lint> {
    runs.iter()
        .filter(|run| run.ns >= thresholds.slow)
        .map(|run| Lint::Waited {
            waiters: run.waiters.len() as u64,
            endpoint: run.endpoint.clone(),
            request: run.request,
            ns: run.ns,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn what(endpoint: &str, query: &str) -> Repeated {
        Repeated {
            endpoint: endpoint.into(),
            query: query.into(),
            pid: 812,
            comm: Some("netdata".into()),
        }
    }

    fn series(intervals: &[u64]) -> Series {
        let mut series = Series {
            count: intervals.len() as u64 + 1,
            last: intervals.iter().sum(),
            ..Series::default()
        };
        for interval in intervals {
            series.intervals.add(*interval);
        }
        series
    }

    #[test]
    fn a_poll_for_sizes_is_found() {
        let list = || what("GET /containers/json", "all=1&size=1");
        let every = |ns: u64| series(&[ns, ns + ns / 10, ns, ns - ns / 10]);
        let found = repeated(list(), &every(SECOND), Some(93));
        assert_eq!(
            found,
            Some(Lint::SizePoll {
                what: list(),
                interval: SECOND,
                percent: 93
            })
        );
        let disk_usage = what("GET /system/df", "");
        assert!(repeated(disk_usage, &every(SECOND), Some(50)).is_some());
        // too few, too rare, too cheap, no sizes, no rhythm, nothing known about the time
        assert_eq!(repeated(list(), &series(&[SECOND; 3]), Some(93)), None);
        assert_eq!(repeated(list(), &every(90 * SECOND), Some(93)), None);
        assert_eq!(repeated(list(), &every(SECOND), Some(9)), None);
        let plain = what("GET /containers/json", "all=1&size=0");
        assert_eq!(repeated(plain, &every(SECOND), Some(93)), None);
        let uneven = series(&[SECOND, 5 * SECOND, SECOND / 3, 2 * SECOND]);
        assert_eq!(repeated(list(), &uneven, Some(93)), None);
        assert_eq!(repeated(list(), &every(SECOND), None), None);
    }

    #[test]
    fn a_flood_is_found() {
        let info = || what("GET /info", "");
        let found = repeated(info(), &series(&[SECOND / 10; 40]), None);
        assert_eq!(
            found,
            Some(Lint::Flood {
                what: info(),
                count: 41,
                lasted: 4 * SECOND
            })
        );
        // a burst, an ordinary pace, something that changes the daemon
        assert_eq!(repeated(info(), &series(&[SECOND / 100; 40]), None), None);
        assert_eq!(repeated(info(), &series(&[SECOND; 40]), None), None);
        let start = what("POST /containers/{id}/start", "");
        assert_eq!(repeated(start, &series(&[SECOND / 10; 40]), None), None);
    }

    #[test]
    fn a_client_that_only_fails_is_found() {
        let inspect = || what("GET /containers/{id}/json", "");
        let mut failing = series(&[SECOND, 3 * SECOND, SECOND, SECOND]);
        failing.failed = BTreeMap::from([(404, 4), (500, 1)]);
        assert_eq!(
            repeated(inspect(), &failing, None),
            Some(Lint::Failing {
                what: inspect(),
                count: 5,
                statuses: vec![404, 500]
            })
        );
        failing.failed = BTreeMap::from([(404, 4)]);
        assert_eq!(repeated(inspect(), &failing, None), None);
    }

    #[test]
    fn sizes_as_moby_reads_them() {
        assert_eq!(size_of("all=1&size=1"), Some("size=1"));
        assert_eq!(size_of("size=True"), Some("size=True"));
        assert_eq!(size_of("size=false"), None);
        assert_eq!(size_of("size=&all=1"), None);
        assert_eq!(size_of("oversize=1"), None);
        assert_eq!(size_of(""), None);
    }
}

//! Who asks the same again and again.

use std::collections::{BTreeMap, HashMap};

use super::lint::{Lint, Repeated};
use super::{Durations, rows};
use crate::correlate::{ProcessName, Request};

/// Series kept; beyond, those that came to nothing are forgotten.
const MOST: usize = 4096;
/// How long a series that has not come far may wait for its next request, ns.
const MEMORY: u64 = 60_000_000_000;
/// Longest query kept, bytes.
const MOST_QUERY: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    pid: u32,
    comm: ProcessName,
    endpoint: String,
    query: String,
}

/// The same request of one process.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub count: u64,
    /// Starts of the first and the last one, ns.
    pub first: u64,
    pub last: u64,
    /// From start to start.
    pub intervals: Durations,
    /// Time that they took in all, ns.
    pub ns: u64,
    /// Failed ones by status.
    pub failed: BTreeMap<i64, u64>,
}

/// All series.
#[derive(Debug, Default)]
pub struct Rhythms {
    series: HashMap<Key, Series>,
    /// Requests that are in no series: there was no room, their query was too long, or their series
    /// was forgotten.
    pub left_out: u64,
}

impl Rhythms {
    /// A request that is over. Without a known client there is no series.
    pub fn add(&mut self, endpoint: &str, request: &Request) {
        let Ok(client) = &request.client else {
            return;
        };
        // what was not captured whole, or is no text, is not the same request for certain
        let Some(query) = request.query.whole_str() else {
            return;
        };
        if query.len() > MOST_QUERY {
            self.left_out += 1;
            return;
        }
        let key = Key {
            pid: client.pid,
            comm: client.comm.clone(),
            endpoint: endpoint.to_owned(),
            query: query.to_owned(),
        };
        if self.series.len() >= MOST && !self.series.contains_key(&key) {
            let now = request.start;
            let left_out = &mut self.left_out;
            self.series.retain(|_, s| {
                let stays = s.count >= super::lint::ENOUGH || s.last.saturating_add(MEMORY) > now;
                *left_out += if stays { 0 } else { s.count };
                stays
            });
            if self.series.len() >= MOST {
                self.left_out += 1;
                return;
            }
        }
        let series = self.series.entry(key).or_default();
        if series.count == 0 {
            series.first = request.start;
        } else {
            series.intervals.add(request.start.abs_diff(series.last));
        }
        series.last = series.last.max(request.start);
        series.first = series.first.min(request.start);
        series.count += 1;
        if let Some(end) = request.end {
            series.ns = series.ns.saturating_add(end.saturating_sub(request.start));
        }
        if let Some(status) = request.status.filter(|s| *s >= 400) {
            *series.failed.entry(status).or_default() += 1;
        }
    }

    /// `list_ns`: time of all requests that list containers.
    pub fn lints(&self, list_ns: u64) -> Vec<Lint> {
        let mut all: Vec<(&Key, &Series)> = self.series.iter().collect();
        all.sort_by(|(a, x), (b, y)| {
            let by = |k: &Key| (k.pid, k.endpoint.clone(), k.query.clone());
            y.ns.cmp(&x.ns).then_with(|| by(a).cmp(&by(b)))
        });
        all.into_iter()
            .filter_map(|(key, series)| {
                let repeated = Repeated {
                    endpoint: key.endpoint.clone(),
                    query: key.query.clone(),
                    pid: key.pid,
                    comm: key.comm.known().map(str::to_owned),
                };
                let share = (list_ns > 0).then(|| rows::percent(series.ns, list_ns));
                super::lint::repeated(repeated, series, share)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::{Client, examples};

    fn request(pid: u32, start: u64, query: &str) -> Request {
        Request {
            start,
            client: Ok(Client {
                pid,
                uid: Some(0),
                comm: ProcessName::Ended,
                ancestors: Ok(Vec::new()),
                container: Ok(None),
            }),
            ..examples::request("GET", "/info", query)
        }
    }

    #[test]
    fn requests_in_no_series_are_counted() {
        let mut rhythms = Rhythms::default();
        let long = "x".repeat(MOST_QUERY + 1);
        rhythms.add("GET /info", &request(1, 0, &long));
        assert_eq!(rhythms.left_out, 1, "too long a query");
        for pid in 0..=MOST as u32 {
            rhythms.add("GET /info", &request(pid, 0, ""));
        }
        assert_eq!(
            (rhythms.series.len(), rhythms.left_out),
            (MOST, 2),
            "no room"
        );
        rhythms.add("GET /info", &request(9999, MEMORY + 1, ""));
        let forgotten = MOST as u64;
        assert_eq!((rhythms.series.len(), rhythms.left_out), (1, 2 + forgotten));
    }
}

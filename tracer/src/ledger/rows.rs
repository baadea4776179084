//! Rows: what the requests of one endpoint and one kind of client add up to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Durations, Open};
use crate::correlate::{CallState, ProcessName, Request};
use crate::decode::Missing;
use crate::moby::endpoints::CONTAINER_LISTS;

/// Rows, at most; a client that names itself anew for every request could make any number.
const MOST_ROWS: usize = 512;
/// Process ids kept of one row.
const MOST_PIDS: usize = 1024;
/// Characters of a User-Agent kept.
const MOST_AGENT: usize = 64;
/// Status codes from here on are errors.
const ERROR: i64 = 400;

/// Who asks: processes of one name, user and container are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientKey {
    Process {
        comm: ProcessName,
        uid: Option<u32>,
        container: Container,
    },
    /// Its process is not known: what it calls itself, and whether that goes on behind the
    /// characters kept. Those that go on differently are not told apart.
    Agent {
        name: String,
        more: bool,
    },
    Unknown,
}

/// Where a client lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Container {
    /// In the container of this id.
    In(String),
    None,
    Unknown,
}

impl Container {
    fn of(known: &Result<Option<String>, Missing>) -> Self {
        match known {
            Ok(Some(id)) => Self::In(id.clone()),
            Ok(None) => Self::None,
            Err(_) => Self::Unknown,
        }
    }
}

impl ClientKey {
    #[must_use]
    pub fn of(request: &Request) -> Self {
        match (&request.client, &request.user_agent) {
            (Ok(client), _) => Self::Process {
                comm: client.comm.clone(),
                uid: client.uid,
                container: Container::of(&client.container),
            },
            (Err(_), Some(agent)) if agent.true_len().is_some() => {
                let captured = agent.captured_str();
                let name: String = captured.chars().take(MOST_AGENT).collect();
                Self::Agent {
                    more: agent.whole().is_none() || name.len() < captured.len(),
                    name,
                }
            }
            (Err(_), _) => Self::Unknown,
        }
    }
}

/// Process ids of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pids {
    known: BTreeSet<u32>,
    /// There were more than are kept.
    more: bool,
}

impl Pids {
    fn add(&mut self, pid: u32) {
        if self.known.len() < MOST_PIDS {
            self.known.insert(pid);
        } else if !self.known.contains(&pid) {
            self.more = true;
        }
    }

    /// `pid 812`, `3 pids`; `None`: none is known.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match (self.known.len(), self.known.first()) {
            (0, _) | (_, None) => None,
            (1, Some(only)) if !self.more => Some(format!("pid {only}")),
            (n, _) if self.more => Some(format!("over {n} pids")),
            (n, _) => Some(format!("{n} pids")),
        }
    }
}

/// How many containers list calls returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Containers {
    pub least: u64,
    pub most: u64,
}

/// Share of the time that goes into layer sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// No function that finds out layer sizes is traced.
    NotTraced,
    /// None was called, or nothing took time.
    None,
    Share {
        percent: u64,
        /// The end of some calls is not known.
        at_least: bool,
    },
}

/// One endpoint and client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub endpoint: String,
    pub client: ClientKey,
    pub pids: Pids,
    /// Requests that are over.
    pub calls: u64,
    pub open: u64,
    pub errors: u64,
    /// Requests whose end is not known, or that a panic ended: in `calls`, but without time and
    /// status.
    pub untimed: u64,
    pub durations: Durations,
    pub containers: Option<Containers>,
    pub layers: Layers,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    pids: Pids,
    calls: u64,
    open: u64,
    errors: u64,
    untimed: u64,
    durations: Durations,
    containers: Option<Containers>,
    /// Of requests that did their work themselves: all their time, and that in layer sizes.
    own_ns: u64,
    layer_ns: u64,
    layer_calls: u64,
    layers_traced: bool,
    layers_partial: bool,
    /// Time of all requests.
    ns: u64,
}

/// All rows.
#[derive(Debug, Default)]
pub struct Rows {
    all: BTreeMap<(String, ClientKey), Sums>,
    /// Requests for which there was no row any more.
    pub beyond: u64,
}

impl Rows {
    /// A request that is over. `containers`: what its list call returned; `sharer`: another request
    /// did its work.
    pub fn add(
        &mut self,
        endpoint: String,
        request: &Request,
        containers: Option<u64>,
        sharer: bool,
    ) {
        let key = (endpoint, ClientKey::of(request));
        if self.all.len() >= MOST_ROWS && !self.all.contains_key(&key) {
            self.beyond += 1;
            return;
        }
        let sums = self.all.entry(key).or_default();
        sums.calls += 1;
        if let Ok(client) = &request.client {
            sums.pids.add(client.pid);
        }
        // a client whose request ends with its handler's panic gets no answer
        let broken = matches!(request.state, CallState::Panicked | CallState::Exited);
        sums.errors += u64::from(broken || request.status.is_some_and(|s| s >= ERROR));
        if let Some(count) = containers {
            let known = sums.containers.get_or_insert(Containers {
                least: count,
                most: count,
            });
            known.least = known.least.min(count);
            known.most = known.most.max(count);
        }
        let Some(end) = request.end else {
            sums.untimed += 1;
            return;
        };
        let took = end.saturating_sub(request.start);
        sums.durations.add(took);
        sums.ns = sums.ns.saturating_add(took);
        if let Some(layers) = request.layers {
            sums.layers_traced = true;
            if !sharer {
                sums.own_ns = sums.own_ns.saturating_add(took);
                sums.layer_ns = sums.layer_ns.saturating_add(layers.covered.min(took));
                sums.layer_calls += layers.calls;
                sums.layers_partial |= layers.partial;
            }
        }
    }

    /// Time of all requests that list containers, ns.
    pub fn list_time(&self) -> u64 {
        self.all
            .iter()
            .filter(|((endpoint, _), _)| CONTAINER_LISTS.contains(&endpoint.as_str()))
            .map(|(_, sums)| sums.ns)
            .fold(0, u64::saturating_add)
    }

    /// Rows with the requests that are open now.
    pub fn all<'o>(&self, open: impl Iterator<Item = &'o Open>) -> Vec<Row> {
        let mut all = self.all.clone();
        for request in open {
            let key = (request.endpoint.clone(), request.client.clone());
            // open requests are listed one by one as well
            if all.len() >= MOST_ROWS && !all.contains_key(&key) {
                continue;
            }
            let sums = all.entry(key).or_default();
            sums.open += 1;
            if let Some(pid) = request.pid {
                sums.pids.add(pid);
            }
            sums.layers_traced |= request.layers;
        }
        let rows = all.into_iter();
        rows.map(|((endpoint, client), sums)| row(endpoint, client, sums))
            .collect()
    }
}

fn row(endpoint: String, client: ClientKey, sums: Sums) -> Row {
    let layers = match (sums.layers_traced, sums.layer_calls, sums.own_ns) {
        (false, _, _) => Layers::NotTraced,
        (true, 0, _) | (true, _, 0) => Layers::None,
        (true, _, own) => Layers::Share {
            percent: percent(sums.layer_ns, own),
            at_least: sums.layers_partial,
        },
    };
    Row {
        endpoint,
        client,
        pids: sums.pids,
        calls: sums.calls,
        open: sums.open,
        errors: sums.errors,
        untimed: sums.untimed,
        durations: sums.durations,
        containers: sums.containers,
        layers,
    }
}

/// Rounded to the nearest, of `whole` > 0.
pub fn percent(part: u64, whole: u64) -> u64 {
    let rounded = (u128::from(part) * 200 / u128::from(whole.max(1))).div_ceil(2);
    u64::try_from(rounded).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::examples;
    use crate::decode::Text;

    #[test]
    fn user_agents_that_go_on_are_marked() {
        let key = |agent: &str| {
            ClientKey::of(&Request {
                user_agent: Some(Text::from(agent)),
                ..examples::request("GET", "/info", "")
            })
        };
        let of = |name: &str, more| ClientKey::Agent {
            name: name.into(),
            more,
        };
        let (fits, first) = (
            "a".repeat(MOST_AGENT),
            format!("{}b", "a".repeat(MOST_AGENT)),
        );
        assert_eq!(key("curl/8"), of("curl/8", false));
        assert_eq!(key(&fits), of(&fits, false));
        assert_eq!(key(&first), of(&fits, true));
    }

    #[test]
    fn percents_are_rounded() {
        assert_eq!(percent(1, 3), 33);
        assert_eq!(percent(2, 3), 67);
        assert_eq!(percent(1, 200), 1);
        assert_eq!(percent(0, 5), 0);
        assert_eq!(percent(7, 5), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }
}

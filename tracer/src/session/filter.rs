//! What of a trace is wanted: one value, the same for live sessions and recordings and for every
//! form of output.
//!
//! Everything that is asked for must hold. What cannot be known of a request (who sent it, how it
//! was answered) does not hold, and is counted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::once::Once;
use super::root::{self, Part, holds as route_holds};
use crate::correlate::{CallState, Request, Trace};
use crate::plan::Plan;

/// Hexadecimal digits that a container is named by, at least. Fewer may be anything.
const LEAST_ID: usize = 12;
/// Different answers, routes and clients of which is said that they were there.
const MOST_THERE: usize = 64;

/// What is wanted. The default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Requests whose route holds this, or that reached a function of this name, and what no
    /// request owns if such a function is in it.
    pub root: Option<String>,
    /// Requests whose route (method, path and query) holds this.
    pub route: Option<String>,
    /// Requests of this client.
    pub client: Option<Client>,
    /// Requests with such an answer.
    pub status: Option<Status>,
    /// Requests that were answered 400 or more, or whose handler panicked.
    pub failed: bool,
    /// Requests that took longer than so many ns, or have been open for longer.
    pub slower_than: Option<u64>,
}

/// A client as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// A number: its process id.
    Pid(u32),
    /// Anything else: the name of its process, part of its User-Agent, or, if it is at least
    /// twelve hexadecimal digits, the beginning of the id of the container it lives in.
    Text(String),
}

impl From<&str> for Client {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(pid) => Self::Pid(pid),
            Err(_) => Self::Text(text.to_owned()),
        }
    }
}

/// An answer as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `404`
    Exactly(i64),
    /// `4xx`: the first digit.
    Class(i64),
}

impl FromStr for Status {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an HTTP status like 404, or a class like 4xx";
        match text.as_bytes() {
            [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                Ok(Self::Class(i64::from(class - b'0')))
            }
            [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => {
                text.parse().map(Self::Exactly).map_err(|_| EXPECTED)
            }
            _ => Err(EXPECTED),
        }
    }
}

/// Whether something holds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// What it depends on is not known.
    Untold,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Filter {
    /// Whether anything is asked of requests beside `root`.
    fn asks_requests(&self) -> bool {
        let Self {
            root: _,
            route,
            client,
            status,
            failed,
            slower_than,
        } = self;
        route.is_some() || client.is_some() || status.is_some() || *failed || slower_than.is_some()
    }

    /// What `root` alone wants.
    fn base(&self, plan: &Plan, trace: &Trace) -> Part {
        match &self.root {
            Some(root) => root::reached(plan, trace, root),
            None => Part::all(trace),
        }
    }

    /// `until`: how long what is open has lasted at least, monotonic ns.
    fn holds(&self, request: &Request, until: u64) -> Holds {
        let route = self.route.as_deref().map(|wanted| route(request, wanted));
        let client = self.client.as_ref().map(|wanted| client(request, wanted));
        let status = self.status.map(|wanted| status(request, wanted));
        let failed = self.failed.then(|| failed(request));
        let slow = self.slower_than.map(|than| slower(request, than, until));
        let all = [route, client, status, failed, slow];
        let any = |what| all.contains(&Some(what));
        match (any(Holds::No), any(Holds::Untold)) {
            (true, _) => Holds::No,
            (false, true) => Holds::Untold,
            (false, false) => Holds::Yes,
        }
    }
}

fn route(request: &Request, wanted: &str) -> Holds {
    let whole = [&request.method, &request.path, &request.query]
        .iter()
        .all(|part| part.whole().is_some());
    match (route_holds(request, wanted), whole) {
        (true, _) => Holds::Yes,
        (false, true) => Holds::No,
        (false, false) => Holds::Untold,
    }
}

fn client(request: &Request, wanted: &Client) -> Holds {
    let sender = request.client.as_ref().ok();
    let text = match wanted {
        Client::Pid(pid) => {
            return sender.map_or(Holds::Untold, |sender| Holds::from(sender.pid == *pid));
        }
        Client::Text(text) => text,
    };
    let name = match sender.and_then(|sender| sender.comm.known()) {
        Some(name) => Holds::from(name == text),
        None => Holds::Untold,
    };
    let agent = match &request.user_agent {
        None => Holds::No,
        Some(agent) if agent.holds(text) => Holds::Yes,
        Some(agent) if agent.whole().is_some() => Holds::No,
        Some(_) => Holds::Untold,
    };
    let is_id = text.len() >= LEAST_ID && text.bytes().all(|b| b.is_ascii_hexdigit());
    let container = match sender.map(|sender| sender.container.as_ref()) {
        _ if !is_id => Holds::No,
        Some(Ok(Some(id))) => Holds::from(id.starts_with(&text.to_ascii_lowercase())),
        Some(Ok(None)) => Holds::No,
        Some(Err(_)) | None => Holds::Untold,
    };
    either(&[name, agent, container])
}

/// Whether one of several holds.
fn either(of: &[Holds]) -> Holds {
    [Holds::Yes, Holds::Untold]
        .into_iter()
        .find(|holds| of.contains(holds))
        .unwrap_or(Holds::No)
}

/// The answer, if the HTTP server gave one and it is known.
fn answer(request: &Request) -> Option<i64> {
    // a handler that took the connection over answers itself
    let hijacked = request.hijacked == Some(true);
    request.status.filter(|_| !hijacked)
}

fn status(request: &Request, wanted: Status) -> Holds {
    match (answer(request), wanted) {
        (Some(status), Status::Exactly(wanted)) => Holds::from(status == wanted),
        (Some(status), Status::Class(class)) => Holds::from(status / 100 == class),
        (None, _) if request.state == CallState::Panicked => Holds::No,
        (None, _) => Holds::Untold,
    }
}

fn failed(request: &Request) -> Holds {
    match answer(request) {
        Some(status) => Holds::from(status >= 400),
        None if request.state == CallState::Panicked => Holds::Yes,
        None => Holds::Untold,
    }
}

fn slower(request: &Request, than: u64, until: u64) -> Holds {
    let took = |end: u64| end.saturating_sub(request.start) > than;
    match (request.end, request.state) {
        (Some(end), _) => Holds::from(took(end)),
        (None, CallState::InFlight) if took(until) => Holds::Yes,
        (None, _) => Holds::Untold,
    }
}

/// What was wanted, what came, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    pub filter: Filter,
    matched: u64,
    /// Requests of which it cannot be told.
    pub untold: u64,
    /// Calls in what was selected.
    pub calls: u64,
    /// Answers, routes and clients that were there, as far as they were asked for.
    pub there: BTreeMap<Asked, BTreeMap<String, u64>>,
    counted: Once,
}

/// What a filter asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    Route,
    Client,
    Status,
}

impl Selected {
    /// Nothing yet.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Whether anything was there that was asked for.
    #[must_use]
    pub fn any(&self) -> bool {
        self.matched().unwrap_or(self.calls) > 0
    }

    /// Requests that everything asked for holds of, if anything was asked of requests.
    #[must_use]
    pub fn matched(&self) -> Option<u64> {
        self.filter.asks_requests().then_some(self.matched)
    }

    /// The part of a batch that is wanted, counted.
    pub fn of<'t>(&mut self, plan: &Plan, trace: &'t Trace) -> Cow<'t, Trace> {
        if self.filter.asks_requests() {
            for index in self.filter.base(plan, trace).requests {
                if let Some(request) = trace.requests.get(index) {
                    self.count(request, trace.until);
                }
            }
        }
        let selected = self.part(plan, trace);
        self.calls = self.calls.saturating_add(selected.calls.len() as u64);
        selected
    }

    /// The same, not counted: of what comes again.
    #[must_use]
    pub fn part<'t>(&self, plan: &Plan, trace: &'t Trace) -> Cow<'t, Trace> {
        let filter = &self.filter;
        if filter.root.is_none() && !filter.asks_requests() {
            return Cow::Borrowed(trace);
        }
        let mut part = filter.base(plan, trace);
        if filter.asks_requests() {
            part.internal.clear();
            part.requests.retain(|index| {
                let request = trace.requests.get(*index);
                request.is_some_and(|r| filter.holds(r, trace.until) == Holds::Yes)
            });
        }
        Cow::Owned(part.of(trace))
    }

    fn count(&mut self, request: &Request, until: u64) {
        if !self.counted.is_new(request.id) {
            return;
        }
        match self.filter.holds(request, until) {
            Holds::Yes => self.matched += 1,
            Holds::Untold => self.untold += 1,
            Holds::No => {}
        }
        if self.filter.route.is_some() {
            self.was_there(Asked::Route, format!("{} {}", request.method, request.path));
        }
        if self.filter.client.is_some() {
            let name = request.client.as_ref().ok().and_then(|c| c.comm.known());
            let name = name.map(str::to_owned);
            let agent = || request.user_agent.as_ref().map(ToString::to_string);
            if let Some(client) = name.or_else(agent) {
                self.was_there(Asked::Client, client);
            }
        }
        if let (Some(status), true) = (answer(request), self.filter.status.is_some()) {
            self.was_there(Asked::Status, status.to_string());
        }
    }

    fn was_there(&mut self, asked: Asked, what: String) {
        let there = self.there.entry(asked).or_default();
        if there.len() < MOST_THERE || there.contains_key(&what) {
            *there.entry(what).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::{Client as Sender, Link, Owner, ProcessName, examples};
    use crate::decode::{Missing, NoClient, Text};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn sender() -> Sender {
        Sender {
            pid: 4711,
            uid: Some(0),
            comm: ProcessName::Known("docker".into()),
            ancestors: Ok(vec![4711, 12]),
            container: Ok(Some(ID.into())),
        }
    }

    /// `GET /v1.41/info?x=1` of `docker`, answered 200 after 50 ns.
    fn info() -> Request {
        Request {
            start: 100,
            end: Some(150),
            status: Some(200),
            state: CallState::Returned,
            hijacked: Some(false),
            user_agent: Some("Docker-Client/20.10".into()),
            client: Ok(sender()),
            ..examples::request("GET", "/v1.41/info", "x=1")
        }
    }

    fn check(name: &str, filter: Filter, request: Request, expected: Holds) {
        assert_eq!(filter.holds(&request, 1000), expected, "{name}");
    }

    #[test]
    fn routes() {
        let of = |route: &str| Filter {
            route: Some(route.into()),
            ..Filter::default()
        };
        check("path", of("/info"), info(), Holds::Yes);
        check("method and path", of("GET /v1"), info(), Holds::Yes);
        check("query", of("info?x"), info(), Holds::Yes);
        check("another", of("/images"), info(), Holds::No);
        let cut = Request {
            query: Text::Missing(Missing::Lost),
            ..info()
        };
        check("lost query", of("y=1"), cut.clone(), Holds::Untold);
        check("enough is there", of("/info"), cut, Holds::Yes);
    }

    #[test]
    fn clients() {
        let of = |client: &str| Filter {
            client: Some(client.into()),
            ..Filter::default()
        };
        check("pid", of("4711"), info(), Holds::Yes);
        check("an ancestor is not the client", of("12"), info(), Holds::No);
        check("name", of("docker"), info(), Holds::Yes);
        check("a part of the name", of("dock"), info(), Holds::No);
        check("User-Agent", of("Client/20"), info(), Holds::Yes);
        check("container", of(&ID[..12]), info(), Holds::Yes);
        check("too short", of("abcdef"), info(), Holds::No);
        check("another container", of("abcdef012345"), info(), Holds::No);
        let unknown = |agent: Option<Text>| Request {
            client: Err(Missing::Client(NoClient::NoConnection)),
            user_agent: agent,
            ..info()
        };
        let agent = || Some(Text::from("curl/8"));
        check(
            "no process, pid",
            of("4711"),
            unknown(agent()),
            Holds::Untold,
        );
        check(
            "no process, name",
            of("docker"),
            unknown(agent()),
            Holds::Untold,
        );
        check("its agent does", of("curl"), unknown(agent()), Holds::Yes);
        let lost = Some(Text::Missing(Missing::Lost));
        check(
            "nothing known",
            of("curl"),
            unknown(lost.clone()),
            Holds::Untold,
        );
        let named = Request {
            user_agent: lost,
            ..info()
        };
        check("the name does", of("docker"), named.clone(), Holds::Yes);
        check("the agent may be", of("curl"), named, Holds::Untold);
        let ended = Request {
            client: Ok(Sender {
                comm: ProcessName::Ended,
                ..sender()
            }),
            user_agent: None,
            ..info()
        };
        check("it ended", of("docker"), ended.clone(), Holds::Untold);
        check("its pid is known", of("4711"), ended, Holds::Yes);
    }

    #[test]
    fn answers() {
        let of = |status: &str| Filter {
            status: Some(status.parse().expect("status")),
            ..Filter::default()
        };
        let failed = || Filter {
            failed: true,
            ..Filter::default()
        };
        let answered = |status, state, hijacked| Request {
            status,
            state,
            hijacked,
            ..info()
        };
        let done = |status| answered(Some(status), CallState::Returned, Some(false));
        check("200", of("200"), done(200), Holds::Yes);
        check("2xx", of("2xx"), done(204), Holds::Yes);
        check("4xx", of("4xx"), done(399), Holds::No);
        check("404", of("404"), done(400), Holds::No);
        check("failed", failed(), done(400), Holds::Yes);
        check("well", failed(), done(304), Holds::No);
        let open = || answered(None, CallState::InFlight, None);
        check("open", of("200"), open(), Holds::Untold);
        check("open", failed(), open(), Holds::Untold);
        let panicked = || answered(None, CallState::Panicked, Some(false));
        check("no answer is no 5xx", of("5xx"), panicked(), Holds::No);
        check("a panic is a failure", failed(), panicked(), Holds::Yes);
        let taken = || answered(Some(200), CallState::Returned, Some(true));
        check("taken over", of("200"), taken(), Holds::Untold);
        check("taken over", failed(), taken(), Holds::Untold);
        for wrong in ["", "4", "600", "40x", "4xxx", "-40", "abc"] {
            assert!(wrong.parse::<Status>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        let of = |than| Filter {
            slower_than: Some(than),
            ..Filter::default()
        };
        let took = |end, state| Request {
            end,
            state,
            ..info()
        };
        let done = |end| took(Some(end), CallState::Returned);
        check("49 < 50", of(49), done(150), Holds::Yes);
        check("not longer", of(50), done(150), Holds::No);
        // it began at 100, and it is 1000 now
        let open = || took(None, CallState::InFlight);
        check("open for 900", of(899), open(), Holds::Yes);
        check("open, who knows", of(900), open(), Holds::Untold);
        let lost = took(None, CallState::Unpaired);
        check("its end was lost", of(1), lost, Holds::Untold);
    }

    #[test]
    fn everything_asked_for_must_hold() {
        let both = Filter {
            route: Some("/info".into()),
            failed: true,
            ..Filter::default()
        };
        check("one does not", both.clone(), info(), Holds::No);
        let open = Request {
            status: None,
            ..info()
        };
        check(
            "one cannot be told",
            both.clone(),
            open.clone(),
            Holds::Untold,
        );
        let elsewhere = Request {
            path: "/images".into(),
            ..open
        };
        check("No is stronger", both, elsewhere, Holds::No);
        check("nothing asked", Filter::default(), info(), Holds::Yes);
    }

    #[test]
    fn what_is_selected_is_counted_once() {
        let (mut good, mut bad, mut open) = (info(), info(), info());
        (good.id, bad.id, open.id) = (1, 2, 3);
        bad.status = Some(404);
        open.status = None;
        let call = |request| crate::correlate::Call {
            owner: Owner::Request {
                request,
                link: Link::SameGoroutine,
            },
            ..examples::call(0, Vec::new(), None)
        };
        let mut internal = call(0);
        internal.owner = Owner::Internal;
        let trace = Trace {
            requests: vec![good, bad, open],
            calls: vec![call(0), call(1), call(2), internal],
            ..Trace::default()
        };
        let plan = Plan::default();
        let mut selected = Selected::new(Filter {
            status: Some(Status::Class(4)),
            ..Filter::default()
        });
        let part = selected.of(&plan, &trace).into_owned();
        let ids: Vec<u32> = part.requests.iter().map(|r| r.id).collect();
        assert_eq!((ids, part.calls.len()), (vec![2], 1));
        // a call that outlived its request brings it again
        selected.of(&plan, &trace);
        assert_eq!((selected.matched(), selected.untold), (Some(1), 1));
        assert!(selected.any());
        let there = &selected.there[&Asked::Status];
        assert_eq!((there["200"], there["404"]), (1, 1));

        let mut none = Selected::new(Filter {
            status: Some(Status::Exactly(500)),
            ..Filter::default()
        });
        assert!(none.of(&plan, &trace).calls.is_empty());
        assert!(!none.any());
        let mut all = Selected::new(Filter::default());
        assert_eq!(all.of(&plan, &trace).calls.len(), 4);
        assert_eq!((all.matched(), all.any()), (None, true));
    }
}

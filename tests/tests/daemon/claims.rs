//! Everything that tree, table, JSON Lines, Markdown and `compare` claim of a session that mixes
//! successes, failures, a panicking handler, a stream and lost records, against what the API
//! answered. A claim that cannot be read fails the test.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Connection, Daemon, Events, Tool, json_lines, request, stock_dockerd, words};
use rustix::process::Signal;
use serde_json::Value;

/// Containers that were never started; one more runs.
const CREATED: usize = 5;
/// More list requests than the ring buffer holds records of.
const MANY: usize = 2_500;

/// What is sent: method, target, endpoint in the table.
const SENT: &[(&str, &str, &str)] = &[
    ("GET", "/v1.41/containers/json?all=1", "/containers/json"),
    ("GET", "/v1.41/containers/json?limit=2", "/containers/json"),
    (
        "GET",
        "/v1.41/containers/json?all=1&size=1",
        "/containers/json",
    ),
    ("GET", "/v1.41/containers/json?limit=x", "/containers/json"),
    (
        "GET",
        "/v1.41/containers/json?since=nobody",
        "/containers/json",
    ),
    ("GET", "/v1.41/containers/json", "/containers/json"),
    (
        "GET",
        "/v1.41/containers/nobody/json",
        "/containers/{id}/json",
    ),
    ("GET", "/v1.41/containers/c1/json", "/containers/{id}/json"),
    ("DELETE", "/v1.41/containers/up", "/containers/{id}"),
    (
        "POST",
        "/v1.41/containers/c1/stop?t=0",
        "/containers/{id}/stop",
    ),
    ("GET", "/v1.41/system/df", "/system/df"),
    ("HEAD", "/_ping", "/_ping"),
];
/// Its handler panics on the daemons that know this API.
const PANICS: (&str, &str, &str) = ("GET", "/v1.42/system/df?type=build-cache", "/system/df");
const STREAM: (&str, &str, &str) = ("GET", "/v1.41/events", "/events");

/// What became of one request.
struct Truth {
    method: &'static str,
    target: &'static str,
    endpoint: &'static str,
    end: End,
}

enum End {
    Answered { status: u16, body: Vec<u8> },
    Closed,
    Open,
}

impl Truth {
    fn json(&self) -> Value {
        match &self.end {
            End::Answered { body, .. } => serde_json::from_slice(body).unwrap_or(Value::Null),
            End::Closed | End::Open => Value::Null,
        }
    }

    fn status(&self) -> Option<u16> {
        match self.end {
            End::Answered { status, .. } => Some(status),
            End::Closed | End::Open => None,
        }
    }

    fn failed(&self) -> bool {
        self.status().is_some_and(|s| s >= 400)
    }

    /// Containers that were answered: full id, first name, state.
    fn containers(&self) -> Option<Vec<(String, String, String)>> {
        let json = self.json();
        let list = json.get("Containers").unwrap_or(&json).as_array()?.clone();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let all = list.iter();
        Some(
            all.map(|c| (text(&c["Id"]), text(&c["Names"][0]), text(&c["State"])))
                .collect(),
        )
    }
}

/// A recorded session, and what was sent by User-Agent.
struct Session {
    file: String,
    events: Events,
    sent: BTreeMap<String, Truth>,
    stderr: String,
    _dir: tempfile::TempDir,
}

fn session(daemon: &Daemon, panics: bool) -> Session {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("claims.mobytrace").display().to_string();
    let socket = daemon.socket().display().to_string();
    let args = [
        "trace",
        "--socket",
        &socket,
        "--format",
        "jsonl",
        "-o",
        &file,
        "-p",
        "list",
        "-p",
        "containers",
        "-p",
        "system",
    ];
    let mut running = Tool::find().expect("tool").start(&args).expect("started");
    running.wait_for("attached to dockerd").expect("attached");
    let mut sent = BTreeMap::new();
    let all = SENT.iter().chain(panics.then_some(&PANICS));
    for (n, (method, target, endpoint)) in all.enumerate() {
        let agent = format!("t-{n}");
        let headers = [("User-Agent", agent.as_str())];
        let end = match request(&daemon.socket(), method, target, &headers, &[]) {
            Ok(answer) => End::Answered {
                status: answer.status,
                body: answer.body,
            },
            Err(_) => End::Closed,
        };
        let truth = Truth {
            method,
            target,
            endpoint,
            end,
        };
        sent.insert(agent, truth);
    }
    daemon.wait_until_served(&BTreeSet::new());
    let mut stream = Connection::open(&daemon.socket()).expect("connection");
    let (method, target, endpoint) = STREAM;
    assert_eq!(stream.begin(target, "t-open").expect("status"), 200);
    let truth = Truth {
        method,
        target,
        endpoint,
        end: End::Open,
    };
    sent.insert("t-open".to_owned(), truth);
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    Session {
        file,
        events: Events(json_lines(&finished.stdout).expect("JSON lines")),
        sent,
        stderr: finished.stderr,
        _dir: dir,
    }
}

fn shown(session: &Session, format: &str) -> String {
    let tool = Tool::find().expect("tool");
    let args = ["show", &session.file, "--format", format];
    tool.run(&args).expect("run").expect(0).stdout
}

/// Requests by their number, as JSON Lines name them; statuses and sizes are the API's.
fn in_events(session: &Session) -> BTreeMap<u64, &Truth> {
    let mut numbers = BTreeMap::new();
    for (agent, truth) in &session.sent {
        let event = session.events.request_of(agent);
        let what = format!("{} {}", truth.method, truth.target);
        numbers.insert(event["id"].as_u64().expect("id"), truth);
        let (path, query) = truth.target.split_once('?').unwrap_or((truth.target, ""));
        assert_eq!(
            (&event["path"], &event["query"]),
            (&path.into(), &query.into())
        );
        match &truth.end {
            End::Answered { status, body } => {
                assert_eq!(event["status"], *status, "{what}");
                assert_eq!(event["bytes"], body.len(), "{what}");
                assert_eq!(event["state"], "returned", "{what}");
            }
            End::Closed => {
                assert_eq!(event["status"], Value::Null, "{what}");
                assert_eq!(event["state"], "panicked", "{what}");
            }
            End::Open => assert_eq!(event["state"], "in-flight", "{what}"),
        }
    }
    let end = session.events.end();
    assert_eq!(end["lost"], 0);
    assert!(
        end["completeness"].to_string().contains("nothing lost"),
        "{end}"
    );
    numbers
}

/// Rows of a tree that belong to one request, by its number, as one text each.
fn trees(text: &str) -> BTreeMap<u64, String> {
    let mut blocks: BTreeMap<u64, String> = BTreeMap::new();
    let mut current = None;
    for row in text.lines() {
        if let Some(rest) = row.strip_prefix('#') {
            let number = rest.split(' ').next().and_then(|n| n.parse().ok());
            let number = number.unwrap_or_else(|| panic!("no number: {row}"));
            assert!(
                blocks.insert(number, String::new()).is_none(),
                "#{number} twice"
            );
            current = Some(number);
        } else if !row.starts_with([' ', '├', '└', '│']) {
            current = None;
        }
        if let Some(block) = current.and_then(|n| blocks.get_mut(&n)) {
            block.push_str(&row.replace('│', " "));
            block.push('\n');
        }
    }
    blocks
}

/// One tree: first its request, then each call with what it returned.
fn check_tree(number: u64, tree: &str, truth: &Truth) {
    let mut parts = tree.split("─ ");
    let head = words(
        parts
            .next()
            .expect("head")
            .trim_end_matches(['├', '└', '\n', ' ']),
    );
    let route = format!("#{number} {} {} ", truth.method, truth.target);
    let state = head
        .strip_prefix(&route)
        .unwrap_or_else(|| panic!("{head:?} is not {route:?}"));
    match &truth.end {
        End::Answered { status, body } => {
            let expected = format!("{status}, {} bytes, ", body.len());
            assert!(state.starts_with(&expected), "{expected:?}: {head}");
        }
        End::Closed => assert!(
            state.starts_with("handler panicked, connection closed, "),
            "{head}"
        ),
        End::Open => assert!(state.starts_with("open for "), "{head}"),
    }
    for call in parts {
        check_call(&words(call), truth);
    }
}

/// `Containers(config={…}) → 6: 3fa33ac61ba0 /up running, … 5 more 1.2 ms [All: query all=1]`
fn check_call(call: &str, truth: &Truth) {
    let (name, _) = call
        .split_once('(')
        .unwrap_or_else(|| panic!("no call: {call}"));
    let Some((_, result)) = call.rsplit_once("→ ") else {
        // left by a panic, still open, or without a result: that is said in words
        assert!(truth.status().is_none(), "no result: {call}");
        return;
    };
    let message = truth.json()["message"].as_str().map(str::to_owned);
    if result.contains("error ") {
        let message = message.unwrap_or_default();
        assert!(
            truth.failed() || truth.status() == Some(304),
            "an error, answered {:?}: {call}",
            truth.status()
        );
        // the API's own text, or the error's type with its fields
        let typed = result.contains('(') || result.contains('{');
        assert!(
            typed || result.contains(&words(&message)),
            "{message:?}: {call}"
        );
    } else if name != "GetNetworks" {
        assert!(
            !truth.failed(),
            "no error, answered {:?}: {call}",
            truth.status()
        );
    }
    let listed = ["Containers", "reduceContainers"].contains(&name);
    if let (true, Some(answered)) = (listed, truth.containers()) {
        check_list(result, &answered, call);
    }
    for part in result.split(" [").skip(1) {
        check_origins(part, truth, call);
    }
}

fn check_list(result: &str, answered: &[(String, String, String)], call: &str) {
    let digits: String = result.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(digits, answered.len().to_string(), "{call}");
    let Some(list) = result.strip_prefix(&format!("{digits}: ")) else {
        assert!(answered.is_empty(), "{call}");
        return;
    };
    let mut named = 0;
    for item in list.split(", ") {
        let of: Vec<&str> = item.split(' ').collect();
        match of.as_slice() {
            ["…", more, "more", ..] => {
                let more: usize = more.parse().expect("a number");
                assert_eq!(named + more, answered.len(), "{call}");
                return;
            }
            [id, name, state, ..] if id.len() == 12 => {
                let is = |c: &&(String, String, String)| {
                    c.0.starts_with(id) && c.1 == *name && c.2 == *state
                };
                assert!(answered.iter().any(|c| is(&c)), "{item}: {call}");
                named += 1;
            }
            _ => break,
        }
    }
    assert_eq!(named, answered.len(), "{call}");
}

/// `All: query all=1; Size, All: hard-coded by SystemDiskUsage]`
fn check_origins(part: &str, truth: &Truth, call: &str) {
    let Some((origins, _)) = part.split_once(']') else {
        panic!("no end: {call}");
    };
    let query = truth.target.split_once('?').map_or("", |(_, query)| query);
    for origin in origins.split("; ") {
        let Some((_, from)) = origin.split_once(": ") else {
            continue;
        };
        if let Some(parameter) = from.strip_prefix("query ") {
            assert!(query.split('&').any(|p| p == parameter), "{origin}: {call}");
        } else if let Some(by) = from.strip_prefix("hard-coded by ") {
            let makers = ["SystemDiskUsage", "containerDiskUsage", "getDiskUsage"];
            assert!(
                truth.target.contains("/system/df") && makers.contains(&by),
                "{origin}: {call}"
            );
        } else {
            let known = ["path", "unknown"].iter().any(|k| from.starts_with(k));
            assert!(known, "not understood: {origin}: {call}");
        }
    }
}

/// Trees of all requests that reached a traced function, and none of others' numbers.
fn check_trees(text: &str, session: &Session, numbers: &BTreeMap<u64, &Truth>) {
    let trees = trees(text);
    for (number, tree) in &trees {
        let truth = numbers
            .get(number)
            .unwrap_or_else(|| panic!("#{number} is nobody's: {tree}"));
        check_tree(*number, tree, truth);
    }
    for call in session.events.of_type("call") {
        let number = call["request"].as_u64().expect("all have an owner");
        assert!(trees.contains_key(&number), "#{number} is missing: {text}");
    }
}

/// Calls, open ones and errors of each endpoint.
fn check_table(text: &str, session: &Session) {
    let mut wanted: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for truth in session.sent.values() {
        let of = wanted
            .entry(format!("{} {}", truth.method, truth.endpoint))
            .or_default();
        match truth.end {
            End::Open => of.1 += 1,
            _ => of.0 += 1,
        }
        of.2 += usize::from(truth.failed() || matches!(truth.end, End::Closed));
    }
    for (endpoint, (calls, open, errors)) in &wanted {
        let mut rows = text.lines().skip_while(|l| l != endpoint).skip(1);
        let rows: Vec<&str> = rows.by_ref().take_while(|l| l.starts_with("  ")).collect();
        let row = words(&rows.join(" "));
        let (_, figures) = row
            .split_once(&format!("pid {} ", std::process::id()))
            .unwrap_or_else(|| panic!("no row of {endpoint}:\n{text}"));
        let cells: Vec<&str> = figures.split(' ').collect();
        let cell = |n: usize| match n {
            0 => "–".to_owned(),
            n => n.to_string(),
        };
        assert_eq!(cells[0], cell(*calls), "{endpoint}:\n{text}");
        assert_eq!(cells[1], cell(*open), "{endpoint}:\n{text}");
        assert_eq!(cells[2], cell(*errors), "{endpoint}:\n{text}");
    }
    // that are over
    let total = format!("{} requests in ", session.sent.len() - 1);
    assert!(
        text.lines().any(|l| l.starts_with(&total)),
        "{total}:\n{text}"
    );
}

/// Statuses, counts and names of two paths side by side, and every number of containers in the
/// sentences below.
fn check_compare(session: &Session, a: (u64, &Truth), b: (u64, &Truth)) {
    let tool = Tool::find().expect("tool");
    let (first, second) = (a.0.to_string(), b.0.to_string());
    let args = ["compare", &session.file, &first, &second];
    let text = tool.run(&args).expect("run").stdout;
    let row = |name: &str| {
        let row = text
            .lines()
            .find(|l| l.trim_start_matches(['≠', ' ']).starts_with(name));
        words(row.unwrap_or_else(|| panic!("no {name}:\n{text}")))
    };
    let statuses = |t: &Truth| t.status().map(|s| s.to_string()).unwrap_or_default();
    let status = row("status").replace("≠ ", "");
    assert_eq!(
        status,
        format!("status {} {}", statuses(a.1), statuses(b.1)),
        "{text}"
    );
    let ids = |t: &Truth| -> BTreeSet<String> {
        let all = t.containers().unwrap_or_default();
        all.into_iter().map(|(id, _, _)| id).collect()
    };
    let (a, b) = (ids(a.1), ids(b.1));
    let returned = row("returned").replace("≠ ", "");
    let numbers: Vec<usize> = returned.split(' ').filter_map(|w| w.parse().ok()).collect();
    assert_eq!(numbers, [a.len(), b.len()], "{text}");
    let possible = [
        a.len(),
        b.len(),
        a.intersection(&b).count(),
        a.difference(&b).count(),
        b.difference(&a).count(),
    ];
    let said = words(&text);
    let said: Vec<&str> = said.split(' ').collect();
    for pair in said.windows(2).filter(|p| p[1].starts_with("container")) {
        if let Ok(number) = pair[0].parse::<usize>() {
            assert!(
                possible.contains(&number),
                "{pair:?} of {possible:?}:\n{text}"
            );
        }
    }
    let joined = said.join(" ");
    assert_eq!(joined.contains("returned the same"), a == b, "{text}");
    for (path, only) in [
        ("A", a.difference(&b).count()),
        ("B", b.difference(&a).count()),
    ] {
        let told = joined.contains(&format!("Only in path {path}: {only} ("));
        assert_eq!(told, only > 0, "path {path}, {only}:\n{text}");
    }
}

fn on(suite: &str, panics: bool) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", CREATED).expect("created");
    daemon.run_container("up").expect("running");
    let session = session(&daemon, panics);
    assert!(
        session.stderr.contains("nothing lost"),
        "{}",
        session.stderr
    );
    let numbers = in_events(&session);
    check_trees(&shown(&session, "tree"), &session, &numbers);
    let markdown = shown(&session, "markdown");
    check_trees(&markdown, &session, &numbers);
    assert!(markdown.contains("nothing lost"), "{markdown}");
    check_table(&shown(&session, "table"), &session);
    let number = |target: &str| {
        let found = numbers.iter().find(|(_, t)| t.target == target);
        found.map(|(n, t)| (*n, *t)).expect("sent")
    };
    let all = number("/v1.41/containers/json?all=1");
    for other in [
        "/v1.41/containers/json?limit=2",
        "/v1.41/containers/json?all=1&size=1",
        "/v1.41/containers/json",
        "/v1.41/system/df",
    ] {
        check_compare(&session, all, number(other));
        check_compare(&session, number(other), all);
    }
    lost(&daemon);
}

/// The session stands still while more happens than the ring buffer holds: no output calls it
/// complete, and what is shown is true.
fn lost(daemon: &Daemon) {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("lost.mobytrace").display().to_string();
    let socket = daemon.socket().display().to_string();
    let tool = Tool::find().expect("tool");
    let args = [
        "trace", "--socket", &socket, "--format", "jsonl", "-o", &file,
    ];
    let mut running = tool.start(&args).expect("started");
    running.wait_for("attached to dockerd").expect("attached");
    running.signal(Signal::STOP);
    let mut kept = Connection::open(&daemon.socket()).expect("connection");
    for _ in 0..MANY {
        let status = kept.get("/v1.41/containers/json?limit=2", "t-many");
        assert_eq!(status.expect("answer"), 200);
    }
    drop(kept);
    daemon.wait_until_served(&BTreeSet::new());
    running.signal(Signal::CONT);
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended");
    let events = Events(json_lines(&finished.stdout).expect("JSON lines"));
    let lost = events.end()["lost"].as_u64().expect("a number");
    assert!(lost > 0, "{}", events.end());
    let seen = events.requests(|_| true).len();
    assert!(seen < MANY, "{seen} of {MANY}");
    for request in events.requests(|_| true) {
        assert!(
            [Value::Null, 200.into()].contains(&request["status"]),
            "{request}"
        );
    }
    for call in events.of_type("call").filter(|c| c["state"] == "returned") {
        let listed = call["results"]["result"].as_array().map(Vec::len);
        assert_eq!(listed, Some(2), "{call}");
    }
    for format in ["jsonl", "markdown", "tree", "table"] {
        let args = ["show", &file, "--format", format];
        let shown = tool.run(&args).expect("run");
        let said = format!("{}{}", shown.stdout, shown.stderr);
        assert!(said.contains("incomplete: "), "{format}: {said:.3000}");
        let whole = said.replace("incomplete: ", "").contains("complete: ");
        assert!(!whole, "{format}: {said:.3000}");
        assert!(
            said.contains(&lost.to_string()),
            "{format}: no word of {lost}"
        );
    }
}

#[test]
fn on_bullseye() {
    on("bullseye", false);
}

#[test]
fn on_sid() {
    on("sid", false);
}

#[test]
fn on_bookworm() {
    on("bookworm", false);
}

#[test]
fn on_trixie() {
    on("trixie", true);
}

//! Requests that stay open: told while they are, by the stock daemons' real client; their age,
//! whether the handler took the connection over, and the calls inside of them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::{Assets, Daemon, Tool, json_lines, stock_dockerd, the_one};
use rustix::process::Signal;
use serde_json::Value;

/// From which age on an open request is told, ns.
const LONG: u64 = 5_000_000_000;

/// CLOCK_MONOTONIC, ns: the clock of the events.
fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(Duration::new(now.tv_sec as u64, now.tv_nsec as u32).as_nanos()).expect("ns")
}

/// A `docker` command that stays, and which of its requests does.
struct Client {
    child: Child,
    started: u64,
    /// End of the path.
    route: &'static str,
    hijacked: bool,
    /// The traced function that the request is in, or was.
    function: &'static str,
    /// It is still in there.
    inside: bool,
}

impl Client {
    fn start(
        assets: &Assets,
        daemon: &Daemon,
        args: &[&str],
        (route, hijacked, function, inside): (&'static str, bool, &'static str, bool),
    ) -> Self {
        let started = now();
        let child = Command::new(assets.docker_cli())
            .args(args)
            .env("DOCKER_HOST", daemon.host())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker");
        Self {
            child,
            started,
            route,
            hijacked,
            function,
            inside,
        }
    }

    /// The one event of a type that is about its request.
    #[track_caller]
    fn event<'e>(&self, events: &'e [Value], ty: &str) -> &'e Value {
        let is_its = |e: &&Value| {
            let path = e["path"].as_str().unwrap_or("").split('?').next();
            e["type"] == ty
                && e["client"]["pid"] == self.child.id()
                && path.is_some_and(|p| p.ends_with(self.route))
        };
        the_one(events.iter().filter(is_its).collect(), self.route)
    }

    /// What an event says about the open request, against what is known here.
    fn check(&self, suite: &str, event: &Value) {
        let number = |name: &str| {
            event[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{suite}: no {name}: {event}"))
        };
        let (start, age) = (number("start_ns"), number("age_ns"));
        assert!(
            self.started < start && start + age <= now(),
            "{suite}: {} {event}",
            self.started
        );
        assert!(age >= LONG, "{suite}: {event}");
        assert_eq!(event["state"], "in-flight", "{suite}: {event}");
        assert_eq!(event["end_ns"], Value::Null, "{suite}: {event}");
        assert_eq!(event["hijacked"], self.hijacked, "{suite}: {event}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on(assets: &Assets, suite: &str) {
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.run_container("life").expect("running");
    let tool = Tool::find().expect("tool");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("recording").display().to_string();
    let socket = daemon.socket().display().to_string();
    let args = [
        "trace",
        "--socket",
        &socket,
        "-p",
        "containers",
        "-p",
        "system",
    ];
    let mut session = tool
        .start(&[&args[..], &["--format", "jsonl", "-o", &file]].concat())
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    let start = |args: &[&str], expected| Client::start(assets, &daemon, args, expected);
    let clients = [
        start(
            &["logs", "-f", "life"],
            ("/logs", false, "ContainerLogs", false),
        ),
        start(
            &["attach", "--no-stdin", "life"],
            ("/attach", true, "ContainerAttach", true),
        ),
        start(&["events"], ("/events", false, "SubscribeToEvents", false)),
        start(
            &["exec", "-i", "life", "sleep", "1000"],
            ("/start", true, "ContainerExecStart", true),
        ),
        start(
            &["wait", "life"],
            ("/containers/life/wait", false, "ContainerWait", false),
        ),
    ];
    let is_told = |output: &str, client: &Client| {
        // the last line may not be whole
        let whole = output.rfind('\n').map_or("", |end| &output[..end]);
        json_lines(whole).expect("JSON lines").iter().any(|e| {
            e["type"] == "open"
                && e["client"]["pid"] == client.child.id()
                && e["path"]
                    .as_str()
                    .is_some_and(|p| p.ends_with(client.route))
        })
    };
    session
        .wait_for_output(|output| clients.iter().all(|c| is_told(output, c)))
        .unwrap_or_else(|e| panic!("{suite}: {e:#}"));
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    harness::keeps_to_its_schema(&events);
    for client in &clients {
        let open = client.event(&events, "open");
        client.check(suite, open);
        let inside = open["inside"].as_array().expect("list");
        assert_eq!(
            inside.iter().any(|f| f == client.function),
            client.inside,
            "{suite}: {open}"
        );
        // and again as it was when the session ended
        let last = client.event(&events, "request");
        client.check(suite, last);
        assert_eq!(last["id"], open["id"], "{suite}");
        assert!(
            last["age_ns"].as_u64() >= open["age_ns"].as_u64(),
            "{suite}"
        );
        let calls = events
            .iter()
            .filter(|e| e["type"] == "call" && e["request"] == last["id"]);
        let call = the_one(
            calls.filter(|c| c["short"] == client.function).collect(),
            client.function,
        );
        let state = if client.inside {
            "in-flight"
        } else {
            "returned"
        };
        assert_eq!(call["state"], state, "{suite}: {call}");
    }
    // every call of these functions is one of those
    let paths: std::collections::BTreeMap<u64, &str> = events
        .iter()
        .filter(|e| e["type"] == "request")
        .filter_map(|r| Some((r["id"].as_u64()?, r["path"].as_str()?)))
        .collect();
    for call in events.iter().filter(|e| e["type"] == "call") {
        let request = call["request"].as_u64();
        let path = request.map_or_else(|| panic!("{suite}: no owner: {call}"), |id| paths[&id]);
        if let Some(client) = clients.iter().find(|c| call["short"] == c.function) {
            let end = client.route.rsplit('/').next().expect("route");
            assert!(path.ends_with(end), "{suite}: {path}: {call}");
        }
    }
    shown_from_the_recording(suite, &tool, &file);
}

/// Replayed, the tree says the same of what was open.
fn shown_from_the_recording(suite: &str, tool: &Tool, file: &str) {
    let shown = tool.run(&["show", file]).expect("run").expect(0);
    // a request's row with its continuations
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for row in shown.stdout.lines() {
        match blocks.last_mut() {
            _ if row.starts_with('#') => blocks.push(vec![row]),
            Some(block) if row.starts_with("    ") => block.push(row.trim_start()),
            _ => blocks.push(Vec::new()),
        }
    }
    for (route, hijacked) in [
        ("/attach", true),
        ("/exec/", true),
        ("/logs?", false),
        ("/events", false),
    ] {
        let block = blocks
            .iter()
            .find(|rows| rows.concat().contains(route) && rows.join(" ").contains("open for"))
            .unwrap_or_else(|| panic!("{suite}: no open {route} in {}", shown.stdout))
            .join(" ");
        assert_eq!(
            block.contains("connection taken over"),
            hijacked,
            "{suite}: {block}"
        );
    }
}

#[test]
fn open_requests_are_told_while_they_are_open() {
    let assets = harness::assets_or_skip!();
    std::thread::scope(|scope| {
        for suite in harness::SUITES {
            let assets = &assets;
            scope.spawn(move || on(assets, suite));
        }
    });
}

/// For people: one row, beside what is finished.
#[test]
fn the_live_tree_has_a_row_for_them() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let socket = daemon.socket().display().to_string();
    let tool = Tool::find().expect("tool");
    let mut session = tool
        .start(&["trace", "--socket", &socket])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    let client = Client::start(&assets, &daemon, &["events"], ("", false, "", false));
    let output = session
        .wait_for_output(|output| output.contains("open for"))
        .expect("told");
    let row = output
        .lines()
        .find(|r| r.contains("open for"))
        .expect("row");
    let (before, after) = row.split_once("/events open for ").expect("row");
    assert!(before.starts_with("… #"), "{row}");
    let (seconds, _) = after.split_once(' ').expect("seconds");
    let seconds: f64 = seconds.parse().expect("seconds");
    assert!(seconds * 1e9 >= LONG as f64, "{row}");
    drop(client);
    session.signal(Signal::INT);
    session.wait().expect("ended");
}

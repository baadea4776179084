//! Which call belongs to which request: on every stock daemon, for every kind of request, and when
//! many come at once.

use std::collections::BTreeMap;

use harness::{Assets, Daemon, Gate, SUITES, stock_dockerd, traced};
use serde_json::{Value, json};

const CLIENTS: usize = 20;
const REQUESTS: usize = 500;

fn each_daemon(what: impl Fn(&str, &Daemon)) {
    let assets = harness::assets_or_skip!();
    for suite in SUITES {
        if let Some(daemon) = daemon_of(&assets, suite) {
            what(suite, &daemon);
        }
    }
}

fn daemon_of(assets: &Assets, suite: &str) -> Option<Daemon> {
    let dockerd = stock_dockerd(suite, "amd64")?;
    let daemon = Daemon::start_binary(assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 5).expect("created");
    Some(daemon)
}

fn get(daemon: &Daemon, path: &str, agent: &str) {
    let answer = daemon.get_as(path, agent).expect("answer");
    assert_eq!(answer.status, 200, "{path}");
}

/// A request whose filter holds a value that no other request has: the truth that its calls carry
/// with them.
fn filtered(unique: &str) -> String {
    format!("/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22u%3D{unique}%22%5D%7D")
}

/// The unique value in the filters of a decoded call.
fn unique_of(call: &Value) -> Option<&str> {
    let labels = call["params"]["config"]["Filters"]["fields"]["label"].as_object()?;
    labels.keys().next()?.strip_prefix("u=")
}

/// Rounds of requests, until one in which no record was lost: on a busy machine some are.
const MOST_ROUNDS: usize = 5;

/// 500 mixed requests of 20 clients at once, half of them over connections that are used again and
/// again.
#[test]
fn none_of_500_mixed_requests_gets_a_call_of_another() {
    each_daemon(|suite, daemon| {
        let whole = (0..MOST_ROUNDS).any(|_| mixed_requests(suite, daemon));
        assert!(whole, "{suite}: records were lost in every round");
    });
}

/// Whether no record was lost. No call is under another request either way.
fn mixed_requests(suite: &str, daemon: &Daemon) -> bool {
    let (events, _) = traced(daemon, &[], || {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    let mut kept = harness::Connection::open(&daemon.socket()).expect("connection");
                    for n in 0..REQUESTS / CLIENTS {
                        let unique = format!("{client}-{n}");
                        let agent = format!("t-{unique}");
                        match n % 5 {
                            // disk usage beside it: goroutines of other requests are born all the
                            // time; 20.10 refuses a second one
                            0 => {
                                let answer =
                                    daemon.get_as("/v1.41/system/df", &agent).expect("answer");
                                assert!([200, 500].contains(&answer.status), "{}", answer.status);
                            }
                            1 => get(daemon, "/v1.41/containers/c1/json?size=1", &agent),
                            2 => get(daemon, &filtered(&unique), &agent),
                            _ => {
                                let status = kept.get(&filtered(&unique), &agent).expect("answer");
                                assert_eq!(status, 200);
                            }
                        }
                    }
                });
            }
        });
    });
    let requests: BTreeMap<u64, &Value> = events
        .of_type("request")
        .map(|r| (r["id"].as_u64().expect("id"), r))
        .collect();
    let (mut right, mut unknown) = (0, 0);
    for call in events.of_type("call") {
        let Some(unique) = unique_of(call) else {
            continue;
        };
        match call["request"].as_u64() {
            Some(id) => {
                assert_eq!(
                    requests[&id]["user_agent"],
                    format!("t-{unique}"),
                    "{suite}: {call}"
                );
                right += 1;
            }
            None => unknown += 1,
        }
    }
    // and calls without that value never belong to a request that has one: not those of disk usage,
    // which list everything
    for call in events.of_type("call").filter(|c| unique_of(c).is_none()) {
        if let Some(id) = call["request"].as_u64() {
            let path = requests[&id]["path"].as_str().expect("path");
            assert_ne!(path, "/v1.41/containers/json", "{suite}: {call}");
            if call["params"]["config"]["Size"] == true {
                assert_eq!(path, "/v1.41/system/df", "{suite}: {call}");
            }
        }
    }
    let end = events.end();
    println!(
        "{suite}: {right} calls under the right request, 0 under a wrong one, {unknown} unknown; {end}"
    );
    if end["lost"] != 0 {
        return false;
    }
    assert!(right >= REQUESTS * 3 / 5, "{suite}: {right}");
    assert_eq!(
        unknown, 0,
        "{suite}: nothing was lost, so everything has an owner"
    );
    true
}

/// `count` disk-usage requests that meet: the run of the first one stands before the directory of a
/// container until all others wait for it, as the daemon's own stacks say.
fn at_once(daemon: &Daemon, count: usize) {
    let gate = Gate::close(&daemon.layer("c1").expect("layer")).expect("gate");
    std::thread::scope(|scope| {
        for n in 0..count {
            scope.spawn(move || get(daemon, "/v1.44/system/df", &format!("t-{n}")));
        }
        daemon
            .wait_for_goroutines(count, &[".containerDiskUsage(", "singleflight"])
            .expect("they meet");
        drop(gate);
    });
}

/// Two `system df` at once: one run, under both, marked shared with each other's number; live, as
/// JSON Lines and as trees.
#[test]
fn one_run_for_two_disk_usage_requests_is_shown_under_both() {
    let assets = harness::assets_or_skip!();
    std::thread::scope(|scope| {
        for suite in ["trixie", "sid"] {
            let assets = &assets;
            scope.spawn(move || {
                if let Some(daemon) = daemon_of(assets, suite) {
                    one_run_in_events(suite, &daemon);
                    one_run_in_trees(suite, &daemon);
                }
            });
        }
    });
}

fn one_run_in_events(suite: &str, daemon: &Daemon) {
    let (events, _) = traced(daemon, &[], || at_once(daemon, 2));
    let ids = ["t-0", "t-1"].map(|agent| {
        let id = &events.request_of(agent)["id"];
        id.as_u64().expect("id")
    });
    let calls: Vec<&Value> = events.of_type("call").collect();
    let runs: Vec<usize> = (0..calls.len())
        .filter(|at| calls[*at]["short"] == "Containers")
        .collect();
    let [at] = runs[..] else {
        panic!("{suite}: {} runs for two requests that met", runs.len());
    };
    let run = calls[at];
    let owner = run["request"].as_u64().expect("owner");
    let [other] = run["shared_with"].as_array().expect("list").as_slice() else {
        panic!("{suite}: shared with one other: {run}");
    };
    let waiter = other["request"].as_u64().expect("request");
    assert!(
        ids.contains(&owner) && ids.contains(&waiter) && owner != waiter,
        "{suite}: {run}"
    );
    assert_eq!(other["by"], "singleflight", "{suite}");
    // what waited is the other's own call; positions are those of one batch
    let index = |v: &Value| usize::try_from(v.as_u64().expect("index")).expect("small");
    let within = calls[at - index(&run["index"]) + index(&other["within"])];
    assert_eq!(within["short"], "containerDiskUsage", "{suite}: {within}");
    assert_eq!(within["request"], waiter, "{suite}: {within}");
    // everything else is each request's own
    for short in ["SystemDiskUsage", "containerDiskUsage"] {
        for id in ids {
            let own = calls
                .iter()
                .filter(|c| c["short"] == short && c["request"] == id);
            assert_eq!(own.count(), 1, "{suite}: {short} of #{id}");
        }
    }
}

fn one_run_in_trees(suite: &str, daemon: &Daemon) {
    let tool = harness::Tool::find().expect("tool");
    let socket = daemon.socket().display().to_string();
    let mut session = tool
        .start(&["trace", "--socket", &socket])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    at_once(daemon, 2);
    session
        .wait_for_output(|output| output.matches("GET /v1.44/system/df").count() == 2)
        .expect("both");
    session.signal(rustix::process::Signal::INT);
    let output = session.wait().expect("ended").expect(0).stdout;
    // each tree as one text
    let trees: Vec<String> = output.split("\n#").skip(1).map(harness::words).collect();
    let number = |tree: &String| tree.split(' ').next().expect("number").to_owned();
    let one = |said: &str| {
        let found: Vec<&String> = trees.iter().filter(|t| t.contains(said)).collect();
        assert_eq!(found.len(), 1, "{suite}: {said:?} in {output}");
        found[0]
    };
    let runs = one("[shared by singleflight with #");
    let waits = one("[shared by singleflight: the run of #");
    assert_ne!(number(runs), number(waits), "{suite}");
    for tree in [runs, waits] {
        assert_eq!(
            tree.matches("Containers(config=").count(),
            1,
            "{suite}: {tree}"
        );
    }
    assert!(
        runs.contains(&format!("with #{}]", number(waits))),
        "{suite}: {runs}"
    );
    assert!(
        waits.contains(&format!("the run of #{}]", number(runs))),
        "{suite}: {waits}"
    );
}

/// Eight at once that meet have one run, under each of them; eight that come as they come have no
/// wrong one.
#[test]
fn every_one_of_eight_disk_usage_requests_has_one_run() {
    let assets = harness::assets_or_skip!();
    for suite in ["trixie", "sid"] {
        let Some(daemon) = daemon_of(&assets, suite) else {
            continue;
        };
        let (runs, served, left) = eight(suite, &daemon, || at_once(&daemon, 8));
        assert_eq!((runs, served), (1, 8), "{suite}: all of them met: {left}");
        // who shares with whom is chance here: a request whose run is not certain has none, and no
        // request has two
        let (runs, served, _) = eight(suite, &daemon, || {
            std::thread::scope(|scope| {
                for n in 0..8 {
                    let daemon = &daemon;
                    scope.spawn(move || get(daemon, "/v1.44/system/df", &format!("t-{n}")));
                }
            });
        });
        println!("{suite}: {runs} runs for 8 requests, {served} with a run");
        assert!((1..=8).contains(&runs), "{suite}: {runs} runs");
    }
}

/// Everything that is said of requests without a run.
fn unserved(events: &harness::Events, served: &BTreeMap<u64, u32>) -> String {
    let lone = |e: &&Value| {
        let id = if e["type"] == "request" {
            &e["id"]
        } else {
            &e["request"]
        };
        id.as_u64().is_some_and(|id| !served.contains_key(&id))
    };
    let lines: Vec<String> = events.0.iter().filter(lone).map(Value::to_string).collect();
    lines.join("\n")
}

/// Runs for eight requests, how many have one, and what is said of the others. None has two, and
/// every run has an owner.
fn eight(suite: &str, daemon: &Daemon, work: impl FnOnce()) -> (u32, usize, String) {
    let (events, _) = traced(daemon, &[], work);
    let agents: BTreeMap<u64, &str> = events
        .of_type("request")
        .map(|r| {
            (
                r["id"].as_u64().expect("id"),
                r["user_agent"].as_str().unwrap_or(""),
            )
        })
        .collect();
    let mut served: BTreeMap<u64, u32> = BTreeMap::new();
    let mut runs = 0;
    for call in events
        .of_type("call")
        .filter(|c| c["short"] == "Containers")
    {
        runs += 1;
        let owner = call["request"]
            .as_u64()
            .unwrap_or_else(|| panic!("{suite}: no owner: {call}"));
        let others = call["shared_with"].as_array().expect("list");
        for id in others
            .iter()
            .filter_map(|s| s["request"].as_u64())
            .chain([owner])
        {
            assert!(agents[&id].starts_with("t-"), "{suite}: {call}");
            *served.entry(id).or_default() += 1;
        }
    }
    println!("{suite}: {runs} runs for 8 requests");
    assert!(
        served.values().all(|n| *n == 1),
        "{suite}: and one only: {served:?}"
    );
    let left = unserved(&events, &served);
    (runs, served.len(), left)
}

/// Every kind of request; each traced call is under the one that made it.
#[test]
fn calls_of_every_command_are_under_its_request() {
    each_daemon(|suite, daemon| {
        let mut id = String::new();
        let (events, finished) = traced(
            daemon,
            &[
                "-p",
                "list",
                "-p",
                "containers",
                "-f",
                "(*Daemon).SubscribeToEvents",
            ],
            || {
                get(daemon, "/v1.41/containers/json?all=1", "t-ps-a");
                get(daemon, "/v1.41/containers/json?size=1", "t-ps-s");
                get(daemon, "/v1.41/system/df", "t-df");
                get(daemon, "/v1.41/containers/c1/json", "t-inspect");
                id = daemon.run_container("life").expect("created and started");
                for (method, path) in [
                    ("POST", format!("/v1.41/containers/{id}/stop?t=0")),
                    ("DELETE", format!("/v1.41/containers/{id}?force=1")),
                ] {
                    let answer = harness::request(&daemon.socket(), method, &path, &[], &[])
                        .expect("answer");
                    assert!(
                        (200..300).contains(&answer.status),
                        "{suite} {path}: {}",
                        answer.status
                    );
                }
                // a stream that stays open for a while
                let mut stream = harness::Connection::open(&daemon.socket()).expect("connection");
                let status = stream.begin("/v1.41/events", "t-events").expect("status");
                assert_eq!(status, 200);
            },
        );
        let requests: BTreeMap<u64, &Value> = events
            .of_type("request")
            .map(|r| (r["id"].as_u64().expect("id"), r))
            .collect();
        let expected = [
            ("Containers", "/containers/json"),
            ("reduceContainers", ""),
            ("SystemDiskUsage", "/system/df"),
            ("containerDiskUsage", "/system/df"),
            ("ContainerInspect", "/containers/c1/json"),
            ("ContainerCreate", "/containers/create"),
            ("ContainerStart", "/start"),
            ("ContainerStop", "/stop"),
            ("ContainerRm", &format!("/containers/{id}")),
            ("SubscribeToEvents", "/events"),
        ];
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for call in events.of_type("call") {
            let short = call["short"].as_str().expect("short");
            let Some(request) = call["request"].as_u64() else {
                panic!("{suite}: no owner: {call}\n{}", finished.stderr);
            };
            let path = requests[&request]["path"].as_str().expect("path");
            *seen.entry(short).or_default() += 1;
            // both list paths end there
            if ["Containers", "reduceContainers"].contains(&short) {
                assert!(
                    path.ends_with("/containers/json") || path.ends_with("/system/df"),
                    "{suite}: {path}: {call}"
                );
            } else if let Some((_, end)) = expected.iter().find(|(f, _)| *f == short) {
                assert!(path.ends_with(end), "{suite}: {path}: {call}");
            }
        }
        for short in [
            "Containers",
            "SystemDiskUsage",
            "ContainerInspect",
            "ContainerCreate",
            "ContainerStart",
            "ContainerStop",
            "ContainerRm",
            "SubscribeToEvents",
        ] {
            assert!(
                seen.contains_key(short),
                "{suite}: {short} not seen: {seen:?}\n{}",
                finished.stderr
            );
        }
        let of = |agent: &str| events.request_of(agent);
        assert_eq!(of("t-ps-a")["api_version"], json!("1.41"));
        assert_eq!(
            of("t-ps-a")["client"]["pid"],
            json!(std::process::id()),
            "{suite}: {}",
            of("t-ps-a")
        );
        let subscribed = events.call_of("t-events", "SubscribeToEvents");
        assert_eq!(subscribed["link"]["by"], "same-goroutine", "{suite}");
        assert_eq!(subscribed["state"], "returned", "{suite}");
        assert!(
            of("t-ps-a")["bytes"].as_u64().is_some_and(|n| n > 2),
            "{suite}"
        );
        println!("{suite}: {seen:?}");
    });
}

/// From 28 on a list asks for each container on a goroutine of its own: one row for all of them.
/// Before, they are calls like any other.
#[test]
fn workers_of_one_call_are_one_row() {
    let assets = harness::assets_or_skip!();
    let tool = harness::Tool::find().expect("tool");
    for (suite, folded) in [("trixie", false), ("sid", true)] {
        let Some(daemon) = daemon_of(&assets, suite) else {
            continue;
        };
        let socket = daemon.socket().display().to_string();
        let function = "(*Daemon).refreshImage";
        let mut session = tool
            .start(&["trace", "--socket", &socket, "-p", "list", "-f", function])
            .expect("started");
        session.wait_for("attached to dockerd").expect("attached");
        get(&daemon, "/v1.44/containers/json?all=1", "t-all");
        session
            .wait_for_output(|output| output.contains("─ refreshImage"))
            .expect("seen");
        session.signal(rustix::process::Signal::INT);
        let output = session.wait().expect("ended").expect(0).stdout;
        let below: Vec<&str> = output
            .lines()
            .filter(|row| row.contains("refreshImage") && row.contains("─ "))
            .collect();
        if folded {
            assert_eq!(below.len(), 1, "{suite}: {output}");
            let said = "refreshImage × 5 calls (5 workers)";
            assert!(below[0].contains(said), "{suite}: {output}");
        } else {
            assert_eq!(below.len(), 5, "{suite}: {output}");
        }
    }
}

//! A daemon's life: it is restarted, killed, upgraded and started late, under load, and traced
//! through all of that.
//!
//! What is compared: a client's own list of requests, each with the moment before it was sent
//! (CLOCK_MONOTONIC, the clock of the traces) and what it was answered, with the requests of the
//! session. A request that was sent when all probes of an incarnation were there (`attached_ns` of
//! its seam), and was answered, must be in the trace, once. What was sent between the end of one
//! process and that moment may be in it or not; where the seam says that the daemon did not listen
//! yet, it must be in it too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::{Assets, Daemon, Tool, json_lines, stock_dockerd};
use mobytrace::capture::monotonic_ns;
use rustix::process::Signal;
use serde_json::Value;

/// Restarts of each daemon.
const RESTARTS: usize = 20;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);

/// A request as its client knows it.
#[derive(Clone, Debug)]
struct Sent {
    agent: String,
    /// Before it was sent, CLOCK_MONOTONIC, ns.
    at: u64,
    /// `None`: no answer came.
    status: Option<u16>,
}

/// Sends requests, each with a User-Agent of its own, until it is told to end.
fn client(socket: &Path, name: &str, end: &AtomicBool, list: &Mutex<Vec<Sent>>) {
    for n in 0.. {
        if end.load(Ordering::SeqCst) {
            return;
        }
        let agent = format!("{name}-{n}");
        let path = format!("/v1.41/containers/json?all=1&limit={}", 1 + n % 50);
        let at = monotonic_ns();
        let answer = harness::request(socket, "GET", &path, &[("User-Agent", &agent)], &[]);
        let status = answer.ok().map(|answer| answer.status);
        list.lock().expect("list").push(Sent { agent, at, status });
        std::thread::sleep(PAUSE);
    }
}

/// Events of one type.
fn of_type<'e>(events: &'e [Value], ty: &'e str) -> Vec<&'e Value> {
    events.iter().filter(|e| e["type"] == ty).collect()
}

/// Runs `work` while two clients send requests; gives what they sent.
fn under_load(socket: &Path, work: impl FnOnce()) -> Vec<Sent> {
    let (end, list) = (AtomicBool::new(false), Mutex::default());
    std::thread::scope(|scope| {
        for name in ["one", "two"] {
            let (end, list) = (&end, &list);
            scope.spawn(move || client(socket, name, end, list));
        }
        // a failure in it must not leave the clients behind
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        end.store(true, Ordering::SeqCst);
        if let Err(why) = worked {
            std::panic::resume_unwind(why);
        }
    });
    list.into_inner().expect("list")
}

/// What was sent and what was seen, compared as the head of this file says. `first`: when the first
/// incarnation was known to be attached; `ends`: when the process of each was seen to be gone, and
/// the next not started yet. Gives how many had to be there.
fn compare(first: u64, ends: &[u64], sent: &[Sent], events: &[Value]) -> usize {
    let seams = of_type(events, "seam");
    let mut seen: BTreeMap<&str, &Value> = BTreeMap::new();
    for request in of_type(events, "request") {
        let Some(agent) = request["user_agent"].as_str() else {
            continue;
        };
        if agent.starts_with("one-") || agent.starts_with("two-") {
            let before = seen.insert(agent, request);
            assert_eq!(before, None, "{agent} twice");
        }
    }
    let number = |seam: &Value, field: &str| seam[field].as_u64().expect("number");
    // not known to be traced, from and to
    let mut gaps = vec![(0, first)];
    assert_eq!(ends.len(), seams.len());
    gaps.extend(ends.iter().zip(&seams).map(|(end, seam)| {
        let until = match seam["listened"] == false {
            true => *end,
            false => number(seam, "attached_ns"),
        };
        (*end, until)
    }));
    let mut expected = 0;
    for one in sent.iter().filter(|one| one.status.is_some()) {
        if gaps.iter().any(|(from, to)| (*from..*to).contains(&one.at)) {
            continue;
        }
        expected += 1;
        let request = seen.get(one.agent.as_str());
        let request =
            request.unwrap_or_else(|| panic!("{one:?} is missing: {}", around(one, events)));
        if request["state"] == "returned" {
            assert_eq!(
                request["status"].as_u64(),
                one.status.map(u64::from),
                "{request}"
            );
        }
    }
    let known: BTreeSet<&str> = sent.iter().map(|one| one.agent.as_str()).collect();
    for agent in seen.keys() {
        assert!(known.contains(agent), "{agent} was never sent");
    }
    expected
}

/// What the session saw in the second after a request was sent, and how complete it says it is.
fn around(one: &Sent, events: &[Value]) -> String {
    let second = one.at..one.at + 1_000_000_000;
    let near = |at: &Value| at.as_u64().is_some_and(|at| second.contains(&at));
    let told = events.iter().filter(|e| match e["type"].as_str() {
        Some("request") => near(&e["start_ns"]),
        Some("seam" | "end") => true,
        _ => false,
    });
    told.map(|e| format!("\n{e}")).collect()
}

/// Every request and call of a stream, without what says where in a batch it stood.
fn essence(events: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = events
        .iter()
        .filter(|e| e["type"] != "open")
        .map(|event| {
            let mut event = event.clone();
            if let Some(fields) = event.as_object_mut() {
                for place in ["index", "parent", "born_in", "shared_with"] {
                    fields.remove(place);
                }
            }
            event.to_string()
        })
        .collect();
    all.sort();
    all
}

/// A recording shows what its session showed.
fn replays_equal(tool: &Tool, file: &str, live: &[Value]) {
    let shown = tool.run(&["show", "--format", "jsonl", file]).expect("run");
    let replayed = json_lines(&shown.expect(0).stdout).expect("JSON lines");
    let (live, replayed) = (essence(live), essence(&replayed));
    let differ = live.iter().zip(&replayed).find(|(a, b)| a != b);
    assert_eq!(differ, None);
    assert_eq!(live.len(), replayed.len());
}

/// Restarts under load; every fourth time the daemon is killed.
fn restarts(suite: &str) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        assert!(!harness::is_strict(), "this test needs dockerd of {suite}");
        return;
    };
    let mut daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 3).expect("created");
    let tool = Tool::find().expect("tool");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("life").display().to_string();
    let socket = daemon.socket();
    let shown = socket.display().to_string();
    let mut session = tool
        .start(&[
            "trace", "--socket", &shown, "--format", "jsonl", "-o", &file,
        ])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    let first = monotonic_ns();
    let ends = Mutex::new(Vec::new());
    let sent = under_load(&socket, || {
        for n in 0..RESTARTS {
            std::thread::sleep(Duration::from_millis(100));
            let how = if n % 4 == 3 {
                Signal::KILL
            } else {
                Signal::TERM
            };
            daemon.stop(how).expect("ended");
            ends.lock().expect("ends").push(monotonic_ns());
            daemon.start_again(&dockerd).expect("started anew");
            let attached = format!("attached to dockerd pid {} ", daemon.pid());
            session.wait_for(&attached).expect("attached");
        }
        std::thread::sleep(Duration::from_millis(100));
    });
    daemon.wait_until_served(&BTreeSet::new());
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );
    let events = json_lines(&finished.stdout).expect("JSON lines");
    harness::keeps_to_its_schema(&events);
    let seams = of_type(&events, "seam");
    assert_eq!(seams.len(), RESTARTS, "{}", finished.stderr);
    let ends = ends.into_inner().expect("ends");
    let expected = compare(first, &ends, &sent, &events);
    for end in of_type(&events, "end") {
        assert_eq!(end["lost"], 0, "{end}");
    }
    numbers_go_on(&events);
    replays_equal(&tool, &file, &events);
    let early = seams.iter().filter(|s| s["listened"] == false).count();
    let answered = sent.iter().filter(|one| one.status.is_some()).count();
    let gap = |seam: &&Value| {
        Some((seam["attached_ns"].as_u64()? - seam["left_ns"].as_u64()?) / 1_000_000)
    };
    println!(
        "{suite}: {} sent, {answered} answered, {expected} had to be there and were; \
         attached before it listened: {early} of {RESTARTS}; ms from end to probes: {:?}",
        sent.len(),
        seams.iter().filter_map(gap).collect::<Vec<_>>(),
    );
    assert!(expected > RESTARTS * 4, "hardly anything was compared");
}

/// No number twice, each incarnation's behind those of the one before.
fn numbers_go_on(events: &[Value]) {
    let mut ids = BTreeSet::new();
    let mut least = 0;
    for event in events {
        match event["type"].as_str() {
            Some("seam") => least = event["requests"].as_u64().expect("number"),
            Some("request") => {
                let id = event["id"].as_u64().expect("id");
                assert!(id > least, "{event}");
                ids.insert(id);
            }
            _ => {}
        }
    }
    let last = ids.last().copied().expect("requests");
    assert_eq!(ids.len() as u64, last, "a number is missing");
}

#[test]
fn twenty_restarts_of_20_10() {
    restarts("bookworm");
}

#[test]
fn twenty_restarts_of_28_5() {
    restarts("sid");
}

/// Options of the calls of one function under requests of one client.
fn options(events: &[Value], agent: &str) -> Value {
    let requests = of_type(events, "request");
    let request = requests.iter().find(|r| r["user_agent"] == agent);
    let id = &request.unwrap_or_else(|| panic!("no request of {agent}"))["id"];
    let calls = of_type(events, "call");
    let call = calls
        .iter()
        .find(|c| c["request"] == *id && c["short"] == "Containers");
    call.unwrap_or_else(|| panic!("no call of {agent}"))["params"]["config"].clone()
}

#[test]
fn an_upgrade_on_the_same_socket() {
    let assets: Assets = harness::assets_or_skip!();
    let (Some(old), Some(new)) = (
        stock_dockerd("trixie", "amd64"),
        stock_dockerd("sid", "amd64"),
    ) else {
        assert!(!harness::is_strict(), "this test needs two releases");
        return;
    };
    let mut daemon = Daemon::start_binary(&assets, &old).expect("daemon");
    let tool = Tool::find().expect("tool");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("upgrade").display().to_string();
    let pid = daemon.pid().to_string();
    let mut session = tool
        .start(&["trace", "--pid", &pid, "--format", "jsonl", "-o", &file])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    let path =
        "/v1.41/containers/json?all=1&limit=7&size=1&filters=%7B%22label%22%3A%5B%22u%3Dx%22%5D%7D";
    daemon.get_as(path, "before").expect("answer");
    for (next, agent) in [(&new, "after"), (&old, "back")] {
        daemon.stop(Signal::TERM).expect("ended");
        daemon.start_again(next).expect("started");
        let attached = format!("attached to dockerd pid {} ", daemon.pid());
        session.wait_for(&attached).expect("attached");
        daemon.get_as(path, agent).expect("answer");
    }
    daemon.wait_until_served(&BTreeSet::new());
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    harness::keeps_to_its_schema(&events);
    let releases: Vec<&str> = of_type(&events, "trace")
        .iter()
        .filter_map(|t| t["daemon"]["go"].as_str())
        .collect();
    assert_eq!(releases.len(), 3, "{releases:?}");
    assert_ne!(releases[0], releases[1], "{releases:?}");
    assert_eq!(releases[0], releases[2], "{releases:?}");
    for agent in ["before", "after", "back"] {
        let options = options(&events, agent);
        assert_eq!(options["All"], true, "{agent}: {options}");
        assert_eq!(options["Limit"], 7, "{agent}: {options}");
        assert_eq!(options["Size"], true, "{agent}: {options}");
        let labels = &options["Filters"]["fields"]["label"];
        assert_eq!(
            labels,
            &serde_json::json!({"u=x": true}),
            "{agent}: {options}"
        );
    }
    replays_equal(&tool, &file, &events);
    let tree = tool.run(&["show", &file]).expect("run").expect(0).stdout;
    assert_eq!(tree.matches("── daemon pid").count(), 2, "{tree}");
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );
}

/// With `--once` a session ends with its daemon.
#[test]
fn once() {
    let assets = harness::assets_or_skip!();
    let mut daemon = Daemon::start(&assets).expect("daemon");
    let tool = Tool::find().expect("tool");
    let socket = daemon.socket().display().to_string();
    let mut session = tool
        .start(&["trace", "--once", "--socket", &socket, "--format", "jsonl"])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    daemon
        .get_as("/v1.41/containers/json", "once")
        .expect("answer");
    daemon.stop(Signal::TERM).expect("ended");
    let finished = session.wait().expect("it ends by itself").expect(0);
    assert!(
        finished.stderr.contains("the daemon ended"),
        "{}",
        finished.stderr
    );
    let events = json_lines(&finished.stdout).expect("JSON lines");
    assert_eq!(of_type(&events, "end").len(), 1);
    assert_eq!(of_type(&events, "seam").len(), 0);
}

/// With `--wait` a session begins before its daemon does; Ctrl-C ends the waiting.
#[test]
fn wait() {
    let assets = harness::assets_or_skip!();
    let dir = Daemon::place().expect("folder");
    let socket = dir.path().join("sock").display().to_string();
    let tool = Tool::find().expect("tool");
    let args = ["trace", "--wait", "--socket", &socket, "--format", "jsonl"];
    let mut nothing = tool.start(&args).expect("started");
    nothing.wait_for("waiting for it").expect("waits");
    nothing.signal(Signal::INT);
    nothing.wait().expect("ended").expect(1);
    let mut session = tool.start(&args).expect("started");
    session.wait_for("waiting for it").expect("waits");
    let daemon = Daemon::start_in(&assets, dir).expect("daemon");
    let attached = format!("attached to dockerd pid {} ", daemon.pid());
    session.wait_for(&attached).expect("attached");
    daemon
        .get_as("/v1.41/containers/json", "waited")
        .expect("answer");
    daemon.wait_until_served(&BTreeSet::new());
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let requests = of_type(&events, "request");
    assert!(
        requests.iter().any(|r| r["user_agent"] == "waited"),
        "{events:?}"
    );
    // without it, no daemon is a failure
    drop(daemon);
    let refused = tool.run(&["trace", "--socket", &socket]).expect("run");
    assert!(refused.expect(2).stderr.contains("hint: "));
}

/// A binary that is deleted or replaced on disk is what runs, until the next start.
#[test]
fn a_binary_that_is_deleted() {
    let assets = harness::assets_or_skip!();
    let dir = tempfile::tempdir().expect("dir");
    let copy = dir.path().join("dockerd");
    std::fs::copy(assets.dockerd(), &copy).expect("copy");
    let mut daemon = Daemon::start_binary(&assets, &copy).expect("daemon");
    std::fs::remove_file(&copy).expect("removed");
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let mut session = tool
        .start(&["trace", "--pid", &pid, "--format", "jsonl"])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    daemon
        .get_as("/v1.41/containers/json", "deleted")
        .expect("answer");
    daemon.stop(Signal::TERM).expect("ended");
    // another file by the same name
    std::fs::copy(assets.dockerd(), &copy).expect("copy");
    daemon.start_again(&copy).expect("started");
    let attached = format!("attached to dockerd pid {} ", daemon.pid());
    session.wait_for(&attached).expect("attached");
    daemon
        .get_as("/v1.41/containers/json", "replaced")
        .expect("answer");
    daemon.wait_until_served(&BTreeSet::new());
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    assert!(
        finished.stderr.contains("was deleted or replaced on disk"),
        "{}",
        finished.stderr
    );
    let events = json_lines(&finished.stdout).expect("JSON lines");
    for agent in ["deleted", "replaced"] {
        let requests = of_type(&events, "request");
        assert!(requests.iter().any(|r| r["user_agent"] == agent), "{agent}");
    }
}

//! `trace --all`: the four stock daemons side by side, each with requests of its own; every call
//! under its daemon and its request. In a pid namespace of their own, so that the machine's other
//! daemons are none of our business.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Assets, Daemon, Finished, SUITES, Tool, json_lines, stock_dockerd};
use rustix::process::Signal;
use serde_json::Value;

/// List requests for each daemon.
const REQUESTS: usize = 20;

/// Every stock daemon there is, started at the same time.
fn daemons(assets: &Assets) -> Vec<(&'static str, Daemon)> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = SUITES
            .into_iter()
            .map(|suite| {
                scope.spawn(move || {
                    let dockerd = stock_dockerd(suite, "amd64")?;
                    let daemon = Daemon::start_binary(assets, &dockerd).expect("daemon");
                    daemon.import_image().expect("image");
                    daemon.create_containers(suite, 3).expect("created");
                    Some((suite, daemon))
                })
            })
            .collect();
        starting
            .into_iter()
            .filter_map(|started| started.join().expect("started"))
            .collect()
    })
}

/// A value that no other request of any daemon has.
fn unique(suite: &str, n: usize) -> String {
    format!("{suite}-{n}")
}

/// All daemons at work at once.
fn work(daemons: &[(&'static str, Daemon)]) {
    std::thread::scope(|scope| {
        for (suite, daemon) in daemons {
            scope.spawn(move || {
                for n in 0..REQUESTS {
                    let label = unique(suite, n);
                    let path = format!(
                        "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22u%3D{label}%22%5D%7D"
                    );
                    assert_eq!(daemon.get_as(&path, &label).expect("answer").status, 200);
                }
                let usage = daemon.get_as("/v1.41/system/df", &format!("{suite}-df"));
                assert_eq!(usage.expect("answer").status, 200);
            });
        }
    });
}

/// Nothing of any request is still to come.
fn all_served(daemons: &[(&'static str, Daemon)]) {
    for (_, daemon) in daemons {
        daemon.wait_until_served(&BTreeSet::new());
    }
}

/// Calls of each daemon, by its pid, checked against what it was sent.
fn check(suite: &str, pid: u32, events: &[Value]) {
    let own: Vec<&Value> = events.iter().filter(|e| e["daemon_pid"] == pid).collect();
    let agents: BTreeMap<u64, &str> = own
        .iter()
        .filter(|e| e["type"] == "request")
        .filter_map(|r| Some((r["id"].as_u64()?, r["user_agent"].as_str()?)))
        .collect();
    let (mut lists, mut usages) = (0, 0);
    for call in own.iter().filter(|e| e["type"] == "call") {
        let id = call["request"]
            .as_u64()
            .unwrap_or_else(|| panic!("{suite}: no owner: {call}"));
        let agent = agents[&id];
        let labels = call["params"]["config"]["Filters"]["fields"]["label"].as_object();
        match labels.and_then(|labels| labels.keys().next()) {
            Some(label) => {
                assert_eq!(*label, format!("u={agent}"), "{suite}: {call}");
                assert!(agent.starts_with(suite), "{suite}: {agent}: {call}");
                lists += u32::from(call["short"] == "Containers");
            }
            None => {
                assert_eq!(agent, format!("{suite}-df"), "{suite}: {call}");
                usages += u32::from(call["short"] == "SystemDiskUsage");
            }
        }
    }
    assert_eq!((lists, usages), (REQUESTS as u32, 1), "{suite}");
    let ends: Vec<&&Value> = own.iter().filter(|e| e["type"] == "end").collect();
    assert_eq!(ends.len(), 1, "{suite}");
    assert_eq!(ends[0]["lost"], 0, "{suite}: {}", ends[0]);
}

#[test]
fn four_generations_side_by_side() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    if !harness::is_inside() {
        return harness::run_inside(module_path!(), "four_generations_side_by_side");
    }
    let daemons = daemons(&assets);
    assert!(daemons.len() > 1, "nothing to tell apart");
    let tool = Tool::find().expect("tool");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("all.mobytrace").display().to_string();
    let mut session = tool
        .start(&["trace", "--all", "--format", "jsonl", "-o", &file])
        .expect("started");
    for (_, daemon) in &daemons {
        let attached = format!("attached to dockerd pid {} ", daemon.pid());
        session.wait_for(&attached).expect("attached");
    }
    work(&daemons);
    all_served(&daemons);
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    harness::keeps_to_its_schema(&events);
    for (suite, daemon) in &daemons {
        let pid = daemon.pid();
        check(suite, pid, &events);
        says_which(suite, daemon, &events, &finished);
        assert_eq!(harness::changed_code(pid).expect("code"), [0u64; 0]);
        // its recording holds the same
        let own = dir.path().join(format!("all.{pid}.mobytrace"));
        let own = own.display().to_string();
        let replayed = tool
            .run(&["show", "--format", "jsonl", &own])
            .expect("run")
            .expect(0);
        let replayed = json_lines(&replayed.stdout).expect("JSON lines");
        check(suite, pid, &replayed);
        assert!(
            replayed[1..].iter().all(|e| e["daemon_pid"] == pid),
            "{suite}"
        );
    }
    in_the_tree(&tool, &daemons);
    a_duration_ends_all(&tool, &daemons);
    the_end_of_one_is_not_the_end_of_all(&tool, daemons);
}

/// Version and socket, as the API itself says them.
fn says_which(suite: &str, daemon: &Daemon, events: &[Value], finished: &Finished) {
    let said = daemon
        .get("/version")
        .expect("answer")
        .json()
        .expect("JSON");
    let trace = events
        .iter()
        .find(|e| e["type"] == "trace" && e["daemon"]["pid"] == daemon.pid())
        .unwrap_or_else(|| panic!("{suite}: no trace event"));
    let shown = &trace["daemon"];
    assert_eq!(shown["version"], said["Version"], "{suite}: {shown}");
    assert_eq!(
        shown["socket"],
        daemon.socket().display().to_string(),
        "{suite}: {shown}"
    );
    let version = said["Version"].as_str().expect("version");
    let label = format!("[{version} pid {}] detached", daemon.pid());
    assert!(finished.stderr.contains(&label), "{}", finished.stderr);
}

/// Every row that begins something says whose it is.
fn in_the_tree(tool: &Tool, daemons: &[(&'static str, Daemon)]) {
    let mut session = tool.start(&["trace", "--all"]).expect("started");
    for (_, daemon) in daemons {
        let attached = format!("attached to dockerd pid {} ", daemon.pid());
        session.wait_for(&attached).expect("attached");
    }
    for (suite, daemon) in daemons {
        daemon
            .get_as(
                &format!("/v1.41/containers/json?limit={}", suite.len()),
                suite,
            )
            .expect("answer");
    }
    all_served(daemons);
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    for (suite, daemon) in daemons {
        let pid = format!(
            " pid {}] #1 GET /v1.41/containers/json?limit={}",
            daemon.pid(),
            suite.len()
        );
        let row = finished
            .stdout
            .lines()
            .find(|row| row.contains(&pid))
            .unwrap_or_else(|| panic!("{suite}: no {pid:?} in {}", finished.stdout));
        assert!(row.starts_with('['), "{row}");
    }
    for row in finished.stdout.lines() {
        assert!(!row.starts_with('#'), "whose is this? {row}");
        assert!(row.chars().count() <= 80, "{row}");
    }
}

/// `--duration` ends all of them, whatever was seen until then.
fn a_duration_ends_all(tool: &Tool, daemons: &[(&'static str, Daemon)]) {
    let session = tool.start(&["trace", "--all", "--duration", "1s", "--format", "jsonl"]);
    let finished = session.expect("started").wait().expect("ended");
    // nothing was asked, and that is said
    let events = json_lines(&finished.expect(1).stdout).expect("JSON lines");
    for (suite, daemon) in daemons {
        let ends = |e: &&Value| e["type"] == "end" && e["daemon_pid"] == daemon.pid();
        assert_eq!(events.iter().filter(ends).count(), 1, "{suite}");
    }
}

fn the_end_of_one_is_not_the_end_of_all(tool: &Tool, mut daemons: Vec<(&'static str, Daemon)>) {
    let mut session = tool
        .start(&["trace", "--all", "--format", "jsonl"])
        .expect("started");
    for (_, daemon) in &daemons {
        let attached = format!("attached to dockerd pid {} ", daemon.pid());
        session.wait_for(&attached).expect("attached");
    }
    let (suite, mut first) = daemons.remove(0);
    let pid = first.pid();
    first.stop(Signal::TERM).expect("ended");
    session
        .wait_for(&format!("dockerd pid {pid}: the daemon ended"))
        .expect("said");
    // it is started anew, and another one appears
    let dockerd = stock_dockerd(suite, "amd64").expect("dockerd");
    first.start_again(&dockerd).expect("started anew");
    let assets = Assets::find().expect("assets");
    let another = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    another.import_image().expect("image");
    another.create_containers(suite, 3).expect("created");
    for daemon in [&first, &another] {
        let attached = format!("attached to dockerd pid {} ", daemon.pid());
        session.wait_for(&attached).expect("attached");
    }
    let new = [first.pid(), another.pid()];
    daemons.extend([(suite, first), (suite, another)]);
    work(&daemons);
    all_served(&daemons);
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    for (suite, daemon) in &daemons {
        check(suite, daemon.pid(), &events);
    }
    let seams: Vec<_> = events.iter().filter(|e| e["type"] == "seam").collect();
    assert_eq!(seams.len(), 1, "{seams:?}");
    assert_eq!(seams[0]["left_pid"], pid);
    assert_eq!(seams[0]["daemon_pid"], new[0]);
}

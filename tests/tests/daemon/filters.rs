//! Filters: a live session shows what its recording shows with the same filter, in every format,
//! and that is what was asked for.

use std::collections::BTreeSet;

use harness::{Daemon, Finished, Tool, json_lines, traced, words};
use serde_json::Value;

/// Sends three requests that differ in route, client and answer.
fn work(daemon: &Daemon) {
    let answered = |path: &str, agent: &str| daemon.get_as(path, agent).expect("answer").status;
    assert_eq!(answered("/v1.41/containers/json?all=1", "t-all"), 200);
    assert_eq!(answered("/v1.41/containers/json?limit=1", "t-one"), 200);
    assert_eq!(answered("/v1.41/containers/nope/json", "t-bad"), 404);
}

/// Our requests among the events.
fn agents(events: &[Value]) -> BTreeSet<&str> {
    let requests = events.iter().filter(|e| e["type"] == "request");
    let agents = requests.filter_map(|e| e["user_agent"].as_str());
    agents.filter(|agent| agent.starts_with("t-")).collect()
}

/// Events that do not depend on how they were cut into batches.
fn sorted(events: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = events
        .iter()
        .cloned()
        .map(|mut event| {
            if let Some(object) = event.as_object_mut() {
                object.remove("index");
                object.remove("parent");
            }
            event.to_string()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn live_and_replayed_filters_select_the_same() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 2).expect("created");
    let tool = Tool::find().expect("tool");
    let own = std::process::id().to_string();
    let all = ["t-all", "t-one", "t-bad"];
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--status", "4xx"], &["t-bad"]),
        (&["--status", "200", "--route", "limit=1"], &["t-one"]),
        (&["--failed"], &["t-bad"]),
        (&["--client", "t-all"], &["t-all"]),
        (&["--client", &own, "--slower-than", "0ms"], &all),
        (
            &["--root", "Containers", "--status", "2xx"],
            &["t-all", "t-one"],
        ),
    ];
    for (filter, expected) in cases {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("recording").display().to_string();
        let args = [filter, &["-o", &file]].concat();
        let (live, _) = traced(&daemon, &args, || work(&daemon));
        assert_eq!(
            agents(&live.0),
            BTreeSet::from_iter(expected.iter().copied()),
            "{filter:?}"
        );
        assert_eq!(live.end()["matched"], expected.len(), "{filter:?}");
        let show = [&["show", &file, "--format", "jsonl"], filter].concat();
        let shown = tool.run(&show).expect("run").expect(0);
        let replayed = json_lines(&shown.stdout).expect("JSON lines");
        assert_eq!(sorted(&live.0), sorted(&replayed), "{filter:?}");
        // filters choose what is shown, not what is recorded
        let whole = tool
            .run(&["show", &file, "--format", "jsonl"])
            .expect("run")
            .expect(0);
        let whole = json_lines(&whole.stdout).expect("JSON lines");
        assert_eq!(agents(&whole), BTreeSet::from(all), "{filter:?}");
        if filter == ["--failed"] {
            in_every_format(&tool, &file);
        }
    }
}

fn in_every_format(tool: &Tool, file: &str) {
    for format in ["tree", "table", "markdown"] {
        let show = |filter: &[&str]| -> Finished {
            let args = [&["show", file, "--format", format], filter].concat();
            tool.run(&args).expect("run")
        };
        let bad = show(&["--status", "404"]).expect(0);
        let route = if format == "table" {
            "1 request in"
        } else {
            "/containers/nope/json"
        };
        assert!(
            words(&bad.stdout).contains(route),
            "{format}: {}",
            bad.stdout
        );
        assert!(!bad.stdout.contains("all=1"), "{format}: {}", bad.stdout);
        let none = show(&["--status", "5xx"]).expect(1);
        let text = words(&none.stdout).replace('\\', "");
        let expected = "none of the 3 requests that came matches --status 5xx; there were status \
                        200 (2), 404 (1)";
        assert!(text.contains(expected), "{format}: {text}");
        let slow = show(&["--slower-than", "1h"]).expect(1);
        let text = words(&slow.stdout).replace('\\', "");
        assert!(text.contains("matches --slower-than"), "{format}: {text}");
    }
}

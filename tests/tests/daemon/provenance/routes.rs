//! Requests of every kind that the table of routes knows, and where the options of the calls they
//! lead to come from.

use harness::{Daemon, Events, request};
use serde_json::{Value, json};

use super::{hard_coded, query};

/// One request, the function that it leads to, and its options by the names that they have in one
/// era or another. All others are defaults; of those in `unknown` nothing is claimed.
struct Row {
    method: &'static str,
    path: &'static str,
    functions: &'static [&'static str],
    options: Vec<(&'static [&'static str], Value)>,
    unknown: &'static [&'static str],
}

fn row(
    method: &'static str,
    path: &'static str,
    functions: &'static [&'static str],
    options: Vec<(&'static [&'static str], Value)>,
) -> Row {
    Row {
        method,
        path,
        functions,
        options,
        unknown: &[],
    }
}

fn path(part: &str) -> Value {
    json!({"from": "path", "part": part})
}

/// In an order in which they all succeed, or fail behind the call.
fn rows() -> Vec<Row> {
    let names = |name: &str| (&["name"][..], path(name));
    vec![
        row(
            "GET",
            "/containers/json?since=c2&before=c4&all=yes",
            &["Containers"],
            vec![
                (&["Since"], query("since", "c2")),
                (&["Before"], query("before", "c4")),
                (&["All"], query("all", "yes")),
            ],
        ),
        row(
            "GET",
            "/containers/c1/logs?stdout=1&tail=5&since=3",
            &["ContainerLogs"],
            vec![
                (&["containerName"], path("c1")),
                (&["ShowStdout"], query("stdout", "1")),
                (&["Tail"], query("tail", "5")),
                (&["Since"], query("since", "3")),
            ],
        ),
        row(
            "POST",
            "/containers/c1/start",
            &["ContainerStart"],
            vec![names("c1")],
        ),
        row(
            "POST",
            "/containers/c1/pause",
            &["ContainerPause"],
            vec![names("c1")],
        ),
        row(
            "POST",
            "/containers/c1/unpause",
            &["ContainerUnpause"],
            vec![names("c1")],
        ),
        row(
            "POST",
            "/containers/c1/restart?t=0",
            &["ContainerRestart"],
            vec![names("c1"), (&["seconds", "Timeout"], query("t", "0"))],
        ),
        row(
            "POST",
            "/containers/c1/kill?signal=KILL",
            &["ContainerKill"],
            vec![
                names("c1"),
                (&["sig", "stopSignal"], query("signal", "KILL")),
            ],
        ),
        // API 1.41 does not know that signal
        row(
            "POST",
            "/containers/c1/stop?t=0&signal=KILL",
            &["ContainerStop"],
            vec![names("c1"), (&["timeout", "Timeout"], query("t", "0"))],
        ),
        row(
            "POST",
            "/containers/c2/rename?name=d2",
            &["ContainerRename"],
            vec![
                (&["oldName"], path("c2")),
                (&["newName"], query("name", "d2")),
            ],
        ),
        row(
            "DELETE",
            "/containers/d2?force=1&v=1",
            &["ContainerRm"],
            vec![
                names("d2"),
                (&["ForceRemove"], query("force", "1")),
                (&["RemoveVolume"], query("v", "1")),
            ],
        ),
        row(
            "POST",
            "/containers/prune?filters=%7B%22label%22%3A%5B%22nope%22%5D%7D",
            &["ContainersPrune", "ContainerPrune"],
            vec![(&["pruneFilters"], query("filters", r#"{"label":["nope"]}"#))],
        ),
        row(
            "DELETE",
            "/images/nope?force=1",
            &["ImageDelete"],
            vec![
                (&["imageRef"], path("nope")),
                (&["force", "Force"], query("force", "1")),
                // the handler prunes unless it is told not to
                (&["prune", "PruneChildren"], hard_coded("deleteImages")),
            ],
        ),
        row(
            "DELETE",
            "/images/busybox:1?noprune=1",
            &["ImageDelete"],
            vec![
                (&["imageRef"], path("busybox:1")),
                (&["prune", "PruneChildren"], query("noprune", "1")),
            ],
        ),
        row(
            "POST",
            "/images/prune",
            &["ImagesPrune", "ImagePrune"],
            vec![],
        ),
        Row {
            unknown: &["getOpts"],
            ..row("GET", "/volumes/vol", &["Get"], vec![names("vol")])
        },
        Row {
            unknown: &["rmOpts"],
            ..row(
                "DELETE",
                "/volumes/vol?force=1",
                &["Remove"],
                vec![names("vol")],
            )
        },
        row(
            "GET",
            "/networks/none?verbose=true",
            &["GetNetworks"],
            vec![
                (&["filter"], path("none")),
                (&["Detailed"], hard_coded("getNetwork")),
                (&["Verbose"], query("verbose", "true")),
            ],
        ),
        row(
            "GET",
            "/events?since=1&until=2.5&filters=%7B%22type%22%3A%5B%22image%22%5D%7D",
            &["SubscribeToEvents"],
            vec![
                (&["since"], query("since", "1")),
                (&["until"], query("until", "2.5")),
                (&["filter"], query("filters", r#"{"type":["image"]}"#)),
            ],
        ),
    ]
}

/// Sends them all, each with a User-Agent of its own.
pub fn send(daemon: &Daemon) {
    let answer = daemon
        .post("/v1.41/volumes/create", &json!({"Name": "vol"}))
        .expect("answer");
    assert_eq!(answer.status, 201, "a volume");
    for (n, row) in rows().iter().enumerate() {
        let path = format!("/v1.41{}", row.path);
        let agent = format!("t-route-{n}");
        let answer = request(
            &daemon.socket(),
            row.method,
            &path,
            &[("User-Agent", &agent)],
            &[],
        );
        let status = answer.expect("answer").status;
        assert!(status < 500, "{} {path}: {status}", row.method);
    }
}

/// All of them have the origins that they were sent with.
pub fn check(events: &Events) {
    for (n, row) in rows().iter().enumerate() {
        let request = events.request_of(&format!("t-route-{n}"));
        let what = format!("{} {}", row.method, row.path);
        let calls: Vec<&Value> = row
            .functions
            .iter()
            .flat_map(|f| events.calls(request, f))
            .collect();
        let call = harness::the_one(calls, &what);
        let origins = call["origins"].as_object().expect("origins");
        for (option, origin) in origins {
            let name = option.rsplit('.').next().expect("name");
            if row.unknown.contains(&name) {
                assert_eq!(origin["from"], "unknown", "{what}: {option}");
                continue;
            }
            let expected = row.options.iter().find(|(names, _)| names.contains(&name));
            let default = json!({"from": "default"});
            let expected = expected.map_or(&default, |(_, origin)| origin);
            assert_eq!(origin, expected, "{what}: {option} of {call:#}");
        }
        for (names, _) in &row.options {
            let has = |option: &String| names.contains(&option.rsplit('.').next().expect("name"));
            assert_eq!(
                origins.keys().filter(|o| has(o)).count(),
                1,
                "{what}: {names:?} of {call:#}"
            );
        }
    }
}

//! What handlers do by API version, release and body, on the daemons that do it. The truth is what
//! was sent, and what moby's sources of that release say.

use harness::{Daemon, Events, request};
use serde_json::{Value, json};

use super::{hard_coded, query};

const FORM: &str = "application/x-www-form-urlencoded";

/// One request, the function that it leads to, and where one of its options comes from: on 20.10,
/// on 26.1, on 28.5.
struct Rule {
    method: &'static str,
    path: &'static str,
    /// Content type and body.
    body: Option<(&'static str, &'static str)>,
    function: &'static str,
    /// Its names in the releases that have it.
    option: &'static [&'static str],
    origins: [Value; 3],
}

fn rule(
    method: &'static str,
    path: &'static str,
    function: &'static str,
    option: &'static [&'static str],
    origins: [Value; 3],
) -> Rule {
    Rule {
        method,
        path,
        body: None,
        function,
        option,
        origins,
    }
}

fn every(origin: Value) -> [Value; 3] {
    [origin.clone(), origin.clone(), origin]
}

fn default() -> Value {
    json!({"from": "default"})
}

/// The option does not exist there.
const NONE: Value = Value::Null;

fn rules() -> Vec<Rule> {
    let several = |parts: &[Value]| json!({"from": "several", "parts": parts});
    let unknown = |why: &str| json!({"from": "unknown", "why": why});
    let label = || query("filters", r#"{"label":["nope"]}"#);
    let all = || hard_coded("postVolumesPrune");
    let form = || {
        every(unknown(
            "a form in the request's body may have set it; bodies are not captured",
        ))
    };
    let timeout: &[&str] = &["timeout", "Timeout"];
    let with_body = |body, rule: Rule| Rule {
        body: Some(body),
        ..rule
    };
    let stop = |path, origins| rule("POST", path, "ContainerStop", timeout, origins);
    let path = |part: &str| json!({"from": "path", "part": part});
    let pruned: &[&str] = &["filter"];
    let images: &[&str] = &["imageFilters", "Filters"];
    vec![
        // below API 1.42 volumes with names are pruned too, which daemons that can tell are told by
        // the handler
        rule(
            "POST",
            "/v1.41/volumes/prune?filters=%7B%22label%22%3A%5B%22nope%22%5D%7D",
            "Prune",
            pruned,
            [
                label(),
                several(&[label(), all()]),
                several(&[label(), all()]),
            ],
        ),
        rule(
            "POST",
            "/v1.44/volumes/prune?filters=%7B%22label%22%3A%5B%22nope%22%5D%7D",
            "Prune",
            pruned,
            [NONE, label(), label()],
        ),
        rule(
            "POST",
            "/v1.41/volumes/prune",
            "Prune",
            pruned,
            [default(), all(), all()],
        ),
        // only one type of body is a form, and it counts before the query
        with_body((FORM, "t=0"), stop("/v1.41/containers/c3/stop?t=1", form())),
        with_body((FORM, "t=0"), stop("/v1.41/containers/c3/stop", form())),
        with_body(
            ("application/json", "{}"),
            stop("/v1.41/containers/c3/stop?t=1", every(query("t", "1"))),
        ),
        with_body(
            ("application/octet-stream", "t=3"),
            stop("/v1.41/containers/c3/stop", every(default())),
        ),
        stop("/v1.41/containers/c3/stop?timeout=5", every(default())),
        // a signal by number or by name
        rule(
            "POST",
            "/v1.41/containers/c3/kill?signal=SIGRTMIN%2B3",
            "ContainerKill",
            &["sig", "stopSignal"],
            every(query("signal", "SIGRTMIN+3")),
        ),
        // a condition by number or by name, and not read by old versions
        rule(
            "POST",
            "/v1.41/containers/c3/wait",
            "ContainerWait",
            &["condition"],
            [default(), default(), hard_coded("postContainersWait")],
        ),
        rule(
            "POST",
            "/v1.29/containers/c3/wait?condition=removed",
            "ContainerWait",
            &["condition"],
            [default(), default(), hard_coded("postContainersWait")],
        ),
        rule(
            "POST",
            "/v1.41/containers/nope/wait?condition=removed",
            "ContainerWait",
            &["condition"],
            every(query("condition", "removed")),
        ),
        // a parameter of old versions, which became a filter
        rule(
            "GET",
            "/v1.40/images/json?filter=busybox",
            "Images",
            images,
            every(query("filter", "busybox")),
        ),
        rule(
            "GET",
            "/v1.41/images/json?filter=busybox",
            "Images",
            images,
            every(default()),
        ),
        rule(
            "GET",
            "/images/json?shared-size=1",
            "Images",
            &["SharedSize"],
            [NONE, query("shared-size", "1"), query("shared-size", "1")],
        ),
        // what the handler chooses by the version
        rule(
            "GET",
            "/v1.27/networks",
            "GetNetworks",
            &["Detailed"],
            every(hard_coded("getNetworksList")),
        ),
        rule(
            "GET",
            "/v1.28/networks",
            "GetNetworks",
            &["Detailed"],
            every(default()),
        ),
        rule(
            "GET",
            "/networks/?novel=1",
            "GetNetworks",
            &["Detailed"],
            every(default()),
        ),
        rule(
            "GET",
            "/v1.41/networks/none?verbose=t",
            "GetNetworks",
            &["Verbose"],
            every(query("verbose", "t")),
        ),
        rule(
            "GET",
            "/v1.41/networks/none",
            "GetNetworks",
            &["filter"],
            every(path("none")),
        ),
        // types of disk usage, for a path without a version
        rule(
            "GET",
            "/system/df?type=volume",
            "SystemDiskUsage",
            &["Volumes"],
            [NONE, query("type", "volume"), query("type", "volume")],
        ),
        rule(
            "GET",
            "/v1.41/system/df?type=volume",
            "SystemDiskUsage",
            &["Volumes"],
            [NONE, hard_coded("getDiskUsage"), hard_coded("getDiskUsage")],
        ),
        // `stream` is true unless it is said
        rule(
            "GET",
            "/v1.41/containers/c3/stats?stream=0&one-shot=1",
            "ContainerStats",
            &["Stream"],
            every(query("stream", "0")),
        ),
        rule(
            "GET",
            "/v1.41/containers/c3/stats?stream=0&one-shot=1",
            "ContainerStats",
            &["OneShot"],
            every(query("one-shot", "1")),
        ),
        rule(
            "GET",
            "/v1.40/containers/nope/stats?one-shot=1",
            "ContainerStats",
            &["OneShot"],
            every(default()),
        ),
        rule(
            "GET",
            "/v1.40/containers/nope/stats",
            "ContainerStats",
            &["Stream"],
            every(hard_coded("getContainersStats")),
        ),
        rule(
            "GET",
            "/v1.41/containers/c3/top?ps_args=aux",
            "ContainerTop",
            &["psArgs"],
            every(query("ps_args", "aux")),
        ),
        rule(
            "POST",
            "/v1.41/build/prune?all=yes",
            "PruneCache",
            &["All"],
            every(query("all", "yes")),
        ),
        // a body is read only where it may be one
        with_body(
            ("application/json", r#"{"Privileged":true}"#),
            rule(
                "POST",
                "/v1.23/containers/c3/start",
                "ContainerStart",
                &["Privileged"],
                [
                    unknown("it comes from the request's body, which is not captured"),
                    NONE,
                    NONE,
                ],
            ),
        ),
    ]
}

fn agent(n: usize) -> String {
    format!("t-rule-{n}")
}

/// Sends them all, each with a User-Agent of its own; then those whose ends are looked at: gives
/// which of these were answered.
pub fn send(daemon: &Daemon) -> [bool; 2] {
    for (n, rule) in rules().iter().enumerate() {
        let agent = agent(n);
        let (ty, body) = rule.body.unwrap_or_default();
        let mut headers = vec![("User-Agent", agent.as_str())];
        headers.extend((!ty.is_empty()).then_some(("Content-Type", ty)));
        let answer = request(
            &daemon.socket(),
            rule.method,
            rule.path,
            &headers,
            body.as_bytes(),
        );
        answer.unwrap_or_else(|error| panic!("{} {}: {error:#}", rule.method, rule.path));
    }
    // some releases panic
    let answered = DISK_USAGE.map(|(path, agent)| daemon.get_as(path, agent).is_ok());
    for method in ["HEAD", "GET"] {
        let headers = [("User-Agent", "t-ping")];
        let answer = request(&daemon.socket(), method, "/_ping", &headers, &[]);
        assert_eq!(answer.expect("answer").status, 200);
    }
    answered
}

/// Build cache alone, which some releases' handlers do not expect.
const DISK_USAGE: [(&str, &str); 2] = [
    ("/v1.41/system/df?type=build-cache", "t-cache-41"),
    ("/v1.43/system/df?type=build-cache", "t-cache-43"),
];

/// All of them have the origins that the sources of this release tell.
pub fn check(events: &Events, suite: &str, answered: [bool; 2]) {
    let era = match suite {
        "bullseye" | "bookworm" => 0,
        "trixie" => 1,
        _ => 2,
    };
    for (n, rule) in rules().iter().enumerate() {
        let what = format!("{suite}: {} {}", rule.method, rule.path);
        let expected = &rule.origins[era];
        let request = events.request_of(&agent(n));
        let calls = events.calls(request, rule.function);
        let found: Vec<&Value> = calls
            .iter()
            .flat_map(|call| call["origins"].as_object().expect("origins"))
            .filter(|(option, _)| {
                let name = option.rsplit('.').next().expect("name");
                rule.option.contains(&name)
            })
            .map(|(_, origin)| origin)
            .collect();
        let expected: Vec<&Value> = [expected].into_iter().filter(|o| !o.is_null()).collect();
        assert_eq!(found, expected, "{what}: {calls:#?}");
    }
    let timeout = json!([{"parameter": "timeout", "read_from": null, "read_below": null}]);
    let stopped = rules().iter().position(|r| r.path.ends_with("timeout=5"));
    let stopped = events.request_of(&agent(stopped.expect("rule")));
    assert_eq!(stopped["unread"], timeout);
    let old = events.request_of("t-cache-41");
    let since = json!([{"parameter": "type", "read_from": "1.42", "read_below": null}]);
    assert_eq!(old["unread"], since);
    for ping in events.requests(|e| e["user_agent"] == "t-ping") {
        assert_eq!(ping["status"], 200, "{ping:#}");
    }
    // each ends as its client saw it
    for ((path, agent), answered) in DISK_USAGE.iter().zip(answered) {
        let request = events.request_of(agent);
        let ended = if answered { "returned" } else { "panicked" };
        assert_eq!(request["state"], ended, "{suite}: {path}: {request:#}");
        assert_eq!(request["status"].is_null(), !answered, "{request:#}");
        assert!(request["end_ns"].is_u64(), "{request:#}");
    }
    // 25 to 27 do not expect build cache alone between API 1.42 and 1.43
    assert_eq!(answered, [true, suite != "trixie"], "{suite}");
}

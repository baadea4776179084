//! Errors of calls say what the API says: its `message` is the truth, on every stock daemon.

use std::collections::BTreeMap;

use harness::{Daemon, Events, stock_dockerd, traced};
use serde_json::Value;

/// Functions that fail with what handlers hand on.
const PROFILES: [&str; 6] = [
    "list",
    "containers",
    "images",
    "volumes",
    "networks",
    "system",
];

/// Requests that fail below a traced function: method and path.
const FAILING: &[(&str, &str)] = &[
    (
        "GET",
        "/containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D",
    ),
    (
        "GET",
        "/containers/json?filters=%7B%22since%22%3A%5B%22nope%22%5D%7D",
    ),
    ("GET", "/containers/nope/json"),
    ("POST", "/containers/nope/stop?timeout=1"),
    ("GET", "/images/shop/json"),
    ("GET", "/images/host:5000/a/b:1.0/json"),
    (
        "POST",
        "/images/prune?filters=%7B%22dangling%22%3A%5B%22maybe%22%5D%7D",
    ),
    ("GET", "/volumes/nope"),
    ("DELETE", "/volumes/nope"),
    (
        "GET",
        "/volumes?filters=%7B%22dangling%22%3A%5B%22maybe%22%5D%7D",
    ),
    ("DELETE", "/networks/nope"),
];

/// Texts of the errors that the calls of a request came back with; `None`: an error without a text.
fn errors(events: &Events, request: &Value) -> Vec<(String, Option<String>)> {
    events
        .of_type("call")
        .filter(|call| call["request"] == request["id"])
        .filter(|call| !call["results"]["error"].is_null())
        .map(|call| {
            let error = &call["results"]["error"];
            let text = error["error"].as_str().map(str::to_owned);
            (format!("{}: {error}", call["short"]), text)
        })
        .collect()
}

fn on(suite: &str) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    let args: Vec<&str> = PROFILES.iter().flat_map(|p| ["-p", *p]).collect();
    let mut answers = BTreeMap::new();
    let (events, _) = traced(&daemon, &args, || {
        for (n, (method, path)) in FAILING.iter().enumerate() {
            let agent = format!("t-{n}");
            let path = format!("/v1.41{path}");
            let headers = [("User-Agent", agent.as_str())];
            let answer = harness::request(&daemon.socket(), method, &path, &headers, b"");
            let answer = answer.expect("answer");
            assert!(answer.status >= 400, "{path}: {}", answer.status);
            let message = answer.json().expect("JSON")["message"].clone();
            answers.insert(agent, message.as_str().expect("message").to_owned());
        }
    });
    let mut with_calls = 0;
    for (agent, message) in &answers {
        let found = errors(&events, events.request_of(agent));
        if found.is_empty() {
            // its handler refused it before it called a traced function
            continue;
        }
        with_calls += 1;
        for (call, text) in &found {
            assert!(text.is_some(), "{agent}: {call} without text");
        }
        assert!(
            found.iter().any(|(_, text)| text.as_ref() == Some(message)),
            "{agent}: the API says {message:?}, the calls {found:#?}"
        );
    }
    assert!(
        with_calls >= 8,
        "{with_calls} requests reached traced functions"
    );
}

#[test]
fn on_bullseye() {
    on("bullseye");
}

#[test]
fn on_bookworm() {
    on("bookworm");
}

#[test]
fn on_trixie() {
    on("trixie");
}

#[test]
fn on_sid() {
    on("sid");
}

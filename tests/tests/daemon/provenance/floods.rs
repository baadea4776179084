//! Requests that are too long to be captured: what is said of their options is right, or unknown.
//! Truth is what was sent, and what the API answered.

use harness::{Daemon, Events, stock_dockerd, traced};
use serde_json::{Value, json};

/// Bytes of one string that are captured.
const CAPTURED: usize = 64 << 10;
const LIST: &str = "/v1.41/containers/json";

/// Sends a list request whose `limit` stands for it.
fn send(daemon: &Daemon, query: &str, headers: &[(&str, &str)]) -> u16 {
    let path = format!("{LIST}?{query}");
    let answer = harness::request(&daemon.socket(), "GET", &path, headers, b"");
    answer.expect("answer").status
}

/// The part of a query that was captured.
fn captured(query: &Value) -> &str {
    query.as_str().or(query["cut"].as_str()).unwrap_or_default()
}

#[track_caller]
fn request<'e>(events: &'e Events, start: &str) -> &'e Value {
    let found = events.requests(|e| captured(&e["query"]).starts_with(start));
    harness::the_one(found, start)
}

#[track_caller]
fn origin(call: &Value, option: &str, expected: Option<(&str, &str)>) {
    let origin = &call["origins"][format!("config.{option}")];
    match expected {
        Some((parameter, sent)) => assert_eq!(
            *origin,
            json!({"from": "query", "parameter": parameter, "sent": sent}),
            "{option}"
        ),
        None => assert_eq!(origin["from"], "unknown", "{option}: {origin}"),
    }
}

fn on(suite: &str, list: &str) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    let labels = |bytes: usize| {
        let label = "x".repeat(bytes);
        format!("filters=%7B%22label%22%3A%5B%22{label}%22%5D%7D")
    };
    let long = labels(CAPTURED);
    let behind = format!("limit=101&{long}&all=1&size=1");
    let before = format!("limit=102&all=1&size=1&{long}");
    // almost all that Go's server takes of a request's head
    let million = format!("limit=103&all=1&x={}", "y".repeat(1_000_000));
    let many = format!("limit=104&all=0&size=1{}", "&z".repeat(40_000));
    let headers: Vec<(String, String)> = (0..6000)
        .map(|n| (format!("X-Flood-{n}"), "v".repeat(20)))
        .collect();
    let agents = [
        ("limit=201", "\u{1b}[2J… (9 bytes)".to_owned()),
        ("limit=202", "a".repeat(CAPTURED + 1)),
        ("limit=203", "<missing: its record was lost>".to_owned()),
    ];
    let (mut many_status, mut flood_status) = (0, 0);
    let (events, _) = traced(&daemon, &["-p", "list"], || {
        for query in [&behind, &before, &million] {
            assert_eq!(send(&daemon, query, &[("User-Agent", "t")]), 200);
        }
        many_status = send(&daemon, &many, &[("User-Agent", "t")]);
        for (query, agent) in &agents {
            // a control character is not sent through
            let agent = agent.replace('\u{1b}', "\u{85}");
            assert_eq!(send(&daemon, query, &[("User-Agent", &agent)]), 200);
        }
        let mut flood: Vec<(&str, &str)> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        flood.insert(3000, ("User-Agent", "t-flood"));
        flood_status = send(&daemon, "limit=301", &flood);
        let nameless = &flood[..200];
        assert_eq!(send(&daemon, "limit=302", nameless), 200);
    });
    let call = |start: &str| harness::the_one(events.calls(request(&events, start), list), start);

    let all = |call: &Value, all: bool, size: bool| {
        assert_eq!(call["params"]["config"]["All"], all);
        assert_eq!(call["params"]["config"]["Size"], size);
    };
    for (start, sent) in [
        ("limit=101", &behind),
        ("limit=102", &before),
        ("limit=103", &million),
    ] {
        let query = &request(&events, start)["query"];
        assert_eq!(query["len"], sent.len(), "{start}");
        // what is hidden is hidden by asterisks
        let pairs = captured(query).chars().zip(sent.chars());
        assert!(
            pairs
                .clone()
                .all(|(seen, sent)| seen == sent || seen == '*'),
            "{start}"
        );
        assert!(
            pairs.filter(|(seen, _)| *seen != '*').count() > 8,
            "{start}"
        );
        assert!(captured(query).len() < sent.len(), "{start}");
    }
    let cut = call("limit=101");
    all(cut, true, true);
    origin(cut, "Limit", Some(("limit", "101")));
    for option in ["All", "Size", "Filters", "Since", "Before", "Latest"] {
        if cut["params"]["config"].get(option).is_some() {
            origin(cut, option, None);
        }
    }
    let cut = call("limit=102");
    all(cut, true, true);
    for (option, sent) in [("Limit", "102"), ("All", "1"), ("Size", "1")] {
        origin(cut, option, Some((&option.to_lowercase(), sent)));
    }
    origin(cut, "Filters", None);
    let cut = call("limit=103");
    all(cut, true, false);
    origin(cut, "All", Some(("all", "1")));
    origin(cut, "Size", None);
    // releases of Go that read ten thousand parameters at most refuse it
    if many_status == 200 {
        let cut = call("limit=104");
        all(cut, false, true);
        origin(cut, "Size", Some(("size", "1")));
        origin(cut, "All", None);
    } else {
        assert_eq!(many_status, 400);
    }

    for (start, agent) in &agents {
        let sent = agent.replace('\u{1b}', "\u{85}");
        let seen = &request(&events, start)["user_agent"];
        if sent.len() <= CAPTURED {
            assert_eq!(*seen, json!(sent), "{start}");
        } else {
            assert_eq!(seen["len"], sent.len(), "{start}");
            assert!(
                sent.starts_with(seen["cut"].as_str().expect("cut")),
                "{start}"
            );
        }
    }
    // found, or not known: never said to be absent
    // newer releases of Go refuse so many before any handler runs
    if flood_status == 200 {
        let flooded = &request(&events, "limit=301")["user_agent"];
        assert!(
            *flooded == "t-flood" || flooded["missing"].is_string(),
            "{flooded}"
        );
    } else {
        assert_eq!(flood_status, 431);
    }
    let nameless = &request(&events, "limit=302")["user_agent"];
    assert!(nameless.is_null(), "{nameless}");
}

#[test]
fn on_bullseye() {
    on("bullseye", "reduceContainers");
}

#[test]
fn on_bookworm() {
    on("bookworm", "reduceContainers");
}

#[test]
fn on_trixie() {
    on("trixie", "Containers");
}

#[test]
fn on_sid() {
    on("sid", "Containers");
}

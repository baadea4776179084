//! Values that are very large, on stock daemons: two thousand containers listed, a container with
//! three hundred labels and one of ten kilobytes, filters of both. Complete as the API answers;
//! cut, where a kernel's programs must, with the reason and the true length.
//!
//! `MOBYTRACE_LARGE=all cargo test -p tests --test alone large:: -- --nocapture` makes two thousand
//! on all four daemons.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use harness::{Daemon, Events, request, stock_dockerd, traced};
use serde_json::{Map, Value, json};

const LABELS: usize = 300;
const LONG: usize = 10 * 1024;

fn everywhere() -> bool {
    std::env::var("MOBYTRACE_LARGE").is_ok_and(|v| v == "all")
}

/// The labels of one container, and one that is long.
fn labels() -> Map<String, Value> {
    let mut labels: Map<String, Value> = (0..LABELS)
        .map(|n| {
            (
                format!("com.example.label-{n}"),
                json!(format!("value {n}")),
            )
        })
        .collect();
    labels.insert("long".into(), json!("0123456789abcdef".repeat(LONG / 16)));
    labels
}

fn create(daemon: &Daemon, name: &str, agent: &str, labels: &Map<String, Value>) {
    let body = json!({
        "Image": "busybox:1", "Cmd": ["true"], "Labels": labels, "HostConfig": {"NetworkMode": "none"},
    });
    let headers = [("Content-Type", "application/json"), ("User-Agent", agent)];
    let path = format!("/containers/create?name={name}");
    let body = body.to_string();
    let answer = request(&daemon.socket(), "POST", &path, &headers, body.as_bytes());
    let answer = answer.expect("answer");
    assert_eq!(
        answer.status,
        201,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
}

/// Containers by several clients at once.
fn create_many(daemon: &Daemon, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    create(daemon, &format!("many-{n}"), "t-many", &Map::new());
                }
            });
        }
    });
}

/// (ID, first name, state) of what the API or a call returned.
fn identities(list: &Value) -> BTreeSet<(String, String, String)> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {}", short(list)))
        .iter()
        .map(|c| {
            let text = |v: &Value| v.as_str().unwrap_or_else(|| panic!("{c}")).to_owned();
            let id = c.get("ID").or_else(|| c.get("Id")).expect("ID");
            (text(id), text(&c["Names"][0]), text(&c["State"]))
        })
        .collect()
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(600).collect()
}

fn get(daemon: &Daemon, path: &str, agent: &str) -> Value {
    let answer = daemon.get_as(path, agent).expect("answer");
    assert_eq!(answer.status, 200, "{path:.100}");
    answer.json().expect("JSON")
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// A list request by one filter per label.
fn by_labels(labels: &Map<String, Value>) -> (String, Value) {
    let filters: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().expect("text")))
        .collect();
    let query = json!({"label": filters}).to_string();
    let expected: Map<String, Value> = filters.into_iter().map(|f| (f, json!(true))).collect();
    (
        format!("/containers/json?all=1&filters={}", escaped(&query)),
        json!({"fields": {"label": expected}}),
    )
}

fn parameter<'e>(call: &'e Value, name: &str) -> &'e Value {
    let params = &call["params"];
    params
        .get(name)
        .unwrap_or_else(|| panic!("{}", short(call)))
}

/// The labels that a traced create had.
fn created_labels(events: &Events) -> Value {
    let call = events.call_of("t-create", "ContainerCreate");
    let params = call["params"].as_object().expect("params");
    params
        .values()
        .find_map(|p| p["Config"].get("Labels"))
        .unwrap_or_else(|| panic!("no labels: {}", short(call)))
        .clone()
}

fn on(suite: &str, count: usize) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    let started = Instant::now();
    create_many(&daemon, count);
    println!("{suite}: {count} containers in {:?}", started.elapsed());
    let labels = labels();
    let (path, filters) = by_labels(&labels);
    let (mut all, mut found, mut inspected) = (Value::Null, Value::Null, Value::Null);
    let (events, finished) = traced(&daemon, &["-p", "list", "-p", "containers"], || {
        create(&daemon, "labelled", "t-create", &labels);
        all = get(&daemon, "/containers/json?all=1", "t-all");
        found = get(&daemon, &path, "t-filter");
        inspected = get(&daemon, "/containers/labelled/json", "t-inspect");
    });
    assert!(
        finished.stderr.contains("nothing lost"),
        "{}",
        finished.stderr
    );
    // the labels, as the daemon keeps them
    let kept = &inspected["Config"]["Labels"];
    assert_eq!(kept.as_object().expect("labels").len(), LABELS + 1);
    assert!(created_labels(&events) == *kept, "{suite}: labels differ");
    // the list, as the API answers it
    let truth = identities(&all);
    assert_eq!(truth.len(), count + 1);
    let call = events.call_of("t-all", "Containers");
    let returned = &call["results"]["result"];
    assert!(
        returned.is_array(),
        "{suite}: not complete: {}",
        short(returned)
    );
    assert_eq!(identities(returned), truth, "{suite}");
    // the filters, as they were sent, and what they found
    let call = events.call_of("t-filter", "Containers");
    let config = parameter(call, "config");
    assert!(config["Filters"] == filters, "{suite}: {}", short(config));
    assert_eq!(
        identities(&call["results"]["result"]),
        identities(&found),
        "{suite}"
    );
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    println!(
        "{suite}: {} containers, {LABELS} labels and one of {LONG} bytes: all as the API answers",
        truth.len()
    );
    // a hundred or so is what those programs reach
    if count > 1000 {
        cut(&daemon, suite, &all);
    }
}

/// The programs for the oldest kernels: what they do not reach is cut.
fn cut(daemon: &Daemon, suite: &str, all: &Value) {
    let truth = identities(all);
    let mut answered = Value::Null;
    let (events, finished) =
        harness::traced_with(daemon, &[], &[("MOBYTRACE_VARIANT", "bounded")], || {
            answered = get(daemon, "/containers/json?all=1", "t-cut");
        });
    let said = &finished.stderr;
    assert!(said.contains(" captures cut by a budget"), "{said}");
    assert!(!said.contains("records lost"), "{said}");
    // by its name: on Go 1.24 and newer these programs do not reach who asked, headers lie in a
    // Swiss map
    let mut calls = events.of_type("call").filter(|call| {
        let name = call["function"].as_str().unwrap_or_default();
        name.ends_with("(*Daemon).Containers")
    });
    let call = calls.next().expect("a call");
    let returned = &call["results"]["result"];
    assert_eq!(returned["len"], json!(truth.len()), "{}", short(returned));
    assert_eq!(
        returned["why"],
        "cut by the budget for entries per hit",
        "{}",
        short(returned)
    );
    let items = returned["items"].as_array().expect("items");
    // the last one may be cut itself
    let (last, whole) = items.split_last().expect("some");
    let part = identities(&json!(whole));
    assert_eq!(part.len(), whole.len());
    assert!(part.is_subset(&truth), "{suite}: others than the API's");
    println!(
        "{suite}: bounded programs show {} of {} containers, then {}",
        whole.len(),
        truth.len(),
        short(last)
    );
}

#[test]
fn two_thousand_containers_on_bookworm() {
    let _turn = harness::turn();
    on("bookworm", 2000);
}

#[test]
fn on_bullseye() {
    let _turn = harness::turn();
    on("bullseye", if everywhere() { 2000 } else { 30 });
}

#[test]
fn on_trixie() {
    let _turn = harness::turn();
    on("trixie", if everywhere() { 2000 } else { 30 });
}

#[test]
fn on_sid() {
    let _turn = harness::turn();
    on("sid", if everywhere() { 2000 } else { 30 });
}

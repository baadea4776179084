//! What a live session saw, as its JSON Lines say it.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::Daemon;
use crate::tool::{Finished, Running, Tool, json_lines};

/// Events of one session.
#[derive(Clone, Debug)]
pub struct Events(pub Vec<Value>);

/// Runs `work` under `mobytrace trace` and ends that with Ctrl-C.
///
/// # Panics
/// The session fails: that is the test's failure.
pub fn traced(daemon: &Daemon, args: &[&str], work: impl FnOnce()) -> (Events, Finished) {
    traced_with(daemon, args, &[], work)
}

/// The same with more environment.
///
/// # Panics
/// The session fails: that is the test's failure.
pub fn traced_with(
    daemon: &Daemon,
    args: &[&str],
    env: &[(&str, &str)],
    work: impl FnOnce(),
) -> (Events, Finished) {
    let tool = Tool::find().expect("tool");
    let socket = daemon.socket().display().to_string();
    let mut all = vec!["trace", "--socket", &socket, "--format", "jsonl"];
    all.extend(args);
    let mut command = std::process::Command::new(tool.path());
    command.args(all).envs(env.iter().copied());
    let mut running = Running::start(command).expect("started");
    running.wait_for("attached to dockerd").expect("attached");
    let kept = daemon.connections();
    work();
    daemon.wait_until_served(&kept);
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    (Events(events), finished)
}

impl Events {
    /// Requests that satisfy `wanted`.
    pub fn requests(&self, wanted: impl Fn(&Value) -> bool) -> Vec<&Value> {
        self.0
            .iter()
            .filter(|e| e["type"] == "request" && wanted(e))
            .collect()
    }

    /// Events of one type.
    pub fn of_type<'e>(&'e self, ty: &'e str) -> impl Iterator<Item = &'e Value> {
        self.0.iter().filter(move |e| e["type"] == ty)
    }

    /// The only request of a User-Agent.
    #[track_caller]
    #[must_use]
    pub fn request_of(&self, agent: &str) -> &Value {
        the_one(self.requests(|e| e["user_agent"] == agent), agent)
    }

    /// Calls of `short` that belong to a request.
    #[must_use]
    pub fn calls(&self, request: &Value, short: &str) -> Vec<&Value> {
        self.0
            .iter()
            .filter(|e| e["type"] == "call" && e["short"] == short && e["request"] == request["id"])
            .collect()
    }

    /// The only call of `short` that belongs to the only request of a User-Agent.
    #[track_caller]
    #[must_use]
    pub fn call_of(&self, agent: &str, short: &str) -> &Value {
        the_one(self.calls(self.request_of(agent), short), agent)
    }

    /// The event that closes the stream.
    #[track_caller]
    #[must_use]
    pub fn end(&self) -> &Value {
        let last = self.0.last().expect("events");
        assert_eq!(last["type"], "end");
        last
    }
}

/// The only one there is.
#[track_caller]
#[must_use]
pub fn the_one<'e>(mut found: Vec<&'e Value>, what: &str) -> &'e Value {
    assert_eq!(found.len(), 1, "{what}: {found:#?}");
    found.remove(0)
}

/// List options as an API request makes them, all zero but for `changes`; `quiet`: builds up to
/// 20.10 have that field too.
///
/// # Panics
/// `changes` is no object.
#[must_use]
pub fn list_options(quiet: bool, changes: &Value) -> Value {
    let mut all = json!({
        "Size": false, "All": false, "Latest": false,
        "Since": "", "Before": "", "Limit": 0, "Filters": {"fields": {}},
    });
    if quiet {
        all["Quiet"] = json!(false);
    }
    for (name, value) in changes.as_object().expect("object") {
        all[name] = value.clone();
    }
    all
}

/// Every event has what docs/events.schema.json requires, and there are events of every type that
/// any session with a traced request has.
///
/// # Panics
/// Not so.
#[track_caller]
pub fn keeps_to_its_schema(events: &[Value]) {
    let seen = types_by_schema(events);
    for ty in ["trace", "request", "call", "end"] {
        assert!(seen.contains(ty), "no {ty} in {seen:?}");
    }
}

/// Types of the events, each of which has what docs/events.schema.json requires of it, and nothing
/// that is not there.
fn types_by_schema(events: &[Value]) -> BTreeSet<String> {
    let schema = std::fs::read_to_string(crate::workspace_root().join("docs/events.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("schema")).expect("JSON");
    let kinds = schema["oneOf"].as_array().expect("oneOf");
    let mut seen = BTreeSet::new();
    for event in events {
        let kind = kinds
            .iter()
            .find(|k| k["properties"]["type"]["const"] == event["type"])
            .unwrap_or_else(|| panic!("an event that the schema does not know: {event}"));
        seen.insert(event["type"].as_str().expect("type").to_owned());
        let object = event.as_object().expect("object");
        let properties = kind["properties"].as_object().expect("properties");
        for name in kind["required"].as_array().expect("required") {
            let name = name.as_str().expect("name");
            assert!(object.contains_key(name), "{name} in {event}");
        }
        for name in object.keys() {
            assert!(
                properties.contains_key(name),
                "{name} is not in the schema: {event}"
            );
        }
    }
    seen
}

//! What the tool shows of the requests, against the model and the answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::asked::{Era, Opt};
use super::handlers::{Listed, Outcome, Sent};
use super::{Answered, Tally};
use crate::Events;

/// The beginning of what is too long to be told.
fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

/// A text, as far as it was captured.
fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["cut"].as_str())
}

/// Whether a captured text is this one, or says where it was cut. What is cut in the middle of a
/// document is masked from there to its end.
fn is_text(value: &Value, whole: &str) -> bool {
    match value["cut"].as_str() {
        Some(part) => value["len"] == whole.len() && whole.starts_with(part.trim_end_matches('*')),
        None => value == whole || value.get("missing").is_some() || value.get("hex").is_some(),
    }
}

pub fn check(era: &Era, all: &[Sent], answers: &[Answered], events: &Events, tally: &mut Tally) {
    let mut requests: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for request in events.of_type("request") {
        let agent = text(&request["user_agent"]).and_then(|a| a.split_ascii_whitespace().next());
        requests
            .entry(agent.unwrap_or(""))
            .or_default()
            .push(request);
    }
    for (n, (sent, answer)) in all.iter().zip(answers).enumerate() {
        tally.requests += 1;
        let seen = requests
            .remove(format!("t-{n}").as_str())
            .unwrap_or_default();
        let what = format!("{} {}", sent.method, short(&sent.target));
        // refused by net/http itself, from Go 1.27 on: no handler ever sees it
        if seen.is_empty() && sent.headers.len() > 400 && answer.status == Some(431) {
            continue;
        }
        let [request] = seen.as_slice() else {
            tally.wrong(&format!(
                "{what} with {} headers, answered {:?}: seen {} times",
                sent.headers.len(),
                answer.status,
                seen.len()
            ));
            continue;
        };
        of_request(sent, answer, request, &what, tally);
        let calls: Vec<&Value> = sent
            .functions
            .iter()
            .flat_map(|f| events.calls(request, f))
            .collect();
        match &sent.outcome {
            Outcome::Refused if !calls.is_empty() => {
                tally.wrong(&format!("{what} was refused, but called {}", calls[0]));
            }
            Outcome::Calls(_) if calls.is_empty() => tally.wrong(&format!(
                "{what}: no call of {:?}, answer {:?} {}",
                sent.functions, answer.status, answer.json
            )),
            Outcome::Calls(options) => {
                for call in &calls {
                    of_call(sent, answer, options, call, &what, tally);
                }
            }
            Outcome::Panics if answer.status.is_some() => {
                tally.wrong(&format!("{what} was answered {:?}", answer.status));
            }
            _ => {}
        }
        if sent.listed == Listed::Usage {
            of_usage(era, answer, events, request, &what, tally);
        }
    }
}

fn of_request(sent: &Sent, answer: &Answered, request: &Value, what: &str, tally: &mut Tally) {
    match (answer.status, request["status"].as_u64()) {
        (Some(a), Some(b)) if u64::from(a) == b => tally.statuses += 1,
        (_, None) => tally.statuses_unknown += 1,
        // the daemon closed the connection with the body unread, and the answer went with it
        (None, Some(_)) if !sent.body.is_empty() => tally.statuses_unknown += 1,
        (answered, shown) => {
            tally.wrong(&format!("{what}: answered {answered:?}, shown {shown:?}"))
        }
    }
    for (name, whole) in [("path", &sent.path), ("query", &sent.query)] {
        if !is_text(&request[name], whole) {
            let (shown, whole) = (request[name].to_string(), short(whole));
            let end: String = shown.chars().rev().take(200).collect();
            let end: String = end.chars().rev().collect();
            tally.wrong(&format!(
                "{what}: {name} {} … {end} instead of {whole}",
                short(&shown)
            ));
        }
    }
    if request["method"] != sent.method {
        tally.wrong(&format!("{what}: method {}", request["method"]));
    }
}

/// Options of a call: parameters, and fields of those that are structs; each with its value and
/// origin.
fn options(call: &Value) -> Vec<(String, &Value, &Value)> {
    let mut all = Vec::new();
    let origins = call["origins"].as_object();
    for (option, origin) in origins.into_iter().flatten() {
        let (parameter, field) = match option.split_once('.') {
            Some((parameter, field)) => (parameter, Some(field)),
            None => (option.as_str(), None),
        };
        let parameter = &call["params"][parameter];
        let value = field.map_or(parameter, |f| &parameter[f]);
        let name = field.unwrap_or(option).to_owned();
        all.push((name, value, origin));
    }
    all
}

/// Whether a value is shown as not, or not wholly, captured.
fn is_missing(value: &Value) -> bool {
    let object = value.as_object();
    object.is_some_and(|o| {
        ["missing", "masked", "cut", "why"]
            .iter()
            .any(|k| o.contains_key(*k))
            || o.values().any(is_missing)
    })
}

fn of_call(
    sent: &Sent,
    answer: &Answered,
    expected: &[Opt],
    call: &Value,
    what: &str,
    tally: &mut Tally,
) {
    tally.calls += 1;
    if call["state"] != "returned" {
        tally.wrong(&format!("{what}: {}", call["state"]));
    }
    let mut found = BTreeSet::new();
    for (name, value, origin) in options(call) {
        let option = expected
            .iter()
            .position(|o| o.names.contains(&name.as_str()));
        let Some(at) = option else {
            if sent.closed {
                tally.wrong(&format!("{what}: {name} is in no model: {value} {origin}"));
            }
            continue;
        };
        found.insert(at);
        of_option(&expected[at], &name, value, origin, what, tally);
    }
    for (at, option) in expected.iter().enumerate() {
        // names that only some eras have
        if !found.contains(&at)
            && sent.closed
            && !["Quiet", "withExtraAttrs"].contains(&option.names[0])
        {
            tally.wrong(&format!("{what}: no {:?} in {call}", option.names));
        }
    }
    of_results(sent, answer, call, what, tally);
}

fn of_option(
    option: &Opt,
    name: &str,
    value: &Value,
    origin: &Value,
    what: &str,
    tally: &mut Tally,
) {
    match &option.value {
        None => {}
        Some(_) if is_missing(value) => tally.values_missing += 1,
        Some(expected) if expected == value => tally.values += 1,
        Some(expected) => tally.wrong(&format!("{what}: {name} is {expected}, shown {value}")),
    }
    if origin["from"] == "unknown" {
        tally.origins_unknown += 1;
        tally.unknown(origin["why"].as_str().unwrap_or("no reason"));
    } else if option.from.iter().any(|f| f.json() == *origin) {
        tally.origins += 1;
    } else {
        let allowed: Vec<Value> = option.from.iter().map(super::asked::From::json).collect();
        tally.wrong(&format!(
            "{what}: {name} is from {allowed:?}, shown {origin}"
        ));
    }
}

/// What tells listed objects apart.
fn names(list: &Value, keys: &[&str]) -> Option<BTreeSet<String>> {
    let list = list.as_array()?.iter();
    list.map(|o| keys.iter().find_map(|k| o[*k].as_str()).map(str::to_owned))
        .collect()
}

fn of_results(sent: &Sent, answer: &Answered, call: &Value, what: &str, tally: &mut Tally) {
    let error = &call["results"]["error"];
    let failed = answer.status.is_none_or(|s| s >= 400);
    match error {
        // the handler looks for the name in the list
        Value::Null if failed && call["short"] == "GetNetworks" => {}
        Value::Null if failed => {
            tally.wrong(&format!("{what}: no error, answered {:?}", answer.status))
        }
        Value::Null => {}
        _ if error.get("missing").is_some() => tally.errors_unknown += 1,
        _ if !failed && answer.status != Some(304) => {
            tally.wrong(&format!("{what}: {error}, answered {:?}", answer.status));
        }
        // not modified: no body, hence no message
        _ if answer.status == Some(304) => {}
        _ => of_error(error, answer, what, tally),
    }
    let (answered, keys): (&Value, &[&str]) = match sent.listed {
        Listed::Ids => (&answer.json, &["ID", "Id"]),
        Listed::Volumes => (&answer.json["Volumes"], &["Name"]),
        Listed::Nothing | Listed::Usage => return,
    };
    of_list(call, answered, keys, what, tally);
}

/// An error's text is the API's, which may say more around it.
fn of_error(error: &Value, answer: &Answered, what: &str, tally: &mut Tally) {
    let message = answer.json["message"].as_str().unwrap_or("");
    match error["error"].as_str() {
        None => tally.errors_unknown += 1,
        Some(said) if said.split('…').all(|part| message.contains(part)) => tally.errors += 1,
        Some(said) => tally.wrong(&format!("{what}: error {said:?}, answered {message:?}")),
    }
}

fn of_list(call: &Value, answered: &Value, keys: &[&str], what: &str, tally: &mut Tally) {
    let Some(answered) = names(answered, keys) else {
        return;
    };
    let results = call["results"].as_object();
    for result in results.into_iter().flatten().map(|(_, r)| r) {
        let whole = names(result, keys);
        let part = names(&result["items"], keys);
        match (whole, part) {
            (Some(shown), _) if shown == answered => tally.results += 1,
            (None, Some(shown)) if shown.is_subset(&answered) => tally.results += 1,
            (None, None) => {}
            _ if result.as_array().is_some_and(Vec::is_empty) && !answered.is_empty() => {}
            (whole, part) => tally.wrong(&format!(
                "{what}: listed {whole:?} {part:?}, answered {answered:?}"
            )),
        }
    }
}

/// Lists below a disk-usage request: everything, with sizes, by the daemon's own choice.
fn of_usage(
    era: &Era,
    answer: &Answered,
    events: &Events,
    request: &Value,
    what: &str,
    tally: &mut Tally,
) {
    let by = if era.old {
        "SystemDiskUsage"
    } else {
        "containerDiskUsage"
    };
    let expected = [
        super::asked::hard(&["Size", "All"], true.into(), by),
        super::asked::zero(&["Quiet", "Latest"], false.into()),
        super::asked::zero(&["Since", "Before"], "".into()),
        super::asked::zero(&["Limit"], 0.into()),
        super::asked::zero(&["Filters"], serde_json::json!({"fields": null})),
    ];
    for call in ["Containers", "reduceContainers"]
        .iter()
        .flat_map(|f| events.calls(request, f))
    {
        tally.calls += 1;
        for (name, value, origin) in options(call) {
            match expected.iter().find(|o| o.names.contains(&name.as_str())) {
                Some(option) => of_option(option, &name, value, origin, what, tally),
                None => tally.wrong(&format!("{what}: {name} is in no model")),
            }
        }
        of_list(call, &answer.json["Containers"], &["ID", "Id"], what, tally);
    }
}

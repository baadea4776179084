//! Text that a client chose: control characters, invalid UTF-8, overrides of the writing direction,
//! hundreds of kilobytes. Escaped in every output, live and replayed, and what is shortened or cut
//! says its true length.

use harness::{Daemon, Tool, traced};
use serde_json::{Value, json};

/// Moves the cursor, sets the title, rings, hides, turns the line around, ends it.
const HOSTILE: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\u{8}\u{202e}\r\nline\u{85}\u{9b}2J`|<b>";
/// More than is captured of one string.
const LONG: usize = 200_000;

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// Nothing that a terminal would take for more than text.
#[track_caller]
fn is_harmless(what: &str, output: &str) {
    let bad = output.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    });
    assert_eq!(bad, None, "{what}: {output}");
}

#[test]
fn is_escaped_in_every_output_and_says_its_length() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("trace.mobytrace").display().to_string();
    let filter = json!({"label": [HOSTILE, "x".repeat(LONG)]}).to_string();
    let list = format!("/v1.41/containers/json?all=1&filters={}", percent(&filter));
    // a route matches one line
    let name = percent(&HOSTILE.replace('\n', ""));
    let named = format!("/v1.41/containers/{name}%FF%FE/json");
    let (events, finished) = traced(&daemon, &["-o", &file], || {
        // no such container, and the daemon says so
        let answer = daemon.get_as(&named, "t-named").expect("answer");
        assert!(answer.status >= 400, "{}", answer.status);
        assert_eq!(daemon.get_as(&list, "t-list").expect("list").status, 200);
        // on one connection: the second answer comes after the end of the first request was seen
        let mut kept = harness::Connection::open(&daemon.socket()).expect("connection");
        for path in ["/v1.41/containers/json", "/_ping"] {
            assert_eq!(kept.get(path, "t-plain").expect("answer"), 200);
        }
    });
    // the stream is JSON, which has its own escapes; the values are what was sent
    is_harmless("trace --format jsonl", &finished.stdout);
    let call = events.call_of("t-list", "Containers");
    let labels = &call["params"]["config"]["Filters"]["fields"]["label"];
    assert!(labels.to_string().len() > 60_000, "{labels:.300}");
    let pairs = labels["pairs"].as_array().expect("pairs");
    assert_eq!(labels["len"], 2);
    let key = |wanted: &dyn Fn(&Value) -> bool| pairs.iter().map(|p| &p[0]).find(|k| wanted(k));
    assert!(key(&|k| *k == HOSTILE).is_some(), "the hostile filter");
    let long = key(&|k| k["len"] == LONG).expect("the long filter");
    assert_eq!(long["why"], "cut by the budget for bytes per string");
    let part = long["cut"].as_str().expect("text");
    assert!((1..LONG).contains(&part.len()) && part.bytes().all(|b| b == b'x'));
    let named = events.request_of("t-named");
    // it is no UTF-8: every byte as it was sent
    let mut sent = format!("/v1.41/containers/{}", HOSTILE.replace('\n', "")).into_bytes();
    sent.extend_from_slice(b"\xff\xfe/json");
    let hex: String = sent.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(named["path"], json!({"hex": hex}), "{named}");

    let tool = Tool::find().expect("tool");
    let say = |args: &[&str]| {
        // the two paths differ
        let code = i32::from(args[0] == "compare");
        let finished = tool.run(args).expect("run").expect(code);
        is_harmless(&args.join(" "), &finished.stdout);
        is_harmless(&args.join(" "), &finished.stderr);
        finished.stdout
    };
    let length = format!("({LONG} bytes)");
    let tree = say(&["show", &file]);
    assert!(tree.contains(&length), "{tree:.2000}");
    assert!(tree.contains("\\u{1b}[31mred"), "{tree:.2000}");
    let markdown = say(&["show", &file, "--format", "markdown"]);
    assert!(markdown.contains(&length));
    say(&["show", &file, "--format", "jsonl"]);
    let compared = say(&["compare", &file]);
    assert!(compared.contains(&length), "{compared}\n{tree}");
    say(&["compare", &file, "--format", "markdown"]);
}

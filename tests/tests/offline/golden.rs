//! Kept texts: what recordings in the tree show, which needs no root, no kernel, no daemon and no
//! binary, and what `inspect` says of stock daemons.
//!
//! `cargo xtask goldens` writes them anew (`--record` makes the recordings anew first); look at the
//! difference before keeping it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Running, SUITES, Tool, json_lines, stock_dockerd, workspace_root};
use mobytrace::gobin::GoBinary;

fn kept(name: &str) -> PathBuf {
    workspace_root().join("tests/golden").join(name)
}

/// Writes a text anew if that is asked for, else compares it with the one kept.
#[track_caller]
fn is_as_kept(name: &str, text: &str) {
    let golden = kept(name);
    if std::env::var_os("MOBYTRACE_BLESS").is_some() {
        std::fs::create_dir_all(golden.parent().expect("folder")).expect("folder");
        std::fs::write(&golden, text).expect("golden");
        return;
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(text, expected, "{name}: `cargo xtask goldens` writes it");
}

/// What the tool prints, wherever and however this test runs.
#[track_caller]
fn said(args: &[&str]) -> String {
    let mut command = Command::new(Tool::find().expect("tool").path());
    command.args(args).env("TZ", "UTC").env("NO_COLOR", "1");
    let running = Running::start(command).expect("started");
    running.wait().expect("ended").expect(0).stdout
}

/// A recording of `tests/captures`; packed ones are unpacked into `dir`.
fn unpacked(capture: &Path, dir: &Path) -> PathBuf {
    if capture.extension().is_none_or(|e| e != "gz") {
        return capture.to_owned();
    }
    let packed = std::fs::File::open(capture).expect("capture");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .expect("unpacked");
    let recording = dir.join(capture.file_stem().expect("name"));
    std::fs::write(&recording, bytes).expect("recording");
    recording
}

/// Recordings of one scenario by each generation: version of the daemon, file.
fn stock_recordings() -> Vec<(String, PathBuf)> {
    let captures = std::fs::read_dir(workspace_root().join("tests/captures")).expect("captures");
    let mut found: Vec<(String, PathBuf)> = captures
        .map(|entry| entry.expect("entry").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let (version, _) = name.strip_prefix("stock-")?.split_once(".mobytrace")?;
            Some((version.to_owned(), path.clone()))
        })
        .collect();
    found.sort();
    found
}

/// Numbers of the scenario's two requests that are compared: `docker ps -a` and `docker system df`.
fn compared(events: &str) -> [String; 2] {
    let events = json_lines(events).expect("JSON Lines");
    let number = |end: &str| {
        let path = |e: &serde_json::Value| {
            let query = e["query"].as_str().unwrap_or_default();
            format!("{}?{query}", e["path"].as_str().unwrap_or_default())
        };
        let found = events
            .iter()
            .find(|e| e["type"] == "request" && path(e).ends_with(end));
        let request = found.unwrap_or_else(|| panic!("no request for {end}"));
        request["id"].to_string()
    };
    [number("/containers/json?all=1"), number("/system/df?")]
}

#[test]
fn what_the_kept_recordings_show() {
    let dir = tempfile::tempdir().expect("folder");
    let recordings = stock_recordings();
    assert_eq!(recordings.len(), SUITES.len(), "{recordings:?}");
    for (version, capture) in recordings {
        let recording = unpacked(&capture, dir.path());
        let shown = recording.to_str().expect("path");
        let events = said(&["show", shown, "--format", "jsonl"]);
        let [listed, used] = compared(&events);
        is_as_kept(&format!("{version}/events.jsonl"), &events);
        for (name, args) in [
            ("tree.txt", &["show", shown][..]),
            ("table.txt", &["show", shown, "--format", "table"]),
            ("show.md", &["show", shown, "--format", "markdown"]),
            ("compare.txt", &["compare", shown, &listed, &used]),
            (
                "compare.md",
                &["compare", shown, &listed, &used, "--format", "markdown"],
            ),
        ] {
            is_as_kept(&format!("{version}/{name}"), &said(args));
        }
    }
}

/// Made by a client that polls, three disk-usage requests at once, and one that waits.
#[test]
fn what_a_polled_daemon_shows() {
    let recording = workspace_root().join("tests/captures/polled-26.1.5.mobytrace");
    let recording = recording.to_str().expect("path");
    let args = ["show", recording, "--format", "table", "--slow", "200ms"];
    is_as_kept("polled.txt", &said(&args));
}

/// What is asked of every stock daemon.
const INSPECTED: &[&[&str]] = &[
    &["functions", "(*Daemon).Containers"],
    &["functions", "(*Daemon).reduceContainers"],
    &["functions", "(*Daemon).SystemDiskUsage"],
    &["types", "*ContainerListOptions"],
    &["types", "container.ListOptions"],
    &["plan"],
];

/// A build of dockerd is known by its build id: the mirror carries another one some day, of which
/// nothing is kept.
#[test]
fn what_inspect_says_of_stock_daemons() {
    let (mut compared, mut other) = (0, 0);
    for suite in SUITES {
        for arch in ["amd64", "arm64"] {
            let Some(dockerd) = stock_dockerd(suite, arch) else {
                continue;
            };
            let bytes = std::fs::read(&dockerd).expect("dockerd");
            let facts = GoBinary::parse(&bytes).expect("Go").facts();
            let fact = |name: &str| {
                let found = facts.iter().find(|(n, _)| n == name);
                found.map_or("", |(_, value)| value).to_owned()
            };
            let build = format!("dockerd of {suite} {arch}, build id {}\n", fact("build id"));
            let name = format!("inspect/{suite}-{arch}.txt");
            let blessed = std::env::var_os("MOBYTRACE_BLESS").is_some();
            let golden = std::fs::read_to_string(kept(&name)).unwrap_or_default();
            if !blessed && !golden.starts_with(&build) {
                eprintln!("SKIPPED {name}: the mirror has another build: {build}");
                other += 1;
                continue;
            }
            let mut text = build;
            for args in INSPECTED {
                text.push_str(&format!("\n$ mobytrace inspect {}\n", args.join(" ")));
                let mut all = vec!["inspect"];
                all.extend_from_slice(args);
                all.extend(["--binary", dockerd.to_str().expect("path")]);
                text.push_str(&inspected(&all));
            }
            is_as_kept(&name, &text);
            compared += 1;
        }
    }
    assert!(
        !harness::is_strict() || compared > 0,
        "{other} builds of dockerd, and nothing is kept of any: `cargo xtask goldens`"
    );
}

/// What `inspect` prints; what is not in this build ends with status 1 and a hint.
fn inspected(args: &[&str]) -> String {
    let mut command = Command::new(Tool::find().expect("tool").path());
    command.args(args).env("NO_COLOR", "1");
    let running = Running::start(command).expect("started");
    let finished = running.wait().expect("ended");
    match finished.code {
        Some(0) => finished.stdout,
        Some(1) => finished.stderr,
        _ => finished.expect(0).stdout,
    }
}

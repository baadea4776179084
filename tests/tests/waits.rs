//! What goroutines in flight wait for, read from outside: the same as the runtime itself says of them in its own stack traces, on every
//! Go release; live, and replayed from the recording.

use std::collections::BTreeMap;
use std::path::PathBuf;

use harness::{Fixture, Tool, stock_dockerd};
use mobytrace::gobin::{GoBinary, ImageAddr};
use mobytrace::plan::wait_reasons;
use object::{Object, ObjectSymbol};
use rustix::process::Signal;

/// Functions of the fixture that block.
const BLOCKING: usize = 12;

/// One stripped PIE of each release.
fn programs() -> Vec<(String, PathBuf)> {
    let dir = harness::target_dir().join("fixtures/matrix/releases");
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| {
            let release = e.file_name().to_string_lossy().into_owned();
            (release, e.path().join("pie/s-w/amd64"))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    found
}

/// State of the goroutine in each blocking function, as the runtime prints it: `goroutine 7 [chan receive]:`.
fn said(stacks: &str) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for goroutine in stacks.split("\n\n") {
        let Some((_, rest)) = goroutine.split_once('[') else {
            continue;
        };
        let (state, frames) = rest.split_once(']').expect("header");
        let state = state.split(',').next().expect("state").to_owned();
        if let Some((_, function)) = frames.split_once("main.Block") {
            let name = function.split('(').next().expect("name");
            states.insert(format!("Block{name}"), state);
        }
    }
    states
}

/// `waits: chan receive` for what the runtime calls `chan receive`; it has its own words for a system call.
fn expected(state: &str) -> String {
    match state {
        "syscall" => "in a system call".to_owned(),
        waits => format!("waits: {waits}"),
    }
}

#[test]
fn goroutines_wait_for_what_the_runtime_itself_says() {
    let _assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let programs = programs();
    assert!(!programs.is_empty(), "`cargo xtask fixtures` builds them");
    for (release, path) in programs {
        let mut fixture = Fixture::start(&path, &["waits".to_owned()]).expect("fixture");
        let pid = fixture.pid().to_string();
        let dir = tempfile::tempdir().expect("folder");
        let recording = dir.path().join("waits.mobytrace");
        let recording = recording.display().to_string();
        let mut running = tool
            .start(&[
                "trace",
                "--pid",
                &pid,
                "-f",
                "main.Block*",
                "--slow",
                "300ms",
                "-o",
                &recording,
            ])
            .expect("started");
        running.wait_for("attached to").expect("attached");
        fixture.tell("").expect("stdin");
        let stacks: String = serde_json::from_str(&fixture.line().expect("line")).expect("JSON");
        let said = said(&stacks);
        assert_eq!(said.len(), BLOCKING, "{release}: {stacks}");
        for function in said.keys() {
            running
                .wait_for(&format!("slow: {function} in flight"))
                .expect("seen live");
        }
        running.signal(Signal::INT);
        let live = running.wait().expect("ended").expect(0);
        let shown = tool.run(&["show", &recording]).expect("show").expect(0);
        assert_eq!(live.stdout, shown.stdout, "{release}");
        for (function, state) in &said {
            let expected = expected(state);
            // wrapped rows
            let text = live.stdout.replace(['\n', '│'], " ");
            let text: Vec<&str> = text.split_ascii_whitespace().collect();
            let text = text.join(" ");
            let line = text
                .split("─ ")
                .find(|l| l.starts_with(&format!("{function}(")))
                .unwrap_or_else(|| panic!("{release}: {function}: {}", live.stdout));
            assert!(
                line.contains(&format!(": {expected}]")),
                "{release}: {function} [{state}]: {line}"
            );
            let notice = live
                .stderr
                .lines()
                .find(|l| l.starts_with(&format!("slow: {function} in flight for ")))
                .unwrap_or_else(|| panic!("{release}: {function}: {}", live.stderr));
            assert!(notice.contains(&expected), "{release}: {notice}");
        }
        fixture.tell("").expect("stdin");
        println!("go{release}: {said:?}");
    }
}

/// Three of the stock daemons name the runtime's table in their dynamic symbols: it is the one that was found.
#[test]
fn the_table_is_the_one_that_the_symbol_names() {
    let _assets = harness::assets_or_skip!();
    let mut named = 0;
    for suite in ["bullseye", "bookworm", "trixie", "sid"] {
        let Some(dockerd) = stock_dockerd(suite, "amd64") else {
            continue;
        };
        let bytes = std::fs::read(dockerd).expect("file");
        let binary = GoBinary::parse(&bytes).expect("Go");
        let texts = wait_reasons(&binary).unwrap_or_else(|| panic!("{suite}: no table"));
        assert!(texts.iter().any(|t| t == "chan receive"), "{suite}");
        let file = object::File::parse(&*bytes).expect("ELF");
        let symbol = file
            .dynamic_symbols()
            .find(|s| s.name() == Ok("runtime.waitReasonStrings"));
        let Some(symbol) = symbol else { continue };
        named += 1;
        assert_eq!(symbol.size(), 16 * texts.len() as u64, "{suite}");
        for (number, text) in (0u64..).zip(&texts) {
            let at = symbol.address() + 16 * number;
            let data = binary.read_word(ImageAddr(at)).expect("pointer");
            let len = binary.read_word(ImageAddr(at + 8)).expect("length");
            assert_eq!(len, text.len() as u64, "{suite} {number}");
            if len > 0 {
                let bytes = binary.bytes_at(ImageAddr(data), text.len());
                assert_eq!(bytes, Some(text.as_bytes()), "{suite} {number}");
            }
        }
        println!("{suite}: {} texts", texts.len());
    }
    assert!(named >= 1, "at least one stock daemon names the table");
}

/// The numbering is a release's, not an architecture's.
#[test]
fn both_architectures_name_the_same_reasons() {
    let texts = |path: &std::path::Path| {
        let bytes = std::fs::read(path).expect("file");
        let binary = GoBinary::parse(&bytes).expect("Go");
        let texts = wait_reasons(&binary).unwrap_or_else(|| panic!("{path:?}: no table"));
        (binary.version().text.clone(), texts)
    };
    let mut compared = 0;
    let programs = harness::programs("leaf").unwrap_or_default();
    for arm64 in programs.iter().filter(|p| p.arch == "arm64") {
        let other = programs
            .iter()
            .find(|p| p.minor == arm64.minor && p.arch == "amd64")
            .unwrap_or_else(|| panic!("{arm64}: no program for amd64"));
        assert_eq!(texts(&arm64.path), texts(&other.path), "{arm64}");
        compared += 1;
    }
    assert!(!harness::is_strict() || compared > 5, "{compared} releases");
    for suite in ["bullseye", "bookworm", "trixie", "sid"] {
        let paths = ["amd64", "arm64"].map(|arch| stock_dockerd(suite, arch));
        let [Some(amd64), Some(arm64)] = paths else {
            continue;
        };
        assert_eq!(texts(&arm64).1, texts(&amd64).1, "{suite}");
    }
}

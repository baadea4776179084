//! One Go program, built by every Go there is in several linker shapes: its layouts are those that its compiler knows, and what is
//! traced live is what it printed. `cargo xtask test` builds one shape per Go, `--full` all, and writes docs/compatibility.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use harness::{Fixture, Tool, json_lines};
use mobytrace::gobin::{GoBinary, TypeKind};
use mobytrace::plan::{PlanRequest, build};
use rustix::process::Signal;
use serde_json::Value as Json;
use tracer_ebpf::wire::site::{SITE_ENTRY, SITE_RETURN};

/// Methods of the fixture.
const FUNCTIONS: [&str; 9] = [
    "Options", "Permuted", "ByValue", "Many", "Maps", "Pointers", "Floats", "Variadic", "Several",
];

/// What was found about one program.
#[derive(Debug, Default)]
struct Row {
    go: String,
    /// Struct fields whose offset was compared with the compiler's.
    offsets: u64,
    /// Functions with entry, returns and a verified signature.
    functions: u64,
    /// Values compared live.
    values: u64,
    missing: BTreeMap<String, u64>,
    /// Anything that is not as it should be.
    wrong: Vec<String>,
}

/// Programs as `xtask` laid them out: release, shape, symbols, architecture.
fn programs() -> Vec<(String, PathBuf)> {
    fn walk(dir: &Path, name: &str, found: &mut Vec<(String, PathBuf)>) {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let part = entry.file_name().to_string_lossy().into_owned();
            let name = format!("{name} {part}").trim().to_owned();
            if path.is_dir() {
                walk(&path, &name, found);
            } else if part == "amd64" || part == "arm64" {
                found.push((name, path));
            }
        }
    }
    let mut found = Vec::new();
    walk(
        &harness::target_dir().join("fixtures/matrix"),
        "",
        &mut found,
    );
    found.sort();
    found
}

/// Lines up to `end`.
fn lines(fixture: &mut Fixture) -> Vec<Json> {
    let mut text = String::new();
    loop {
        let line = fixture.line().expect("line");
        if line == "end" {
            return json_lines(&text).expect("JSON");
        }
        assert!(!line.is_empty(), "the fixture ended early");
        text.push_str(&line);
        text.push('\n');
    }
}

fn read(path: &Path, layouts: &[Json], row: &mut Row) {
    let bytes = std::fs::read(path).expect("program");
    let binary = match GoBinary::parse(&bytes) {
        Ok(binary) => binary,
        Err(error) => return row.wrong.push(error.to_string()),
    };
    row.go = binary.version().text.clone();
    for layout in layouts {
        let name = layout["type"].as_str().expect("type");
        let known = binary.types_named(name).expect("types");
        let Some(ty) = known.first().and_then(|id| binary.type_by_id(*id).ok()) else {
            row.wrong.push(format!("{name} is not found"));
            continue;
        };
        let TypeKind::Struct { fields } = &ty.kind else {
            row.wrong.push(format!("{name} is no struct"));
            continue;
        };
        let read: Vec<(&str, u64)> = fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
        let said: Vec<(&str, u64)> = layout["fields"]
            .as_array()
            .expect("fields")
            .iter()
            .map(|f| {
                (
                    f["Name"].as_str().expect("name"),
                    f["Offset"].as_u64().expect("offset"),
                )
            })
            .collect();
        row.offsets += said.len() as u64;
        if read != said || Some(ty.size) != layout["size"].as_u64() {
            row.wrong
                .push(format!("{name}: read {read:?}, the compiler says {said:?}"));
        }
    }
    let wishes: Vec<String> = FUNCTIONS.iter().map(|f| pattern(f)).collect();
    let request = PlanRequest::new(&[], &wishes).expect("request");
    let plan = build(&request, &binary).expect("plan");
    for name in FUNCTIONS {
        let found = plan
            .functions
            .iter()
            .position(|f| f.short == name && !f.signature.is_empty());
        let sites = |kind| {
            plan.sites
                .iter()
                .filter(|s| Some(s.func as usize) == found && s.kind == kind)
                .count()
        };
        if found.is_some() && sites(SITE_ENTRY) == 1 && sites(SITE_RETURN) > 0 {
            row.functions += 1;
        } else {
            let issues: Vec<&str> = plan.issues.iter().map(|i| i.text.as_str()).collect();
            row.wrong
                .push(format!("{name} cannot be traced in full: {issues:?}"));
        }
    }
}

fn pattern(function: &str) -> String {
    format!("main.(*Server).{function}")
}

/// Decoded = printed, value by value; `Missing` is counted by its reason.
fn compare(at: &str, printed: &Json, decoded: &Json, row: &mut Row) {
    if let Some(why) = decoded.get("missing").and_then(Json::as_str) {
        // addresses differ from run to run
        let why: Vec<&str> = why.split(' ').filter(|w| !w.starts_with("0x")).collect();
        *row.missing.entry(why.join(" ")).or_default() += 1;
        // no probe sees floating-point registers; everything else is in memory or in integer registers
        if !(printed.is_f64() && why.contains(&"floating-point")) {
            row.wrong.push(format!("{at}: missing: {}", why.join(" ")));
        }
        return;
    }
    match (printed, decoded) {
        (Json::Object(p), Json::Object(d)) if p.keys().eq(d.keys()) => {
            for (key, value) in p {
                compare(&format!("{at}.{key}"), value, &d[key], row);
            }
            row.values += u64::from(p.is_empty());
        }
        (Json::Array(p), Json::Array(d)) if p.len() == d.len() => {
            for (i, (p, d)) in p.iter().zip(d).enumerate() {
                compare(&format!("{at}[{i}]"), p, d, row);
            }
            row.values += u64::from(p.is_empty());
        }
        _ => {
            row.values += 1;
            let equal = printed == decoded
                || (printed.is_f64() || decoded.is_f64()) && printed.as_f64() == decoded.as_f64();
            if !equal {
                row.wrong
                    .push(format!("{at}: printed {printed}, decoded {decoded}"));
            }
        }
    }
}

/// In the order of the names' numbers.
fn ordered(values: &Json) -> Vec<&Json> {
    let Some(object) = values.as_object() else {
        return Vec::new();
    };
    let number = |name: &str| -> u32 {
        name.trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .unwrap_or(0)
    };
    let mut named: Vec<(u32, &Json)> = object.iter().map(|(n, v)| (number(n), v)).collect();
    named.sort_by_key(|(n, _)| *n);
    named.into_iter().map(|(_, v)| v).collect()
}

fn live(fixture: &mut Fixture, row: &mut Row) {
    let pid = fixture.pid().to_string();
    let patterns: Vec<String> = FUNCTIONS.iter().map(|f| pattern(f)).collect();
    let mut args = vec!["trace", "--pid", &pid, "--format", "jsonl"];
    for p in &patterns {
        args.extend(["-f", p]);
    }
    let mut running = Tool::find().expect("tool").start(&args).expect("started");
    running.wait_for("attached to").expect("attached");
    fixture.tell("").expect("stdin");
    let printed = lines(fixture);
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let mut calls: Vec<&Json> = events.iter().filter(|e| e["type"] == "call").collect();
    calls.sort_by_key(|c| c["start_ns"].as_u64());
    if calls.len() != printed.len() {
        let (seen, made) = (calls.len(), printed.len());
        row.wrong.push(format!(
            "{seen} calls seen, {made} made: {}",
            finished.stderr
        ));
        return;
    }
    for (call, said) in calls.iter().zip(&printed) {
        let name = said["call"].as_str().expect("call");
        for what in ["params", "results"] {
            let decoded: Vec<Json> = ordered(&call[what]).into_iter().cloned().collect();
            if call["short"] != name || decoded.len() != said[what].as_array().map_or(0, Vec::len) {
                row.wrong
                    .push(format!("{name} {what}: {} for {}", call[what], said[what]));
                continue;
            }
            compare(
                &format!("{name} {what}"),
                &said[what],
                &Json::Array(decoded),
                row,
            );
        }
    }
}

#[test]
fn every_go_release_reads_and_traces_right() {
    let programs = programs();
    if programs.is_empty() || !rustix::process::geteuid().is_root() {
        assert!(
            !harness::is_strict(),
            "this test needs root and `cargo xtask fixtures`"
        );
        eprintln!("SKIPPED releases: needs root and `cargo xtask fixtures`");
        return;
    }
    let mut layouts: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    let mut rows: Vec<(String, Row)> = Vec::new();
    // amd64 sorts before arm64: sizes and offsets are those of any 64-bit target
    for (name, path) in programs {
        let mut row = Row::default();
        let key = name
            .trim_end_matches("arm64")
            .trim_end_matches("amd64")
            .to_owned();
        if name.ends_with("amd64") {
            let mut fixture = Fixture::start(&path, &[]).expect("fixture");
            let said = lines(&mut fixture);
            read(&path, &said, &mut row);
            layouts.insert(key, said);
            if row.wrong.is_empty() {
                live(&mut fixture, &mut row);
            }
            fixture.tell("").expect("stdin");
        } else if let Some(said) = layouts.get(&key) {
            read(&path, said, &mut row);
        } else {
            row.wrong.push("there is no amd64 program to ask".into());
        }
        println!(
            "{name}: {} offsets, {} functions, {} values live, missing {:?}, wrong {:?}",
            row.offsets, row.functions, row.values, row.missing, row.wrong
        );
        rows.push((name, row));
    }
    if let Some(path) = std::env::var_os("MOBYTRACE_COMPATIBILITY") {
        std::fs::write(path, table(&rows)).expect("table");
    }
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(_, r)| !r.wrong.is_empty())
        .map(|(n, r)| format!("{n}: {:#?}", r.wrong))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn table(rows: &[(String, Row)]) -> String {
    let mut out = String::from(
        "# Go releases, linker shapes, architectures\n\n\
         Written by `tests/tests/releases.rs` from a run; `cargo xtask test --full` builds and runs every combination, \
         `cargo xtask test` one per Go. One program with values of many kinds (`tests/fixtures/go/releases`). *Offsets*: struct fields whose place is what the compiler says. *Functions*: entry, \
         returns and signature found. *Live*: values decoded that equal what the program printed (amd64 only).\n\n",
    );
    let date = std::process::Command::new("date").arg("+%F").output();
    let date = date.map_or_else(
        |_| "unknown".into(),
        |d| String::from_utf8_lossy(&d.stdout).into_owned(),
    );
    let _ = writeln!(out, "Date: {}\n", date.trim());
    out.push_str("| Go | shape | symbols | arch | offsets | functions | live | missing | wrong |\n|---|---|---|---|---|---|---|---|---|\n");
    for (name, row) in rows {
        let parts: Vec<&str> = name.split(' ').collect();
        let missing: u64 = row.missing.values().sum();
        let live = if name.ends_with("amd64") {
            row.values.to_string()
        } else {
            "–".into()
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} of {} | {live} | {missing} | {} |",
            row.go,
            parts[1],
            parts[2],
            parts[3],
            row.offsets,
            row.functions,
            FUNCTIONS.len(),
            row.wrong.len()
        );
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (why, count) in rows.iter().flat_map(|(_, r)| &r.missing) {
        *reasons.entry(why).or_default() += count;
    }
    out.push_str("\nMissing, by reason:\n\n");
    for (why, count) in reasons {
        let _ = writeln!(out, "- {count} × {why}");
    }
    let skipped =
        std::fs::read_to_string(harness::target_dir().join("fixtures/matrix/skipped.txt"))
            .unwrap_or_default();
    out.push_str("\nNot built:\n\n");
    if skipped.is_empty() {
        out.push_str("- nothing\n");
    }
    for line in skipped.lines() {
        let _ = writeln!(out, "- {line}");
    }
    out.push_str("\nGo 1.16, 1.17, 1.18 and 1.20 are carried by no Debian suite that the mirror still has.\n");
    out
}

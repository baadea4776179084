//! Programs built by every Go, what they print, and what a live session decodes of the same calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mobytrace::plan::{Plan, ValueSchema};
use rustix::process::Signal;
use serde_json::Value as Json;

use crate::{Fixture, Tool, json_lines};

/// One program of `target/fixtures/matrix`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Minor release of its Go 1.
    pub minor: u32,
    /// `amd64` before `arm64`.
    pub arch: String,
    /// `static`, `pie`, `pie-cgo`.
    pub shape: String,
    /// `plain`, `w`, `s-w`.
    pub symbols: String,
    pub path: PathBuf,
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Go 1.{} {} {} {}",
            self.minor, self.arch, self.shape, self.symbols
        )
    }
}

impl Program {
    /// Whether it carries DWARF.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.symbols == "plain"
    }

    /// Starts it: on this processor, or emulated if that is to be had.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(&self) -> Result<Option<Fixture>> {
        if self.arch == "amd64" {
            return Fixture::start(&self.path, &[]).map(Some);
        }
        let emulator = crate::target_dir().join("assets/qemu-user/usr/bin/qemu-aarch64-static");
        if !emulator.exists() {
            return Ok(None);
        }
        let args = ["-L", "/usr/aarch64-linux-gnu"].map(str::to_owned);
        let program = self.path.display().to_string();
        let args: Vec<String> = args.into_iter().chain([program]).collect();
        Fixture::start(&emulator, &args).map(Some)
    }
}

/// All builds of one program, oldest Go first; with `MOBYTRACE_ONLY` those whose name holds it.
/// `None`, named as a skip: none is there.
#[must_use]
pub fn programs(name: &str) -> Option<Vec<Program>> {
    let dir = crate::target_dir().join("fixtures/matrix").join(name);
    let mut found = walk(&dir);
    if let Ok(only) = std::env::var("MOBYTRACE_ONLY") {
        found.retain(|p| p.to_string().contains(&only));
    }
    if found.is_empty() {
        assert!(!crate::is_strict(), "this test needs {}", dir.display());
        eprintln!("SKIPPED: needs `cargo xtask fixtures`");
        return None;
    }
    Some(found)
}

fn walk(dir: &Path) -> Vec<Program> {
    let entries = |dir: &Path| -> Vec<(String, PathBuf)> {
        std::fs::read_dir(dir)
            .map(|list| {
                list.flatten()
                    .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
                    .collect()
            })
            .unwrap_or_default()
    };
    let mut found = Vec::new();
    for (go, dir) in entries(dir) {
        let Some(minor) = go.strip_prefix("1.").and_then(|m| m.parse().ok()) else {
            continue;
        };
        for (shape, dir) in entries(&dir) {
            for (symbols, dir) in entries(&dir) {
                for (arch, path) in entries(&dir) {
                    found.push(Program {
                        minor,
                        arch,
                        shape: shape.clone(),
                        symbols: symbols.clone(),
                        path,
                    });
                }
            }
        }
    }
    found.sort();
    found
}

/// Its lines up to `end`.
///
/// # Errors
/// It ended early, or a line is no JSON.
pub fn lines(fixture: &mut Fixture) -> Result<Vec<Json>> {
    let mut text = String::new();
    loop {
        let line = fixture.line()?;
        if line == "end" {
            return json_lines(&text);
        }
        ensure!(!line.is_empty(), "the fixture ended early");
        text.push_str(&line);
        text.push('\n');
    }
}

/// What a comparison gave.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    /// Values that are what was printed.
    pub equal: u64,
    /// Aggregates in results, of which only a part is captured.
    pub short: u64,
    /// Values that are missing, by their reason without addresses.
    pub missing: BTreeMap<String, u64>,
    /// Anything that is not as it should be.
    pub wrong: Vec<String>,
}

/// Code of a generic method is shared by all pointer types.
const SHARED: &str = "generic code does not know what it points to";

/// Whether a value has a floating-point number in it, however deep.
fn has_float(printed: &Json) -> bool {
    match printed {
        Json::Number(_) => printed.is_f64(),
        // a complex number
        Json::String(text) => {
            text.ends_with('i')
                && text
                    .trim_end_matches('i')
                    .chars()
                    .all(|c| "+-.e0123456789".contains(c))
        }
        Json::Array(items) => items.iter().any(has_float),
        Json::Object(fields) => fields.values().any(has_float),
        _ => false,
    }
}

fn is_empty(printed: &Json) -> bool {
    match printed {
        Json::Array(items) => items.iter().all(is_empty),
        Json::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

impl Tally {
    /// Decoded = printed, value by value. No probe sees floating-point registers; everything else
    /// is in memory or in integer registers, so that nothing else of an argument may be missing. Of
    /// a result only what a user knows an object by is captured.
    pub fn compare(&mut self, at: &str, printed: &Json, decoded: &Json, result: bool) {
        if let Some(why) = decoded.get("missing").and_then(Json::as_str) {
            let why: Vec<&str> = why.split(' ').filter(|w| !w.starts_with("0x")).collect();
            *self.missing.entry(why.join(" ")).or_default() += 1;
            let allowed = has_float(printed) && why.contains(&"floating-point")
                || result && why == ["not", "captured"];
            if !allowed {
                self.wrong.push(format!("{at}: missing: {}", why.join(" ")));
            }
            return;
        }
        // a pointer whose type the code does not know: generic code is shared by all pointer types
        if let Some(address) = decoded.get("address")
            && at.starts_with("Put params")
            && printed.is_object()
        {
            *self.missing.entry(SHARED.to_owned()).or_default() += 1;
            if !address.is_string() {
                self.wrong.push(format!("{at}: {address}"));
            }
            return;
        }
        match (printed, decoded) {
            // in short: what users know an object by, and how many there are
            (Json::Object(p), Json::Object(d)) if result && d.keys().all(|k| p.contains_key(k)) => {
                for (key, value) in d {
                    self.compare(&format!("{at}.{key}"), &p[key], value, result);
                }
                self.short += 1;
            }
            (Json::Array(p), Json::Object(_)) if result && decoded["len"] == p.len() => {
                self.short += 1;
            }
            (Json::Object(p), Json::Object(_)) if result && decoded["len"] == p.len() => {
                self.short += 1;
            }
            // elements without bytes are only counted
            (Json::Array(p), Json::Object(d))
                if d.get("items") == Some(&Json::Array(Vec::new()))
                    && decoded["len"] == p.len()
                    && p.iter().all(is_empty) =>
            {
                self.equal += 1;
            }
            (Json::Object(p), Json::Object(d)) if p.keys().eq(d.keys()) => {
                for (key, value) in p {
                    self.compare(&format!("{at}.{key}"), value, &d[key], result);
                }
                self.equal += u64::from(p.is_empty());
            }
            (Json::Array(p), Json::Array(d)) if p.len() == d.len() => {
                for (i, (p, d)) in p.iter().zip(d).enumerate() {
                    self.compare(&format!("{at}[{i}]"), p, d, result);
                }
                self.equal += u64::from(p.is_empty());
            }
            _ => {
                let equal = printed == decoded
                    || (printed.is_f64() || decoded.is_f64())
                        && printed.as_f64() == decoded.as_f64();
                if equal {
                    self.equal += 1;
                } else {
                    self.wrong
                        .push(format!("{at}: printed {printed}, decoded {decoded}"));
                }
            }
        }
    }

    fn compare_call(&mut self, said: &Json, call: &Json, plan: &Plan) {
        let name = said["call"].as_str().unwrap_or_default();
        let function = plan
            .functions
            .iter()
            .find(|f| call["function"] == f.name && f.short == name);
        let Some(function) = function else {
            self.wrong
                .push(format!("{name} was called, {} seen", call["function"]));
            return;
        };
        self.calls += 1;
        // `b`: the receiver of generic code behind its dictionary, up to Go 1.19
        let dictionary = |v: &&ValueSchema| {
            v.name != "receiver" && v.name != ".dict" && !(name == "Put" && v.name == "b")
        };
        for (what, schemas) in [("params", &function.params), ("results", &function.results)] {
            let schemas: Vec<&ValueSchema> = schemas.iter().filter(dictionary).collect();
            let printed = said[what].as_array().map(Vec::as_slice).unwrap_or_default();
            if !function.has_signature() {
                *self.missing.entry("no signature".to_owned()).or_default() += printed.len() as u64;
                continue;
            }
            if schemas.len() != printed.len() {
                let all = &call[what];
                self.wrong
                    .push(format!("{name} {what}: {all} for {printed:?}"));
                continue;
            }
            for (i, (printed, schema)) in printed.iter().zip(schemas).enumerate() {
                let at = format!("{name} {what} {i}");
                match call[what].get(&schema.name) {
                    Some(decoded) => self.compare(&at, printed, decoded, what == "results"),
                    // function values are not shown, nil or not
                    None if !schema.shown && printed.is_null() => {}
                    // nor is a pointer of which shared code knows no more
                    None if !schema.shown && name == "Put" && printed.is_object() => {
                        *self.missing.entry(SHARED.to_owned()).or_default() += 1;
                    }
                    None => self.wrong.push(format!("{at}: not there: {}", call[what])),
                }
            }
        }
    }
}

/// Traces functions of a running program by the tool itself while it is told `go`, and compares
/// call by call. `plan` is that of the same patterns: JSON does not keep the order of parameters.
///
/// # Errors
/// The tool or the program fails.
pub fn compare_live(
    fixture: &mut Fixture,
    go: &str,
    patterns: &[String],
    plan: &Plan,
    tally: &mut Tally,
) -> Result<()> {
    let pid = fixture.pid().to_string();
    let mut args = vec!["trace", "--pid", &pid, "--format", "jsonl"];
    for pattern in patterns {
        args.extend(["-f", pattern]);
    }
    let mut running = Tool::find()?.start(&args)?;
    running.wait_for("attached to")?;
    fixture.tell(go)?;
    let printed = lines(fixture)?;
    running.signal(Signal::INT);
    let finished = running.wait()?.expect(0);
    let events = json_lines(&finished.stdout)?;
    let mut calls: Vec<&Json> = events.iter().filter(|e| e["type"] == "call").collect();
    calls.sort_by_key(|c| c["start_ns"].as_u64());
    if calls.len() != printed.len() {
        tally.wrong.push(format!(
            "{} calls seen, {} made: {}",
            calls.len(),
            printed.len(),
            finished.stderr
        ));
        return Ok(());
    }
    for (call, said) in calls.iter().zip(&printed) {
        tally.compare_call(said, call, plan);
    }
    Ok(())
}

/// Keeps what a test found for `docs/compatibility.md`, if that is being written: one line of JSON
/// per program.
///
/// # Errors
/// It cannot be written.
pub fn report(part: &str, rows: &[(Program, Json)]) -> Result<()> {
    let Some(dir) = std::env::var_os("MOBYTRACE_COMPATIBILITY") else {
        return Ok(());
    };
    let mut text = String::new();
    for (program, found) in rows {
        let row = serde_json::json!({
            "go": program.minor, "arch": program.arch, "shape": program.shape, "symbols": program.symbols, "found": found,
        });
        text.push_str(&format!("{row}\n"));
    }
    let path = Path::new(&dir).join(format!("{part}.jsonl"));
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

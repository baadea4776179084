//! `cargo xtask compatibility`: two Go programs by every Go there is, in every shape, read and
//! traced; docs/compatibility.md is what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value as Json;

use crate::exec::{self, cargo, make_dir, root, target};
use crate::matrix;

/// Columns: shape, architecture, title.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("static", "amd64", "amd64 static"),
    ("pie", "amd64", "amd64 PIE"),
    ("pie-cgo", "amd64", "amd64 PIE, cgo"),
    ("static", "arm64", "arm64 static"),
    ("pie", "arm64", "arm64 PIE"),
    ("pie-cgo", "arm64", "arm64 PIE, cgo"),
];

/// Builds, runs the three tests, writes the table, also when something differs.
///
/// # Errors
/// Nothing can be built, or something differs.
pub fn run() -> Result<()> {
    matrix::build(true)?;
    exec::run(cargo().args(["build", "--locked", "-p", "mobytrace"]))?;
    let tests = exec::run(
        cargo()
            .args(["test", "--locked", "-p", "tests", "--no-fail-fast"])
            .args(["--test", "fixture", "--test", "offline", "--"])
            .args(["releases::", "signatures::", "parity::"])
            .env("MOBYTRACE_STRICT", "1")
            .env("MOBYTRACE_BIN", target().join("debug/mobytrace"))
            .env("MOBYTRACE_COMPATIBILITY", results()?),
    );
    write()?;
    tests
}

/// Where the tests put what they found.
pub fn results() -> Result<PathBuf> {
    let dir = target().join("compatibility");
    make_dir(&dir)?;
    Ok(dir)
}

/// What was found about one program.
struct Row {
    go: u64,
    arch: String,
    shape: String,
    found: Json,
}

impl Row {
    fn number(&self, key: &str) -> u64 {
        self.found[key].as_u64().unwrap_or(0)
    }

    fn missing(&self) -> impl Iterator<Item = (&str, u64)> {
        self.found["missing"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(why, n)| (why.as_str(), n.as_u64().unwrap_or(0)))
    }
}

fn read(dir: &Path, part: &str) -> Result<Vec<Row>> {
    let path = dir.join(format!("{part}.jsonl"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| {
            let json: Json = serde_json::from_str(line)?;
            let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
            Ok(Row {
                go: json["go"].as_u64().context("go")?,
                arch: text("arch"),
                shape: text("shape"),
                found: json["found"].clone(),
            })
        })
        .collect()
}

/// Writes docs/compatibility.md from the tests' results.
pub fn write() -> Result<()> {
    let dir = results()?;
    let releases = read(&dir, "releases")?;
    let signatures = read(&dir, "signatures")?;
    let parity = read(&dir, "parity")?;
    let programs = releases.len() + signatures.len();
    let sum = |rows: &[&Row], key: &str| rows.iter().map(|r| r.number(key)).sum::<u64>();
    let mut out = format!(
        "# Go releases, linker shapes, architectures\n\n\
         Written by `cargo xtask compatibility` on {} from {programs} programs: two sources (`tests/fixtures/go/releases`: values of every kind,\n\
         structs with permuted fields, closures, generic and inlined code; `signatures`: 300 methods whose signatures were made by chance), built by every\n\
         Go that Debian's suites carry × {{plain, `-w`, `-s -w`}} × {{static, PIE, PIE linked externally with cgo}} × {{amd64, arm64}}. `cargo xtask test`\n\
         takes a few of them. A cell is the sum over plain, `-w` and `-s -w`.\n",
        date()
    );
    let all: Vec<Row> = releases.into_iter().chain(signatures).collect();
    out.push_str(
        "\n## Read\n\n\
         Struct fields whose offset is what the program itself printed (`unsafe.Offsetof`; arm64 programs run emulated) · methods with entry, returns and\n\
         a signature that agrees with the compiler's records · wrong.\n\n",
    );
    table(&mut out, &all, &COLUMNS, |rows| {
        let methods = sum(rows, "functions") + sum(rows, "signatures");
        format!(
            "{} · {methods} · {}",
            sum(rows, "offsets"),
            sum(rows, "wrong")
        )
    });
    out.push_str(
        "\n## Traced live\n\n\
         Calls seen, as many as were made · values decoded that are what the program printed · missing, all with a reason · wrong. (arm64: see\n\
         [kernels.md](kernels.md).)\n\n",
    );
    table(&mut out, &all, &COLUMNS[..3], |rows| {
        let missing: u64 = rows.iter().flat_map(|r| r.missing()).map(|(_, n)| n).sum();
        let (calls, values, wrong) = (sum(rows, "calls"), sum(rows, "values"), sum(rows, "wrong"));
        format!("{calls} · {values} · {missing} · {wrong}")
    });
    out.push_str("\nMissing, by reason (`no signature`: closures, and in stripped programs generic code up to Go 1.20 and code of a shape that no descriptor spells):\n\n");
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (why, n) in all.iter().flat_map(Row::missing) {
        *reasons.entry(why).or_default() += n;
    }
    for (why, n) in reasons {
        let _ = writeln!(out, "- {n} × {why}");
    }
    out.push_str(
        "\n## With and without DWARF\n\n\
         Plain builds, both sources: named structs and their fields in descriptors and in DWARF · argument places that the calling convention and DWARF\n\
         give · different. Then, of the same source without DWARF: structs · methods that are the same.\n\n",
    );
    table(&mut out, &parity, &COLUMNS, |rows| {
        format!(
            "{}, {} · {} · {}; {} · {}",
            sum(rows, "structs"),
            sum(rows, "fields"),
            sum(rows, "places"),
            sum(rows, "different"),
            sum(rows, "stripped_structs"),
            sum(rows, "stripped_methods")
        )
    });
    let five: BTreeSet<u64> = parity
        .iter()
        .filter(|r| {
            r.found["dwarf"]
                .as_str()
                .is_some_and(|d| d.starts_with("version 5"))
        })
        .map(|r| r.go)
        .collect();
    let five: Vec<String> = five.iter().map(|minor| format!("1.{minor}")).collect();
    let _ = writeln!(
        out,
        "\nDWARF 5: Go {}; the others DWARF 4.",
        five.join(", ")
    );
    out.push_str("\n## Not there\n\n");
    let skipped = std::fs::read_to_string(target().join("fixtures/matrix/skipped.txt"))?;
    for line in skipped.lines() {
        let _ = writeln!(out, "- {line}");
    }
    out.push_str(
        "- Go 1.16, 1.17, 1.18 and 1.20: no Debian suite that the mirror has carries them (bullseye-backports is gone), nor does a package registry\n",
    );
    let path = root().join("docs/compatibility.md");
    println!("{}", path.display());
    std::fs::write(&path, out).with_context(|| path.display().to_string())
}

fn table(
    out: &mut String,
    rows: &[Row],
    columns: &[(&str, &str, &str)],
    cell: impl Fn(&[&Row]) -> String,
) {
    let titles: Vec<&str> = columns.iter().map(|(_, _, title)| *title).collect();
    let _ = writeln!(out, "| Go | {} |", titles.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(columns.len()));
    let releases: BTreeSet<u64> = rows.iter().map(|r| r.go).collect();
    for go in releases {
        let _ = write!(out, "| 1.{go} |");
        for (shape, arch, _) in columns {
            let of: Vec<&Row> = rows
                .iter()
                .filter(|r| (r.go, r.shape.as_str(), r.arch.as_str()) == (go, *shape, *arch))
                .collect();
            let text = if of.is_empty() {
                "–".to_owned()
            } else {
                cell(&of)
            };
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
}

fn date() -> String {
    exec::output(exec::command("date").arg("+%F"))
        .map_or_else(|_| "an unknown day".to_owned(), |d| d.trim().to_owned())
}

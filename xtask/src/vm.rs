//! Other kernels and architectures, in qemu: every kernel program loads there, and Go programs that
//! count their calls are traced right.
//!
//! Debian's own kernel packages, an initramfs made here, results on the serial line behind
//! prefixes; each case becomes a line of JSON.

mod cases;
mod cpio;
mod guests;
mod kernel;
mod qemu;
mod storm;
mod table;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::apt::{self, Apt};
use crate::exec::{make_dir, target};
use crate::matrix;
use crate::program::{self, Profile};
use crate::setup::{self, Purpose};
use cases::{Case, Program};
use cpio::Cpio;
use guests::{GUESTS, Guest, Programs, SELDOM};

/// Most instructions that the verifier may need for a program that this kernel would be given: an
/// early warning, since the kernel refuses more than [`KERNEL_VERIFIES`].
const MOST_VERIFIED: u64 = 700_000;
/// Programs for older kernels only have to load.
const KERNEL_VERIFIES: u64 = 1_000_000;

/// What to try.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wanted {
    /// Only these kernels, e.g. `6.12`, or `newest` (repeatable)
    #[arg(long)]
    pub kernel: Vec<String>,
    /// Only this architecture, `amd64` or `arm64` (repeatable)
    #[arg(long)]
    pub arch: Vec<String>,
    /// Without it each kernel has what it has in `cargo xtask test`
    #[arg(long)]
    pub suite: Option<Suite>,
    /// Write docs/kernels.md from what is found
    #[arg(long)]
    pub table: bool,
}

/// What is tried in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// The kernel programs load
    Load,
    /// Go programs by the oldest and the newest Go are traced
    Fixture,
    /// The same by every Go
    EveryGo,
}

impl Wanted {
    fn has(&self, guest: &Guest) -> bool {
        let newest = GUESTS.iter().rfind(|g| g.arch == guest.arch);
        let is_newest = newest.is_some_and(|g| g.kernel == guest.kernel);
        let named = |k: &String| k == guest.version() || (k == "newest" && is_newest);
        let kernel = match self.kernel.as_slice() {
            [] => self.suite.is_some() || !SELDOM.contains(&guest.version()),
            kernels => kernels.iter().any(named),
        };
        kernel && (self.arch.is_empty() || self.arch.iter().any(|a| a == guest.arch))
    }

    fn programs(&self, guest: &Guest) -> Programs {
        match self.suite {
            None => guest.usually,
            Some(Suite::Load) => Programs::None,
            Some(Suite::Fixture) => Programs::Hard,
            Some(Suite::EveryGo) => Programs::EveryGo,
        }
    }
}

/// Runs all guests that are wanted. Strict: a kernel that cannot be had is a failure.
pub fn run(strict: bool, wanted: &Wanted) -> Result<()> {
    for name in &wanted.kernel {
        ensure!(
            name == "newest" || GUESTS.iter().any(|g| g.version() == name),
            "no kernel {name} (known: newest, {})",
            GUESTS
                .iter()
                .map(Guest::version)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    setup::check(&[Purpose::Building, Purpose::Arm64, Purpose::OtherKernels])?;
    apt::docker()?;
    if matrix::releases("leaf").is_empty() {
        matrix::build(false)?;
    }
    if wanted.suite == Some(Suite::EveryGo) {
        matrix::counting()?;
    }
    let mut programs = BTreeMap::new();
    let (mut failed, mut results) = (Vec::new(), Vec::new());
    for guest in GUESTS.iter().filter(|g| wanted.has(g)) {
        let (program, busybox) = match programs.entry(guest.arch) {
            Entry::Occupied(built) => built.into_mut(),
            Entry::Vacant(slot) => slot.insert((
                program::build_static(guest.arch, Profile::Guest)?,
                busybox(guest.arch)?,
            )),
        };
        let started = Instant::now();
        let cases = cases_of(wanted.programs(guest));
        let lines = kernel::newest(guest).and_then(|(image, release)| {
            Ok((boot(guest, &cases, &image, program, busybox)?, release))
        });
        let found = match lines {
            Ok((lines, release)) => check(guest, &release, &cases, &lines),
            Err(error) => vec![row(guest, "", "boot", Err(error))],
        };
        let wrong = found.iter().filter(|r| r["ok"] != true).count();
        for result in &found {
            println!("{result}");
        }
        println!(
            "vm {}: {} cases, {wrong} failed, {:.0} s",
            guest.name(),
            found.len(),
            started.elapsed().as_secs_f64()
        );
        if wrong > 0 {
            failed.push(guest.name());
        }
        results.extend(found);
    }
    ensure!(!results.is_empty(), "no such guest");
    if wanted.table {
        table::write(&results)?;
    }
    ensure!(
        failed.is_empty() || !strict,
        "other kernels: {}",
        failed.join("; ")
    );
    Ok(())
}

/// What is traced in a guest.
fn cases_of(programs: Programs) -> Vec<Case> {
    let every = matrix::releases("leaf");
    let case = |program, go: &str| Case {
        program,
        go: go.to_owned(),
    };
    let ends: Vec<&String> = every.first().into_iter().chain(every.last()).collect();
    let usual = matrix::USUAL;
    let of = |programs: &[Program], releases: &[&String]| -> Vec<Case> {
        let all = releases
            .iter()
            .flat_map(|go| programs.iter().map(move |p| (*p, *go)));
        all.map(|(program, go)| case(program, go)).collect()
    };
    match programs {
        Programs::None => Vec::new(),
        Programs::Deep => vec![case(Program::Deep, usual)],
        Programs::DeepAndStorm => vec![case(Program::Deep, usual), case(Program::Storm, usual)],
        Programs::Hard => {
            let mut all = vec![case(Program::Deep, usual), case(Program::Storm, usual)];
            all.extend(of(&[Program::Big, Program::Leaf], &ends));
            all
        }
        Programs::EveryGo => of(
            &[Program::Deep, Program::Storm, Program::Big, Program::Leaf],
            &every.iter().collect::<Vec<_>>(),
        ),
    }
}

fn busybox(arch: &'static str) -> Result<PathBuf> {
    if arch == "amd64" {
        return Ok(target().join("assets/docker-bookworm/bin/busybox"));
    }
    let into = target().join(format!("assets/busybox-{arch}"));
    Apt::open("bookworm", arch)?.unpack(&["busybox-static"], &into)?;
    Ok(into.join("bin/busybox"))
}

const INIT: &str = r#"#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
echo "@@KERNEL $(uname -r)"
/mobytrace doctor --json > /tmp/doctor 2>&1
sed 's/^/@@DOCTOR /' /tmp/doctor
if [ -e /cases.sh ]; then . /cases.sh; fi
echo "@@END"
poweroff -f
"#;

/// Boots the guest; gives what it said.
fn boot(
    guest: &Guest,
    cases: &[Case],
    image: &Path,
    program: &Path,
    busybox: &Path,
) -> Result<Vec<String>> {
    let dir = target().join("vm");
    make_dir(&dir)?;
    let name = format!("{}-{}-{}", guest.version(), guest.arch, guest.smp);
    let initrd = dir.join(format!("{name}.cpio"));
    let mut archive = Cpio::default();
    for folder in ["bin", "dev", "proc", "sys", "tmp", "cases"] {
        archive.folder(folder);
    }
    archive.device("dev/console", 5, 1);
    archive.program("bin/busybox", &std::fs::read(busybox)?);
    archive.program("mobytrace", &std::fs::read(program)?);
    archive.program("init", INIT.as_bytes());
    for case in cases {
        case.add_to(&mut archive, guest.arch)?;
    }
    if !cases.is_empty() {
        archive.file("cases.sh", cases::SCRIPT.as_bytes());
    }
    std::fs::write(&initrd, archive.finish())?;
    for attempt in 0.. {
        let lines = qemu::run(guest, image, &initrd)?;
        std::fs::write(dir.join(format!("{name}.log")), lines.join("\n"))?;
        // an emulator's crash is not the tool's; a failed check is never tried again
        let crashed = lines
            .iter()
            .any(|l| l.contains("Kernel panic") || l.contains("soft lockup"));
        if crashed && attempt < 2 {
            println!("vm {name}: the guest's kernel crashed; trying again");
            continue;
        }
        return Ok(lines);
    }
    bail!("not reached")
}

fn behind<'l>(lines: &'l [String], prefix: &'l str) -> impl Iterator<Item = &'l str> {
    lines
        .iter()
        .filter_map(move |l| l.split_once(prefix))
        .map(|(_, rest)| rest)
}

/// One case: what was found, as fields, or why it failed.
fn row(guest: &Guest, release: &str, case: &str, found: Result<Value>) -> Value {
    let mut row = json!({
        "kernel": guest.version(), "arch": guest.arch, "parameters": guest.append, "release": release,
        "case": case, "ok": found.is_ok(),
    });
    match found {
        Ok(Value::Object(fields)) => {
            for (name, value) in fields {
                row[name] = value;
            }
        }
        Ok(_) => {}
        Err(error) => row["error"] = Value::from(format!("{error:#}")),
    }
    row
}

/// Kernel programs as the guest's `doctor` saw them, then the Go programs.
fn check(guest: &Guest, release: &str, cases: &[Case], lines: &[String]) -> Vec<Value> {
    let mut rows = Vec::new();
    let log = target().join(format!(
        "vm/{}-{}-{}.log",
        guest.version(),
        guest.arch,
        guest.smp
    ));
    match loaded(guest, lines).with_context(|| format!("see {}", log.display())) {
        Ok(found) => {
            let name = |p: &(String, Result<u64>)| format!("load {}", p.0);
            rows.extend(found.into_iter().map(|program| {
                let case = name(&program);
                row(
                    guest,
                    release,
                    &case,
                    program.1.map(|n| json!({"verified": n})),
                )
            }));
        }
        Err(error) => rows.push(row(guest, release, "load", Err(error))),
    }
    for case in cases {
        let found = case.check(lines, !guest.absent.is_empty());
        let found = found
            .with_context(|| format!("see {}", log.display()))
            .map(|o| json!({"go": case.go, "program": case.program.name(), "calls": o.calls, "values": o.values, "missing": o.missing}));
        rows.push(row(guest, release, &case.name(), found));
    }
    rows
}

/// Each kernel program with the instructions that the verifier needed.
fn loaded(guest: &Guest, lines: &[String]) -> Result<Vec<(String, Result<u64>)>> {
    ensure!(
        lines.iter().any(|l| l.contains("@@END")),
        "the guest did not come to its end"
    );
    let release = behind(lines, "@@KERNEL ")
        .next()
        .context("no kernel release")?;
    ensure!(release.starts_with(guest.kernel), "kernel {release} booted");
    let text: String = behind(lines, "@@DOCTOR ").collect::<Vec<_>>().join("\n");
    let checks: Vec<Value> =
        serde_json::from_str(&text).with_context(|| format!("doctor said {text}"))?;
    let mut programs = Vec::new();
    for check in checks.iter().filter(|c| c["id"] == "program") {
        let reason = check["reason"].as_str().unwrap_or_default();
        let (name, said) = reason.split_once(": ").unwrap_or((reason, ""));
        if guest.absent.iter().any(|a| name.ends_with(a)) {
            continue;
        }
        // `bounded` programs are what kernels get that cannot take the others
        let is_used = !(name.ends_with("_bounded") && guest.absent.is_empty());
        let most = if is_used {
            MOST_VERIFIED
        } else {
            KERNEL_VERIFIES
        };
        programs.push((name.to_owned(), verified(check, said, most)));
    }
    let expected = if guest.absent.is_empty() { 10 } else { 5 };
    ensure!(
        programs.len() == expected,
        "{} programs, {expected} expected",
        programs.len()
    );
    Ok(programs)
}

/// `loads, 36780 instructions verified`
fn verified(check: &Value, said: &str, most: u64) -> Result<u64> {
    ensure!(check["verdict"] == "ok", "{said}");
    let count = said.split_ascii_whitespace().find_map(|w| w.parse().ok());
    // older kernels do not tell
    let count = count.unwrap_or(0);
    ensure!(
        count <= most,
        "{count} instructions verified, {most} are allowed here"
    );
    Ok(count)
}

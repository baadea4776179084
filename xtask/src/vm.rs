//! Other kernels, in qemu: every kernel program loads there, and a Go fixture is traced right.
//!
//! Debian's own kernel packages, an initramfs made here, results on the serial line behind prefixes. Emulated (TCG) on purpose:
//! a kvm device that opens is no proof that it works.

mod storm;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::apt::{self, Apt};
use crate::exec::{self, have, make_dir, target};
use crate::fixtures;
use crate::program::{self, Profile};

/// How long a guest may take from power-on to power-off.
const PATIENCE: Duration = Duration::from_secs(300);

/// One run.
#[derive(Clone, Copy, Debug)]
struct Guest {
    /// Kernel release, as package names begin.
    kernel: &'static str,
    suite: &'static str,
    arch: &'static str,
    /// More kernel parameters.
    append: &'static str,
    smp: u32,
    /// Trace the fixture too.
    fixture: bool,
    /// Programs that need a newer kernel.
    absent: &'static [&'static str],
}

impl Guest {
    /// Where kernel code is preempted too, calls that are hard to pair are traced as well.
    fn has_storm(&self) -> bool {
        self.append.contains("preempt=full")
    }
}

const NEWER_THAN_5_10: &[&str] = &["_loop", "_sleep"];

const GUESTS: &[Guest] = &[
    Guest {
        kernel: "5.10.",
        suite: "bullseye",
        arch: "amd64",
        append: "",
        smp: 1,
        fixture: true,
        absent: NEWER_THAN_5_10,
    },
    Guest {
        kernel: "6.1.",
        suite: "bookworm",
        arch: "amd64",
        append: "",
        smp: 1,
        fixture: true,
        absent: &[],
    },
    Guest {
        kernel: "6.12.",
        suite: "trixie",
        arch: "amd64",
        append: "preempt=full",
        smp: 2,
        fixture: true,
        absent: &[],
    },
    Guest {
        kernel: "6.12.",
        suite: "trixie",
        arch: "amd64",
        append: "",
        smp: 1,
        fixture: true,
        absent: &[],
    },
    Guest {
        kernel: "5.10.",
        suite: "bullseye",
        arch: "arm64",
        append: "",
        smp: 1,
        fixture: false,
        absent: NEWER_THAN_5_10,
    },
    Guest {
        kernel: "6.12.",
        suite: "trixie",
        arch: "arm64",
        append: "",
        smp: 1,
        fixture: false,
        absent: &[],
    },
];

/// Runs all guests, or those whose name holds `only`. Strict: a kernel that cannot be had is a failure.
pub fn run(strict: bool, only: &str) -> Result<()> {
    install_tools()?;
    apt::docker()?;
    fixtures::build()?;
    let mut programs = BTreeMap::new();
    let mut failed = Vec::new();
    for guest in GUESTS {
        let name = format!(
            "{} {} {}",
            guest.kernel.trim_end_matches('.'),
            guest.arch,
            guest.append
        );
        let name = name.trim();
        if !name.contains(only) {
            continue;
        }
        let (program, busybox) = match programs.entry(guest.arch) {
            Entry::Occupied(built) => built.into_mut(),
            Entry::Vacant(slot) => slot.insert((
                program::build_static(guest.arch, Profile::Guest)?,
                busybox(guest.arch)?,
            )),
        };
        let started = Instant::now();
        match kernel(guest)
            .and_then(|(image, release)| Ok((boot(guest, &image, program, busybox)?, release)))
        {
            Ok((said, release)) => println!(
                "vm {name} ({release}): {said}, {:.0} s",
                started.elapsed().as_secs_f64()
            ),
            Err(error) => {
                println!("vm {name}: FAILED: {error:#}");
                failed.push(name.to_owned());
            }
        }
    }
    ensure!(
        failed.is_empty() || !strict,
        "other kernels: {}",
        failed.join("; ")
    );
    Ok(())
}

/// qemu and the cross linker come from the distribution; they are installed where they are missing.
fn install_tools() -> Result<()> {
    let wanted = [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ];
    let mut missing: Vec<&str> = wanted
        .iter()
        .filter(|(p, _)| !have(p))
        .map(|(_, package)| *package)
        .collect();
    if !Path::new("/usr/aarch64-linux-gnu/lib/libc.a").exists() {
        missing.push("libc6-dev-arm64-cross");
    }
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        rustix::process::geteuid().is_root() && have("apt-get"),
        "needed for other kernels: apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    println!("installing {}", missing.join(" "));
    exec::output(exec::command("apt-get").args(["-qq", "-o", "Acquire::Retries=3", "update"]))?;
    exec::output(
        exec::command("apt-get")
            .args([
                "-qq",
                "-y",
                "-o",
                "Acquire::Retries=3",
                "install",
                "--no-install-recommends",
            ])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    Ok(())
}

fn busybox(arch: &'static str) -> Result<PathBuf> {
    if arch == "amd64" {
        return Ok(target().join("assets/docker-bookworm/bin/busybox"));
    }
    let into = target().join(format!("assets/busybox-{arch}"));
    Apt::open("bookworm", arch)?.unpack(&["busybox-static"], &into)?;
    Ok(into.join("bin/busybox"))
}

/// The newest kernel image of a release that the mirror really has.
fn kernel(guest: &Guest) -> Result<(PathBuf, String)> {
    let apt = Apt::open(guest.suite, guest.arch)?;
    let prefix = format!("linux-image-{}", guest.kernel);
    let suffix = format!("cloud-{}", guest.arch);
    let mut names: Vec<String> = apt
        .names(&prefix)?
        .into_iter()
        .filter(|n| n.ends_with(&suffix))
        .collect();
    let numbers = |name: &str| -> Vec<u64> {
        name.split(|c: char| !c.is_ascii_digit())
            .filter_map(|n| n.parse().ok())
            .collect()
    };
    names.sort_by_key(|n| std::cmp::Reverse(numbers(n)));
    let mut last = None;
    for name in &names {
        let into = target().join(format!("assets/kernel-{}-{name}", guest.arch));
        match apt.unpack(&[name], &into) {
            Ok(()) => {
                let image = std::fs::read_dir(into.join("boot"))?
                    .flatten()
                    .map(|e| e.path())
                    .find(|p| {
                        p.file_name()
                            .is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz"))
                    })
                    .with_context(|| format!("{name} has no kernel image"))?;
                return Ok((image, name.trim_start_matches("linux-image-").to_owned()));
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error.context(format!("no {prefix}*-{suffix} can be downloaded"))),
        None => bail!("no {prefix}*-{suffix} in Debian {}", guest.suite),
    }
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
if [ -x /deep ]; then
  mkfifo /tmp/in
  /deep 4 5 6 < /tmp/in > /tmp/out &
  fixture=$!
  exec 3> /tmp/in
  /mobytrace trace --pid $fixture -f 'main.(*Server).List' --format jsonl > /tmp/events 2> /tmp/err &
  tracer=$!
  until grep -q 'attached to' /tmp/err || ! kill -0 $tracer; do sleep 0.2; done
  echo >&3
  until grep -q '^calls' /tmp/out || ! kill -0 $fixture; do sleep 0.2; done
  sleep 1
  kill -TERM $tracer
  wait $tracer
  echo "@@STATUS $?"
  echo >&3
  wait $fixture
  echo "@@FIXTURE $?"
  sed 's/^/@@OUT /' /tmp/out
  sed 's/^/@@EVENT /' /tmp/events
  sed 's/^/@@ERR /' /tmp/err
fi
if [ -e /storm.sh ]; then . /storm.sh; fi
echo "@@END"
poweroff -f
"#;

/// Boots the guest and checks what it says; gives a line for people.
fn boot(guest: &Guest, image: &Path, program: &Path, busybox: &Path) -> Result<String> {
    let dir = target().join("vm");
    make_dir(&dir)?;
    let name = format!(
        "{}-{}-{}",
        guest.kernel.trim_end_matches('.'),
        guest.arch,
        guest.smp
    );
    let initrd = dir.join(format!("{name}.cpio"));
    let mut archive = Cpio::default();
    for folder in ["bin", "dev", "proc", "sys", "tmp"] {
        archive.add(folder, 0o040_755, &[]);
    }
    archive.node("dev/console", 5, 1);
    archive.add("bin/busybox", 0o100_755, &std::fs::read(busybox)?);
    archive.add("mobytrace", 0o100_755, &std::fs::read(program)?);
    archive.add("init", 0o100_755, INIT.as_bytes());
    if guest.fixture {
        archive.add(
            "deep",
            0o100_755,
            &std::fs::read(target().join("fixtures/deep"))?,
        );
    }
    if guest.has_storm() {
        archive.add("storm.sh", 0o100_644, storm::SCRIPT.as_bytes());
        archive.add(
            "storm",
            0o100_755,
            &std::fs::read(target().join("fixtures/storm"))?,
        );
    }
    std::fs::write(&initrd, archive.finish())?;
    for attempt in 0.. {
        let lines = qemu(guest, image, &initrd)?;
        std::fs::write(dir.join(format!("{name}.log")), lines.join("\n"))?;
        // an emulator's crash is not the tool's; a failed check is never tried again
        let crashed = lines
            .iter()
            .any(|l| l.contains("Kernel panic") || l.contains("soft lockup"));
        if crashed && attempt < 2 {
            println!("vm {name}: the guest's kernel crashed; trying again");
            continue;
        }
        return check(guest, &lines)
            .with_context(|| format!("see {}", dir.join(format!("{name}.log")).display()));
    }
    bail!("not reached")
}

fn qemu(guest: &Guest, image: &Path, initrd: &Path) -> Result<Vec<String>> {
    let (program, machine, cpu, console) = match guest.arch {
        "amd64" => ("qemu-system-x86_64", "q35", "max", "ttyS0"),
        _ => (
            "qemu-system-aarch64",
            "virt",
            "max,pauth-impdef=on",
            "ttyAMA0",
        ),
    };
    let accel = if guest.smp > 1 {
        "tcg,thread=single"
    } else {
        "tcg"
    };
    let mut child = exec::command(program)
        .args([
            "-M",
            machine,
            "-accel",
            accel,
            "-cpu",
            cpu,
            "-smp",
            &guest.smp.to_string(),
            "-m",
            "768M",
        ])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
        ])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initrd)
        .arg("-append")
        // on a busy host an emulated timer may be too slow for the kernel's own check of it
        .arg(format!(
            "console={console} panic=-1 quiet no_timer_check {}",
            guest.append
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let stdout = child.stdout.take().context("stdout")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    let mut lines = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => lines.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) if started.elapsed() > PATIENCE => {
                let _ = child.kill();
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    }
    let _ = child.wait();
    let _ = reader.join();
    Ok(lines)
}

fn behind<'l>(lines: &'l [String], prefix: &'l str) -> impl Iterator<Item = &'l str> {
    lines
        .iter()
        .filter_map(move |l| l.split_once(prefix))
        .map(|(_, rest)| rest)
}

/// Programs as the guest's `doctor` saw them; then the fixture.
fn check(guest: &Guest, lines: &[String]) -> Result<String> {
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
    let mut loaded = 0;
    for check in checks.iter().filter(|c| c["id"] == "program") {
        let reason = check["reason"].as_str().unwrap_or_default();
        let name = reason.split(':').next().unwrap_or_default();
        if guest.absent.iter().any(|a| name.ends_with(a)) {
            continue;
        }
        ensure!(check["verdict"] == "ok", "program {reason}");
        loaded += 1;
    }
    let expected = if guest.absent.is_empty() { 10 } else { 5 };
    ensure!(
        loaded == expected,
        "{loaded} programs loaded, {expected} expected"
    );
    if !guest.fixture {
        return Ok(format!("{loaded} programs load"));
    }
    let (calls, missing) = check_fixture(lines)?;
    let mut said = format!(
        "{loaded} programs load, {calls} of {calls} calls traced right ({missing} with a missing value)"
    );
    if guest.has_storm() {
        said = format!("{said}, {}", storm::check(lines)?);
    }
    Ok(said)
}

fn check_fixture(lines: &[String]) -> Result<(usize, usize)> {
    let said = |prefix| behind(lines, prefix).collect::<Vec<_>>().join("\n");
    ensure!(
        said("@@STATUS ") == "0",
        "mobytrace ended with {}: {}",
        said("@@STATUS "),
        said("@@ERR ")
    );
    ensure!(
        said("@@FIXTURE ") == "0",
        "the fixture ended with {}",
        said("@@FIXTURE ")
    );
    let counted: usize = behind(lines, "@@OUT calls ")
        .next()
        .and_then(|l| l.split_ascii_whitespace().next()?.parse().ok())
        .with_context(|| format!("the fixture said {}", said("@@OUT ")))?;
    let events: Vec<Value> = behind(lines, "@@EVENT ")
        .map(|l| serde_json::from_str(l).with_context(|| l.to_owned()))
        .collect::<Result<_>>()?;
    let calls: Vec<&Value> = events.iter().filter(|e| e["type"] == "call").collect();
    ensure!(
        calls.len() == counted,
        "{} calls traced, the fixture made {counted}",
        calls.len()
    );
    let mut missing = 0;
    for call in &calls {
        if call.to_string().contains("\"missing\"") {
            missing += 1;
            continue;
        }
        check_call(call).with_context(|| call.to_string())?;
    }
    ensure!(
        missing * 2 < counted,
        "{missing} of {counted} calls with missing values"
    );
    Ok((counted, missing))
}

/// Every value of a call follows from its name (see tests/fixtures/go/deep).
fn check_call(call: &Value) -> Result<()> {
    let (opts, depth) = (&call["params"]["arg0"], &call["params"]["arg1"]);
    let name = opts["Name"].as_str().context("Name")?;
    if name == "last" {
        ensure!(opts["Limit"] == -1 && call["results"]["error"]["type"] == "*errors.errorString");
        return Ok(());
    }
    let (g, c) = name
        .strip_prefix('g')
        .and_then(|n| n.split_once("-c"))
        .context("name")?;
    let (g, c): (i64, i64) = (g.parse()?, c.parse()?);
    ensure!(opts["Limit"] == g * 1000 + c, "Limit");
    ensure!(opts["All"] == ((g + c) % 2 == 1), "All");
    ensure!(
        opts["Labels"]["label"][format!("n={name}")] == true,
        "Labels"
    );
    let depth = depth.as_i64().context("depth")?;
    ensure!(call["results"]["result"] == g * 1000 + c + depth, "result");
    ensure!(call["results"]["error"].is_null(), "error");
    Ok(())
}

/// Writer of "newc" archives, the form of an initramfs.
#[derive(Debug, Default)]
struct Cpio {
    bytes: Vec<u8>,
    files: u32,
}

impl Cpio {
    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.files += 1;
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let fields = [
            self.files, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn add(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.entry(name, mode, (0, 0), data);
    }

    fn node(&mut self, name: &str, major: u32, minor: u32) {
        self.entry(name, 0o020_600, (major, minor), &[]);
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }
}

//! What reading a stock daemon's binary and planning costs: the whole command from exec to exit,
//! binary in the page cache.
//!
//! `cargo xtask bench` runs it. Peaks are the kernel's own (`VmHWM`), pages of the mapped binary
//! and of mobytrace included.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use mobytrace::moby::profiles::PROFILES;

/// Runs of which the fastest counts: what disturbs a run only makes it slower.
const RUNS: usize = 9;

fn command(tool: &Path, dockerd: &Path, profiles: &[&str]) -> Command {
    let mut command = Command::new(tool);
    command.args(["inspect", "plan", "--json", "--binary"]);
    command.arg(dockerd);
    for profile in profiles {
        command.args(["--profile", profile]);
    }
    command
}

/// One run.
struct Run {
    /// Exec to exit, ms.
    elapsed: f64,
    /// Processor time until the plan is complete, ms.
    processor: f64,
    /// Peak RSS, MiB.
    peak: f64,
    /// Anonymous memory when the plan is complete, MiB.
    anonymous: f64,
}

fn run(tool: &Path, dockerd: &Path, profiles: &[&str]) -> Run {
    let mut command = command(tool, dockerd, profiles);
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut stdout = child.stdout.take().expect("stdout");
    // the plan is complete when its first byte comes, and far too large for the pipe: the process
    // waits
    stdout.read_exact(&mut [0]).expect("a plan");
    let of_process = |file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).expect("process")
    };
    let (status, times) = (of_process("status"), of_process("schedstat"));
    let first = |text: &str| -> f64 {
        let word = text.split_ascii_whitespace().next();
        word.and_then(|n| n.parse().ok()).expect("number")
    };
    let mib = |name: &str| -> f64 {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        first(line.expect(name)) / 1024.0
    };
    let (peak, anonymous) = (mib("VmHWM:"), mib("RssAnon:"));
    std::io::copy(&mut stdout, &mut std::io::sink()).expect("the rest");
    assert!(child.wait().expect("ended").success());
    Run {
        elapsed: started.elapsed().as_secs_f64() * 1e3,
        processor: first(&times) / 1e6,
        peak,
        anonymous,
    }
}

fn main() {
    let tool = harness::Tool::find().expect("tool").path().to_owned();
    println!(
        "| dockerd | size | `list` | peak RSS | of it anonymous | all profiles | peak RSS | of it anonymous |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    );
    let all: Vec<&str> = PROFILES.iter().map(|p| p.name).collect();
    for suite in harness::SUITES {
        for arch in ["amd64", "arm64"] {
            let Some(path) = harness::stock_dockerd(suite, arch) else {
                continue;
            };
            let size = std::fs::metadata(&path).expect("size").len() as f64 / 1048576.0;
            let mut row = format!("| {suite} {arch} | {size:.0} MiB |");
            for profiles in [&["list"][..], &all] {
                let runs: Vec<Run> = (0..RUNS).map(|_| run(&tool, &path, profiles)).collect();
                let least = |of: fn(&Run) -> f64| runs.iter().map(of).fold(f64::INFINITY, f64::min);
                let most = |of: fn(&Run) -> f64| runs.iter().map(of).fold(0.0, f64::max);
                row += &format!(
                    " {:.0} ms ({:.0}) | {:.1} MiB | {:.1} MiB |",
                    least(|r| r.elapsed),
                    least(|r| r.processor),
                    most(|r| r.peak),
                    most(|r| r.anonymous)
                );
            }
            println!("{row}");
        }
    }
}

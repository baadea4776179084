//! Measurements, written to docs/performance.md.

use anyhow::{Result, ensure};

use crate::exec::{self, cargo, target};
use crate::{apt, fixtures, performance};

/// Runs all measurements.
pub fn run() -> Result<()> {
    probes()?;
    reading()
}

/// Reading stock daemons' binaries and planning.
pub fn reading() -> Result<()> {
    apt::daemons()?;
    // it measures other processes only
    let table = measured("reading", &["--profile", "dev"])?;
    let text = format!(
        "`mobytrace inspect plan --json` on stock daemons, by {}: exec to exit and, in brackets, processor time until the plan is \
         made; the fastest of nine runs each, binary in the page cache. Peaks are the kernel's `VmHWM`: pages of the mapped binary and \
         of mobytrace itself are in it.\n\n{table}",
        occasion("cargo xtask bench --reading")?,
    );
    println!("{table}");
    performance::replace("Reading a binary", &text)
}

fn measured(bench: &str, how: &[&str]) -> Result<String> {
    exec::run(cargo().args(["build", "--quiet", "--release", "-p", "mobytrace"]))?;
    exec::output(
        cargo()
            .args(["bench", "--quiet", "-p", "tests", "--bench", bench])
            .args(how)
            .env("MOBYTRACE_BIN", target().join("release/mobytrace")),
    )
}

/// Which command, when and where.
fn occasion(command: &str) -> Result<String> {
    let date = exec::output(exec::command("date").arg("+%Y-%m-%d"))?;
    let kernel = exec::output(exec::command("uname").arg("-rm"))?;
    Ok(format!(
        "`{command}` on {} (Linux {}, {} processors, a virtual machine)",
        date.trim(),
        kernel.trim(),
        std::thread::available_parallelism()?.get(),
    ))
}

fn probes() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the benchmarks attach probes: run them as root"
    );
    apt::docker()?;
    fixtures::build()?;
    let table = measured("probe_cost", &[])?;
    let text = format!(
        "# What it costs\n\nMedians of one run of {}; written by it.\n\
         Compare rows with each other, not with another machine. A hit is one probed instruction executed; a traced call has two \
         (entry and return). On x86 a return is always single-stepped, which costs what the first instruction costs. \
         What is captured there: goroutine, callers, and options of a bool, an int, a string and a map of maps.\n\n{table}",
        occasion("cargo xtask bench")?,
    );
    println!("{table}");
    performance::replace_first(&text)
}

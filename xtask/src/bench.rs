//! Measurements, written to docs/performance.md.

use anyhow::{Result, ensure};

use crate::exec::{self, cargo, target};
use crate::{apt, fixtures, performance};

/// Runs all measurements.
pub fn run() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the benchmarks attach probes: run them as root"
    );
    apt::docker()?;
    fixtures::build()?;
    exec::run(cargo().args(["build", "--quiet", "--release", "-p", "mobytrace"]))?;
    let table = exec::output(
        cargo()
            .args(["bench", "--quiet", "-p", "tests", "--bench", "probe_cost"])
            .env("MOBYTRACE_BIN", target().join("release/mobytrace")),
    )?;
    let date = exec::output(exec::command("date").arg("+%Y-%m-%d"))?;
    let kernel = exec::output(exec::command("uname").arg("-rm"))?;
    let text = format!(
        "# What it costs\n\nMedians of one run of `cargo xtask bench` on {} (Linux {}, {} processors, a virtual machine); written by it.\n\
         Compare rows with each other, not with another machine. A hit is one probed instruction executed; a traced call has two \
         (entry and return). On x86 a return is always single-stepped, which costs what the first instruction costs. \
         What is captured there: goroutine, callers, and options of a bool, an int, a string and a map of maps.\n\n{table}",
        date.trim(),
        kernel.trim(),
        std::thread::available_parallelism()?.get(),
    );
    println!("{table}");
    performance::replace_first(&text)
}

//! Ten million calls that are hard to pair, in slices that the tracer keeps up with. The result
//! becomes a section of docs/performance.md.

use anyhow::{Context, Result, ensure};

use crate::exec::{self, cargo};
use crate::{fixtures, performance};

/// Runs it and writes the section.
///
/// # Errors
/// A call was paired wrong, or records were lost at every speed.
pub fn run(runs: u64, calls: u64, pause: u64) -> Result<()> {
    fixtures::build()?;
    let build = [
        "test",
        "--release",
        "--locked",
        "-p",
        "tests",
        "--test",
        "alone",
    ];
    exec::run(cargo().args(build).arg("--no-run"))?;
    let output = cargo()
        .args(build)
        .args(["--", "storm::", "--nocapture"])
        .env("MOBYTRACE_STRICT", "1")
        .env("MOBYTRACE_STORM_RUNS", runs.to_string())
        .env("MOBYTRACE_STORM_CALLS", calls.to_string())
        .env("MOBYTRACE_STORM_PAUSE", pause.to_string())
        .output()
        .context("running the storm")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the storm failed:\n{said}");
    let line = said
        .lines()
        .find_map(|l| l.strip_prefix("storm: "))
        .context("the storm did not say its result")?;
    let numbers: Vec<&str> = line
        .split(' ')
        .filter(|w| w.chars().all(|c| c.is_ascii_digit()))
        .collect();
    let [made, restarts, again] = numbers.as_slice() else {
        anyhow::bail!("the storm said {line}");
    };
    let text = section(runs, made, restarts, again)?;
    println!("{text}");
    performance::replace("Calls that are hard to pair", &text)
}

fn section(runs: u64, made: &str, restarts: &str, again: &str) -> Result<String> {
    let date = exec::output(exec::command("date").arg("+%Y-%m-%d"))?;
    let kernel = exec::output(exec::command("uname").arg("-r"))?;
    Ok(format!(
        "One run of `cargo xtask storm` on {} (Linux {}): `tests/fixtures/go/storm` (Go 1.19) traced by `tests/tests/alone/storm.rs`, built with\n\
         optimisation: stack growth, recursion, panics recovered across frames, `runtime.Goexit`, 10,000 calls open at once, preempted loops, forty\n\
         returns and none. The program pauses between its rounds so that decoding keeps up; a slice that lost records is made again, slower.\n\n\
         | calls | slices | made again | records lost | paired wrong | entries met twice (stack growth) |\n\
         |---:|---:|---:|---:|---:|---:|\n\
         | {made} | {runs} | {again} | 0 | 0 | {restarts} |\n\n\
         In every slice each function's calls returned, were abandoned or open exactly as often as the program counted itself, and it lived.\n",
        date.trim(),
        kernel.trim(),
    ))
}

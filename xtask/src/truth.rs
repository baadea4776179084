//! Random requests against the four stock daemons (tests/tests/alone/truth.rs), more of them and
//! others than in every test run.

use anyhow::{Context, Result};

use crate::apt;
use crate::exec::{self, cargo, target};

/// Prints a row of counts per daemon, and what is unknown with its reason.
///
/// # Errors
/// Something shown differs from what was sent or answered.
pub fn run(seed: u64, requests: u64) -> Result<()> {
    apt::docker()?;
    apt::daemons()?;
    exec::run(cargo().args(["build", "--locked", "-p", "mobytrace"]))?;
    let mut test = cargo();
    test.args(["test", "--locked", "-p", "tests", "--test", "alone"])
        .args(["--", "truth::", "--nocapture"])
        .env("MOBYTRACE_BIN", target().join("debug/mobytrace"))
        .env("MOBYTRACE_STRICT", "1")
        .env("MOBYTRACE_TRUTH_SEED", seed.to_string())
        .env("MOBYTRACE_TRUTH_REQUESTS", requests.to_string());
    exec::run(&mut test).with_context(|| format!("seed {seed}, {requests} requests"))
}

//! Fuzzing, with the nightly toolchain and cargo-fuzz, which is installed under `target/` where it
//! is missing.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::exec::{self, cargo, make_dir, root, target};
use crate::fixtures;

/// Fuzz targets, as `fuzz/fuzz_targets` has them.
fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .flatten()
        .filter_map(|e| Some(e.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn cargo_fuzz() -> Result<PathBuf> {
    let tools = target().join("tools/fuzz");
    let program = tools.join("bin/cargo-fuzz");
    if !program.exists() {
        println!("installing cargo-fuzz into {}", tools.display());
        exec::run(
            cargo()
                .args(["install", "cargo-fuzz", "--locked", "--root"])
                .arg(&tools),
        )?;
    }
    Ok(program)
}

/// Runs one target, or all of them one after the other, each for so many seconds. Findings lie in
/// `target/fuzz/findings`.
pub fn run(only: Option<&str>, seconds: u32) -> Result<()> {
    let names = targets()?;
    if let Some(only) = only {
        ensure!(
            names.iter().any(|n| n == only),
            "no fuzz target {only:?}; there are {}",
            names.join(", ")
        );
    }
    fixtures::build()?;
    let program = cargo_fuzz()?;
    let mut failed = Vec::new();
    for name in names.iter().filter(|n| only.is_none_or(|o| o == *n)) {
        let corpus = target().join("fuzz/corpus").join(name);
        let findings = target().join("fuzz/findings").join(name);
        make_dir(&corpus)?;
        make_dir(&findings)?;
        let mut fuzz = exec::command(&program);
        // what is looked for are panics, overflows, hangs and floods of memory: no address
        // sanitizer needed, and three times the speed
        fuzz.args(["run", "--sanitizer", "none", "--target-dir"])
            .arg(target().join("fuzz/build"))
            .arg(name)
            .arg(&corpus)
            .arg(root().join("tests/regressions").join(name))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .args([
                "-timeout=20",
                "-max_len=4096",
                "-len_control=0",
                "-malloc_limit_mb=200",
                "-rss_limit_mb=1500",
            ])
            .args(["-print_final_stats=1", "-verbosity=1"])
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .env("RUSTUP_AUTO_INSTALL", "0")
            .env_remove("CARGO");
        make_dir(&root().join("tests/regressions").join(name))?;
        println!("== fuzz {name}: {seconds} s");
        if let Err(error) = exec::run(&mut fuzz).context(name.clone()) {
            println!("{error:#}");
            failed.push(name.as_str());
        }
    }
    ensure!(
        failed.is_empty(),
        "findings in {}: minimise (`cargo fuzz tmin`), fix, and keep them in tests/regressions",
        failed.join(", ")
    );
    Ok(())
}

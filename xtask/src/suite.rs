//! `cargo xtask test`: checks of the tree, unit tests, live tests, other kernels.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::exec::{self, cargo, target};
use crate::setup::{self, Purpose};
use crate::{apt, compatibility, ebpf, fixtures, image, matrix, tidy, vm};

/// Runs everything; `full`: fixtures by every Go in every shape, and docs/compatibility.md written
/// anew. Strict: what cannot run here fails; lenient: it is skipped by name.
pub fn run(lenient: bool, full: bool) -> Result<()> {
    let mut skipped = Vec::new();
    if !lenient {
        setup::check(&setup::ALL)?;
    }
    step("tidy", tidy::run)?;
    step("build", || {
        exec::run(cargo().args(["build", "--workspace", "--locked"]))
    })?;
    may_skip(lenient, &mut skipped, "stock dockerd", apt::docker)?;
    // each generation that cannot be had is named there and skipped by its tests
    step("daemons", apt::daemons)?;
    may_skip(lenient, &mut skipped, "Go fixtures", || {
        fixtures::build()?;
        matrix::build(full)
    })?;
    may_skip(lenient, &mut skipped, "container image", || {
        image::for_tests().map(|_| ())
    })?;
    step("tests", || {
        let mut tests = cargo();
        tests
            .args([
                "test",
                "--workspace",
                "--locked",
                "--no-fail-fast",
                "--",
                "--test-threads=2",
            ])
            .env("MOBYTRACE_BIN", target().join("debug/mobytrace"));
        if lenient {
            tests.env_remove("MOBYTRACE_STRICT");
        } else {
            tests.env("MOBYTRACE_STRICT", "1");
        }
        if full {
            tests.env("MOBYTRACE_COMPATIBILITY", compatibility::results()?);
        }
        exec::run(&mut tests)
    })?;
    if full {
        compatibility::write()?;
    }
    may_skip(
        lenient,
        &mut skipped,
        "rebuilding the kernel objects",
        ebpf::check_rebuild,
    )?;
    may_skip(lenient, &mut skipped, "other kernels", || {
        vm::run(!lenient, &vm::Wanted::default())
    })?;
    if skipped.is_empty() {
        println!("all tests passed, none skipped");
    } else {
        println!("passed, with skips: {}", skipped.join("; "));
    }
    Ok(())
}

/// Test programs that need no root.
const WITHOUT_ROOT: [&str; 2] = ["offline", "hostile_binaries"];

/// Runs what needs no root: the tree, unit tests, and what is read of binaries and recordings.
/// Strict.
pub fn without_root() -> Result<()> {
    setup::check(&[Purpose::Tidy, Purpose::Building])?;
    step("tidy", tidy::run)?;
    step("build", || {
        exec::run(cargo().args(["build", "--workspace", "--locked"]))
    })?;
    step("daemons", apt::daemons)?;
    step("Go fixtures", || {
        fixtures::build()?;
        matrix::build(false)
    })?;
    let strict = |tests: &mut Command| {
        tests
            .env("MOBYTRACE_BIN", target().join("debug/mobytrace"))
            .env("MOBYTRACE_STRICT", "1");
        exec::run(tests)
    };
    step("tests", || {
        let mut tests = cargo();
        tests
            .args(["test", "--workspace", "--locked", "--no-fail-fast"])
            .args(["--lib", "--bins"]);
        for program in WITHOUT_ROOT {
            tests.args(["--test", program]);
        }
        strict(tests.args(["--", "--test-threads=2"]))
    })?;
    step("examples of the documentation", || {
        strict(cargo().args(["test", "--workspace", "--locked", "--doc"]))
    })?;
    println!("passed: what needs no root (the rest: `cargo xtask test`)");
    Ok(())
}

fn step(name: &str, job: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = std::time::Instant::now();
    println!("== {name}");
    job().with_context(|| name.to_owned())?;
    println!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn may_skip(
    lenient: bool,
    skipped: &mut Vec<String>,
    name: &str,
    job: impl FnOnce() -> Result<()>,
) -> Result<()> {
    match step(name, job) {
        Ok(()) => Ok(()),
        Err(error) if lenient => {
            println!("SKIPPED {name}: {error:#}");
            skipped.push(name.to_owned());
            Ok(())
        }
        Err(error) => bail!("{error:#}"),
    }
}

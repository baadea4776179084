//! The story: what `docker ps -a` and `docker system df` really ask the daemon for.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use harness::{Assets, Daemon};

use crate::apt;
use crate::exec::{self, cargo, make_dir, target};
use crate::setup::{self, Purpose};

/// Containers of the story that were never started.
const STOPPED: usize = 84;

/// The tool: the one that tests were given, or built here.
fn program() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("MOBYTRACE_BIN") {
        return Ok(given.into());
    }
    eprintln!("building mobytrace …");
    exec::run(cargo().args(["build", "--quiet", "-p", "mobytrace"]))?;
    Ok(target().join("debug/mobytrace"))
}

/// Runs it; `commands` replace the story's two.
pub fn run(commands: &[String]) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the demo starts a private dockerd and traces it: run it as root"
    );
    let story = ["docker ps -a".to_owned(), "docker system df".to_owned()];
    let commands = if commands.is_empty() {
        &story[..]
    } else {
        commands
    };
    ensure!(commands.len() > 1, "give two or more commands to compare");
    setup::check(&[Purpose::Building])?;
    let program = program()?;
    apt::docker().context("getting a stock dockerd (Debian's docker.io)")?;
    let assets = Assets::find()?;
    eprintln!("starting a stock dockerd …");
    let daemon = Daemon::start(&assets)?;
    eprintln!("creating {} containers, 1 running …", STOPPED + 1);
    daemon.import_image()?;
    daemon.create_containers("story", STOPPED)?;
    daemon.run_container("running")?;
    let recording = target().join("demo/story.mobytrace");
    make_dir(&target().join("demo"))?;
    let mut mobytrace = exec::command(program);
    mobytrace
        .arg("compare")
        .args(["--socket", &daemon.socket().display().to_string()])
        .arg("-o")
        .arg(&recording)
        .arg("--force")
        .env("PATH", assets.path_variable()?)
        .env("HOME", target().join("demo"));
    for command in commands {
        mobytrace.args(["--cmd", command]);
    }
    for command in commands {
        eprintln!("$ {command}");
    }
    let status = mobytrace.status().context("running mobytrace")?;
    eprintln!("recorded: {}", recording.display());
    drop(daemon);
    ensure!(status.success(), "mobytrace compare ended with {status}");
    Ok(())
}

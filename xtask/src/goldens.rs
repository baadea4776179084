//! `cargo xtask goldens`: kept texts written anew, and the recordings that they are made from.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use harness::{Assets, Daemon, stock_dockerd};

use crate::apt;
use crate::exec::{self, cargo, root, target};

/// Suites whose daemons are recorded anew. That of bookworm (20.10.24) stays as it is: an older
/// version of the format.
const RECORDED: [&str; 3] = ["bullseye", "trixie", "sid"];

/// Containers of the scenario that were never started; one more runs.
const STOPPED: usize = 4;

/// The scenario, as that of the oldest recording in the tree.
const COMMANDS: [&str; 5] = [
    "docker ps",
    "docker ps -a --filter label=a=b --filter label=c --filter status=exited",
    "docker ps -a",
    "docker system df",
    "docker ps --filter since=nope",
];

/// Writes what recordings show and what `inspect` says into `tests/golden`; with `record` makes the
/// recordings first.
///
/// # Errors
/// A daemon does not start, or the tool fails.
pub fn run(record: bool) -> Result<()> {
    exec::run(cargo().args(["build", "--workspace", "--locked"]))?;
    apt::daemons()?;
    if record {
        ensure!(
            harness::is_root(),
            "recordings are made of private daemons that are traced\nhint: run it as root"
        );
        apt::docker()?;
        let assets = Assets::find()?;
        for suite in RECORDED {
            let dockerd = stock_dockerd(suite, "amd64")
                .with_context(|| format!("no stock dockerd of {suite}"))?;
            // recordings name the program's path: one that says nothing of this machine
            let dir = tempfile::Builder::new()
                .prefix("stock-")
                .tempdir_in("/tmp")?;
            let copy = dir.path().join("dockerd");
            std::fs::copy(&dockerd, &copy)
                .with_context(|| format!("copying {}", dockerd.display()))?;
            let daemon = Daemon::start_binary(&assets, &copy)?;
            capture(&assets, &daemon).with_context(|| suite.to_owned())?;
        }
    }
    exec::run(
        cargo()
            .args(["test", "--workspace", "--locked", "--test", "offline"])
            .args(["--", "golden::"])
            .env("MOBYTRACE_BIN", target().join("debug/mobytrace"))
            .env("MOBYTRACE_BLESS", "1"),
    )?;
    println!("see `git diff tests/golden` before keeping it");
    Ok(())
}

/// Records the scenario into `tests/captures/stock-VERSION.mobytrace.gz`.
fn capture(assets: &Assets, daemon: &Daemon) -> Result<()> {
    daemon.import_image()?;
    daemon.create_containers("c", STOPPED)?;
    daemon.run_container("up")?;
    let version = daemon.get("/version")?.json()?;
    let version = version["Version"].as_str().context("no version")?;
    let version = version.split('+').next().unwrap_or(version);
    let dir = tempfile::tempdir()?;
    let recording = dir.path().join("recording");
    let mut trace = exec::command(target().join("debug/mobytrace"));
    trace
        .arg("trace")
        .arg("--socket")
        .arg(daemon.socket())
        .arg("-o")
        .arg(&recording)
        .env("PATH", assets.path_variable()?)
        .env("HOME", dir.path());
    for command in COMMANDS {
        trace.args(["--cmd", command]);
    }
    exec::output(&mut trace)?;
    let kept = root().join(format!("tests/captures/stock-{version}.mobytrace.gz"));
    pack(&std::fs::read(&recording)?, &kept)?;
    let size = std::fs::metadata(&kept)?.len();
    println!("{}: {size} bytes", kept.display());
    Ok(())
}

/// The same bytes give the same file: no name, no time.
fn pack(bytes: &[u8], into: &Path) -> Result<()> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    std::fs::write(into, packed.finish()?).with_context(|| into.display().to_string())
}

//! Every Go that Debian's suites carry, unpacked under `target/` and never installed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::apt::Apt;
use crate::exec::{self, target};

/// Suites that carry a Go of their own. The first that has a release gives it: it wants the oldest
/// C library.
const SUITES: [&str; 6] = [
    "bullseye",
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
    "sid",
];

/// One Go release.
#[derive(Debug)]
pub struct Toolchain {
    /// As in the package's name: `1.19`.
    pub release: String,
    pub root: PathBuf,
    /// As the toolchain says itself: `go1.19.8`.
    pub version: String,
    pub suite: &'static str,
}

/// Finds and unpacks them, oldest first; one that does not run here is named.
///
/// # Errors
/// No apt, or nothing can be had.
pub fn all() -> Result<Vec<Toolchain>> {
    let mut found = BTreeMap::new();
    for suite in SUITES {
        let packages = match Apt::open(suite, "amd64").and_then(|apt| apt.names("golang-1.")) {
            Ok(packages) => packages,
            Err(error) => {
                println!("Go of {suite}: not to be had: {error:#}");
                continue;
            }
        };
        for minor in packages.iter().filter_map(|p| minor(p)) {
            found.entry(minor).or_insert(suite);
        }
    }
    let mut toolchains = Vec::new();
    for (minor, suite) in found {
        match unpack(&format!("1.{minor}"), suite) {
            Ok(toolchain) => toolchains.push(toolchain),
            Err(error) => println!("Go 1.{minor} of {suite}: not usable here: {error:#}"),
        }
    }
    Ok(toolchains)
}

/// Unpacks one release of one suite.
///
/// # Errors
/// It cannot be had, or does not run here.
pub fn unpack(release: &str, suite: &'static str) -> Result<Toolchain> {
    let into = target().join(format!("assets/go-{release}"));
    Apt::open(suite, "amd64")?.unpack(
        &[
            &format!("golang-{release}-go"),
            &format!("golang-{release}-src"),
        ],
        &into,
    )?;
    let root = into.join(format!("usr/lib/go-{release}"));
    let said = exec::output(
        exec::command(root.join("bin/go"))
            .arg("version")
            .env("GOROOT", &root)
            .env("GOTOOLCHAIN", "local"),
    )?;
    let version = said
        .split_ascii_whitespace()
        .nth(2)
        .unwrap_or("?")
        .to_owned();
    Ok(Toolchain {
        release: release.to_owned(),
        root,
        version,
        suite,
    })
}

/// `19` of `golang-1.19-go`.
fn minor(package: &str) -> Option<u32> {
    package
        .strip_prefix("golang-1.")?
        .strip_suffix("-go")?
        .parse()
        .ok()
}

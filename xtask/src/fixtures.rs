//! Go programs that the tests trace, built with the distribution's Go, which is unpacked and never installed.

use std::path::PathBuf;

use anyhow::Result;

use crate::apt::Apt;
use crate::exec::{self, make_dir, root, target};

/// The Go of bookworm.
const GO: &str = "1.19";

/// Fixtures, each a folder of `tests/fixtures/go`.
const FIXTURES: &[&str] = &["deep", "spin", "storm"];

fn go_root() -> Result<PathBuf> {
    let into = target().join(format!("assets/go-{GO}"));
    let apt = Apt::open("bookworm", "amd64")?;
    apt.unpack(
        &[&format!("golang-{GO}-go"), &format!("golang-{GO}-src")],
        &into,
    )?;
    Ok(into.join(format!("usr/lib/go-{GO}")))
}

/// Builds all fixtures for amd64, stripped, and one of them with debug information, uncompressed.
pub fn build() -> Result<()> {
    let go_root = go_root()?;
    let out = target().join("fixtures");
    make_dir(&out)?;
    let stripped = FIXTURES.iter().map(|name| (*name, *name, "-s -w"));
    let with_dwarf = [("deep", "deep-dwarf", "-compressdwarf=false")];
    for (name, file, flags) in stripped.chain(with_dwarf) {
        exec::run(
            exec::command(go_root.join("bin/go"))
                .current_dir(root().join("tests/fixtures/go").join(name))
                .args(["build", "-trimpath", "-ldflags", flags, "-o"])
                .arg(out.join(file))
                .arg("main.go")
                .env("GOROOT", &go_root)
                .env("GOCACHE", target().join("assets/go-cache"))
                .env("GOPATH", target().join("assets/go-path"))
                .env("GO111MODULE", "off")
                .env("GOFLAGS", "")
                .env("GOTOOLCHAIN", "local")
                .env("CGO_ENABLED", "0")
                .env("GOARCH", "amd64"),
        )?;
    }
    Ok(())
}

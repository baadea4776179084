//! Go programs that the tests trace, built with the distribution's Go, which is unpacked and never installed.

use std::path::PathBuf;

use anyhow::Result;

use crate::apt::Apt;
use crate::exec::{self, make_dir, root, target};

/// The Go of bookworm.
const GO: (&str, &str) = ("bookworm", "1.19");
/// The Go of trixie, the first one with Swiss maps.
const SWISS: (&str, &str) = ("trixie", "1.24");

/// Fixtures, each a folder of `tests/fixtures/go`.
const FIXTURES: &[&str] = &["deep", "spin", "storm", "values"];

fn go_root((suite, version): (&str, &str)) -> Result<PathBuf> {
    let into = target().join(format!("assets/go-{version}"));
    let apt = Apt::open(suite, "amd64")?;
    apt.unpack(
        &[
            &format!("golang-{version}-go"),
            &format!("golang-{version}-src"),
        ],
        &into,
    )?;
    Ok(into.join(format!("usr/lib/go-{version}")))
}

/// Builds all fixtures for amd64, stripped, one of them with debug information, uncompressed, and one with Swiss maps too.
pub fn build() -> Result<()> {
    let out = target().join("fixtures");
    make_dir(&out)?;
    let stripped = FIXTURES.iter().map(|name| (*name, *name, "-s -w", GO));
    let others = [
        ("deep", "deep-dwarf", "-compressdwarf=false", GO),
        ("values", "values-swiss", "-s -w", SWISS),
    ];
    for (name, file, flags, go) in stripped.chain(others) {
        let go_root = go_root(go)?;
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

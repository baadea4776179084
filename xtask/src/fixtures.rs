//! Go programs that the tests trace, built with the distribution's Go, which is unpacked and never
//! installed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::exec::{self, make_dir, root, target};
use crate::toolchains;

/// The Go of bookworm.
const GO: (&str, &str) = ("bookworm", "1.19");
/// The Go of trixie, the first one with Swiss maps.
const SWISS: (&str, &str) = ("trixie", "1.24");

/// One whose compiler writes DWARF 5 (from 1.25 on).
const DWARF5: (&str, &str) = ("trixie-backports", "1.26");
/// The Go of sid, the first one that can keep a group's keys apart from its elems.
const SPLIT: (&str, &str) = ("sid", "1.27");

/// Fixtures, each a folder of `tests/fixtures/go`.
const FIXTURES: &[&str] = &["deep", "spin", "storm", "torn", "values"];

/// Builds all fixtures for amd64, stripped; one of them with debug information (DWARF 4 and 5,
/// uncompressed), those about maps with both kinds of Swiss maps too, and one with packed
/// relocations.
pub fn build() -> Result<()> {
    let out = target().join("fixtures");
    make_dir(&out)?;
    let stripped = FIXTURES.iter().map(|name| (*name, *name, "-s -w", GO, ""));
    let others = [
        ("deep", "deep-dwarf", "-compressdwarf=false", GO, ""),
        ("deep", "deep-dwarf5", "-compressdwarf=false", DWARF5, ""),
        ("values", "values-swiss", "-s -w", SWISS, ""),
        ("values", "values-split", "-s -w", SPLIT, "mapsplitgroup"),
        ("torn", "torn-swiss", "-s -w", SWISS, ""),
    ];
    for (name, file, flags, (suite, release), experiment) in stripped.chain(others) {
        let go_root = toolchains::unpack(release, suite)?.root;
        exec::run(
            go(
                &go_root,
                &root().join("tests/fixtures/go").join(name),
                "amd64",
            )
            .args(["-ldflags", flags, "-o"])
            .arg(out.join(file))
            .arg(".")
            .env("CGO_ENABLED", "0")
            .env("GOEXPERIMENT", experiment),
        )?;
    }
    command(&out.join("go-dwarf"))?;
    packed(&out.join("relr"))
}

/// Go's own command, a large program, with its DWARF and with cgo.
fn command(out: &Path) -> Result<()> {
    let (suite, release) = SWISS;
    let go_root = toolchains::unpack(release, suite)?.root;
    exec::run(
        go(&go_root, &go_root.join("src/cmd/go"), "amd64")
            .arg("-o")
            .arg(out)
            .arg(".")
            .env("GO111MODULE", "on")
            .env("CC", "gcc")
            .env("CGO_ENABLED", "1"),
    )
}

/// One linked by the C compiler, its relative relocations packed (RELR).
fn packed(out: &Path) -> Result<()> {
    let (suite, release) = SWISS;
    let go_root = toolchains::unpack(release, suite)?.root;
    exec::run(
        go(
            &go_root,
            &root().join("tests/fixtures/go/releases"),
            "amd64",
        )
        .args(["-buildmode", "pie", "-tags", "with_c", "-ldflags"])
        .arg("-linkmode=external -s -w -extldflags=-Wl,-z,pack-relative-relocs")
        .arg("-o")
        .arg(out)
        .arg(".")
        .env("CC", "gcc")
        .env("CGO_ENABLED", "1"),
    )
}

/// `go build` of a folder.
pub fn go(go_root: &Path, source: &Path, arch: &str) -> Command {
    let mut command = exec::command(go_root.join("bin/go"));
    command
        .current_dir(source)
        .args(["build", "-trimpath"])
        .env("GOROOT", go_root)
        .env("GOCACHE", target().join("assets/go-cache"))
        .env("GOPATH", target().join("assets/go-path"))
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("GOARCH", arch);
    command
}

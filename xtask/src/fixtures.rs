//! Go programs that the tests trace, built with the distribution's Go, which is unpacked and never installed.

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
/// The fixture that is built with every Go, in every shape.
const MATRIX: &str = "releases";
/// Linker flags: what is kept beside the code.
const SYMBOLS: [(&str, &str); 3] = [("plain", ""), ("w", "-w"), ("s-w", "-s -w")];

/// How a program is linked: name, build mode, with cgo and the C compiler's linker.
const SHAPES: [(&str, &str, bool); 3] = [
    ("static", "exe", false),
    ("pie", "pie", false),
    ("pie-cgo", "pie", true),
];

/// Architectures, and the C compiler for each.
const ARCHES: [(&str, &str); 2] = [("amd64", "gcc"), ("arm64", "aarch64-linux-gnu-gcc")];

/// Builds all fixtures for amd64, stripped; one of them with debug information (DWARF 4 and 5, uncompressed), those about maps with both
/// kinds of Swiss maps too, and one with packed relocations.
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
            go(&go_root, name, "amd64")
                .args(["-ldflags", flags, "-o"])
                .arg(out.join(file))
                .arg(".")
                .env("CGO_ENABLED", "0")
                .env("GOEXPERIMENT", experiment),
        )?;
    }
    packed(&out.join("relr"))
}

/// One linked by the C compiler, its relative relocations packed (RELR).
fn packed(out: &Path) -> Result<()> {
    let (suite, release) = SWISS;
    let go_root = toolchains::unpack(release, suite)?.root;
    exec::run(
        go(&go_root, MATRIX, "amd64")
            .args(["-buildmode", "pie", "-tags", "with_c", "-ldflags"])
            .arg("-linkmode=external -s -w -extldflags=-Wl,-z,pack-relative-relocs")
            .arg("-o")
            .arg(out)
            .arg(".")
            .env("CC", "gcc")
            .env("CGO_ENABLED", "1"),
    )
}

fn go(go_root: &Path, fixture: &str, arch: &str) -> Command {
    let mut command = exec::command(go_root.join("bin/go"));
    command
        .current_dir(root().join("tests/fixtures/go").join(fixture))
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

/// Builds the matrix fixture with every Go × symbols × linker shape × architecture, as
/// `target/fixtures/matrix/GO/SHAPE/SYMBOLS/ARCH`; `full`: all of it, else one stripped PIE per Go. What cannot be built is
/// named in `skipped.txt` beside them.
///
/// # Errors
/// Nothing can be had, or a folder cannot be written.
pub fn matrix(full: bool) -> Result<()> {
    let out = target().join("fixtures/matrix");
    let _ = std::fs::remove_dir_all(&out);
    make_dir(&out)?;
    let (mut built, mut skipped) = (0, String::new());
    for toolchain in toolchains::all()? {
        println!("{} ({})", toolchain.version, toolchain.suite);
        for (arch, cc) in ARCHES {
            for (shape, mode, cgo) in SHAPES {
                for (symbols, flags) in SYMBOLS {
                    if !full && (arch, shape, symbols) != ("amd64", "pie", "s-w") {
                        continue;
                    }
                    let dir = out.join(&toolchain.release).join(shape).join(symbols);
                    make_dir(&dir)?;
                    let external = if cgo { "-linkmode=external " } else { "" };
                    let result = exec::output(
                        go(&toolchain.root, MATRIX, arch)
                            .args([
                                "-buildmode",
                                mode,
                                "-ldflags",
                                &format!("{external}{flags}"),
                            ])
                            .args(if cgo { &["-tags", "with_c"][..] } else { &[] })
                            .arg("-o")
                            .arg(dir.join(arch))
                            .arg(".")
                            .env("CC", cc)
                            .env("CGO_ENABLED", if cgo { "1" } else { "0" }),
                    );
                    match result {
                        Ok(_) => built += 1,
                        Err(error) => {
                            let reason = format!("{error:#}");
                            let reason = reason.lines().last().unwrap_or_default();
                            let name = format!("{} {shape} {symbols} {arch}", toolchain.version);
                            println!("SKIPPED {name}: {reason}");
                            skipped.push_str(&format!("{name}: {reason}\n"));
                        }
                    }
                }
            }
        }
    }
    println!("{built} programs");
    Ok(std::fs::write(out.join("skipped.txt"), skipped)?)
}

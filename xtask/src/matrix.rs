//! Go programs by every Go there is: `releases` (values of every kind) and `signatures` (methods
//! made by chance) in every shape, `panics` (handlers that end in every way) in one, those that
//! count their calls (`deep`, `storm`, and the prologues of `big` and `leaf`) in one for both
//! architectures.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::apt::Apt;
use crate::exec::{self, have, make_dir, root, target};
use crate::fixtures::go;
use crate::toolchains::{self, Toolchain};

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

/// Methods of `signatures`, and what their types and values are made from.
const METHODS: usize = 300;
const SEED: u64 = 0x6d6f_6279;

/// The Go by which `deep` and `storm` are built where one must do.
pub const USUAL: &str = "1.19";

/// One way to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    arch: (&'static str, &'static str),
    shape: (&'static str, &'static str, bool),
    symbols: (&'static str, &'static str),
}

impl Cell {
    fn is(&self, arch: &str, shape: &str, symbols: &str) -> bool {
        (self.arch.0, self.shape.0, self.symbols.0) == (arch, shape, symbols)
    }

    /// The shape of the programs that count their calls.
    fn counts(&self) -> bool {
        (self.shape.0, self.symbols.0) == ("static", "s-w")
    }

    fn all() -> impl Iterator<Item = Self> {
        ARCHES.into_iter().flat_map(|arch| {
            SHAPES.into_iter().flat_map(move |shape| {
                SYMBOLS.into_iter().map(move |symbols| Self {
                    arch,
                    shape,
                    symbols,
                })
            })
        })
    }
}

/// Builds them as `target/fixtures/matrix/PROGRAM/GO/SHAPE/SYMBOLS/ARCH`; `full`: all there are,
/// else one stripped PIE per Go, of the newest also one with its DWARF, `signatures` by the oldest
/// and the newest, `deep` and `storm` by one. What cannot be built is named in `skipped.txt` beside
/// them.
///
/// # Errors
/// Nothing can be had, or a folder cannot be written.
pub fn build(full: bool) -> Result<()> {
    let out = target().join("fixtures/matrix");
    let _ = std::fs::remove_dir_all(&out);
    make_dir(&out)?;
    if full {
        emulator()?;
    }
    let source = |name: &str| root().join("tests/fixtures/go").join(name);
    let programs = [
        ("releases", source("releases")),
        ("signatures", signatures()?),
        ("panics", source("panics")),
        ("deep", source("deep")),
        ("storm", source("storm")),
        ("big", source("big")),
        ("leaf", source("leaf")),
    ];
    let toolchains = toolchains::all()?;
    let (mut built, mut skipped) = (0, String::new());
    for (index, toolchain) in toolchains.iter().enumerate() {
        println!("{} ({})", toolchain.version, toolchain.suite);
        let newest = index + 1 == toolchains.len();
        for (program, source) in &programs {
            for cell in Cell::all() {
                let wanted = match *program {
                    // ends of handlers do not depend on how a program is linked
                    "panics" => cell.is("amd64", "pie", "s-w"),
                    "deep" | "storm" => cell.counts() && (full || toolchain.release == USUAL),
                    "big" | "leaf" => cell.counts(),
                    _ if full => true,
                    "releases" => {
                        cell.is("amd64", "pie", "s-w") || newest && cell.is("amd64", "pie", "plain")
                    }
                    _ => (index == 0 || newest) && cell.is("amd64", "pie", "plain"),
                };
                if !wanted {
                    continue;
                }
                let dir = out.join(program);
                match compile(toolchain, source, &dir, cell) {
                    Ok(()) => built += 1,
                    Err(error) => {
                        let reason = format!("{error:#}");
                        let reason = reason.lines().last().unwrap_or_default();
                        let (shape, symbols) = (cell.shape.0, cell.symbols.0);
                        let name = format!(
                            "{program} by {}, {shape}, {symbols}, {}",
                            toolchain.version, cell.arch.0
                        );
                        println!("SKIPPED {name}: {reason}");
                        skipped.push_str(&format!("{name}: {reason}\n"));
                    }
                }
            }
        }
    }
    println!("{built} programs");
    Ok(std::fs::write(out.join("skipped.txt"), skipped)?)
}

/// Builds those that count their calls by every Go, as far as they are not there.
///
/// # Errors
/// A toolchain cannot be had, or does not build one.
pub fn counting() -> Result<()> {
    for toolchain in toolchains::all()? {
        for name in ["deep", "storm", "big", "leaf"] {
            let source = root().join("tests/fixtures/go").join(name);
            let out = target().join("fixtures/matrix").join(name);
            for cell in Cell::all().filter(Cell::counts) {
                if !program(name, &toolchain.release, cell.arch.0).exists() {
                    compile(&toolchain, &source, &out, cell)?;
                }
            }
        }
    }
    Ok(())
}

/// A program that counts its calls, by one Go.
#[must_use]
pub fn program(name: &str, go: &str, arch: &str) -> PathBuf {
    let matrix = target().join("fixtures/matrix");
    matrix.join(name).join(go).join("static/s-w").join(arch)
}

/// Releases of Go by which that program was built, oldest first.
#[must_use]
pub fn releases(name: &str) -> Vec<String> {
    let dir = target().join("fixtures/matrix").join(name);
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort_by_key(|release| {
        release
            .rsplit('.')
            .next()
            .and_then(|n| n.parse::<u32>().ok())
    });
    found
}

fn compile(toolchain: &Toolchain, source: &Path, out: &Path, cell: Cell) -> Result<()> {
    let (shape, mode, cgo) = cell.shape;
    let dir = out
        .join(&toolchain.release)
        .join(shape)
        .join(cell.symbols.0);
    make_dir(&dir)?;
    let external = if cgo { "-linkmode=external " } else { "" };
    exec::output(
        go(&toolchain.root, source, cell.arch.0)
            .args(["-buildmode", mode])
            .args(["-ldflags", &format!("{external}{}", cell.symbols.1)])
            .args(if cgo { &["-tags", "with_c"][..] } else { &[] })
            .arg("-o")
            .arg(dir.join(cell.arch.0))
            .arg(".")
            .env("CC", cell.arch.1)
            .env("CGO_ENABLED", if cgo { "1" } else { "0" }),
    )?;
    Ok(())
}

/// Source folder of `signatures`: the part by hand and the part made here.
fn signatures() -> Result<PathBuf> {
    let dir = target().join("fixtures/source/signatures");
    make_dir(&dir)?;
    for (name, from) in [("main.go", "signatures"), ("c.go", "releases")] {
        let from = root().join("tests/fixtures/go").join(from).join(name);
        std::fs::copy(from, dir.join(name))?;
    }
    std::fs::write(dir.join("generated.go"), harness::go_methods(SEED, METHODS))?;
    Ok(dir)
}

/// What arm64 programs need here: a C compiler that makes them, and an emulator that runs them.
fn emulator() -> Result<()> {
    if !have("aarch64-linux-gnu-gcc") {
        println!(
            "no aarch64-linux-gnu-gcc: programs for arm64 with C will be missing (`cargo xtask setup` installs it)"
        );
    }
    let into = target().join("assets/qemu-user");
    Apt::open("bookworm", "amd64")?.unpack(&["qemu-user-static"], &into)
}

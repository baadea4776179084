//! The kernel objects: one per architecture, built reproducibly, shipped in the tree with a digest
//! of their inputs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::apt;
use crate::exec::{self, make_dir, root, target};

/// Version of the linker; it loads the LLVM of rustc itself.
const BPF_LINKER: &str = "0.10.4";
/// Architectures of the traced machine: their `pt_regs` differ.
const ARCHES: [&str; 2] = ["x86_64", "aarch64"];

fn object(dir: &Path, arch: &str) -> PathBuf {
    dir.join(format!("mobytrace-{arch}.o"))
}

fn shipped() -> PathBuf {
    root().join("tracer/ebpf")
}

/// Builds into the tree.
pub fn build() -> Result<()> {
    build_into(&shipped())?;
    std::fs::write(shipped().join("inputs.sha256"), digest()? + "\n")?;
    for arch in ARCHES {
        let path = object(&shipped(), arch);
        println!(
            "{} {} bytes",
            path.display(),
            std::fs::metadata(&path)?.len()
        );
    }
    Ok(())
}

fn linker_path() -> PathBuf {
    target().join("tools/bin/bpf-linker")
}

/// Whether the linker is there, in the right version.
pub fn has_linker() -> bool {
    let version = exec::output(exec::command(linker_path()).arg("--version"));
    version.is_ok_and(|v| v.contains(BPF_LINKER))
}

/// The linker, built under `target/tools` if it is not there.
///
/// # Errors
/// It cannot be built.
pub fn linker() -> Result<PathBuf> {
    let tools = target().join("tools");
    let linker = linker_path();
    if !has_linker() {
        println!(
            "installing bpf-linker {BPF_LINKER} under {} (about a minute)",
            tools.display()
        );
        exec::run(
            exec::cargo()
                .args([
                    "install",
                    "bpf-linker",
                    "--locked",
                    "--force",
                    "--quiet",
                    "--version",
                    BPF_LINKER,
                    "--root",
                ])
                .arg(&tools)
                .env("CARGO_TARGET_DIR", target().join("tools/build")),
        )?;
    }
    Ok(linker)
}

fn build_into(out: &Path) -> Result<()> {
    make_dir(out)?;
    let linker = linker()?;
    // cargo derives the names of crates from the paths of the library's sources: one path on every
    // machine
    let link = SourceLink::new(&apt::rust_src()?)?;
    let sources = &link.0;
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    for arch in ARCHES {
        let build = target().join(format!("ebpf/{arch}"));
        let mut flags = vec![
            "-Cdebuginfo=2".to_owned(),
            "-Clink-arg=--btf".to_owned(),
            format!("-Clinker={}", linker.display()),
            format!("--remap-path-prefix={}=/mobytrace", root().display()),
            format!("--remap-path-prefix={}=/rust/library", sources.display()),
            format!("--remap-path-prefix={}=/cargo", home.display()),
        ];
        // the folder of a registry is called after its host
        for registry in std::fs::read_dir(home.join("registry/src"))
            .into_iter()
            .flatten()
            .flatten()
        {
            flags.push(format!(
                "--remap-path-prefix={}=/cargo/registry",
                registry.path().display()
            ));
        }
        exec::run(&mut kernel_side("build", arch, sources, &build, &flags))?;
        let built = build.join("bpfel-unknown-none/release/mobytrace-ebpf");
        strip(&std::fs::read(&built)?, &object(out, arch))?;
    }
    Ok(())
}

/// Cargo for the kernel programs on an architecture: `verb` is `build` or `clippy`.
fn kernel_side(verb: &str, arch: &str, sources: &Path, build: &Path, flags: &[String]) -> Command {
    let mut all = vec![
        "--cfg".to_owned(),
        "kernel_side".to_owned(),
        "--cfg".to_owned(),
        format!("bpf_target_arch=\"{arch}\""),
    ];
    all.extend_from_slice(flags);
    let mut cargo = exec::cargo();
    cargo
        .args([verb, "--release", "--quiet", "--locked"])
        .args(["-p", "tracer-ebpf", "--bin", "mobytrace-ebpf"])
        .args(["--target", "bpfel-unknown-none", "-Zbuild-std=core"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", sources)
        .env("CARGO_ENCODED_RUSTFLAGS", all.join("\x1f"))
        .env("CARGO_TARGET_DIR", build)
        .env_remove("RUSTFLAGS");
    cargo
}

/// Lints of the kernel programs, for both architectures: the workspace's, which sees an empty
/// program in their place, tells nothing of them. No linker is needed.
pub fn clippy() -> Result<()> {
    let sources = apt::rust_src()?;
    for arch in ARCHES {
        let build = target().join(format!("ebpf/clippy-{arch}"));
        let mut clippy = kernel_side("clippy", arch, &sources, &build, &[]);
        exec::run(clippy.args(["--", "-Dwarnings"]))?;
    }
    Ok(())
}

/// A link to the library's sources at a path that is the same wherever the workspace lies; gone
/// with this value. One build at a time has it.
struct SourceLink(
    PathBuf,
    #[expect(dead_code, reason = "held for its lock")] std::fs::File,
);

impl SourceLink {
    fn new(sources: &Path) -> Result<Self> {
        let link = PathBuf::from("/tmp/mobytrace-rust-library");
        let lock = link.with_extension("lock");
        let lock = std::fs::File::create(&lock).with_context(|| lock.display().to_string())?;
        lock.lock().context("waiting for another build")?;
        // left by a build that was killed
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(sources, &link)
            .with_context(|| format!("linking {}", link.display()))?;
        Ok(Self(link, lock))
    }
}

impl Drop for SourceLink {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes the object without its DWARF; BTF and relocations stay. The sections of DWARF are emptied
/// rather than removed, so that no index changes.
fn strip(bytes: &[u8], to: &Path) -> Result<()> {
    let out = without_dwarf(bytes).context("the linked object is not the ELF file expected")?;
    std::fs::write(to, out).with_context(|| to.display().to_string())
}

/// ELF64: `e_shoff` at 40, `e_shentsize`, `e_shnum`, `e_shstrndx` from 58; section headers of 64
/// bytes.
fn without_dwarf(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 64;
    let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?));
    let u16_at = |at: usize| {
        Some(usize::from(u16::from_le_bytes(
            *bytes.get(at..)?.first_chunk::<2>()?,
        )))
    };
    let table = usize::try_from(u64_at(40)?).ok()?;
    let (count, names_index) = (u16_at(60)?, u16_at(62)?);
    let headers: Vec<[u8; HEADER]> = (0..count)
        .map(|i| {
            bytes
                .get(table + i * HEADER..)?
                .first_chunk::<HEADER>()
                .copied()
        })
        .collect::<Option<_>>()?;
    let field = |h: &[u8; HEADER], at: usize| {
        h.get(at..)
            .and_then(|b| b.first_chunk::<8>())
            .map(|b| u64::from_le_bytes(*b))
    };
    let names = usize::try_from(field(headers.get(names_index)?, 24)?).ok()?;
    let mut out = bytes.get(..HEADER)?.to_vec();
    let mut new_headers = Vec::new();
    for header in &headers {
        let mut new = *header;
        let name_at = names + u32::from_le_bytes(*header.first_chunk::<4>()?) as usize;
        let name = bytes.get(name_at..)?.split(|b| *b == 0).next()?;
        let (offset, size, align) = (field(header, 24)?, field(header, 32)?, field(header, 48)?);
        let (offset, size) = (usize::try_from(offset).ok()?, usize::try_from(size).ok()?);
        out.resize(
            out.len()
                .next_multiple_of(usize::try_from(align).ok()?.max(1)),
            0,
        );
        let dwarf = name.starts_with(b".debug") || name.starts_with(b".rel.debug");
        let data = if dwarf {
            &[]
        } else {
            bytes.get(offset..offset + size)?
        };
        new[24..32].copy_from_slice(&(out.len() as u64).to_le_bytes());
        new[32..40].copy_from_slice(&(data.len() as u64).to_le_bytes());
        out.extend_from_slice(data);
        new_headers.push(new);
    }
    out.resize(out.len().next_multiple_of(8), 0);
    let at = out.len() as u64;
    out[40..48].copy_from_slice(&at.to_le_bytes());
    for header in new_headers {
        out.extend_from_slice(&header);
    }
    Some(out)
}

/// SHA-256 over everything the objects are made of: sources, versions, tools.
pub fn digest() -> Result<String> {
    let mut hash = Sha256::new();
    let mut files = vec![
        root().join("tracer-ebpf/Cargo.toml"),
        root().join("rust-toolchain.toml"),
    ];
    collect(&root().join("tracer-ebpf/src"), &mut files)?;
    files.sort();
    for file in files {
        let shown = file.strip_prefix(root())?.display().to_string();
        hash.update(shown.as_bytes());
        hash.update([0]);
        hash.update(std::fs::read(&file)?);
        hash.update([0]);
    }
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    for package in lock
        .split("[[package]]")
        .filter(|p| p.contains("name = \"aya-"))
    {
        if package.contains("-ebpf") {
            hash.update(package.trim().as_bytes());
        }
    }
    hash.update(BPF_LINKER);
    hash.update(apt::rustc_version()?);
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

/// The digest in the tree is that of the sources in the tree.
pub fn check_digest() -> Result<()> {
    let kept = std::fs::read_to_string(shipped().join("inputs.sha256")).unwrap_or_default();
    ensure!(
        kept.trim() == digest()?,
        "the kernel objects are older than their sources: run `cargo xtask build-ebpf`"
    );
    Ok(())
}

/// Builds elsewhere and compares byte by byte.
pub fn check_rebuild() -> Result<()> {
    check_digest()?;
    let elsewhere = target().join("ebpf/rebuilt");
    build_into(&elsewhere)?;
    for arch in ARCHES {
        let same =
            std::fs::read(object(&elsewhere, arch))? == std::fs::read(object(&shipped(), arch))?;
        ensure!(
            same,
            "a rebuilt mobytrace-{arch}.o differs from the one in the tree"
        );
    }
    println!("kernel objects rebuilt: equal to those in the tree");
    Ok(())
}

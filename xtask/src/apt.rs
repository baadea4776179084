//! Debian packages through a private apt state under `target/`: downloaded and unpacked, never
//! installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::exec::{self, make_dir, target};

/// One suite of one architecture.
#[derive(Debug)]
pub struct Apt {
    dir: PathBuf,
    arch: &'static str,
}

/// Mirrors as the machine's own apt configuration names them.
#[derive(Debug)]
struct Mirrors {
    main: String,
    security: Option<String>,
}

impl Mirrors {
    fn find() -> Result<Self> {
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
            files.extend(entries.flatten().map(|e| e.path()));
        }
        let (mut main, mut security) = (None, None);
        for file in files {
            let Ok(text) = std::fs::read_to_string(&file) else {
                continue;
            };
            let entries = if file.extension().is_some_and(|e| e == "sources") {
                stanzas(&text)
            } else {
                lines(&text)
            };
            for (uri, suites) in entries {
                if !uri.trim_end_matches('/').contains("/debian") {
                    continue;
                }
                let slot = if suites.contains("-security") {
                    &mut security
                } else {
                    &mut main
                };
                slot.get_or_insert(uri);
            }
        }
        Ok(Self {
            main: main.context("no Debian mirror in /etc/apt (needed: a Debian machine, or put the tool on PATH yourself)")?,
            security,
        })
    }
}

fn stanzas(text: &str) -> Vec<(String, String)> {
    text.split("\n\n")
        .filter_map(|stanza| {
            let value = |key: &str| {
                stanza
                    .lines()
                    .find_map(|l| l.strip_prefix(key))
                    .map(|v| v.trim().to_owned())
            };
            Some((value("URIs:")?, value("Suites:")?))
        })
        .collect()
}

fn lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|l| l.trim().strip_prefix("deb "))
        .filter_map(|l| {
            let l = match l.trim().strip_prefix('[') {
                Some(rest) => rest.split_once(']')?.1,
                None => l,
            };
            let mut words = l.split_ascii_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

impl Apt {
    /// Prepares the state and reads the indexes (once a day).
    pub fn open(suite: &str, arch: &'static str) -> Result<Self> {
        ensure!(
            exec::have("apt-get"),
            "apt-get is not here: on another distribution, put the tools on PATH yourself"
        );
        let mirrors = Mirrors::find()?;
        let apt = Self {
            dir: target().join(format!("apt/{suite}-{arch}")),
            arch,
        };
        for sub in ["lists/partial", "cache/archives/partial", "debs"] {
            make_dir(&apt.dir.join(sub))?;
        }
        let (base, extra) = match suite.strip_suffix("-backports") {
            Some(base) => (base, vec![(mirrors.main.as_str(), suite.to_owned())]),
            None => (suite, Vec::new()),
        };
        let mut sources = vec![(mirrors.main.as_str(), base.to_owned())];
        if let Some(security) = mirrors.security.as_deref().filter(|_| base != "sid") {
            sources.push((security, format!("{base}-security")));
        }
        sources.extend(extra);
        let list: String = sources
            .iter()
            .map(|(uri, suite)| {
                format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {uri} {suite} main\n")
            })
            .collect();
        std::fs::write(apt.dir.join("sources.list"), list)?;
        std::fs::write(apt.dir.join("status"), "")?;
        let stamp = apt.dir.join("updated");
        let fresh = std::fs::metadata(&stamp)
            .and_then(|m| m.modified())
            .is_ok_and(|t| t.elapsed().is_ok_and(|e| e.as_secs() < 86_400));
        if !fresh {
            exec::output(apt.command("apt-get").arg("update"))?;
            std::fs::write(stamp, "")?;
        }
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = exec::command(program);
        command.current_dir(self.dir.join("debs"));
        let at = |sub: &str| self.dir.join(sub).display().to_string();
        for option in [
            format!("APT::Architecture={}", self.arch),
            format!("APT::Architectures={}", self.arch),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Dir::Etc::preferencesparts=/dev/null".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }

    /// Names of all packages that match a pattern of apt-cache.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = exec::output(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Downloads packages (`name` or `name=version`) and unpacks them into `into`, once.
    pub fn unpack(&self, packages: &[&str], into: &Path) -> Result<()> {
        let mut stamp = into.as_os_str().to_owned();
        stamp.push(".unpacked");
        let stamp = PathBuf::from(stamp);
        let wanted = packages.join(" ");
        if std::fs::read_to_string(&stamp).is_ok_and(|t| t == wanted) {
            return Ok(());
        }
        make_dir(into)?;
        for package in packages {
            let before = self.debs()?;
            let name = package.split('=').next().unwrap_or(package);
            exec::output(self.command("apt-get").args(["download", package]))
                .with_context(|| format!("downloading {package} ({})", self.arch))?;
            let after = self.debs()?;
            let deb = after
                .iter()
                .find(|d| !before.contains(d))
                .or_else(|| {
                    after
                        .iter()
                        .find(|d| file_name(d).starts_with(&format!("{name}_")))
                })
                .with_context(|| format!("apt downloaded no {package}"))?;
            exec::run(exec::command("dpkg-deb").arg("-x").arg(deb).arg(into))?;
        }
        std::fs::write(stamp, wanted)?;
        Ok(())
    }

    fn debs(&self) -> Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = std::fs::read_dir(self.dir.join("debs"))?
            .flatten()
            .map(|e| e.path())
            .collect();
        found.sort();
        Ok(found)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The stock docker of bookworm: 20.10.24 built with Go 1.19.
pub fn docker() -> Result<()> {
    let into = target().join("assets/docker-bookworm");
    let apt = Apt::open("bookworm", "amd64")?;
    apt.unpack(
        &[
            "docker.io",
            "containerd",
            "runc",
            "libdevmapper1.02.1",
            "busybox-static",
        ],
        &into,
    )
}

/// Architectures that Debian builds docker for and this project reads.
pub const ARCHES: [&str; 2] = ["amd64", "arm64"];

/// The stock dockerd of every suite and architecture; one that the mirror no longer carries is
/// named.
pub fn daemons() -> Result<()> {
    for suite in harness::SUITES {
        for arch in ARCHES {
            let into = target().join(format!("assets/dockerd-{suite}-{arch}"));
            match Apt::open(suite, arch).and_then(|apt| apt.unpack(&["docker.io"], &into)) {
                Ok(()) => println!(
                    "{suite} {arch}: {}",
                    into.join("usr/sbin/dockerd").display()
                ),
                Err(error) => println!("{suite} {arch}: not to be had: {error:#}"),
            }
        }
    }
    Ok(())
}

/// The Rust library sources of exactly the compiler in use.
pub fn rust_src() -> Result<PathBuf> {
    let version = rustc_version()?;
    let sysroot = exec::output(exec::command("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if own.join("core/Cargo.toml").exists() {
        return Ok(own);
    }
    let into = target().join("assets/rust-src");
    let library = into.join(format!("usr/src/rustc-{version}/library"));
    if !library.exists() {
        let apt = Apt::open("trixie-backports", "amd64")?;
        let text = exec::output(apt.command("apt-cache").args(["madison", "rust-src"]))?;
        let exact = text
            .lines()
            .filter_map(|l| l.split('|').nth(1))
            .map(str::trim)
            .find(|v| {
                v.starts_with(&format!("{version}+")) || v.starts_with(&format!("{version}-"))
            })
            .map(str::to_owned);
        let Some(exact) = exact else {
            bail!(
                "no rust-src of version {version} in Debian (found: {})",
                text.trim()
            );
        };
        apt.unpack(&[&format!("rust-src={exact}")], &into)?;
    }
    ensure!(library.exists(), "{} is missing", library.display());
    Ok(library)
}

/// Version of rustc, e.g. `1.95.0`.
pub fn rustc_version() -> Result<String> {
    let text = exec::output(exec::command("rustc").arg("--version"))?;
    text.split_ascii_whitespace()
        .nth(1)
        .map(str::to_owned)
        .context("rustc --version")
}

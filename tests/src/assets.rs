//! Where things that the tests need lie; `cargo xtask test` puts them there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Root of the workspace: of the one that cargo runs us for, which need not be the one that this
/// was compiled in.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Folder of everything generated.
#[must_use]
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), PathBuf::from)
}

/// A stock docker: dockerd, containerd, runc, CLI, unpacked from the distribution's packages.
#[derive(Clone, Debug)]
pub struct Assets {
    /// Root of the unpacked packages.
    pub docker: PathBuf,
    /// Static busybox.
    pub busybox: PathBuf,
}

impl Assets {
    /// Looks for the unpacked packages.
    ///
    /// # Errors
    /// They are not there, or this process is not root.
    pub fn find() -> Result<Self> {
        if !crate::is_root() {
            bail!("root");
        }
        let docker = target_dir().join("assets/docker-bookworm");
        let found = Self {
            busybox: docker.join("bin/busybox"),
            docker,
        };
        for file in [found.dockerd(), found.busybox.clone()] {
            if !file.exists() {
                bail!("{} (run `cargo xtask test`)", file.display());
            }
        }
        Ok(found)
    }

    #[must_use]
    pub fn dockerd(&self) -> PathBuf {
        self.docker.join("usr/sbin/dockerd")
    }

    #[must_use]
    pub fn docker_cli(&self) -> PathBuf {
        self.docker.join("usr/bin/docker")
    }

    /// PATH that finds containerd and runc before the machine's own.
    ///
    /// # Errors
    /// PATH is not valid.
    pub fn path_variable(&self) -> Result<std::ffi::OsString> {
        let own = [self.docker.join("usr/bin"), self.docker.join("usr/sbin")];
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(own.into_iter().chain(std::env::split_paths(&inherited)))
            .context("joining PATH")
    }

    /// Libraries that the packages bring along.
    #[must_use]
    pub fn library_path(&self) -> PathBuf {
        self.docker.join("usr/lib/x86_64-linux-gnu")
    }
}

/// A Go fixture that `cargo xtask test` built.
///
/// # Errors
/// It is not there.
pub fn fixture(name: &str) -> Result<PathBuf> {
    let path = target_dir().join("fixtures").join(name);
    if !path.exists() {
        bail!("{} (run `cargo xtask fixtures`)", path.display());
    }
    Ok(path)
}

/// Suites of Debian whose `docker.io` is a generation of its own, oldest first: 20.10.5, 20.10.24,
/// 26.1 and 28.5.
pub const SUITES: [&str; 4] = ["bullseye", "bookworm", "trixie", "sid"];

/// The stock dockerd of a Debian suite. `None`, named as a skip: the mirror no longer carries it.
/// The one that everything is built on is not optional.
#[must_use]
pub fn stock_dockerd(suite: &str, arch: &str) -> Option<PathBuf> {
    let path = target_dir().join(format!("assets/dockerd-{suite}-{arch}/usr/sbin/dockerd"));
    if path.exists() {
        return Some(path);
    }
    assert!(
        !crate::is_strict() || suite != "bookworm",
        "{} is missing",
        path.display()
    );
    eprintln!("SKIPPED {suite} {arch}: not on this mirror (cargo xtask daemons)");
    None
}

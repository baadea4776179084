//! The tool as one static program: for images and for other kernels' guests.

use std::path::PathBuf;

use anyhow::Result;

use crate::apt;
use crate::exec::{self, cargo, target};
use crate::setup::{self, Purpose};

/// How it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build, small, not quite as quick to run.
    Guest,
    Release,
}

/// Builds it for `amd64` or `arm64`, against the GNU C library, linked statically.
pub fn build_static(arch: &str, profile: Profile) -> Result<PathBuf> {
    let triple = if arch == "amd64" {
        "x86_64-unknown-linux-gnu"
    } else {
        "aarch64-unknown-linux-gnu"
    };
    let profile = match profile {
        Profile::Guest => "guest",
        Profile::Release => "image",
    };
    let dir = target().join("guest");
    let mut build = cargo();
    build
        .args(["build", "--quiet", "--locked", "-p", "mobytrace"])
        .args(["--bin", "mobytrace", "--profile", profile])
        .args(["--target", triple])
        .env("CARGO_TARGET_DIR", &dir)
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    if arch == "arm64" {
        setup::check(&[Purpose::Building, Purpose::Arm64])?;
        build
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", apt::rust_src()?)
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
                "aarch64-linux-gnu-gcc",
            );
    }
    exec::run(&mut build)?;
    Ok(dir.join(triple).join(profile).join("mobytrace"))
}

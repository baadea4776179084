//! `cargo xtask setup`: what the other commands need of this machine. It is the only one that
//! installs anything; the others unpack what they lack under `target/`.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::ebpf;
use crate::exec::{self, have};

/// A thing that must be there, and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
struct Need {
    what: What,
    package: &'static str,
    /// What cannot be done without.
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Program(&'static str),
    File(&'static str),
}

/// What something is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Looking over the tree.
    Tidy,
    /// Building, and unpacking packages of the distribution.
    Building,
    /// Tests with daemons and namespaces.
    Daemons,
    /// Programs for arm64.
    Arm64,
    /// Guests with other kernels.
    OtherKernels,
}

const NEEDS: [Need; 12] = [
    Need::program("git", "git", Purpose::Tidy),
    Need::program("gcc", "gcc", Purpose::Building),
    Need::file(
        "/usr/lib/x86_64-linux-gnu/libc.a",
        "libc6-dev",
        Purpose::Building,
    ),
    Need::program("dpkg-deb", "dpkg", Purpose::Building),
    Need::program("tar", "tar", Purpose::Building),
    Need::file(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
        Purpose::Building,
    ),
    Need::program("unshare", "util-linux", Purpose::Daemons),
    // dockerd asks it for `docker top`
    Need::program("ps", "procps", Purpose::Daemons),
    Need::program(
        "qemu-system-x86_64",
        "qemu-system-x86",
        Purpose::OtherKernels,
    ),
    Need::program(
        "qemu-system-aarch64",
        "qemu-system-arm",
        Purpose::OtherKernels,
    ),
    Need::program(
        "aarch64-linux-gnu-gcc",
        "gcc-aarch64-linux-gnu",
        Purpose::Arm64,
    ),
    Need::file(
        "/usr/aarch64-linux-gnu/lib/libc.a",
        "libc6-dev-arm64-cross",
        Purpose::Arm64,
    ),
];

/// Components of the Rust toolchain, which rustup leaves out of its minimal profile: as cargo calls
/// them, as rustup does.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

impl Need {
    const fn program(name: &'static str, package: &'static str, purpose: Purpose) -> Self {
        Self {
            what: What::Program(name),
            package,
            purpose,
        }
    }

    const fn file(path: &'static str, package: &'static str, purpose: Purpose) -> Self {
        Self {
            what: What::File(path),
            package,
            purpose,
        }
    }

    fn is_there(&self) -> bool {
        match self.what {
            What::Program(name) => have(name),
            What::File(path) => Path::new(path).exists(),
        }
    }

    const fn name(&self) -> &'static str {
        match self.what {
            What::Program(name) => name,
            What::File(path) => path,
        }
    }
}

/// What is not there of what these purposes need.
fn missing(purposes: &[Purpose]) -> Vec<Need> {
    let wanted = NEEDS.into_iter().filter(|n| purposes.contains(&n.purpose));
    wanted.filter(|n| !n.is_there()).collect()
}

fn missing_components() -> Vec<&'static str> {
    let there = |name: &str| exec::output(exec::cargo().args([name, "--version"])).is_ok();
    let all = COMPONENTS.iter();
    let gone = all.filter(|(name, _)| !there(name));
    gone.map(|(_, component)| *component).collect()
}

/// Says in one line what these purposes lack.
///
/// # Errors
/// Something is missing.
pub fn check(purposes: &[Purpose]) -> Result<()> {
    let mut gone: Vec<String> = missing(purposes)
        .iter()
        .map(|need| format!("{} (package {})", need.name(), need.package))
        .collect();
    if purposes.contains(&Purpose::Tidy) {
        let components = missing_components();
        gone.extend(components.iter().map(|c| format!("{c} (rustup component)")));
    }
    ensure!(
        gone.is_empty(),
        "missing on this machine: {}\nhint: `cargo xtask setup` installs it; `cargo xtask setup --list` says how",
        gone.join(", ")
    );
    Ok(())
}

/// What all commands together need.
pub const ALL: [Purpose; 5] = [
    Purpose::Tidy,
    Purpose::Building,
    Purpose::Daemons,
    Purpose::Arm64,
    Purpose::OtherKernels,
];

/// Installs what is missing, or only names it.
///
/// # Errors
/// Something cannot be installed; or, with `list`, something is missing.
pub fn run(list: bool) -> Result<()> {
    let packages: Vec<&str> = missing(&ALL).iter().map(|need| need.package).collect();
    let components = missing_components();
    if list {
        return self::list(&packages, &components);
    }
    if !packages.is_empty() {
        install(&packages)?;
    }
    if !components.is_empty() {
        ensure!(
            have("rustup"),
            "cargo lacks {}, and there is no rustup to add it\nhint: install it as you installed Rust",
            components.join(" and ")
        );
        println!("rustup component add {}", components.join(" "));
        let mut add = exec::command("rustup");
        exec::run(add.args(["component", "add"]).args(&components))?;
    }
    ebpf::linker()?;
    check(&ALL)?;
    println!("everything is there: `cargo xtask demo`, `cargo xtask test`");
    Ok(())
}

fn list(packages: &[&str], components: &[&str]) -> Result<()> {
    if !packages.is_empty() {
        println!(
            "apt-get install --no-install-recommends {}",
            packages.join(" ")
        );
    }
    if !components.is_empty() {
        println!("rustup component add {}", components.join(" "));
    }
    if !ebpf::has_linker() {
        println!("bpf-linker, built into target/tools");
    }
    ensure!(
        packages.is_empty() && components.is_empty() && ebpf::has_linker(),
        "this machine lacks what is listed above\nhint: `cargo xtask setup` installs it"
    );
    println!("everything is there");
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    if !harness::is_root() {
        bail!("packages are missing, and only root installs them\nhint: {by_hand}");
    }
    ensure!(
        have("apt-get"),
        "apt-get is not here\nhint: install what these packages of Debian have: {}",
        packages.join(" ")
    );
    println!("{by_hand}");
    let mut update = exec::command("apt-get");
    exec::output(update.args(["-qq", "-o", "Acquire::Retries=3", "update"]))?;
    let mut install = exec::command("apt-get");
    install
        .args(["-qq", "-y", "-o", "Acquire::Retries=3", "install"])
        .arg("--no-install-recommends")
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    exec::output(&mut install).map(|_| ())
}

//! Kernel images from Debian's packages.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::guests::Guest;
use crate::apt::Apt;
use crate::exec::target;

/// From 6.19 on the image is in a package of its own, and `linux-image-*` is empty.
const PREFIXES: [&str; 2] = ["linux-binary-", "linux-image-"];

/// The newest kernel image of a release that the mirror really has, and what it is called.
pub fn newest(guest: &Guest) -> Result<(PathBuf, String)> {
    let apt = Apt::open(guest.suite, guest.arch)?;
    let suffix = format!("cloud-{}", guest.arch);
    let mut names = Vec::new();
    for prefix in PREFIXES {
        let found = apt.names(&format!("{prefix}{}", guest.kernel))?;
        names.extend(found.into_iter().filter(|n| n.ends_with(&suffix)));
        if !names.is_empty() {
            break;
        }
    }
    let numbers = |name: &str| -> Vec<u64> {
        name.split(|c: char| !c.is_ascii_digit())
            .filter_map(|n| n.parse().ok())
            .collect()
    };
    names.sort_by_key(|n| std::cmp::Reverse(numbers(n)));
    let mut last = None;
    for name in &names {
        let into = target().join(format!("assets/kernel-{}-{name}", guest.arch));
        match apt.unpack(&[name], &into) {
            Ok(()) => {
                let image = image(&into).with_context(|| format!("{name} has no kernel image"))?;
                let release = PREFIXES.iter().find_map(|p| name.strip_prefix(p));
                return Ok((image, release.unwrap_or(name).to_owned()));
            }
            Err(error) => last = Some(error),
        }
    }
    let wanted = format!("{}*-{suffix}", guest.kernel);
    match last {
        Some(error) => Err(error.context(format!("no kernel {wanted} can be downloaded"))),
        None => bail!("no kernel {wanted} in Debian {}", guest.suite),
    }
}

/// `boot/vmlinuz-*`, in newer packages `usr/lib/modules/*/vmlinuz`.
fn image(package: &std::path::Path) -> Option<PathBuf> {
    let listed = |dir: PathBuf| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|e| e.path()).collect()
    };
    let modules = listed(package.join("usr/lib/modules"));
    listed(package.join("boot"))
        .into_iter()
        .chain(modules.into_iter().flat_map(listed))
        .find(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz"))
        })
}

//! Unix sockets of a process, from `/proc/net/unix` and the names of its descriptors.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Process;

/// The flag of a listening socket in `/proc/net/unix` (`__SO_ACCEPTCON`).
const ACCEPTS: &str = "00010000";

/// Path of a socket on which the process listens for its HTTP API, as seen from our own root
/// (through `/proc/PID/root` where the mount namespace differs).
#[must_use]
pub fn listening_socket(process: &Process) -> Option<PathBuf> {
    let inodes = socket_inodes(process.pid);
    let mut paths: Vec<PathBuf> = listeners(process.pid)
        .into_iter()
        .filter(|(inode, _)| inodes.contains(inode))
        .map(|(_, path)| path)
        .collect();
    // dockerd has others (metrics plugin, libnetwork); the API's own is the one it was given, usually *docker*.sock
    let given: Vec<String> = process.command_line().unwrap_or_default();
    paths.sort_by_key(|path| {
        let text = path.display().to_string();
        let named = given.iter().any(|argument| argument.contains(&text));
        let usual = text.ends_with("/docker.sock");
        (!named, !usual, text)
    });
    let path = paths.into_iter().next()?;
    let below_root =
        PathBuf::from(format!("/proc/{}/root", process.pid)).join(path.strip_prefix("/").ok()?);
    if path.exists() {
        Some(path)
    } else {
        Some(below_root)
    }
}

/// Processes that hold a listening socket bound to `path`.
pub(super) fn listener_pids(path: &Path) -> BTreeSet<u32> {
    let wanted: BTreeSet<u64> = listeners(std::process::id())
        .into_iter()
        .filter(|(_, p)| p == path)
        .map(|(inode, _)| inode)
        .collect();
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| !socket_inodes(*pid).is_disjoint(&wanted))
        .collect()
}

fn listeners(pid: u32) -> Vec<(u64, PathBuf)> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let (flags, inode, path) = (words.get(3)?, words.get(6)?, words.get(7)?);
            (*flags == ACCEPTS && path.starts_with('/'))
                .then(|| Some((inode.parse().ok()?, PathBuf::from(path))))?
        })
        .collect()
}

fn socket_inodes(pid: u32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            link.to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect()
}

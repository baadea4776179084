//! Unix sockets of a process, from `/proc/PID/net/unix` and the names of its descriptors.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Process;
use crate::moby::programs::SOCKET;

/// The flag of a listening socket in `/proc/net/unix` (`__SO_ACCEPTCON`).
const ACCEPTS: &str = "00010000";

/// Path of a socket on which the process listens for its HTTP API, as seen from our own root
/// (through `/proc/PID/root` where another file, or none, has that path here).
#[must_use]
pub fn listening_socket(process: &Process) -> Option<PathBuf> {
    let path = api_path(process)?;
    let below_root = below_root(process.pid, &path)?;
    match (identity(&path), identity(&below_root)) {
        (Some(here), Some(there)) if here == there => Some(path),
        _ => Some(below_root),
    }
}

/// Path of its API's socket as the process bound it.
#[must_use]
pub fn api_path(process: &Process) -> Option<PathBuf> {
    let mut paths = own_listeners(process.pid);
    // dockerd has others (metrics plugin, libnetwork); the API's own is the one it was given,
    // usually *docker*.sock
    let given: Vec<String> = process.command_line().unwrap_or_default();
    paths.sort_by_key(|path| {
        let text = path.display().to_string();
        let named = given.iter().any(|argument| argument.contains(&text));
        let usual = text.ends_with(SOCKET);
        (!named, !usual, text)
    });
    paths.into_iter().next()
}

/// Whether a process listens on the socket with that device and inode, by whatever path it knows
/// it.
pub(super) fn listens_on(pid: u32, file: (u64, u64)) -> bool {
    own_listeners(pid)
        .iter()
        .filter_map(|path| below_root(pid, path))
        .any(|path| identity(&path) == Some(file))
}

pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// A path of a process as it is reached from here. Links on the way are followed by the kernel
/// within our own root, so that an absolute one (`/var/run` → `/run`) is resolved by hand.
fn below_root(pid: u32, path: &Path) -> Option<PathBuf> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let mut real = PathBuf::new();
    for part in path.strip_prefix("/").ok()?.components() {
        real.push(part);
        match fs::read_link(root.join(&real)) {
            Ok(link) if link.is_absolute() => {
                real = link.strip_prefix("/").ok()?.to_owned();
            }
            _ => {}
        }
    }
    Some(root.join(real))
}

/// Paths of the listening sockets that a process holds, as it was bound.
fn own_listeners(pid: u32) -> Vec<PathBuf> {
    let inodes = socket_inodes(pid);
    if inodes.is_empty() {
        return Vec::new();
    }
    listeners(pid)
        .into_iter()
        .filter(|(inode, _)| inodes.contains(inode))
        .map(|(_, path)| path)
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

/// State of a socket that listens in `/proc/net/tcp` (`TCP_LISTEN`).
const TCP_LISTEN: &str = "0A";

/// Whether a process holds a socket that listens: a unix socket, whatever its name, or TCP. `None`:
/// its descriptors cannot be seen.
pub(super) fn holds_listener(pid: u32) -> Option<bool> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok()?.next()?.ok()?;
    let own = socket_inodes(pid);
    let table = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}"));
    let unix = table("unix").ok()?;
    // without IPv6 there is no such table
    let tcp = table("tcp").ok()? + &table("tcp6").unwrap_or_default();
    // at (flag or state, inode) of a row
    let listens = |text: &str, at: (usize, usize), sign: &str| {
        text.lines().skip(1).any(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let inode = words.get(at.1).and_then(|word| word.parse().ok());
            words.get(at.0) == Some(&sign) && inode.is_some_and(|inode: u64| own.contains(&inode))
        })
    };
    Some(listens(&unix, (3, 6), ACCEPTS) || listens(&tcp, (3, 9), TCP_LISTEN))
}

/// Inodes of the sockets that a process holds.
pub(super) fn socket_inodes(pid: u32) -> BTreeSet<u64> {
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

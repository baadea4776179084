//! Connections to a daemon's API that are open already: what runs on them began before any probe.

use std::fs;
use std::path::Path;

use super::Process;
use super::socket::socket_inodes;

/// State of a connected socket in `/proc/net/unix` (`SS_CONNECTED`).
const CONNECTED: &str = "03";

/// Connections that the process has accepted on the unix socket bound as `path`. `None`: `/proc`
/// does not tell.
#[must_use]
pub fn open_connections(process: &Process, path: &Path) -> Option<usize> {
    let table = fs::read_to_string(format!("/proc/{}/net/unix", process.pid)).ok()?;
    let own = socket_inodes(process.pid);
    if own.is_empty() {
        return None;
    }
    let path = path.to_str()?;
    Some(
        connected(&table, path)
            .filter(|inode| own.contains(inode))
            .count(),
    )
}

/// Inodes of the connected sockets with that path: an accepted socket has the listener's.
fn connected<'t>(table: &'t str, path: &'t str) -> impl Iterator<Item = u64> + 't {
    table.lines().skip(1).filter_map(move |line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (state, inode, bound) = (words.get(5)?, words.get(6)?, words.get(7)?);
        (*state == CONNECTED && *bound == path).then(|| inode.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn accepted_connections_are_counted_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("mobytrace-open-{}", std::process::id()));
        let own = Process::open(std::process::id()).expect("own process");
        let listener = UnixListener::bind(&path).expect("listener");
        assert_eq!(open_connections(&own, &path), Some(0), "a listener is none");
        let _clients: Vec<UnixStream> = (0..3)
            .map(|_| UnixStream::connect(&path).expect("connected"))
            .collect();
        let mut accepted: Vec<UnixStream> = (0..2)
            .map(|_| listener.accept().expect("accepted").0)
            .collect();
        assert_eq!(open_connections(&own, &path), Some(2));
        accepted.pop();
        assert_eq!(open_connections(&own, &path), Some(1));
        std::fs::remove_file(&path).expect("removed");
    }
}

//! A process, identified by pid and start time.

use std::fs;
use std::io;

use super::Error;

/// A running process; `start` guards against reuse of its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// Start time in clock ticks after boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

impl Process {
    /// Looks the process up.
    ///
    /// # Errors
    /// `NoProcess` if it is not there.
    pub fn open(pid: u32) -> Result<Self, Error> {
        let start = start_time(pid).ok_or(Error::NoProcess { pid })?;
        Ok(Self { pid, start })
    }

    /// Whether it still runs under the same identity.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    /// Fails if the number now belongs to another process.
    ///
    /// # Errors
    /// `NoProcess` or `Replaced`.
    pub fn check(&self) -> Result<(), Error> {
        match start_time(self.pid) {
            None => Err(Error::NoProcess { pid: self.pid }),
            Some(start) if start != self.start => Err(Error::Replaced { pid: self.pid }),
            Some(_) => Ok(()),
        }
    }

    /// Command line, arguments as given.
    ///
    /// # Errors
    /// `Proc` if it cannot be read.
    pub fn command_line(&self) -> Result<Vec<String>, Error> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid))
            .map_err(|source| self.proc("cmdline", source))?;
        Ok(bytes
            .split(|b| *b == 0)
            .filter(|a| !a.is_empty())
            .map(|a| String::from_utf8_lossy(a).into_owned())
            .collect())
    }

    /// Every file mapping: start address, file offset, executable's own path as the kernel shows
    /// it.
    ///
    /// # Errors
    /// `Proc` if it cannot be read.
    pub fn mappings(&self) -> Result<Vec<Mapping>, Error> {
        let text = fs::read_to_string(format!("/proc/{}/maps", self.pid))
            .map_err(|source| self.proc("maps", source))?;
        Ok(text.lines().filter_map(Mapping::parse).collect())
    }

    fn proc(&self, what: &'static str, source: io::Error) -> Error {
        Error::Proc {
            pid: self.pid,
            what,
            source,
        }
    }
}

/// One line of `/proc/PID/maps` that maps a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    pub offset: u64,
    pub inode: u64,
    pub path: String,
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let range = words.next()?;
        let _perms = words.next()?;
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        let _dev = words.next()?;
        let inode: u64 = words.next()?.parse().ok()?;
        let path = line.find('/').and_then(|at| line.get(at..))?.to_owned();
        let start = u64::from_str_radix(range.split('-').next()?, 16).ok()?;
        Some(Self {
            start,
            offset,
            inode,
            path,
        })
    }
}

fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the command name is in parentheses and may hold anything, so fields are counted after the
    // last one
    let after = stat.get(stat.rfind(')')? + 1..)?;
    let mut fields = after.split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_found_and_a_free_number_is_not() {
        let own = Process::open(std::process::id()).expect("own process");
        assert!(own.is_alive());
        assert!(matches!(
            Process::open(u32::MAX >> 2),
            Err(Error::NoProcess { .. })
        ));
    }

    #[test]
    fn a_line_of_maps_with_spaces_in_the_path() {
        let line =
            "55d0c0000000-55d0c0001000 r-xp 00002000 fe:00 123    /opt/a b/dockerd (deleted)";
        assert_eq!(
            Mapping::parse(line),
            Some(Mapping {
                start: 0x55d0_c000_0000,
                offset: 0x2000,
                inode: 123,
                path: "/opt/a b/dockerd (deleted)".into()
            })
        );
        assert_eq!(
            Mapping::parse("7ffc0000-7ffc1000 rw-p 00000000 00:00 0 [stack]"),
            None
        );
    }
}

//! Which program a process runs: `exec` gives it another one, and it keeps its number and start
//! time.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::Process;

/// A program as it was loaded. Running the same file again makes another one: its stack lies
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Device and inode of the executable.
    file: (u64, u64),
    /// Where its code and its stack begin (`/proc/PID/stat`, fields 26 and 28); 0 for those without
    /// rights.
    code: u64,
    stack: u64,
}

impl Program {
    /// What runs now; `None`: that cannot be seen, or the process is ending.
    #[must_use]
    pub fn of(process: &Process) -> Option<Self> {
        let file = fs::metadata(format!("/proc/{}/exe", process.pid)).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).ok()?;
        // the command name is in parentheses and may hold anything; field 3 follows
        let after = stat.get(stat.rfind(')')? + 1..)?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        Some(Self {
            file: (file.dev(), file.ino()),
            code: number(26)?,
            stack: number(28)?,
        })
    }

    /// Whether the process certainly runs another program by now.
    #[must_use]
    pub fn was_replaced(&self, process: &Process) -> bool {
        Self::of(process).is_some_and(|now| now != *self)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn exec_is_seen_although_pid_and_start_time_stay() {
        // the shell waits for a word before it becomes another program
        let mut child = Command::new("sh")
            .args(["-c", "read word; exec sleep 60"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("sh");
        let process = Process::open(child.id()).expect("process");
        let shell = fs::canonicalize("/bin/sh").expect("sh");
        let exe = format!("/proc/{}/exe", child.id());
        let deadline = Instant::now() + Duration::from_secs(60);
        while fs::read_link(&exe).ok() != Some(shell.clone()) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let before = Program::of(&process).expect("program");
        assert!(!before.was_replaced(&process));
        drop(child.stdin.take());
        while !before.was_replaced(&process) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(before.was_replaced(&process));
        assert!(process.is_alive(), "the same process");
        let _ = child.kill();
        let _ = child.wait();
    }
}

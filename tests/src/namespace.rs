//! Tests that run in a pid namespace of their own.

use std::process::{Command, Stdio};

/// Set for a run of a test program inside of a pid namespace.
const INSIDE: &str = "MOBYTRACE_TEST_INSIDE";

/// Whether this is such a run.
///
/// # Panics
/// It should be, and is not.
#[must_use]
pub fn is_inside() -> bool {
    let inside = std::env::var_os(INSIDE).is_some();
    if inside {
        assert_eq!(std::process::id(), 1, "a namespace of its own");
    }
    inside
}

/// Runs one test of the running test program in a new pid namespace with its own `/proc`.
///
/// # Panics
/// It fails.
pub fn run_inside(test: &str) {
    let status = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().expect("self"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .status()
        .expect("unshare");
    assert!(status.success(), "{status}");
}

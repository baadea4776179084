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

/// Name by which the running test program knows a test, for `--exact`; `module` is the test's
/// `module_path!()`.
#[must_use]
pub fn test_name(module: &str, test: &str) -> String {
    match module.split_once("::") {
        Some((_program, module)) => format!("{module}::{test}"),
        None => test.to_owned(),
    }
}

/// Runs one test of the running test program in a new pid namespace with its own `/proc`; `module`
/// is the test's `module_path!()`.
///
/// # Panics
/// It fails, or there is no such test.
pub fn run_inside(module: &str, test: &str) {
    let test = test_name(module, test);
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().expect("self"))
        .args(["--exact", &test, "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{}", output.status);
    // a name that no test has would pass as well
    assert!(said.contains("1 passed"), "no test {test}");
}

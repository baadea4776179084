//! Tracer and traced program in a pid namespace of their own, and the program in a further one inside of that: every call is seen,
//! and pids are those that the tracer's surroundings show.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::{Tool, json_lines};
use rustix::process::Signal;

/// Runs one test of this file in a new pid namespace with its own `/proc`.
fn inside(test: &str) {
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED pid_namespaces: needs root");
        return;
    }
    harness::run_inside(test);
}

/// The only child of a process.
fn child_of(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children
        .expect("children")
        .trim()
        .parse()
        .expect("one child")
}

/// Traces the fixture, whose process is `pid` here, and compares with its own count.
fn all_calls_are_seen(
    program: &mut Child,
    pid: u32,
    input: &mut impl Write,
    output: &mut impl BufRead,
) {
    let tool = Tool::find().expect("tool");
    let shown = pid.to_string();
    let function = "main.(*Server).List";
    let args = [
        "trace", "--pid", &shown, "-f", function, "--format", "jsonl",
    ];
    let mut running = tool.start(&args).expect("started");
    running.wait_for(&format!(" pid {pid} ")).expect("attached");
    writeln!(input).expect("told");
    let mut line = String::new();
    output.read_line(&mut line).expect("line");
    let counted: usize = line
        .strip_prefix("calls ")
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("it said {line:?}"));
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let calls = events.iter().filter(|e| e["type"] == "call").count();
    assert_eq!(
        (calls, counted),
        (counted, 2 * 3 * 4 + 1),
        "{}",
        finished.stderr
    );
    let _ = program.kill();
    let _ = program.wait();
}

fn fixture() -> Option<std::path::PathBuf> {
    match harness::fixture("deep") {
        Ok(path) => Some(path),
        Err(why) => {
            assert!(!harness::is_strict(), "this test needs {why}");
            eprintln!("SKIPPED pid_namespaces: needs {why}");
            None
        }
    }
}

/// Starts the fixture: two goroutines, three calls each, three levels deep.
fn start(command: &mut Command) -> (Child, impl Write + use<>, impl BufRead + use<>) {
    let mut child = command
        .args(["2", "3", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("fixture");
    let input = child.stdin.take().expect("stdin");
    let mut output = BufReader::new(child.stdout.take().expect("stdout"));
    let mut line = String::new();
    output.read_line(&mut line).expect("line");
    assert!(line.starts_with("ready"), "{line:?}");
    (child, input, output)
}

#[test]
fn of_tracer_and_program() {
    if !harness::is_inside() {
        return inside("of_tracer_and_program");
    }
    let Some(path) = fixture() else { return };
    let (mut child, mut input, mut output) = start(&mut Command::new(&path));
    let pid = child.id();
    all_calls_are_seen(&mut child, pid, &mut input, &mut output);
}

#[test]
fn with_the_numbers_of_others_is_refused() {
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED pid_namespaces: needs root");
        return;
    }
    let Some(path) = fixture() else { return };
    let (mut child, _input, _output) = start(&mut Command::new(&path));
    let tool = Tool::find().expect("tool");
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child"])
        .arg(tool.path())
        .args([
            "trace",
            "-f",
            "main.(*Server).List",
            "--duration",
            "1s",
            "--pid",
        ])
        .arg(child.id().to_string())
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("/proc is that of another pid namespace") && said.contains("hint:"),
        "{said}"
    );
}

#[test]
fn of_the_program_inside_of_the_tracers() {
    if !harness::is_inside() {
        return inside("of_the_program_inside_of_the_tracers");
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        assert!(
            !harness::is_strict(),
            "this test needs a kernel with type information"
        );
        eprintln!("SKIPPED pid_namespaces: no BTF");
        return;
    }
    let Some(path) = fixture() else { return };
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child"]).arg(&path);
    let (mut child, mut input, mut output) = start(&mut unshare);
    let pid = child_of(child.id());
    all_calls_are_seen(&mut child, pid, &mut input, &mut output);
}

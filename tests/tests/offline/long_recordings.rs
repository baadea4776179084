//! Long recordings, and recordings from a pipe: memory does not grow with the recording, and what
//! is shown does not depend on how it is read.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use harness::{Tool, workspace_root};
use mobytrace::capture::{self, Event, Recording};

/// The kept recording again and again takes this many bytes, and this many more.
const SHORT: u64 = 6 << 20;
const LONG: u64 = 24 << 20;

fn kept() -> std::path::PathBuf {
    workspace_root().join("tests/captures/stock-20.10.24.mobytrace")
}

/// Writes the kept recording again and again, each time later, until the file has `bytes`. Gives
/// how many times.
fn repeated(path: &Path, bytes: u64) -> u64 {
    let recording = Recording::read(File::open(kept()).expect("opened")).expect("recording");
    let times = recording.parts().iter().map(|p| p.head.ktime);
    let (first, last) = (
        times.clone().min().expect("records"),
        times.max().expect("records"),
    );
    let span = last - first + 1_000_000;
    let output = capture::Output::open(path, false).expect("output");
    let mut writer = output.begin(recording.header()).expect("begun");
    let mut rounds = 0;
    while std::fs::metadata(path).expect("there").len() < bytes {
        for event in recording.events() {
            match event {
                Event::Part(mut part) => {
                    part.head.ktime += rounds * span;
                    writer.record(&part.to_stored()).expect("written");
                }
                Event::Sample(_) => {}
            }
        }
        writer.flush().expect("written");
        rounds += 1;
    }
    let trailer = recording.trailer().expect("trailer").clone();
    writer.finish(&trailer).expect("finished");
    rounds
}

/// Runs it; gives the most memory that it had, KiB, and what it wrote to stdout.
fn measured(args: &[&str], into: &Path) -> u64 {
    let tool = Tool::find().expect("tool");
    #[expect(clippy::zombie_processes, reason = "wait4 waits, and tells its memory")]
    let child = Command::new(tool.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(into).expect("file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let pid = i32::try_from(child.id()).expect("pid");
    let mut status = 0;
    // SAFETY: a plain struct of integers; all of it zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child is ours and was not waited for; both results have room.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert_eq!(waited, pid);
    let status = ExitStatus::from_raw(status);
    assert!(status.success(), "{args:?}: {status}");
    u64::try_from(usage.ru_maxrss).expect("KiB")
}

#[test]
fn memory_does_not_grow_with_the_recording() {
    let dir = tempfile::tempdir().expect("dir");
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    let rounds = [repeated(&short, SHORT), repeated(&long, LONG)];
    let (short, long) = (short.display().to_string(), long.display().to_string());
    let out = dir.path().join("out");
    let more = (LONG - SHORT) >> 10;
    for args in [
        &["show", "--format", "tree"][..],
        &["show", "--format", "jsonl"],
        &["show", "--format", "table"],
        &["show", "--what"],
        &["compare"],
    ] {
        let of = |file: &str| measured(&[args, &[file]].concat(), &out);
        let (small, large) = (of(&short), of(&long));
        assert!(
            large < small + more / 2,
            "{args:?}: {small} KiB for the short one, {large} KiB for the long one"
        );
        if args.contains(&"jsonl") {
            let text = std::fs::read_to_string(&out).expect("output");
            let requests = text.lines().filter(|l| l.contains(r#""type":"request""#));
            let once = Command::new(Tool::find().expect("tool").path())
                .args(["show", "--format", "jsonl"])
                .arg(kept())
                .output()
                .expect("shown");
            let once = String::from_utf8(once.stdout).expect("text");
            let per_round = once.lines().filter(|l| l.contains(r#""type":"request""#));
            assert_eq!(
                requests.count() as u64,
                rounds[1] * per_round.count() as u64
            );
        }
    }
}

/// Shows what comes over a pipe.
fn piped(args: &[&str]) -> Output {
    let tool = Tool::find().expect("tool");
    let mut child = Command::new(tool.path())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("stdin");
    let bytes = std::fs::read(kept()).expect("recording");
    let sent = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("ended");
    sent.join().expect("thread").expect("sent");
    output
}

#[test]
fn a_pipe_shows_what_the_file_shows() {
    let tool = Tool::find().expect("tool");
    for command in [
        &["show"][..],
        &["show", "--format", "markdown"],
        &["show", "--what"],
        &["compare", "--format", "markdown"],
    ] {
        let file = Command::new(tool.path())
            .args(command)
            .arg(kept())
            .output()
            .expect("shown");
        assert!(file.status.success(), "{file:?}");
        for pipe in ["-", "/dev/stdin"] {
            let piped = piped(&[command, &[pipe]].concat());
            assert!(piped.status.success(), "{piped:?}");
            assert_eq!(piped.stdout, file.stdout, "{command:?} {pipe}");
        }
    }
    let empty = tool.run(&["show", "-"]).expect("run").expect(2);
    assert!(
        empty
            .stderr
            .contains("standard input: not a mobytrace recording"),
        "{}",
        empty.stderr
    );
}

//! Recordings of any size and from anywhere: shown and compared in bounded memory, the same from
//! files, pipes and what gzip packed; what is made in one go is whole or not there.
//!
//! `cargo xtask recordings` makes a run with a million calls (`MOBYTRACE_RECORDED_CALLS`).

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use harness::{Finished, Tool, limit_memory, peak_kib, repeat, spawn, status_kib};
use harness::{target_dir, workspace_root};
use rustix::process::Signal;

/// Calls and requests in the kept recording.
const CALLS: u64 = 10;
const REQUESTS: u64 = 10;
/// Calls in the large one, unless the environment says otherwise.
const MANY: u64 = 100_000;
/// Most memory that any of it may take, pages of the program itself included, KiB; and that it may
/// have of its own, bytes.
const MOST: u64 = 100 * 1024;
const OWN: u64 = 80 << 20;

fn kept() -> PathBuf {
    workspace_root().join("tests/captures/stock-20.10.24.mobytrace")
}

/// How often each of these texts is there, read piece by piece.
fn count(mut from: impl Read, texts: &[&str]) -> Vec<u64> {
    let mut counts = vec![0; texts.len()];
    let mut held: Vec<u8> = Vec::new();
    let mut piece = vec![0u8; 1 << 20];
    loop {
        let got = from.read(&mut piece).expect("read");
        held.extend_from_slice(&piece[..got]);
        // whole lines
        let end = held
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        for (count, text) in counts.iter_mut().zip(texts) {
            *count += memchr::memmem::find_iter(&held[..end], text).count() as u64;
        }
        held.drain(..end);
        if got == 0 {
            return counts;
        }
    }
}

/// Runs it with bounded memory; `read` reads what it writes. Gives what was read, the exit status,
/// and the most memory that it had, KiB.
fn bounded<T: Send>(args: &[&str], read: impl FnOnce(ChildStdout) -> T) -> (T, Option<i32>, u64) {
    let mut command = Command::new(Tool::find().expect("tool").path());
    command.args(args).env("TZ", "UTC").env("NO_COLOR", "1");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    limit_memory(&mut command, OWN);
    let mut child = spawn(&mut command).expect("started");
    let (pid, stdout) = (child.id(), child.stdout.take().expect("stdout"));
    let (found, kib) = std::thread::scope(|scope| {
        let peak = scope.spawn(|| peak_kib(pid));
        (read(stdout), peak.join().expect("peak"))
    });
    let code = child.wait().expect("ended").code();
    assert!(kib < MOST, "{args:?} took {kib} KiB");
    (found, code, kib)
}

/// The same of a run that must succeed.
fn measured<T: Send>(args: &[&str], read: impl FnOnce(ChildStdout) -> T) -> (T, u64) {
    let (found, code, kib) = bounded(args, read);
    assert_eq!(code, Some(0), "{args:?}");
    (found, kib)
}

#[test]
fn many_calls_in_bounded_memory() {
    let calls = std::env::var("MOBYTRACE_RECORDED_CALLS")
        .map_or(MANY, |calls| calls.parse().expect("a number"));
    let rounds = calls / CALLS;
    let dir = tempfile::tempdir_in(target_dir()).expect("folder");
    let large = dir.path().join("large");
    repeat(&std::fs::read(kept()).expect("kept"), rounds, &large).expect("written");
    let size = std::fs::metadata(&large).expect("large").len();
    let (one, many) = (kept().display().to_string(), large.display().to_string());

    // what is there once in the kept recording is there once for each round
    let events = [
        r#""type":"call""#,
        r#""type":"request""#,
        r#""request":null"#,
    ];
    let rows = ["GET /v1.41/containers/json", "reduceContainers("];
    let forms: [(&str, &[&str]); 3] = [("jsonl", &events), ("tree", &rows), ("markdown", &rows)];
    let in_form = |form: &'static str, texts: &[&str]| {
        let shown = |file: &str| measured(&["show", file, "--format", form], |o| count(o, texts));
        let ((expected, _), (counts, kib)) = (shown(&one), shown(&many));
        assert!(expected[0] > 0 && expected[1] > 0, "{form}");
        let expected: Vec<u64> = expected.iter().map(|n| n * rounds).collect();
        assert_eq!(counts, expected, "{form}");
        (form, kib)
    };
    let all = REQUESTS * rounds;
    let once = |form: &'static str, args: &[&str], text: String| {
        let (counts, kib) = measured(args, |out| count(out, &[&text]));
        assert_eq!(counts, [1], "{form}");
        (form, kib)
    };
    let table = ["show", &many, "--format", "table"];
    let what = ["show", "--what", &many];
    let compared = || {
        let said = |file: &str| measured(&["compare", file], std::io::read_to_string);
        let ((short, _), (long, kib)) = (said(&one), said(&many));
        assert_eq!(short.expect("text"), long.expect("text"));
        ("compare", kib)
    };
    // side by side: each takes its time
    let said: Vec<(&str, u64)> = std::thread::scope(|scope| {
        let shown = forms.map(|(form, texts)| scope.spawn(|| in_form(form, texts)));
        let table = scope.spawn(|| once("table", &table, format!("{all} requests in")));
        let what = scope.spawn(|| once("what", &what, format!("requests    {all}, each")));
        let compared = scope.spawn(compared);
        let runs = shown.into_iter().chain([table, what, compared]);
        runs.map(|run| run.join().expect("run")).collect()
    });

    let said: Vec<String> = said
        .iter()
        .map(|(form, kib)| format!("{form} {kib}"))
        .collect();
    eprintln!("recordings: calls {calls} bytes {size} {}", said.join(" "));
}

/// A command that is given this on stdin.
fn piped(args: &[&str], input: &[u8]) -> Finished {
    let mut command = Command::new(Tool::find().expect("tool").path());
    command.args(args).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command).expect("started");
    let mut stdin = child.stdin.take().expect("stdin");
    let input = input.to_vec();
    // whoever does not read to the end has its reason
    let sent = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().expect("ended");
    sent.join().expect("thread");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).expect("packed");
    out.finish().expect("packed")
}

#[test]
fn pipes_and_packed_recordings_show_what_the_file_shows() {
    let tool = Tool::find().expect("tool");
    let plain = std::fs::read(kept()).expect("kept");
    let packed = packed(&plain);
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("packed");
    std::fs::write(&file, &packed).expect("written");
    let (kept, file) = (kept().display().to_string(), file.display().to_string());
    for command in [
        &["show"][..],
        &["show", "--format", "jsonl"],
        &["show", "--format", "markdown"],
        &["show", "--what"],
        &["compare", "--format", "markdown"],
    ] {
        let shown = |file: &str| {
            let finished = tool.run(&[command, &[file]].concat());
            finished.expect("run").expect(0).stdout
        };
        let expected = shown(&kept);
        assert!(expected.lines().count() > 5, "{expected}");
        assert_eq!(shown(&file), expected, "{command:?}, packed");
        for pipe in ["-", "/dev/stdin"] {
            for input in [&plain, &packed] {
                let piped = piped(&[command, &[pipe]].concat(), input).expect(0);
                assert_eq!(piped.stdout, expected, "{command:?} {pipe}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_to_its_end_says_so() {
    let packed = packed(&std::fs::read(kept()).expect("kept"));
    let cut = piped(&["show", "-"], &packed[..packed.len() - 100]).expect(1);
    assert!(cut.stdout.contains("/containers/json"), "{}", cut.stdout);
    let why = "standard input: it cannot be unpacked to its end";
    assert!(cut.stderr.contains(why), "{}", cut.stderr);
    // a megabyte of zeroes in a thousand bytes
    let zeroes = self::packed(&vec![0; 1 << 20]);
    for none in [&b""[..], b"#!/bin/sh\n", &zeroes] {
        let none = piped(&["show", "-"], none).expect(2);
        let why = "error: standard input: not a mobytrace recording";
        assert!(none.stderr.contains(why), "{}", none.stderr);
    }
}

/// A frame of a kind that later versions may add, of any size, is passed over in bounded memory.
#[test]
fn hostile_packed_recordings_take_bounded_memory() {
    let bytes = std::fs::read(kept()).expect("kept");
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("packed");
    let out = File::create(&file).expect("file");
    let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    let header = 20 + u32::from_le_bytes(bytes[16..20].try_into().expect("length")) as usize;
    out.write_all(&bytes[..header]).expect("written");
    let len = 32u32 << 20;
    for kind in [77u32, 2] {
        for _ in 0..8 {
            out.write_all(&kind.to_le_bytes()).expect("written");
            out.write_all(&len.to_le_bytes()).expect("written");
            let mut zeroes = std::io::repeat(0).take(u64::from(len));
            std::io::copy(&mut zeroes, &mut out).expect("written");
        }
    }
    out.write_all(&bytes[header..]).expect("written");
    out.finish().expect("written");
    let file = file.display().to_string();
    let (text, code, _) = bounded(&["show", &file], std::io::read_to_string);
    // its records of zeroes are damaged, and what is whole is shown
    assert_eq!(code, Some(1));
    assert!(text.expect("text").contains("reduceContainers("));
}

/// Names in a folder that are there or being made.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("folder");
    let name = |e: std::io::Result<std::fs::DirEntry>| e.expect("entry").file_name();
    entries
        .map(|e| name(e).to_string_lossy().into_owned())
        .collect()
}

#[test]
fn an_interrupted_copy_leaves_nothing() {
    let from = tempfile::tempdir_in(target_dir()).expect("folder");
    let large = from.path().join("large");
    repeat(&std::fs::read(kept()).expect("kept"), 2_000, &large).expect("written");
    let dir = tempfile::tempdir().expect("folder");
    let to = dir.path().join("copy");
    let tool = Tool::find().expect("tool");
    let (large, copy) = (large.display().to_string(), to.display().to_string());
    let running = tool.start(&["show", &large, "-o", &copy]).expect("started");
    while names(dir.path()).is_empty() {
        assert!(status_kib(running.pid(), "VmRSS").is_ok(), "it ended");
        std::thread::yield_now();
    }
    // it stands still while we look
    running.signal(Signal::STOP);
    assert_eq!(names(dir.path()).len(), 1);
    assert!(!to.exists(), "half a file has the final name");
    running.signal(Signal::INT);
    running.signal(Signal::CONT);
    let ended = running.wait().expect("ended").expect(2);
    assert!(
        ended.stderr.contains("interrupted before"),
        "{}",
        ended.stderr
    );
    assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));

    let shown = kept().display().to_string();
    tool.run(&["show", &shown, "-o", &copy])
        .expect("run")
        .expect(0);
    assert_eq!(names(dir.path()), ["copy"]);
}

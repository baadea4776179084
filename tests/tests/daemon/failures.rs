//! Bad input and refused rights: one `error:` line, one `hint:` line, exit 2, nothing attached.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Daemon, Finished, Fixture, Running, Tool};

#[track_caller]
fn refused(finished: Finished, error: &str) {
    let finished = finished.expect(2);
    let lines: Vec<&str> = finished
        .stderr
        .lines()
        .filter(|l| !l.starts_with("note: "))
        .collect();
    assert_eq!(
        lines.len(),
        2,
        "one error and one hint: {}",
        finished.stderr
    );
    assert!(
        lines[0].starts_with("error: ") && lines[0].contains(error),
        "{error:?}: {}",
        finished.stderr
    );
    assert!(
        lines[1].starts_with("hint: ") && lines[1].len() > 10,
        "{}",
        finished.stderr
    );
    assert_eq!(finished.stdout, "");
}

fn run(command: Command) -> Finished {
    Running::start(command)
        .expect("started")
        .wait()
        .expect("ended")
}

#[test]
fn no_dockerd() {
    let tool = Tool::find().expect("tool");
    if !harness::is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        return;
    }
    // a pid namespace without one
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--mount-proc"])
        .arg(tool.path())
        .arg("trace");
    refused(run(command), "no running dockerd");
}

#[test]
fn processes_that_are_none() {
    let tool = Tool::find().expect("tool");
    refused(
        tool.run(&["trace", "--pid", "4194304"]).expect("run"),
        "no process 4194304",
    );
    let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep");
    let finished = tool
        .run(&["trace", "--pid", &sleeper.id().to_string()])
        .expect("run");
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    refused(finished, "not a Go binary");
}

#[test]
fn a_go_program_without_the_functions() {
    let path = harness::fixture_or_skip!("deep");
    let tool = Tool::find().expect("tool");
    let fixture = Fixture::start(&path, &[]).expect("fixture");
    let finished = tool
        .run(&["trace", "--pid", &fixture.pid().to_string()])
        .expect("run");
    refused(finished, "has none of the functions to trace");
}

#[test]
fn usage() {
    let tool = Tool::find().expect("tool");
    for (args, said) in [
        (&["trace", "--pid", "x"][..], "invalid value 'x'"),
        (&["nonsense"], "unrecognized subcommand"),
    ] {
        let finished = tool.run(args).expect("run").expect(2);
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("file");
    path.display().to_string()
}

#[test]
fn damaged_and_foreign_binaries() {
    let tool = Tool::find().expect("tool");
    let own = std::fs::read(tool.path()).expect("own binary");
    let dir = tempfile::tempdir().expect("dir");
    let mut wrong_class = own.clone();
    wrong_class[4] = 1;
    let mut corrupted = own.clone();
    let len = corrupted.len();
    corrupted[32..40].copy_from_slice(&(len as u64 - 10).to_le_bytes());
    for (name, bytes, said) in [
        ("truncated", &own[..100], "ELF"),
        ("corrupted", &corrupted, "ELF"),
        ("32-bit", &wrong_class, "ELF"),
        ("empty", &[][..], "ELF"),
        ("text", b"#!/bin/sh\n", "not an ELF file"),
    ] {
        let path = file(dir.path(), name, bytes);
        refused(
            tool.run(&["inspect", "binary", "--binary", &path])
                .expect("run"),
            said,
        );
    }
    // what any ELF file says of itself is said before the error
    let path = file(dir.path(), "rust", &own);
    let mut foreign = tool
        .run(&["inspect", "binary", "--binary", &path])
        .expect("run");
    let outline = std::mem::take(&mut foreign.stdout);
    refused(foreign, "not a Go binary");
    let go = outline.lines().find(|l| l.starts_with("go "));
    assert!(go.is_some_and(|l| l.contains("unknown")), "{outline}");
    let missing = dir.path().join("missing").display().to_string();
    refused(
        tool.run(&["inspect", "binary", "--binary", &missing])
            .expect("run"),
        "failed to open",
    );
}

/// A filter that answers `errno` to one system call.
fn forbid(command: &mut Command, call: libc::c_long, errno: i32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let call = u32::try_from(call).expect("number");
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let filter = [
        op(LOAD, 0, 0, 0),
        op(JUMP_EQUAL, 0, 1, call),
        op(
            RETURN,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | u32::try_from(errno).expect("errno"),
        ),
        op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: only async-signal-safe system calls between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog {
                len: 4,
                filter: filter.as_ptr().cast_mut(),
            };
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) != 0
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// A copy of the tool that everyone may run.
fn public_tool(dir: &Path) -> PathBuf {
    let tool = Tool::find().expect("tool");
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let path = dir.join("mobytrace");
    std::fs::copy(tool.path(), &path).expect("copy");
    path
}

#[test]
fn what_a_daemon_is_needed_for() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let base = ["trace", "--pid", pid.as_str()];
    let dir = tempfile::tempdir().expect("dir");

    let mut command = Command::new(public_tool(dir.path()));
    command.args(base).uid(65534).gid(65534);
    refused(run(command), "failed to open the executable");

    for (call, name) in [
        (libc::SYS_bpf, "bpf() was refused"),
        (libc::SYS_perf_event_open, "perf_event_open() was refused"),
    ] {
        for errno in [libc::EPERM, libc::ENOSYS] {
            let mut command = Command::new(tool.path());
            command.args(base).env("MOBYTRACE_LINKS", "perf");
            forbid(&mut command, call, errno);
            refused(run(command), name);
        }
    }

    // a session that never was costs no earlier recording, and leaves no empty one
    let (kept, fresh) = (
        file(dir.path(), "kept", b"earlier"),
        dir.path().join("fresh"),
    );
    for output in [kept.clone(), fresh.display().to_string()] {
        let mut command = Command::new(tool.path());
        command
            .args(base)
            .args(["-o", &output, "--force"])
            .env("MOBYTRACE_LINKS", "perf");
        forbid(&mut command, libc::SYS_perf_event_open, libc::EPERM);
        refused(run(command), "perf_event_open() was refused");
    }
    assert_eq!(std::fs::read(&kept).expect("kept"), b"earlier");
    assert!(!fresh.exists());

    refused(
        tool.run(&["trace", "--pid", &pid, "-p", "nope"])
            .expect("run"),
        "unknown profile \"nope\"",
    );
    refused(
        tool.run(&["trace", "--pid", &pid, "-o", &kept])
            .expect("run"),
        "kept exists",
    );
    let unwritable = dir.path().join("no/such/dir/x").display().to_string();
    refused(
        tool.run(&["trace", "--pid", &pid, "-o", &unwritable])
            .expect("run"),
        "failed to write",
    );
    refused(
        tool.run(&["trace", "--pid", &pid, "-f", "no.such.Function"])
            .expect("run"),
        "has none of the functions",
    );
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );

    recordings(&daemon, dir.path());
    gone_however_it_ends(&daemon);
}

/// A recording that is newer, cut, or none.
fn recordings(daemon: &Daemon, dir: &Path) {
    let tool = Tool::find().expect("tool");
    let whole = dir.join("whole").display().to_string();
    let socket = daemon.socket().display().to_string();
    tool.run(&[
        "compare",
        "--socket",
        &socket,
        "-o",
        &whole,
        "--get",
        "/containers/json?all=1",
        "--get",
        "/system/df",
    ])
    .expect("run")
    .expect(0);
    tool.run(&["show", &whole]).expect("run").expect(0);
    let bytes = std::fs::read(&whole).expect("recording");
    let mut newer = bytes.clone();
    newer[8] = 99;
    let newer = file(dir, "newer", &newer);
    refused(
        tool.run(&["show", &newer]).expect("run"),
        "newer than this mobytrace reads",
    );
    let none = file(dir, "none", b"something else entirely");
    refused(
        tool.run(&["show", &none]).expect("run"),
        "not a mobytrace recording",
    );
    // behind the header, in the middle of the records
    let records = bytes
        .windows(8)
        .position(|w| w == b"\x02\0\0\0\xa8\x01\0\0")
        .unwrap_or(bytes.len() - 4000);
    let cut = file(dir, "cut", &bytes[..records.max(bytes.len() - 3000)]);
    let finished = tool.run(&["show", &cut]).expect("run").expect(1);
    assert!(
        finished.stderr.contains("what is whole is shown"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stdout.contains("GET /containers/json?all=1"),
        "{}",
        finished.stdout
    );
}

/// While attached, memory and file differ; afterwards they do not.
fn gone_however_it_ends(daemon: &Daemon) {
    use rustix::process::Signal;
    let tool = Tool::find().expect("tool");
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::KILL,
    ] {
        let mut running = tool
            .start(&["trace", "--pid", &daemon.pid().to_string()])
            .expect("started");
        running.wait_for("attached to").expect("attached");
        // the kernel puts a breakpoint into a page that is not there yet when it comes in
        assert_eq!(
            daemon.get("/containers/json").expect("answer").status,
            200,
            "during"
        );
        let during = harness::changed_code(daemon.pid()).expect("code");
        assert!(!during.is_empty(), "breakpoints are there");
        running.signal(signal);
        let finished = running.wait().expect("ended");
        if signal != Signal::KILL {
            assert!(finished.stderr.contains("detaching"), "{}", finished.stderr);
        }
        assert_eq!(
            harness::changed_code(daemon.pid()).expect("code"),
            [0u64; 0],
            "after {signal:?}"
        );
        assert_eq!(
            daemon.get("/containers/json").expect("answer").status,
            200,
            "after {signal:?}"
        );
    }
}

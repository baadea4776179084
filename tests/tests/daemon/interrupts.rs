//! Who ends a session early, and what is left: while the binary is read, while a command runs,
//! behind `nohup`; and for whom a recording is made.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use harness::{Daemon, Finished, Running, Tool, changed_code};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Beyond, something hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// A user without rights.
const NOBODY: u32 = 65534;

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what} does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("pid")).expect("pid")
}

/// Waits for the end; gives the status and the processor time that the child had.
fn rest(child: Child) -> (ExitStatus, Duration) {
    let id = i32::try_from(child.id()).expect("pid");
    let mut status = 0;
    // SAFETY: plain structs of integers, all of them zero.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a child of ours that nobody else waits for, and two places to write to.
    let waited = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut used) };
    assert_eq!(waited, id, "{}", std::io::Error::last_os_error());
    let time = |t: libc::timeval| {
        let micros = t.tv_sec * 1_000_000 + t.tv_usec;
        Duration::from_micros(u64::try_from(micros).expect("positive"))
    };
    let all = time(used.ru_utime) + time(used.ru_stime);
    (ExitStatus::from_raw(status), all)
}

/// Processor time of a process that is stopped, of all its threads.
fn used_until_now(pid: u32) -> Duration {
    let nanoseconds = |path: std::path::PathBuf| -> u64 {
        let text = std::fs::read_to_string(path).expect("schedstat");
        let first = text.split_ascii_whitespace().next().expect("a number");
        first.parse().expect("a number")
    };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let all = threads.map(|t| nanoseconds(t.expect("thread").path().join("schedstat")));
    Duration::from_nanos(all.sum())
}

fn trace(daemon: &Daemon, said: &Path) -> Child {
    let mut command = Command::new(Tool::find().expect("tool").path());
    command
        .args(["trace", "--pid", &daemon.pid().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(said).expect("stderr"));
    harness::heed_signals(&mut command);
    command.spawn().expect("started")
}

/// A session that is stopped (SIGSTOP) while it reads the daemon's binary: it has mapped that, and
/// has attached nothing.
fn stopped_while_reading(daemon: &Daemon, said: &Path) -> Child {
    let exe = std::fs::read_link(format!("/proc/{}/exe", daemon.pid())).expect("exe");
    let exe = exe.display().to_string();
    for _ in 0..50 {
        let mut child = trace(daemon, said);
        let maps = format!("/proc/{}/maps", child.id());
        wait_until("the binary in memory", || {
            std::fs::read_to_string(&maps).is_ok_and(|m| m.contains(&exe))
        });
        kill_process(pid(&child), Signal::STOP).expect("stopped");
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid(&child)), stopped).expect("it stops");
        let text = std::fs::read_to_string(said).expect("stderr");
        if text.is_empty() {
            return child;
        }
        // read already: once more
        kill_process(pid(&child), Signal::KILL).expect("killed");
        child.wait().expect("ended");
    }
    panic!("it is never seen reading");
}

/// Ctrl-C while the binary is read ends the session there, not when everything has been read.
#[test]
fn reading_the_binary_is_interrupted() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let dir = tempfile::tempdir().expect("dir");
    let said = dir.path().join("stderr");

    // how much work the reading is
    let child = stopped_while_reading(&daemon, &said);
    let before = used_until_now(child.id());
    kill_process(pid(&child), Signal::CONT).expect("goes on");
    wait_until("the session", || {
        std::fs::read_to_string(&said).is_ok_and(|t| t.contains("attached to"))
    });
    let whole = used_until_now(child.id()) - before;
    kill_process(pid(&child), Signal::INT).expect("asked");
    assert_eq!(rest(child).0.code(), Some(1));

    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let child = stopped_while_reading(&daemon, &said);
        let before = used_until_now(child.id());
        kill_process(pid(&child), signal).expect("asked");
        kill_process(pid(&child), Signal::CONT).expect("goes on");
        let (status, all) = rest(child);
        let text = std::fs::read_to_string(&said).expect("stderr");
        assert_eq!(status.code(), Some(1), "{signal:?}: {text}");
        assert_eq!(
            text,
            "stopped before anything was traced; nothing is left attached\n"
        );
        let after = all.saturating_sub(before);
        assert!(
            after < whole / 4,
            "{signal:?}: {after:?} of {whole:?} were still worked"
        );
    }
    assert_eq!(changed_code(daemon.pid()).expect("code"), [0u64; 0]);
}

/// Processes whose arguments hold a word.
fn processes(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("/proc");
    all.filter_map(|entry| {
        let arguments = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        arguments.contains(word).then_some(arguments)
    })
    .filter(|arguments| arguments.starts_with("sleep") || arguments.starts_with("sh "))
    .collect()
}

/// `--duration` ends a session whose command does not end, and the command gets SIGINT.
#[test]
fn a_command_that_does_not_end() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let pid = daemon.pid().to_string();
    let tool = Tool::find().expect("tool");
    let (seconds, other) = (
        format!("9{}", std::process::id()),
        format!("8{}", std::process::id()),
    );
    let command = format!("sleep {seconds}; sleep {other}");
    let args = ["trace", "--pid", &pid, "--duration", "1s", "--cmd"];
    let over = tool
        .run(&[&args[..], &[&command, "--cmd", "true"]].concat())
        .expect("run")
        .expect(1);
    assert!(
        over.stderr
            .contains("warning: 1s are over before the commands are; what runs got SIGINT"),
        "{}",
        over.stderr
    );
    wait_until("the end of the commands", || {
        processes(&seconds).is_empty() && processes(&other).is_empty()
    });

    // the time is the most, not the least
    let most = format!("{}s", PATIENCE.as_secs() * 1000);
    let args = ["trace", "--pid", &pid, "--duration", &most, "--cmd", "true"];
    tool.run(&args).expect("run").expect(1);
}

/// Ctrl-C ends the command that runs too, as in a shell.
#[test]
fn a_command_when_its_session_is_interrupted() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let pid = daemon.pid().to_string();
    let dir = tempfile::tempdir().expect("dir");
    let at = |name: &str| dir.path().join(name);
    let seconds = format!("7{}", std::process::id());
    let command = format!(
        "trap 'echo > {}; exit' INT; echo > {}; sleep {seconds}",
        at("asked").display(),
        at("ready").display()
    );
    for args in [
        &["trace", "--pid", &pid, "--cmd", &command][..],
        &["compare", "--pid", &pid, "--cmd", &command, "--cmd", "true"],
    ] {
        let session = Tool::find().expect("tool").start(args).expect("started");
        wait_until("the command", || at("ready").exists());
        session.signal(Signal::INT);
        session.wait().expect("ended");
        wait_until("its end", || {
            at("asked").exists() && processes(&seconds).is_empty()
        });
        for name in ["asked", "ready"] {
            std::fs::remove_file(at(name)).expect("removed");
        }
    }
}

/// SIGHUP that is ignored stays ignored: the session goes on, and sees what comes then.
#[test]
fn behind_nohup() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let mut command = Command::new("nohup");
    command
        .arg(Tool::find().expect("tool").path())
        .args(["trace", "--color", "never", "--pid"])
        .arg(daemon.pid().to_string());
    let mut session = Running::start(command).expect("started");
    session.wait_for("attached to").expect("attached");
    session.signal(Signal::HUP);
    let path = "/v1.41/containers/json?limit=7";
    assert_eq!(daemon.get(path).expect("answer").status, 200);
    session
        .wait_for_output(|out| out.contains(path))
        .expect("it goes on");
    session.signal(Signal::INT);
    let finished = session.wait().expect("ended").expect(0);
    assert!(
        finished.stderr.contains("equal the file's"),
        "{}",
        finished.stderr
    );
}

/// A short session as the user that `sudo` says was there before.
fn through_sudo(daemon: &Daemon, file: &Path, force: bool) -> Finished {
    let mut command = Command::new(Tool::find().expect("tool").path());
    command
        .args(["trace", "--duration", "10ms", "--pid"])
        .arg(daemon.pid().to_string())
        .arg("-o")
        .arg(file)
        .args(force.then_some("--force"))
        .env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", "65533");
    Running::start(command)
        .expect("started")
        .wait()
        .expect("ended")
}

#[test]
fn a_recording_belongs_to_the_user_behind_sudo() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("new");
    through_sudo(&daemon, &file, false).expect(1);
    let made = std::fs::metadata(&file).expect("recording");
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o7777),
        (NOBODY, 65533, 0o600)
    );
    // their own file, and then one of somebody else
    through_sudo(&daemon, &file, true).expect(1);
    std::os::unix::fs::chown(&file, Some(1), Some(1)).expect("chown");
    let refused = through_sudo(&daemon, &file, true).expect(2);
    let why = "belongs to another user (uid 1), who could read the recording";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
}

/// Without rights every way to a daemon fails with the one hint that helps.
#[test]
fn without_root() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let dir = tempfile::tempdir().expect("dir");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open.clone()).expect("permissions");
    let tool = dir.path().join("mobytrace");
    std::fs::copy(Tool::find().expect("tool").path(), &tool).expect("copy");
    std::fs::set_permissions(&tool, open).expect("permissions");
    let (pid, socket) = (
        daemon.pid().to_string(),
        daemon.socket().display().to_string(),
    );
    for chosen in [&["--pid", &pid][..], &["--socket", &socket], &[]] {
        for what in ["trace", "compare"] {
            let mut command = Command::new(&tool);
            command
                .arg(what)
                .args(chosen)
                .current_dir("/")
                .uid(NOBODY)
                .gid(NOBODY);
            let refused = Running::start(command)
                .expect("started")
                .wait()
                .expect("ended")
                .expect(2);
            let hints: Vec<&str> = refused
                .stderr
                .lines()
                .filter(|l| l.starts_with("hint: "))
                .collect();
            assert!(
                matches!(hints.as_slice(), [one] if one.starts_with("hint: run as root")),
                "{what} {chosen:?}: {}",
                refused.stderr
            );
            // which cannot be known
            assert!(
                !refused.stderr.contains("another mount namespace"),
                "{}",
                refused.stderr
            );
        }
    }
}

//! A terminal that stands still: whoever reads what is traced does not, for a while. Nothing is
//! lost as long as it fits into memory; beyond, what is lost is counted and nothing false is said.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Assets, Connection, Daemon, Events, Tool, heed_signals, json_lines, spawn};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;
use tracer_ebpf::wire::limits::{RING_BYTES, SMALL_DATA};

/// Containers of the daemon.
const CONTAINERS: u64 = 5;
/// How long nobody reads, at least.
const STILL: Duration = Duration::from_secs(10);
/// From one request to the next.
const PACE: Duration = Duration::from_millis(5);
/// What a pipe holds, at most, unless somebody makes it larger.
const PIPE: usize = 64 << 10;

/// Sends requests one after the other while `more` says so; gives how many. Each asks for another
/// number of containers than the one before and has a User-Agent of its own.
fn requests(daemon: &Daemon, more: impl Fn(u64) -> bool) -> u64 {
    let mut connection = Connection::open(&daemon.socket()).expect("connected");
    let mut sent = 0;
    while more(sent) {
        let path = format!("/v1.41/containers/json?all=1&limit={}", limit(sent));
        let status = connection.get(&path, &agent(sent)).expect("answer");
        assert_eq!(status, 200);
        sent += 1;
    }
    sent
}

fn limit(request: u64) -> u64 {
    1 + request % CONTAINERS
}

fn agent(request: u64) -> String {
    format!("t-{request}-")
}

/// What stdout of a session is.
#[derive(Clone, Copy)]
enum Stdout {
    Pipe,
    Terminal,
}

/// Our end of a pseudo-terminal and the other one.
fn terminal() -> (File, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let own = openpt(flags).expect("a terminal");
    grantpt(&own).expect("granted");
    unlockpt(&own).expect("unlocked");
    let other = ioctl_tiocgptpeer(&own, flags).expect("its other end");
    (own.into(), other.into())
}

/// Everything that was written; a terminal whose other end is closed fails instead of ending.
fn read_all(mut from: impl Read) -> String {
    let (mut text, mut piece) = (Vec::new(), vec![0; PIPE]);
    while let Ok(n @ 1..) = from.read(&mut piece) {
        text.extend_from_slice(&piece[..n]);
    }
    String::from_utf8(text).expect("text")
}

/// Traces while `work` is done and nobody reads stdout; then reads, and ends the session.
fn unread(
    daemon: &Daemon,
    stdout: Stdout,
    environment: &[(&str, &str)],
    work: impl FnOnce() -> u64,
) -> (Events, u64) {
    let tool = Tool::find().expect("tool");
    let mut command = Command::new(tool.path());
    command
        .args(["trace", "--format", "jsonl", "--socket"])
        .arg(daemon.socket())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let own = match stdout {
        Stdout::Pipe => {
            command.stdout(Stdio::piped());
            None
        }
        Stdout::Terminal => {
            let (own, other) = terminal();
            command.stdout(other);
            Some(own)
        }
    };
    heed_signals(&mut command);
    let mut child = spawn(&mut command).expect("started");
    // it keeps the terminal's other end open
    drop(command);
    let mut stderr = child.stderr.take().expect("stderr");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("attached to dockerd") {
        let mut more = [0u8; 256];
        let n = stderr.read(&mut more).expect("stderr");
        assert_ne!(n, 0, "ended: {}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&more[..n]);
    }
    let rest = std::thread::spawn(move || {
        let _ = stderr.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let kept = daemon.connections();
    let sent = work();
    daemon.wait_until_served(&kept);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("pid"), Signal::INT).expect("asked to end");
    let text = match own {
        Some(own) => read_all(own),
        None => read_all(child.stdout.take().expect("stdout")),
    };
    let status = child.wait().expect("ended");
    let said = rest.join().expect("stderr");
    assert!(status.success(), "{status}: {said}");
    // the session stood still: pipes and terminals hold less than it had to say
    assert!(text.len() > 4 * PIPE, "{}", text.len());
    (Events(json_lines(&text).expect("JSON lines")), sent)
}

/// The request that a number stands for, and its call of `Containers`.
fn shown(events: &Events, number: u64) -> Option<(&Value, Vec<&Value>)> {
    let agent = agent(number);
    let found = events.requests(|r| r["user_agent"] == agent.as_str());
    assert!(found.len() <= 1, "{found:?}");
    let request = found.first()?;
    Some((request, events.calls(request, "Containers")))
}

/// What is said of a call that returned is true.
fn check(number: u64, call: &Value) {
    assert_eq!(call["params"]["config"]["Limit"], limit(number), "{call}");
    let listed = call["results"]["result"].as_array().map(Vec::len);
    assert_eq!(listed, usize::try_from(limit(number)).ok(), "{call}");
}

fn daemon(assets: &Assets) -> Daemon {
    let daemon = Daemon::start(assets).expect("daemon");
    daemon.import_image().expect("image");
    let count = usize::try_from(CONTAINERS).expect("a few");
    daemon.create_containers("c", count).expect("created");
    daemon
}

#[test]
fn nothing_is_lost_while_nobody_reads() {
    nothing_is_lost(Stdout::Pipe);
}

#[test]
fn nothing_is_lost_while_a_terminal_stands_still() {
    nothing_is_lost(Stdout::Terminal);
}

fn nothing_is_lost(stdout: Stdout) {
    let assets = harness::assets_or_skip!();
    let daemon = daemon(&assets);
    let (events, sent) = unread(&daemon, stdout, &[], || {
        let started = Instant::now();
        requests(&daemon, |_| {
            std::thread::sleep(PACE);
            started.elapsed() < STILL
        })
    });
    assert_eq!(events.end()["lost"], 0, "{}", events.end());
    for number in 0..sent {
        let (request, calls) = shown(&events, number).expect("shown");
        assert_eq!(request["status"], 200, "{request}");
        assert_eq!(request["state"], "returned", "{request}");
        let [call] = calls.as_slice() else {
            panic!("{calls:?}");
        };
        assert_eq!(call["state"], "returned", "{call}");
        check(number, call);
    }
}

#[test]
fn beyond_the_bound_losses_are_counted_and_nothing_false_is_said() {
    let assets = harness::assets_or_skip!();
    let daemon = daemon(&assets);
    // entry and return of the request, and of two functions on its way
    let per_request = 6 * SMALL_DATA as u64;
    let most = 2 * u64::from(RING_BYTES) / per_request;
    let (events, sent) = unread(&daemon, Stdout::Pipe, &[("MOBYTRACE_WAITING", "1")], || {
        requests(&daemon, |sent| sent < most)
    });
    let end = events.end();
    assert!(end["lost"].as_u64() > Some(0), "{end}");
    let text = end["completeness"].as_str().expect("text");
    assert!(text.starts_with("incomplete: "), "{text}");
    assert!(text.contains("records lost (ring buffer full)"), "{text}");
    let (mut whole, mut not_shown) = (0, 0);
    for number in 0..sent {
        let Some((request, calls)) = shown(&events, number) else {
            not_shown += 1;
            continue;
        };
        for call in calls.iter().filter(|call| call["state"] == "returned") {
            check(number, call);
            whole += 1;
        }
        if request["state"] == "returned" {
            assert_eq!(request["status"], 200, "{request}");
        }
    }
    assert!(whole > 0, "what came before the loss is there");
    assert!(not_shown > 0, "of {sent} requests");
}

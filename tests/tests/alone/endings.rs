//! How sessions end: in every way, at any moment, with nothing left in the daemon and a recording
//! that reads.
//!
//! `MOBYTRACE_ENDINGS=200` ends that many sessions on each daemon instead of a few;
//! `MOBYTRACE_ENDINGS_SEED` repeats a run, whose seed is printed.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Daemon, Fixture, Numbers, Tool, changed_code, stock_dockerd};
use mobytrace::capture::Recording;
use rustix::process::{Pid, Signal, kill_process};

/// Sessions ended on the daemon that everything is built on, and on each of the others: there in
/// every way once.
const SESSIONS: usize = 40;
const FEW: usize = WAYS.len();
/// How long any session may take to end: beyond, it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Signal(Signal),
    /// The same while each site has a link of its own.
    PerfLinks,
    /// Nobody reads stdout any more, then nobody stderr.
    ClosedPipes,
    /// Nobody reads stderr from some moment on; a signal ends it.
    ClosedStderr,
    /// stderr takes nothing; a signal ends it.
    FullStderr,
    ClosedTerminal,
    /// stdout takes nothing: what cannot be shown ends the session.
    FullStdout,
    /// The recording's disk is full; a signal ends it.
    FullDisk,
}

const WAYS: [Way; 12] = [
    Way::Signal(Signal::INT),
    Way::ClosedPipes,
    Way::Signal(Signal::TERM),
    Way::ClosedTerminal,
    Way::Signal(Signal::HUP),
    Way::FullStderr,
    Way::FullStdout,
    Way::Signal(Signal::QUIT),
    Way::FullDisk,
    Way::Signal(Signal::KILL),
    Way::ClosedStderr,
    Way::PerfLinks,
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn send(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn wait(child: &mut Child, what: &str) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("status") {
            return status;
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{what}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Requests one after the other, from now until it is dropped.
struct Traffic<'a> {
    end: &'a AtomicBool,
}

impl Drop for Traffic<'_> {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
    }
}

/// A file system of few bytes. Dropping it unmounts it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, bytes: u64) -> Self {
        std::fs::create_dir_all(at).expect("folder");
        let options = std::ffi::CString::new(format!("size={bytes}")).expect("options");
        rustix::mount::mount(
            "none",
            at,
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .expect("tmpfs");
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Both ends of a terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: two integers to write to; name, settings and size are not wanted.
    let rc = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(rc, 0, "openpty: {}", std::io::Error::last_os_error());
    for end in [master, slave] {
        // what is started here must not keep its own terminal open
        // SAFETY: a descriptor that is open.
        let rc = unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
        assert_eq!(rc, 0, "fcntl: {}", std::io::Error::last_os_error());
    }
    // SAFETY: two new descriptors that nobody else has.
    unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

/// One session that is going to end.
struct Doomed<'a> {
    way: Way,
    /// From exec on.
    moment: Duration,
    daemon: &'a Daemon,
    recording: PathBuf,
}

/// What a session left.
struct Left {
    status: ExitStatus,
    stderr: Option<String>,
}

impl Doomed<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(Tool::find().expect("tool").path());
        command
            .args(["trace", "--pid", &self.daemon.pid().to_string()])
            .args(["--format", "jsonl", "-o"])
            .arg(&self.recording)
            .stdin(Stdio::null());
        if self.way == Way::PerfLinks {
            command.env("MOBYTRACE_LINKS", "perf");
        }
        harness::heed_signals(&mut command);
        command
    }

    fn run(&self) -> Left {
        let stderr = self.recording.with_extension("stderr");
        let written = || File::create(&stderr).expect("stderr");
        let mut command = self.command();
        let what = format!("{:?} after {:?}", self.way, self.moment);
        let status = match self.way {
            Way::Signal(_) | Way::PerfLinks | Way::FullDisk => {
                command.stdout(Stdio::null()).stderr(written());
                self.signalled(command, &what)
            }
            Way::FullStderr => {
                let full = File::options().write(true).open("/dev/full").expect("full");
                command.stdout(Stdio::null()).stderr(full);
                self.signalled(command, &what)
            }
            Way::FullStdout => {
                let full = File::options().write(true).open("/dev/full").expect("full");
                command.stdout(full).stderr(written());
                wait(&mut command.spawn().expect("started"), &what)
            }
            Way::ClosedPipes => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().expect("started");
                self.drain_until_the_moment(&mut child);
                drop(child.stdout.take());
                drop(child.stderr.take());
                wait(&mut child, &what)
            }
            Way::ClosedStderr => {
                command.stdout(Stdio::null()).stderr(Stdio::piped());
                let mut child = command.spawn().expect("started");
                drop(child.stderr.take());
                std::thread::sleep(self.moment);
                send(&child, Signal::INT);
                wait(&mut child, &what)
            }
            Way::ClosedTerminal => {
                let (master, slave) = terminal();
                let copy = || slave.try_clone().expect("descriptor");
                command.stdout(copy()).stderr(copy()).stdin(copy());
                // SAFETY: two system calls between fork and exec, no memory touched.
                unsafe {
                    command.pre_exec(|| {
                        if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                            return Err(std::io::Error::last_os_error());
                        }
                        Ok(())
                    });
                }
                let mut child = command.spawn().expect("started");
                drop((command, slave));
                let mut screen = File::from(master);
                set_nonblocking(&screen);
                let until = Instant::now() + self.moment;
                while Instant::now() < until {
                    let _ = screen.read(&mut [0u8; 4096]);
                    std::thread::sleep(Duration::from_millis(2));
                }
                drop(screen);
                wait(&mut child, &what)
            }
        };
        Left {
            status,
            stderr: std::fs::read_to_string(stderr).ok(),
        }
    }

    fn signalled(&self, mut command: Command, what: &str) -> ExitStatus {
        let mut child = command.spawn().expect("started");
        std::thread::sleep(self.moment);
        send(
            &child,
            match self.way {
                Way::Signal(signal) => signal,
                _ => Signal::INT,
            },
        );
        wait(&mut child, what)
    }

    /// Reads what it says, so that it does not wait for its reader.
    fn drain_until_the_moment(&self, child: &mut Child) {
        let until = Instant::now() + self.moment;
        let mut out = child.stdout.take().expect("stdout");
        let mut err = child.stderr.take().expect("stderr");
        set_nonblocking(&out);
        set_nonblocking(&err);
        while Instant::now() < until {
            let _ = out.read(&mut [0u8; 65536]);
            let _ = err.read(&mut [0u8; 65536]);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn set_nonblocking(file: &impl AsRawFd) {
    // SAFETY: a descriptor that is open.
    let rc = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(rc, 0);
}

/// The recording is none yet, or reads to its last whole frame. Gives whether it has its end.
fn reads(path: &Path, what: &str) -> Option<bool> {
    let file = File::open(path).ok()?;
    if file.metadata().expect("metadata").len() == 0 {
        return None;
    }
    let recording = Recording::read(std::io::BufReader::new(file))
        .unwrap_or_else(|e| panic!("{what}: {}: {e}", path.display()));
    Some(recording.trailer().is_some() && recording.is_whole())
}

#[test]
fn sessions_end_in_every_way() {
    end_on("bookworm", SESSIONS);
}

#[test]
fn sessions_end_in_every_way_on_20_10_5() {
    end_on("bullseye", FEW);
}

#[test]
fn sessions_end_in_every_way_on_26_1() {
    end_on("trixie", FEW);
}

#[test]
fn sessions_end_in_every_way_on_28_5() {
    end_on("sid", FEW);
}

fn end_on(suite: &str, usually: usize) {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 2).expect("created");
    let dir = tempfile::tempdir().expect("dir");
    let sessions = number("MOBYTRACE_ENDINGS")
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(usually);
    let seed = number("MOBYTRACE_ENDINGS_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |t| t.as_nanos() as u64)
    });
    println!("{suite}: MOBYTRACE_ENDINGS={sessions} MOBYTRACE_ENDINGS_SEED={seed}");
    let mut random = Numbers(seed.max(1));

    // how long it takes until a session is attached, and how large a recording is then
    let first = dir.path().join("first").display().to_string();
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let started = Instant::now();
    let mut running = tool
        .start(&["trace", "--pid", &pid, "-o", &first])
        .expect("started");
    running.wait_for("attached to").expect("attached");
    let attached = started.elapsed();
    let header = std::fs::metadata(&first).expect("recording").len();
    let multi_links = {
        running.signal(Signal::INT);
        let finished = running.wait().expect("ended");
        finished.stderr.contains("uprobe_multi links;")
    };
    // two pages for records
    let disk = SmallDisk::mount(
        &dir.path().join("disk"),
        header.next_multiple_of(4096) + 8192,
    );

    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let traffic = Traffic { end: &end };
        scope.spawn(|| {
            while !end.load(Ordering::SeqCst) {
                let _ = daemon.get("/containers/json?all=1");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut whole = 0;
        for (n, way) in (0..sessions).zip(WAYS.into_iter().cycle()) {
            let span = attached + attached / 2 + Duration::from_millis(300);
            let moment = span.mul_f64(random.below(1000) as f64 / 1000.0);
            let folder = if way == Way::FullDisk {
                &disk.0
            } else {
                dir.path()
            };
            let doomed = Doomed {
                way,
                moment,
                daemon: &daemon,
                recording: folder.join(format!("{n}.mobytrace")),
            };
            let what = format!("session {n}, {way:?} after {moment:?}");
            let left = doomed.run();
            check(&doomed, &left, &what, multi_links);
            assert_eq!(
                changed_code(daemon.pid()).expect("code"),
                [0u64; 0],
                "{what}"
            );
            whole += usize::from(reads(&doomed.recording, &what) == Some(true));
            let _ = std::fs::remove_file(&doomed.recording);
            let _ = std::fs::remove_file(doomed.recording.with_extension("stderr"));
        }
        println!("{whole} of {sessions} recordings are whole; {attached:?} to attach");
        drop(traffic);
    });
    assert_eq!(daemon.get("/_ping").expect("answer").status, 200);
}

/// The exit status, the recording and what was said fit each other.
fn check(doomed: &Doomed<'_>, left: &Left, what: &str, multi_links: bool) {
    let said = left.stderr.clone().unwrap_or_default();
    let shown = format!("{what}: {} {said}", left.status);
    assert_ne!(left.status.code(), Some(101), "{shown}");
    assert!(!said.contains("panicked"), "{shown}");
    let recorded = reads(&doomed.recording, &shown);
    match (doomed.way, recorded) {
        // killed: whatever was handed to the kernel is there
        (Way::Signal(Signal::KILL), _) => assert_eq!(left.status.code(), None, "{shown}"),
        // stopped before the kernel's first probe, or before the program knew of signals
        (_, None) => assert!(matches!(left.status.code(), None | Some(0 | 1)), "{shown}"),
        (Way::FullDisk, Some(whole)) if !whole => {
            assert_eq!(left.status.code(), Some(2), "{shown}");
            assert!(said.contains("the recording ended early"), "{shown}");
            assert!(said.contains("the session goes on"), "{shown}");
            assert!(said.contains("equal the file's"), "{shown}");
        }
        (Way::FullStdout, Some(whole)) => {
            assert!(whole, "a recording without its end: {shown}");
            assert_eq!(left.status.code(), Some(2), "{shown}");
            assert!(said.contains("error: No space left"), "{shown}");
        }
        (_, Some(whole)) => {
            assert!(whole, "a recording without its end: {shown}");
            assert!(matches!(left.status.code(), Some(0 | 1)), "{shown}");
        }
    }
    if let Some(ms) = said
        .split_once("detached in ")
        .and_then(|(_, rest)| rest.split_once(" ms")?.0.parse::<u64>().ok())
        && multi_links
        && doomed.way != Way::PerfLinks
    {
        assert!(ms < 1000, "{shown}");
    }
}

#[test]
fn two_tracers_leave_one_after_the_other() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let start = || {
        let mut running = tool.start(&["trace", "--pid", &pid]).expect("started");
        running.wait_for("attached to").expect("attached");
        running
    };
    let (first, second) = (start(), start());
    assert_eq!(daemon.get("/containers/json").expect("answer").status, 200);
    first.signal(Signal::INT);
    let said = first.wait().expect("ended").expect(0).stderr;
    assert!(!said.contains("warning"), "{said}");
    let about: Vec<&str> = said
        .lines()
        .filter(|l| l.contains("another tracer"))
        .collect();
    assert_eq!(about.len(), 1, "{said}");
    second.signal(Signal::INT);
    let said = second.wait().expect("ended").expect(0).stderr;
    assert!(said.contains("equal the file's"), "{said}");
    assert!(!said.contains("another tracer"), "{said}");
}

#[test]
fn a_daemon_that_stops_answering() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let tool = Tool::find().expect("tool");
    let stopped = Pid::from_raw(i32::try_from(daemon.pid()).expect("pid")).expect("pid");
    kill_process(stopped, Signal::STOP).expect("stopped");
    let pid = daemon.pid().to_string();
    let path = "/containers/json";
    let finished = tool
        .run(&[
            "compare",
            "--pid",
            &pid,
            "--duration",
            "1s",
            "--get",
            path,
            "--get",
            path,
        ])
        .expect("run");
    kill_process(stopped, Signal::CONT).expect("goes on");
    let finished = finished.expect(2);
    assert!(
        finished.stderr.contains("did not end within 1s"),
        "{}",
        finished.stderr
    );
    assert_eq!(changed_code(daemon.pid()).expect("code"), [0u64; 0]);
}

#[test]
fn another_program_in_the_same_process() {
    let _turn = harness::turn();
    let path = harness::fixture_or_skip!("spin");
    if !harness::is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        return;
    }
    let mut spin = Fixture::start(&path, &[]).expect("fixture");
    let pid = spin.pid().to_string();
    let tool = Tool::find().expect("tool");
    let mut running = tool
        .start(&["trace", "--pid", &pid, "-f", "main.(*Server).List"])
        .expect("started");
    running.wait_for("attached to").expect("attached");
    spin.tell("3").expect("told");
    spin.line().expect("called");
    spin.tell("exec /bin/sleep").expect("told");
    let finished = running.wait().expect("it ends by itself").expect(0);
    assert!(
        finished.stderr.contains("runs another program"),
        "{}",
        finished.stderr
    );
    assert_eq!(
        finished.stdout.matches("List(").count(),
        3,
        "{}",
        finished.stdout
    );
}

#[test]
fn a_binary_that_shrinks_while_it_is_read() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let dir = tempfile::tempdir().expect("dir");
    let copy = dir.path().join("dockerd");
    std::fs::copy(assets.dockerd(), &copy).expect("copy");
    let mut child = Command::new(Tool::find().expect("tool").path())
        .args(["inspect", "functions", "--binary"])
        .arg(&copy)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // its list is longer than a pipe is: it waits for us in the middle of the file
    let mut out = child.stdout.take().expect("stdout");
    let mut first = [0u8; 1];
    out.read_exact(&mut first).expect("the first byte");
    File::options()
        .write(true)
        .open(&copy)
        .and_then(|f| f.set_len(8192))
        .expect("cut");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the rest");
    let status = wait(&mut child, "inspect");
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("stderr")
        .read_to_string(&mut said)
        .expect("stderr");
    assert_eq!(status.code(), Some(2), "{status} {said}");
    assert!(said.contains("was changed while it was read"), "{said}");
    assert!(said.contains("hint: "), "{said}");
}

/// Requests that reach no traced function: refused ones, and those of another profile, which is
/// named and shows them.
#[test]
fn what_was_not_traced_is_said() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let dir = tempfile::tempdir().expect("dir");
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let work = || {
        for (path, status) in [
            ("/v9.99/containers/json", 400),
            ("/containers/json?filters=%7Bnonsense", 500),
            ("/networks", 200),
            ("/v1.41/networks", 200),
            ("/volumes", 200),
            ("/_ping", 200),
        ] {
            assert_eq!(daemon.get(path).expect("answer").status, status, "{path}");
        }
    };
    let traced = |args: &[&str]| {
        let all = [&["trace", "--pid", &pid, "--color", "never"][..], args].concat();
        let mut running = tool.start(&all).expect("started");
        running.wait_for("attached to").expect("attached");
        let kept = daemon.connections();
        work();
        daemon.wait_until_served(&kept);
        running.signal(Signal::INT);
        running.wait().expect("ended")
    };
    let file = dir.path().join("nothing").display().to_string();
    // nothing of the list profile was called: exit 1, and what was seen
    let nothing = traced(&["-o", &file]).expect(1);
    let counted = "6 requests reached none of the traced functions, 1 of them answered 400, \
                   1 of them answered 500; `-p networks` shows 2, `-p volumes` shows 1";
    assert!(
        harness::words(&nothing.stdout).contains(counted),
        "{}",
        nothing.stdout
    );
    for refused in [
        "GET /v9.99/containers/json 400",
        "GET /containers/json?filters=",
    ] {
        assert!(nothing.stdout.contains(refused), "{}", nothing.stdout);
    }
    let markdown = tool
        .run(&["show", &file, "--format", "markdown"])
        .expect("run")
        .expect(1);
    assert!(
        markdown.stdout.replace('\\', "").contains(counted),
        "{}",
        markdown.stdout
    );
    // the hint is true
    let networks = traced(&["-p", "networks"]).expect(0);
    assert_eq!(
        networks.stdout.matches("GetNetworks(").count(),
        2,
        "{}",
        networks.stdout
    );
    let volumes = traced(&["-p", "volumes"]).expect(0);
    assert_eq!(
        volumes.stdout.matches("List(").count(),
        1,
        "{}",
        volumes.stdout
    );

    // --root in every format
    let all = dir.path().join("all").display().to_string();
    traced(&["-p", "networks", "-p", "volumes", "-o", &all]).expect(0);
    for format in ["tree", "table", "jsonl", "markdown"] {
        let show = |root: &str| {
            tool.run(&[
                "show", &all, "--color", "never", "--format", format, "--root", root,
            ])
            .expect("run")
        };
        let shown = show("/networks").expect(0).stdout;
        assert!(shown.contains("/networks"), "{format}: {shown}");
        assert!(
            !shown.contains("/volumes") && !shown.contains("_ping"),
            "{format}: {shown}"
        );
        let by_function = show("(*Daemon).GetNetworks").expect(0).stdout;
        assert!(by_function.contains("/networks"), "{format}: {by_function}");
        assert!(
            !by_function.contains("GET /volumes"),
            "{format}: {by_function}"
        );
        show("/no/such/route").expect(1);
    }
    let none = tool
        .run(&["show", &all, "--root", "/no/such/route"])
        .expect("run")
        .expect(1);
    assert!(
        harness::words(&none.stdout)
            .contains("none of the 6 requests that came holds /no/such/route"),
        "{}",
        none.stdout
    );

    // a slip of the finger
    let slip = tool
        .run(&["trace", "--pid", &pid, "-f", "(*Daemon).Contianers"])
        .expect("run")
        .expect(2);
    assert!(
        slip.stderr
            .contains("did you mean github.com/docker/docker/daemon.(*Daemon).Containers"),
        "{}",
        slip.stderr
    );
}

/// Whoever chooses names of files and functions does not steer the terminal of whoever reads about
/// them.
#[test]
fn names_do_not_reach_the_terminal_as_they_are() {
    let _turn = harness::turn();
    const NAME: &str = "\u{1b}[31mred\u{7}\u{202e}";
    let tool = Tool::find().expect("tool");
    let spin = harness::fixture_or_skip!("spin").display().to_string();
    for args in [
        &["show", NAME][..],
        &["compare", NAME],
        &["inspect", "binary", "--binary", NAME],
        &["inspect", "functions", NAME, "--binary", &spin],
        &["trace", "--socket", NAME],
        &["show", NAME, NAME],
        &[NAME],
    ] {
        let finished = tool.run(args).expect("run");
        assert_ne!(finished.code, Some(0), "{args:?}");
        let all = format!("{}{}", finished.stdout, finished.stderr);
        assert!(all.contains("red"), "{args:?}: {all:?}");
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!all.contains(steers), "{args:?}: {all:?}");
    }
}

/// What is open already runs unseen, which is said.
#[test]
fn streams_that_were_open_before() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let said = |open: usize| {
        let finished = tool
            .run(&["trace", "--pid", &pid, "--duration", "10ms"])
            .expect("run")
            .expect(1);
        let text = format!("{open} connections to its API were open before");
        assert_eq!(
            finished.stderr.contains("to its API"),
            open > 0,
            "{}",
            finished.stderr
        );
        assert_eq!(
            finished.stderr.contains(&text),
            open > 0,
            "{}",
            finished.stderr
        );
    };
    said(0);
    let streams: Vec<_> = (0..2)
        .map(|_| {
            use std::io::Write;
            let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).expect("API");
            stream
                .write_all(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
                .expect("asked");
            let mut head = [0u8; 12];
            stream.read_exact(&mut head).expect("answered");
            assert_eq!(&head, b"HTTP/1.1 200");
            stream
        })
        .collect();
    said(2);
    drop(streams);
}

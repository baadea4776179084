//! The ledger, its warnings, and what is in flight for long: what they say is what the clients
//! themselves saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{
    Answer, Assets, Daemon, Finished, Gate, Running, SUITES, Tool, request, stock_dockerd,
};
use rustix::process::Signal;

/// Containers on each daemon that were never started.
const CONTAINERS: usize = 7;
/// Rounds of polls until one is regular.
const MOST_ROUNDS: u32 = 30;
/// How often each daemon is asked for sizes; the interval is not the same everywhere, so that it is
/// not a constant of the tool.
const POLLS: u32 = 6;

fn daemon_of(assets: &Assets, suite: &str, containers: usize) -> Option<Daemon> {
    let dockerd = stock_dockerd(suite, "amd64")?;
    let daemon = Daemon::start_binary(assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", containers).expect("created");
    Some(daemon)
}

/// A session with a recording.
struct Session {
    running: Running,
    _dir: tempfile::TempDir,
    recording: PathBuf,
}

impl Session {
    fn start(daemon: &Daemon, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let recording = dir.path().join("session.mobytrace");
        let (socket, output) = (
            daemon.socket().display().to_string(),
            recording.display().to_string(),
        );
        let mut all = vec!["trace", "--socket", &socket, "-o", &output];
        all.extend(args);
        let mut running = Tool::find().expect("tool").start(&all).expect("started");
        running.wait_for("attached to dockerd").expect("attached");
        Self {
            running,
            _dir: dir,
            recording,
        }
    }

    /// What the session printed, and what the recording shows in a format: the same, if it is that
    /// of the session.
    fn end(self, format: &str, slow: &str) -> (Finished, String) {
        self.running.signal(Signal::INT);
        let live = self.running.wait().expect("ended").expect(0);
        let recording = self.recording.display().to_string();
        let shown = Tool::find()
            .expect("tool")
            .run(&["show", &recording, "--format", format, "--slow", slow])
            .expect("show")
            .expect(0);
        (live, shown.stdout)
    }
}

fn own_comm() -> String {
    let comm = std::fs::read_to_string("/proc/self/comm").expect("comm");
    comm.trim().to_owned()
}

/// Cells of the rows below an endpoint whose client begins with `client`.
fn cells(table: &str, endpoint: &str, client: &str) -> Vec<String> {
    let mut lines = table.lines().skip_while(|l| *l != endpoint).skip(1);
    let row = lines
        .by_ref()
        .take_while(|l| l.starts_with("  "))
        .find(|l| l.trim_start().starts_with(client))
        .unwrap_or_else(|| panic!("no row of {client} below {endpoint}:\n{table}"));
    // a name that does not fit has a row of its own
    let cells = |row: &str| -> Vec<String> {
        let row = row.replace(" %", "%").replace(" ms", "ms");
        let row = row.replace(" µs", "µs").replace(" s ", "s ");
        let words = row.split_ascii_whitespace().rev().take(7);
        let mut cells: Vec<String> = words.map(str::to_owned).collect();
        cells.reverse();
        cells
    };
    let figures = |row: &str| {
        row.trim_start()
            .starts_with(|c: char| c.is_ascii_digit() || c == '–')
    };
    match lines.next() {
        Some(next) if figures(next) => cells(next),
        _ => cells(row),
    }
}

#[test]
fn on_every_daemon() {
    let assets = harness::assets_or_skip!();
    for (n, suite) in (0u64..).zip(SUITES) {
        let Some(daemon) = daemon_of(&assets, suite, CONTAINERS) else {
            continue;
        };
        the_table_adds_up_what_the_client_saw(suite, &daemon);
        let interval = Duration::from_millis(if n == 1 { 1000 } else { 300 + 50 * n });
        a_poll_for_sizes_is_named(suite, &daemon, interval);
        a_request_in_flight_says_what_its_goroutine_waits_for(suite, &daemon);
    }
}

/// Counts, failures and containers of the table are those that the client counted itself; time in
/// layers only where sizes were asked for.
fn the_table_adds_up_what_the_client_saw(suite: &str, daemon: &Daemon) {
    let session = Session::start(daemon, &["--format", "table"]);
    let mut truth: BTreeMap<&str, (u64, u64, Vec<usize>)> = BTreeMap::new();
    let mut ask = |endpoint: &'static str, path: &str| {
        let answer: Answer = daemon.get(path).expect("answer");
        let entry = truth.entry(endpoint).or_default();
        entry.0 += 1;
        entry.1 += u64::from(answer.status >= 400);
        let listed = if endpoint == "GET /system/df" {
            answer.json().expect("JSON")["Containers"]
                .as_array()
                .map(Vec::len)
        } else {
            answer.json().ok().and_then(|j| j.as_array().map(Vec::len))
        };
        entry.2.extend(listed);
    };
    for n in 0..12 {
        ask("GET /containers/json", "/v1.41/containers/json?all=1");
        if n % 3 == 0 {
            ask("GET /containers/json", "/containers/json");
            ask(
                "GET /containers/json",
                "/v1.41/containers/json?filters=nonsense",
            );
        }
        if n % 4 == 0 {
            ask("GET /containers/{id}/json", "/v1.41/containers/c1/json");
            ask("GET /containers/{id}/json", "/v1.41/containers/nobody/json");
        }
    }
    for _ in 0..3 {
        ask("GET /system/df", "/v1.41/system/df");
    }
    ask("GET /images/json", "/images/json");
    daemon.wait_until_served(&BTreeSet::new());
    let (live, shown) = session.end("table", "10s");
    assert_eq!(live.stdout, shown, "{suite}");
    assert!(shown.lines().all(|l| l.chars().count() <= 80), "{shown}");
    let client = format!("{}, pid {}", own_comm(), std::process::id());
    for (endpoint, (calls, errors, listed)) in &truth {
        let cells = cells(&shown, endpoint, &client);
        assert_eq!(cells[0], calls.to_string(), "{suite} {endpoint}:\n{shown}");
        assert_eq!(
            cells[1], "–",
            "{suite} {endpoint}: nothing is open\n{shown}"
        );
        let expected = match errors {
            0 => "–".to_owned(),
            n => n.to_string(),
        };
        assert_eq!(cells[2], expected, "{suite} {endpoint}:\n{shown}");
        let expected = match (listed.iter().min(), listed.iter().max()) {
            _ if !["GET /containers/json", "GET /system/df"].contains(endpoint) => "–".into(),
            (Some(least), Some(most)) if least != most => format!("{least}-{most}"),
            (Some(least), _) => least.to_string(),
            _ => unreachable!("every list was counted"),
        };
        assert_eq!(cells[5], expected, "{suite} {endpoint}:\n{shown}");
        if *endpoint == "GET /system/df" {
            assert!(cells[6].ends_with('%'), "{suite} {endpoint}:\n{shown}");
        } else {
            assert_eq!(cells[6], "–", "{suite} {endpoint}:\n{shown}");
        }
    }
    // no rhythm in what was asked here, and nothing slow
    assert!(!shown.contains("polled every"), "{suite}:\n{shown}");
    println!("{suite}:\n{shown}");
}

/// When each of some polls was sent, and when its answer was there.
fn polled(daemon: &Daemon, interval: Duration) -> Vec<(Duration, Duration)> {
    let start = Instant::now();
    (0..POLLS)
        .map(|n| {
            std::thread::sleep((interval * n).saturating_sub(start.elapsed()));
            let sent = start.elapsed();
            let answer = daemon.get("/v1.41/containers/json?all=1&size=1");
            assert_eq!(answer.expect("answer").status, 200);
            (sent, start.elapsed())
        })
        .collect()
}

/// Least and most that each interval between two handlers' starts can have been, seconds.
fn between(polls: &[(Duration, Duration)]) -> Vec<(f64, f64)> {
    let bounds = |w: &[(Duration, Duration)]| {
        let (least, most) = (w[1].0.saturating_sub(w[0].1), w[1].1 - w[0].0);
        (least.as_secs_f64(), most.as_secs_f64())
    };
    polls.windows(2).map(bounds).collect()
}

/// A request for sizes every second is named with its sender, its interval, and its share of the
/// time. A machine that is busy elsewhere polls at no interval at all: then it is done again.
fn a_poll_for_sizes_is_named(suite: &str, daemon: &Daemon, interval: Duration) {
    for _ in 0..MOST_ROUNDS {
        let session = Session::start(daemon, &[]);
        let between = between(&polled(daemon, interval));
        daemon.wait_until_served(&BTreeSet::new());
        let (live, shown) = session.end("tree", "10s");
        assert_eq!(live.stdout, shown, "{suite}");
        let usual = interval.as_secs_f64();
        let regular = |(least, most): &(f64, f64)| *least > usual * 0.7 && *most < usual * 1.3;
        if between.iter().all(regular) {
            return named_as_a_poll(suite, &shown, &between);
        }
    }
    panic!("{suite}: {MOST_ROUNDS} rounds, and no regular one");
}

fn named_as_a_poll(suite: &str, shown: &str, between: &[(f64, f64)]) {
    let (_, rest) = shown
        .split_once("warning: \"size=1\" polled every ")
        .unwrap_or_else(|| panic!("{suite}: no warning:\n{shown}"));
    let rest = rest.replace("\n  ", " ");
    let (said, rest) = rest.split_once(" s by ").expect("interval");
    let said: f64 = said.parse().expect("seconds");
    let least = between.iter().map(|b| b.0).fold(f64::MAX, f64::min);
    let most = between.iter().map(|b| b.1).fold(0.0, f64::max);
    // rounded to a tenth
    assert!(
        said >= least - 0.05 && said <= most + 0.05,
        "{suite}: {said} of {between:?}"
    );
    let sender = format!("pid {} ({}): ", std::process::id(), own_comm());
    let share = rest
        .strip_prefix(&sender)
        .unwrap_or_else(|| panic!("{suite}: {rest}"));
    assert!(share.starts_with("100 % of list time"), "{suite}: {share}");
}

/// Three disk-usage requests at once on a daemon that runs one for all: while it runs, and when it
/// is over.
#[test]
fn requests_that_wait_for_one_run_are_counted() {
    let assets = harness::assets_or_skip!();
    let suite = "trixie";
    let Some(daemon) = daemon_of(&assets, suite, 2) else {
        return;
    };
    let layer = daemon.layer("c1").expect("layer");
    for interrupted in [true, false] {
        let mut session = Session::start(&daemon, &["--slow", "100ms"]);
        let shown = std::thread::scope(|scope| {
            let gate = Gate::close(&layer).expect("gate");
            let clients: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| daemon.get("/v1.44/system/df").expect("answer").status))
                .collect();
            daemon
                .wait_for_goroutines(3, &[".containerDiskUsage(", "singleflight"])
                .expect("they meet");
            for id in 1..=3 {
                let slow = format!("slow: #{id} GET /v1.44/system/df");
                session.running.wait_for(&slow).expect("in flight");
            }
            if interrupted {
                return session.end("tree", "100ms");
            }
            drop(gate);
            for client in clients {
                assert_eq!(client.join().expect("client"), 200);
            }
            daemon.wait_until_served(&BTreeSet::new());
            session.end("tree", "100ms")
        });
        let (live, shown) = shown;
        assert_eq!(live.stdout, shown, "{suite}");
        let expected = if interrupted {
            "warning: 2 requests wait for one disk-usage run (#"
        } else {
            "warning: 2 requests waited for one disk-usage run (#"
        };
        let found = shown.lines().find(|l| l.starts_with(expected));
        let found =
            found.unwrap_or_else(|| panic!("{suite}: no {expected}:\n{shown}\n{}", live.stderr));
        println!("{suite}: {found}");
    }
}

/// What the daemon's own stack dump says of the goroutine with `function` on its stack: `chan
/// receive`.
fn dumped(daemon: &Daemon, function: &str) -> String {
    let stacks = daemon.stacks().expect("stacks");
    let goroutine = stacks.split("\n\n").find(|g| g.contains(function));
    let state = goroutine.and_then(|g| g.split_once('[')?.1.split([']', ',']).next());
    state
        .unwrap_or_else(|| panic!("{function} is on no stack:\n{stacks}"))
        .to_owned()
}

/// A client that waits for a container: what its goroutine waits for is what the daemon's own stack
/// dump says.
fn a_request_in_flight_says_what_its_goroutine_waits_for(suite: &str, daemon: &Daemon) {
    let id = daemon.run_container("long").expect("started");
    let mut session = Session::start(daemon, &["-p", "list", "-p", "http", "--slow", "400ms"]);
    std::thread::scope(|scope| {
        let path = format!("/v1.41/containers/{id}/wait");
        let socket = daemon.socket();
        let waiting = path.clone();
        let client = scope.spawn(move || request(&socket, "POST", &waiting, &[], &[]));
        let slow = format!("POST {path}, in postContainersWait, in flight for ");
        session.running.wait_for(&slow).expect("in flight");
        let said = dumped(daemon, ".postContainersWait(");
        let (live, shown) = session.end("tree", "400ms");
        // open requests are told while the session goes on, too
        let last = live.stdout.rsplit_once("#1 POST ").expect("shown").1;
        assert!(shown.ends_with(last), "{suite}: {last}:\n{shown}");
        let rows = shown.replace('\n', " ");
        let rows: Vec<&str> = rows.split_ascii_whitespace().collect();
        let rows = rows.join(" ");
        let expected = format!(": waits: {said}]");
        assert!(rows.contains(&expected), "{suite}: {said}:\n{shown}");
        let notice = live.stderr.lines().find(|l| l.contains(&slow));
        assert!(
            notice.is_some_and(|l| l.ends_with(&format!(": waits: {said}"))),
            "{suite}: {said}: {notice:?}"
        );
        println!("{suite}: {}", notice.unwrap_or_default());
        // the container's end is the client's
        let kill = format!("/v1.41/containers/{id}/kill");
        let killed = daemon
            .post(&kill, &serde_json::Value::Null)
            .expect("answer");
        assert_eq!(killed.status, 204, "{suite}");
        assert_eq!(client.join().expect("client").expect("answer").status, 200);
    });
}

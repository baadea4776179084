//! `compare`: passive, from a recording, ambiguous, and its conclusions.

use harness::{Daemon, Tool};

#[test]
fn passive_ambiguous_and_from_a_recording() {
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 5).expect("created");
    let up = daemon.run_container("up").expect("running");
    let socket = daemon.socket().display().to_string();
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("recording").display().to_string();

    // passive: whoever asks, in whatever order
    let mut running = tool
        .start(&["compare", "--socket", &socket, "-o", &file])
        .expect("started");
    running
        .wait_for("run your two commands now")
        .expect("waiting");
    daemon
        .get_as("/v1.41/containers/json", "someone")
        .expect("answer");
    running
        .wait_for("seen: GET /v1.41/containers/json")
        .expect("first");
    daemon
        .get_as("/v1.41/system/df", "someone-else")
        .expect("answer");
    let finished = running.wait().expect("ended").expect(0);
    for said in [
        "path A",
        "≠ All         false (default)                           true (hard-coded by SystemDiskUsage)",
        "≠ Size        false (default)                           true (hard-coded by SystemDiskUsage)",
        "  Limit       0 (default)                               0 (default)",
        "≠ returned    1 container                               6 containers",
        "First difference: Size is false (default) for path A, true (hard-coded by SystemDiskUsage) for\npath B.",
        "the paths part inside dockerd: it returned 1 container for path A, 6 containers for\npath B, and they asked with different options",
        "Only in path B: 5 (c1 ",
    ] {
        assert!(
            finished.stdout.contains(said),
            "{said:?} in {}",
            finished.stdout
        );
    }

    // the recording says the same
    let again = tool.run(&["compare", &file]).expect("run").expect(0);
    assert_eq!(again.stdout, finished.stdout);
    let by_number = tool
        .run(&["compare", &file, "2", "1"])
        .expect("run")
        .expect(0);
    assert!(
        by_number.stdout.contains("Only in path A: 5"),
        "{}",
        by_number.stdout
    );
    let unknown = tool
        .run(&["compare", &file, "1", "7"])
        .expect("run")
        .expect(2);
    assert!(
        unknown.stderr.contains("has no request 7"),
        "{}",
        unknown.stderr
    );

    // equal on both paths: the difference is elsewhere
    let same = tool
        .run(&[
            "compare",
            "--socket",
            &socket,
            "--get",
            "/containers/json?all=1",
            "--get",
            "/system/df",
        ])
        .expect("run")
        .expect(0);
    assert!(
        same.stdout
            .contains("the daemon returned the same 6 containers on both paths"),
        "{}",
        same.stdout
    );
    assert!(same.stdout.contains("outside dockerd"), "{}", same.stdout);

    // only some routes
    let mut running = tool
        .start(&["compare", "--socket", &socket, "--for", "/containers/json"])
        .expect("started");
    running
        .wait_for("run your two commands now")
        .expect("waiting");
    daemon.get("/v1.41/system/df").expect("answer");
    daemon.get("/v1.41/containers/json").expect("answer");
    daemon.get("/v1.41/containers/json?all=1").expect("answer");
    let finished = running.wait().expect("ended").expect(0);
    assert!(
        !finished.stdout.contains("system/df"),
        "{}",
        finished.stdout
    );

    // two requests of one command: none is picked
    let docker = assets.docker_cli().display().to_string();
    let two = format!("{docker} ps; {docker} ps -a");
    let one = format!("{docker} system df");
    let finished = tool
        .run(&["compare", "--socket", &socket, "--cmd", &two, "--cmd", &one])
        .expect("run")
        .expect(1);
    assert!(
        finished.stdout.contains("2 requests can be meant by"),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stdout.contains("GET /v1.41/containers/json?all=1"),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stdout.contains("No conclusion"),
        "{}",
        finished.stdout
    );

    // a command that asks for nothing
    let finished = tool
        .run(&[
            "compare", "--socket", &socket, "--cmd", "true", "--cmd", &one,
        ])
        .expect("run")
        .expect(1);
    assert!(
        finished
            .stdout
            .contains("No request with list calls was seen for true"),
        "{}",
        finished.stdout
    );
    assert!(daemon.get(&format!("/containers/{up}/json")).is_ok());
}

/// The shell loops over `docker` commands until its standard input closes, which it does when this is dropped or the test dies.
struct Noise(std::process::Child);

impl Noise {
    fn of(daemon: &Daemon, command: &str) -> Self {
        let script = format!(
            "exec 3<&0; (while :; do {command} </dev/null >/dev/null 2>&1; done) & loop=$!; \
             cat <&3 >/dev/null; kill $loop; wait $loop"
        );
        let child = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("DOCKER_HOST", daemon.host())
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("a shell");
        Self(child)
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The same command from other processes, over and over: only the client's process tells them from ours.
#[test]
fn commands_are_told_from_identical_ones_of_others() {
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("n", 3).expect("created");
    let socket = daemon.socket().display().to_string();
    let docker = assets.docker_cli().display().to_string();
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("recording").display().to_string();
    // long enough for the others to ask many times in the window of each command; in a process of its own under the shell
    let all = format!("sleep 1; {docker} ps -a; sleep 1");
    let running = format!("sleep 1; {docker} ps; sleep 1");
    let noise = Noise::of(&daemon, &format!("{docker} ps -a"));
    let finished = tool
        .run(&[
            "compare", "--socket", &socket, "-o", &file, "--cmd", &running, "--cmd", &all,
        ])
        .expect("run")
        .expect(0);
    drop(noise);
    for said in [
        "≠ All         false",
        "Only in sleep 1; ",
        "the paths part inside dockerd",
    ] {
        assert!(
            finished.stdout.contains(said),
            "{said:?} in {}",
            finished.stdout
        );
    }
    // the others did ask meanwhile, with the same User-Agent and route
    let shown = tool
        .run(&["show", "--format", "jsonl", &file])
        .expect("run")
        .expect(0);
    let asked = harness::json_lines(&shown.stdout)
        .expect("JSON lines")
        .iter()
        .filter(|e| e["type"] == "request" && e["query"] == "all=1")
        .count();
    assert!(asked > 5, "{asked} requests of {docker} ps -a");
}

#[test]
fn events_keep_to_their_schema() {
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    let socket = daemon.socket().display().to_string();
    let docker = assets.docker_cli().display().to_string();
    let finished = tool
        .run(&[
            "trace",
            "--socket",
            &socket,
            "--format",
            "jsonl",
            "--cmd",
            &format!("{docker} ps"),
        ])
        .expect("run")
        .expect(0);
    let events = harness::json_lines(&finished.stdout).expect("JSON lines");
    let seen = harness::types_by_schema(&events);
    assert_eq!(seen.len(), 4, "{seen:?}");
}

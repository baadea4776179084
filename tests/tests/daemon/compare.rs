//! `compare`: passive, from a recording, ambiguous, and its conclusions.

use harness::{Assets, Daemon, Tool, stock_dockerd};
use serde_json::{Value, json};

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
        "≠ All           false (default)                          true (hard-coded by SystemDiskUsage)",
        "≠ Size          false (default)                          true (hard-coded by SystemDiskUsage)",
        "  Limit         0 (default)                              0 (default)",
        "≠ returned      1 container                              6 containers",
        "the paths part inside dockerd: it returned 1 container for path A, 6 containers for\npath B.",
        "Only in path B: 5 (c1 ",
        "All explains which containers are listed: All is false (default) for path A, true (hard-coded by\nSystemDiskUsage) for path B.",
        "Size explains ",
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

    // the same ones on both paths
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
            .contains("the daemon returned the same 6 containers (by ID) on both paths"),
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

/// The shell loops over `docker` commands until its standard input closes, which it does when this
/// is dropped or the test dies.
struct Noise(std::process::Child);

impl Noise {
    fn of(daemon: &Daemon, command: &str) -> Self {
        let script = format!(
            "exec 3<&0; (while :; do ({command}) </dev/null >/dev/null 2>&1; done) & loop=$!; \
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

/// The same command from other processes, over and over: only the client's process tells them from
/// ours.
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
    // in a process of its own under the shell
    let asked = dir.path().join("asked");
    std::fs::write(&asked, "").expect("file");
    let asked = asked.display();
    // until the others have asked three times more
    let wait = format!(
        "n=$(wc -c <{asked}); until [ $(wc -c <{asked}) -ge $((n + 3)) ]; do sleep 0.05; done"
    );
    let all = format!("{wait}; {docker} ps -a; {wait}");
    let running = format!("{wait}; {docker} ps; {wait}");
    let noise = Noise::of(&daemon, &format!("{docker} ps -a && printf x >>{asked}"));
    let finished = tool
        .run(&[
            "compare", "--socket", &socket, "-o", &file, "--cmd", &running, "--cmd", &all,
        ])
        .expect("run")
        .expect(0);
    drop(noise);
    for said in [
        "≠ All           false",
        "Only in n=$(wc -c ",
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
    assert!(asked > 10, "{asked} requests of {docker} ps -a");
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
    harness::keeps_to_its_schema(&events);
}

/// A daemon of that suite with some containers; `None`: the mirror no longer carries it.
fn daemon_of(assets: &Assets, suite: &str, containers: usize) -> Option<Daemon> {
    let dockerd = stock_dockerd(suite, "amd64")?;
    let daemon = Daemon::start_binary(assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", containers).expect("created");
    Some(daemon)
}

fn each_daemon(work: impl Fn(&str, &Daemon)) {
    let assets = harness::assets_or_skip!();
    for suite in harness::SUITES {
        if let Some(daemon) = daemon_of(&assets, suite, 3) {
            work(suite, &daemon);
        }
    }
}

/// What `compare` says of GETs, as words.
fn said_of(daemon: &Daemon, paths: &[&str]) -> String {
    ended_with(0, daemon, paths)
}

/// The same, where it ends with another status.
fn ended_with(status: i32, daemon: &Daemon, paths: &[&str]) -> String {
    let socket = daemon.socket().display().to_string();
    let mut args = vec!["compare", "--socket", &socket];
    for path in paths {
        args.extend(["--get", path]);
    }
    let tool = Tool::find().expect("tool");
    harness::words(&tool.run(&args).expect("run").expect(status).stdout)
}

#[track_caller]
fn says(suite: &str, text: &str, expected: &[&str], never: &[&str]) {
    for said in expected {
        assert!(text.contains(said), "{suite}: {said:?} in {text}");
    }
    for said in never {
        assert!(!text.contains(said), "{suite}: {said:?} in {text}");
    }
}

fn answer(daemon: &Daemon, path: &str) -> Value {
    let answer = daemon.get(path).expect("answer");
    assert_eq!(answer.status, 200, "{path}");
    answer.json().expect("JSON")
}

/// The same containers, of which the API answers other sizes.
#[test]
fn other_sizes_are_not_called_the_same() {
    each_daemon(|suite, daemon| {
        let with_sizes = answer(daemon, "/containers/json?all=1&size=1");
        let listed = with_sizes.as_array().expect("list");
        assert_eq!(listed.len(), 3);
        let of = |field: &str| -> Vec<i64> {
            listed
                .iter()
                .map(|c| c[field].as_i64().unwrap_or(0))
                .collect()
        };
        let (root, written) = (of("SizeRootFs"), of("SizeRw"));
        assert!(root.iter().all(|n| *n > 0), "{suite}: {with_sizes}");
        let text = said_of(
            daemon,
            &["/containers/json?all=1", "/containers/json?all=1&size=1"],
        );
        says(
            suite,
            &text,
            &[
                "the same 3 containers (by ID) on both paths, with the same Names, Created, ",
                "SizeRootFs differs in 3 of 3: ",
                &format!(
                    ": 0 for GET /containers/json?all=1, {} for GET /containers/json?all=1&size=1; 2 more.",
                    root[0]
                ),
                "explains S",
                "SizeRootFs: Size is false (default) for GET /containers/json?all=1, true (query size=1) for",
                "If a client shows a difference in containers, Names, Created, ",
                "Not compared: Image, ImageID, ",
            ],
            &[
                "although the options differ",
                "Not explained",
                "difference in SizeRootFs",
            ],
        );
        let changed = written.iter().filter(|n| **n != 0).count();
        assert_eq!(
            text.contains("SizeRw differs in "),
            changed > 0,
            "{suite}: {written:?}: {text}"
        );
    });
}

/// A request that is refused reaches no traced function. It is a column all the same, with the
/// API's status.
#[test]
fn a_refused_request_is_a_column() {
    each_daemon(|suite, daemon| {
        let (fine, refused) = ("/containers/json", "/containers/json?filters=broken");
        let status = daemon.get(refused).expect("answer").status;
        assert!(status >= 400, "{suite}: {status}");
        // nothing is concluded from it
        let text = ended_with(1, daemon, &[fine, refused]);
        says(
            suite,
            &text,
            &[&format!("status 200 {status}"), "request took "],
            &["No request with list calls", "the same"],
        );
    });
}

/// `docker images` and `docker system df` ask for the same images, and are told more and less of
/// them.
#[test]
fn images_are_compared_by_what_is_said_of_them() {
    each_daemon(|suite, daemon| {
        let usage = answer(daemon, "/v1.41/system/df");
        let image = &usage["Images"][0];
        let shared = image["SharedSize"].as_i64().expect("size");
        let containers = image["Containers"].as_i64().expect("count");
        assert_eq!(containers, 3, "{suite}: {image}");
        assert!(shared >= 0, "{suite}: {image}");
        let text = said_of(daemon, &["/v1.41/images/json", "/v1.41/system/df"]);
        says(
            suite,
            &text,
            &[
                "the same 1 image (by ID) on both paths, with the same ",
                "SharedSize differs in 1 of 1: busybox:1 ",
                &format!(": -1 for GET /v1.41/images/json, {shared} for GET /v1.41/system/df."),
                " explains ",
            ],
            &[
                "although the options differ",
                "Not explained",
                "in images, Containers",
            ],
        );
        // 28 counts them after `Images` returned
        if suite == "sid" {
            says(
                suite,
                &text,
                &["The daemon itself may change Containers, RepoTags"],
                &[],
            );
        } else {
            let count = "Containers differs in 1 of 1: busybox:1 ";
            let values = ": -1 for GET /v1.41/images/json, 3 for GET /v1.41/system/df.";
            says(suite, &text, &[count, values], &[]);
        }
    });
}

/// 1 against 4: `All` is what makes the difference, `Size` is not.
#[test]
fn the_option_that_explains_is_named() {
    each_daemon(|suite, daemon| {
        daemon.run_container("up").expect("running");
        let text = said_of(daemon, &["/containers/json", "/system/df"]);
        says(
            suite,
            &text,
            &[
                "returned 1 container for GET /containers/json, 4 containers for GET /system/df.",
                "Only in GET /system/df: 3 (c1 ",
                "All explains which containers are listed: All is false (default) for GET /containers/json, true (hard-coded by ",
            ],
            &["Size explains which", "outside dockerd"],
        );
    });
}

/// An ancestor without its tag finds nothing: the filter is what differs.
#[test]
fn an_ancestor_without_its_tag() {
    let assets = harness::assets_or_skip!();
    let Some(daemon) = daemon_of(&assets, "sid", 1) else {
        return;
    };
    let tagged = daemon
        .cli(&["tag", "busybox:1", "shop:1.0"])
        .expect("docker");
    assert!(tagged.status.success());
    let create =
        json!({"Image": "shop:1.0", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}});
    let created = daemon
        .post("/v1.41/containers/create?name=till", &create)
        .expect("answer");
    assert_eq!(created.status, 201);
    let without = "/containers/json?all=1&filters=%7B%22ancestor%22%3A%5B%22shop%22%5D%7D";
    let with = "/containers/json?all=1&filters=%7B%22ancestor%22%3A%5B%22shop%3A1.0%22%5D%7D";
    let truth = answer(&daemon, with).as_array().expect("list").len();
    assert_eq!(answer(&daemon, without), json!([]));
    let text = said_of(&daemon, &[without, with]);
    says(
        "sid",
        &text,
        &[
            "{ancestor: {shop}} (query filters)",
            "{ancestor: {shop:1.0}} (query filters)",
            &format!("Only in GET {with}: {truth} ("),
            "Filters explains which containers are listed",
            "error none none",
        ],
        &["outside dockerd"],
    );
}

/// Two prunes: the same filter reaches both, and what was deleted is named.
#[test]
fn prunes_say_what_they_deleted() {
    let assets = harness::assets_or_skip!();
    let Some(daemon) = daemon_of(&assets, "bookworm", 0) else {
        return;
    };
    let tool = Tool::find().expect("tool");
    let socket = daemon.socket().display().to_string();
    let docker = assets.docker_cli().display().to_string();
    let prune = format!("{docker} image prune -a -f --filter label!=keep");
    let before = answer(&daemon, "/images/json");
    let id = before[0]["Id"].as_str().expect("ID").to_owned();
    let finished = tool
        .run(&[
            "compare", "--socket", &socket, "--cmd", &prune, "--cmd", &prune,
        ])
        .expect("run")
        .expect(0);
    assert_eq!(answer(&daemon, "/images/json"), json!([]));
    let text = harness::words(&finished.stdout);
    let only = text.split("in ImagesDeleted: ").nth(1).expect("deleted");
    assert!(only.contains("untagged busybox:1"), "{text}");
    assert!(only.contains(&format!("deleted {id}")), "{text}");
    says(
        "bookworm",
        &text,
        &[
            "\"label!\": {keep}",
            "it returned 3 in ImagesDeleted for ",
            ", 0 in ImagesDeleted for ",
            "Not explained: what is in ImagesDeleted and SpaceReclaimed (what one call removes, the next does not find).",
            "Options: the same on every path.",
        ],
        &["explains", "outside dockerd"],
    );
}

/// Of some disk-usage requests at once one runs, the others are refused: compared by the function
/// that both reached.
#[test]
fn refused_disk_usage_is_compared() {
    let assets = harness::assets_or_skip!();
    for suite in ["bullseye", "bookworm"] {
        let Some(daemon) = daemon_of(&assets, suite, 30) else {
            continue;
        };
        let tool = Tool::find().expect("tool");
        let socket = daemon.socket().display().to_string();
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("recording").display().to_string();
        let mut session = tool
            .start(&[
                "trace", "--socket", &socket, "-o", &file, "--format", "jsonl",
            ])
            .expect("started");
        session.wait_for("attached to dockerd").expect("attached");
        // as often as it takes for two to meet
        let (mut served, mut refused) = (None, None);
        for round in 0.. {
            std::thread::scope(|scope| {
                let asked: Vec<_> = (0..4)
                    .map(|n| {
                        let (daemon, agent) = (&daemon, format!("t-{round}-{n}"));
                        scope.spawn(move || {
                            let answer = daemon.get_as("/v1.41/system/df", &agent);
                            (agent, answer.expect("answer"))
                        })
                    })
                    .collect();
                for one in asked {
                    let (agent, answer) = one.join().expect("asked");
                    if answer.status == 200 {
                        served = Some(agent);
                    } else {
                        let body = String::from_utf8_lossy(&answer.body).into_owned();
                        refused = Some((agent, answer.status, body));
                    }
                }
            });
            if refused.is_some() {
                break;
            }
        }
        let (agent, status, body) = refused.expect("refused");
        assert!(
            body.contains("a disk usage operation is already running"),
            "{body}"
        );
        let served = served.expect("served");
        let last = agent.clone();
        session
            .wait_for_output(move |output| {
                [&last, &served]
                    .iter()
                    .all(|a| output.contains(&format!("\"user_agent\":\"{a}\"")))
            })
            .expect("both");
        session.signal(rustix::process::Signal::INT);
        let output = session.wait().expect("ended").expect(0).stdout;
        let events = harness::json_lines(&output).expect("JSON lines");
        let id = |wanted: &dyn Fn(&Value) -> bool| {
            let found = events.iter().find(|e| e["type"] == "request" && wanted(e));
            found.expect("a request")["id"].to_string()
        };
        let runs = id(&|e| e["status"] == 200);
        let fails = id(&|e| e["user_agent"] == agent.as_str());
        let finished = tool
            .run(&["compare", &file, &runs, &fails])
            .expect("run")
            .expect(0);
        let text = harness::words(&finished.stdout);
        says(
            suite,
            &text,
            &[
                &format!("≠ status 200 {status}"),
                "function SystemDiskUsage SystemDiskUsage",
                "a disk usage operation is already running",
                &format!(
                    "The daemon answered with other statuses: 200 for path A, {status} for path B."
                ),
                "the paths part inside dockerd: path B fails with ",
            ],
            &["no traced function in common"],
        );
    }
}

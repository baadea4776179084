//! mobytrace in a container made from scratch, as in Docker Desktop's virtual machine: the daemon
//! is outside of its mount namespace, and the comparison is the host's.

use std::process::Command;

use harness::{Daemon, Finished, Running, Tool, request, target_dir, workspace_root};

/// What the documentation says to run, before the arguments of `mobytrace`.
const DOCUMENTED: &str = "docker run --rm --privileged --pid=host mobytrace ";

/// A documented command line, on the traced daemon itself: it has no network, and other tests'
/// daemons run beside it.
fn in_container(daemon: &Daemon, options: &str, args: &str) -> Running {
    let more = format!("--network=none {options} mobytrace {args}");
    shell(daemon, &DOCUMENTED.replace("mobytrace ", &more))
}

fn shell(daemon: &Daemon, line: &str) -> Running {
    let assets = harness::Assets::find().expect("assets");
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("PATH", assets.path_variable().expect("PATH"))
        .env("DOCKER_HOST", daemon.host())
        .env("HOME", target_dir());
    Running::start(command).expect("sh")
}

/// Arguments that README.md gives to `mobytrace` in a container: passive, and with GETs.
fn documented() -> (String, String) {
    let text = std::fs::read_to_string(workspace_root().join("README.md")).expect("README");
    let mut lines = text.lines().filter_map(|l| l.strip_prefix(DOCUMENTED));
    let mut next = || lines.next().expect("two commands").to_owned();
    (next(), next())
}

/// A comparison without what differs from run to run: durations, and the User-Agent of our own
/// requests.
fn without_times(text: &str) -> String {
    let varies = |line: &str| {
        ["  call took ", "  request took ", "  client "]
            .iter()
            .any(|name| line.starts_with(name))
    };
    // how often goroutines were born beside the requests is chance; that nothing was lost is not
    let hits = |line: &str| match line.strip_prefix("note: complete: ") {
        Some(rest) => format!(
            "note: complete: {}",
            rest.trim_start_matches(|c: char| c.is_ascii_digit())
        ),
        None => line.trim_end().to_owned(),
    };
    let rest: String = text
        .lines()
        .filter(|line| !varies(line))
        .map(|line| format!("{}\n", hits(line)))
        .collect();
    // the container that mobytrace runs in has a name of chance, which may be the first to be named
    let (table, conclusion) = rest.split_once("Conclusion").expect("a conclusion");
    let conclusion = harness::words(conclusion);
    let (before, named) = conclusion
        .split_once(" of 6: ")
        .expect("objects that differ");
    let (_, after) = named.split_once("; 5 more.").expect("five more");
    format!("{table}Conclusion{before} of 6: one and 5 more.{after}")
}

#[test]
fn the_comparison_from_a_container_is_the_hosts() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let image = target_dir().join("image/mobytrace.tar");
    if !image.exists() {
        assert!(!harness::is_strict(), "this test needs {}", image.display());
        eprintln!(
            "SKIPPED container: needs {} (cargo xtask image --quick)",
            image.display()
        );
        return;
    }
    // older ones give a privileged container capabilities that this machine may not have itself
    let Some(dockerd) = harness::stock_dockerd("trixie", "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    let found = mobytrace::target::candidates();
    let here: Vec<_> = found.iter().filter(|c| c.pid == daemon.pid()).collect();
    assert!(
        matches!(here.as_slice(), [one] if !one.apart),
        "{found:?} has not just the daemon {}",
        daemon.pid()
    );
    daemon.import_image().expect("image");
    daemon.create_containers("c", 5).expect("created");
    let archive = std::fs::read(&image).expect("archive");
    let loaded = request(&daemon.socket(), "POST", "/images/load", &[], &archive).expect("loaded");
    let said = String::from_utf8_lossy(&loaded.body);
    assert_eq!(loaded.status, 200, "{said}");

    // on the host, with as many containers as there are when mobytrace itself runs in one
    let stand_in = daemon.run_container("stand-in").expect("running");
    let pid = daemon.pid();
    let (passive, active) = documented();
    let active = format!("{active} --pid {pid}");
    let tool = Tool::find().expect("tool");
    let host = shell(&daemon, &format!("{} {active}", tool.path().display()));
    let host = host.wait().expect("ended").expect(0);
    let expected = without_times(&host.stdout);
    assert!(
        expected.contains("returned the same 6 containers (by ID) on both paths"),
        "{expected}"
    );
    let path = format!("/containers/{stand_in}?force=1");
    let gone = request(&daemon.socket(), "DELETE", &path, &[], &[]).expect("answer");
    assert_eq!(gone.status, 204);

    let same = |finished: Finished, how: &str| {
        let said = &finished.stderr;
        assert_eq!(without_times(&finished.stdout), expected, "{how}: {said}");
        assert!(
            said.contains("the bytes at every site equal the file's"),
            "{how}: {said}"
        );
    };
    // requests through the daemon's own root
    let inside = in_container(&daemon, "", &active);
    same(
        inside.wait().expect("ended").expect(0),
        "through /proc/PID/root",
    );

    // a mounted socket, and the daemon found by it
    let mount = format!("-v {}:/var/run/docker.sock", daemon.socket().display());
    let by_socket = active.replace(&format!("--pid {pid}"), "--socket /var/run/docker.sock");
    let inside = in_container(&daemon, &mount, &by_socket);
    same(
        inside.wait().expect("ended").expect(0),
        "by a mounted socket",
    );

    // passive: whoever asks
    let mut inside = in_container(&daemon, "", &format!("{passive} --pid {pid}"));
    inside
        .wait_for("run your two commands now")
        .expect("waiting");
    daemon.get("/containers/json?all=1").expect("answer");
    inside
        .wait_for("seen: GET /containers/json")
        .expect("first");
    daemon.get("/system/df").expect("answer");
    let seen = inside.wait().expect("ended").expect(0);
    // the columns have no names of their own, and other widths
    let unnamed = |text: &str| -> String {
        let named = text.replace("path A", "GET /containers/json?all=1");
        harness::words(&named.replace("path B", "GET /system/df"))
    };
    assert_eq!(unnamed(&without_times(&seen.stdout)), unnamed(&expected));

    // what cannot work there says so, and what to do
    let commands = format!("compare --pid {pid} --cmd 'docker ps' --cmd 'docker ps -a'");
    let refused = in_container(&daemon, "", &commands);
    let said = refused.wait().expect("ended").expect(2).stderr;
    assert!(said.contains("hint: --cmd needs a shell"), "{said}");
    let contained = "docker run --rm --privileged --network=none mobytrace compare";
    let refused = shell(&daemon, contained);
    let said = refused.wait().expect("ended").expect(2).stderr;
    assert!(
        said.contains("hint: run the container with `--privileged --pid=host`"),
        "{said}"
    );
    assert_eq!(harness::changed_code(pid).expect("code"), [0u64; 0]);
}

/// A pid and a mount namespace with one daemon in it: there nothing needs to be named. Everything
/// in it ends with its first process.
const ALONE: &str = r#"
dockerd=$1 image=$2 dir=$3
"$dockerd" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "unix://$dir/sock" \
  --bridge=none --iptables=false --ip6tables=false --userland-proxy=false > "$dir/log" 2>&1 &
daemon=$!
until docker version > "$dir/version" 2>&1; do kill -0 $daemon || exit 9; sleep 0.2; done
docker load -i "$image" > "$dir/loaded" || exit 9
docker run --rm --privileged --pid=host --network=none mobytrace $4
status=$?
kill $daemon
wait $daemon
exit $status
"#;

#[test]
fn the_only_daemon_is_found_by_itself() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let image = target_dir().join("image/mobytrace.tar");
    let Some(dockerd) = harness::stock_dockerd("trixie", "amd64") else {
        return;
    };
    if !image.exists() {
        assert!(!harness::is_strict(), "this test needs {}", image.display());
        eprintln!("SKIPPED container: needs {}", image.display());
        return;
    }
    let dir = tempfile::Builder::new()
        .prefix("mobytrace-")
        .tempdir_in("/tmp")
        .expect("dir");
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"])
        .args(["sh", "-c", ALONE, "sh"])
        .args([&dockerd, &image])
        .arg(dir.path())
        .arg("compare --get /containers/json?all=1 --get /system/df")
        .env("PATH", assets.path_variable().expect("PATH"))
        .env("LD_LIBRARY_PATH", assets.library_path())
        .env(
            "DOCKER_HOST",
            format!("unix://{}/sock", dir.path().display()),
        )
        .env("HOME", dir.path());
    let finished = Running::start(command).expect("unshare");
    let finished = finished.wait().expect("ended").expect(0);
    // its own container is the only one
    assert!(
        finished
            .stdout
            .contains("the daemon returned the same 1 container (by ID) on both paths"),
        "{}",
        finished.stdout
    );
}

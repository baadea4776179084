//! The story: a proxy hides containers, and the daemon is not to blame.

use std::process::Command;

use harness::{Assets, Daemon, Proxy, Tool};

fn client(assets: &Assets, socket: &str, args: &[&str]) -> String {
    let output = Command::new(assets.docker_cli())
        .args(args)
        .env("DOCKER_HOST", format!("unix://{socket}"))
        .env("HOME", "/nonexistent")
        .output()
        .expect("docker");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The story: `ps -a` shows 1 container and `system df` counts 6, because a proxy between client
/// and daemon hides 5.
#[test]
fn a_proxy_that_hides_containers_is_found_out_by_waiting() {
    const CREATED: usize = 5;
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon
        .create_containers("hidden", CREATED)
        .expect("created");
    daemon.run_container("shown").expect("running");
    let dir = tempfile::Builder::new()
        .prefix("mobytrace-")
        .tempdir_in("/tmp")
        .expect("dir");
    let socket = dir.path().join("sock");
    let proxy =
        Proxy::start(&socket, &daemon.socket(), |c| c["Names"][0] == "/shown").expect("proxy");
    let through = socket.display().to_string();
    let direct = daemon.socket().display().to_string();
    let dockerd = direct.clone();
    let mut running = tool
        .start(&["compare", "--socket", &dockerd])
        .expect("started");
    running
        .wait_for("run your two commands now")
        .expect("waiting");
    let listed = client(&assets, &through, &["ps", "-a", "--format", "{{.Names}}"]);
    running
        .wait_for("seen: GET /v1.41/containers/json")
        .expect("first");
    let counted = client(
        &assets,
        &through,
        &["system", "df", "--format", "{{.Type}} {{.TotalCount}}"],
    );
    let finished = running.wait().expect("ended").expect(0);
    assert_eq!(listed, "shown", "the client sees one");
    assert!(counted.contains("Containers 6"), "{counted}");
    assert_eq!(proxy.hidden(), CREATED);
    let words = harness::words(&finished.stdout);
    for said in [
        "returned 6 containers 6 containers",
        "explains SizeRootFs: Size is false (default) for path A, true (hard-coded by SystemDiskUsage) for path B.",
        "Conclusion: the daemon returned the same 6 containers (by ID) on both paths, with the same Names, Created, ",
        "If a client shows a difference in containers, Names, Created, ",
        "it arises outside dockerd (an API proxy, or the client's own filter)",
    ] {
        assert!(words.contains(said), "{said:?} in {}", finished.stdout);
    }

    // the same client without the proxy between: nothing is hidden, and the daemon is not blamed
    // for it
    assert_eq!(
        client(&assets, &direct, &["ps", "-a", "--format", "{{.Names}}"])
            .lines()
            .count(),
        6
    );
    // what the daemon itself leaves out is not put down to a proxy, also when asked through it
    let mut running = tool
        .start(&["compare", "--socket", &dockerd, "--for", "/containers/json"])
        .expect("started");
    running
        .wait_for("run your two commands now")
        .expect("waiting");
    client(&assets, &through, &["ps", "-a"]);
    running
        .wait_for("seen: GET /v1.41/containers/json")
        .expect("first");
    client(&assets, &through, &["ps", "-a", "--filter", "name=hidden1"]);
    let finished = running.wait().expect("ended").expect(0);
    let words = harness::words(&finished.stdout);
    for said in [
        "Filters explains which containers are listed: Filters is {} (default) for path A, {name: {hidden1}} (query filters) for path B.",
        "the paths part inside dockerd: it returned 6 containers for path A, 1 container for path B",
        "Only in path A: 5 (hidden2 ",
    ] {
        assert!(words.contains(said), "{said:?} in {}", finished.stdout);
    }
    assert!(!words.contains("outside dockerd"), "{}", finished.stdout);
}

//! Other stock daemons live: the stack calling convention of Go 1.15; Swiss maps, parent goroutines and no `reduceContainers`
//! from Go 1.24 on.

use std::collections::BTreeSet;

use harness::{Daemon, Tool, json_lines};
use serde_json::{Value, json};

fn names(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|c| c[key].as_str().expect("ID").to_owned())
        .collect()
}

fn on(suite: &str) {
    let assets = harness::assets_or_skip!();
    let dockerd =
        harness::target_dir().join(format!("assets/dockerd-{suite}-amd64/usr/sbin/dockerd"));
    if !dockerd.exists() {
        eprintln!("SKIPPED {suite}: not on this mirror (cargo xtask daemons)");
        return;
    }
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 12).expect("created");
    daemon.run_container("up").expect("running");
    let socket = daemon.socket().display().to_string();
    let mut running = tool
        .start(&["trace", "--socket", &socket, "--format", "jsonl"])
        .expect("started");
    running.wait_for("attached to").expect("attached");
    // more than eight labels: a map with a directory; fewer: a single group
    let many: Vec<String> = (0..40).map(|n| format!("%22l{n}%3Dv%22")).collect();
    let many = format!(
        "/v1.44/containers/json?all=1&filters=%7B%22label%22%3A%5B{}%5D%7D",
        many.join(",")
    );
    let all = daemon
        .get_as("/v1.44/containers/json?all=1", "t-all")
        .expect("answer")
        .json()
        .expect("JSON");
    daemon
        .get_as("/v1.44/containers/json?limit=2&filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%2C%22status%22%3A%5B%22exited%22%5D%7D", "t-few")
        .expect("answer");
    daemon.get_as(&many, "t-many").expect("answer");
    let usage = daemon
        .get_as("/v1.44/system/df", "t-df")
        .expect("answer")
        .json()
        .expect("JSON");
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(rustix::process::Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let call = |agent: &str, short: &str| -> &Value {
        let request = events
            .iter()
            .find(|e| e["type"] == "request" && e["user_agent"] == agent)
            .unwrap_or_else(|| panic!("{agent}: {}", finished.stdout));
        let mut calls = events.iter().filter(|e| {
            e["type"] == "call" && e["short"] == short && e["request"] == request["id"]
        });
        let call = calls
            .next()
            .unwrap_or_else(|| panic!("{agent} {short}: {}", finished.stdout));
        assert!(calls.next().is_none(), "{agent} {short} once");
        call
    };
    let options = |changes: Value| {
        let mut all = json!({
            "Size": false, "All": false, "Latest": false,
            "Since": "", "Before": "", "Limit": 0, "Filters": {"fields": {}},
        });
        for (name, value) in changes.as_object().expect("object") {
            all[name] = value.clone();
        }
        all
    };
    let config = |agent: &str| &call(agent, "Containers")["params"]["config"];
    assert_eq!(*config("t-all"), options(json!({"All": true})));
    let few = json!({"fields": {"label": {"a=b": true, "c": true}, "status": {"exited": true}}});
    assert_eq!(
        *config("t-few"),
        options(json!({"Limit": 2, "Filters": few}))
    );
    let labels: serde_json::Map<String, Value> =
        (0..40).map(|n| (format!("l{n}=v"), json!(true))).collect();
    let labels = json!({"fields": {"label": labels}});
    assert_eq!(
        *config("t-many"),
        options(json!({"All": true, "Filters": labels}))
    );
    let df = call("t-df", "Containers");
    assert_eq!(
        df["params"]["config"],
        options(json!({"Size": true, "All": true, "Filters": {"fields": null}}))
    );
    assert_eq!(
        df["link"],
        json!({"by": "birth", "hops": 3}),
        "errgroup and singleflight in between"
    );
    let returned = |agent| names(&call(agent, "Containers")["results"]["result"], "ID");
    assert_eq!(returned("t-all"), names(&all, "Id"));
    assert_eq!(returned("t-df"), names(&usage["Containers"], "Id"));
    assert_eq!(
        call("t-df", "SystemDiskUsage")["params"]["opts"]["Containers"],
        true
    );
    assert!(call("t-df", "containerDiskUsage")["link"]["hops"] == 2);
    assert!(
        finished
            .stderr
            .contains("reduceContainers does not exist in this build"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("complete:"), "{}", finished.stderr);
}

/// Go 1.15: arguments and results on the stack, g in thread-local storage.
#[test]
fn on_bullseye_with_the_stack_convention() {
    let assets = harness::assets_or_skip!();
    let dockerd = harness::target_dir().join("assets/dockerd-bullseye-amd64/usr/sbin/dockerd");
    if !dockerd.exists() {
        eprintln!("SKIPPED bullseye: not on this mirror (cargo xtask daemons)");
        return;
    }
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 12).expect("created");
    daemon.run_container("up").expect("running");
    let socket = daemon.socket().display().to_string();
    let mut running = tool
        .start(&["trace", "--socket", &socket, "--format", "jsonl"])
        .expect("started");
    running.wait_for("attached to").expect("attached");
    let all = daemon
        .get_as("/v1.41/containers/json?all=1", "t-all")
        .expect("answer")
        .json()
        .expect("JSON");
    let path = "/v1.41/containers/json?limit=2&since=c2&filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%7D";
    daemon.get_as(path, "t-few").expect("answer");
    std::thread::scope(|scope| {
        for n in 0..40 {
            let daemon = &daemon;
            scope.spawn(move || {
                let path = format!(
                    "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22n%3D{n}%22%5D%7D"
                );
                daemon.get_as(&path, &format!("t-{n}")).expect("answer");
            });
        }
    });
    let usage = daemon
        .get_as("/v1.41/system/df", "t-df")
        .expect("answer")
        .json()
        .expect("JSON");
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(rustix::process::Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let options = |changes: Value| {
        let mut all = json!({
            "Quiet": false, "Size": false, "All": false, "Latest": false,
            "Since": "", "Before": "", "Limit": 0, "Filters": {"fields": {}},
        });
        for (name, value) in changes.as_object().expect("object") {
            all[name] = value.clone();
        }
        all
    };
    let call = |agent: &str, short: &str| -> &Value {
        let request = events
            .iter()
            .find(|e| e["type"] == "request" && e["user_agent"] == agent)
            .unwrap_or_else(|| panic!("{agent}: {}", finished.stdout));
        assert_eq!(request["status"], 200, "{request}");
        events
            .iter()
            .find(|e| e["type"] == "call" && e["short"] == short && e["request"] == request["id"])
            .unwrap_or_else(|| panic!("{agent} {short}: {}", finished.stdout))
    };
    for short in ["Containers", "reduceContainers"] {
        assert_eq!(
            call("t-all", short)["params"]["config"],
            options(json!({"All": true}))
        );
        assert_eq!(
            names(&call("t-all", short)["results"]["result"], "ID"),
            names(&all, "Id")
        );
        let few = json!({"fields": {"label": {"a=b": true, "c": true}}});
        let few = options(json!({"Limit": 2, "Since": "c2", "Filters": few}));
        assert_eq!(call("t-few", short)["params"]["config"], few);
        for n in 0..40 {
            let filters = json!({"fields": {"label": {format!("n={n}"): true}}});
            let expected = options(json!({"All": true, "Filters": filters}));
            assert_eq!(call(&format!("t-{n}"), short)["params"]["config"], expected);
        }
        // not inlined there by this compiler: the probe sees it
        let df = call("t-df", short);
        assert_eq!(
            df["params"]["config"],
            options(json!({"Size": true, "All": true, "Filters": {"fields": null}}))
        );
        assert_eq!(df["link"], json!({"by": "birth", "hops": 1}));
        assert_eq!(
            names(&df["results"]["result"], "ID"),
            names(&usage["Containers"], "Id")
        );
    }
    let end = events.last().expect("end");
    assert_eq!(
        (&end["lost"], &end["unmatched_returns"]),
        (&json!(0), &json!(0)),
        "{end}"
    );
}

#[test]
fn on_trixie_with_go_1_24() {
    on("trixie");
}

#[test]
fn on_sid() {
    on("sid");
}

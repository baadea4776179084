//! Where options come from, on every stock daemon. The truth is what the test itself sent, and what
//! moby's sources say of `system df`.

mod floods;
mod proxy;
mod routes;
mod rules;

use std::collections::BTreeMap;

use harness::{Daemon, Events, Tool, stock_dockerd, the_one, traced};
use serde_json::{Value, json};

/// All whose functions get options.
const PROFILES: [&str; 6] = [
    "list",
    "containers",
    "images",
    "volumes",
    "networks",
    "system",
];

fn query(parameter: &str, sent: &str) -> Value {
    json!({"from": "query", "parameter": parameter, "sent": sent})
}

fn hard_coded(by: &str) -> Value {
    json!({"from": "hard-coded", "by": by})
}

/// All origins of a call: the expected ones, and `default` for every other option.
#[track_caller]
fn check(call: &Value, expected: &[(&str, Value)], what: &str) {
    let origins = call["origins"].as_object().expect("origins");
    let expected: BTreeMap<&str, &Value> = expected.iter().map(|(n, v)| (*n, v)).collect();
    let default = json!({"from": "default"});
    for (option, origin) in origins {
        let wanted = expected.get(option.as_str()).copied().unwrap_or(&default);
        assert_eq!(origin, wanted, "{what}: {option} of {call:#}");
    }
    for option in expected.keys() {
        assert!(
            origins.contains_key(*option),
            "{what}: no {option} in {call:#}"
        );
    }
}

/// The only call of a function for a request that a command of the CLI sent.
#[track_caller]
fn by_cli<'e>(events: &'e Events, path_end: &str, query: &str, short: &str) -> &'e Value {
    let request = the_one(
        events.requests(|e| {
            e["user_agent"]
                .as_str()
                .is_some_and(|a| a.starts_with("Docker-Client/"))
                && e["path"].as_str().is_some_and(|p| p.ends_with(path_end))
                && e["query"] == query
        }),
        &format!("{path_end}?{query}"),
    );
    the_one(events.calls(request, short), short)
}

fn on(suite: &str, list: &str, maker: &str) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 4).expect("created");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("recording").display().to_string();
    let mut args = vec!["-o", &file];
    for profile in PROFILES {
        args.extend(["-p", profile]);
    }
    let get = |path: &str, agent: &str| {
        let answer = daemon.get_as(path, agent).expect("answer");
        assert_eq!(answer.status, 200, "{path}");
    };
    let mut answered = [false; 2];
    let (events, _) = traced(&daemon, &args, || {
        for args in [
            &["ps"][..],
            &["ps", "-a"],
            &["ps", "-s"],
            &["ps", "-n", "3"],
            &["ps", "--filter", "name=c1"],
            &["system", "df"],
            &["inspect", "-s", "c1"],
        ] {
            let output = daemon.cli(args).expect("docker");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{args:?}: {said}");
        }
        get(
            "/v1.41/containers/json?all=0&limit=-1&size=True&trunc_cmd=0",
            "t-odd",
        );
        get(
            "/v1.41/containers/json?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D",
            "t-lists",
        );
        get("/v1.41/system/df?size=0", "t-stranger");
        get("/v1.41/images/json?all=1", "t-images");
        get(
            "/v1.41/volumes?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D",
            "t-volumes",
        );
        get("/v1.41/networks", "t-networks");
        get("/v1.41/containers/c2/json", "t-inspect");
        routes::send(&daemon);
        answered = rules::send(&daemon);
    });

    check(by_cli(&events, "/containers/json", "", list), &[], "ps");
    let all = by_cli(&events, "/containers/json", "all=1", list);
    check(all, &[("config.All", query("all", "1"))], "ps -a");
    let size = by_cli(&events, "/containers/json", "size=1", list);
    check(size, &[("config.Size", query("size", "1"))], "ps -s");
    let limit = by_cli(&events, "/containers/json", "limit=3", list);
    check(limit, &[("config.Limit", query("limit", "3"))], "ps -n 3");
    let filter = by_cli(
        &events,
        "/containers/json",
        "filters=%7B%22name%22%3A%7B%22c1%22%3Atrue%7D%7D",
        list,
    );
    let sent = r#"{"name":{"c1":true}}"#;
    check(
        filter,
        &[("config.Filters", query("filters", sent))],
        "ps --filter",
    );
    let df = by_cli(&events, "/system/df", "", list);
    check(
        df,
        &[
            ("config.All", hard_coded(maker)),
            ("config.Size", hard_coded(maker)),
        ],
        "system df",
    );

    let odd = [
        ("config.All", query("all", "0")),
        ("config.Limit", query("limit", "-1")),
        ("config.Size", query("size", "True")),
    ];
    check(events.call_of("t-odd", list), &odd, "odd spellings");
    let sent = r#"{"label":["a=b"]}"#;
    check(
        events.call_of("t-lists", list),
        &[("config.Filters", query("filters", sent))],
        "filters as lists",
    );
    // no handler of this route reads it: it sets nothing, and is named
    let stranger = events.call_of("t-stranger", list);
    let made = [
        ("config.All", hard_coded(maker)),
        ("config.Size", hard_coded(maker)),
    ];
    check(stranger, &made, "a stranger");
    let unread = json!([{"parameter": "size", "read_from": null, "read_below": null}]);
    assert_eq!(events.request_of("t-stranger")["unread"], unread);
    assert_eq!(events.request_of("t-odd")["unread"], json!([]));
    inspected(&events);
    others(&events);
    routes::check(&events);
    rules::check(&events, suite, answered);

    // a recording says the same
    let tool = Tool::find().expect("tool");
    let shown = tool
        .run(&["show", &file, "--format", "jsonl"])
        .expect("run")
        .expect(0);
    let replayed = Events(harness::json_lines(&shown.stdout).expect("JSON lines"));
    let origins = |events: &Events| -> Vec<Value> {
        let mut calls: Vec<Value> = events
            .of_type("call")
            .map(|e| json!([e["start_ns"], e["goroutine"], e["short"], e["origins"]]))
            .collect();
        calls.sort_by_key(Value::to_string);
        calls
    };
    assert_eq!(origins(&replayed), origins(&events));
    paths_part(&tool, &file, &events, maker);
    let tree = tool.run(&["show", &file]).expect("run").expect(0).stdout;
    let tree = harness::words(&tree).replace("│ ", "");
    for said in [
        "[All: query all=1]",
        &format!("[Size, All: hard-coded by {maker}]"),
    ] {
        assert!(tree.contains(said), "{said} in {tree}");
    }
}

/// `ps`, `ps -a` and `system df` of one recording, side by side: with the maker that the stacks of
/// this build name.
fn paths_part(tool: &Tool, file: &str, events: &Events, maker: &str) {
    let id = |path_end: &str, query: &str| {
        let found = events.requests(|e| {
            e["user_agent"]
                .as_str()
                .is_some_and(|a| a.starts_with("Docker-Client/"))
                && e["path"].as_str().is_some_and(|p| p.ends_with(path_end))
                && e["query"] == query
        });
        the_one(found, path_end)["id"].to_string()
    };
    let (running, all, usage) = (
        id("/containers/json", ""),
        id("/containers/json", "all=1"),
        id("/system/df", ""),
    );
    let compared = |a: &str, b: &str| {
        let finished = tool.run(&["compare", file, a, b]).expect("run").expect(0);
        harness::words(&finished.stdout)
    };
    let same = compared(&all, &usage);
    for said in [
        &format!("≠ Size false (default) true (hard-coded by {maker})"),
        &format!("All true (query all=1) true (hard-coded by {maker})"),
        &format!(
            "Size explains SizeRootFs: Size is false (default) for path A, true (hard-coded by {maker}) for path B."
        ),
        "the daemon returned the same 4 containers (by ID) on both paths, with the same Names, Created, ",
        "SizeRootFs differs in 4 of 4: ",
    ] {
        assert!(same.contains(said), "{said} in {same}");
    }
    let parted = compared(&running, &all);
    for said in [
        "All explains which containers are listed: All is false (default) for path A, true (query all=1) for path B.",
        "the paths part inside dockerd: it returned 0 containers for path A, 4 containers for path B.",
        "Only in path B: 4 (c1 ",
        ", c3 ",
        ", … 1 more)",
    ] {
        assert!(parted.contains(said), "{said} in {parted}");
    }
    assert!(!parted.contains("outside dockerd"), "{parted}");
}

/// `inspect -s c1` of the CLI, and a plain one: name and version from the path, size from the
/// query.
fn inspected(events: &Events) {
    for (call, size) in [
        (
            by_cli(events, "/containers/c1/json", "size=1", "ContainerInspect"),
            query("size", "1"),
        ),
        (
            events.call_of("t-inspect", "ContainerInspect"),
            json!({"from": "default"}),
        ),
    ] {
        let mut seen = 0;
        for (option, origin) in call["origins"].as_object().expect("origins") {
            match option.as_str() {
                "name" | "version" => assert_eq!(origin["from"], "path", "{option}"),
                "size" | "options.Size" | "options" => {
                    assert_eq!(*origin, size, "{option}");
                    seen += 1;
                }
                other => panic!("{other} in {call:#}"),
            }
        }
        assert_eq!(seen, 1, "{call:#}");
    }
}

/// Lists of images, volumes and networks, whose options have other names and forms in each era.
fn others(events: &Events) {
    let of = |agent: &str, short: &str, wanted: &dyn Fn(&str) -> Option<Value>| {
        let call = events.call_of(agent, short);
        let mut set = 0;
        for (option, origin) in call["origins"].as_object().expect("origins") {
            let name = option.rsplit('.').next().expect("name");
            let expected = wanted(name).inspect(|_| set += 1);
            let expected = expected.unwrap_or_else(|| json!({"from": "default"}));
            assert_eq!(*origin, expected, "{agent}: {option} of {call:#}");
        }
        assert!(set > 0, "{agent}: {call:#}");
    };
    of("t-images", "Images", &|name| {
        name.eq_ignore_ascii_case("all").then(|| query("all", "1"))
    });
    let sent = r#"{"dangling":["true"]}"#;
    of("t-volumes", "List", &|name| {
        (name == "filter").then(|| query("filters", sent))
    });
    let listed = events.call_of("t-networks", "GetNetworks");
    check(listed, &[], "networks");
}

#[test]
fn on_bullseye() {
    on("bullseye", "reduceContainers", "SystemDiskUsage");
}

#[test]
fn on_bookworm() {
    on("bookworm", "reduceContainers", "SystemDiskUsage");
}

#[test]
fn on_trixie() {
    on("trixie", "Containers", "containerDiskUsage");
}

#[test]
fn on_sid() {
    on("sid", "Containers", "containerDiskUsage");
}

/// Parts of `system df` that API 1.42 can ask for.
#[test]
fn types_of_disk_usage() {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd("sid", "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    let get = |path: &str, agent: &str| {
        assert_eq!(
            daemon.get_as(path, agent).expect("answer").status,
            200,
            "{path}"
        );
    };
    let (events, _) = traced(&daemon, &[], || {
        get("/v1.44/system/df?type=container&type=volume", "t-two");
        get("/v1.44/system/df", "t-all");
        // not read by that API version: as if it were not there
        get("/v1.41/system/df?type=container", "t-old");
    });
    let sent = || query("type", "container,volume");
    check(
        events.call_of("t-two", "SystemDiskUsage"),
        &[
            ("opts.Containers", sent()),
            ("opts.Images", sent()),
            ("opts.Volumes", sent()),
        ],
        "two types",
    );
    let handler = || hard_coded("getDiskUsage");
    for agent in ["t-all", "t-old"] {
        let whole = events.call_of(agent, "SystemDiskUsage");
        let all = [
            ("opts.Containers", handler()),
            ("opts.Images", handler()),
            ("opts.Volumes", handler()),
        ];
        check(whole, &all, agent);
    }
}

//! Other stock daemons live: the stack calling convention of Go 1.15; Swiss maps, parent goroutines
//! and no `reduceContainers` from Go 1.24 on.

use std::collections::BTreeSet;

use harness::{Assets, Daemon, list_options, stock_dockerd, traced};
use serde_json::{Value, json};

fn names(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|c| c[key].as_str().expect("ID").to_owned())
        .collect()
}

/// A suite's daemon with 13 containers, one of them running. `None`: the mirror no longer carries
/// it.
fn daemon_of(assets: &Assets, suite: &str) -> Option<Daemon> {
    let dockerd = stock_dockerd(suite, "amd64")?;
    let daemon = Daemon::start_binary(assets, &dockerd).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 12).expect("created");
    daemon.run_container("up").expect("running");
    Some(daemon)
}

/// What the API answers.
fn answer(daemon: &Daemon, path: &str, agent: &str) -> Value {
    let answer = daemon.get_as(path, agent).expect("answer");
    assert_eq!(answer.status, 200, "{path}");
    answer.json().expect("JSON")
}

fn on(suite: &str) {
    let assets = harness::assets_or_skip!();
    let Some(daemon) = daemon_of(&assets, suite) else {
        return;
    };
    // more than eight labels: a map with a directory; fewer: a single group
    let many: Vec<String> = (0..40).map(|n| format!("%22l{n}%3Dv%22")).collect();
    let many = format!(
        "/v1.44/containers/json?all=1&filters=%7B%22label%22%3A%5B{}%5D%7D",
        many.join(",")
    );
    let few = "/v1.44/containers/json?limit=2&filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%2C%22status%22%3A%5B%22exited%22%5D%7D";
    let (mut all, mut usage) = (Value::Null, Value::Null);
    let (events, finished) = traced(&daemon, &[], || {
        all = answer(&daemon, "/v1.44/containers/json?all=1", "t-all");
        answer(&daemon, few, "t-few");
        answer(&daemon, &many, "t-many");
        usage = answer(&daemon, "/v1.44/system/df", "t-df");
    });
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );
    let options = |changes: Value| list_options(false, &changes);
    let config = |agent: &str| &events.call_of(agent, "Containers")["params"]["config"];
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
    let df = events.call_of("t-df", "Containers");
    assert_eq!(
        df["params"]["config"],
        options(json!({"Size": true, "All": true, "Filters": {"fields": null}}))
    );
    assert_eq!(
        df["link"],
        json!({"by": "birth", "hops": 3}),
        "errgroup and singleflight in between"
    );
    let returned = |agent| {
        names(
            &events.call_of(agent, "Containers")["results"]["result"],
            "ID",
        )
    };
    assert_eq!(returned("t-all"), names(&all, "Id"));
    assert_eq!(returned("t-df"), names(&usage["Containers"], "Id"));
    let whole = events.call_of("t-df", "SystemDiskUsage");
    assert_eq!(whole["params"]["opts"]["Containers"], true);
    let part = events.call_of("t-df", "containerDiskUsage");
    assert_eq!(part["link"]["hops"], 2);
    // it was folded into Containers, which sees all: nothing is missing, and nothing is said to be
    assert!(
        !finished.stderr.contains("does not exist"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("nothing lost"),
        "{}",
        finished.stderr
    );
}

/// Go 1.15: arguments and results on the stack, g in thread-local storage.
#[test]
fn on_bullseye_with_the_stack_convention() {
    let assets = harness::assets_or_skip!();
    let Some(daemon) = daemon_of(&assets, "bullseye") else {
        return;
    };
    let few = "/v1.41/containers/json?limit=2&since=c2&filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%7D";
    let (mut all, mut usage) = (Value::Null, Value::Null);
    let (events, _) = traced(&daemon, &[], || {
        all = answer(&daemon, "/v1.41/containers/json?all=1", "t-all");
        answer(&daemon, few, "t-few");
        std::thread::scope(|scope| {
            for n in 0..40 {
                let daemon = &daemon;
                scope.spawn(move || {
                    let path = format!(
                        "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22n%3D{n}%22%5D%7D"
                    );
                    answer(daemon, &path, &format!("t-{n}"));
                });
            }
        });
        usage = answer(&daemon, "/v1.41/system/df", "t-df");
    });
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0]
    );
    let options = |changes: Value| list_options(true, &changes);
    for short in ["Containers", "reduceContainers"] {
        let call = |agent: &str| {
            assert_eq!(events.request_of(agent)["status"], 200, "{agent}");
            events.call_of(agent, short)
        };
        assert_eq!(
            call("t-all")["params"]["config"],
            options(json!({"All": true}))
        );
        assert_eq!(
            names(&call("t-all")["results"]["result"], "ID"),
            names(&all, "Id")
        );
        let few = json!({"fields": {"label": {"a=b": true, "c": true}}});
        let few = options(json!({"Limit": 2, "Since": "c2", "Filters": few}));
        assert_eq!(call("t-few")["params"]["config"], few);
        for n in 0..40 {
            let filters = json!({"fields": {"label": {format!("n={n}"): true}}});
            let expected = options(json!({"All": true, "Filters": filters}));
            assert_eq!(call(&format!("t-{n}"))["params"]["config"], expected);
        }
        // not inlined there by this compiler: the probe sees it
        let df = call("t-df");
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
    let end = events.end();
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

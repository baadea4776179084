//! The main job on a stock dockerd: the options each path passes, compared with what was sent and
//! what the API answered.

use std::collections::BTreeSet;
use std::path::Path;

use harness::{Daemon, Tool, list_options, stock_dockerd, the_one, traced};
use serde_json::{Value, json};

/// One request that is made while tracing: how, and how its request is recognised.
struct Sent {
    agent: String,
    query: &'static str,
}

/// What differs between the generations.
struct Era {
    suite: &'static str,
    /// The options have a field `Quiet`.
    quiet: bool,
    /// Traced functions on the path of a list request, outermost first.
    list: &'static [&'static str],
    /// Those on the path of a disk usage request, each with the births in between.
    usage: &'static [(&'static str, u64)],
    /// Results of the whole disk usage are lists, not structs with lists in them.
    plain_usage: bool,
    /// What is said when it is attached.
    said: &'static [&'static str],
    /// Its binary names its functions in `.dynsym`.
    dynamic_names: bool,
}

const BULLSEYE: Era = Era {
    suite: "bullseye",
    quiet: true,
    list: &["Containers", "reduceContainers"],
    usage: &[
        ("SystemDiskUsage", 1),
        ("Containers", 1),
        ("reduceContainers", 1),
    ],
    plain_usage: true,
    said: &[],
    dynamic_names: true,
};
const BOOKWORM: Era = Era {
    suite: "bookworm",
    // the compiler put `Containers` into its caller there
    usage: &[("SystemDiskUsage", 1), ("reduceContainers", 1)],
    said: &[
        "Containers is inlined into Shutdown, SystemDiskUsage",
        "reduceContainers sees those calls",
    ],
    ..BULLSEYE
};
const TRIXIE: Era = Era {
    suite: "trixie",
    quiet: false,
    list: &["Containers"],
    usage: &[
        ("SystemDiskUsage", 1),
        ("containerDiskUsage", 2),
        ("Containers", 3),
    ],
    plain_usage: true,
    said: &[],
    dynamic_names: true,
};
const SID: Era = Era {
    suite: "sid",
    plain_usage: false,
    dynamic_names: false,
    ..TRIXIE
};
const ERAS: [Era; 4] = [BULLSEYE, BOOKWORM, TRIXIE, SID];

impl Era {
    fn options(&self, changes: &Value) -> Value {
        list_options(self.quiet, changes)
    }

    fn dockerd(&self) -> Option<std::path::PathBuf> {
        stock_dockerd(self.suite, "amd64")
    }
}

fn ids(list: &Value) -> BTreeSet<String> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|c| {
            let id = c.get("ID").or_else(|| c.get("Id"));
            id.and_then(Value::as_str).expect("ID").to_owned()
        })
        .collect()
}

/// (ID, first name, state) of every container.
fn identities(list: &Value) -> BTreeSet<(String, String, String)> {
    let text = |v: &Value| {
        v.as_str()
            .unwrap_or_else(|| panic!("no text: {v}"))
            .to_owned()
    };
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|c| {
            let id = c.get("ID").or_else(|| c.get("Id")).expect("ID");
            (text(id), text(&c["Names"][0]), text(&c["State"]))
        })
        .collect()
}

/// Everything the issue lists under "must be seen", on one daemon.
fn check_everything(era: &Era, daemon: &Daemon) {
    let suite = era.suite;
    daemon.import_image().expect("image");
    daemon.create_containers("c", 7).expect("created");
    daemon.run_container("up").expect("running");
    assert_eq!(daemon.get("/_ping").expect("ping").status, 200, "before");
    let filters = "/v1.41/containers/json?all=1&filters=%7B%22name%22%3A%5B%22c1%22%5D%7D";
    let raw: [(&str, &str, Value); 5] = [
        (
            "/v1.41/containers/json?all=1",
            "t-all",
            json!({"All": true}),
        ),
        (
            "/v1.41/containers/json?limit=3",
            "t-limit",
            json!({"Limit": 3}),
        ),
        (
            "/v1.41/containers/json?all=1&size=1",
            "t-size",
            json!({"All": true, "Size": true}),
        ),
        (
            "/v1.41/containers/json?since=c2&before=c5",
            "t-since",
            json!({"Since": "c2", "Before": "c5"}),
        ),
        (
            filters,
            "t-filter",
            json!({"All": true, "Filters": {"fields": {"name": {"c1": true}}}}),
        ),
    ];
    let mut answers = Vec::new();
    let mut disk_usage = Value::Null;
    let (events, finished) = traced(daemon, &[], || {
        for args in [
            &["ps", "-a"][..],
            &["ps", "-s"],
            &["ps", "-n", "3"],
            &["ps", "-l"],
            &[
                "ps",
                "--filter",
                "label=a=b",
                "--filter",
                "label=c",
                "--filter",
                "status=exited",
            ],
            &["system", "df"],
        ] {
            let output = daemon.cli(args).expect("docker");
            assert!(
                output.status.success(),
                "{args:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        for (path, agent, _) in &raw {
            let answer = daemon.get_as(path, agent).expect("answer");
            assert_eq!(answer.status, 200, "{path}");
            answers.push(answer.json().expect("JSON"));
        }
        disk_usage = daemon
            .get_as("/v1.41/system/df", "t-df")
            .expect("df")
            .json()
            .expect("JSON");
    });
    assert_eq!(daemon.get("/_ping").expect("ping").status, 200, "after");
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0],
        "code is as before"
    );

    let cli = |e: &Value| {
        e["user_agent"]
            .as_str()
            .is_some_and(|a| a.starts_with("Docker-Client/"))
    };
    let by_cli = [
        (
            Sent {
                agent: "ps -a".into(),
                query: "all=1",
            },
            json!({"All": true}),
        ),
        (
            Sent {
                agent: "ps -s".into(),
                query: "size=1",
            },
            json!({"Size": true}),
        ),
        (
            Sent {
                agent: "ps -n 3".into(),
                query: "limit=3",
            },
            json!({"Limit": 3}),
        ),
        (
            Sent {
                agent: "ps -l".into(),
                query: "limit=1",
            },
            json!({"Limit": 1}),
        ),
    ];
    for (sent, expected) in by_cli {
        let request = the_one(
            events.requests(|e| {
                cli(e) && e["path"] == "/v1.41/containers/json" && e["query"] == sent.query
            }),
            &sent.agent,
        );
        for short in era.list {
            let call = the_one(events.calls(request, short), &sent.agent);
            assert_eq!(
                call["params"]["config"],
                era.options(&expected),
                "{suite}: {} {short}",
                sent.agent
            );
            assert_eq!(call["link"]["by"], "same-goroutine");
        }
        assert_eq!(request["status"], 200);
        assert_eq!(request["method"], "GET");
    }
    let filtered = the_one(
        events.requests(|e| {
            cli(e)
                && e["query"]
                    .as_str()
                    .is_some_and(|q| q.starts_with("filters="))
        }),
        "ps --filter",
    );
    let nested = json!({"fields": {"label": {"a=b": true, "c": true}, "status": {"exited": true}}});
    for short in era.list {
        let call = the_one(events.calls(filtered, short), "ps --filter");
        assert_eq!(
            call["params"]["config"],
            era.options(&json!({"Filters": nested})),
            "{suite}"
        );
    }

    for ((path, agent, expected), answer) in raw.iter().zip(&answers) {
        let request = events.request_of(agent);
        for short in era.list {
            let call = the_one(events.calls(request, short), agent);
            let config = &call["params"]["config"];
            assert_eq!(*config, era.options(expected), "{suite}: {path}");
            assert_eq!(call["results"]["error"], Value::Null);
            assert_eq!(
                identities(&call["results"]["result"]),
                identities(answer),
                "{suite}: {path}"
            );
        }
    }

    let by_cli = the_one(
        events.requests(|e| cli(e) && e["path"] == "/v1.41/system/df"),
        "system df",
    );
    let by_raw = the_one(events.requests(|e| e["user_agent"] == "t-df"), "raw df");
    for request in [by_cli, by_raw] {
        for short in ["SystemDiskUsage", "containerDiskUsage"]
            .iter()
            .chain(era.list)
        {
            let calls = events.calls(request, short);
            let Some((_, hops)) = era.usage.iter().find(|(f, _)| f == short) else {
                assert!(calls.is_empty(), "{suite}: {short}: {calls:?}");
                continue;
            };
            let call = the_one(calls, short);
            let link = json!({"by": "birth", "hops": hops});
            assert_eq!(call["link"], link, "{suite}: {short}");
            if era.list.contains(short) {
                let expected = json!({"Size": true, "All": true, "Filters": {"fields": null}});
                assert_eq!(call["params"]["config"], era.options(&expected), "{suite}");
                assert_eq!(
                    identities(&call["results"]["result"]),
                    identities(&disk_usage["Containers"]),
                    "{suite}"
                );
            }
        }
        let usage = the_one(events.calls(request, "SystemDiskUsage"), "df");
        let result = &usage["results"]["result"];
        if era.plain_usage {
            assert_eq!(ids(&result["Containers"]), ids(&disk_usage["Containers"]));
            assert_eq!(result["LayersSize"], disk_usage["LayersSize"]);
        } else {
            let listed = &result["Containers"]["Items"];
            assert_eq!(ids(listed), ids(&disk_usage["Containers"]), "{suite}");
        }
    }

    let end = events.end();
    assert_eq!(
        (&end["lost"], &end["unmatched_returns"]),
        (&json!(0), &json!(0)),
        "{end}"
    );
    assert!(
        end["completeness"]
            .as_str()
            .is_some_and(|c| c.starts_with("complete")),
        "{end}"
    );
    for said in era
        .said
        .iter()
        .chain(&["detaching", "the bytes at every site equal the file's"])
    {
        assert!(
            finished.stderr.contains(said),
            "{suite}: {said:?} in {}",
            finished.stderr
        );
    }
    // what an era folded into another function is no loss
    assert!(
        !finished.stderr.contains("not exist"),
        "{}",
        finished.stderr
    );
    for event in &events.0 {
        assert!(!event.to_string().contains("\"missing\""), "{event:#}");
    }
    if era.suite == "bookworm" {
        inspect_says_the_same(daemon);
    }
    killed_it_leaves_nothing(daemon);
}

/// SIGKILL, as if someone ran out of patience.
fn killed_it_leaves_nothing(daemon: &Daemon) {
    let tool = Tool::find().expect("tool");
    let socket = daemon.socket().display().to_string();
    let mut session = tool
        .start(&["trace", "--socket", &socket])
        .expect("started");
    session.wait_for("attached to dockerd").expect("attached");
    daemon.get("/v1.41/containers/json").expect("answer");
    session.signal(rustix::process::Signal::KILL);
    assert_eq!(session.wait().expect("reaped").code, None);
    assert_eq!(
        harness::changed_code(daemon.pid()).expect("code"),
        [0u64; 0],
        "code is as before"
    );
    assert_eq!(daemon.get("/_ping").expect("ping").status, 200);
}

fn inspect_says_the_same(daemon: &Daemon) {
    let tool = Tool::find().expect("tool");
    let pid = daemon.pid().to_string();
    let plan = tool
        .run(&["inspect", "plan", "--pid", &pid])
        .expect("plan")
        .expect(0);
    assert!(
        plan.stdout
            .contains("Containers is inlined into Shutdown, SystemDiskUsage"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("jbe"), "{}", plan.stdout);
    let functions = tool
        .run(&[
            "inspect",
            "functions",
            "(*Daemon).Containers",
            "--pid",
            &pid,
            "--json",
        ])
        .expect("functions")
        .expect(0);
    let functions: Value = serde_json::from_str(&functions.stdout).expect("JSON");
    let inlined = functions[0]["inlined_at"].to_string();
    assert!(inlined.contains("SystemDiskUsage"), "{functions:#}");
}

#[test]
fn on_every_stock_daemon() {
    let assets = harness::assets_or_skip!();
    for era in &ERAS {
        if let Some(dockerd) = era.dockerd() {
            let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
            check_everything(era, &daemon);
        }
    }
}

/// A copy of a daemon, changed by `change`, executable.
fn copy(dockerd: &Path, dir: &Path, change: impl FnOnce(&mut Vec<u8>)) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let mut bytes = std::fs::read(dockerd).expect("dockerd");
    change(&mut bytes);
    // discovery goes by socket here; the name stays what users would see
    let path = dir.join("dockerd");
    std::fs::write(&path, bytes).expect("copy");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    path
}

fn remove_section_headers(bytes: &mut [u8]) {
    // e_shoff; e_shentsize stays; e_shnum, e_shstrndx
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
}

#[test]
fn on_a_copy_without_section_headers() {
    let assets = harness::assets_or_skip!();
    let dir = tempfile::tempdir().expect("dir");
    let dockerd = copy(&assets.dockerd(), dir.path(), |bytes| {
        remove_section_headers(bytes);
    });
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    check_everything(&BOOKWORM, &daemon);
}

#[test]
fn on_a_copy_whose_dynamic_symbols_lie() {
    let assets = harness::assets_or_skip!();
    let dir = tempfile::tempdir().expect("dir");
    let mut renamed = 0;
    let dockerd = copy(&assets.dockerd(), dir.path(), |bytes| {
        renamed = overwrite_dynamic_names(bytes)
    });
    assert!(renamed > 10_000, "{renamed} names overwritten");
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    check_everything(&BOOKWORM, &daemon);
}

/// The other generations with both at once.
#[test]
fn on_copies_of_the_others_with_neither() {
    let assets = harness::assets_or_skip!();
    for era in [BULLSEYE, TRIXIE, SID] {
        let Some(dockerd) = era.dockerd() else {
            continue;
        };
        let dir = tempfile::tempdir().expect("dir");
        let dockerd = copy(&dockerd, dir.path(), |bytes| {
            if era.dynamic_names {
                let renamed = overwrite_dynamic_names(bytes);
                assert!(renamed > 10_000, "{}: {renamed} names", era.suite);
            }
            remove_section_headers(bytes);
        });
        let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
        check_everything(&era, &daemon);
    }
}

fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len]
        .iter()
        .rev()
        .fold(0, |n, b| n << 8 | usize::from(*b))
}

/// Overwrites the names of all Go symbols in `.dynsym` up to their last dot. What follows it stays:
/// the linker lets a short name, also one of a library's version, share the tail of a longer one.
fn overwrite_dynamic_names(bytes: &mut [u8]) -> usize {
    let table = number(bytes, 40, 8);
    let count = number(bytes, 60, 2);
    let header = |i: usize| table + i * 64;
    let dynsym = (0..count)
        .map(header)
        .find(|h| number(bytes, h + 4, 4) == 11)
        .expect(".dynsym");
    let (symbols, size) = (number(bytes, dynsym + 24, 8), number(bytes, dynsym + 32, 8));
    let strings = number(bytes, header(number(bytes, dynsym + 40, 4)) + 24, 8);
    let mut renamed = 0;
    for symbol in (0..size / 24).map(|i| symbols + i * 24) {
        let imported = number(bytes, symbol + 6, 2) == 0;
        let start = strings + number(bytes, symbol, 4);
        let len = bytes[start..].iter().position(|b| *b == 0).expect("end");
        let name = &mut bytes[start..start + len];
        // the program looks these up in itself
        let own = name.starts_with(b"runtime.") || name.starts_with(b"_cgo");
        let dot = name.iter().rposition(|b| *b == b'.');
        let Some(dot) = dot.filter(|_| !imported && !own) else {
            continue;
        };
        name[..dot].fill(b'x');
        renamed += 1;
    }
    renamed
}

#[test]
fn two_hundred_concurrent_requests_keep_their_own_options() {
    let assets = harness::assets_or_skip!();
    for era in &ERAS {
        if let Some(dockerd) = era.dockerd() {
            let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
            two_hundred_on(era, &daemon);
        }
    }
}

fn two_hundred_on(era: &Era, daemon: &Daemon) {
    const REQUESTS: usize = 200;
    let suite = era.suite;
    daemon.import_image().expect("image");
    daemon.create_containers("c", 3).expect("created");
    let (events, finished) = traced(daemon, &[], || {
        std::thread::scope(|scope| {
            for n in 0..REQUESTS {
                scope.spawn(move || {
                    if n == REQUESTS / 2 {
                        let answer = daemon.get_as("/v1.41/system/df", "t-df").expect("df");
                        assert_eq!(answer.status, 200);
                    }
                    let path = format!("/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22n%3D{n}%22%5D%7D");
                    let answer = daemon.get_as(&path, &format!("t-{n}")).expect("ps");
                    assert_eq!(answer.status, 200);
                });
            }
        });
    });
    let mut seen = 0;
    for n in 0..REQUESTS {
        let agent = format!("t-{n}");
        let request = the_one(
            events.requests(|e| e["user_agent"] == agent.as_str()),
            &agent,
        );
        for short in era.list {
            let call = the_one(events.calls(request, short), &agent);
            let label = json!({"fields": {"label": {format!("n={n}"): true}}});
            assert_eq!(
                call["params"]["config"],
                era.options(&json!({"All": true, "Filters": label})),
                "{suite}: {agent}"
            );
            seen += 1;
        }
    }
    let request = the_one(events.requests(|e| e["user_agent"] == "t-df"), "df");
    for (short, _) in era.usage {
        let call = the_one(events.calls(request, short), "df");
        if era.list.contains(short) {
            assert_eq!(call["params"]["config"]["Size"], true, "{suite}");
        }
    }
    let all = events.of_type("call").count();
    assert_eq!(
        all,
        seen + era.usage.len(),
        "{suite}: no call more than were made"
    );
    assert!(
        finished.stderr.contains("nothing lost"),
        "{}",
        finished.stderr
    );
}

#[test]
fn bollard_sends_what_is_decoded() {
    use bollard::Docker;
    use bollard::query_parameters::ListContainersOptionsBuilder;
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    let (events, _) = traced(&daemon, &[], || {
        // it keeps its connection for as long as its runtime is there
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let version = bollard::ClientVersion {
                major_version: 1,
                minor_version: 41,
            };
            let docker = Docker::connect_with_unix(&daemon.host(), 60, &version).expect("connect");
            let filters = std::collections::HashMap::from([("label", vec!["from=bollard"])]);
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .size(true)
                .limit(5)
                .filters(&filters)
                .build();
            docker.list_containers(Some(options)).await.expect("list");
        });
    });
    let call = the_one(
        events
            .0
            .iter()
            .filter(|e| e["type"] == "call" && e["short"] == "reduceContainers")
            .collect(),
        "bollard",
    );
    let filters = json!({"fields": {"label": {"from=bollard": true}}});
    let expected = json!({"All": true, "Size": true, "Limit": 5, "Filters": filters});
    assert_eq!(call["params"]["config"], BOOKWORM.options(&expected));
}

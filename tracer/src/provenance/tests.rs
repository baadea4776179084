//! Calls put together by hand.

use super::examples::{filters, function, list, options, text};
use super::*;
use crate::addr::ImageAddr;
use crate::correlate::examples::{call, request};
use crate::correlate::{Body, Length};
use crate::decode::{Limit, Missing};

const DAEMON: &str = "github.com/docker/docker/daemon.(*Daemon).";

fn plan() -> Plan {
    Plan {
        functions: vec![
            function(&format!("{DAEMON}Containers"), &["config"]),
            function(&format!("{DAEMON}reduceContainers"), &["config"]),
            function(&format!("{DAEMON}SystemDiskUsage"), &["opts"]),
            function(
                &format!("{DAEMON}ContainerInspect"),
                &["name", "size", "version"],
            ),
            function(&format!("{DAEMON}refreshImage"), &["s"]),
            function(
                "github.com/podman/x/daemon.(*Daemon).Containers",
                &["config"],
            ),
            function(&format!("{DAEMON}ContainerStop"), &["name", "timeout"]),
            function(
                "github.com/docker/docker/daemon/images.(*ImageService).ImageDelete",
                &["imageRef", "force", "prune"],
            ),
            function(&format!("{DAEMON}ContainerLogs"), &["config"]),
            function(&format!("{DAEMON}ContainerWait"), &["condition"]),
            function(
                "github.com/docker/docker/volume/service.(*VolumesService).Prune",
                &["filter"],
            ),
            function(
                "github.com/docker/docker/daemon/images.(*ImageService).Images",
                &["opts"],
            ),
            function(&format!("{DAEMON}GetNetworks"), &["filter", "config"]),
            function(&format!("{DAEMON}ContainerStart"), &["hostConfig"]),
            function(
                "github.com/moby/moby/v2/daemon.(*Daemon).SystemDiskUsage",
                &["opts"],
            ),
        ],
        ..Plan::default()
    }
}

fn origins_with(trace: &Trace, at: usize, symbols: &[(u64, &[&str])]) -> Vec<(String, Origin)> {
    let symbols: BTreeMap<ImageAddr, Vec<String>> = symbols
        .iter()
        .map(|(a, names)| {
            (
                ImageAddr(*a),
                names.iter().map(|n| (*n).to_owned()).collect(),
            )
        })
        .collect();
    let plan = plan();
    let call = &trace.calls[at];
    Provenance::new(&plan, trace, &symbols)
        .of_call(call)
        .into_iter()
        .map(|(option, origin)| {
            let parameter = &plan.functions[call.func as usize].params[option.parameter].name;
            (option.field.unwrap_or(parameter).to_owned(), origin)
        })
        .collect()
}

fn one(request: Request, calls: Vec<Call>) -> Trace {
    Trace {
        requests: vec![request],
        calls,
        ..Trace::default()
    }
}

/// Origin of one option of the only call of a request.
fn origin(query: &str, config: Value, option: &str) -> Origin {
    origin_of(query.into(), config, option)
}

fn origin_of(query: Text, config: Value, option: &str) -> Origin {
    let trace = one(
        Request {
            query,
            ..request("GET", "/v1.41/containers/json", "")
        },
        vec![call(0, vec![config], None)],
    );
    let found = origins_with(&trace, 0, &[]);
    let (_, origin) = found
        .into_iter()
        .find(|(name, _)| name == option)
        .unwrap_or_else(|| panic!("no {option}"));
    origin
}

fn query(parameter: &str, sent: &str) -> Origin {
    Origin::Query {
        parameter: parameter.into(),
        sent: sent.into(),
    }
}

fn hard_coded(by: &str) -> Origin {
    Origin::HardCoded { by: by.into() }
}

fn reason(origin: &Origin) -> String {
    match origin {
        Origin::Unknown(why) => why.to_string(),
        other => panic!("known: {other:?}"),
    }
}

#[test]
fn parameters_of_a_list_request() {
    let asked = list(true, false, 3, filters(&[("name", "c1")]));
    let sent = "all=1&limit=3&size=0&filters=%7B%22name%22%3A%5B%22c1%22%5D%7D";
    let of = |option| origin(sent, asked.clone(), option);
    assert_eq!(of("All"), query("all", "1"));
    assert_eq!(of("Limit"), query("limit", "3"));
    assert_eq!(of("Size"), query("size", "0"));
    assert_eq!(of("Filters"), query("filters", r#"{"name":["c1"]}"#));
    assert_eq!(of("Since"), Origin::Default);
    let repeated = "all=1&all=0&limit=3&limit=c1";
    let of = |option| origin(repeated, asked.clone(), option);
    assert_eq!(of("All"), query("all", "1"));
    assert_eq!(of("Limit"), query("limit", "3"));
    let sets = "filters=%7B%22name%22%3A%7B%22c1%22%3Atrue%7D%7D";
    let config = list(false, false, 0, filters(&[("name", "c1")]));
    assert_eq!(
        origin(sets, config, "Filters"),
        query("filters", r#"{"name":{"c1":true}}"#)
    );
}

/// Of a parameter that is there more than once the handler takes the first, and nothing else is
/// said to be sent.
#[test]
fn repeated_parameters() {
    let config = list(true, false, 0, filters(&[]));
    let of = |sent| origin(sent, config.clone(), "All");
    assert_eq!(of("all=1&all=0"), query("all", "1"));
    assert_eq!(of("all=1&size=0&all="), query("all", "1"));
    assert!(reason(&of("all=0&all=1")).contains("all=0, which makes false"));
}

#[test]
fn a_value_that_the_parameter_does_not_make_is_not_from_it() {
    let why = reason(&origin("all=1", list(false, false, 0, filters(&[])), "All"));
    assert_eq!(
        why,
        "the request says all=1, which makes true; the call has false"
    );
    let why = reason(&origin(
        "limit=3",
        list(false, false, 4, filters(&[])),
        "Limit",
    ));
    assert!(why.ends_with("which makes 3; the call has 4"), "{why}");
    let why = reason(&origin(
        "filters=%7B%22name%22%3A%5B%22c1%22%5D%7D",
        list(false, false, 0, filters(&[("name", "c2")])),
        "Filters",
    ));
    assert!(
        why.contains(r#"the call has {"name":{"c2":true}}"#),
        "{why}"
    );
}

#[test]
fn what_cannot_be_read_has_a_reason() {
    let config = options(vec![("All", Value::Missing(Missing::Lost))]);
    let missing = origin("all=1", config, "All");
    assert!(
        reason(&missing).contains("its record was lost"),
        "{missing:?}"
    );
    let config = options(vec![("Novel", Value::Bool(false))]);
    let novel = origin("", config, "Novel");
    assert!(
        matches!(novel, Origin::Unknown(Unknown::NotUnderstood(_))),
        "{novel:?}"
    );
    // no handler of these releases reads it
    let stranger = origin("novel=1", list(false, false, 0, filters(&[])), "Size");
    assert_eq!(stranger, Origin::Default);
    // no parameter, not zero, and no caller known
    let made = origin("", list(false, true, 0, filters(&[])), "Size");
    assert!(
        reason(&made).contains("the caller that made it is not known"),
        "{made:?}"
    );
}

#[test]
fn a_query_that_was_cut_makes_nothing_hard_coded() {
    let config = || list(true, true, 0, filters(&[("name", "c1")]));
    let cut = |part: &str, len| Text::Cut {
        part: part.into(),
        len,
        why: Missing::Limit(Limit::StringBytes),
    };
    // behind 64 KiB of filters
    let early = format!("filters=%7B%22name%22%3A%5B%22{}", "x".repeat(65_500));
    let len = early.len() as u64 + 20;
    for option in ["All", "Size", "Filters", "Limit", "Since"] {
        let why = reason(&origin_of(cut(&early, len), config(), option));
        assert!(why.contains("query was cut"), "{option}: {why}");
    }
    // what stands before them is certain, and the first value is the one that counts
    let late = format!("all=1&size=1&{early}");
    let of = |option| origin_of(cut(&late, len + 13), config(), option);
    assert_eq!(of("All"), query("all", "1"));
    assert_eq!(of("Size"), query("size", "1"));
    assert!(reason(&of("Filters")).contains("query was cut"));
    // a million bytes may hold so many parameters that Go reads none
    let of = |option| origin_of(cut("all=0&size=1&x", 1 << 20), config(), option);
    assert_eq!(of("Size"), query("size", "1"));
    let unset = list(false, true, 0, filters(&[]));
    let why = reason(&origin_of(cut("all=0&size=1&x", 1 << 20), unset, "All"));
    assert!(why.contains("more parameters"), "{why}");
    // what ends like the sign of a cut is none
    let whole = origin("all=1&x=…", list(true, false, 0, filters(&[])), "All");
    assert_eq!(whole, query("all", "1"));
    let gone = origin_of(Text::Missing(Missing::Lost), config(), "All");
    assert!(reason(&gone).contains("its record was lost"), "{gone:?}");
}

#[test]
fn of_all_values_a_cut_query_tells_none() {
    let of = |text: Text| {
        let mut trace = disk_usage("/v1.44/system/df", "");
        trace.requests[0].query = text;
        origins_with(&trace, 0, &[]).remove(0).1
    };
    assert_eq!(of("type=container".into()), query("type", "container"));
    let cut = Text::Cut {
        part: "type=container&x".into(),
        len: 1000,
        why: Missing::Lost,
    };
    assert!(reason(&of(cut)).contains("cut"));
}

fn disk_usage(path: &str, query: &str) -> Trace {
    let opts = Value::Struct {
        ty: "DiskUsageOptions".into(),
        fields: vec![
            ("Containers".into(), Value::Bool(true)),
            ("Images".into(), Value::Bool(false)),
        ],
        left_out: 0,
    };
    let config = list(true, true, 0, Value::Nil);
    one(
        request("GET", path, query),
        vec![
            call(2, vec![opts], None),
            call(0, vec![config.clone()], Some(0)),
            call(1, vec![config], Some(1)),
        ],
    )
}

#[test]
fn what_the_daemon_makes_is_hard_coded_by_the_nearest_caller_that_did_not_get_it() {
    let trace = disk_usage("/v1.41/system/df", "");
    // Containers hands its options on to reduceContainers
    for at in [1, 2] {
        let found = origins_with(&trace, at, &[]);
        let of = |name: &str| {
            let (_, origin) = found.iter().find(|(n, _)| n == name).expect("option");
            origin.clone()
        };
        assert_eq!(of("Size"), hard_coded("SystemDiskUsage"));
        assert_eq!(of("All"), hard_coded("SystemDiskUsage"));
        assert_eq!(of("Limit"), Origin::Default);
        assert_eq!(of("Filters"), Origin::Default);
    }
    // names on the stack are nearer than traced calls
    let mut trace = trace;
    trace.calls[2].stack = [1, 2, 3].map(ImageAddr).to_vec();
    let inlined = [
        format!("{DAEMON}Containers"),
        format!("{DAEMON}containerDiskUsage.func1"),
    ];
    let inlined: Vec<&str> = inlined.iter().map(String::as_str).collect();
    let group = ["resenje.org/singleflight.(*Group[...]).Do.func1"];
    let found = origins_with(&trace, 2, &[(1, &group), (2, &inlined)]);
    assert_eq!(found[0].1, hard_coded("containerDiskUsage"));
    let unnamed = origins_with(&trace, 2, &[(2, &inlined)]);
    assert_eq!(
        unnamed[0].1,
        hard_coded("SystemDiskUsage"),
        "the stack is not named from its top"
    );
}

#[test]
fn a_parameter_that_another_route_has_sets_nothing() {
    let found = origins_with(
        &disk_usage("/v1.41/system/df", "type=container&verbose=1"),
        1,
        &[],
    );
    assert_eq!(found[0].1, hard_coded("SystemDiskUsage"), "{found:?}");
    let found = origins_with(&disk_usage("/v1.41/system/df", "size=1"), 1, &[]);
    assert_eq!(found[0].1, hard_coded("SystemDiskUsage"), "{found:?}");
}

#[test]
fn parameters_count_from_their_api_version_on() {
    let of = |path: &str, query: &str| {
        let found = origins_with(&disk_usage(path, query), 0, &[]);
        (found[0].1.clone(), found[1].1.clone())
    };
    let asked = query("type", "container");
    assert_eq!(
        of("/v1.44/system/df", "type=container"),
        (asked.clone(), asked)
    );
    // before, it is ignored, and all types were asked for
    let (containers, images) = of("/v1.41/system/df", "type=container");
    assert!(reason(&containers).contains("caller"), "{containers:?}");
    assert_eq!(images, Origin::Default);
    // handled by the daemon's newest version, which a daemon that has the option knows
    let asked = query("type", "container");
    assert_eq!(of("/system/df", "type=container"), (asked.clone(), asked));
}

#[test]
fn no_owner_no_claim() {
    let mut trace = disk_usage("/v1.41/system/df", "");
    for call in &mut trace.calls {
        call.owner = Owner::Internal;
    }
    for at in 0..3 {
        for (name, origin) in origins_with(&trace, at, &[]) {
            assert_eq!(origin, Origin::Unknown(Unknown::Owner), "{name}");
        }
    }
}

#[test]
fn unknown_routes_functions_and_builds() {
    let config = list(true, false, 0, Value::Nil);
    let not_understood = |path: &str, func: u32| {
        let trace = one(
            request("GET", path, "all=1"),
            vec![call(func, vec![config.clone()], None)],
        );
        for (_, origin) in origins_with(&trace, 0, &[]) {
            assert!(
                matches!(origin, Origin::Unknown(Unknown::NotUnderstood(_))),
                "{path}: {origin:?}"
            );
        }
    };
    not_understood("/v1.41/tasks", 0);
    not_understood("/v1.41/containers/json", 4);
    not_understood("/v1.41/containers/json", 5);
    not_understood("/v1.41/images/json", 0);
}

#[test]
fn names_come_from_the_path() {
    let inspect = |name: &str, query: &str, size: bool| {
        let params = vec![text(name), Value::Bool(size), text("1.41")];
        let trace = one(
            request("GET", "/v1.41/containers/c1/json", query),
            vec![call(3, params, None)],
        );
        origins_with(&trace, 0, &[])
    };
    let part = |part: &str| Origin::Path { part: part.into() };
    let found = inspect("c1", "size=1", true);
    assert_eq!(found[0].1, part("c1"));
    assert_eq!(found[1].1, query("size", "1"));
    assert_eq!(found[2].1, part("1.41"));
    assert!(reason(&inspect("c2", "", false)[0].1).contains("the path says \"c1\""));
}

/// Origin of the first option of the only call of a request.
fn first(request: Request, func: u32, params: Vec<Value>, symbols: &[(u64, &[&str])]) -> Origin {
    let mut call = call(func, params, None);
    call.stack = symbols.iter().map(|(at, _)| ImageAddr(*at)).collect();
    origins_with(&one(request, vec![call]), 0, symbols)
        .remove(0)
        .1
}

#[test]
fn a_body_may_hold_a_form() {
    let stop = |query: &str, timeout: Value, body: Body| {
        let request = Request {
            body,
            ..request("POST", "/v1.41/containers/c1/stop", query)
        };
        let trace = one(request, vec![call(6, vec![text("c1"), timeout], None)]);
        origins_with(&trace, 0, &[]).remove(1).1
    };
    let seconds = |n| Value::Pointer {
        addr: crate::addr::ProcessAddr(0xc000),
        to: Box::new(Value::Int(n)),
    };
    let body = |length, ty: &str| Body {
        length,
        content_type: (!ty.is_empty()).then(|| Text::from(ty)),
    };
    let none = || body(Length::Bytes(0), "");
    assert_eq!(stop("t=5", seconds(5), none()), query("t", "5"));
    assert_eq!(stop("", Value::Nil, none()), Origin::Default);
    // neither of these is a form
    for other in [
        none(),
        body(Length::Bytes(0), "application/x-www-form-urlencoded"),
        body(Length::Bytes(9), "application/json"),
        body(Length::Untold, ""),
        body(Length::NotCaptured, "text/plain"),
    ] {
        let what = format!("{other:?}");
        let made = stop("", seconds(5), other);
        assert_eq!(made, Origin::Unknown(Unknown::Maker), "{what}");
    }
    // what a form says counts before the query
    let form = || body(Length::Bytes(3), "application/x-www-form-urlencoded");
    let unknown = Origin::Unknown(Unknown::Form);
    for (query, timeout) in [("", seconds(5)), ("t=5", seconds(5)), ("", Value::Nil)] {
        assert_eq!(stop(query, timeout, form()), unknown, "{query:?}");
    }
}

#[test]
fn options_whose_types_changed() {
    let logs = |since: Value| {
        let config = options(vec![("Since", since)]);
        let request = request("GET", "/v1.53/containers/c1/logs", "stdout=1&since=3");
        first(request, 8, vec![config], &[])
    };
    let moment = |seconds| Value::Time { seconds, nanos: 0 };
    assert_eq!(logs(text("3")), query("since", "3"));
    assert_eq!(logs(moment(3)), query("since", "3"));
    let why = reason(&logs(moment(4)));
    assert_eq!(
        why,
        "the request says since=3, which makes the time 3.000000000; the call has the time 4.000000000"
    );
    // another type is no other value
    let form = Origin::Unknown(Unknown::NotUnderstood(NotUnderstood::Form));
    assert_eq!(logs(Value::Int(3)), form);
    let wait = |path: &str, sent: &str, condition: Value, by: &[(u64, &[&str])]| {
        let request = request("POST", &format!("{path}/containers/c1/wait"), sent);
        first(request, 9, vec![condition], by)
    };
    let removed = query("condition", "removed");
    let sent = "condition=removed";
    for (path, condition, expected) in [
        ("/v1.41", Value::Int(2), &removed),
        ("", Value::Int(2), &removed),
        ("/v1.51", text("removed"), &removed),
        // it is not read there
        ("/v1.29", Value::Int(0), &Origin::Default),
    ] {
        assert_eq!(wait(path, sent, condition, &[]), *expected, "{path}");
    }
    let handler = format!("{ROUTERS}container.(*containerRouter).postContainersWait");
    let by: &[(u64, &[&str])] = &[(1, &[&handler])];
    // empty is as if absent: the handler chooses
    let chosen = hard_coded("postContainersWait");
    for sent in ["condition=", ""] {
        assert_eq!(wait("/v1.51", sent, text("not-running"), by), chosen);
    }
}

const ROUTERS: &str = "github.com/docker/docker/api/server/router/";

#[test]
fn filters_that_handlers_add_to() {
    let pruner = format!("{ROUTERS}volume.(*volumeRouter).postVolumesPrune");
    let prune = |path: &str, sent: &str, filter: Value| {
        let request = request("POST", &format!("{path}/volumes/prune"), sent);
        first(request, 10, vec![filter], &[(1, &[&pruner])])
    };
    let asked = "filters=%7B%22label%22%3A%5B%22a%22%5D%7D";
    let label = || query("filters", r#"{"label":["a"]}"#);
    let all = || hard_coded("postVolumesPrune");
    let both = filters(&[("all", "true"), ("label", "a")]);
    let only_all = || filters(&[("all", "true")]);
    assert_eq!(prune("/v1.41", "", only_all()), all());
    assert_eq!(
        prune("/v1.41", asked, both.clone()),
        Origin::Several(vec![label(), all()])
    );
    // 20.10 adds nothing
    assert_eq!(prune("/v1.41", asked, filters(&[("label", "a")])), label());
    assert_eq!(prune("/v1.41", "", filters(&[])), Origin::Default);
    assert_eq!(prune("/v1.42", "", filters(&[])), Origin::Default);
    // nor does any daemon from API 1.42 on
    assert!(reason(&prune("/v1.42", asked, both)).contains("which makes"));
    let images = |path: &str, sent: &str, filter: Value| {
        let request = request("GET", &format!("{path}/images/json"), sent);
        let opts = options(vec![("Filters", filter)]);
        first(request, 11, vec![opts], &[])
    };
    let reference = || filters(&[("reference", "busybox")]);
    let sent = "filter=busybox";
    assert_eq!(
        images("/v1.40", sent, reference()),
        query("filter", "busybox")
    );
    assert_eq!(images("/v1.41", sent, filters(&[])), Origin::Default);
    let both = filters(&[("label", "a"), ("reference", "busybox")]);
    assert_eq!(
        images("/v1.40", &format!("{asked}&{sent}"), both),
        Origin::Several(vec![label(), query("filter", "busybox")])
    );
}

#[test]
fn networks_by_path_and_version() {
    let config = |detailed| {
        options(vec![
            ("Detailed", Value::Bool(detailed)),
            ("Verbose", Value::Bool(false)),
        ])
    };
    let of = |path: &str, sent: &str, filter: Value, detailed: bool| {
        let mut call = call(12, vec![filter, config(detailed)], None);
        call.stack = vec![ImageAddr(1)];
        let handler = format!("{ROUTERS}network.(*networkRouter).getNetworksList");
        let trace = one(request("GET", path, sent), vec![call]);
        let found = origins_with(&trace, 0, &[(1, &[&handler])]);
        (found[0].1.clone(), found[1].1.clone())
    };
    let none = || filters(&[]);
    let list = "/v1.27/networks";
    assert_eq!(of(list, "", none(), true).1, hard_coded("getNetworksList"));
    assert_eq!(of("/v1.28/networks", "", none(), false).1, Origin::Default);
    let why = reason(&of("/v1.28/networks", "", none(), true).1);
    assert!(why.contains("API version 1.28"), "{why}");
    let one = |sent: &str, filter: Value| of("/v1.41/networks/n1", sent, filter, true).0;
    let path = || Origin::Path { part: "n1".into() };
    let by_id = || filters(&[("idOrName", "n1")]);
    assert_eq!(one("", by_id()), path());
    assert_eq!(one("scope=local", by_id()), path());
    let with_scope = filters(&[("idOrName", "n1"), ("scope", "local")]);
    assert_eq!(
        one("scope=local", with_scope),
        Origin::Several(vec![path(), query("scope", "local")])
    );
}

#[test]
fn booleans_that_releases_read_in_two_ways() {
    let of = |path: &str, sent: &str, verbose: bool| {
        let opts = options(vec![("Verbose", Value::Bool(verbose))]);
        let handler =
            "github.com/moby/moby/v2/daemon/server/router/system.(*systemRouter).getDiskUsage";
        let request = request("GET", &format!("{path}/system/df"), sent);
        first(request, 14, vec![opts], &[(1, &[handler])])
    };
    let asked = |sent: &str| query("verbose", sent);
    for path in ["/v1.52", ""] {
        assert_eq!(of(path, "verbose=yes", true), asked("yes"), "{path}");
        assert_eq!(of(path, "verbose=0", false), asked("0"), "{path}");
        // without, or with one that says no, the handler asks for what older versions had
        let made = hard_coded("getDiskUsage");
        assert_eq!(of(path, "verbose=0", true), made, "{path}");
        assert_eq!(of(path, "", true), made, "{path}");
    }
    // it is not read there
    assert_eq!(of("/v1.51", "verbose=0", true), hard_coded("getDiskUsage"));
}

#[test]
fn a_body_that_is_not_read_sets_nothing() {
    let start = |path: &str, length: Length| {
        let request = Request {
            body: Body {
                length,
                content_type: Some("application/json".into()),
            },
            ..request("POST", &format!("{path}/containers/c1/start"), "")
        };
        first(request, 13, vec![Value::Nil], &[])
    };
    let body = Origin::Unknown(Unknown::Elsewhere(Elsewhere::Body));
    for (path, length, expected) in [
        ("/v1.41", Length::Bytes(0), &Origin::Default),
        ("/v1.41", Length::Bytes(90), &Origin::Default),
        ("", Length::Untold, &Origin::Default),
        ("/v1.23", Length::Bytes(7), &Origin::Default),
        ("/v1.23", Length::Bytes(90), &body),
        ("/v1.23", Length::Untold, &body),
        ("/v1.23", Length::NotCaptured, &body),
    ] {
        assert_eq!(start(path, length), *expected, "{path} {length:?}");
    }
}

#[test]
fn parameters_that_no_handler_reads_are_named() {
    let of =
        |method: &str, path: &str, sent: &str| super::unread(&plan(), &request(method, path, sent));
    let unread = |parameter: &str, why| Unread {
        parameter: parameter.into(),
        why,
    };
    let stop = "/v1.41/containers/c1/stop";
    assert_eq!(
        of("POST", stop, "timeout=5&signal=KILL&t=1"),
        [
            unread("timeout", WhyUnread::NotOfRoute),
            unread("signal", WhyUnread::Before((1, 42)))
        ]
    );
    assert_eq!(of("POST", "/v1.42/containers/c1/stop", "signal=KILL"), []);
    // whether the daemon is that new is not known
    assert_eq!(of("POST", "/containers/c1/stop", "signal=KILL"), []);
    assert_eq!(
        of("GET", "/v1.41/images/json", "filter=x&all=1"),
        [unread("filter", WhyUnread::From((1, 41)))]
    );
    assert_eq!(of("GET", "/v1.41/containers/json", "trunc_cmd=0&all=1"), []);
    assert_eq!(of("GET", "/v1.41/tasks", "nope=1"), []);
}

#[test]
fn a_newer_daemon_may_read_more() {
    let of = |path: &str, sent: &str| {
        let opts = options(vec![("Containers", Value::Bool(false))]);
        first(request("GET", path, sent), 14, vec![opts], &[])
    };
    let stranger = Unknown::Stranger {
        parameter: "novel".into(),
    };
    let stranger = Origin::Unknown(stranger);
    assert_eq!(of("/v1.52/system/df", "novel=1"), Origin::Default);
    assert_eq!(of("/system/df", "novel=1"), stranger);
    assert_eq!(of("/v1.99/system/df", "novel=1"), stranger);
    assert_eq!(of("/system/df", ""), Origin::Default);
}

#[test]
fn a_negated_parameter() {
    let delete = |query: &str, prune: bool, names: &[(u64, &[&str])]| {
        let params = vec![text("busybox"), Value::Bool(false), Value::Bool(prune)];
        let mut call = call(7, params, None);
        call.stack = vec![ImageAddr(1)];
        let trace = one(
            request("DELETE", "/v1.41/images/busybox", query),
            vec![call],
        );
        origins_with(&trace, 0, names).remove(2).1
    };
    assert_eq!(delete("noprune=1", false, &[]), query("noprune", "1"));
    let handler = "github.com/docker/docker/api/server/router/image.(*imageRouter).deleteImages";
    assert_eq!(
        delete("", true, &[(1, &[handler])]),
        hard_coded("deleteImages")
    );
}

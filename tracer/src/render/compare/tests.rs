//! Comparisons of calls put together by hand: what is concluded, and what is not.

use super::super::Style;
use super::*;
use crate::capture::{Daemon, Header, Trailer};
use crate::correlate::CallState;
use crate::correlate::examples::{call, request};
use crate::decode::{Missing, Value};
use crate::plan::{TypeKindSchema, TypeSchema};
use crate::provenance::examples::{filters, function, list, text as string};

const REDUCE: &str = "github.com/docker/docker/daemon.(*Daemon).reduceContainers";

/// A container with these fields besides its ID and name.
fn container(id: Option<&str>, name: &str, more: &[(&str, Value)]) -> Value {
    let id = id.map_or(Value::Missing(Missing::Lost), string);
    let names = Value::List {
        items: vec![string(&format!("/{name}"))],
        len: 1,
    };
    let mut fields = vec![("ID".to_owned(), id), ("Names".to_owned(), names)];
    fields.extend(more.iter().map(|(n, v)| ((*n).to_owned(), v.clone())));
    fields.push(("Labels".to_owned(), Value::Missing(Missing::NotWanted)));
    Value::Struct {
        ty: "types.Container".into(),
        fields,
        left_out: 0,
    }
}

fn list_of(items: Vec<Value>) -> Value {
    Value::List {
        len: items.len() as u64,
        items,
    }
}

/// Containers `(ID, name)`; no ID: it was not captured.
fn containers(of: &[(Option<&str>, &str)]) -> Value {
    list_of(
        of.iter()
            .map(|(id, name)| container(*id, name, &[]))
            .collect(),
    )
}

/// One container of that size.
fn sized(size: i64) -> Value {
    let size = [
        ("SizeRootFs", Value::Int(size)),
        ("State", string("created")),
    ];
    list_of(vec![container(A.0, A.1, &size)])
}

/// One path: its query, what it passed, its result and error.
type Path<'a> = (&'a str, Value, Value, Value);

/// Text of the given width.
fn compared_at(width: usize, paths: Vec<Path<'_>>, ended: bool) -> (String, bool) {
    compared_of((REDUCE, "[]*types.Container"), width, paths, ended)
}

/// Of calls of the function with that symbol, which returns that type.
fn compared_of(
    (symbol, returned): (&str, &str),
    width: usize,
    paths: Vec<Path<'_>>,
    ended: bool,
) -> (String, bool) {
    let mut reduce = function(symbol, &["config"]);
    let mut result = reduce.params[0].clone();
    result.name = "result".into();
    let mut error = result.clone();
    error.name = "error".into();
    error.meaning = crate::plan::Meaning::Error;
    reduce.results = vec![result, error];
    reduce.signature_source = crate::plan::SignatureSource::MethodTable;
    let plan = Plan {
        functions: vec![reduce],
        types: vec![TypeSchema {
            name: returned.into(),
            size: 24,
            addr: crate::addr::ImageAddr(0),
            kind: TypeKindSchema::Slice { elem: 0 },
        }],
        ..Plan::default()
    };
    let header = Header {
        daemon: Daemon {
            exe: "/usr/sbin/dockerd".into(),
            go_version: "go1.19.8".into(),
            ..Daemon::default()
        },
        plan: plan.into(),
        ..Header::default()
    };
    let mut trace = Trace::default();
    for (n, (query, config, result, error)) in paths.into_iter().enumerate() {
        let mut made = call(0, vec![config], None);
        made.results = vec![result, error];
        made.owner = crate::correlate::Owner::Request {
            request: n,
            link: crate::correlate::Link::SameGoroutine,
        };
        if !ended {
            made.state = CallState::InFlight;
        }
        trace
            .requests
            .push(request("GET", "/v1.41/containers/json", query));
        trace.calls.push(made);
    }
    text_of(width, header, &trace)
}

/// A column for every request.
fn text_of(width: usize, header: Header, trace: &Trace) -> (String, bool) {
    let columns: Vec<Column> = (0..trace.requests.len())
        .map(|n| Column::one(String::new(), n))
        .collect();
    let mut context = Context::new(&header);
    context.ended(Trailer::default().completeness());
    let comparison = Comparison::new(&context, trace, &columns);
    let mut out = Vec::new();
    comparison
        .text_of_width(width, Style::new(Some(false)), &mut out)
        .expect("written");
    (
        String::from_utf8(out).expect("text"),
        comparison.is_certain(),
    )
}

/// Two requests `#1` and `#2`, and calls of functions with a signature: function, owning request.
fn two_requests(functions: &[&str], calls: &[(u32, usize)]) -> (Header, Trace) {
    let of = |name: &&str| {
        let mut function = function(name, &["config"]);
        function.signature_source = crate::plan::SignatureSource::MethodTable;
        function
    };
    let plan = Plan {
        functions: functions.iter().map(of).collect(),
        ..Plan::default()
    };
    let header = Header {
        plan: plan.into(),
        ..Header::default()
    };
    let mut trace = Trace::default();
    for id in 1..=2 {
        let mut one = request("GET", "/v1.41/system/df", "");
        one.id = id;
        trace.requests.push(one);
    }
    for (func, request) in calls {
        let mut made = call(*func, vec![config(true)], None);
        made.owner = crate::correlate::Owner::Request {
            request: *request,
            link: crate::correlate::Link::SameGoroutine,
        };
        trace.calls.push(made);
    }
    (header, trace)
}

fn compared(paths: Vec<Path<'_>>) -> (String, bool) {
    let (text, certain) = compared_at(500, paths, true);
    (text, certain)
}

#[track_caller]
fn says(text: &str, expected: &[&str], never: &[&str]) {
    for said in expected {
        assert!(text.contains(said), "{said:?} in {text}");
    }
    for said in never {
        assert!(!text.contains(said), "{said:?} in {text}");
    }
}

fn config(all: bool) -> Value {
    list(all, false, 0, filters(&[]))
}

const A: (Option<&str>, &str) = (Some("aaaaaaaaaaaaaaaa"), "one");
const B: (Option<&str>, &str) = (Some("bbbbbbbbbbbbbbbb"), "two");
const C: (Option<&str>, &str) = (Some("cccccccccccccccc"), "three");
const LOST: (Option<&str>, &str) = (None, "lost");

#[test]
fn the_same_on_every_path() {
    let path = || ("all=1", config(true), containers(&[A, B]), Value::Nil);
    let (text, certain) = compared(vec![path(), path(), path()]);
    says(
        &text,
        &[
            "Options: the same on every path.",
            "Conclusion: the daemon returned the same 2 containers (by ID) on all 3 paths, with the same Names.",
            "If a client shows a difference in containers and Names, it arises outside dockerd (an API proxy, or the client's own filter)",
            "Not compared: Labels.",
            "true (query all=1)",
        ],
        &["≠", "explain", "Also different", "although"],
    );
    assert!(certain);
}

#[test]
fn different_options_and_the_same_containers() {
    let (text, certain) = compared(vec![
        ("all=1", config(true), containers(&[A, B]), Value::Nil),
        ("", config(false), containers(&[B, A]), Value::Nil),
    ]);
    says(
        &text,
        &[
            "the same 2 containers (by ID) on both paths, with the same Names, although the options differ",
            "Also different: All is true (query all=1) for path A, false (default) for path B (decides which ones are listed).",
            "outside dockerd",
        ],
        &["Only in", "≠ returned", "explain"],
    );
    assert!(certain);
}

#[test]
fn the_same_containers_of_other_sizes() {
    let size = |size| list(true, size, 0, filters(&[]));
    let (text, certain) = compared(vec![
        ("all=1", size(false), sized(0), Value::Nil),
        ("all=1&size=1", size(true), sized(4096), Value::Nil),
    ]);
    says(
        &text,
        &[
            "the same 1 container (by ID) on both paths, with the same Names and State.",
            "SizeRootFs differs in 1 of 1: one aaaaaaaaaaaa: 0 for path A, 4096 for path B.",
            "Size explains SizeRootFs: Size is false (default) for path A, true (query size=1) for path B.",
            "If a client shows a difference in containers, Names and State, it arises outside dockerd",
            "Not compared: Labels.",
        ],
        &["Also different", "although", "Not explained"],
    );
    assert!(certain);
    // no option is behind it
    let (text, _) = compared(vec![
        ("all=1", size(false), sized(0), Value::Nil),
        ("all=1", size(false), sized(4096), Value::Nil),
    ]);
    says(
        &text,
        &[
            "SizeRootFs differs in 1 of 1",
            "Not explained: SizeRootFs (the options that were compared are the same",
            "Options: the same on every path.",
        ],
        &[
            "difference in containers, Names, State and SizeRootFs",
            " explains ",
        ],
    );
    // an option that changes something else
    let (text, _) = compared(vec![
        ("all=1", size(false), sized(0), Value::Nil),
        (
            "",
            list(false, false, 0, filters(&[])),
            sized(4096),
            Value::Nil,
        ),
    ]);
    says(
        &text,
        &[
            "Not explained: SizeRootFs (no option that differs can change it).",
            "Also different: All is true",
        ],
        &[" explains "],
    );
}

#[test]
fn the_option_that_explains_comes_first() {
    let (text, _) = compared(vec![
        (
            "",
            list(false, false, 0, filters(&[])),
            containers(&[A]),
            Value::Nil,
        ),
        (
            "all=1&size=1",
            list(true, true, 0, filters(&[])),
            containers(&[A, B]),
            Value::Nil,
        ),
    ]);
    says(
        &text,
        &[
            "All explains which containers are listed: All is false (default) for path A, true (query all=1) for path B.",
            "Also different: Size is false (default) for path A, true (query size=1) for path B (changes SizeRw and SizeRootFs only; not compared).",
            "Only in path B: 1 (two bbbbbbbbbbbb).",
        ],
        &["outside dockerd", "Size explains"],
    );
    // `All` lists more, never fewer
    let (text, _) = compared(vec![
        ("", config(false), containers(&[A, B]), Value::Nil),
        ("all=1", config(true), containers(&[A]), Value::Nil),
    ]);
    says(
        &text,
        &["Not explained: which containers are listed (no option that differs can change it)."],
        &["All explains"],
    );
    // either of two
    let (text, _) = compared(vec![
        ("", config(false), containers(&[A]), Value::Nil),
        (
            "all=1&limit=2",
            list(true, false, 2, filters(&[])),
            containers(&[A, B]),
            Value::Nil,
        ),
    ]);
    says(
        &text,
        &["All and Limit can each explain which containers are listed: All is false"],
        &[],
    );
}

#[test]
fn one_id_twice_is_not_merged() {
    let (text, certain) = compared(vec![
        ("all=1", config(true), containers(&[A, A]), Value::Nil),
        ("all=1", config(true), containers(&[A, B]), Value::Nil),
    ]);
    says(
        &text,
        &[
            "the paths part inside dockerd: it returned 2 containers for path A, 2 containers for path B",
            "More than once in path A: 1 (one aaaaaaaaaaaa × 2); their fields are not compared.",
            "Only in path B: 1 (two bbbbbbbbbbbb).",
        ],
        &["outside dockerd"],
    );
    assert!(certain);
}

#[test]
fn nothing_that_later_code_may_change_is_said_to_arise_outside() {
    let check = |symbol: &str, returned: &str, said: &[&str], unsaid: &[&str]| {
        let path = || ("", config(true), containers(&[A]), Value::Nil);
        let (text, _) = compared_of((symbol, returned), 400, vec![path(), path()], true);
        says(&text, said, unsaid);
    };
    check(
        "github.com/docker/docker/daemon.(*Daemon).GetNetworks",
        "[]types.NetworkResource",
        &[
            "the same 1 network (by ID)",
            "The daemon itself may add networks of swarm, or put them in the place of its own, after GetNetworks returned.",
            "The daemon itself may change Names after GetNetworks returned.",
        ],
        &["outside dockerd"],
    );
    check(
        "github.com/docker/docker/volume/service.(*VolumesService).List",
        "[]*volume.Volume",
        &[
            "If a client shows a difference in Names, it arises outside dockerd",
            "The daemon itself may add volumes of swarm after List returned.",
        ],
        &["difference in volumes"],
    );
    // from 29.0 on the answer to a prune need not be its report
    check(
        "github.com/moby/moby/v2/daemon.(*Daemon).ContainerPrune",
        "[]*container.Container",
        &["it arises after ContainerPrune returned."],
        &["outside dockerd"],
    );
    check(
        "github.com/docker/docker/daemon.(*Daemon).SystemDiskUsage",
        "[]*types.Container",
        &["it arises after SystemDiskUsage returned."],
        &["outside dockerd"],
    );
}

#[test]
fn a_nil_map_is_an_empty_one() {
    let nil = list(true, false, 0, Value::Nil);
    let (text, _) = compared(vec![
        ("all=1", config(true), containers(&[A]), Value::Nil),
        ("all=1", nil, containers(&[A]), Value::Nil),
    ]);
    says(
        &text,
        &["Options: the same on every path.", "nil (default)"],
        &["≠"],
    );
}

#[test]
fn different_containers_are_named() {
    let (text, certain) = compared(vec![
        ("all=1", config(true), containers(&[A, B]), Value::Nil),
        ("all=1", config(true), containers(&[B, C]), Value::Nil),
    ]);
    says(
        &text,
        &[
            "Options: the same on every path.",
            "the paths part inside dockerd: it returned 2 containers for path A, 2 containers for path B.",
            "Not explained: which containers are listed (the options that were compared are the same",
            "Only in path A: 1 (one aaaaaaaaaaaa).",
            "Only in path B: 1 (three cccccccccccc).",
        ],
        &["outside dockerd"],
    );
    assert!(certain);
}

#[test]
fn equal_counts_without_ids_prove_nothing() {
    let (text, certain) = compared(vec![
        ("all=1", config(true), containers(&[A, B]), Value::Nil),
        ("all=1", config(true), containers(&[A, LOST]), Value::Nil),
    ]);
    says(
        &text,
        &[
            "The daemon returned 2 containers on both paths. Whether they are the same ones cannot be said: not every ID was captured (1 of 2 for path B missing).",
        ],
        &["Conclusion", "outside dockerd", "part inside"],
    );
    assert!(!certain);
    // a list that was cut
    let cut = Value::List {
        items: Vec::new(),
        len: 2,
    };
    let (text, certain) = compared(vec![
        ("all=1", config(true), cut.clone(), Value::Nil),
        ("all=1", config(true), cut, Value::Nil),
    ]);
    says(
        &text,
        &["cannot be said"],
        &["Conclusion", "outside dockerd"],
    );
    assert!(!certain);
}

#[test]
fn other_counts_are_other_lists_even_without_ids() {
    let (text, _) = compared(vec![
        ("all=1", config(true), containers(&[A]), Value::Nil),
        ("", config(false), containers(&[A, LOST]), Value::Nil),
    ]);
    says(
        &text,
        &[
            "the paths part inside dockerd: it returned 1 container for path A, 2 containers for path B",
            "Which ones differ cannot be said: not every ID was captured.",
        ],
        &["outside dockerd", "Only in"],
    );
}

#[test]
fn a_missing_option_is_neither_equal_nor_different() {
    let missing = list(true, false, 0, Value::Missing(Missing::Lost));
    let (text, certain) = compared(vec![
        ("all=1", config(true), containers(&[A]), Value::Nil),
        ("all=1", missing, containers(&[A, B]), Value::Nil),
    ]);
    says(
        &text,
        &[
            "Options: no difference among those that were captured.",
            "Not compared, because a value is missing: Filters.",
            "Not explained: which containers are listed (no option that was captured can be behind it, and not all were).",
            "<missing: its record was lost>",
        ],
        &["Options: the same", "are the same", "(unknown)"],
    );
    assert!(!certain);
}

#[test]
fn failures_are_no_empty_lists() {
    let (text, certain) = compared(vec![
        ("all=1", config(true), containers(&[A]), Value::Nil),
        (
            "all=1",
            config(true),
            Value::Nil,
            string("no such container"),
        ),
    ]);
    says(
        &text,
        &["Conclusion: the paths part inside dockerd: path B fails with \"no such container\"."],
        &["0 containers", "outside dockerd"],
    );
    assert!(certain);
    let failed = || ("all=1", config(true), Value::Nil, string("bad"));
    let (text, _) = compared(vec![failed(), failed()]);
    says(
        &text,
        &["every path fails inside dockerd"],
        &["0 containers"],
    );
}

#[test]
fn nothing_is_concluded_from_calls_that_did_not_return() {
    let path = || ("all=1", config(true), Value::Nil, Value::Nil);
    let (text, certain) = compared_at(500, vec![path(), path()], false);
    says(
        &text,
        &[
            "What the paths returned cannot be compared. path A: it did not return while it was traced",
        ],
        &["Conclusion", "outside dockerd"],
    );
    assert!(!certain);
}

#[test]
fn no_containers_are_none_on_both() {
    let path = || ("", config(false), Value::Nil, Value::Nil);
    let (text, _) = compared(vec![path(), path()]);
    says(
        &text,
        &["the daemon returned no containers on both paths."],
        &["the same 0"],
    );
}

#[test]
fn rows_keep_to_the_width() {
    let name = "x".repeat(70);
    let named = list(true, true, 0, filters(&[("name", &name)]));
    for width in [60, 80, 96, 120] {
        let (text, _) = compared_at(
            width,
            vec![
                ("all=1&size=1", named.clone(), containers(&[A]), Value::Nil),
                ("all=1", config(true), containers(&[A, B, C]), Value::Nil),
            ],
            true,
        );
        for line in text.lines() {
            // a word that is longer than the line stays whole in sentences
            let word = line
                .split(' ')
                .map(|w| w.chars().count())
                .max()
                .unwrap_or(0);
            assert!(line.chars().count() <= width.max(word), "{width}: {line}");
        }
    }
}

#[test]
fn without_a_common_function_the_requests_are_compared() {
    let (header, mut trace) = two_requests(&["a.F", "a.G"], &[(0, 0), (1, 1)]);
    trace.requests[1].status = Some(400);
    let (text, certain) = text_of(500, header, &trace);
    says(
        &text,
        &[
            "≠ status        200",
            "  calls         F",
            "  request took  1 ns",
            "no traced function in common: options and results are not compared",
            "The daemon answered with other statuses: 200 for path A, 400 for path B.",
        ],
        &["Conclusion", "outside dockerd"],
    );
    assert!(!certain);
}

#[test]
fn a_run_that_serves_another_request_is_its_column_too() {
    let (header, mut trace) = two_requests(&["a.F"], &[(0, 0)]);
    trace.calls[0].shared_with = vec![crate::correlate::Sharing {
        request: 1,
        within: None,
    }];
    let (text, _) = text_of(500, header, &trace);
    says(
        &text,
        &[
            "  reached by    request's goroutine  ",
            "shares the run of #1 (singleflight)",
        ],
        &["no traced function in common", "≠"],
    );
}

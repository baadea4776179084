//! Comparisons of calls put together by hand: what is concluded, and what is not.

use super::super::Style;
use super::*;
use crate::capture::{Daemon, Header, Trailer};
use crate::correlate::examples::{call, request};
use crate::decode::{Missing, Value};
use crate::plan::{TypeKindSchema, TypeSchema};
use crate::provenance::examples::{filters, function, list, text as string};

const REDUCE: &str = "github.com/docker/docker/daemon.(*Daemon).reduceContainers";

/// Containers `(ID, name)`; no ID: it was not captured.
fn containers(of: &[(Option<&str>, &str)]) -> Value {
    let items: Vec<Value> = of
        .iter()
        .map(|(id, name)| {
            let id = id.map_or(Value::Missing(Missing::Lost), string);
            let names = Value::List {
                items: vec![string(&format!("/{name}"))],
                len: 1,
            };
            Value::Struct {
                ty: "types.Container".into(),
                fields: vec![("ID".into(), id), ("Names".into(), names)],
                left_out: 0,
            }
        })
        .collect();
    Value::List {
        len: items.len() as u64,
        items,
    }
}

/// One path: its query, what it passed, its result and error.
type Path<'a> = (&'a str, Value, Value, Value);

/// Text of the given width.
fn compared_at(width: usize, paths: Vec<Path<'_>>, ended: bool) -> (String, bool) {
    let mut reduce = function(REDUCE, &["config"]);
    let mut result = reduce.params[0].clone();
    result.name = "result".into();
    let mut error = result.clone();
    error.name = "error".into();
    error.meaning = crate::plan::Meaning::Error;
    reduce.results = vec![result, error];
    let plan = Plan {
        functions: vec![reduce],
        types: vec![TypeSchema {
            name: "[]*types.Container".into(),
            size: 24,
            addr: 0,
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
        plan,
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
    let columns: Vec<Column> = (0..trace.requests.len())
        .map(|n| Column::one(String::new(), n))
        .collect();
    let recording = Recording::of_session(header, Trailer::default());
    let comparison = Comparison::new(&recording, &trace, &columns);
    let mut out = Vec::new();
    comparison
        .text_of_width(width, Style::new(Some(false)), &mut out)
        .expect("written");
    (
        String::from_utf8(out).expect("text"),
        comparison.is_certain(),
    )
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
            "Conclusion: the daemon returned the same 2 containers on all 3 paths. If",
            "the difference arises outside dockerd (an API proxy, or the client's own filter)",
            "true (query all=1)",
        ],
        &["≠", "First difference"],
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
            "First difference: All is true (query all=1) for path A, false (default) for path B.",
            "the same 2 containers on both paths, although the options differ",
            "outside dockerd",
        ],
        &["Only in", "≠ returned"],
    );
    assert!(certain);
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
            "the paths part inside dockerd: it returned 2 containers for path A, 2 containers for path B with the same options: what there was to list changed in between",
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
            "The daemon returned 2 containers on both paths. Whether they are the same ones cannot be said",
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
            "; whether they asked with the same options is not known",
            "<missing: its record was lost>",
        ],
        &[
            "Options: the same",
            "with the same options:",
            "First difference",
            "(unknown)",
        ],
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
        &["the daemon returned no containers on both paths"],
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

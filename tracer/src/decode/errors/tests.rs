//! Errors put together by hand; the texts are those of the API and of Go's own formatting.

use super::super::missing::Missing;
use super::*;

fn string(text: &str) -> Value {
    Value::Str {
        bytes: text.as_bytes().to_vec(),
        len: text.len() as u64,
    }
}

fn error(ty: &str, fields: Vec<(&str, Value)>) -> Value {
    Value::Iface {
        ty: ty.to_owned(),
        value: Box::new(Value::Pointer {
            addr: crate::addr::ProcessAddr(1),
            to: Box::new(Value::Struct {
                ty: ty.trim_start_matches('*').to_owned(),
                fields: fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
                left_out: 0,
            }),
        }),
    }
}

fn errno(number: u64) -> Value {
    Value::Iface {
        ty: "syscall.Errno".to_owned(),
        value: Box::new(Value::Uint(number)),
    }
}

#[test]
fn a_path_error_reads_as_go_says_it() {
    let e = error(
        "*io/fs.PathError",
        vec![
            ("Op", string("open")),
            ("Path", string("/x")),
            ("Err", errno(2)),
        ],
    );
    assert_eq!(
        text(&e).as_deref(),
        Some("open /x: no such file or directory")
    );
}

#[test]
fn the_system_error_at_the_end_has_its_name() {
    let e = error(
        "*io/fs.PathError",
        vec![("Op", string("open")), ("Err", errno(13))],
    );
    assert_eq!(errno_name(&e), Some("EACCES"));
    assert_eq!(errno_name(&errno(2)), Some("ENOENT"));
    assert_eq!(errno_name(&errno(5000)), None);
    assert_eq!(errno_name(&string("ENOENT")), None);
}

#[test]
fn network_errors_name_both_ends() {
    let ip = |bytes: &[u8]| Value::List {
        items: bytes.iter().map(|b| Value::Uint(u64::from(*b))).collect(),
        len: bytes.len() as u64,
    };
    let tcp = |bytes: &[u8], port: i64| {
        error(
            "*net.TCPAddr",
            vec![
                ("IP", ip(bytes)),
                ("Port", Value::Int(port)),
                ("Zone", string("")),
            ],
        )
    };
    let op = |source: Value, addr: Value| {
        error(
            "*net.OpError",
            vec![
                ("Op", string("read")),
                ("Net", string("tcp")),
                ("Source", source),
                ("Addr", addr),
                ("Err", errno(104)),
            ],
        )
    };
    let mut v6 = [0u8; 16];
    v6[15] = 1;
    assert_eq!(
        text(&op(tcp(&[127, 0, 0, 1], 80), tcp(&v6, 9))).as_deref(),
        Some("read tcp 127.0.0.1:80->[::1]:9: connection reset by peer")
    );
    assert_eq!(
        text(&op(Value::Nil, tcp(&[10, 0, 0, 1], 5))).as_deref(),
        Some("read tcp 10.0.0.1:5: connection reset by peer")
    );
    assert_eq!(text(&op(Value::Nil, Value::Missing(Missing::Lost))), None);
}

#[test]
fn the_cause_does_not_stand_for_the_message() {
    let cause = error("*errors.errorString", vec![("s", string("cause"))]);
    let e = error(
        "*github.com/docker/docker/vendor/github.com/pkg/errors.withMessage",
        vec![("cause", cause.clone()), ("msg", string("while listing"))],
    );
    assert_eq!(text(&e).as_deref(), Some("while listing: cause"));
    let e = error(
        "github.com/docker/docker/errdefs.errNotFound",
        vec![("error", e)],
    );
    assert_eq!(text(&e).as_deref(), Some("while listing: cause"));
}

#[test]
fn unknown_types_and_cut_strings_have_no_text() {
    assert_eq!(text(&error("*x.Y", vec![("s", string("a"))])), None);
    let cut = Value::Str {
        bytes: b"ab".to_vec(),
        len: 3,
    };
    assert_eq!(text(&error("*errors.errorString", vec![("s", cut)])), None);
}

fn strings(of: &[&str]) -> Value {
    Value::List {
        items: of.iter().map(|s| string(s)).collect(),
        len: of.len() as u64,
    }
}

fn named(ty: &str, value: Value) -> Value {
    Value::Iface {
        ty: ty.to_owned(),
        value: Box::new(value),
    }
}

#[test]
fn filters_that_are_refused() {
    let check = |filter: &str, values: Value, expected: Option<&str>| {
        let e = error(
            "*github.com/docker/docker/api/types/filters.invalidFilter",
            vec![("Filter", string(filter)), ("Value", values)],
        );
        assert_eq!(text(&e).as_deref(), expected);
    };
    check(
        "dangling",
        strings(&["maybe"]),
        Some("invalid filter 'dangling=[maybe]'"),
    );
    check(
        "dangling",
        strings(&["a", "b"]),
        Some("invalid filter 'dangling=[a b]'"),
    );
    check("nope", Value::Nil, Some("invalid filter 'nope'"));
    check("", Value::Nil, Some("invalid filter"));
    check("dangling", Value::Missing(Missing::Lost), None);
    let of_images = |value: Value| {
        text(&error(
            "github.com/docker/docker/daemon/images.invalidFilter",
            vec![("filter", string("dangling")), ("value", value)],
        ))
    };
    let said = |text: &str| Some(format!("Invalid filter 'dangling{text}'"));
    assert_eq!(of_images(Value::Nil), said(""));
    assert_eq!(
        of_images(named("[]string", strings(&["maybe"]))),
        said("=[maybe]")
    );
    assert_eq!(of_images(named("string", string("maybe"))), said("=maybe"));
    assert_eq!(of_images(Value::Missing(Missing::Lost)), None);
    // up to 20.10 it is a string
    let e = named(
        "github.com/docker/docker/api/types/filters.invalidFilter",
        string("dangling"),
    );
    assert_eq!(text(&e).as_deref(), Some("Invalid filter 'dangling'"));
}

fn repository(domain: &str, path: &str) -> Value {
    let repository = Value::Struct {
        ty: "reference.repository".into(),
        fields: vec![
            ("domain".into(), string(domain)),
            ("path".into(), string(path)),
        ],
        left_out: 0,
    };
    named("github.com/distribution/reference.repository", repository)
}

#[test]
fn images_that_do_not_exist_are_named_as_users_name_them() {
    let check = |reference: Value, expected: Option<&str>| {
        let e = error(
            "*github.com/docker/docker/daemon/images.ErrImageDoesNotExist",
            vec![("Ref", reference)],
        );
        let expected = expected.map(|name| format!("No such image: {name}"));
        assert_eq!(text(&e), expected);
    };
    let tagged = |repository: Value, tag: &str| {
        let fields = vec![
            ("namedRepository".into(), repository),
            ("tag".into(), string(tag)),
        ];
        named(
            "github.com/docker/docker/vendor/github.com/docker/distribution/reference.taggedReference",
            Value::Struct {
                ty: "reference.taggedReference".into(),
                fields,
                left_out: 0,
            },
        )
    };
    check(
        tagged(repository("docker.io", "library/shop"), "1.0"),
        Some("shop:1.0"),
    );
    check(repository("docker.io", "library/shop"), Some("shop:latest"));
    check(
        tagged(repository("docker.io", "user/shop"), "1"),
        Some("user/shop:1"),
    );
    check(
        tagged(repository("host:5000", "shop"), "1"),
        Some("host:5000/shop:1"),
    );
    check(
        repository("docker.io", &format!("library/{}", "a".repeat(64))),
        None,
    );
    let digest = string("sha256:ab");
    let digest = named("github.com/distribution/reference.digestReference", digest);
    check(digest, Some("sha256:ab"));
    check(named("x.reference", Value::Nil), None);
}

#[test]
fn volumes_and_networks() {
    let cause = |ty: &str, said: &str| {
        named(
            &format!("github.com/docker/docker/volume/service.{ty}"),
            string(said),
        )
    };
    let e = error(
        "*github.com/docker/docker/volume/service.OpErr",
        vec![
            ("Err", cause("notFoundError", "no such volume")),
            ("Op", string("get")),
            ("Name", string("nope")),
            ("Refs", Value::Nil),
        ],
    );
    assert_eq!(text(&e).as_deref(), Some("get nope: no such volume"));
    let e = error(
        "*github.com/docker/docker/volume/service.OpErr",
        vec![
            ("Err", cause("conflictError", "volume is in use")),
            ("Op", string("remove")),
            ("Name", string("v")),
            ("Refs", strings(&["a", "b"])),
        ],
    );
    assert_eq!(
        text(&e).as_deref(),
        Some("remove v: volume is in use - [a, b]")
    );
    let e = named(
        "github.com/docker/docker/libnetwork.ErrNoSuchNetwork",
        string("n"),
    );
    assert_eq!(text(&e).as_deref(), Some("network n not found"));
}

#[test]
fn answers_of_registries_with_codes_of_their_own_package() {
    let of = |code: i64, message: &str| {
        let e = error(
            "github.com/docker/distribution/registry/api/errcode.Error",
            vec![("Code", Value::Int(code)), ("Message", string(message))],
        );
        let errors = Value::List {
            items: vec![e],
            len: 1,
        };
        text(&named(
            "github.com/docker/docker/vendor/github.com/docker/distribution/registry/api/errcode.Errors",
            errors,
        ))
    };
    let known = of(1002, "authentication required");
    assert_eq!(
        known.as_deref(),
        Some("unauthorized: authentication required")
    );
    assert_eq!(of(1006, "x"), None);
    assert_eq!(of(7, "x"), None);
    assert_eq!(of(i64::MIN, "x"), None);
    assert_eq!(of(1002, "100 %s"), None);
}

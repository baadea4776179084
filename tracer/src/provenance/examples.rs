//! Plans and calls put together by hand, for tests.

use crate::correlate::{Call, CallState, Link, Owner, Request};
use crate::decode::Value;
use crate::plan::{ArgPlace, FuncSchema, PlaceKind, Role, ValueSchema};

pub fn schema(name: &str) -> ValueSchema {
    ValueSchema {
        name: name.into(),
        ty: 0,
        place: ArgPlace {
            kind: PlaceKind::Registers,
            leaves: Vec::new(),
            offset: 0,
            reason: None,
        },
        shown: true,
    }
}

pub fn function(name: &str, params: &[&str]) -> FuncSchema {
    FuncSchema {
        name: name.into(),
        short: name.rsplit('.').next().expect("name").into(),
        role: Role::Call,
        signature: String::new(),
        signature_source: String::new(),
        entry: 0,
        end: 0,
        params: params.iter().map(|p| schema(p)).collect(),
        results: Vec::new(),
        out: Vec::new(),
        inlined_at: Vec::new(),
    }
}

pub fn request(method: &str, path: &str, query: &str) -> Request {
    let version = path.strip_prefix("/v").and_then(|p| p.split('/').next());
    Request {
        id: 1,
        goid: Some(1),
        start: 0,
        end: Some(1),
        method: method.into(),
        api_version: version.filter(|v| v.contains('.')).map(str::to_owned),
        path: path.into(),
        query: query.into(),
        user_agent: None,
        status: Some(200),
        bytes: None,
        hijacked: Some(false),
        waits_for: None,
        client: None,
        client_unknown: None,
        layers: None,
        sample: None,
        state: CallState::Returned,
    }
}

pub fn call(func: u32, params: Vec<Value>, parent: Option<usize>) -> Call {
    Call {
        func,
        goid: Some(1),
        tid: 1,
        depth: 1,
        start: 0,
        end: Some(1),
        params,
        results: Vec::new(),
        out: Vec::new(),
        stack: Vec::new(),
        state: CallState::Returned,
        owner: Owner::Request {
            request: 0,
            link: Link::SameGoroutine,
        },
        parent,
        born_in: None,
        sample: None,
        shared_with: Vec::new(),
    }
}

pub fn text(text: &str) -> Value {
    Value::Str {
        bytes: text.as_bytes().to_vec(),
        len: text.len() as u64,
    }
}

pub fn filters(of: &[(&str, &str)]) -> Value {
    let entries = of.iter().map(|(key, value)| {
        let set = Value::Map {
            entries: vec![(text(value), Value::Bool(true))],
            len: 1,
        };
        (text(key), set)
    });
    Value::Struct {
        ty: "filters.Args".into(),
        fields: vec![(
            "fields".into(),
            Value::Map {
                entries: entries.collect(),
                len: of.len() as u64,
            },
        )],
    }
}

pub fn options(fields: Vec<(&str, Value)>) -> Value {
    Value::Pointer {
        addr: 0xc000,
        to: Box::new(Value::Struct {
            ty: "ListOptions".into(),
            fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
        }),
    }
}

/// List options as a request or the daemon makes them.
pub fn list(all: bool, size: bool, limit: i64, filter: Value) -> Value {
    options(vec![
        ("Size", Value::Bool(size)),
        ("All", Value::Bool(all)),
        ("Since", text("")),
        ("Limit", Value::Int(limit)),
        ("Filters", filter),
    ])
}

//! Plans and values put together by hand, for tests.

use crate::addr::ImageAddr;
use crate::decode::Value;
use crate::plan::{ArgPlace, FuncSchema, Meaning, PlaceKind, Role, SignatureSource, ValueSchema};

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
        meaning: Meaning::Value,
    }
}

pub fn function(name: &str, params: &[&str]) -> FuncSchema {
    FuncSchema {
        name: name.into(),
        short: name.rsplit('.').next().expect("name").into(),
        role: Role::Call,
        signature: String::new(),
        signature_source: SignatureSource::Catalogue,
        entry: ImageAddr(0),
        end: ImageAddr(0),
        params: params.iter().map(|p| schema(p)).collect(),
        results: Vec::new(),
        out: Vec::new(),
        inlined_at: Vec::new(),
        group: None,
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
        left_out: 0,
    }
}

pub fn options(fields: Vec<(&str, Value)>) -> Value {
    Value::Pointer {
        addr: crate::addr::ProcessAddr(0xc000),
        to: Box::new(Value::Struct {
            ty: "ListOptions".into(),
            fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
            left_out: 0,
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

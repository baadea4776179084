//! What a call came back with, as data that can be compared: lists by the identity of their
//! objects, and what is said of each.

use super::super::call::short_id;
use super::super::text::{self, escape};
use crate::correlate::{Call, CallState};
use crate::decode::{Missing, Value};
use crate::moby::objects::{DELETED, ID, ID_OF_NETWORK, NAME, NAMES, REPO_TAGS, UNTAGGED};
use crate::plan::FuncSchema;

/// Structs within structs that are looked into.
const MOST_LEVELS: u32 = 4;

/// Fields that a recording leaves out without naming them.
const UNNAMED: &str = "whatever else they hold";

/// What one path got back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Came(Returned),
    /// The call came back with this error.
    Failed(String),
    /// And why.
    Unknown(String),
}

/// A result that is not an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    pub lists: Vec<List>,
    /// What else the result says.
    pub said: Said,
}

/// A list that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Field of the result that it is; empty: the result itself.
    pub path: String,
    /// Its true length.
    pub len: u64,
    /// As many as were captured.
    pub objects: Vec<Object>,
}

/// One object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is known by; `None`: not captured.
    pub key: Option<Key>,
    pub name: String,
    pub said: Said,
}

/// By what an object is told from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub by: KeyKind,
    pub text: String,
}

/// Which part of an object is its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    Id,
    Name,
    /// An image or a reference of one, that was deleted.
    Deleted,
    /// The element is a text itself.
    Text,
}

impl KeyKind {
    /// `by ID`
    pub fn by(self) -> &'static str {
        match self {
            Self::Id => "by ID",
            Self::Name => "by name",
            Self::Deleted => "by what was deleted or untagged",
            Self::Text => "by text",
        }
    }
}

/// Fields and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub facts: Vec<Fact>,
    /// Fields that the capture does not want.
    pub left_out: Vec<String>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub field: String,
    /// Its value, whole; `None`: it was wanted, and is missing or cut.
    pub value: Option<String>,
}

impl Said {
    pub fn of(&self, field: &str) -> Option<&Fact> {
        self.facts.iter().find(|f| f.field == field)
    }
}

impl Object {
    /// `web 42e7cb28daee`
    pub fn shown(&self) -> String {
        match (&self.key, self.name.as_str()) {
            (Some(key), "") => key.shown(),
            (Some(key), name) if key.by == KeyKind::Id => {
                format!("{} {}", escape(name), key.shown())
            }
            (Some(key), _) => key.shown(),
            (None, "") => "one without its ID".to_owned(),
            (None, name) => escape(name),
        }
    }
}

impl Key {
    pub fn shown(&self) -> String {
        match self.by {
            KeyKind::Id => short_id(&escape(&self.text)),
            KeyKind::Name | KeyKind::Deleted | KeyKind::Text => escape(&self.text),
        }
    }
}

impl List {
    /// Objects of which it is known which ones they are.
    pub fn known(&self) -> impl Iterator<Item = (&Key, &Object)> {
        self.objects
            .iter()
            .filter_map(|o| o.key.as_ref().map(|key| (key, o)))
    }

    /// Every object is there and known by its key.
    pub fn is_complete(&self) -> bool {
        self.known().count() as u64 == self.len
    }
}

/// What a call came back with: its error, else its result.
pub fn outcome(function: &FuncSchema, call: &Call) -> Outcome {
    let unknown = |why: &str| Outcome::Unknown(why.to_owned());
    match call.state {
        CallState::Returned => {}
        CallState::Panicked => return unknown("it was left by a panic"),
        CallState::Exited => return unknown("it was left by Goexit"),
        CallState::Abandoned => return unknown("it was left by a panic or Goexit"),
        CallState::InFlight => return unknown("it did not return while it was traced"),
        CallState::Unpaired => return unknown("its return cannot be told from others"),
    }
    if !function.has_signature() {
        return unknown("its results are not known: its signature is not");
    }
    match error_of(function, call) {
        Some(Value::Nil) => {}
        // not nil, of a type that the plan does not describe
        Some(error @ Value::Missing(Missing::UnknownType { .. })) => {
            return Outcome::Failed(text::value(error, false));
        }
        Some(Value::Missing(_)) => return unknown("whether it failed was not captured"),
        Some(error) => return Outcome::Failed(text::value(error, false)),
        None if function.error_result().is_some() => {
            return unknown("whether it failed was not captured");
        }
        None => {}
    }
    let mut returned = Returned::default();
    let others = || {
        let schemas = function.results.iter().enumerate();
        schemas.filter(|(_, s)| !s.is_error())
    };
    let alone = others().count() == 1;
    for (at, schema) in others() {
        let path = if alone { "" } else { schema.name.as_str() };
        match call.results.get(at) {
            None => return unknown("its results were not captured"),
            Some(Value::Missing(why)) if alone => {
                return Outcome::Unknown(format!("its result was not captured ({why})"));
            }
            Some(value) => returned.take(path, value, 0),
        }
    }
    Outcome::Came(returned)
}

/// The error among a call's results.
pub fn error_of<'c>(function: &FuncSchema, call: &'c Call) -> Option<&'c Value> {
    call.results.get(function.error_result()?)
}

impl Returned {
    fn take(&mut self, path: &str, value: &Value, level: u32) {
        match value.pointed() {
            Value::List { items, len } => self.list(path, items, *len),
            Value::Cut { part, .. } => match part.as_ref() {
                Value::List { items, len } => self.list(path, items, *len),
                _ => self.said.take(path, value),
            },
            // Go reads a nil slice as an empty one
            Value::Nil if path.is_empty() => self.list(path, &[], 0),
            Value::Struct { fields, .. } if level < MOST_LEVELS => {
                for (name, value) in fields {
                    let path = joined(path, name);
                    self.take(&path, value, level + 1);
                }
            }
            other => self.said.take(path, other),
        }
    }

    fn list(&mut self, path: &str, items: &[Value], len: u64) {
        self.lists.push(List {
            path: path.to_owned(),
            len,
            objects: items.iter().map(object).collect(),
        });
    }

    pub fn list_at(&self, path: &str) -> Option<&List> {
        self.lists.iter().find(|l| l.path == path)
    }
}

impl Said {
    fn take(&mut self, field: &str, value: &Value) {
        if *value == Value::Missing(Missing::NotWanted) {
            self.left_out.push(field.to_owned());
            return;
        }
        let value = value.is_whole().then(|| match value {
            // no order is promised
            Value::List { items, .. } => {
                let mut texts: Vec<String> = items.iter().map(|v| text::value(v, true)).collect();
                texts.sort();
                texts.join(" ")
            }
            other => text::value(other, true),
        });
        self.facts.push(Fact {
            field: field.to_owned(),
            value,
        });
    }

    fn of_fields(&mut self, path: &str, fields: &[(String, Value)], level: u32) {
        for (name, value) in fields {
            let path = joined(path, name);
            match value {
                Value::Struct { fields, .. } if level < MOST_LEVELS => {
                    self.of_fields(&path, fields, level + 1);
                }
                other => self.take(&path, other),
            }
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A listed value, by its key.
fn object(value: &Value) -> Object {
    let mut this = Object {
        key: None,
        name: String::new(),
        said: Said::default(),
    };
    let Value::Struct {
        fields, left_out, ..
    } = value.pointed()
    else {
        let key = |text| Key {
            by: KeyKind::Text,
            text,
        };
        this.key = whole_text(value.pointed()).map(key);
        return this;
    };
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    let names = field(NAMES).or_else(|| field(REPO_TAGS));
    let name = match names {
        Some(Value::List { items, .. }) => items.first().and_then(whole_text),
        _ => field(NAME).and_then(whole_text),
    };
    this.name = name.map_or_else(String::new, |n| n.trim_start_matches('/').to_owned());
    this.key = key(&field);
    this.said.of_fields("", fields, 0);
    if *left_out > 0 {
        this.said.left_out.push(UNNAMED.to_owned());
    }
    this.said
        .facts
        .retain(|f| !is_key(&f.field, this.key.as_ref()));
    this
}

fn key<'v>(field: &impl Fn(&str) -> Option<&'v Value>) -> Option<Key> {
    if let Some(id) = field(ID).or_else(|| field(ID_OF_NETWORK)) {
        let text = whole_text(id)?;
        let by = KeyKind::Id;
        return Some(Key { by, text });
    }
    if let Some((deleted, untagged)) = field(DELETED).zip(field(UNTAGGED)) {
        let by = KeyKind::Deleted;
        let text = match (whole_text(deleted)?, whole_text(untagged)?) {
            (deleted, untagged) if deleted.is_empty() => format!("untagged {untagged}"),
            (deleted, _) => format!("deleted {deleted}"),
        };
        return Some(Key { by, text });
    }
    let text = whole_text(field(NAME)?)?;
    let by = KeyKind::Name;
    Some(Key { by, text })
}

/// Whether a field is (a part of) the key itself.
fn is_key(field: &str, key: Option<&Key>) -> bool {
    match key.map(|k| k.by) {
        Some(KeyKind::Id) => matches!(field, ID | ID_OF_NETWORK),
        Some(KeyKind::Name) => field == NAME,
        Some(KeyKind::Deleted) => matches!(field, DELETED | UNTAGGED),
        Some(KeyKind::Text) | None => false,
    }
}

fn whole_text(value: &Value) -> Option<String> {
    match value {
        Value::Str { bytes, .. } if value.is_whole() => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    }
}

//! Two results, part by part: which objects only one of them has, and which fields of those that
//! both have differ.

use std::collections::BTreeMap;

use super::returned::{Fact, Key, KeyKind, List, Object, Returned};

/// How two lists differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDifference {
    pub path: String,
    /// By what objects were told apart; `None`: there are none.
    pub by: Option<KeyKind>,
    pub same: Sameness,
    /// Objects that only the first, and only the second has, as far as that is certain.
    pub only: [Vec<String>; 2],
    /// Keys that the first, and the second has more than once.
    pub repeated: [Vec<String>; 2],
    /// Objects that both have once each: the ones whose fields are compared.
    pub common: u64,
    pub fields: Vec<FieldDifference>,
    /// Fields that the capture does not want.
    pub left_out: Vec<String>,
}

/// Whether two lists hold the same objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    Same,
    Different,
    /// As many, but not every key was captured.
    Unknown,
}

/// How one field differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDifference {
    pub field: String,
    /// Objects in which it differs, with both values.
    pub differing: Vec<(String, String, String)>,
    /// Objects of which it was not captured whole on both paths.
    pub unknown: u64,
}

/// How two results differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub lists: Vec<ListDifference>,
    /// Fields of the result itself, each as of one object.
    pub fields: Vec<FieldDifference>,
    pub left_out: Vec<String>,
}

impl Difference {
    pub fn between(a: &Returned, b: &Returned) -> Self {
        let empty = |path: &str| List {
            path: path.to_owned(),
            len: 0,
            objects: Vec::new(),
        };
        let mut paths: Vec<&str> = Vec::new();
        for list in a.lists.iter().chain(&b.lists) {
            if !paths.contains(&list.path.as_str()) {
                paths.push(&list.path);
            }
        }
        let lists = paths
            .into_iter()
            .map(|path| {
                let of = |r: &Returned| r.list_at(path).cloned().unwrap_or_else(|| empty(path));
                ListDifference::between(path, &of(a), &of(b))
            })
            .collect();
        // a list that is nil on one path is a field there
        let is_list = |f: &Fact| a.list_at(&f.field).is_some() || b.list_at(&f.field).is_some();
        let named: Vec<&Fact> = a.said.facts.iter().filter(|f| !is_list(f)).collect();
        let fields = named
            .into_iter()
            .map(|fact| {
                let mut field = FieldDifference::of(&fact.field);
                field.add("", Some(fact), b.said.of(&fact.field));
                field
            })
            .collect();
        Self {
            lists,
            fields,
            left_out: a.said.left_out.clone(),
        }
    }
}

impl FieldDifference {
    fn of(field: &str) -> Self {
        Self {
            field: field.to_owned(),
            differing: Vec::new(),
            unknown: 0,
        }
    }

    fn add(&mut self, object: &str, a: Option<&Fact>, b: Option<&Fact>) {
        let value = |fact: Option<&Fact>| fact.and_then(|f| f.value.clone());
        match (value(a), value(b)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => self.differing.push((object.to_owned(), a, b)),
            _ => self.unknown += 1,
        }
    }
}

impl ListDifference {
    fn between(path: &str, a: &List, b: &List) -> Self {
        let (in_a, in_b) = (by_key(a), by_key(b));
        let only = |here: &ByKey<'_>, there: &ByKey<'_>, other: &List| -> Vec<String> {
            // what was not captured of the other list may be the same object
            if !other.is_complete() {
                return Vec::new();
            }
            let absent = here.iter().filter(|(key, _)| !there.contains_key(*key));
            let mut names: Vec<String> = absent
                .filter_map(|(_, objects)| objects.first().map(|o| o.shown()))
                .collect();
            names.sort();
            names
        };
        let only = [only(&in_a, &in_b, b), only(&in_b, &in_a, a)];
        let counts = |of: &ByKey<'_>| -> Vec<(Key, usize)> {
            let count = |(key, objects): (&&Key, &Vec<&Object>)| ((*key).clone(), objects.len());
            of.iter().map(count).collect()
        };
        let complete = a.is_complete() && b.is_complete();
        let same = if a.len != b.len || only.iter().any(|o| !o.is_empty()) {
            Sameness::Different
        } else if !complete {
            Sameness::Unknown
        } else if counts(&in_a) == counts(&in_b) {
            Sameness::Same
        } else {
            Sameness::Different
        };
        let mut this = Self {
            path: path.to_owned(),
            by: a.known().chain(b.known()).map(|(key, _)| key.by).next(),
            same,
            only,
            repeated: [repeated(&in_a), repeated(&in_b)],
            common: 0,
            fields: Vec::new(),
            left_out: Vec::new(),
        };
        for (key, here) in &in_a {
            if let (&[here], Some(&[there])) = (here.as_slice(), in_b.get(key).map(Vec::as_slice)) {
                this.compare(here, there);
            }
        }
        this
    }

    /// One object as both paths returned it.
    fn compare(&mut self, here: &Object, there: &Object) {
        self.common += 1;
        for fact in &here.said.facts {
            let at = match self.fields.iter().position(|f| f.field == fact.field) {
                Some(at) => at,
                None => {
                    self.fields.push(FieldDifference::of(&fact.field));
                    self.fields.len() - 1
                }
            };
            if let Some(field) = self.fields.get_mut(at) {
                field.add(&here.shown(), Some(fact), there.said.of(&fact.field));
            }
        }
        for field in &here.said.left_out {
            if !self.left_out.contains(field) {
                self.left_out.push(field.clone());
            }
        }
    }
}

/// Objects by key; more than one with the same key are not merged.
type ByKey<'a> = BTreeMap<&'a Key, Vec<&'a Object>>;

fn by_key(list: &List) -> ByKey<'_> {
    let mut found = ByKey::new();
    for (key, object) in list.known() {
        found.entry(key).or_default().push(object);
    }
    found
}

fn repeated(of: &ByKey<'_>) -> Vec<String> {
    of.values()
        .filter(|objects| objects.len() > 1)
        .filter_map(|objects| Some(format!("{} × {}", objects.first()?.shown(), objects.len())))
        .collect()
}

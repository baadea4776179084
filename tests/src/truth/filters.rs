//! `filters` in both forms that handlers read, and in forms that they refuse.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Numbers;

const VALUES: &[&str] = &[
    "nope",
    "a=b",
    "x y",
    "ü",
    "a&b",
    "q\"q",
    "back\\slash",
    "<tag>",
    "50%",
    "…",
];

/// A text of filters by some of these keys. `never`: a label that nothing has is always among them,
/// so that prunes do nothing.
pub fn any(dice: &mut Numbers, keys: &[(&str, &[&str])], never: bool) -> String {
    if !never && dice.one_in(8) {
        let odd = [
            "",
            "{}",
            "null",
            "{\"name\":null}",
            "{",
            "[]",
            "{\"name\":\"c1\"}",
            "{} x",
            "{\"label\":{}}",
        ];
        return (*dice.pick(&odd)).to_owned();
    }
    let mut sets: BTreeMap<&str, BTreeMap<String, bool>> = BTreeMap::new();
    if never {
        sets.entry("label")
            .or_default()
            .insert("never".into(), true);
    }
    for _ in 0..=dice.below(3) {
        let (key, values) = *dice.pick(keys);
        let value = if values.is_empty() { VALUES } else { values };
        let value = (*dice.pick(value)).to_owned();
        // a label that is switched off would still be there: nothing of a prune depends on it
        let on = never || !dice.one_in(6);
        sets.entry(key).or_default().insert(value, on);
    }
    if dice.one_in(2) {
        return json!(sets).to_string();
    }
    let lists: BTreeMap<&str, Vec<&String>> = sets
        .iter()
        .map(|(key, set)| (*key, set.keys().collect()))
        .collect();
    json!(lists).to_string()
}

/// `filters.FromJSON`: what a handler makes of the text; `Err`: it refuses the request.
pub fn from_json(text: &str) -> Result<Value, ()> {
    if text.is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| ())?;
    let Value::Object(object) = value else {
        // its `UnmarshalJSON` has a copy of the struct: what that replaces stays as it was, empty
        return if value.is_null() {
            Ok(json!({}))
        } else {
            Err(())
        };
    };
    let sets = object.values().all(|set| match set {
        Value::Object(set) => set.values().all(Value::is_boolean),
        set => set.is_null(),
    });
    if sets {
        return Ok(Value::Object(object));
    }
    let mut sets = Map::new();
    for (key, list) in object {
        let mut set = Map::new();
        match list {
            Value::Null => {}
            Value::Array(list) => {
                for value in list {
                    set.insert(value.as_str().ok_or(())?.to_owned(), json!(true));
                }
            }
            _ => return Err(()),
        }
        sets.insert(key, Value::Object(set));
    }
    Ok(Value::Object(sets))
}

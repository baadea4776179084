//! Profiles of a user's own, from a TOML file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::failure::Failure;
use crate::moby::profiles::PROFILES;
use crate::plan::{Profile, ProfileFunction};

/// Longest file, bytes.
const MOST_BYTES: u64 = 1 << 20;
/// Functions of one profile; the kernel's tables have room for fewer.
const MOST_FUNCTIONS: usize = 4096;
/// Longest name of a profile.
const MOST_NAME: usize = 64;

const HINT: &str = "each table is a profile: [NAME], then purpose = \"…\" and functions = [\"…\"]; \
                    docs/profiles.md has an example";

type Entry<'d, 't> = (&'d str, &'d Spanned<DeValue<'t>>);

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    /// Bytes of the text.
    at: Range<usize>,
    /// Path of the key; empty: the file itself.
    key: String,
    what: String,
}

impl Wrong {
    fn new(at: Range<usize>, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            at,
            key: key.into(),
            what: what.into(),
        }
    }
}

/// The line that a byte is on, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|b| **b == b'\n').count() + 1
}

/// Reads the profiles of a file.
///
/// # Errors
/// It cannot be read, or is no such file: with the line and the key.
pub fn read(path: &Path) -> Result<Vec<Profile>> {
    let shown = path.display();
    let text = text_of(path)
        .map_err(|e| Failure::new(format!("failed to read profile file {shown}: {e}"), HINT))?;
    let profiles = parse(&text).map_err(|wrong| {
        let key = if wrong.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", wrong.key)
        };
        let line = line(&text, wrong.at.start);
        let what = &wrong.what;
        Failure::new(
            format!("profile file {shown}, line {line}: {key}{what}"),
            HINT,
        )
    })?;
    Ok(profiles)
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("longer than {MOST_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not UTF-8 text"))
}

fn parse(text: &str) -> Result<Vec<Profile>, Wrong> {
    let document = DeTable::parse(text).map_err(|error| {
        // the first line says it; more may be a picture of the place
        let what = error.message().lines().next().unwrap_or("no TOML");
        Wrong::new(error.span().unwrap_or(0..0), "", what)
    })?;
    let tables: Vec<Entry<'_, '_>> = entries(document.get_ref());
    if tables.is_empty() {
        return Err(Wrong::new(0..0, "", "no profile in it"));
    }
    tables.into_iter().map(profile).collect()
}

/// Entries of a table by their place in the text.
fn entries<'d, 't>(table: &'d DeTable<'t>) -> Vec<Entry<'d, 't>> {
    let mut found: Vec<_> = table
        .iter()
        .map(|(key, value)| (key.span().start, (&**key.get_ref(), value)))
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, entry)| entry).collect()
}

fn profile((name, value): Entry<'_, '_>) -> Result<Profile, Wrong> {
    let wrong = |what: &str| Wrong::new(value.span(), name, what);
    let DeValue::Table(table) = value.get_ref() else {
        return Err(wrong("expected a profile: a table with functions"));
    };
    if PROFILES.iter().any(|stock| stock.name == name) {
        return Err(wrong("is the name of a built-in profile"));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if name.is_empty() || name.len() > MOST_NAME || !name.bytes().all(is_plain) {
        return Err(wrong(
            "a profile's name is made of at most 64 letters, digits, - and _",
        ));
    }
    let mut profile = Profile {
        name: name.to_owned(),
        purpose: String::new(),
        functions: Vec::new(),
        layers: false,
    };
    for (key, value) in entries(table) {
        let path = format!("{name}.{key}");
        match (key, value.get_ref()) {
            ("purpose", DeValue::String(text)) => profile.purpose = text.to_string(),
            ("layers", DeValue::Boolean(layers)) => profile.layers = *layers,
            ("functions", DeValue::Array(list)) if list.len() <= MOST_FUNCTIONS => {
                for (index, one) in list.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    profile.functions.push(function(&path, one)?);
                }
            }
            ("purpose", _) => return Err(expected(&path, value, "text")),
            ("layers", _) => return Err(expected(&path, value, "true or false")),
            ("functions", DeValue::Array(_)) => {
                return Err(expected(&path, value, "at most 4096 functions"));
            }
            ("functions", _) => return Err(expected(&path, value, "a list")),
            _ => {
                let what = "unknown key (known: purpose, functions, layers)";
                return Err(Wrong::new(value.span(), path, what));
            }
        }
    }
    if profile.functions.is_empty() {
        return Err(wrong("names no functions"));
    }
    for one in &profile.functions {
        let stands_in = |by: &String| profile.functions.iter().any(|f| f.pattern == *by);
        if let Some(by) = one.seen_by.as_ref().filter(|by| !stands_in(by)) {
            return Err(wrong(&format!(
                "seen_by names {by:?}, which is none of its functions"
            )));
        }
    }
    Ok(profile)
}

/// `"NAME"` or `{ name = "NAME", seen_by = "NAME" }`
fn function(path: &str, value: &Spanned<DeValue<'_>>) -> Result<ProfileFunction, Wrong> {
    let table = match value.get_ref() {
        DeValue::String(_) => {
            return Ok(ProfileFunction {
                pattern: pattern(path, value)?,
                seen_by: None,
            });
        }
        DeValue::Table(table) => table,
        _ => {
            return Err(expected(
                path,
                value,
                "a function's name, or a table with one",
            ));
        }
    };
    let (mut name, mut seen_by) = (None, None);
    for (key, value) in entries(table) {
        let path = format!("{path}.{key}");
        match key {
            "name" => name = Some(pattern(&path, value)?),
            "seen_by" => seen_by = Some(pattern(&path, value)?),
            _ => {
                let what = "unknown key (known: name, seen_by)";
                return Err(Wrong::new(value.span(), path, what));
            }
        }
    }
    let pattern = name.ok_or_else(|| expected(path, value, "a name in it"))?;
    Ok(ProfileFunction { pattern, seen_by })
}

/// Names of a function in different releases, with `|` between them.
fn pattern(path: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(text) if text.split('|').all(|name| !name.trim().is_empty()) => {
            Ok(text.to_string())
        }
        DeValue::String(_) => Err(expected(path, value, "a name on each side of |")),
        _ => Err(expected(path, value, "a function's name")),
    }
}

fn expected(path: &str, value: &Spanned<DeValue<'_>>, what: impl fmt::Display) -> Wrong {
    Wrong::new(value.span(), path, format!("expected {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (usize, String, String) {
        let wrong = parse(text).expect_err("wrong");
        (line(text, wrong.at.start), wrong.key, wrong.what)
    }

    #[test]
    fn a_profile_of_each_kind_of_entry() {
        let text = "[mine]\npurpose = 'p'\nlayers = true\nfunctions = [\n  'A|B',\n  { name = 'C', seen_by = 'A|B' },\n]\n[b]\nfunctions = ['D']\n";
        let found = parse(text).expect("profiles");
        let of = |pattern: &str, seen_by: Option<&str>| ProfileFunction {
            pattern: pattern.into(),
            seen_by: seen_by.map(str::to_owned),
        };
        assert_eq!(found[0].name, "mine");
        assert_eq!((found[0].purpose.as_str(), found[0].layers), ("p", true));
        assert_eq!(found[0].functions, [of("A|B", None), of("C", Some("A|B"))]);
        assert_eq!(found[1].functions, [of("D", None)]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_key() {
        let check = |text: &str, at: usize, key: &str, what: &str| {
            let (line, found, said) = wrong(text);
            assert_eq!((line, found.as_str()), (at, key), "{text}: {said}");
            assert!(said.contains(what), "{text}: {said}");
        };
        check("", 1, "", "no profile");
        check("[a]\npurpose = 'x'\n", 1, "a", "names no functions");
        check("[a]\nfunctions = 'x'\n", 2, "a.functions", "a list");
        check("[a]\nfunctions = ['x',\n 1]\n", 3, "a.functions[1]", "name");
        check("[a]\nfunctions = ['']\n", 2, "a.functions[0]", "name");
        check("[a]\nfunctions = ['x|']\n", 2, "a.functions[0]", "|");
        check("[a]\nfuntions = ['x']\n", 2, "a.funtions", "known: purpose");
        check(
            "[a]\nfunctions = [{name = 'x', by = 'y'}]\n",
            2,
            "a.functions[0].by",
            "seen_by",
        );
        check(
            "[a]\nfunctions = [{seen_by = 'y'}]\n",
            2,
            "a.functions[0]",
            "name",
        );
        check(
            "[a]\nfunctions = [{name = 'x', seen_by = 'y'}]\n",
            1,
            "a",
            "none of its",
        );
        check("[a]\nlayers = 1\n", 2, "a.layers", "true or false");
        check("\n[list]\nfunctions = ['x']\n", 2, "list", "built-in");
        check("x = 1\n", 1, "x", "a table");
        check("['a b']\nfunctions = ['x']\n", 1, "a b", "letters");
        check("[a]\nfunctions = ['x'\n\n[b\n", 4, "", "");
        check("[a]\nfunctions = ['x']\n[a]\n", 3, "", "");
    }
}

//! What is known of functions that a binary may not describe: parameter names, and signatures as
//! type *names* (`runtime.txt`, `moby/eras.txt`).
//!
//! Never an offset or a size: types are looked up in the binary, and every signature is checked
//! against the function's own records before it is used.

use std::sync::OnceLock;

use super::candidate::{Candidate, TypeRef};
use super::schema::SignatureSource;
use super::spelling::{Scope, Spelling};
use crate::gobin::symbol::{Symbol, unvendored};
use crate::gobin::{Error, GoBinary};
use crate::moby::eras;
use crate::moby::modules::{MODULES, own};

/// What is known of functions of Go's own packages, and of moby's.
const TEXTS: [&str; 2] = [include_str!("runtime.txt"), eras::SIGNATURES];

/// One line: a function in one era.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    symbol: String,
    params: Vec<(String, Spelling)>,
    /// `None`: not told.
    results: Option<Vec<Spelling>>,
}

#[derive(Debug, Default)]
struct Catalogue {
    types: Vec<(String, Spelling)>,
    rows: Vec<Row>,
}

fn catalogue() -> &'static Catalogue {
    static PARSED: OnceLock<Catalogue> = OnceLock::new();
    PARSED.get_or_init(|| {
        let mut parsed = Catalogue::default();
        // a test parses every line: none is passed over
        for line in lines() {
            if let Some(declared) = line.strip_prefix("type ") {
                parsed.types.extend(type_line(declared));
            } else {
                parsed.rows.extend(row_line(line).unwrap_or_default());
            }
        }
        parsed
    })
}

fn lines() -> impl Iterator<Item = &'static str> {
    TEXTS
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn type_line(line: &str) -> Option<(String, Spelling)> {
    let (name, kind) = line.split_once(' ')?;
    Some((name.to_owned(), Spelling::parse(kind)?))
}

/// `path.(*T).{M,N}(a T, b U) (V, W)`: one row for each name in braces.
fn row_line(line: &str) -> Option<Vec<Row>> {
    let from = line.find(").").map_or(0, |at| at + 2);
    let open = from + line.get(from..)?.find('(')?;
    let (symbol, rest) = (line.get(..open)?, line.get(open + 1..)?);
    let (params, results) = rest.split_once(')')?;
    let params = list(params)
        .map(|one| {
            let (name, ty) = one.split_once(' ')?;
            Some((name.to_owned(), Spelling::parse(ty)?))
        })
        .collect::<Option<Vec<_>>>()?;
    let results = results.trim();
    let results = if results == "..." {
        None
    } else {
        let inner = results
            .strip_prefix('(')
            .map_or(Some(results), |r| r.strip_suffix(')'))?;
        Some(
            list(inner)
                .map(Spelling::parse)
                .collect::<Option<Vec<_>>>()?,
        )
    };
    Some(
        alternatives(symbol)
            .into_iter()
            .map(|symbol| Row {
                symbol,
                params: params.clone(),
                results: results.clone(),
            })
            .collect(),
    )
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// `a{b,c}d` → `abd`, `acd`.
fn alternatives(text: &str) -> Vec<String> {
    let braces = text
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match braces {
        Some((before, (inner, after))) => inner
            .split(',')
            .flat_map(|one| alternatives(&format!("{before}{one}{after}")))
            .collect(),
        None => vec![text.to_owned()],
    }
}

/// Whether `~` stands for this import path.
fn is_root(path: &str) -> bool {
    MODULES.iter().any(|module| module.path == path)
}

/// The rows of a symbol, and moby's import path in it.
fn rows_of(symbol: &str) -> Vec<(&'static Row, &str)> {
    catalogue()
        .rows
        .iter()
        .filter_map(|row| match row.symbol.strip_prefix('~') {
            Some(tail) => {
                let root = symbol.strip_suffix(tail)?;
                is_root(unvendored(root)).then_some((row, root))
            }
            None => (row.symbol == symbol).then_some((row, "")),
        })
        .collect()
}

/// The catalogue's signatures of a symbol, one per era, whose types the binary has.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn signatures(binary: &GoBinary<'_>, symbol: &str) -> Result<Vec<Candidate>, Error> {
    let mut found: Vec<Candidate> = Vec::new();
    for (row, root) in rows_of(symbol) {
        let Some(results) = &row.results else {
            continue;
        };
        let scope = Scope {
            binary,
            root,
            declared: &catalogue().types,
        };
        let method = Symbol::parse(symbol).filter(|s| s.method_of().is_some());
        let receiver = match method {
            Some(method) => match receiver_of(&scope, &method)? {
                Some(ty) => Some(ty),
                None => continue,
            },
            None => None,
        };
        let has_receiver = receiver.is_some();
        let all = |list: &mut dyn Iterator<Item = &Spelling>| {
            list.map(|spelling| scope.resolve(spelling))
                .collect::<Result<Option<Vec<_>>, Error>>()
        };
        let (Some(params), Some(results)) = (
            all(&mut row.params.iter().map(|(_, ty)| ty))?,
            all(&mut results.iter())?,
        ) else {
            continue;
        };
        let candidate = Candidate {
            params: receiver.into_iter().chain(params).collect(),
            results,
            has_receiver,
            source: SignatureSource::Catalogue,
        };
        if !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    Ok(found)
}

fn receiver_of(scope: &Scope<'_, '_>, method: &Symbol<'_>) -> Result<Option<TypeRef>, Error> {
    let Some(of) = method.method_of() else {
        return Ok(None);
    };
    let named = Spelling::Named(format!("{}.{}", method.path(), of.name));
    scope.resolve(&if of.by_pointer {
        Spelling::Pointer(Box::new(named))
    } else {
        named
    })
}

/// Names of the parameters (receiver not included) of a function with these types; `arg0`… where no
/// era has these types, or eras that have them disagree on the name.
#[must_use]
pub fn parameter_names(binary: &GoBinary<'_>, symbol: &str, types: &[TypeRef]) -> Vec<String> {
    let fitting: Vec<&Row> = rows_of(symbol)
        .into_iter()
        .filter(|(row, root)| {
            let scope = Scope {
                binary,
                root,
                declared: &catalogue().types,
            };
            row.params.len() == types.len()
                && row
                    .params
                    .iter()
                    .zip(types)
                    .all(|((_, spelling), ty)| scope.fits_ref(spelling, ty))
        })
        .map(|(row, _)| row)
        .collect();
    (0..types.len())
        .map(|i| {
            let mut names = fitting.iter().filter_map(|row| row.params.get(i));
            match names.next() {
                Some((first, _)) if names.all(|(name, _)| name == first) => first.clone(),
                _ => format!("arg{i}"),
            }
        })
        .collect()
}

/// Names of fields that the type of that full name has in some release of moby but not in
/// `present`.
#[must_use]
pub fn absent_fields(type_name: &str, present: &[&str]) -> Vec<&'static str> {
    let moby = own(type_name).is_some();
    let Some((_, fields)) = eras::FIELDS.iter().find(|(names, _)| {
        moby && names.iter().any(|name| {
            type_name
                .strip_suffix(name)
                .is_some_and(|rest| rest.ends_with(['/', '.']))
        })
    }) else {
        return Vec::new();
    };
    fields
        .iter()
        .copied()
        .filter(|field| !present.contains(field))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_understood() {
        for line in lines() {
            match line.strip_prefix("type ") {
                Some(declared) => assert!(type_line(declared).is_some(), "{line}"),
                None => {
                    let rows = row_line(line).unwrap_or_else(|| panic!("{line}"));
                    assert!(!rows.is_empty(), "{line}");
                }
            }
        }
        assert!(catalogue().rows.len() > 150, "{}", catalogue().rows.len());
    }

    #[test]
    fn a_symbol_finds_its_eras_under_every_import_path() {
        let rows = rows_of("github.com/docker/docker/daemon.(*Daemon).Containers");
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[0].1, "github.com/docker/docker");
        let rows = rows_of("github.com/moby/moby/v2/daemon.(*Daemon).Containers");
        assert_eq!(rows[0].1, "github.com/moby/moby/v2");
        assert!(rows_of("example.org/daemon.(*Daemon).Containers").is_empty());
        assert_eq!(
            alternatives("a{b,c}.{d,e}"),
            ["ab.d", "ab.e", "ac.d", "ac.e"]
        );
    }

    #[test]
    fn fields_that_a_build_lacks() {
        let name = "github.com/docker/docker/api/types/container.ListOptions";
        assert_eq!(
            absent_fields(
                name,
                &[
                    "Size", "All", "Latest", "Since", "Before", "Limit", "Filters"
                ]
            ),
            ["Quiet"]
        );
        assert!(absent_fields("example.org/types.ContainerListOptions", &[]).is_empty());
        assert!(
            absent_fields("github.com/docker/docker/api/types/image.ListOptions", &[]).is_empty()
        );
    }
}

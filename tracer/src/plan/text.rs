//! Signatures and their types in Go's spelling, for people.

use super::candidate::{Candidate, TypeRef};
use crate::gobin::GoBinary;

/// Go spelling of a candidate, for people: `func (*daemon.Daemon) Containers(config
/// *types.ContainerListOptions) …`.
#[must_use]
pub fn text(
    binary: &GoBinary<'_>,
    symbol: &str,
    candidate: &Candidate,
    names: &[String],
) -> String {
    let name = |ty: &TypeRef| type_text(binary, ty);
    let skip = usize::from(candidate.has_receiver);
    let params: Vec<String> = candidate
        .params
        .iter()
        .zip(names)
        .skip(skip)
        .map(|(ty, parameter)| format!("{parameter} {}", name(ty)))
        .collect();
    let results: Vec<String> = candidate.results.iter().map(name).collect();
    let results = match results.as_slice() {
        [] => String::new(),
        [one] => format!(" {one}"),
        several => format!(" ({})", several.join(", ")),
    };
    let receiver = match candidate.params.first() {
        Some(ty) if candidate.has_receiver => format!("({}) ", name(ty)),
        _ => String::new(),
    };
    format!(
        "func {receiver}{}({}){results}",
        super::short_name(symbol),
        params.join(", ")
    )
}

/// Short Go spelling of a type: package name, not import path.
pub fn type_text(binary: &GoBinary<'_>, ty: &TypeRef) -> String {
    match ty {
        TypeRef::Id(id) => binary
            .type_by_id(*id)
            .map_or_else(|_| "?".to_owned(), |t| shorten(&t.name)),
        TypeRef::Pointer(id) => binary
            .type_by_id(*id)
            .map_or_else(|_| "*?".to_owned(), |t| format!("*{}", shorten(&t.name))),
        TypeRef::Word(name)
        | TypeRef::Iface(name)
        | TypeRef::Slice(name)
        | TypeRef::Wrapped(name, _) => name.clone(),
    }
}

/// Import paths cut down to the package name: `github.com/a/b/types.T` → `types.T`.
#[must_use]
pub fn shorten(name: &str) -> String {
    let start = name
        .rfind(|c: char| "*[](){} ,".contains(c))
        .map_or(0, |at| at + 1);
    let (prefix, path) = name.split_at(start);
    let base = path.rsplit('/').next().unwrap_or(path);
    format!("{prefix}{base}")
}

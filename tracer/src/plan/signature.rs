//! Signatures that the binary itself tells: from the receiver's method table, else from interfaces it implements.

use super::candidate::{Candidate, TypeRef};
use super::schema::SignatureSource;
use super::{debuginfo, generic};
use crate::gobin::symbol::Symbol;
use crate::gobin::{Error, FuncInfo, GoBinary, TypeId, TypeKind};

/// What the binary itself says of a function's signature: the method table of its receiver, else the interfaces that the file
/// holds an itab for, and DWARF, else the instantiations of a generic type. The catalogue ([`catalogue::signatures`](super::catalogue::signatures)) is asked when all of these fail.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn candidates(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Vec<Candidate>, Error> {
    let mut found = from_methods(binary, f)?;
    // damaged DWARF is as good as none
    if let Ok(Some((candidate, _))) = debuginfo::candidate(binary, f) {
        found.push(candidate);
    }
    if found.is_empty() {
        found = generic::candidates(binary, f)?;
    }
    found.dedup_by(|a, b| a.params == b.params && a.results == b.results);
    Ok(found)
}

/// The same from descriptors alone.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn from_methods(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Vec<Candidate>, Error> {
    let mut found = Vec::new();
    if let Some(name) = Symbol::parse(&f.name)
        && let Some(of) = name.method_of().filter(|of| of.arguments.is_none())
    {
        let star = if of.by_pointer { "*" } else { "" };
        let receivers = binary.types_named(&format!("{star}{}.{}", name.path(), of.name))?;
        // what only DWARF describes has no method table
        for receiver in receivers.iter().filter(|r| r.descriptor().is_some()) {
            for method in binary.methods(*receiver)? {
                // the same name may be promoted from an embedded type: the code address tells
                if method.name == name.function
                    && let Some(ty) = method.ty
                    && method.entry.is_none_or(|e| e == f.entry)
                {
                    found.extend(from_func_type(
                        binary,
                        *receiver,
                        ty,
                        SignatureSource::MethodTable,
                    )?);
                }
            }
        }
        if found.is_empty() {
            for (interface, concrete) in binary.interfaces_of(&receivers) {
                let TypeKind::Interface { methods } = binary.type_by_id(interface)?.kind else {
                    continue;
                };
                for method in methods.iter().filter(|m| m.name == name.function) {
                    if let Some(ty) = method.ty {
                        found.extend(from_func_type(
                            binary,
                            concrete,
                            ty,
                            SignatureSource::Interface,
                        )?);
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Signature of a method whose type (without receiver) is `ty`; `None`: that is no function type.
pub fn from_func_type(
    binary: &GoBinary<'_>,
    receiver: TypeId,
    ty: TypeId,
    source: SignatureSource,
) -> Result<Option<Candidate>, Error> {
    let TypeKind::Func {
        params, results, ..
    } = binary.type_by_id(ty)?.kind
    else {
        return Ok(None);
    };
    Ok(Some(Candidate {
        params: std::iter::once(receiver)
            .chain(params)
            .map(TypeRef::Id)
            .collect(),
        results: results.into_iter().map(TypeRef::Id).collect(),
        has_receiver: true,
        source,
    }))
}

/// Go spelling of a candidate, for people: `func (*daemon.Daemon) Containers(config *types.ContainerListOptions) …`.
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

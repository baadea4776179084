//! Signatures that the binary itself tells: from the receiver's method table, else from interfaces it implements.

use super::candidate::{Candidate, TypeRef};
use super::schema::SignatureSource;
use super::{debuginfo, generic};
use crate::gobin::{Error, FuncInfo, GoBinary, TypeId, TypeKind};

/// Symbol of a method: package, receiver type, whether by pointer, method name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodName<'a> {
    pub package: &'a str,
    pub receiver: &'a str,
    pub by_pointer: bool,
    pub method: &'a str,
}

/// Splits `a/b.(*T).M` and `a/b.T.M`; `None` for plain functions, closures and `-fm` wrappers.
#[must_use]
pub fn method_name(symbol: &str) -> Option<MethodName<'_>> {
    let slash = symbol.rfind('/').map_or(0, |at| at + 1);
    let dot = slash + symbol.get(slash..)?.find('.')?;
    let (package, rest) = (symbol.get(..dot)?, symbol.get(dot + 1..)?);
    let (receiver, by_pointer, method) = match rest.strip_prefix("(*") {
        Some(rest) => {
            let (receiver, method) = rest.split_once(").")?;
            (receiver, true, method)
        }
        None => {
            let (receiver, method) = rest.split_once('.')?;
            (receiver, false, method)
        }
    };
    let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || c == '_');
    (plain(receiver) && plain(method)).then_some(MethodName {
        package,
        receiver,
        by_pointer,
        method,
    })
}

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
    if let Some(name) = method_name(&f.name) {
        let star = if name.by_pointer { "*" } else { "" };
        let receivers = binary.types_named(&format!("{star}{}.{}", name.package, name.receiver))?;
        // what only DWARF describes has no method table
        for receiver in receivers.iter().filter(|r| r.descriptor().is_some()) {
            for method in binary.methods(*receiver)? {
                // the same name may be promoted from an embedded type: the code address tells
                if method.name == name.method
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
                for method in methods.iter().filter(|m| m.name == name.method) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_methods() {
        let m =
            method_name("github.com/docker/docker/daemon.(*Daemon).Containers").expect("method");
        assert_eq!(
            (m.package, m.receiver, m.by_pointer, m.method),
            (
                "github.com/docker/docker/daemon",
                "Daemon",
                true,
                "Containers"
            )
        );
        let m = method_name("net/http.serverHandler.ServeHTTP").expect("method");
        assert_eq!((m.receiver, m.by_pointer), ("serverHandler", false));
        assert_eq!(method_name("runtime.newproc1"), None);
        assert_eq!(method_name("a/b.(*T).M.func1"), None);
        assert_eq!(method_name("a/b.(*T).M-fm"), None);
        assert_eq!(method_name(""), None);
    }

    #[test]
    fn import_paths_are_cut() {
        assert_eq!(
            shorten("github.com/docker/docker/api/types.Container"),
            "types.Container"
        );
        assert_eq!(shorten("[]*types.Container"), "[]*types.Container");
        assert_eq!(shorten("string"), "string");
    }
}

//! Signatures of methods from type descriptors: method tables and interfaces.

use super::candidate::{Candidate, TypeRef};
use super::schema::SignatureSource;
use crate::gobin::symbol::Symbol;
use crate::gobin::{Error, FuncInfo, GoBinary, TypeId, TypeKind};

/// What descriptors say of a method's signature: its receiver's method table, else interfaces that
/// the file holds an itab for.
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

//! Signatures of generic methods from their instantiations: of the wrapper, which is the plain
//! method, and of the code that all types of one shape share, which takes a dictionary and knows no
//! more of a type argument than its shape.
//!
//! Shapes are told by symbols from Go 1.21 on; before, code of different shapes has one name and is
//! left alone.

use super::candidate::{Candidate, DICTIONARY, TypeRef};
use super::methods::from_func_type;
use super::schema::SignatureSource;
use crate::gobin::symbol::{Symbol, type_arguments, with_type_arguments};
use crate::gobin::{Error, FuncInfo, GoBinary, Type, TypeId, TypeKind};

const SHAPE: &str = "go.shape.";

/// What the instantiations that this binary describes say of a method of a generic type.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn candidates(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Vec<Candidate>, Error> {
    let Some(arguments) = type_arguments(&f.name) else {
        return Ok(Vec::new());
    };
    let Some(name) = Symbol::parse(&f.name) else {
        return Ok(Vec::new());
    };
    let Some(of) = name.method_of() else {
        return Ok(Vec::new());
    };
    let star = if of.by_pointer { "*" } else { "" };
    let generic = format!("{star}{}.{}", name.path(), of.name);
    let mut instances = Vec::new();
    for receiver in binary.instantiations(&generic) {
        for method in binary.methods(receiver)? {
            let (true, Some(ty)) = (method.name == name.function, method.ty) else {
                continue;
            };
            if method.entry == Some(f.entry) {
                let plain = from_func_type(binary, receiver, ty, SignatureSource::MethodTable)?;
                return Ok(plain.into_iter().collect());
            }
            if let TypeKind::Func {
                params, results, ..
            } = binary.type_by_id(ty)?.kind
            {
                let name = binary.type_by_id(receiver)?.name;
                instances.push(Instance {
                    name,
                    types: [params, results],
                });
            }
        }
    }
    let shapes: Option<Vec<&str>> = arguments.iter().map(|a| a.strip_prefix(SHAPE)).collect();
    Ok(match shapes {
        Some(shapes) => shared(binary, &instances, &shapes)?.into_iter().collect(),
        None => Vec::new(),
    })
}

/// A method of one instantiation: parameters (no receiver) and results.
struct Instance {
    /// Of the receiver's type.
    name: String,
    types: [Vec<TypeId>; 2],
}

/// The signature of code that all types of one shape share; `None`: the instantiations that are
/// described do not tell it.
fn shared(
    binary: &GoBinary<'_>,
    instances: &[Instance],
    shapes: &[&str],
) -> Result<Option<Candidate>, Error> {
    let given: Option<Vec<Vec<&str>>> = instances.iter().map(|i| type_arguments(&i.name)).collect();
    let Some((first, given)) = instances.first().zip(given) else {
        return Ok(None);
    };
    let one_form = instances.iter().all(|i| {
        [0, 1]
            .iter()
            .all(|l| i.types[*l].len() == first.types[*l].len())
    });
    if !one_form || given.iter().any(|g| g.len() != shapes.len()) {
        return Ok(None);
    }
    let mut lists = [Vec::new(), Vec::new()];
    for (which, list) in lists.iter_mut().enumerate() {
        for at in 0..first.types[which].len() {
            let types: Vec<TypeId> = instances.iter().map(|i| i.types[which][at]).collect();
            match of_shape(binary, &types, &given, shapes)? {
                Some(ty) => list.push(ty),
                None => return Ok(None),
            }
        }
    }
    let [params, results] = lists;
    let receiver = TypeRef::Word(with_type_arguments(&first.name, "[…]"));
    let dictionary = TypeRef::Word(DICTIONARY.to_owned());
    Ok(Some(Candidate {
        params: [receiver, dictionary].into_iter().chain(params).collect(),
        results,
        has_receiver: true,
        source: SignatureSource::Instantiation,
    }))
}

/// What shared code knows of a value whose types in all instantiations these are.
fn of_shape(
    binary: &GoBinary<'_>,
    ids: &[TypeId],
    given: &[Vec<&str>],
    shapes: &[&str],
) -> Result<Option<TypeRef>, Error> {
    let types: Vec<Type> = ids
        .iter()
        .map(|id| binary.type_by_id(*id))
        .collect::<Result<_, _>>()?;
    let Some((first, id)) = types.first().zip(ids.first()) else {
        return Ok(None);
    };
    let same = ids.iter().all(|other| other == id);
    for (k, shape) in shapes.iter().enumerate() {
        if !types
            .iter()
            .zip(given)
            .all(|(ty, given)| given[k] == ty.name)
        {
            continue;
        }
        // any pointer type shares this shape
        if shape.starts_with('*') {
            return Ok(Some(TypeRef::Word("pointer".to_owned())));
        }
        // of one argument only, a type may also be the parameter's own: that must come to the same
        if same && *shape != first.name {
            return Ok(None);
        }
        let known = binary.types_named(shape)?;
        return Ok(known.first().map(|id| TypeRef::Id(*id)));
    }
    let mentions = |(ty, given): (&Type, &Vec<&str>)| {
        given.iter().any(|argument| {
            let last = argument.rsplit('/').next().unwrap_or_default();
            ty.name.contains(last.trim_start_matches('*'))
        })
    };
    if same && !types.iter().zip(given).all(mentions) {
        return Ok(Some(TypeRef::Id(*id)));
    }
    let words: Option<Vec<TypeRef>> = types.iter().map(words).collect();
    Ok(words
        .filter(|all| {
            all.iter()
                .all(|one| std::mem::discriminant(one) == std::mem::discriminant(&all[0]))
        })
        .and_then(|all| all.into_iter().next()))
}

/// A value as words that are not followed; `None`: it has a layout of its own.
fn words(ty: &Type) -> Option<TypeRef> {
    let name = ty.name.clone();
    match ty.kind {
        TypeKind::Pointer { .. }
        | TypeKind::Map { .. }
        | TypeKind::Chan { .. }
        | TypeKind::Func { .. } => Some(TypeRef::Word(name)),
        TypeKind::Slice { .. } => Some(TypeRef::Slice(name)),
        TypeKind::Interface { .. } => Some(TypeRef::Iface(name)),
        _ => None,
    }
}

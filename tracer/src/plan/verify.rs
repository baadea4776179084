//! Which of a function's possible signatures to believe: the first that agrees with what the compiler recorded for it.

use super::abi::{self, Abi, Placement};
use super::candidate::{Candidate, TypeRef};
use super::{catalogue, short_name, signature};
use crate::gobin::{ArgInfo, Error, FuncInfo, GoBinary};

/// A signature that passed every check.
#[derive(Clone, Debug)]
pub struct Verified {
    pub candidate: Candidate,
    pub placement: Placement,
    /// Names of the parameters, receiver first.
    pub names: Vec<String>,
    /// Go's spelling.
    pub text: String,
}

/// The verified signature, or why each candidate was refused (nothing: there was none).
///
/// # Errors
/// Type data of the binary is damaged.
pub fn signature_of(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
) -> Result<Result<Verified, Vec<String>>, Error> {
    let abi = Abi::of(binary.arch(), binary.version());
    let shape = binary.arg_info(f)?;
    let mut refused = Vec::new();
    for candidate in signature::candidates(binary, f)? {
        let placement = abi::place(abi, binary, &candidate.params, &candidate.results)?;
        if let Some(args) = f.args
            && u64::from(args) != placement.args_size
        {
            refused.push(format!(
                "the {} gives {} bytes of arguments, the function's record says {args}",
                candidate.source, placement.args_size
            ));
            continue;
        }
        if let Some(why) = shape
            .as_deref()
            .and_then(|s| disagrees(s, &candidate, binary))
        {
            refused.push(format!("the {} says {why}", candidate.source));
            continue;
        }
        let names = parameter_names(binary, f, &candidate);
        return Ok(Ok(Verified {
            text: signature::text(binary, &f.name, &candidate, &names),
            candidate,
            placement,
            names,
        }));
    }
    Ok(Err(refused))
}

fn parameter_names(binary: &GoBinary<'_>, f: &FuncInfo, candidate: &Candidate) -> Vec<String> {
    let types: Vec<String> = candidate
        .params
        .iter()
        .skip(usize::from(candidate.has_receiver))
        .map(|ty| signature::type_text(binary, ty))
        .collect();
    let mut names = catalogue::parameter_names(short_name(&f.name), &types);
    if candidate.has_receiver {
        names.insert(0, "receiver".to_owned());
    }
    names
}

/// Compares the number of argument words with the function's ArgInfo, as far as that goes.
fn disagrees(shape: &[ArgInfo], candidate: &Candidate, binary: &GoBinary<'_>) -> Option<String> {
    fn complete(items: &[ArgInfo]) -> bool {
        items.iter().all(|i| match i {
            ArgInfo::Aggregate(inner) => complete(inner),
            ArgInfo::More | ArgInfo::OffsetTooLarge => false,
            ArgInfo::Scalar { .. } => true,
        })
    }
    if !complete(shape) {
        return None;
    }
    let sized = candidate
        .params
        .iter()
        .filter(|ty| {
            !matches!(ty, TypeRef::Id(id) if binary.type_by_id(*id).is_ok_and(|t| t.size == 0))
        })
        .count();
    (shape.len() != sized).then(|| {
        format!(
            "{sized} parameters, the function's argument record has {}",
            shape.len()
        )
    })
}

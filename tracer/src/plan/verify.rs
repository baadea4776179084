//! Which of a function's possible signatures to believe: the first that agrees with what the
//! compiler recorded for it.

use super::abi::Placement;
use super::candidate::{Candidate, DICTIONARY, TypeRef};
use super::record::Record;
use super::schema::SignatureSource;
use super::{catalogue, debuginfo, methods, signature, text};
use crate::gobin::{Error, FuncInfo, GoBinary, TypeId};

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
/// What the binary says of itself is believed first. Of the catalogue's eras all that agree with
/// the function's records must be the same signature: where several differ none is believed.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn signature_of(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
) -> Result<Result<Verified, Vec<String>>, Error> {
    let record = Record::of(binary, f)?;
    let mut refused = Vec::new();
    for candidate in signature::candidates(binary, f)? {
        match record.check(binary, &candidate)? {
            Ok(placement) => {
                if let Some(why) = against_dwarf(binary, f, &candidate, &placement) {
                    return Ok(Err(vec![why]));
                }
                return Ok(Ok(verified(binary, f, candidate, placement)));
            }
            Err(why) => refused.push(why),
        }
    }
    let mut fitting = Vec::new();
    for candidate in catalogue::signatures(binary, &f.name)? {
        match record.check(binary, &candidate)? {
            Ok(placement) => fitting.push((candidate, placement)),
            Err(why) => refused.push(why),
        }
    }
    let mut fitting: Vec<Verified> = fitting
        .into_iter()
        .map(|(candidate, placement)| verified(binary, f, candidate, placement))
        .collect();
    // an era whose types this binary describes goes before one with types that are not in it
    fitting.sort_by_key(|v| v.candidate.undescribed());
    if let Some((first, others)) = fitting.split_first()
        && others
            .iter()
            .any(|other| other.candidate.undescribed() == first.candidate.undescribed())
    {
        let texts: Vec<&str> = fitting.iter().map(|v| v.text.as_str()).collect();
        return Ok(Err(vec![format!(
            "several signatures of the catalogue fit equally: {}",
            texts.join(" / ")
        )]));
    }
    let Some(found) = fitting.into_iter().next() else {
        return Ok(Err(refused));
    };
    Ok(
        match against_dwarf(binary, f, &found.candidate, &found.placement) {
            Some(why) => Err(vec![why]),
            None => Ok(found),
        },
    )
}

/// Whether a method's kept type (without receiver) agrees with what the compiler recorded for the
/// method's code; else both sides. `None`: it is no function type.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn method_agrees(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
    receiver: TypeId,
    ty: TypeId,
) -> Result<Option<Result<(), String>>, Error> {
    let Some(candidate) =
        methods::from_func_type(binary, receiver, ty, SignatureSource::MethodTable)?
    else {
        return Ok(None);
    };
    let record = Record::of(binary, f)?;
    Ok(Some(record.check(binary, &candidate)?.map(|_| ())))
}

/// What DWARF says against a signature. Damaged DWARF is no evidence against what the runtime
/// itself goes by.
fn against_dwarf(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
    candidate: &Candidate,
    placement: &Placement,
) -> Option<String> {
    let why = debuginfo::disagreement(binary, f, candidate, placement).ok()??;
    Some(format!(
        "the {} disagrees with DWARF: {why}",
        candidate.source
    ))
}

fn verified(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
    candidate: Candidate,
    placement: Placement,
) -> Verified {
    let receiver = usize::from(candidate.has_receiver);
    let mut names = catalogue::parameter_names(
        binary,
        &f.name,
        candidate.params.get(receiver..).unwrap_or_default(),
    );
    if candidate.has_receiver {
        names.insert(0, "receiver".to_owned());
    }
    for (name, ty) in names.iter_mut().zip(&candidate.params) {
        if *ty == TypeRef::Word(DICTIONARY.to_owned()) {
            *name = DICTIONARY.to_owned();
        }
    }
    // names as the source has them; the receiver keeps its general one
    if let Ok(Some((said, known))) = debuginfo::candidate(binary, f)
        && said.params == candidate.params
    {
        for (name, known) in names.iter_mut().zip(known) {
            if name != "receiver" && !known.is_empty() && known != "_" && !known.starts_with('~') {
                *name = known;
            }
        }
    }
    Verified {
        text: text::text(binary, &f.name, &candidate, &names),
        candidate,
        placement,
        names,
    }
}

//! Signatures that the binary itself tells: from the receiver's method table, else from interfaces
//! it implements.

use super::candidate::Candidate;
use super::{debuginfo, generic, methods};
use crate::gobin::{Error, FuncInfo, GoBinary};

/// What the binary itself says of a function's signature: the method table of its receiver, else
/// the interfaces that the file holds an itab for, and DWARF, else the instantiations of a generic
/// type. The catalogue ([`catalogue::signatures`](super::catalogue::signatures)) is asked when all
/// of these fail.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn candidates(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Vec<Candidate>, Error> {
    let mut found = methods::from_methods(binary, f)?;
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

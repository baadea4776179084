//! What a binary has of a profile: which of its functions are there, under which name, and where
//! their probes are blind.

use std::collections::BTreeMap;

use super::blind;
use super::profile::{AnyWish, Profile, Wish, matches};
use crate::gobin::symbol::is_of_type;
use crate::gobin::{self, FuncInfo, GoBinary, InlinedAt};

/// How one function of a profile stands in a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there under the first of its names, and perhaps under others too.
    Has(Vec<Present>),
    /// It is there under other names only.
    Renamed(Vec<Present>),
    /// It is not there; these functions do its work.
    SeenBy(Vec<String>),
    Lacks,
}

/// A function that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its symbol.
    pub name: String,
    /// Functions that hold a copy of it: its probe does not see what they call.
    pub blind_in: Vec<String>,
}

/// How the functions of each profile stand, in their order.
///
/// # Errors
/// Tables of the binary are damaged.
pub fn standings(
    profiles: &[Profile],
    binary: &GoBinary<'_>,
) -> Result<Vec<Vec<Standing>>, gobin::Error> {
    let wishes: Vec<Vec<Wish>> = profiles.iter().map(|p| p.wishes().collect()).collect();
    let all = wishes.concat();
    let any = AnyWish::of(&all);
    let by = |name: &str| all.iter().any(|wish| wish.is_seen_by(name));
    let mut named = binary.find_functions(&mut |name| any.names(name) || by(name));
    // compiler-made: wrappers, and promoted methods of embedding structs
    named.retain(|f| !f.assembly && !f.wrapper && !is_of_type(&f.name));
    let names: Vec<&str> = named.iter().map(|f| f.name.as_str()).collect();
    let inlined = binary.inlined_at(&names)?;
    Ok(wishes
        .iter()
        .map(|wishes| {
            wishes
                .iter()
                .map(|w| standing(w, &named, &inlined))
                .collect()
        })
        .collect())
}

fn standing(
    wish: &Wish,
    named: &[FuncInfo],
    inlined: &BTreeMap<String, Vec<InlinedAt>>,
) -> Standing {
    let present: Vec<Present> = named
        .iter()
        .filter(|f| wish.names(&f.name))
        .map(|f| Present {
            name: f.name.clone(),
            blind_in: inlined.get(&f.name).map_or_else(Vec::new, |at| {
                blind::callers(&f.name, at.iter().map(|i| i.caller.as_str()))
            }),
        })
        .collect();
    let first = wish.pattern.split('|').next().unwrap_or_default();
    if present.iter().any(|one| matches(first, &one.name)) {
        return Standing::Has(present);
    }
    if !present.is_empty() {
        return Standing::Renamed(present);
    }
    let others = named.iter().filter(|f| wish.is_seen_by(&f.name));
    let others: Vec<String> = others.map(|f| f.name.clone()).collect();
    if others.is_empty() {
        Standing::Lacks
    } else {
        Standing::SeenBy(others)
    }
}

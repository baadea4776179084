//! Wishes + binary → capture plan: which instructions to probe, what the kernel copies there, and
//! how the decoder reads it. Pure: same input, same output; knows no process and no kernel.

mod abi;
mod argshape;
mod blind;
mod block;
mod build;
mod candidate;
mod catalogue;
mod connection;
mod debuginfo;
mod dynamic;
mod error;
mod explain;
mod function;
mod generic;
mod issue;
mod lift;
mod lower;
mod methods;
mod policy;
mod profile;
mod record;
mod request;
mod roles;
mod schema;
pub mod secrets;
mod signature;
mod site;
mod sites;
mod spelling;
mod standing;
mod tables;
mod text;
mod values;
mod verify;
mod wait_reasons;

pub use build::build;
pub use candidate::{Candidate, TypeRef};
pub use catalogue::absent_fields;
pub use debuginfo::{EntryParity, entry_parity};
pub use error::Error;
pub use explain::{explain, fold};
pub use issue::{Issue, IssueKind, Shortcoming};
pub use profile::{PlanRequest, Profile, ProfileFunction, Wish, built_in, chosen, matches};
pub use schema::{
    ArgPlace, DynTypeSchema, FieldSchema, FuncSchema, GSchema, GroupKeys, GroupPackage,
    GroupResult, GroupSchema, Leaf, MapSchema, Meaning, OpSchema, PlaceKind, Plan, Role, Secret,
    SignatureSource, SiteSchema, TypeKindSchema, TypeSchema, Undescribed, Unplaced, ValueSchema,
};
pub use site::SiteKind;
pub use sites::{NoEntry, NoReturns, Spot, Spots, Why};
pub use standing::{Present, Standing, standings};
pub use text::type_text;
pub use verify::{Verified, method_agrees};
pub use wait_reasons::wait_reasons;

pub use crate::gobin::symbol::{Symbol, short_name};
use crate::gobin::{self, FuncInfo, GoBinary};

/// The signature of a function that agrees with what the compiler recorded for it, with every
/// parameter's place; else why each one known was refused (nothing: none is known).
///
/// # Errors
/// Type data of the binary is damaged.
pub fn signature_of(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
) -> Result<Result<Verified, Vec<String>>, gobin::Error> {
    verify::signature_of(binary, f)
}

/// Signature of a function in Go's spelling, if one is known that agrees with what the compiler
/// recorded for it.
#[must_use]
pub fn signature_text(binary: &GoBinary<'_>, f: &FuncInfo) -> Option<String> {
    Some(verify::signature_of(binary, f).ok()?.ok()?.text)
}

/// The instructions of a function that would be probed.
///
/// # Errors
/// Its code or SP table cannot be read.
pub fn spots(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Spots, gobin::Error> {
    sites::choose(binary, f, binary.only_thread_local().is_some())
}

//! The wire types, one subject per file.
//!
//! All structs are `repr(C)`, made of integers only, with explicit padding, and their sizes
//! are asserted beside them. Numbers of kinds and statuses are never reused.

pub mod counters;
pub mod limits;
pub mod op;
pub mod peer;
pub mod record;
pub mod site;

/// Marks a struct as plain data that may be copied to and from kernel maps.
///
/// # Safety
/// The type is `repr(C)`, consists of integers, has no implicit padding, and every bit pattern
/// is a valid value.
pub unsafe trait Wire: Copy + 'static {}

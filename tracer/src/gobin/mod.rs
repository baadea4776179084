//! What a Go binary says about itself: build info, functions, types, method signatures, inlining.
//!
//! Works on bytes alone: it never opens a file, reads `/proc`, or knows a pid, and never panics on hostile
//! input. Symbol names of `.dynsym` are never a source. Layouts that depend on the Go release are data (`layout`).
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::expect_used))]

mod binary;
mod buildinfo;
mod described;
mod dwarf;
mod elf;
mod error;
mod functions;
mod inlined;
mod layout;
mod model;
mod moduledata;
mod names;
mod outline;
mod pages;
mod pclntab;
mod reach;
mod reader;
mod release;
mod relocations;
mod rtype;
pub mod symbol;
mod types;

pub use binary::GoBinary;
pub use buildinfo::BuildInfo;
pub use dwarf::{DwarfFunction, DwarfParam, EntryPiece, EntryPlace};
pub use elf::Segment;
pub use error::Error;
pub use functions::Restart;
pub use model::{
    ArgInfo, Field, FuncInfo, GoVersion, InlinedAt, MapGeometry, MapImpl, Method, Signature, Type,
    TypeId, TypeKind,
};
pub use outline::{Facts, outline};

pub use crate::addr::ImageAddr;
pub use crate::arch::{Arch, SpRange};

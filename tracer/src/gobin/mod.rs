//! What a Go binary says about itself: build info, functions, types, method signatures, inlining.
//!
//! Works on bytes alone: it never opens a file, reads `/proc`, or knows a pid, and never panics on
//! hostile input. Symbol names of `.dynsym` are never a source. Layouts that depend on the Go
//! release are data (`layout`).
//!
//! It can be used alone. Types come from the descriptors that the runtime itself needs, so that a
//! stripped program tells them too:
//!
//! ```no_run
//! use mobytrace::gobin::{GoBinary, TypeKind};
//!
//! let file = std::fs::read("/usr/sbin/dockerd")?;
//! let binary = GoBinary::parse(&file)?;
//! println!("{}", binary.version().text);
//! for id in binary.types_named("time.Time")? {
//!     let TypeKind::Struct { fields } = binary.type_by_id(id)?.kind else {
//!         continue;
//!     };
//!     for field in fields {
//!         let ty = binary.type_by_id(field.ty)?;
//!         println!("{} {} at {}", field.name, ty.name, field.offset);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/go_types.rs` does this for any struct, and is run by the tests.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::expect_used))]

mod binary;
mod buildinfo;
mod described;
mod descriptor;
mod dwarf;
mod elf;
mod error;
mod functions;
mod inlined;
mod layout;
mod model;
mod module;
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

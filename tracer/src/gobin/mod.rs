//! What a Go binary says about itself: build info, functions, types, method signatures, inlining.
//!
//! Works on bytes alone: it never opens a file, reads `/proc`, or knows a pid, and never panics on hostile
//! input. `.dynsym` is never a source. Layouts that depend on the Go release are data (`layout`).

mod model;

pub use model::{
    Arch, ArgInfo, Field, FuncInfo, GoVersion, ImageAddr, InlinedAt, MapGeometry, MapImpl, Method,
    Signature, Type, TypeId, TypeKind,
};

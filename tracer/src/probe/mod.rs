//! Loads the kernel programs, fills their maps from a plan, attaches and detaches. The only user of aya.

mod btf;
mod check;
mod error;
mod features;
mod kernel;
mod maps;
mod namespace;
mod object;
mod session;

pub use check::{SiteByteMismatch, check_bytes};
pub use error::Error;
pub use features::Features;
pub use object::{Verdict, load_all_programs};
pub use session::{AttachReport, Session, SessionOptions, TargetProc, Variant};

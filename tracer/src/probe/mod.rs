//! Loads the kernel programs, fills their maps from a plan, attaches and detaches. The only user of
//! aya.

mod attach;
mod btf;
mod check;
mod error;
mod features;
mod fill;
mod goroutine;
mod kernel;
mod maps;
mod multi;
mod namespace;
mod object;
mod patience;
mod process;
mod report;
mod ring;
mod session;
mod thread_pointer;
mod variant;

pub use check::{SiteByteMismatch, SiteBytes, check_bytes};
pub use error::Error;
pub use features::Features;
pub use goroutine::{Goroutines, Look};
pub use kernel::knows_sockets;
pub use multi::has_multi_links;
pub use object::{Verdict, load_all_programs};
pub use process::TargetProc;
pub use report::{AttachReport, Links, PerfReason};
pub use ring::Ring;
pub use session::{Session, SessionOptions};
pub use thread_pointer::{ThreadPointer, thread_pointer_offset};
pub use variant::Variant;

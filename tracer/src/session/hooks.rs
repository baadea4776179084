//! What tests choose by environment variables: nothing here is for users, and none of it is
//! needed outside of tests.
//!
//! | variable | values | what it does |
//! |---|---|---|
//! | `MOBYTRACE_LINKS` | `perf` | no uprobe_multi links |
//! | `MOBYTRACE_VARIANT` | `sleep`, `loop`, `bounded` | programs made for that kind of kernel |
//! | `MOBYTRACE_THREAD_POINTER` | `types`, `own`, `unknown` | how the thread pointer is found |
//! | `MOBYTRACE_WAITING` | bytes | how much may wait to be decoded |
//!
//! Other values count as none.

use crate::probe::{Links, ThreadPointer, Variant};

/// Choices that a session otherwise makes itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks {
    pub links: Option<Links>,
    pub variant: Option<Variant>,
    pub thread_pointer: Option<ThreadPointer>,
    /// Bytes of records that may wait to be decoded.
    pub waiting: Option<usize>,
}

impl Hooks {
    /// What the environment says.
    #[must_use]
    pub fn of_environment() -> Self {
        Self {
            links: chosen("MOBYTRACE_LINKS", &[("perf", Links::Perf)]),
            variant: chosen(
                "MOBYTRACE_VARIANT",
                &[
                    ("sleep", Variant::Sleep),
                    ("loop", Variant::Loop),
                    ("bounded", Variant::Bounded),
                ],
            ),
            thread_pointer: chosen(
                "MOBYTRACE_THREAD_POINTER",
                &[
                    ("types", ThreadPointer::Types),
                    ("own", ThreadPointer::Own),
                    ("unknown", ThreadPointer::Unknown),
                ],
            ),
            waiting: std::env::var("MOBYTRACE_WAITING")
                .ok()
                .and_then(|bytes| bytes.parse().ok()),
        }
    }
}

fn chosen<T: Copy>(variable: &str, values: &[(&str, T)]) -> Option<T> {
    let value = std::env::var(variable).ok()?;
    let found = values.iter().find(|(name, _)| *name == value);
    found.map(|(_, choice)| *choice)
}

//! What came of attaching.

use std::fmt;

/// How programs are tied to sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// One uprobe_multi link per program (from 6.6): gone at once.
    Multi,
    /// One perf event per site.
    #[default]
    Perf,
}

impl Links {
    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Multi => "uprobe_multi links",
            Self::Perf => "a perf link per site",
        }
    }
}

/// Why each site has a perf link of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerfReason {
    /// The session's options ask for it.
    Asked,
    /// The program variant that the session's options ask for has no other links.
    Programs,
    /// The kernel takes no programs for uprobe_multi links.
    NoSuchLinks { why: String },
    /// Its uprobe_multi links take a process for a thread.
    ByThread,
    /// One link for many sites was refused, of which perhaps one alone is to blame.
    Refused { why: String },
}

impl fmt::Display for PerfReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("as asked for"),
            Self::Programs => f.write_str("the programs asked for have no others"),
            Self::NoSuchLinks { why } => {
                write!(
                    f,
                    "this kernel takes no uprobe_multi links (from 6.6): {why}"
                )
            }
            Self::ByThread => f.write_str(
                "uprobe_multi links of this kernel take a process for a thread (mended in 6.10)",
            ),
            Self::Refused { why } => f.write_str(why),
        }
    }
}

/// What was attached.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    pub(super) attached: usize,
    pub(super) failures: Vec<String>,
    pub(super) variant: &'static str,
    pub(super) links: Links,
    pub(super) perf_reason: Option<PerfReason>,
    pub(super) notes: Vec<String>,
}

impl AttachReport {
    /// Sites attached.
    #[must_use]
    pub fn attached(&self) -> usize {
        self.attached
    }
    /// One line per site that failed.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }
    /// Program variant, for people.
    #[must_use]
    pub fn variant(&self) -> &'static str {
        self.variant
    }
    /// What is missing for all calls, one line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
    /// Why there is a perf link per site, if there is.
    #[must_use]
    pub fn perf_reason(&self) -> Option<&PerfReason> {
        self.perf_reason.as_ref()
    }
    /// Kind of the links.
    #[must_use]
    pub fn links(&self) -> Links {
        self.links
    }
}

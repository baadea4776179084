//! What came of attaching.

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

/// What was attached.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    pub(super) attached: usize,
    pub(super) failures: Vec<String>,
    pub(super) variant: &'static str,
    pub(super) links: Links,
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
    /// Kind of the links.
    #[must_use]
    pub fn links(&self) -> Links {
        self.links
    }
}

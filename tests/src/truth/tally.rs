//! Counts of a comparison.

use std::collections::BTreeMap;
use std::fmt;

/// How much was compared on one daemon, and what differed.
#[derive(Debug)]
pub struct Tally {
    suite: &'static str,
    pub requests: u64,
    pub calls: u64,
    pub values: u64,
    pub values_missing: u64,
    pub origins: u64,
    pub origins_unknown: u64,
    pub statuses: u64,
    pub statuses_unknown: u64,
    pub results: u64,
    pub errors: u64,
    pub errors_unknown: u64,
    /// Reasons of what is unknown.
    pub why: BTreeMap<String, u64>,
    /// What differs from the model or the answer.
    pub differs: Vec<String>,
}

impl Tally {
    pub(crate) fn new(suite: &'static str) -> Self {
        Self {
            suite,
            requests: 0,
            calls: 0,
            values: 0,
            values_missing: 0,
            origins: 0,
            origins_unknown: 0,
            statuses: 0,
            statuses_unknown: 0,
            results: 0,
            errors: 0,
            errors_unknown: 0,
            why: BTreeMap::new(),
            differs: Vec::new(),
        }
    }

    /// Something differs.
    pub(crate) fn wrong(&mut self, what: &str) {
        let what: String = what.chars().take(1500).collect();
        self.differs.push(format!("{}: {what}", self.suite));
    }

    /// Something is said to be unknown.
    pub(crate) fn unknown(&mut self, why: &str) {
        *self.why.entry(why.to_owned()).or_default() += 1;
    }

    /// Heads of the columns.
    #[must_use]
    pub fn heads() -> String {
        let heads = [
            "daemon", "requests", "calls", "values", "missing", "origins", "unknown", "statuses",
            "none", "results", "errors", "no text", "wrong",
        ];
        heads.map(|h| format!("{h:>9}")).concat()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9}", self.suite)?;
        for n in [
            self.requests,
            self.calls,
            self.values,
            self.values_missing,
            self.origins,
            self.origins_unknown,
            self.statuses,
            self.statuses_unknown,
            self.results,
            self.errors,
            self.errors_unknown,
            self.differs.len() as u64,
        ] {
            write!(f, "{n:>9}")?;
        }
        Ok(())
    }
}

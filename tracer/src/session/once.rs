//! Requests told apart although batches bring some of them again.

use std::collections::BTreeSet;

/// Requests that are remembered; only calls that outlive their request bring it again.
const MOST: usize = 1 << 13;

/// The requests that came lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Once(BTreeSet<u32>);

impl Once {
    /// Whether the request comes for the first time, as far as it is remembered.
    pub fn is_new(&mut self, request: u32) -> bool {
        let new = self.0.insert(request);
        if self.0.len() > MOST {
            self.0.pop_first();
        }
        new
    }
}

//! What `compare` keeps while it waits: requests that may become columns, with what they need, and
//! nothing else.

use std::collections::BTreeSet;

use crate::correlate::Trace;
use crate::render;

/// Requests kept, at most: beyond two that can be meant by one command none is picked anyway.
pub const MOST: usize = 256;

/// Which requests may become columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Those that reached a traced function.
    Calling,
    /// All: one that was refused reached none.
    All,
}

/// The kept part of a session.
#[derive(Debug, Default)]
pub struct Kept {
    trace: Trace,
    ids: BTreeSet<u32>,
    /// Requests that would have been kept, had there been room.
    pub left_out: u64,
}

impl Kept {
    /// Numbers of the kept requests, in order of arrival.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.ids.iter().copied()
    }

    /// Takes what `choose` wants of the requests in a batch, while there are less than `most`, and
    /// what came late of those that are kept already. Gives the numbers of the new ones.
    pub fn take(
        &mut self,
        batch: Trace,
        most: usize,
        from: From,
        choose: impl Fn(&Trace, usize) -> bool,
    ) -> Vec<u32> {
        let most = most.min(MOST);
        let mut fresh = Vec::new();
        let candidates = match from {
            From::Calling => render::list_requests(&batch),
            From::All => (0..batch.requests.len()).collect(),
        };
        for index in candidates {
            let Some(id) = batch.requests.get(index).map(|r| r.id) else {
                continue;
            };
            if self.ids.contains(&id) || !choose(&batch, index) {
                continue;
            }
            if self.ids.len() < most {
                self.ids.insert(id);
                fresh.push(id);
            } else {
                self.left_out += 1;
            }
        }
        self.trace.absorb(batch.only(&self.ids));
        fresh
    }

    /// Keeps no more than the first `most` requests in order of arrival: batches come in the order
    /// of ends.
    pub fn keep_first(&mut self, most: usize) {
        if self.ids.len() > most {
            self.ids = self.ids.iter().copied().take(most).collect();
            self.trace = std::mem::take(&mut self.trace).only(&self.ids);
        }
    }

    /// Everything kept; counts and time are those of the last batch.
    pub fn into_trace(self) -> Trace {
        self.trace
    }
}

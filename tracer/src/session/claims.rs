//! Which daemons are traced, and for which somebody waits: sessions that run side by side do not
//! take the same one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::target::{Incarnation, Process, candidates, running_dockerds};

/// What all sessions of this process know of each other.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    taken: Vec<Process>,
    waiting: BTreeMap<u64, Incarnation>,
    next: u64,
}

/// Somebody waits for the next run of a daemon; nobody does any more when this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'c> {
    claims: &'c Claims,
    number: u64,
}

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a daemon. `false`: somebody has it.
    pub fn take(&self, process: &Process) -> bool {
        let mut inner = self.lock();
        if inner.taken.contains(process) {
            return false;
        }
        inner.taken.retain(Process::is_alive);
        inner.taken.push(process.clone());
        true
    }

    pub(super) fn is_taken(&self, process: &Process) -> bool {
        self.lock().taken.contains(process)
    }

    /// A run is over: its process may become something else.
    pub(super) fn release(&self, over: &Process) {
        self.lock().taken.retain(|process| process != over);
    }

    /// The run that follows this one has somebody to trace it.
    pub(super) fn wait(&self, last: &Incarnation) -> Waiting<'_> {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.waiting.insert(number, last.clone());
        Waiting {
            claims: self,
            number,
        }
    }

    /// Whether there may be a dockerd that nobody has: a quick look.
    pub fn is_there_a_new_one(&self) -> bool {
        let open = |pid: u32| Process::open(pid).ok();
        let mut running = running_dockerds().into_iter().filter_map(open);
        running.any(|process| !self.is_taken(&process))
    }

    /// Takes the dockerds that nobody has and nobody waits for.
    pub fn take_new(&self) -> Vec<Process> {
        let is_new = |process: &Process| !self.is_taken(process);
        let open = |pid: u32| Process::open(pid).ok();
        let found = candidates().into_iter().filter_map(|c| open(c.pid));
        let awaited: Vec<Incarnation> = self.lock().waiting.values().cloned().collect();
        let is_awaited = |process: &Process| {
            awaited
                .iter()
                .any(|last| last.next(|other| other != process).is_some())
        };
        found
            .filter(|process| is_new(process) && !is_awaited(process))
            .filter(|process| self.take(process))
            .collect()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.claims.lock().waiting.remove(&self.number);
    }
}

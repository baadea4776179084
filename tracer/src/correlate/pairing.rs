//! Entries and returns: which frames are open on each goroutine, and how each of them ends.
//!
//! Frames are told apart by (goroutine, depth, function). The depth is `stack.hi - sp`, which stays
//! the same when the runtime moves the stack. Nothing is concluded across a loss: what was open
//! when hits were lost is given up, because its return may be among them.

use std::collections::{HashMap, HashSet};

use super::model::CallState;
use crate::addr::ProcessAddr;
use crate::decode::Hit;

/// Goroutines with open frames, at most.
const MOST_GOROUTINES: usize = 1 << 16;
/// Open frames of one goroutine, at most.
const MOST_FRAMES: usize = 1 << 12;

/// What a frame stands for: the number of a request, or the serial of what else it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Request(u32),
    Call(u64),
    Join(u64),
    Hijack,
    Layer(u64),
}

/// A traced function that was entered and not left yet.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Index into `Plan::functions`.
    pub func: u32,
    depth: u64,
    /// When it was entered, monotonic ns.
    pub start: u64,
    /// Address of its goroutine's `runtime.g`; 0: not known.
    pub g: ProcessAddr,
    /// Hits lost before its entry.
    pub lost_before: u64,
    pub what: What,
}

/// A frame that ended without a return of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub what: What,
    pub state: CallState,
    /// When, monotonic ns; `None`: not seen.
    pub at: Option<u64>,
}

/// The open frames of all goroutines.
#[derive(Debug, Default)]
pub struct Pairing {
    open: HashMap<u64, Vec<Frame>>,
    /// Functions with a return that did not tell its goroutine: a frame of theirs that is gone may
    /// well have returned.
    blind: HashSet<u32>,
    /// Frames that were not kept to stay within bounds.
    pub evicted: u64,
}

impl Pairing {
    /// The open frames of a goroutine, outermost first.
    pub fn frames(&self, goid: u64) -> &[Frame] {
        self.open.get(&goid).map_or(&[], Vec::as_slice)
    }

    /// All goroutines with open frames.
    pub fn goroutines(&self) -> impl Iterator<Item = (u64, &[Frame])> {
        self.open
            .iter()
            .map(|(goid, frames)| (*goid, frames.as_slice()))
    }

    /// Whether a return of that function did not tell its goroutine.
    pub fn is_blind(&self, func: u32) -> bool {
        self.blind.contains(&func)
    }

    /// A function is entered. `false`: the frame is not kept, and its return will not be
    /// recognised.
    pub fn enter(&mut self, hit: &Hit, what: What) -> bool {
        let (Some(goid), true) = (hit.goid, hit.on_own_stack) else {
            return false;
        };
        if self.open.len() >= MOST_GOROUTINES && !self.open.contains_key(&goid) {
            self.evicted += 1;
            return false;
        }
        let frames = self.open.entry(goid).or_default();
        if frames.len() >= MOST_FRAMES {
            self.evicted += 1;
            return false;
        }
        frames.push(Frame {
            func: hit.func,
            depth: hit.depth,
            start: hit.ktime,
            g: hit.g,
            lost_before: hit.lost_before,
            what,
        });
        true
    }

    /// A function returns: the frames inside it that are gone, and its own.
    pub fn returns(&mut self, hit: &Hit) -> (Vec<Left>, Option<What>) {
        let Some(goid) = hit.goid else {
            self.blind.insert(hit.func);
            return (Vec::new(), None);
        };
        if !hit.on_own_stack {
            return (Vec::new(), None);
        }
        let left = self.abandon(goid, |f| f.depth > hit.depth);
        let frames = self.open.get_mut(&goid);
        let own = frames.and_then(|f| f.pop_if(|f| f.depth == hit.depth && f.func == hit.func));
        self.tidy(goid);
        (left, own.map(|f| f.what))
    }

    /// Hits were lost: frames that were open then, because their returns may be among those.
    pub fn distrust(&mut self, goid: u64, lost_before: u64) -> Vec<Left> {
        let before = |f: &Frame| f.lost_before != lost_before;
        self.end(goid, before, CallState::Unpaired, None)
    }

    /// A function is entered where these frames were: a panic or `Goexit` that was not seen left
    /// them.
    pub fn overwritten(&mut self, hit: &Hit) -> Vec<Left> {
        match hit.goid {
            Some(goid) => self.abandon(goid, |f| f.depth >= hit.depth),
            None => Vec::new(),
        }
    }

    /// `Goexit` leaves all frames.
    pub fn exited(&mut self, goid: u64, at: u64) -> Vec<Left> {
        self.end(goid, |_| true, CallState::Exited, Some(at))
    }

    /// A frame at `depth` recovered a panic, which left all deeper ones.
    pub fn recovered(&mut self, goid: u64, depth: u64, at: u64) -> Vec<Left> {
        self.end(goid, |f| f.depth > depth, CallState::Panicked, Some(at))
    }

    fn abandon(&mut self, goid: u64, gone: impl Fn(&Frame) -> bool) -> Vec<Left> {
        self.end(goid, gone, CallState::Abandoned, None)
    }

    fn end(
        &mut self,
        goid: u64,
        gone: impl Fn(&Frame) -> bool,
        state: CallState,
        at: Option<u64>,
    ) -> Vec<Left> {
        let Some(frames) = self.open.get_mut(&goid) else {
            return Vec::new();
        };
        let blind = &self.blind;
        let left = frames
            .extract_if(.., |f| gone(f))
            .map(|frame| {
                let (state, at) = match blind.contains(&frame.func) {
                    true => (CallState::Unpaired, None),
                    false => (state, at),
                };
                Left {
                    what: frame.what,
                    state,
                    at,
                }
            })
            .collect();
        self.tidy(goid);
        left
    }

    fn tidy(&mut self, goid: u64) {
        if self.open.get(&goid).is_some_and(Vec::is_empty) {
            self.open.remove(&goid);
        }
    }
}

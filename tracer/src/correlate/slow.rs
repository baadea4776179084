//! What has been in flight for long, and when its goroutine is to be looked at.

use std::collections::HashMap;

use super::correlator::Correlator;
use super::pairing::{Frame, What};
use crate::addr::ProcessAddr;
use crate::decode::{Sample, Text};

/// When each goroutine is looked at next: when what it does reaches the threshold, then each time
/// its age has doubled.
#[derive(Debug, Default)]
pub(super) struct Looks {
    next: HashMap<u64, u64>,
}

/// A request or call that has been in flight for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    pub goid: u64,
    /// Address of its `runtime.g`; 0: not known.
    pub g: ProcessAddr,
    /// When it began, monotonic ns.
    pub since: u64,
    /// Number of the request that it is, or belongs to.
    pub request: Option<u32>,
    /// Method and path, if that request is still open.
    pub route: Option<(Text, Text)>,
    /// Function of the innermost traced call on the goroutine, index into `Plan::functions`.
    pub func: Option<u32>,
    /// It was not looked at before.
    pub first: bool,
}

impl Correlator {
    /// Goroutines on which a request or a call has been in flight for `threshold` ns or longer, and
    /// that are due to be looked at; `all`: due or not. Of more than `most` those that have been
    /// for the longest; the others stay due.
    pub fn slow(&mut self, now: u64, threshold: u64, all: bool, most: usize) -> Vec<Slow> {
        let Self { looks, pairing, .. } = self;
        looks
            .next
            .retain(|goid, _| !pairing.frames(*goid).is_empty());
        let mut found = Vec::new();
        for (goid, frames) in pairing.goroutines() {
            let Some(outermost) = frames.iter().find(|f| is_shown(f)) else {
                looks.next.remove(&goid);
                continue;
            };
            let age = now.saturating_sub(outermost.start);
            let next = looks.next.get(&goid).copied();
            // a goroutine serves one request after another
            let first = next.is_none_or(|next| next < outermost.start);
            if age < threshold || (!all && !first && next.is_some_and(|next| now < next)) {
                continue;
            }
            found.push((goid, *outermost, first));
        }
        found.sort_by_key(|(goid, outermost, _)| (outermost.start, *goid));
        found.truncate(most);
        for (goid, outermost, _) in &found {
            let age = now.saturating_sub(outermost.start);
            looks.next.insert(*goid, now.saturating_add(age));
        }
        found
            .into_iter()
            .map(|(goid, outermost, first)| self.describe(goid, &outermost, first))
            .collect()
    }

    fn describe(&self, goid: u64, outermost: &Frame, first: bool) -> Slow {
        let frames = self.pairing.frames(goid);
        let call = frames.iter().rev().find_map(|f| match f.what {
            What::Call(serial) => self.delivery.call(serial),
            _ => None,
        });
        let request = match outermost.what {
            What::Request(id) => Some(id),
            _ => call.and_then(|(_, request)| request),
        };
        Slow {
            goid,
            g: frames
                .iter()
                .map(|f| f.g)
                .find(|g| *g != ProcessAddr(0))
                .unwrap_or_default(),
            since: outermost.start,
            request,
            route: request.and_then(|id| self.delivery.route(id)),
            func: call.map(|(func, _)| func),
            first,
        }
    }

    /// Takes a look at a goroutine: it says what the innermost call there does, or the request if
    /// there is none.
    pub fn observe(&mut self, sample: Sample) {
        let frames = self.pairing.frames(sample.goid);
        let Some(innermost) = frames.iter().rev().find(|f| is_shown(f)) else {
            return;
        };
        if innermost.start > sample.at {
            return;
        }
        match innermost.what {
            What::Call(serial) => self.delivery.observe_call(serial, sample),
            What::Request(id) => self.delivery.observe_request(id, sample),
            What::Join(_) | What::Hijack | What::Layer(_) => {}
        }
    }
}

fn is_shown(frame: &Frame) -> bool {
    matches!(frame.what, What::Request(_) | What::Call(_))
}

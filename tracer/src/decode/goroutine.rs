//! What a goroutine was found doing, by its `runtime.g`, read from outside while it went on.

use serde::{Deserialize, Serialize};

use crate::plan::GSchema;

/// States of a goroutine: the same numbers in Go 1.13 to 1.27 (runtime/runtime2.go).
const RUNNABLE: u32 = 1;
const RUNNING: u32 = 2;
const SYSCALL: u32 = 3;
const WAITING: u32 = 4;
const PREEMPTED: u32 = 9;
/// The garbage collector is reading its stack; the other bits say its state.
const SCAN: u32 = 0x1000;

/// One look at a goroutine. Stored in recordings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// CLOCK_MONOTONIC, ns.
    pub at: u64,
    pub goid: u64,
    pub found: Found,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The same in two looks right after each other.
    State {
        /// `atomicstatus`.
        status: u32,
        /// `waitreason`; says something only of a goroutine that waits.
        reason: u8,
    },
    /// It changed between two looks, several times.
    Changing,
    /// Its `runtime.g` belongs to another goroutine now.
    Gone,
    /// Why nothing could be read.
    Unreadable(String),
}

impl Sample {
    /// In words, by the numbering of this binary.
    #[must_use]
    pub fn text(&self, g: &GSchema) -> String {
        match &self.found {
            Found::State { status, reason } => state(status & !SCAN, *reason, g),
            Found::Changing => "active".to_owned(),
            Found::Gone => "goroutine gone".to_owned(),
            Found::Unreadable(why) => format!("its goroutine cannot be read: {why}"),
        }
    }
}

fn state(status: u32, reason: u8, g: &GSchema) -> String {
    match status {
        RUNNABLE => "ready to run".to_owned(),
        RUNNING => "running".to_owned(),
        SYSCALL => "in a system call".to_owned(),
        WAITING => {
            let known = g.wait_reasons.get(usize::from(reason));
            match known.filter(|text| !text.is_empty()) {
                Some(text) => format!("waits: {text}"),
                None => format!("waits: reason {reason} (name not known in this build)"),
            }
        }
        PREEMPTED => "preempted".to_owned(),
        other => format!("in state {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_in_words() {
        let g = GSchema {
            wait_reasons: vec![String::new(), "GC assist marking".into(), "IO wait".into()],
            ..GSchema::default()
        };
        let text = |status, reason| {
            let sample = Sample {
                at: 1,
                goid: 7,
                found: Found::State { status, reason },
            };
            sample.text(&g)
        };
        assert_eq!(text(4, 2), "waits: IO wait");
        assert_eq!(text(0x1004, 2), "waits: IO wait");
        assert_eq!(
            text(4, 27),
            "waits: reason 27 (name not known in this build)"
        );
        assert_eq!(text(4, 0), "waits: reason 0 (name not known in this build)");
        // a reason that is left from before says nothing
        assert_eq!(text(2, 2), "running");
        assert_eq!(text(3, 2), "in a system call");
        assert_eq!(text(77, 2), "in state 77");
    }
}

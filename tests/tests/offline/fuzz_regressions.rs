//! Inputs of the fuzz targets, without a fuzzer: those that once failed, and random ones.

#[path = "../../../fuzz/src/walk.rs"]
mod walk;

use std::time::Duration;

use harness::{Numbers, workspace_root};
use walk::{TARGETS, Target};

/// Random inputs for each target.
const ROUNDS: u64 = 25;
/// Longer than any honest input takes, even in a debug build; processor time, of which a loaded
/// machine gives no more.
const HANG: Duration = Duration::from_secs(60);

#[test]
fn kept_and_random_inputs() {
    if let Err(why) = harness::fixture("deep") {
        assert!(!harness::is_strict(), "this test needs {why}");
        eprintln!("SKIPPED fuzz_regressions: needs {why}");
        return;
    }
    for (index, name) in TARGETS.iter().enumerate() {
        let mut target = Target::new(name, &workspace_root()).expect("base");
        let folder = workspace_root().join("tests/regressions").join(name);
        let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| {
                (
                    e.path().display().to_string(),
                    std::fs::read(e.path()).expect("input"),
                )
            })
            .collect();
        inputs.extend((0..ROUNDS).map(|round| {
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ (round << 8 | index as u64));
            let len = 8 + numbers.below(120);
            let bytes = (0..len).map(|_| numbers.any() as u8).collect();
            (format!("round {round}"), bytes)
        }));
        for (shown, input) in inputs {
            let started = harness::processor_time();
            target.run(&input);
            let took = harness::processor_time().saturating_sub(started);
            assert!(took < HANG, "{name}: {shown} takes {took:?}");
        }
    }
}

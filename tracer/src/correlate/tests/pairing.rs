//! Which entry each return belongs to, and what becomes of frames without one.

use super::script::{Step, name_of, parse, plan_of_all};
use crate::correlate::model::CallState;
use crate::correlate::pairing::{Pairing, What};
use crate::correlate::request::recovered;
use crate::decode::Hit;
use crate::plan::{Role, SiteKind};

/// Script → what became of each entry, in order; `-f` is a return without an entry.
const CASES: &[(&str, &str, &str)] = &[
    ("nested", "1 +f@10; 1 +g@20; 1 -g@20; 1 -f@10", "f:4 g:3"),
    (
        "recursion",
        "1 +f@10; 1 +f@20; 1 +f@30; 1 -f@30; 1 -f@20; 1 -f@10",
        "f:6 f:5 f:4",
    ),
    (
        "the same depth on two goroutines",
        "1 +f@10; 2 +f@10; 1 -f@10; 2 -f@10",
        "f:3 f:4",
    ),
    (
        "one after the other",
        "1 +f@10; 1 -f@10; 1 +f@10; 1 -f@10",
        "f:2 f:4",
    ),
    // the stack moved between: the depth is what it was
    (
        "a goroutine that changes its thread",
        "1 +f@10; 2 +g@10; 1 -f@10",
        "f:3 g:open",
    ),
    // an entry that starts over after `morestack`, if the kernel did not tell
    (
        "entered twice",
        "1 +f@10; 1 +f@10; 1 -f@10",
        "f:abandoned f:3",
    ),
    ("no entry", "1 -f@10", "-f"),
    (
        "another function at that depth",
        "1 +f@10; 1 -g@10",
        "f:open -g",
    ),
    (
        "a return further out shows what is gone",
        "1 +f@10; 1 +g@20; 1 +h@30; 1 -f@10",
        "f:4 g:abandoned h:abandoned",
    ),
    (
        "a recovered panic",
        "1 +f@10; 1 +g@20; 1 +h@30; 1 recovers@10; 1 -f@10",
        "f:5 g:panicked@4 h:panicked@4",
    ),
    (
        "a panic of another goroutine",
        "1 +f@10; 1 +g@20; 2 recovers@10; 1 -g@20",
        "f:open g:4",
    ),
    (
        "Goexit",
        "1 +f@10; 1 +g@20; 2 +h@10; 1 exits",
        "f:exited@4 g:exited@4 h:open",
    ),
    (
        "a loss between entry and return",
        "1 +f@10; lose; 1 -f@10",
        "f:unpaired -f",
    ),
    (
        "a loss before a further entry",
        "1 +f@10; lose; 1 +g@20; 1 -g@20; 1 -f@10",
        "f:unpaired g:4 -f",
    ),
    (
        "a loss concerns whoever is seen next, and nobody who is not",
        "1 +f@10; 2 +g@10; lose; 1 -f@10",
        "f:unpaired g:open -f",
    ),
    (
        "a loss before a panic",
        "1 +f@10; 1 +g@20; lose; 1 recovers@10",
        "f:unpaired g:unpaired",
    ),
    (
        "returns that do not tell their goroutine",
        "1 +f@10; 1 +g@20; ? -g@20; 1 -f@10",
        "f:4 g:unpaired -g",
    ),
    (
        "such a function that a panic left may have returned",
        "? -g@20; 1 +f@10; 1 +g@20; 1 recovers@10",
        "-g f:open g:unpaired",
    ),
    (
        "a stack that is not the goroutine's own",
        "1! +f@10; 1! -f@10",
        "f:refused -f",
    ),
];

#[test]
fn entries_and_returns() {
    for (case, script, expected) in CASES {
        assert_eq!(paired(script), *expected, "{case}: {script}");
    }
}

/// The table drives the part alone: it knows of roles only what ends frames.
fn paired(script: &str) -> String {
    let plan = plan_of_all(true);
    let mut pairing = Pairing::default();
    let mut found: Vec<String> = Vec::new();
    let mut ends: Vec<(usize, String)> = Vec::new();
    let mut end = |what: What, how: String| match what {
        What::Call(at) => ends.push((usize::try_from(at).expect("small"), how)),
        other => panic!("{other:?}"),
    };
    for step in parse(script) {
        let Step::Hit(hit) = step else {
            panic!("nothing is drained here");
        };
        let left = match plan.functions[hit.func as usize].role {
            Role::Recovery => pairing.exited(hit.goid.expect("goroutine"), hit.ktime),
            Role::Recovered => {
                let (goid, depth) = recovered(&hit.values[0]).expect("goroutine");
                let mut left = pairing.distrust(goid, hit.lost_before);
                left.extend(pairing.recovered(goid, depth, hit.ktime));
                left
            }
            _ => step_of(&mut pairing, &hit, &mut found, &mut end),
        };
        for one in left {
            end(one.what, how(one.state, one.at));
        }
    }
    for (_, frames) in pairing.goroutines() {
        for frame in frames {
            end(frame.what, ":open".into());
        }
    }
    for (at, how) in ends {
        found[at].push_str(&how);
    }
    found.join(" ")
}

fn step_of(
    pairing: &mut Pairing,
    hit: &Hit,
    found: &mut Vec<String>,
    end: &mut impl FnMut(What, String),
) -> Vec<crate::correlate::pairing::Left> {
    let mut left = match hit.goid {
        Some(goid) => pairing.distrust(goid, hit.lost_before),
        None => Vec::new(),
    };
    let name = name_of(hit.func);
    if hit.kind == SiteKind::Entry {
        left.extend(pairing.overwritten(hit));
        let entered = pairing.enter(hit, What::Call(found.len() as u64));
        found.push(format!("{name}{}", if entered { "" } else { ":refused" }));
    } else {
        let (gone, own) = pairing.returns(hit);
        left.extend(gone);
        match own {
            Some(what) => end(what, format!(":{}", hit.ktime)),
            None => found.push(format!("-{name}")),
        }
    }
    left
}

fn how(state: CallState, at: Option<u64>) -> String {
    let word = match state {
        CallState::Abandoned => ":abandoned",
        CallState::Unpaired => ":unpaired",
        CallState::Panicked => ":panicked",
        CallState::Exited => ":exited",
        CallState::Returned | CallState::InFlight => panic!("not left: {state:?}"),
    };
    word.to_owned() + &at.map_or_else(String::new, |at| format!("@{at}"))
}

/// What is beyond the bounds is not kept, and counted.
#[test]
fn frames_beyond_the_bounds_are_counted() {
    let mut pairing = Pairing::default();
    let hit = |goid: u64, depth: u64| Hit {
        goid: Some(goid),
        depth,
        ..crate::correlate::examples::hit()
    };
    let mut frames = 0;
    while pairing.enter(&hit(1, frames), What::Call(frames)) {
        frames += 1;
    }
    assert_eq!((frames, pairing.evicted), (1 << 12, 1));
    let mut goroutines = 1;
    while pairing.enter(&hit(goroutines + 1, 1), What::Hijack) {
        goroutines += 1;
    }
    assert_eq!((goroutines, pairing.evicted), (1 << 16, 2));
}

//! What is given out, when, and with what.

use super::script::{Step, name_of, parse, plan_of_all};
use crate::correlate::{CallState, Correlator, MOST_KEPT, Owner, Trace};

/// Script → what each drain gave, and the end: `#1[f g]` is request 1 with its calls, `-[f]` calls
/// without a request; `!` marks what is in flight, `?` what ended without a return.
const CASES: &[(&str, &str, &[&str])] = &[
    (
        "a request goes out when it is over",
        "1 +R@10; 1 +f@20; drain; 1 -f@20; drain; 1 -R@10; drain",
        &["", "", "#1[f]", ""],
    ),
    (
        "what never ends is given at the end",
        "1 +R@10; 1 +f@20; drain",
        &["", "#1![f!]"],
    ),
    (
        "with the calls that outlive it",
        "1 +R@10; 1 makes; made 2; 2 +f@20; 1 -R@10; drain; 2 -f@20; drain",
        &["", "#1[f]", ""],
    ),
    (
        "a later call is shown under its request again",
        "1 +R@10; 1 makes; made 2; 1 -R@10; drain; 2 +f@20; 2 -f@20; drain",
        &["#1[]", "#1[f]", ""],
    ),
    (
        "a later call that never ends too",
        "1 +R@10; 1 makes; made 2; 1 -R@10; drain; 2 +f@20",
        &["#1[]", "#1[f!]"],
    ),
    (
        "calls without a request go out as they end, with what they were made in",
        "1 +f@10; 1 +g@20; 1 -g@20; drain; 1 -f@10; 2 +h@10; 2 -h@10; drain",
        &["", "-[f g h]", ""],
    ),
    (
        "a late return belongs to nothing that was given out",
        "1 +R@10; 1 +f@20; lose; 1 -f@20; drain; 1 -R@10; drain",
        &["#1?[f?]", "", ""],
    ),
    (
        "two that share a run go out together",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 2 +D@20=a0; 3 -f@20; \
         1 -D@20=c0; 1 -R@10; drain; 2 -D@20=c0; drain; 2 -R@10; drain",
        &["", "", "#1[f] #2[]", ""],
    ),
    (
        "who got a finished result may be over before its run has come back",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 3 -f@20; 2 +D@20=a0; \
         2 -D@20=c0; 2 -R@10; drain; 1 -D@20=c0; drain; 1 -R@10; drain",
        &["", "", "#1[f] #2[]", ""],
    ),
    (
        "a run that turns out to be another one",
        "1 +R@10; 2 +R@10; 1 +K@20=a0; 1 makes; made 3; 3 +f@20; 2 +K@20=a0; 2 -K@20=d0; \
         2 -R@10; drain; 3 -f@20; 1 -K@20=c0; drain; 1 -R@10; drain",
        &["", "#2[]", "#1[f]", ""],
    ),
    (
        "nobody waits for a run that began before a loss",
        "1 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 3 -f@20; lose; 2 +R@10; 2 +D@20=a0; \
         2 -D@20=c0; 2 -R@10; drain",
        &["#2[]", "#1![f]"],
    ),
    (
        "who waited may be over first",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 2 +D@20=a0; 3 -f@20; \
         1 -D@20=c0; 2 -D@20=c0; 2 -R@10; drain; 1 -R@10; drain",
        &["", "#1[f] #2[]", ""],
    ),
];

#[test]
fn deliveries() {
    for (case, script, expected) in CASES {
        let mut correlator = Correlator::new(&plan_of_all(true));
        let mut given = Vec::new();
        for step in parse(script) {
            match step {
                Step::Hit(hit) => correlator.push(*hit),
                Step::Drain => given.push(shown(&correlator.drain_finished())),
            }
        }
        given.push(shown(&correlator.finish(0, 0)));
        assert_eq!(given, *expected, "{case}: {script}");
    }
}

/// A call that comes later than requests are kept has none, and that is counted.
#[test]
fn a_call_whose_request_was_not_kept_is_counted() {
    let mut correlator = Correlator::new(&plan_of_all(true));
    let push = |correlator: &mut Correlator, script: &str| {
        for step in parse(script) {
            if let Step::Hit(hit) = step {
                correlator.push(*hit);
            }
        }
    };
    push(&mut correlator, "1 +R@10; 1 makes; made 2; 1 -R@10");
    for _ in 0..MOST_KEPT {
        correlator.drain_finished();
        push(&mut correlator, "1 +R@10; 1 -R@10");
    }
    correlator.drain_finished();
    push(&mut correlator, "2 +f@20; 2 -f@20");
    let late = correlator.drain_finished();
    assert_eq!((shown(&late).as_str(), late.summary.evicted), ("-[f]", 1));
}

/// What is due and not looked at in one round is looked at in the next.
#[test]
fn more_goroutines_than_are_looked_at_at_once() {
    let mut correlator = Correlator::new(&plan_of_all(true));
    for step in parse("1 +f@10; 2 +f@10; 3 +f@10") {
        if let Step::Hit(hit) = step {
            correlator.push(*hit);
        }
    }
    let mut look = || {
        let slow = correlator.slow(100, 10, false, 2);
        slow.iter().map(|s| (s.goid, s.first)).collect::<Vec<_>>()
    };
    assert_eq!(look(), [(1, true), (2, true)]);
    assert_eq!(look(), [(3, true)]);
    assert_eq!(look(), []);
}

fn shown(trace: &Trace) -> String {
    let calls = |of: Option<usize>| -> String {
        let calls = trace.calls.iter().filter(|c| match c.owner {
            Owner::Request { request, .. } => Some(request) == of,
            Owner::Internal => of.is_none(),
        });
        let names = calls.map(|c| format!("{}{}", name_of(c.func), how(c.state)));
        names.collect::<Vec<_>>().join(" ")
    };
    let requests = trace.requests.iter().enumerate();
    let mut parts: Vec<String> = requests
        .map(|(at, r)| format!("#{}{}[{}]", r.id, how(r.state), calls(Some(at))))
        .collect();
    let internal = calls(None);
    if !internal.is_empty() {
        parts.push(format!("-[{internal}]"));
    }
    parts.join(" ")
}

fn how(state: CallState) -> &'static str {
    match state {
        CallState::Returned => "",
        CallState::InFlight => "!",
        _ => "?",
    }
}

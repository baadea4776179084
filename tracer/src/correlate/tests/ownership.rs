//! Whose call each is, as the trace says it.

use super::script::{Step, name_of, parse, plan_of_all};
use crate::correlate::{Call, Correlator, Owner, Trace};

/// Script → calls in order of their entries: `f=#1` belongs to request 1, `f=#1+2` through two
/// births, `f=-` to none; `g=#1(f)` was made in f, on its goroutine or by one that was born there;
/// `&#2` says that request 2 shares it.
const CASES: &[(&str, &str, &str)] = &[
    ("a handler's own call", "1 +R@10; 1 +f@20", "f=#1"),
    ("nested", "1 +R@10; 1 +f@20; 1 +g@30", "f=#1 g=#1(f)"),
    ("nobody's", "1 +f@20", "f=-"),
    (
        "a goroutine born in the handler",
        "1 +R@10; 1 makes; made 2; 2 +f@20",
        "f=#1+1",
    ),
    (
        "born in a call, by births between",
        "1 +R@10; 1 +f@20; 1 makes; made 2; 2 makes; made 3; 3 +g@20",
        "f=#1 g=#1+2(f)",
    ),
    (
        "a goroutine that outlives its request",
        "1 +R@10; 1 makes; made 2; 1 -R@10; 2 +f@20",
        "f=#1+1",
    ),
    // one goroutine serves all requests of a connection
    (
        "keep-alive: the next request",
        "1 +R@10; 1 +f@20; 1 -f@20; 1 -R@10; 1 +R@10; 1 +g@20",
        "f=#1 g=#2",
    ),
    (
        "keep-alive: born for the first, seen during the second",
        "1 +R@10; 1 makes; made 2; 1 -R@10; 1 +R@10; 2 +f@20",
        "f=#1+1",
    ),
    (
        "keep-alive: between two requests it works for none",
        "1 +R@10; 1 -R@10; 1 makes; made 2; 1 +R@10; 2 +f@20",
        "f=-",
    ),
    (
        "a loss while a goroutine is made",
        "1 +R@10; 1 makes; lose; made 2; 2 +f@20",
        "f=-",
    ),
    (
        "a loss between the request and a birth: it may be over",
        "1 +R@10; lose; 1 makes; made 2; 2 +f@20",
        "f=-",
    ),
    (
        "a loss after the birth",
        "1 +R@10; 1 makes; made 2; lose; 2 +f@20",
        "f=#1+1",
    ),
    (
        "a handler that panicked works for nobody",
        "1 +R@10; 1 recovers@5; 1 +f@20",
        "f=-",
    ),
    (
        "one run for two requests",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 2 +D@20=a0; 3 -f@20; \
         1 -D@20=c0; 2 -D@20=c0; 1 -R@10; 2 -R@10",
        "f=#1+1&#2",
    ),
    (
        "a finished run, whose result is still taken",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 3 -f@20; 2 +D@20=a0; \
         2 -D@20=c0; 1 -D@20=c0",
        "f=#1+1&#2",
    ),
    (
        "two that came one after the other",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 3 -f@20; 1 -D@20=c0; \
         2 +D@20=a0; 2 -D@20=c0",
        "f=#1+1",
    ),
    (
        "two groups",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 2 +D@20=b0; 3 -f@20; \
         1 -D@20=c0; 2 -D@20=c0",
        "f=#1+1",
    ),
    (
        "another result",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 2 +D@20=a0; 3 -f@20; \
         1 -D@20=c0; 2 -D@20=d0",
        "f=#1+1",
    ),
    (
        "a run within a run: who waits for the inner one shares that alone",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 3 +D@30=b0; 3 makes; made 4; \
         4 +g@20; 2 +D@20=b0; 4 -g@20; 3 -D@30=c0; 2 -D@20=c0; 3 -f@20; 1 -D@20=d0",
        "f=#1+1 g=#1+2(f)&#2",
    ),
    (
        "a shared run across a loss is nobody else's",
        "1 +R@10; 2 +R@10; 1 +D@20=a0; 1 makes; made 3; 3 +f@20; 2 +D@20=a0; lose; \
         1 -D@20=c0; 2 -D@20=c0",
        "f=#1+1",
    ),
    (
        "a result that is handed on: the last met only a waiter",
        "1 +R@10; 2 +R@10; 3 +R@10; 1 +K@20=a0; 1 makes; made 4; 4 +f@20; 4 -f@20; 2 +K@20=a0; \
         1 -K@20=c0; 3 +K@20=a0; 2 -K@20=c0; 3 -K@20=c0",
        "f=#1+1&#2&#3",
    ),
    (
        "x/sync hands on nothing: the last one ran for itself",
        "1 +R@10; 2 +R@10; 3 +R@10; 1 +X@20=a0; 1 +f@30; 2 +X@20=a0; 1 -f@30; \
         1 -X@20=c0; 3 +X@20=a0; 2 -X@20=c0; 3 -X@20=c0",
        "f=#1&#2",
    ),
    (
        "many keys: equal numbers tell nothing",
        "1 +R@10; 2 +R@10; 1 +N@20=a0; 1 makes; made 3; 3 +f@20; 2 +N@20=a0; 3 -f@20; \
         1 -N@20=c0; 2 -N@20=c0",
        "f=#1+1",
    ),
    (
        "many keys: the same result tells",
        "1 +R@10; 2 +R@10; 1 +K@20=a0; 1 makes; made 3; 3 +f@20; 2 +K@20=a0; 3 -f@20; \
         1 -K@20=c0; 2 -K@20=c0",
        "f=#1+1&#2",
    ),
];

/// The same where goroutines only name their creators.
const NAMED: &[(&str, &str, &str)] = &[
    (
        "the creator serves its first request",
        "1 +R@10; 2<1 +f@20",
        "f=#1+1",
    ),
    (
        "the creator served another one before: it may have been then",
        "1 +R@10; 1 -R@10; 1 +R@10; 2<1 +f@20",
        "f=-",
    ),
    (
        "what it works for already stays",
        "1 +R@10; 3 +R@10; 2<1 +f@20; 2<3 +g@30",
        "f=#1+1 g=#1+1(f)",
    ),
    (
        "a loss since the creator's request began",
        "1 +R@10; lose; 2<1 +f@20",
        "f=-",
    ),
];

#[test]
fn owners_of_calls() {
    for (births, cases) in [(true, CASES), (false, NAMED)] {
        for (case, script, expected) in cases {
            assert_eq!(owners(births, script), *expected, "{case}: {script}");
        }
    }
}

/// (waiting request, request whose run it waits for): where all calls of a group have one key.
#[test]
fn requests_that_wait() {
    let meet = |group: &str| {
        format!("1 +R@10; 2 +R@10; 1 +{group}@20=a0; 1 makes; made 3; 3 +f@20; 2 +{group}@20=a0")
    };
    let waits = |script: &str| {
        let trace = run(true, script);
        trace
            .requests
            .iter()
            .map(|r| r.waits_for)
            .collect::<Vec<_>>()
    };
    assert_eq!(waits(&meet("D")), [None, Some(1)]);
    assert_eq!(waits(&meet("K")), [None, None], "it may have another key");
}

/// A goroutine that is not remembered may have served a request before: what names it as its
/// creator is nobody's.
#[test]
fn more_servers_than_are_remembered_make_nothing_certain() {
    let mut correlator = Correlator::new(&plan_of_all(false));
    let mut push = |script: &str| {
        for step in parse(script) {
            if let Step::Hit(hit) = step {
                correlator.push(*hit);
            }
        }
    };
    for goid in 1..=(1 << 16) + 1 {
        push(&format!("{goid:x} +R@10; {goid:x} -R@10"));
    }
    push("ffffff +R@10; fffffe<ffffff +f@20");
    let trace = correlator.finish(0, 0);
    assert_eq!(trace.calls[0].owner, Owner::Internal);
    assert_eq!(trace.summary.evicted, 1);
}

fn owners(births: bool, script: &str) -> String {
    let trace = run(births, script);
    let one = |call: &Call| {
        let owner = match call.owner {
            Owner::Internal => "-".to_owned(),
            Owner::Request { request, link } => {
                let id = trace.requests[request].id;
                match link.hops() {
                    0 => format!("#{id}"),
                    hops => format!("#{id}+{hops}"),
                }
            }
        };
        let outer = call.parent.or(call.born_in);
        let outer = outer.map(|at| format!("({})", name_of(trace.calls[at].func)));
        let shared = call.shared_with.iter();
        let shared: String = shared
            .map(|s| format!("&#{}", trace.requests[s.request].id))
            .collect();
        format!(
            "{}={owner}{}{shared}",
            name_of(call.func),
            outer.unwrap_or_default()
        )
    };
    trace.calls.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn run(births: bool, script: &str) -> Trace {
    let mut correlator = Correlator::new(&plan_of_all(births));
    for step in parse(script) {
        match step {
            Step::Hit(hit) => correlator.push(*hit),
            Step::Drain => panic!("nothing is drained here"),
        }
    }
    correlator.finish(0, 0)
}

//! Calls that are hard to pair (see tests/fixtures/go/storm): every call is counted, no result is
//! paired with another call's argument, nothing is open that ended, and the program lives.
//!
//! `cargo xtask storm` makes the long run: `MOBYTRACE_STORM_RUNS` programs one after the other of
//! `MOBYTRACE_STORM_CALLS` each, slow enough that no record is lost; a run that lost some is made
//! again, slower, and counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use harness::Fixture;
use mobytrace::addr::LoadBias;
use mobytrace::correlate::{Call, CallState, Correlator, Trace};
use mobytrace::decode::{Assembler, Decoder, Part, Value};
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{Plan, PlanRequest, SiteKind, build, short_name};
use mobytrace::probe::{Session, SessionOptions, SiteBytes, TargetProc, check_bytes};

/// What the program's functions are called, and what each returns for its argument.
const FUNCTIONS: &[(&str, i64)] = &[
    ("(*Storm).Deep", 2),
    ("(*Storm).Guard", 5),
    ("(*Storm).Middle", 7),
    ("(*Storm).Panics", 7),
    ("(*Storm).Exits", 11),
    ("(*Storm).Many", 13),
    ("(*Storm).Spin", 17),
    ("(*Storm).Hold", 19),
    ("(*Storm).Forever", 0),
    ("(*Inner).Tail", 23),
];
/// Records between two times that what is finished is checked and forgotten.
const GIVEN: u64 = 5_000;
/// Goroutines that hold a call at once.
const HOLDERS: u64 = 10_000;

/// What was seen of one function.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    returned: u64,
    /// Left by a panic that was recovered, and by `Goexit`.
    panicked: u64,
    exited: u64,
    /// By one of them, which was not seen.
    abandoned: u64,
    in_flight: u64,
    /// Records were lost in between.
    unpaired: u64,
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        other => panic!("no int: {other:?}"),
    }
}

/// A result fits its own call's argument, or it is paired wrong.
fn check(plan: &Plan, call: &Call, seen: &mut BTreeMap<String, Seen>) {
    let name = short_name(&plan.functions[call.func as usize].name).to_owned();
    let of = seen.entry(name.clone()).or_default();
    match call.state {
        CallState::Returned => {
            of.returned += 1;
            if call.results.is_empty() {
                panic!("{name}: no result: {call:?}");
            }
            let x = int(&call.params[1]);
            let (_, factor) = FUNCTIONS
                .iter()
                .find(|(f, _)| f.ends_with(&format!(".{name}")))
                .expect("function");
            let more = match name.as_str() {
                "Deep" => int(&call.params[2]),
                "Many" => x % 40,
                _ => 0,
            };
            assert_eq!(
                int(&call.results[0]),
                x * factor + more,
                "{name}({x}) is paired with another call's result: {call:?}"
            );
        }
        CallState::Panicked => of.panicked += 1,
        CallState::Exited => of.exited += 1,
        CallState::Abandoned => of.abandoned += 1,
        CallState::Unpaired => of.unpaired += 1,
        CallState::InFlight => of.in_flight += 1,
    }
}

fn take(plan: &Plan, trace: &Trace, seen: &mut BTreeMap<String, Seen>) {
    for call in &trace.calls {
        check(plan, call, seen);
    }
}

/// Everything that the ring buffer gave, and the trace of what was left at the end.
fn decode(plan: &Plan, parts: Receiver<Part>) -> (BTreeMap<String, Seen>, Trace) {
    let mut assembler = Assembler::default();
    let decoder = Decoder::new(plan, LoadBias::default());
    let mut correlator = Correlator::new(plan);
    let mut seen = BTreeMap::new();
    for (n, part) in (1u64..).zip(parts) {
        for mut hit in assembler.push(part) {
            correlator.push(decoder.decode(&mut hit).expect("hit"));
        }
        if n % GIVEN == 0 {
            take(plan, &correlator.drain_finished(), &mut seen);
        }
    }
    let rest = correlator.finish(0, 0);
    take(plan, &rest, &mut seen);
    (seen, rest)
}

/// Calls of a run, and records lost.
struct Run {
    made: u64,
    lost: u64,
    restarts: u64,
}

#[test]
fn every_call_is_counted_and_none_is_paired_wrong() {
    let _turn = harness::turn();
    let Some(path) = fixture() else {
        return;
    };
    // slow enough for this test to keep up with, which runs without optimisation; slower on a
    // machine that is busy elsewhere
    let (calls, mut pause) = (number("CALLS", 40_000), number("PAUSE", 10_000));
    let (mut all, mut again) = (0, 0);
    let mut restarts = 0;
    for run in 0..number("RUNS", 1) {
        let mut tries = 0;
        let kept = loop {
            let run = storm(&path, calls, pause);
            if run.lost == 0 {
                break run;
            }
            tries += 1;
            again += 1;
            assert!(tries < 3, "records lost at every speed");
            pause *= 4;
        };
        all += kept.made;
        restarts += kept.restarts;
        eprintln!(
            "run {run}: {} calls, {all} in all, pause {pause} µs",
            kept.made
        );
    }
    eprintln!("storm: {all} calls, {restarts} restarts, {again} runs made again");
    // as fast as the program can
    storm(&path, 40_000, 0);
}

fn fixture() -> Option<PathBuf> {
    let path = match harness::fixture("storm") {
        Ok(path) if harness::is_root() => path,
        other => {
            assert!(!harness::is_strict(), "this test needs root and {other:?}");
            eprintln!("SKIPPED storm: needs root and {other:?}");
            return None;
        }
    };
    Some(path)
}

fn number(name: &str, usually: u64) -> u64 {
    let said = std::env::var(format!("MOBYTRACE_STORM_{name}")).ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(usually)
}

/// `pause`: microseconds between the rounds of a goroutine.
fn storm(path: &Path, wanted: u64, pause: u64) -> Run {
    let bytes = std::fs::read(path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let names: Vec<String> = FUNCTIONS.iter().map(|(f, _)| format!("main.{f}")).collect();
    let request = PlanRequest::new(&[], &names).expect("request");
    let plan = build(&request, &binary).expect("plan");
    let sites = |name: &str, kind: SiteKind| -> Vec<usize> {
        (0..plan.sites.len())
            .filter(|i| {
                let f = &plan.functions[plan.sites[*i].func as usize];
                short_name(&f.name) == name && plan.sites[*i].kind == kind
            })
            .collect()
    };
    assert!(
        sites("Many", SiteKind::Return).len() >= 40,
        "forty returns: {:?}",
        plan.issues
    );
    assert_eq!(sites("Forever", SiteKind::Return), [0usize; 0], "no return");
    let args = [wanted, 4, HOLDERS, pause].map(|n| n.to_string());
    let mut fixture = Fixture::start(path, &args).expect("fixture");
    let pid = fixture.pid();
    let target = TargetProc {
        pid,
        load_bias: LoadBias::default(),
        exe: path,
    };
    let mut session = Session::start(&plan, &target, &SessionOptions::default()).expect("attached");
    assert_eq!(session.attach_report().attached(), plan.sites.len());
    fixture.tell("").expect("stdin");
    let (sender, receiver) = std::sync::mpsc::channel();
    let started = Instant::now();
    let (said, mut seen, rest) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut lines = Vec::new();
            while lines.last().is_none_or(|l: &String| l != "end") {
                match fixture.line() {
                    Ok(line) if !line.is_empty() => lines.push(line),
                    _ => break,
                }
            }
            sender.send(lines).expect("sent");
        });
        // decoding is slower than the program: the ring buffer is emptied beside it
        let (parts, taken) = std::sync::mpsc::channel();
        let decoding = scope.spawn(|| decode(&plan, taken));
        let mut drain = || {
            session.drain(|record| {
                let part = Part::from_ring(record).expect("record");
                parts.send(part).expect("sent");
            });
        };
        let said = loop {
            drain();
            if let Ok(lines) = receiver.recv_timeout(Duration::from_micros(200)) {
                break lines;
            }
        };
        drain();
        drop(parts);
        let (seen, rest) = decoding.join().expect("decoded");
        (said, seen, rest)
    });
    let took = started.elapsed();
    let counters = session.counters().expect("counters");
    session.detach().expect("detached");
    assert_eq!(
        check_bytes(pid, LoadBias::default(), &plan).expect("memory"),
        SiteBytes::default()
    );
    fixture.tell("").expect("it lives");
    assert_eq!(said.last().map(String::as_str), Some("end"), "{said:?}");
    let lost: u64 = counters.iter().map(|c| c.drops).sum();
    let restarts: u64 = counters.iter().map(|c| c.restarts).sum();
    assert!(restarts > 0, "stacks grew");
    assert_eq!(counters.iter().map(|c| c.map_full).sum::<u64>(), 0);
    let mut made_in_all = 0;
    for line in said.iter().filter(|l| l.starts_with("count ")) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (name, made, returned): (_, u64, u64) = (
            words[1],
            words[2].parse().expect("calls"),
            words[3].parse().expect("returns"),
        );
        let hits = |kind| -> u64 { sites(name, kind).iter().map(|i| counters[*i].hits).sum() };
        assert_eq!(hits(SiteKind::Entry), made, "{name}: entries = calls");
        assert_eq!(hits(SiteKind::Return), returned, "{name}: returns");
        made_in_all += made;
        let of = seen.remove(name).unwrap_or_default();
        eprintln!("{name}: {made} calls, {returned} returned; {of:?}");
        if lost > 0 {
            assert!(of.returned <= returned, "{name}: {of:?}");
            continue;
        }
        let open = if name == "Forever" { made } else { 0 };
        let left = made - returned - open;
        let exited = if name == "Exits" { left } else { 0 };
        let expected = Seen {
            returned,
            panicked: left - exited,
            exited,
            abandoned: 0,
            in_flight: open,
            unpaired: 0,
        };
        assert_eq!(of, expected, "{name}");
    }
    eprintln!(
        "{made_in_all} calls in {:.1} s: 0 paired wrong, {lost} records lost, {restarts} restarts, {:?}",
        took.as_secs_f64(),
        rest.summary
    );
    assert!(made_in_all >= wanted);
    assert!(
        lost > 0 || rest.summary.unmatched_returns == 0,
        "{:?}",
        rest.summary
    );
    Run {
        made: made_in_all,
        lost,
        restarts,
    }
}

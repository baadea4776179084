//! A Go program that counts its own calls, with stacks that grow and move and goroutines that are preempted: every call is
//! seen once, with its own arguments and results. All program variants that this kernel takes.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::Fixture;
use mobytrace::correlate::{CallState, Correlator, Trace};
use mobytrace::decode::{Assembler, Decoder, Part, Value};
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{PlanRequest, Role, build};
use mobytrace::probe::{
    Links, Session, SessionOptions, SiteBytes, TargetProc, Variant, check_bytes,
};

const FUNCTION: &str = "main.(*Server).List";
const GOROUTINES: u64 = 6;
const CALLS: u64 = 15;
const DEPTH: u64 = 20;
/// Every recursion, and the one that fails.
const EXPECTED: u64 = GOROUTINES * CALLS * (DEPTH + 1) + 1;

/// Traces the fixture with one program variant; gives the trace and the number the fixture counted.
fn trace(options: &SessionOptions, path: &Path) -> (Trace, u64) {
    let bytes = std::fs::read(path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let request = PlanRequest::new(&[], &[FUNCTION.to_owned()]).expect("request");
    let plan = build(&request, &binary).expect("plan");
    assert!(
        plan.functions.iter().any(|f| f.role == Role::Birth),
        "births are traced"
    );
    let args = [GOROUTINES, CALLS, DEPTH].map(|n| n.to_string());
    let mut fixture = Fixture::start(path, &args).expect("fixture");
    let pid = fixture.pid();
    let target = TargetProc {
        pid,
        load_bias: 0,
        exe: path,
    };
    let mut session = Session::start(&plan, &target, options).expect("attached");
    assert_eq!(session.attach_report().attached(), plan.sites.len());
    fixture.tell("").expect("stdin");
    // taken out only, while the program runs: decoding, unoptimised, would let the ring buffer of the bounded programs run over
    let mut parts = Vec::new();
    let mut drain = |session: &mut Session| {
        session.drain(|record| parts.push(Part::from_ring(record).expect("record")));
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    let counted = std::thread::scope(|scope| {
        scope.spawn(|| {
            let line = fixture.line().expect("line");
            sender.send(line).expect("line");
        });
        let started = Instant::now();
        loop {
            drain(&mut session);
            if let Ok(line) = receiver.recv_timeout(Duration::from_millis(1)) {
                break line;
            }
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "the fixture does not end"
            );
        }
    });
    drain(&mut session);
    let counted: u64 = counted
        .strip_prefix("calls ")
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("fixture said {counted:?}"));
    let counters = session.counters().expect("counters");
    let lost: u64 = counters.iter().map(|c| c.drops + c.map_full + c.cuts).sum();
    assert_eq!(lost, 0, "{counters:?}");
    let restarts: u64 = counters.iter().map(|c| c.restarts).sum();
    assert!(restarts > 0, "stacks grew: {counters:?}");
    session.detach().expect("detached");
    assert_eq!(
        check_bytes(pid, 0, &plan).expect("memory"),
        SiteBytes::default()
    );
    fixture.tell("").expect("stdin");
    let mut assembler = Assembler::default();
    let decoder = Decoder::new(&plan, 0);
    let mut correlator = Correlator::new(&plan);
    let mut hits: Vec<_> = parts
        .into_iter()
        .flat_map(|part| assembler.push(part))
        .collect();
    hits.extend(assembler.finish());
    for mut hit in hits {
        correlator.push(decoder.decode(&mut hit).expect("hit"));
    }
    (correlator.finish(0, 0), counted)
}

fn text(v: &Value) -> String {
    match v {
        Value::Str { bytes, len } if bytes.len() as u64 == *len => {
            String::from_utf8(bytes.clone()).expect("UTF-8")
        }
        other => panic!("no string: {other:?}"),
    }
}

fn int(v: &Value) -> i64 {
    match v {
        Value::Int(n) => *n,
        other => panic!("no int: {other:?}"),
    }
}

fn field<'v>(v: &'v Value, name: &str) -> &'v Value {
    match v {
        Value::Pointer { to, .. } => field(to, name),
        Value::Struct { fields, .. } => &fields.iter().find(|(n, _)| n == name).expect("field").1,
        other => panic!("no struct: {other:?}"),
    }
}

/// Every value of a call follows from its name. `faults`: what was not resident may be missing, never wrong.
fn check(trace: &Trace, faults: bool) {
    let mut failed = 0;
    let mut missing = 0;
    for call in &trace.calls {
        assert_eq!(call.state, CallState::Returned);
        let opts = &call.params[1];
        if faults && format!("{call:?}").contains("Fault") {
            missing += 1;
            continue;
        }
        let name = text(field(opts, "Name"));
        let (limit, depth) = (int(field(opts, "Limit")), int(&call.params[2]));
        if name == "last" {
            failed += 1;
            assert_eq!(limit, -1);
            assert!(
                format!("{:?}", call.results[1]).contains("errors.errorString"),
                "{:?}",
                call.results
            );
            continue;
        }
        let (g, c) = name
            .strip_prefix('g')
            .and_then(|rest| rest.split_once("-c"))
            .map(|(g, c)| (g.parse::<i64>().expect("g"), c.parse::<i64>().expect("c")))
            .unwrap_or_else(|| panic!("name {name:?}"));
        assert_eq!(limit, g * 1000 + c, "{name}");
        assert_eq!(*field(opts, "All"), Value::Bool((g + c) % 2 == 1), "{name}");
        let Value::Map { entries, len: 1 } = field(opts, "Labels") else {
            panic!("labels {opts:?}")
        };
        let Value::Map {
            entries: inner,
            len: 1,
        } = &entries[0].1
        else {
            panic!("labels {opts:?}")
        };
        assert_eq!(text(&entries[0].0), "label");
        assert_eq!(
            (text(&inner[0].0), &inner[0].1),
            (format!("n={name}"), &Value::Bool(true))
        );
        assert_eq!(int(&call.results[0]), limit + depth, "{name}");
        assert_eq!(call.results[1], Value::Nil);
        if depth < DEPTH as i64 {
            let parent = call
                .parent
                .and_then(|p| trace.calls.get(p))
                .expect("recursion has a caller");
            assert_eq!(int(&parent.params[2]), depth + 1);
        }
    }
    assert_eq!(failed, 1);
    assert!(
        missing * 10 < trace.calls.len(),
        "{missing} calls with missing values"
    );
}

fn every_call_is_seen(options: SessionOptions, faults: bool) {
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED deep_fixture: needs root");
        return;
    }
    let path = harness::fixture_or_skip!("deep");
    let (trace, counted) = trace(&options, &path);
    assert_eq!(counted, EXPECTED);
    assert_eq!(trace.calls.len() as u64, counted, "calls seen = calls made");
    assert_eq!(trace.summary.unmatched_returns, 0);
    check(&trace, faults);
}

fn of_variant(variant: Variant) -> SessionOptions {
    SessionOptions {
        variant: Some(variant),
        ..SessionOptions::default()
    }
}

fn of_links(links: Links) -> SessionOptions {
    SessionOptions {
        links: Some(links),
        ..SessionOptions::default()
    }
}

#[test]
fn with_the_best_programs_of_this_kernel() {
    every_call_is_seen(SessionOptions::default(), false);
}

#[test]
fn with_a_perf_link_per_site() {
    every_call_is_seen(of_links(Links::Perf), false);
}

#[test]
fn with_bpf_loop_and_cookies() {
    every_call_is_seen(of_variant(Variant::Loop), true);
}

#[test]
fn with_bounded_loops_and_sites_by_address() {
    every_call_is_seen(of_variant(Variant::Bounded), true);
}

#[test]
fn with_uprobe_multi_links() {
    if is_older_than(6, 12) {
        eprintln!(
            "SKIPPED deep_fixture: uprobe_multi links that keep to a process need a newer kernel"
        );
        return;
    }
    every_call_is_seen(of_links(Links::Multi), false);
}

fn is_older_than(major: u32, minor: u32) -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let numbers: Vec<u32> = release
        .split(|c: char| !c.is_ascii_digit())
        .take(2)
        .filter_map(|n| n.parse().ok())
        .collect();
    numbers < vec![major, minor]
}

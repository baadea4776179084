//! Maps that another goroutine writes while they are captured (see tests/fixtures/go/torn): what is shown was all in the map at one
//! moment, or the map is missing and says that it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use harness::Fixture;
use mobytrace::decode::{Assembler, Decoder, Missing, Part, Value};
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{PlanRequest, build};
use mobytrace::probe::{Session, SessionOptions, TargetProc, Variant};
use tracer_ebpf::wire::site::SITE_ENTRY;

/// What came of the calls of one function.
#[derive(Debug, Default)]
struct Seen {
    whole: u64,
    /// Entries whose elem was not stored yet.
    unset: u64,
    entries: u64,
    missing: u64,
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        Value::Uint(n) => i64::try_from(*n).expect("small"),
        other => panic!("no int: {other:?}"),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Str { bytes, len } if bytes.len() as u64 == *len => {
            std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("no text: {value:?}"))
        }
        other => panic!("no text: {other:?}"),
    }
}

fn numbered(value: &Value, word: &str) -> i64 {
    text(value)
        .strip_prefix(word)
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("not a {word}: {value:?}"))
}

/// Exactly one of each two partners.
fn pairs(keys: &BTreeSet<i64>, count: i64) {
    let halves: BTreeSet<i64> = keys.iter().map(|k| k / 2).collect();
    // a key is gone a moment before its partner is there
    assert!(
        halves.len() == keys.len() && (count - 1..=count).contains(&(keys.len() as i64)),
        "not the keys of any moment: {keys:?}"
    );
}

/// An elem fits its key, or is not stored yet.
fn check_elem(function: &str, key: &Value, elem: &Value, seen: &mut Seen) -> i64 {
    seen.entries += 1;
    match function {
        "TakePairs" | "TakeMany" => {
            let key = int(key);
            match elem {
                Value::Nil => seen.unset += 1,
                Value::Pointer { to, .. } => {
                    let Value::Struct { fields, .. } = to.as_ref() else {
                        panic!("no struct: {to:?}");
                    };
                    let (of, said, not) = (int(&fields[0].1), &fields[1].1, int(&fields[2].1));
                    assert_eq!(
                        (of, numbered(said, "elem "), not),
                        (key, key, !key),
                        "another key's elem"
                    );
                }
                other => panic!("{key}: {other:?}"),
            }
            key
        }
        "TakeGrowing" => {
            let key = numbered(key, "key ");
            match int(elem) {
                0 => seen.unset += 1,
                n => assert_eq!(n, key * 3 + 1, "another key's elem"),
            }
            key
        }
        "TakeSmall" => {
            let key = numbered(key, "key ");
            match elem {
                Value::Str { len: 0, .. } => seen.unset += 1,
                // a string is two words, which the program stores one after the other
                Value::Missing(Missing::Changed | Missing::Implausible { .. }) => seen.unset += 1,
                text => assert_eq!(numbered(text, "elem "), key, "another key's elem"),
            }
            key
        }
        "TakeReplaced" => {
            let key = int(key);
            assert_eq!(int(elem) & 0xff, key, "another key's elem");
            key
        }
        other => panic!("{other}"),
    }
}

fn check(function: &str, map: &Value, seen: &mut Seen) {
    match map {
        Value::Map { entries, len } => {
            seen.whole += 1;
            assert_eq!(entries.len() as u64, *len);
            let keys: BTreeSet<i64> = entries
                .iter()
                .map(|(key, elem)| check_elem(function, key, elem, seen))
                .collect();
            assert_eq!(keys.len() as u64, *len, "a key twice: {entries:?}");
            match function {
                "TakePairs" => pairs(&keys, 20),
                "TakeMany" => pairs(&keys, 400),
                // filled and emptied in the order of the keys: what is there is one run of them
                "TakeGrowing" => {
                    let (first, last) = (keys.first(), keys.last());
                    let run = first.zip(last).map_or(0, |(a, b)| b - a + 1);
                    assert_eq!(
                        run,
                        keys.len() as i64,
                        "not the keys of any moment: {keys:?}"
                    );
                }
                "TakeReplaced" => assert_eq!(keys.len(), 12),
                _ => {}
            }
        }
        Value::Missing(Missing::MapChanged { .. } | Missing::MapCut { .. }) => seen.missing += 1,
        // memory that the writer freed
        Value::Missing(Missing::Fault { .. }) => seen.missing += 1,
        other => panic!("{function}: {other:?}"),
    }
}

fn torn(fixture: &str, variant: Option<Variant>, calls: u64, pause: u64) {
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED torn_maps: needs root");
        return;
    }
    let path = harness::fixture_or_skip!(fixture);
    let bytes = std::fs::read(&path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let request = PlanRequest::new(&[], &["main.(*Server).Take*".to_owned()]).expect("request");
    let plan = build(&request, &binary).expect("plan");
    let mut program = Fixture::start(&path, &[calls, pause].map(|n| n.to_string())).expect("run");
    let target = TargetProc {
        pid: program.pid(),
        load_bias: 0,
        exe: &path,
    };
    let options = SessionOptions {
        variant,
        ..SessionOptions::default()
    };
    let mut session = Session::start(&plan, &target, &options).expect("attached");
    program.tell("").expect("stdin");
    let (mut assembler, decoder) = (Assembler::default(), Decoder::new(&plan, 0));
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut parts = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while program.line().is_ok_and(|l| l != "end" && !l.is_empty()) {}
            sender.send(()).expect("sent");
        });
        let started = Instant::now();
        let mut ended = false;
        loop {
            let mut any = false;
            session.drain(|record| {
                any = true;
                parts.push(Part::from_ring(record).expect("record"));
            });
            if ended && !any {
                break;
            }
            ended |= receiver.recv_timeout(Duration::from_micros(200)).is_ok();
            assert!(
                started.elapsed() < Duration::from_secs(180),
                "the fixture does not end"
            );
        }
    });
    let counters = session.counters().expect("counters");
    let lost: u64 = counters.iter().map(|c| c.drops).sum();
    session.detach().expect("detached");
    // what came is decoded only now: the ring must not run full meanwhile
    for part in parts {
        for mut hit in assembler.push(part) {
            let hit = decoder.decode(&mut hit).expect("hit");
            let function = &plan.functions[hit.func as usize];
            if hit.kind == SITE_ENTRY && function.short.starts_with("Take") {
                let of = seen.entry(function.short.clone()).or_default();
                check(&function.short, &hit.values[1], of);
            }
        }
    }
    println!("{fixture} {variant:?} {pause} ns: {lost} lost, {seen:#?}");
    let mut captured = 0;
    for (function, of) in &seen {
        captured += of.whole + of.missing;
        // one of some 40 ns, unless the writer is preempted just then
        assert!(of.unset * 10 <= of.entries, "{function}: {of:?}");
    }
    assert_eq!((captured, lost), (5 * calls, 0));
    if pause == 0 {
        let missing: u64 = seen.values().map(|s| s.missing).sum();
        assert!(missing > 0, "nothing was written meanwhile");
    } else {
        let whole: u64 = seen.values().map(|s| s.whole).sum();
        assert!(whole * 10 > captured, "hardly a map is whole: {seen:#?}");
    }
}

/// `MOBYTRACE_TORN_CALLS`: more than usual.
fn calls() -> u64 {
    let said = std::env::var("MOBYTRACE_TORN_CALLS").ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(600)
}

/// Nanoseconds between two writes with which some captures meet none.
const SOMETIMES: u64 = 20_000;

#[test]
fn hash_maps() {
    torn("torn", None, calls(), 0);
    torn("torn", None, calls(), SOMETIMES);
}

#[test]
fn swiss_maps() {
    torn("torn-swiss", None, calls(), 0);
    torn("torn-swiss", None, calls(), SOMETIMES);
}

#[test]
fn by_programs_of_older_kernels() {
    torn("torn-swiss", Some(Variant::Loop), calls(), SOMETIMES);
    torn("torn", Some(Variant::Bounded), calls(), SOMETIMES);
}

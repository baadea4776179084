//! A Go program passes values of every kind and prints them by reflection: what is decoded equals what was printed, and what is missing
//! says why.

use std::collections::BTreeMap;
use std::path::Path;

use harness::Fixture;
use mobytrace::decode::{Assembler, Decoder, Hit, Part, Value, error_text};
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{MapSchema, PlanRequest, build};
use mobytrace::probe::{Session, SessionOptions, TargetProc, Variant};
use mobytrace::render::go_duration;
use serde_json::{Value as Json, json};
use tracer_ebpf::wire::op::MAP_SWISS;
use tracer_ebpf::wire::site::SITE_ENTRY;

const FUNCTIONS: &str = "main.(*Server).Take*";

/// What was printed, and what was decoded, call by call.
struct Seen {
    printed: Vec<Json>,
    /// Function, arguments, results.
    decoded: Vec<(String, Vec<Value>, Vec<Value>)>,
    maps: Vec<MapSchema>,
}

fn run(variant: Option<Variant>, path: &Path) -> Seen {
    let bytes = std::fs::read(path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let request = PlanRequest::new(&[], &[FUNCTIONS.to_owned()]).expect("request");
    let plan = build(&request, &binary).expect("plan");
    for function in plan
        .functions
        .iter()
        .filter(|f| f.short.starts_with("Take"))
    {
        assert!(!function.params.is_empty(), "{:#?}", plan.issues);
    }
    let mut fixture = Fixture::start(path, &[]).expect("fixture");
    let target = TargetProc {
        pid: fixture.pid(),
        load_bias: 0,
        exe: path,
    };
    let options = SessionOptions {
        variant,
        ..SessionOptions::default()
    };
    let mut session = Session::start(&plan, &target, &options).expect("attached");
    fixture.tell("").expect("stdin");
    let mut parts = Vec::new();
    let mut printed = Vec::new();
    // what one call leaves has room in the ring buffer: the program goes on when it was taken out
    loop {
        let line = fixture.line().expect("line");
        session.drain(|record| parts.push(Part::from_ring(record).expect("record")));
        if line == "end" {
            break;
        }
        printed.push(serde_json::from_str(&line).expect("JSON"));
        fixture.tell("").expect("stdin");
    }
    let counters = session.counters().expect("counters");
    let lost: u64 = counters.iter().map(|c| c.drops).sum();
    assert_eq!(lost, 0, "{counters:?}");
    session.detach().expect("detached");
    let mut assembler = Assembler::default();
    let decoder = Decoder::new(&plan, 0);
    let hits: Vec<Hit> = parts
        .into_iter()
        .flat_map(|part| assembler.push(part))
        .map(|mut hit| decoder.decode(&mut hit).expect("hit"))
        .collect();
    let mut decoded: Vec<(String, Vec<Value>, Vec<Value>)> = Vec::new();
    for hit in hits {
        let function = &plan.functions[hit.func as usize];
        if !function.short.starts_with("Take") {
            continue;
        }
        if hit.kind == SITE_ENTRY {
            decoded.push((function.short.clone(), hit.values[1..].to_vec(), Vec::new()));
        } else {
            decoded.last_mut().expect("entered").2 = hit.values;
        }
    }
    let maps = plan.maps;
    Seen {
        printed,
        decoded,
        maps,
    }
}

/// Leaves compared.
#[derive(Debug, Default)]
struct Tally {
    equal: u64,
    wrong: Vec<String>,
    /// By reason, without its numbers: where, first.
    missing: BTreeMap<String, (u64, String)>,
}

impl Tally {
    fn wrong(&mut self, at: &str, printed: &Json, decoded: &Value) {
        let shown = format!("{decoded:?}");
        let shown: String = shown.chars().take(400).collect();
        let said: String = printed.to_string().chars().take(400).collect();
        self.wrong
            .push(format!("{at}: printed {said}, decoded {shown}"));
    }

    fn same(&mut self, at: &str, printed: &Json, decoded: &Value, as_json: &Json) {
        if printed == as_json {
            self.equal += 1;
        } else {
            self.wrong(at, printed, decoded);
        }
    }

    fn compare(&mut self, at: &str, printed: &Json, decoded: &Value) {
        match decoded {
            Value::Missing(why) => {
                let why: String = why
                    .to_string()
                    .split_ascii_whitespace()
                    .map(|word| {
                        if word.contains(|c: char| c.is_ascii_digit()) {
                            "N "
                        } else {
                            word
                        }
                    })
                    .collect::<Vec<_>>()
                    .join(" ");
                self.missing.entry(why).or_insert((0, at.to_owned())).0 += 1;
            }
            Value::Cut { part, why } => self.cut(at, printed, part, &why.to_string()),
            Value::Bool(b) => self.same(at, printed, decoded, &json!(b)),
            Value::Int(n) => self.same(at, printed, decoded, &json!(n)),
            Value::Uint(n) => self.same(at, printed, decoded, &json!(n)),
            Value::Float(x) if printed.as_f64() == Some(*x) => self.equal += 1,
            Value::Float(x)
                if !x.is_finite()
                    && printed
                        .as_str()
                        .and_then(|said| said.parse::<f64>().ok())
                        .is_some_and(|said| {
                            said.is_nan() == x.is_nan() && (x.is_nan() || said == *x)
                        }) =>
            {
                self.equal += 1;
            }
            Value::Complex(re, im)
                if printed["re"].as_f64() == Some(*re) && printed["im"].as_f64() == Some(*im) =>
            {
                self.equal += 1;
            }
            Value::Float(_) | Value::Complex(..) => self.wrong(at, printed, decoded),
            Value::Time { seconds, nanos } => {
                let said = printed["time"].as_str().and_then(|t| t.parse().ok());
                let own = jiff::Timestamp::new(*seconds, i32::try_from(*nanos).expect("ns"));
                if said.is_some() && own.ok() == said {
                    self.equal += 1;
                } else {
                    self.wrong(at, printed, decoded);
                }
            }
            Value::Duration(ns) => {
                let own = json!({"duration": go_duration(*ns)});
                self.same(at, printed, decoded, &own);
            }
            Value::Str { bytes, len } => {
                if bytes.len() as u64 != *len {
                    return self.wrong(at, printed, decoded);
                }
                let own = match std::str::from_utf8(bytes) {
                    Ok(text) => json!(text),
                    Err(_) => {
                        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                        json!({"hex": hex})
                    }
                };
                self.same(at, printed, decoded, &own);
            }
            Value::Nil => self.same(at, printed, decoded, &Json::Null),
            Value::Address(_) => self.same(at, printed, decoded, &json!("address")),
            Value::Pointer { to, .. } => match to.as_ref() {
                Value::Struct { ty, fields, .. } if ty == "runtime.hchan" => {
                    let field = |name| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
                    for (own, go) in [("qcount", "len"), ("dataqsiz", "cap")] {
                        self.compare(at, &printed[go], field(own).expect("field"));
                    }
                }
                to => self.compare(at, printed, to),
            },
            Value::Struct { fields, .. } => {
                let Some(object) = printed.as_object() else {
                    return self.wrong(at, printed, decoded);
                };
                if object.len() != fields.len() {
                    return self.wrong(at, printed, decoded);
                }
                for (name, value) in fields {
                    match object.get(name) {
                        Some(said) => self.compare(&format!("{at}.{name}"), said, value),
                        None => self.wrong(at, printed, decoded),
                    }
                }
            }
            Value::List { items, len } => {
                let Some(list) = printed.as_array() else {
                    return self.wrong(at, printed, decoded);
                };
                if list.len() as u64 != *len || items.len() > list.len() {
                    return self.wrong(at, printed, decoded);
                }
                self.equal += 1;
                if items.len() < list.len() {
                    let entry = self.missing.entry("list cut".to_owned());
                    entry.or_insert((0, at.to_owned())).0 += 1;
                }
                for (i, (said, item)) in list.iter().zip(items).enumerate() {
                    self.compare(&format!("{at}[{i}]"), said, item);
                }
            }
            Value::Map { entries, len } => self.map(at, printed, decoded, entries, *len),
            Value::Iface { ty, value } => {
                // printed without the package's path
                let full = printed["type"].as_str().unwrap_or_default();
                let star = if ty.starts_with('*') { "*" } else { "" };
                let short = ty.trim_start_matches('*').rsplit('/').next().unwrap_or(ty);
                if full != ty && full != format!("{star}{short}") {
                    return self.wrong(at, printed, decoded);
                }
                let Some(said) = printed.get("error") else {
                    return self.compare(at, &printed["value"], value);
                };
                match error_text(decoded) {
                    Some(text) => self.same(at, said, decoded, &json!(text)),
                    None => {
                        let entry = self.missing.entry(format!("no text of {ty}"));
                        entry.or_insert((0, at.to_owned())).0 += 1;
                    }
                }
            }
            Value::Masked => self.wrong(at, printed, decoded),
        }
    }

    /// What is there of a value that is cut is right, and so is its true length.
    fn cut(&mut self, at: &str, printed: &Json, part: &Value, why: &str) {
        let entry = self.missing.entry(why.to_owned());
        entry.or_insert((0, at.to_owned())).0 += 1;
        match part {
            Value::Str { bytes, len } => {
                let whole = printed.as_str().unwrap_or_default().as_bytes();
                let fits = whole.len() as u64 == *len && whole.starts_with(bytes);
                if !fits || bytes.len() as u64 >= *len || bytes.is_empty() {
                    self.wrong(at, printed, part);
                }
            }
            Value::List { items, len } if (items.len() as u64) < *len => {
                self.compare(at, printed, part);
            }
            Value::Map { entries, len } if (entries.len() as u64) < *len => {
                self.compare(at, printed, part);
            }
            other => self.wrong(at, printed, other),
        }
    }

    fn map(
        &mut self,
        at: &str,
        printed: &Json,
        decoded: &Value,
        entries: &[(Value, Value)],
        len: u64,
    ) {
        let Some(pairs) = printed["map"].as_array() else {
            return self.wrong(at, printed, decoded);
        };
        if pairs.len() as u64 != len || entries.len() as u64 > len {
            return self.wrong(at, printed, decoded);
        }
        self.equal += 1;
        if (entries.len() as u64) < len {
            let entry = self.missing.entry("map cut".to_owned());
            entry.or_insert((0, at.to_owned())).0 += 1;
        }
        let mut left: Vec<&Json> = pairs.iter().collect();
        for (key, value) in entries {
            // the printed pair whose key this is
            let found = left.iter().position(|pair| {
                let mut tally = Self::default();
                tally.compare("", &pair[0], key);
                tally.wrong.is_empty() && tally.missing.is_empty()
            });
            match found {
                Some(i) => {
                    let pair = left.swap_remove(i);
                    self.equal += 1;
                    self.compare(&format!("{at}[{}]", pair[0]), &pair[1], value);
                }
                None => {
                    let mut tally = Self::default();
                    tally.compare("", &Json::Null, key);
                    if tally.missing.is_empty() {
                        self.wrong(&format!("{at} key"), printed, key);
                    }
                    for (why, (n, _)) in tally.missing {
                        self.missing.entry(why).or_insert((0, at.to_owned())).0 += n;
                    }
                }
            }
        }
    }
}

/// Decoded = printed, but for what may be missing: exactly that much, or these reasons any number of times.
fn values(name: &str, variant: Option<Variant>, allowed: &[&str]) {
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED values_fixture: needs root");
        return;
    }
    let path = harness::fixture_or_skip!(name);
    let seen = run(variant, &path);
    // keys and elems of a group lie apart, or in pairs
    let swiss = seen.maps.iter().filter(|m| m.kind == MAP_SWISS);
    let apart: Vec<bool> = swiss
        .map(|m| m.elems_off >= m.keys_off + 8 * m.key_stride)
        .collect();
    match name {
        "values-split" => assert!(!apart.is_empty() && apart.iter().all(|a| *a)),
        "values-swiss" => assert!(!apart.is_empty() && !apart.iter().any(|a| *a)),
        _ => assert_eq!(apart, [false; 0]),
    }
    let printed: Vec<&str> = seen
        .printed
        .iter()
        .filter_map(|p| p["func"].as_str())
        .collect();
    let decoded: Vec<&str> = seen.decoded.iter().map(|d| d.0.as_str()).collect();
    assert_eq!(printed, decoded, "calls in their order");
    let mut tally = Tally::default();
    for (index, (said, (function, args, results))) in
        seen.printed.iter().zip(&seen.decoded).enumerate()
    {
        let list = said["args"].as_array().expect("args");
        assert_eq!(list.len(), args.len(), "{function}");
        for (said, value) in list.iter().zip(args) {
            tally.compare(&format!("{index} {function}"), said, value);
        }
        if let Some(list) = said["result"].as_array() {
            for (said, value) in list.iter().zip(results) {
                tally.compare(&format!("{index} result of {function}"), said, value);
            }
        }
    }
    println!(
        "{name} {variant:?}: {} calls, {} values equal, missing: {:#?}",
        printed.len(),
        tally.equal,
        tally.missing
    );
    assert!(tally.wrong.is_empty(), "wrong: {:#?}", tally.wrong);
    for (why, (n, at)) in &tally.missing {
        let expected = DESIGN
            .iter()
            .any(|(reason, times)| why.contains(reason) && n == times);
        let excused = allowed.iter().any(|a| why.contains(a));
        assert!(expected || excused, "{n} missing: {why}: {at} …");
    }
    if allowed.is_empty() {
        assert_eq!(tally.missing.len(), DESIGN.len(), "{:#?}", tally.missing);
        assert_eq!(tally.equal, EQUAL);
    }
    assert!(tally.equal > 5_000, "{} values compared", tally.equal);
}

/// Values that are all there.
const EQUAL: u64 = 60_794;

/// Missing by design, and how often: a ring, a type of no table, what lies deeper than `-f` follows and slices of nothing, a type whose
/// text is not known, a chain of forty errors, the error whose text differs by release, the rest of a megabyte and of two long arrays.
const DESIGN: &[(&str, u64)] = &[
    ("pointers followed", 1),
    ("is not followed", 1),
    ("list cut", 5),
    ("map cut", 2),
    ("no text of *main.ownError", 1),
    ("no text of *fs.PathError", 1),
    ("no text of syscall.Errno", 1),
    ("bytes per string", 1),
    ("elements per value", 2),
];
/// What a program that cannot fault memory in may miss.
const FAULTS: &[&str] = &["was not resident", "cut", "no text of"];
/// What a program may miss that takes few steps only, too.
const OLDEST: &[&str] = &[
    "was not resident",
    "cut",
    "no text of",
    "budget for entries per hit",
];

#[test]
fn hash_maps_and_all_other_values() {
    values("values", None, &[]);
}

#[test]
fn without_faulting_memory_in() {
    values("values", Some(Variant::Loop), FAULTS);
}

#[test]
fn swiss_maps() {
    values("values-swiss", None, &[]);
}

#[test]
fn swiss_maps_whose_groups_keep_keys_apart() {
    values("values-split", None, &[]);
}

#[test]
fn by_programs_for_the_oldest_kernels() {
    values("values", Some(Variant::Bounded), OLDEST);
}

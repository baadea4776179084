//! One Go program, built by every Go there is in several linker shapes: its layouts are those that its compiler knows, and what is
//! traced live is what it printed. `cargo xtask test` builds one shape per Go, `--full` all, and writes docs/compatibility.md.

use harness::{
    Events, Fixture, Program, Tally, Tool, compare_live, json_lines, lines, programs, report,
    request,
};
use mobytrace::gobin::{GoBinary, TypeKind};
use mobytrace::plan::{FuncSchema, IssueKind, Plan, PlanRequest, SignatureSource, build};
use serde_json::{Value as Json, json};
use tracer_ebpf::wire::site::{SITE_ENTRY, SITE_RETURN};

/// Methods of the fixture.
const FUNCTIONS: [&str; 11] = [
    "Options", "Permuted", "ByValue", "Many", "Maps", "Pointers", "Floats", "Variadic", "Several",
    "Inlined", "Caller",
];

/// What was found about one program.
#[derive(Debug, Default)]
struct Row {
    /// Struct fields whose offset was compared with the compiler's.
    offsets: u64,
    /// Who said those: this program, or the amd64 one of the same shape.
    own: bool,
    /// Functions with entry, returns and a verified signature.
    functions: u64,
    live: Tally,
    wrong: Vec<String>,
}

fn plan(binary: &GoBinary<'_>, patterns: &[String]) -> Plan {
    let request = PlanRequest::new(&[], patterns).expect("request");
    build(&request, binary).expect("plan")
}

fn methods() -> Vec<String> {
    FUNCTIONS
        .iter()
        .map(|f| format!("main.(*Server).{f}"))
        .collect()
}

/// Functions beside plain methods: a closure, one that is inlined elsewhere, generic code.
fn others(minor: u32) -> Vec<String> {
    let generic = match minor {
        ..18 => None,
        18..21 => Some("main.(*Box[...]).Put"),
        21.. => Some("main.(*Box[go.shape.*]).Put"),
    };
    [
        "main.(*Server).Inlined",
        "main.(*Server).Caller",
        "main.closures.func1",
    ]
    .into_iter()
    .chain(generic)
    .map(str::to_owned)
    .collect()
}

fn layouts(binary: &GoBinary<'_>, said: &[Json], row: &mut Row) {
    for layout in said {
        let name = layout["type"].as_str().expect("type");
        let known = binary.types_named(name).expect("types");
        let Some(ty) = known.first().and_then(|id| binary.type_by_id(*id).ok()) else {
            row.wrong.push(format!("{name} is not found"));
            continue;
        };
        let TypeKind::Struct { fields } = &ty.kind else {
            row.wrong.push(format!("{name} is no struct"));
            continue;
        };
        let read: Vec<(&str, u64)> = fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
        let said: Vec<(&str, u64)> = layout["fields"]
            .as_array()
            .expect("fields")
            .iter()
            .map(|f| {
                (
                    f["Name"].as_str().expect("name"),
                    f["Offset"].as_u64().expect("offset"),
                )
            })
            .collect();
        row.offsets += said.len() as u64;
        if read != said || Some(ty.size) != layout["size"].as_u64() {
            row.wrong
                .push(format!("{name}: read {read:?}, the compiler says {said:?}"));
        }
    }
}

/// Entry, returns and signature of every method; the inlined copy is said.
fn functions(plan: &Plan, row: &mut Row) {
    for name in FUNCTIONS {
        let found = plan
            .functions
            .iter()
            .position(|f| f.short == name && !f.signature.is_empty());
        let sites = |kind| {
            plan.sites
                .iter()
                .filter(|s| Some(s.func as usize) == found && s.kind == kind)
                .count()
        };
        if found.is_some() && sites(SITE_ENTRY) == 1 && sites(SITE_RETURN) > 0 {
            row.functions += 1;
        } else {
            let issues: Vec<&str> = plan.issues.iter().map(|i| i.text.as_str()).collect();
            row.wrong
                .push(format!("{name} cannot be traced in full: {issues:?}"));
        }
        let inlined: Vec<&str> = plan
            .functions
            .iter()
            .filter(|f| f.short == name)
            .flat_map(|f| &f.inlined_at)
            .map(String::as_str)
            .collect();
        let expected: &[&str] = match name {
            "Inlined" => &["main.(*Server).Caller"],
            _ => &[],
        };
        let warned = plan
            .issues
            .iter()
            .any(|i| i.kind == IssueKind::InlinedAt && i.function.ends_with(name));
        if inlined != expected || warned == expected.is_empty() {
            row.wrong.push(format!(
                "{name} is inlined at {inlined:?}, warned: {warned}"
            ));
        }
    }
}

/// What of the other functions is planned.
fn other_functions(plan: &Plan, program: &Program, row: &mut Row) {
    let of = |short: &str| -> Vec<&FuncSchema> {
        plan.functions.iter().filter(|f| f.short == short).collect()
    };
    let closures = of("closures.func1");
    let source = |f: &FuncSchema| f.signature_source;
    let told = plan
        .issues
        .iter()
        .any(|i| i.function == "main.closures.func1" && i.text.contains("captured"));
    let expected = if program.is_plain() {
        SignatureSource::Dwarf
    } else {
        SignatureSource::None
    };
    if closures.len() != 1 || source(closures[0]) != expected || !told {
        let sources: Vec<SignatureSource> = closures.iter().map(|f| source(f)).collect();
        row.wrong.push(format!(
            "closures.func1: {sources:?}, environment said: {told}"
        ));
    }
    // six shapes of T: all are probed, also where they share one name
    let generic = of("Put");
    let expected = if program.minor < 18 { 0 } else { 6 };
    if generic.len() != expected {
        let names: Vec<&str> = generic.iter().map(|f| f.name.as_str()).collect();
        row.wrong.push(format!("Put is probed at {names:?}"));
    }
    // up to Go 1.20 nothing but DWARF tells the shapes apart
    let expected = match (program.is_plain(), program.minor) {
        (false, ..21) => SignatureSource::None,
        (false, _) => SignatureSource::Instantiation,
        (true, _) => SignatureSource::Dwarf,
    };
    for f in generic {
        let source = f.signature_source;
        // a type literal that nothing but the shape spells has no descriptor
        let undescribed = f.name.contains("go.shape.struct") && source == SignatureSource::None;
        if !program.is_plain() && undescribed {
            continue;
        }
        if source != expected && !(program.is_plain() && source == SignatureSource::Instantiation) {
            row.wrong
                .push(format!("{}: signature from {source}", f.name));
        }
    }
}

fn check(program: &Program, amd64: &[(Program, Vec<Json>)]) -> (Row, Vec<Json>) {
    let mut row = Row::default();
    let bytes = std::fs::read(&program.path).expect("program");
    let binary = match GoBinary::parse(&bytes) {
        Ok(binary) => binary,
        Err(error) => {
            row.wrong.push(error.to_string());
            return (row, Vec::new());
        }
    };
    let mut fixture: Option<Fixture> = program.start().expect("fixture");
    row.own = fixture.is_some();
    let said = match &mut fixture {
        Some(fixture) => lines(fixture).expect("layouts"),
        // sizes and offsets are those of any 64-bit target
        None => amd64
            .iter()
            .find(|(p, _)| {
                (p.minor, &p.shape, &p.symbols) == (program.minor, &program.shape, &program.symbols)
            })
            .map(|(_, said)| said.clone())
            .unwrap_or_default(),
    };
    if said.is_empty() {
        row.wrong.push("no program says the layouts".to_owned());
    }
    layouts(&binary, &said, &mut row);
    let methods = methods();
    let of_methods = plan(&binary, &methods);
    functions(&of_methods, &mut row);
    let others = others(program.minor);
    let of_others = plan(&binary, &others);
    other_functions(&of_others, program, &mut row);
    if program.arch == "amd64"
        && row.wrong.is_empty()
        && let Some(fixture) = &mut fixture
    {
        let live = &mut row.live;
        compare_live(fixture, "values", &methods, &of_methods, live).expect("values");
        compare_live(fixture, "calls", &others, &of_others, live).expect("calls");
        row.wrong.append(&mut row.live.wrong);
    }
    (row, said)
}

#[test]
fn every_go_release_reads_and_traces_right() {
    let Some(programs) = programs("releases") else {
        return;
    };
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let mut amd64 = Vec::new();
    for program in programs {
        let (row, said) = check(&program, &amd64);
        println!(
            "{program}: {} offsets, {} functions, {} calls and {} values live, missing {:?}, wrong {:?}",
            row.offsets, row.functions, row.live.calls, row.live.equal, row.live.missing, row.wrong
        );
        if program.arch == "amd64" {
            amd64.push((program.clone(), said));
        }
        wrong.extend(row.wrong.iter().map(|w| format!("{program}: {w}")));
        let found = json!({
            "offsets": row.offsets, "own": row.own, "functions": row.functions, "calls": row.live.calls,
            "values": row.live.equal, "missing": row.live.missing, "wrong": row.wrong.len(),
        });
        rows.push((program, found));
    }
    report("releases", &rows).expect("report");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type End = (
    &'static str,
    Option<u16>,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// Paths of the fixture `panics`: what the client is answered, and what is said of the request and of the calls that it made.
const ENDS: &[End] = &[
    ("/silent", Some(200), "returned", &[]),
    ("/teapot", Some(418), "returned", &[]),
    ("/fine", Some(200), "returned", &[("Work", "returned")]),
    (
        "/guarded",
        Some(200),
        "returned",
        &[("Guard", "returned"), ("Work", "panicked")],
    ),
    ("/panic", None, "panicked", &[("Work", "panicked")]),
    ("/abort", None, "panicked", &[]),
    (
        "/again",
        None,
        "panicked",
        &[("Work", "panicked"), ("Work", "panicked")],
    ),
    (
        "/exit",
        None,
        "exited",
        &[("Guard", "returned"), ("Work", "returned")],
    ),
    ("/hijack", Some(204), "returned", &[]),
];

/// How requests of one program end: as its clients are answered, and never open.
fn ends(program: &Program) {
    let dir = tempfile::tempdir().expect("dir");
    let socket = dir.path().join("sock");
    let args = [socket.display().to_string()];
    let mut fixture = Fixture::start(&program.path, &args).expect("fixture");
    let pid = fixture.pid().to_string();
    let mut args = vec!["trace", "--pid", &pid, "--format", "jsonl"];
    for function in ["main.(*Server).Guard", "main.(*Server).Work"] {
        args.extend(["-f", function]);
    }
    let mut running = Tool::find().expect("tool").start(&args).expect("started");
    running.wait_for("attached to").expect("attached");
    for (path, status, ..) in ENDS {
        for method in ["GET", "HEAD"] {
            let answer = request(&socket, method, path, &[("User-Agent", path)], b"");
            assert_eq!(
                answer.ok().map(|a| a.status),
                *status,
                "{program}: {method} {path}"
            );
        }
    }
    running.signal(rustix::process::Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    fixture.tell("").expect("it lives");
    let events = Events(json_lines(&finished.stdout).expect("JSON lines"));
    for (path, status, state, calls) in ENDS {
        for method in ["GET", "HEAD"] {
            let what = format!("{program}: {method} {path}");
            let found = events.requests(|e| e["path"] == *path && e["method"] == method);
            let found = harness::the_one(found, &what);
            assert_eq!(found["state"], *state, "{what}: {found:#}");
            // of a connection that was taken over net/http does not know the status
            let hijacked = *path == "/hijack";
            assert_eq!(found["hijacked"], hijacked, "{what}");
            let known = status.filter(|_| !hijacked);
            assert_eq!(found["status"], json!(known), "{what}: {found:#}");
            assert!(found["end_ns"].is_u64(), "{what}");
            let mut seen: Vec<(&str, &str)> = events
                .of_type("call")
                .filter(|c| c["request"] == found["id"])
                .map(|c| {
                    assert!(c["end_ns"].is_u64(), "{what}: {c:#}");
                    let text = |key: &str| c[key].as_str().expect("text");
                    (text("short"), text("state"))
                })
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, *calls, "{what}");
        }
    }
    assert_eq!(events.end()["unmatched_returns"], 0, "{program}");
}

#[test]
fn handlers_that_panic_end_their_requests() {
    for program in programs("panics").into_iter().flatten() {
        ends(&program);
    }
}

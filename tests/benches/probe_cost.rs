//! What a probe costs the traced program, and what a session costs: medians of one run, printed as
//! a table.
//!
//! `cargo xtask bench` runs it. The target's own processor time is what counts: the fixture prints
//! it.

use std::time::Instant;

use harness::{Assets, Daemon, Fixture, Tool};
use mobytrace::addr::LoadBias;
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{Plan, PlanRequest, Role, SiteKind, build};
use mobytrace::probe::{Links, Session, SessionOptions, TargetProc, Variant};

const FUNCTION: &str = "main.(*Server).List";
/// Calls of a round: their records fit into the ring buffer, also where a hit takes two entries.
const CALLS: u64 = 600;
const ROUNDS: usize = 61;
/// Sessions on a daemon.
const SESSIONS: usize = 5;
const ENTRY: SiteKind = SiteKind::Entry;

/// Processor time of the fixture per call, ns.
fn round(spin: &mut Fixture) -> f64 {
    spin.tell(&CALLS.to_string()).expect("stdin");
    let line = spin.line().expect("line");
    let total: f64 = line
        .strip_prefix("cpu ")
        .expect("cpu")
        .parse()
        .expect("number");
    total / CALLS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The plan with nothing but the entry of the function; at its first instruction if `first`.
fn entry_only(plan: &Plan, first: bool) -> Plan {
    let mut plan = plan.clone();
    let wanted = plan
        .functions
        .iter()
        .position(|f| f.role == Role::Call)
        .expect("function");
    plan.sites
        .retain(|s| s.func as usize == wanted && s.kind == ENTRY);
    if first {
        let entry = plan.functions[wanted].entry;
        for site in &mut plan.sites {
            site.file_offset.0 -= site.addr.since(entry);
            site.addr = entry;
            site.cond = mobytrace::arch::Restarts::Never;
        }
    }
    plan
}

fn per_hit() -> Vec<(String, f64)> {
    let path = harness::fixture("spin").expect("fixture");
    let bytes = std::fs::read(&path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let request = PlanRequest::new(&[], &[FUNCTION.to_owned()]).expect("request");
    let plan = build(&request, &binary).expect("plan");
    assert_eq!(plan.issues, [], "arguments are captured");
    let mut spin = Fixture::start(&path, &[]).expect("fixture");
    let pid = spin.pid();
    let target = TargetProc {
        pid,
        load_bias: LoadBias::default(),
        exe: &path,
    };
    let base: Vec<f64> = (0..ROUNDS).map(|_| round(&mut spin)).collect();
    let base = median(base);
    let nothing = SessionOptions {
        nothing: true,
        ..SessionOptions::default()
    };
    let variant = |variant| SessionOptions {
        variant: Some(variant),
        ..SessionOptions::default()
    };
    let cases = [
        ("empty program at the stack check's branch", false, nothing),
        ("empty program at the first instruction", true, nothing),
        (
            "capture at the branch, sleepable",
            false,
            variant(Variant::Sleep),
        ),
        (
            "capture at the branch, sleepable, perf link",
            false,
            SessionOptions {
                links: Some(Links::Perf),
                ..variant(Variant::Sleep)
            },
        ),
        (
            "capture at the branch, bpf_loop",
            false,
            variant(Variant::Loop),
        ),
        (
            "capture at the branch, bounded loops",
            false,
            variant(Variant::Bounded),
        ),
        (
            "capture at the first instruction, sleepable",
            true,
            variant(Variant::Sleep),
        ),
    ];
    let mut rows = vec![("the call itself".to_owned(), base)];
    for (name, first, options) in cases {
        let plan = entry_only(&plan, first);
        let mut session = Session::start(&plan, &target, &options).expect("attached");
        let mut records = 0u64;
        let rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let cost = round(&mut spin);
                session.drain(|_| records += 1);
                cost
            })
            .collect();
        let counters = session.counters().expect("counters");
        if !options.nothing {
            assert_eq!(
                counters.iter().map(|c| c.drops).sum::<u64>(),
                0,
                "the ring buffer held a round of {name}: {counters:?}"
            );
            // a page that had to be faulted in makes a second entry
            let parts: u64 = counters.iter().map(|c| c.parts).sum();
            let hits = CALLS * ROUNDS as u64;
            // at the first instruction a call that the runtime preempts is hit twice
            assert!(
                records - parts == hits || (first && records - parts > hits),
                "{name}"
            );
        }
        session.detach().expect("detached");
        rows.push((name.to_owned(), median(rounds) - base));
    }
    rows
}

/// Attach and detach a hundred sites, ms.
fn hundred_sites(links: Links) -> (f64, f64) {
    let path = harness::fixture("deep").expect("fixture");
    let bytes = std::fs::read(&path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let wanted = ["strconv.*", "fmt.(*pp).*"].map(str::to_owned);
    let request = PlanRequest::new(&[], &wanted).expect("request");
    let mut plan = build(&request, &binary).expect("plan");
    plan.sites.truncate(100);
    assert_eq!(plan.sites.len(), 100);
    let fixture = Fixture::start(&path, &[]).expect("fixture");
    let target = TargetProc {
        pid: fixture.pid(),
        load_bias: LoadBias::default(),
        exe: &path,
    };
    let options = SessionOptions {
        links: Some(links),
        ..SessionOptions::default()
    };
    let started = Instant::now();
    let session = Session::start(&plan, &target, &options).expect("attached");
    assert_eq!(session.attach_report().attached(), 100);
    let attached = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    session.detach().expect("detached");
    (attached, started.elapsed().as_secs_f64() * 1e3)
}

/// Exec → attached, ms; detach, ms; peak RSS, MiB.
fn session(daemon: &Daemon, tool: &Tool) -> (f64, f64, f64) {
    let started = Instant::now();
    let mut running = tool
        .start(&["trace", "--socket", &daemon.socket().display().to_string()])
        .expect("started");
    running.wait_for("attached to").expect("attached");
    let attached = started.elapsed().as_secs_f64() * 1e3;
    daemon.get("/v1.41/containers/json?all=1").expect("answer");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("status");
    let peak: f64 = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|v| v.split_ascii_whitespace().next()?.parse().ok())
        .expect("VmHWM");
    let stopping = Instant::now();
    running.signal(rustix::process::Signal::INT);
    running.wait().expect("ended");
    (
        attached,
        stopping.elapsed().as_secs_f64() * 1e3,
        peak / 1024.0,
    )
}

fn main() {
    println!("| target's processor time per hit | ns |\n|---|---:|");
    for (name, ns) in per_hit() {
        println!("| {name} | {ns:.0} |");
    }
    println!("\n| a hundred sites | attach, programs loaded | detach |\n|---|---:|---:|");
    for links in [Links::Multi, Links::Perf] {
        let (attach, detach) = hundred_sites(links);
        println!("| {} | {attach:.0} ms | {detach:.0} ms |", links.text());
    }
    let assets = Assets::find().expect("assets");
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    let sessions: Vec<(f64, f64, f64)> = (0..SESSIONS).map(|_| session(&daemon, &tool)).collect();
    let of = |pick: fn(&(f64, f64, f64)) -> f64| median(sessions.iter().map(pick).collect());
    println!("\n| a session with profile `list` on dockerd 20.10.24 | |\n|---|---:|");
    println!("| exec to attached | {:.0} ms |", of(|s| s.0));
    println!("| stop to ended (21 sites) | {:.0} ms |", of(|s| s.1));
    println!(
        "| peak RSS, mapped binary included | {:.0} MiB |",
        of(|s| s.2)
    );
    println!("\n| program | instructions verified |\n|---|---:|");
    for (name, result) in mobytrace::probe::load_all_programs(None).expect("object") {
        match result {
            Ok(count) => println!("| {name} | {count} |"),
            Err(why) => println!("| {name} | refused: {why} |"),
        }
    }
}

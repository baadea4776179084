//! More than a hundred sites at once: every one is attached, calls are counted right, and the code is as before when they are gone.

use std::path::Path;
use std::time::Instant;

use harness::Fixture;
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{PlanRequest, build};
use mobytrace::probe::{Session, SessionOptions, SiteBytes, TargetProc, check_bytes};
use tracer_ebpf::wire::site::SITE_ENTRY;

const FUNCTION: &str = "main.(*Server).List";
/// Functions that the fixture rarely or never calls.
const OTHERS: &[&str] = &["strconv.*", "fmt.(*pp).*"];

fn attached_and_gone(path: &Path) {
    let bytes = std::fs::read(path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let mut functions = vec![FUNCTION.to_owned()];
    functions.extend(OTHERS.iter().map(|f| (*f).to_owned()));
    let request = PlanRequest::new(&[], &functions).expect("request");
    let plan = build(&request, &binary).expect("plan");
    assert!(plan.sites.len() > 100, "{}", plan.sites.len());
    let mut fixture = Fixture::start(path, &["3".into(), "5".into(), "4".into()]).expect("fixture");
    let target = TargetProc {
        pid: fixture.pid(),
        load_bias: 0,
        exe: path,
    };
    let mut session = Session::start(&plan, &target, &SessionOptions::default()).expect("attached");
    assert_eq!(session.attach_report().attached(), plan.sites.len());
    let in_place = check_bytes(fixture.pid(), 0, &plan).expect("memory");
    assert_eq!(
        in_place.breakpoints,
        plan.sites.len(),
        "a breakpoint at every site"
    );
    fixture.tell("").expect("stdin");
    let line = fixture.line().expect("line");
    let counted: u64 = line
        .strip_prefix("calls ")
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("fixture said {line:?}"));
    let counters = session.counters().expect("counters");
    let hits = |kind_is_entry: bool| -> u64 {
        plan.sites
            .iter()
            .zip(&counters)
            .filter(|(s, _)| plan.functions[s.func as usize].name == FUNCTION)
            .filter(|(s, _)| (s.kind == SITE_ENTRY) == kind_is_entry)
            .map(|(_, c)| c.hits)
            .sum()
    };
    assert_eq!((hits(true), hits(false)), (counted, counted));
    session.drain(|_| {});
    let sites = session.attach_report().attached();
    let links = session.attach_report().links().text();
    let started = Instant::now();
    session.detach().expect("detached");
    println!(
        "{sites} sites, {links}: detached in {} ms",
        started.elapsed().as_millis()
    );
    assert_eq!(
        check_bytes(fixture.pid(), 0, &plan).expect("memory"),
        SiteBytes::default()
    );
    fixture.tell("").expect("stdin");
}

#[test]
fn a_hundred_and_more() {
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED many_sites: needs root");
        return;
    }
    match harness::fixture("deep") {
        Ok(path) => attached_and_gone(&path),
        Err(why) => {
            assert!(!harness::is_strict(), "this test needs {why}");
            eprintln!("SKIPPED many_sites: needs {why}");
        }
    }
}

//! More hits than the ring buffer holds: what is lost is counted and said, never passed over.

use std::sync::Mutex;

use harness::Fixture;
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{PlanRequest, Role, build};
use mobytrace::probe::{Session, SessionOptions, TargetProc};

/// More than the ring buffer holds entries.
const CALLS: u64 = 20_000;

struct Collector(Mutex<Vec<String>>);

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.0
            .lock()
            .expect("lines")
            .push(record.args().to_string());
    }
    fn flush(&self) {}
}

static LOG: Collector = Collector(Mutex::new(Vec::new()));

#[test]
fn lost_records_are_counted_and_said() {
    let path = match harness::fixture("spin") {
        Ok(path) if rustix::process::geteuid().is_root() => path,
        other => {
            assert!(!harness::is_strict(), "this test needs root and {other:?}");
            eprintln!("SKIPPED overflow: needs root and {other:?}");
            return;
        }
    };
    log::set_logger(&LOG).expect("logger");
    log::set_max_level(log::LevelFilter::Warn);
    let bytes = std::fs::read(&path).expect("fixture");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let request = PlanRequest::new(&[], &["main.(*Server).List".to_owned()]).expect("request");
    let plan = build(&request, &binary).expect("plan");
    let mut spin = Fixture::start(&path, &[]).expect("fixture");
    let pid = spin.pid();
    let target = TargetProc {
        pid,
        tgid: pid,
        load_bias: 0,
        exe: &path,
    };
    let options = SessionOptions {
        log: true,
        ..SessionOptions::default()
    };
    let mut session = Session::start(&plan, &target, &options).expect("attached");
    spin.tell(&CALLS.to_string()).expect("stdin");
    assert!(spin.line().expect("line").starts_with("cpu "));
    let mut records = 0u64;
    session.drain(|_| records += 1);
    let counters = session.counters().expect("counters");
    session.detach().expect("detached");
    let calls: Vec<usize> = (0..plan.sites.len())
        .filter(|i| plan.functions[plan.sites[*i].func as usize].role == Role::Call)
        .collect();
    let sum = |of: fn(&tracer_ebpf::wire::counters::SiteCounters) -> u64| -> u64 {
        calls.iter().map(|i| of(&counters[*i])).sum()
    };
    assert_eq!(sum(|c| c.hits), 2 * CALLS, "entries and returns");
    assert!(sum(|c| c.drops) > 0, "the ring buffer was full");
    assert_eq!(sum(|c| c.records) + sum(|c| c.drops), sum(|c| c.hits));
    let all: u64 = counters.iter().map(|c| c.records + c.parts).sum();
    assert_eq!(all, records);
    let said = LOG.0.lock().expect("lines");
    assert!(
        said.iter()
            .any(|l| l.contains("no room in the ring buffer")),
        "{said:?}"
    );
}

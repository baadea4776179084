//! More hits than the ring buffer holds: what is lost is counted and said, never passed over, and
//! nothing is paired across it.

use std::sync::Mutex;
use std::time::Duration;

use harness::{Fixture, trace_of};
use mobytrace::addr::LoadBias;
use mobytrace::correlate::CallState;
use mobytrace::decode::Part;
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{Plan, PlanRequest, Role, build};
use mobytrace::probe::{Session, SessionOptions, TargetProc};

/// More than the ring buffer holds entries.
const CALLS: u64 = 20_000;
/// Calls of one goroutine within each other, more than the ring buffer holds: all that is kept of
/// them is entries.
const DEEP: u64 = 12_000;
/// Calls within each other whose returns alone find room.
const SHALLOW: u64 = 500;
/// Calls one after the other that find room, entries and returns.
const KEPT: u64 = 400;
/// Rounds of `CALLS`; each loses something, wherever that begins.
const ROUNDS: u64 = 8;
/// Between two looks at what was lost.
const LOOK: Duration = Duration::from_millis(5);

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
    let _turn = harness::turn();
    let path = match harness::fixture("spin") {
        Ok(path) if harness::is_root() => path,
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
    assert_eq!(plan.issues, [], "arguments are captured");
    let mut spin = Fixture::start(&path, &[]).expect("fixture");
    let pid = spin.pid();
    let target = TargetProc {
        pid,
        load_bias: LoadBias::default(),
        exe: &path,
    };
    let options = SessionOptions {
        log: true,
        ..SessionOptions::default()
    };
    let mut seen = Seen {
        session: Session::start(&plan, &target, &options).expect("attached"),
        calls: (0..plan.sites.len())
            .filter(|i| plan.functions[plan.sites[*i].func as usize].role == Role::Call)
            .collect(),
        records: Vec::new(),
    };
    seen.nothing_is_lost(&mut spin);
    let apart = seen.entries_without_returns_then_returns_without_entries(&mut spin);
    for _ in 0..ROUNDS {
        seen.losses_as_they_happen(&mut spin);
    }
    let Seen {
        session,
        calls,
        records,
    } = seen;
    let counters = session.counters().expect("counters");
    session.detach().expect("detached");
    let sum = |of: fn(&tracer_ebpf::wire::counters::SiteCounters) -> u64| -> u64 {
        calls.iter().map(|i| of(&counters[*i])).sum()
    };
    let made = KEPT + (DEEP + 1) + (SHALLOW + 1) + ROUNDS * CALLS;
    assert_eq!(sum(|c| c.hits), 2 * made, "entries and returns");
    assert!(sum(|c| c.drops) > 0, "the ring buffer was full");
    assert_eq!(sum(|c| c.records) + sum(|c| c.drops), sum(|c| c.hits));
    let all: u64 = counters.iter().map(|c| c.records + c.parts).sum();
    assert_eq!(all, records.len() as u64);
    nothing_is_paired_across_a_loss(&plan, records, apart);
    let said = LOG.0.lock().expect("lines");
    assert!(
        said.iter()
            .any(|l| l.contains("no room in the ring buffer")),
        "{said:?}"
    );
}

/// What the session gave so far.
struct Seen {
    session: Session,
    /// Sites of the traced function.
    calls: Vec<usize>,
    records: Vec<Part>,
}

impl Seen {
    fn drain(&mut self) {
        let records = &mut self.records;
        self.session
            .drain(|record| records.push(Part::from_ring(record).expect("record")));
    }

    /// Of the traced function: records that were kept, and hits that were dropped.
    fn kept_and_dropped(&self) -> (u64, u64) {
        let counters = self.session.counters().expect("counters");
        let of = self.calls.iter().map(|i| &counters[*i]);
        of.fold((0, 0), |(kept, dropped), c| {
            (kept + c.records, dropped + c.drops)
        })
    }

    fn nothing_is_lost(&mut self, spin: &mut Fixture) {
        spin.tell(&KEPT.to_string()).expect("stdin");
        spin.line().expect("line");
        assert_eq!(self.kept_and_dropped(), (2 * KEPT, 0));
        self.drain();
    }

    /// Nobody empties the ring buffer while one call goes deeper than it holds: entries are kept,
    /// all returns are lost. It is full when the next call goes down, and empty when that comes up:
    /// returns are kept that have the same goroutine and the same depths as the entries before.
    /// Gives how many entries were kept.
    fn entries_without_returns_then_returns_without_entries(&mut self, spin: &mut Fixture) -> u64 {
        let (before, _) = self.kept_and_dropped();
        spin.tell(&format!("deep {DEEP} 1")).expect("stdin");
        assert_eq!(spin.line().expect("line"), "bottom");
        let (entries, dropped) = self.kept_and_dropped();
        assert!(dropped > 0 && entries - before > SHALLOW + 1, "{entries}");
        spin.tell("").expect("stdin");
        assert_eq!(spin.line().expect("line"), "top");
        spin.tell(&format!("deep {SHALLOW} 2")).expect("stdin");
        assert_eq!(spin.line().expect("line"), "bottom");
        let (full, _) = self.kept_and_dropped();
        assert_eq!(full, entries, "no room since then");
        self.drain();
        spin.tell("").expect("stdin");
        assert_eq!(spin.line().expect("line"), "top");
        let (with_returns, _) = self.kept_and_dropped();
        assert_eq!(with_returns - full, SHALLOW + 1, "returns");
        self.drain();
        entries - before
    }

    /// More calls than there is room for, and the ring buffer is emptied whenever something was
    /// lost: what is lost lies between what is there.
    fn losses_as_they_happen(&mut self, spin: &mut Fixture) {
        let (_, before) = self.kept_and_dropped();
        let mut lost = before;
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                spin.tell(&CALLS.to_string()).expect("stdin");
                sender.send(spin.line().expect("line")).expect("sent");
            });
            while receiver.recv_timeout(LOOK).is_err() {
                let (_, dropped) = self.kept_and_dropped();
                if dropped > lost {
                    lost = dropped;
                    self.drain();
                }
            }
        });
        self.drain();
        let (_, after) = self.kept_and_dropped();
        assert!(after > before, "{CALLS} calls found room");
    }
}

/// What is said to have returned did: its result is its own. `apart`: entries that were kept and
/// whose returns were lost.
fn nothing_is_paired_across_a_loss(plan: &Plan, records: Vec<Part>, apart: u64) {
    let trace = trace_of(plan, records);
    let (mut returned, mut unpaired) = (0, 0);
    for call in &trace.calls {
        match call.state {
            CallState::Returned => {
                let options = format!("{:?}", call.params[1]);
                let limit = format!("(\"Limit\", {:?})", call.results[0]);
                assert!(
                    options.contains(&limit),
                    "{options} returned {:?}",
                    call.results[0]
                );
                returned += 1;
            }
            CallState::Unpaired => unpaired += 1,
            _ => {}
        }
    }
    assert!(returned >= KEPT, "{returned} calls returned");
    assert!(
        unpaired >= apart,
        "losses lie between {apart} entries and their returns: {unpaired}"
    );
    let unmatched = trace.summary.unmatched_returns;
    assert!(unmatched > SHALLOW, "{unmatched} returns lost their entry");
}

//! Damaged copies of stock daemons and of programs with Go's DWARF: an error or an answer, never a
//! panic, a hang or a flood of memory. What does not touch anything loaded changes no answer.
//! `MOBYTRACE_ROUNDS` asks for more than the few of every run.

#[path = "../../fuzz/src/peak.rs"]
mod peak;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use harness::{Damage, Numbers, Patch, WAYS, Weak, damage, stock_dockerd};
use mobytrace::gobin::{GoBinary, ImageAddr};
use mobytrace::plan::{PlanRequest, build, signature_text};

#[global_allocator]
static ALLOCATOR: peak::Counting = peak::Counting;

/// Processor time: longer than any honest reading takes, even in a debug build.
const HANG: Duration = Duration::from_secs(120);
/// Most bytes that one reading may hold, the file itself included, all of which may be resident.
const MOST: usize = 200 << 20;
/// Allocations are counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// `MOBYTRACE_ROUNDS=40`, or `22..23` for one that failed.
fn rounds() -> std::ops::Range<usize> {
    let asked = std::env::var("MOBYTRACE_ROUNDS").unwrap_or_default();
    let (first, end) = asked.split_once("..").unwrap_or(("0", asked.as_str()));
    first.parse().unwrap_or(0)..end.parse().unwrap_or(2)
}

/// File offsets of what is damaged on purpose.
fn weak(patch: &Patch) -> Weak {
    let binary = GoBinary::parse(&patch.bytes).expect("whole");
    let mut tables = vec![0usize];
    for (name, value) in binary.facts() {
        if !["pclntab", "moduledata", "types"].contains(&name.as_str()) {
            continue;
        }
        let hex = value.trim_start_matches("0x");
        let end = hex.find(|c: char| !c.is_ascii_hexdigit());
        let addr = u64::from_str_radix(&hex[..end.unwrap_or(hex.len())], 16).expect("address");
        let offset = binary.file_offset(ImageAddr(addr)).expect("offset").0 as usize;
        tables.extend([offset, offset + 65_536]);
    }
    // words of moduledata are relocations in a PIE
    let relocations = patch.dynamic_value(7).and_then(|at| patch.offset(at));
    tables.extend(relocations.map(|at| at + 24 * 1000));
    let all = patch.sections();
    let names = patch.section_names();
    Weak {
        tables,
        sections: all.iter().map(|(at, size, _)| (*at, *size)).collect(),
        // section headers say where debugging information lies, no more
        outside: all
            .iter()
            .filter(|(at, _, loaded)| !loaded && *at != names)
            .map(|(at, size, _)| (*at, *size))
            .collect(),
    }
}

/// What is asked of a damaged copy.
type Walk = fn(&[u8]) -> Result<String, String>;

/// The plan of the default profiles, as text.
fn planned(bytes: &[u8]) -> Result<String, String> {
    let binary = GoBinary::parse(bytes).map_err(|e| e.to_string())?;
    let request = PlanRequest::new(&[], &[]).map_err(|e| e.to_string())?;
    let plan = build(&request, &binary).map_err(|e| e.to_string())?;
    Ok(mobytrace::plan::explain(&plan))
}

/// Everything that DWARF and descriptors say about a small program.
fn described(bytes: &[u8]) -> Result<String, String> {
    let binary = GoBinary::parse(bytes).map_err(|e| e.to_string())?;
    let mut said = format!("{:?}\n", binary.facts());
    for f in binary.functions().step_by(3) {
        said.extend(signature_text(&binary, &f));
        let _ = binary.dwarf_function(&f);
    }
    for id in binary.dwarf_types().unwrap_or_default() {
        let _ = (binary.type_by_id(id), binary.type_disagreement(id));
    }
    for id in binary.find_types(&mut |_| true).unwrap_or_default() {
        let _ = (binary.type_by_dwarf(id), binary.types_disagree(id));
    }
    let _ = binary.types_named("main.Options");
    let wishes = ["main.*".to_owned()];
    let request = PlanRequest::new(&[], &wishes).map_err(|e| e.to_string())?;
    let plan = build(&request, &binary).map_err(|e| e.to_string())?;
    Ok(said + &mobytrace::plan::explain(&plan))
}

/// What was seen over many rounds.
#[derive(Debug, Default)]
struct Seen {
    rounds: usize,
    read: usize,
    refused: usize,
    most_bytes: usize,
    slowest: Duration,
}

/// Ends the process, and says at what, if a round hangs: it could not be stopped otherwise.
fn watched<T>(what: &str, job: impl FnOnce() -> T) -> T {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let started = harness::processor_time();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let tick = Duration::from_secs(1);
            while wait.recv_timeout(tick) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                if harness::processor_time().saturating_sub(started) > HANG {
                    eprintln!("{what}: hangs");
                    std::process::abort();
                }
            }
        });
        let result = job();
        drop(done);
        result
    })
}

fn damaged(name: &str, whole: &Patch, weak: &Weak, ways: &[usize], walk: Walk, seen: &mut Seen) {
    for round in rounds() {
        let seed = name.bytes().fold(round as u64 + 1, |h, b| {
            h.wrapping_mul(31).wrapping_add(u64::from(b))
        });
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d ^ seed << 8);
        let mut copy = whole.clone();
        let way = ways[(round + name.len()) % ways.len()];
        let Damage { what, harmless } = damage(&mut copy, weak, way, &mut numbers);
        let what = format!("{name} round {round} ({what})");
        let base = peak::restart();
        let started = harness::processor_time();
        let result = watched(&what, || {
            catch_unwind(AssertUnwindSafe(|| walk(&copy.bytes)))
        });
        let (took, held) = (
            harness::processor_time().saturating_sub(started),
            peak::highest() - base,
        );
        let Ok(answer) = result else {
            panic!("{what} panics");
        };
        assert!(held + copy.bytes.len() < MOST, "{what} holds {held} bytes");
        if harmless {
            let before = walk(&whole.bytes);
            assert!(before.is_ok() && answer == before, "{what}: {answer:?}");
        }
        seen.rounds += 1;
        seen.read += usize::from(answer.is_ok());
        seen.refused += usize::from(answer.is_err());
        seen.most_bytes = seen.most_bytes.max(held);
        seen.slowest = seen.slowest.max(took);
    }
}

#[test]
fn stock_daemons() {
    let _alone = ALONE.lock();
    let ways: Vec<usize> = (0..WAYS).collect();
    let mut seen = Seen::default();
    for suite in harness::SUITES {
        for arch in ["amd64", "arm64"] {
            let Some(path) = stock_dockerd(suite, arch) else {
                continue;
            };
            let whole = Patch::new(std::fs::read(&path).expect("dockerd"));
            let name = format!("{suite} {arch}");
            damaged(&name, &whole, &weak(&whole), &ways, planned, &mut seen);
        }
    }
    eprintln!("{seen:?}");
    assert!(seen.rounds > 0 || !harness::is_strict());
}

#[test]
fn debugging_information() {
    let _alone = ALONE.lock();
    let mut seen = Seen::default();
    for name in ["deep-dwarf", "deep-dwarf5"] {
        let path = match harness::fixture(name) {
            Ok(path) => path,
            Err(why) => {
                assert!(!harness::is_strict(), "this test needs {why}");
                continue;
            }
        };
        let whole = Patch::new(std::fs::read(&path).expect("fixture"));
        // everything that is not loaded is debugging information here
        let debug: Vec<(usize, usize)> = weak(&whole).outside;
        let weak = Weak {
            tables: debug.iter().map(|(at, _)| *at).collect(),
            sections: debug,
            outside: Vec::new(),
        };
        damaged(name, &whole, &weak, &[4, 5, 6], described, &mut seen);
    }
    eprintln!("{seen:?}");
}

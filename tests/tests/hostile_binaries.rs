//! Damaged copies of stock daemons: an error or an answer, never a panic, a hang or a flood of memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use harness::{Numbers, stock_dockerd};
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{PlanRequest, build};

/// Longer than any honest reading takes, even in a debug build on a loaded machine.
const HANG: Duration = Duration::from_secs(60);

/// One way to damage a binary.
fn damage(bytes: &mut Vec<u8>, interesting: &[usize], numbers: &mut Numbers) -> String {
    let len = bytes.len();
    match numbers.below(6) {
        0 => {
            let at = numbers.below(len);
            bytes.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            // headers: ELF, program headers, section headers
            let at = numbers.below(1024);
            bytes[at] = numbers.any() as u8;
            format!("byte {at}")
        }
        2 => {
            let start = numbers.below(len);
            let end = (start + numbers.below(1 << 16)).min(len);
            bytes[start..end].fill(0xff);
            format!("ff {start}..{end}")
        }
        3 => {
            for _ in 0..2000 {
                let at = numbers.below(len);
                bytes[at] = numbers.any() as u8;
            }
            "2000 random bytes".to_owned()
        }
        _ => {
            // tables that everything else is found through
            let base = interesting[numbers.below(interesting.len())];
            for _ in 0..=numbers.below(8) {
                let at = (base + numbers.below(4096)).min(len - 1);
                bytes[at] = numbers.any() as u8;
            }
            format!("bytes near {base}")
        }
    }
}

/// File offsets of tables: pclntab, moduledata, types.
fn interesting(bytes: &[u8]) -> Vec<usize> {
    let binary = GoBinary::parse(bytes).expect("whole");
    let mut found = vec![0usize];
    for (name, value) in binary.facts() {
        if !["pclntab", "moduledata", "types"].contains(&name.as_str()) {
            continue;
        }
        let hex = value.trim_start_matches("0x");
        let end = hex
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(hex.len());
        let addr = u64::from_str_radix(&hex[..end], 16).expect("address");
        let offset = binary
            .file_offset(mobytrace::gobin::ImageAddr(addr))
            .expect("offset");
        found.push(offset as usize);
        found.push(offset as usize + 65_536);
    }
    found
}

#[test]
fn damaged_copies_of_every_generation() {
    let rounds: u64 = std::env::var("MOBYTRACE_ROUNDS")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(6);
    let mut seen = 0;
    for suite in ["bullseye", "bookworm", "trixie", "sid"] {
        let Some(path) = stock_dockerd(suite, "amd64") else {
            continue;
        };
        let whole = std::fs::read(&path).expect("dockerd");
        let tables = interesting(&whole);
        for round in 0..rounds {
            let mut numbers = Numbers(0x2545_f491_4f6c_dd1d ^ (round << 32 | seen));
            let mut bytes = whole.clone();
            let what = damage(&mut bytes, &tables, &mut numbers);
            eprintln!("{suite} round {round}: {what}");
            let started = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| {
                let binary = GoBinary::parse(&bytes).map_err(|e| e.to_string())?;
                let request = PlanRequest::new(&[], &[]).map_err(|e| e.to_string())?;
                let plan = build(&request, &binary).map_err(|e| e.to_string())?;
                Ok::<usize, String>(plan.functions.len())
            }));
            assert!(result.is_ok(), "{suite} round {round} ({what}) panics");
            assert!(
                started.elapsed() < HANG,
                "{suite} round {round} ({what}) takes {:?}",
                started.elapsed()
            );
        }
        seen += 1;
    }
    assert!(seen > 0 || !harness::is_strict());
}

//! Random requests against the four stock daemons, live and recorded: no value, origin, status,
//! result or error text that the tool shows differs from what was sent, what moby's handlers make
//! of it, and what the API answered.
//!
//! `cargo xtask truth --seed N --requests N` makes more of them.

use harness::{SUITES, TruthTally as Tally, stock_dockerd, truth};

fn number(name: &str, usually: u64) -> u64 {
    let said = std::env::var(format!("MOBYTRACE_TRUTH_{name}")).ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(usually)
}

#[test]
fn what_is_shown_is_what_was_sent_and_answered() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let (seed, requests) = (number("SEED", 2026), number("REQUESTS", 250));
    let requests = usize::try_from(requests).expect("a number");
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let running: Vec<_> = (0u64..)
            .zip(SUITES)
            .map(|(n, suite)| {
                let assets = &assets;
                scope.spawn(move || {
                    let dockerd = stock_dockerd(suite, "amd64")?;
                    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n;
                    Some(truth(assets, suite, &dockerd, seed, requests).expect("compared"))
                })
            })
            .collect();
        let ended = running.into_iter().map(|r| r.join().expect("ended"));
        ended.flatten().collect()
    });
    println!(
        "seed {seed}, {requests} requests to each daemon\n{}",
        Tally::heads()
    );
    let mut differs = Vec::new();
    for tally in &tallies {
        println!("{tally}");
        differs.extend(tally.differs.iter().map(String::as_str));
    }
    for tally in &tallies {
        for (why, count) in &tally.why {
            println!("unknown {count}: {why}");
        }
        assert!(tally.calls > 0 && tally.values > 0 && tally.origins > 0);
    }
    let shown = differs
        .iter()
        .take(40)
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        differs.is_empty(),
        "{} differ, seed {seed}:\n{shown}",
        differs.len()
    );
}

//! `compare` while it waits beside the requests of others: what it keeps stays bounded, and its
//! answer is right.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::{Daemon, Tool, status_kib};

/// Requests of others, each second, and how many of them come between the two looks at the memory.
const PER_SECOND: u32 = 200;
const CLIENTS: u32 = 4;
const MEASURED: u64 = 1000;
/// How much the heap may grow meanwhile, KiB. Keeping what was seen would take several times as
/// much.
const GROWTH: u64 = 8 << 10;

/// Lists that nobody waits for, until told to stop.
fn load(daemon: &Daemon, client: u32, sent: &AtomicU64, stop: &AtomicBool) {
    let mut kept = harness::Connection::open(&daemon.socket()).expect("connection");
    let pause = Duration::from_secs(1) * CLIENTS / PER_SECOND;
    let started = Instant::now();
    for n in 0u32.. {
        std::thread::sleep((pause * n).saturating_sub(started.elapsed()));
        if stop.load(Relaxed) {
            break;
        }
        let path = format!("/v1.41/containers/json?all=1&limit={}", 100 + client);
        let status = kept.get(&path, "others").expect("answer");
        assert_eq!(status, 200);
        sent.fetch_add(1, Relaxed);
    }
}

#[test]
fn compare_keeps_only_what_it_waits_for() {
    let _turn = harness::turn();
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 20).expect("created");
    let socket = daemon.socket().display().to_string();
    let mut running = tool
        .start(&["compare", "--socket", &socket, "--for", "/system/df"])
        .expect("started");
    running
        .wait_for("run your two commands now")
        .expect("waiting");
    let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let growth = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (daemon, sent, stop) = (&daemon, &sent, &stop);
            scope.spawn(move || load(daemon, client, sent, stop));
        }
        let heap_after = |requests: u64| {
            while sent.load(Relaxed) < requests {
                std::thread::sleep(Duration::from_millis(20));
            }
            status_kib(running.pid(), "RssAnon").expect("memory")
        };
        let before = heap_after(400);
        daemon.get_as("/v1.41/system/df", "first").expect("answer");
        let after = heap_after(400 + MEASURED);
        // one of the two is there already: the second ends it, with the others still at work
        daemon
            .get_as("/v1.41/system/df?type=container", "second")
            .expect("answer");
        running.wait_for("detaching").expect("both seen");
        stop.store(true, Relaxed);
        after.saturating_sub(before)
    });
    let finished = running.wait().expect("ended").expect(0);
    println!("{growth} KiB more after {MEASURED} requests of others");
    for said in [
        "first",
        "second",
        "GET /v1.41/system/df",
        "Size",
        "the daemon returned the same 20 containers (by ID) on both paths",
    ] {
        assert!(
            finished.stdout.contains(said),
            "{said:?} in {}",
            finished.stdout
        );
    }
    assert!(!finished.stdout.contains("others"), "{}", finished.stdout);
    assert!(growth < GROWTH, "{growth} KiB");
}

//! Where the kernel keeps a task's thread pointer: found by its type information, and by looking at
//! our own threads. Returns of a Go 1.15 daemon need it; without it that is said.

use std::collections::BTreeSet;
use std::process::Command;

use harness::{Daemon, Running, Tool, json_lines, stock_dockerd};
use mobytrace::probe::{ThreadPointer, thread_pointer_offset};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn both_ways_agree() {
    harness::root_or_skip!();
    let own = thread_pointer_offset(ThreadPointer::Own).expect("object");
    assert!(own.is_some(), "two threads of our own tell it");
    if std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        let types = thread_pointer_offset(ThreadPointer::Types).expect("object");
        assert_eq!(own, types);
    }
}

/// Calls of one list request, with the thread pointer found that way; and what was said.
fn calls(daemon: &Daemon, way: &str) -> (Vec<Value>, String) {
    let tool = Tool::find().expect("tool");
    let mut command = Command::new(tool.path());
    command
        .args(["trace", "--format", "jsonl", "--socket"])
        .arg(daemon.socket())
        .env("MOBYTRACE_THREAD_POINTER", way);
    let mut running = Running::start(command).expect("started");
    running.wait_for("attached to dockerd").expect("attached");
    let answer = daemon.get("/v1.41/containers/json?all=1").expect("answer");
    assert_eq!(answer.status, 200);
    daemon.wait_until_served(&BTreeSet::new());
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let calls = events
        .into_iter()
        .filter(|e| e["type"] == "call" && e["short"] == "reduceContainers")
        .collect();
    (calls, finished.stderr)
}

#[test]
fn returns_need_it() {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd("bullseye", "amd64") else {
        return;
    };
    let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
    let (seen, said) = calls(&daemon, "own");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0]["state"], "returned", "{seen:?}");
    assert!(!said.contains("returns are not seen"), "{said}");
    let (seen, said) = calls(&daemon, "unknown");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_ne!(seen[0]["state"], "returned", "{seen:?}");
    assert!(said.contains("note: returns are not seen"), "{said}");
}

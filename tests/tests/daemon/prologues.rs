//! Functions of the stock daemons with odd types and prologues are traced, and counted right.

use harness::Daemon;

/// Functions with what once ended a session, or counted wrong: a parameter behind which lies a type
/// of 2^48 bytes, and a frame so large that the stack is checked twice.
const ODD: [&str; 2] = ["(*cmdProbe).run", "(*NetlinkSocket).Receive"];

/// Starts a container whose health is checked every second.
fn probed_container(daemon: &Daemon) -> String {
    let body = serde_json::json!({
        "Image": "busybox:1",
        "Cmd": ["sleep", "100000"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000_u64, "Retries": 9},
        "HostConfig": {"NetworkMode": "none"},
    });
    let created = daemon.post("/v1.41/containers/create?name=probed", &body);
    let created = created.expect("answer").json().expect("JSON");
    let id = created["Id"].as_str().expect("id").to_owned();
    let started = daemon.post(
        &format!("/v1.41/containers/{id}/start"),
        &serde_json::Value::Null,
    );
    assert_eq!(started.expect("answer").status, 204);
    id
}

/// Health checks that the daemon says have ended.
fn probes(daemon: &Daemon, id: &str) -> usize {
    let said = daemon.get(&format!("/v1.41/containers/{id}/json"));
    let said = said.expect("answer").json().expect("JSON");
    said["State"]["Health"]["Log"]
        .as_array()
        .map_or(0, Vec::len)
}

#[test]
fn odd_types_and_prologues_of_the_daemons_are_traced() {
    let assets = harness::assets_or_skip!();
    let mut seen = 0;
    for suite in harness::SUITES {
        let Some(dockerd) = harness::stock_dockerd(suite, "amd64") else {
            continue;
        };
        let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
        daemon.import_image().expect("image");
        let args: Vec<&str> = ODD.iter().flat_map(|f| ["-f", f]).collect();
        let mut checked = 0;
        let (events, finished) = harness::traced(&daemon, &args, || {
            let id = probed_container(&daemon);
            let started = std::time::Instant::now();
            while probes(&daemon, &id) < 3 {
                assert!(
                    started.elapsed() < std::time::Duration::from_secs(120),
                    "{suite}: no probes"
                );
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            checked = probes(&daemon, &id);
        });
        let calls = |name: &str| -> Vec<&serde_json::Value> {
            let all = events
                .0
                .iter()
                .filter(|e| e["type"] == "call" && e["short"] == name);
            all.collect()
        };
        let (runs, receives) = (calls("run"), calls("Receive"));
        eprintln!(
            "{suite}: {} probes, {} received: {}",
            runs.len(),
            receives.len(),
            finished.stderr
        );
        // one may be under way, and one may have begun since
        assert!(
            (checked..=checked + 2).contains(&runs.len()),
            "{suite}: {} of {checked}",
            runs.len()
        );
        assert!(!receives.is_empty(), "{suite}: {}", finished.stderr);
        for call in &receives {
            assert_eq!(call["state"], "returned", "{suite}: {call}");
        }
        for call in runs.iter().take(checked) {
            assert_eq!(call["state"], "returned", "{suite}: {call}");
        }
        seen += 1;
    }
    assert!(!harness::is_strict() || seen == 4, "{seen} daemons");
}

//! Profiles of a user's own, live: what they name is traced, with its arguments, and nothing else.

use harness::{Daemon, traced};

#[test]
fn a_profile_from_a_file_traces_what_it_names() {
    let assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("own", 1).expect("container");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("own.toml");
    // no built-in profile has it
    let own = "[diff]\nfunctions = ['/daemon.(*Daemon).ContainerChanges']\n";
    std::fs::write(&file, own).expect("written");
    let file = file.to_str().expect("path");
    let ask = |path: &str, agent: &str| {
        assert_eq!(daemon.get_as(path, agent).expect("answer").status, 200);
    };
    let work = || {
        ask("/v1.41/containers/own1/changes", "t-changes");
        ask("/v1.41/volumes", "t-volumes");
        ask("/v1.41/containers/json?all=1", "t-list");
    };
    // alone
    let (events, _) = traced(&daemon, &["--profile-file", file], work);
    let call = events.call_of("t-changes", "ContainerChanges");
    let given = call["params"].as_object().expect("parameters");
    assert!(given.values().any(|v| *v == "own1"), "{call}");
    assert_eq!(events.of_type("call").count(), 1);
    // beside a built-in one
    let (events, _) = traced(
        &daemon,
        &["--profile-file", file, "-p", "diff,volumes"],
        work,
    );
    for (agent, function) in [("t-changes", "ContainerChanges"), ("t-volumes", "List")] {
        assert_eq!(events.call_of(agent, function)["short"], function);
    }
    assert_eq!(events.of_type("call").count(), 2);
}

//! Every command that the documentation shows is run, in order, against a real daemon.

use std::process::Command;

use harness::{Daemon, Running, Tool, workspace_root};

/// Lines of all `sh` blocks.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside && !command.is_empty() => found.push(command.to_owned()),
            _ => {}
        }
    }
    found
}

#[test]
fn every_command_of_the_documentation_works() {
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 3).expect("created");
    let dir = tempfile::tempdir().expect("dir");
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).expect("bin");
    std::os::unix::fs::symlink(tool.path(), bin.join("mobytrace")).expect("link");
    std::os::unix::fs::symlink(assets.docker_cli(), bin.join("docker")).expect("link");
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut files = vec![workspace_root().join("README.md")];
    let docs = std::fs::read_dir(workspace_root().join("docs")).expect("docs");
    files.extend(
        docs.flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    let mut ran = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        for shown in commands(&text) {
            // this test runs inside of one, the demo has a test of its own, and benchmarks are for
            // people
            if shown.starts_with("cargo xtask") {
                continue;
            }
            // run by tests/alone/container.rs
            if shown.starts_with("docker run ") {
                continue;
            }
            assert!(
                shown.starts_with("mobytrace "),
                "{}: {shown}",
                file.display()
            );
            // other tests' daemons run beside this one
            let live = ["doctor", "trace ", "compare --"]
                .iter()
                .any(|c| shown.contains(&format!("mobytrace {c}")));
            let command = if live {
                format!("{shown} --socket {}", daemon.socket().display())
            } else if ["inspect", "profiles"].iter().any(|c| shown.contains(c)) {
                format!("{shown} --pid {}", daemon.pid())
            } else {
                shown.clone()
            };
            let mut shell = Command::new("sh");
            shell
                .arg("-c")
                .arg(&command)
                .current_dir(dir.path())
                .env("PATH", &path)
                .env("HOME", dir.path());
            let finished = Running::start(shell)
                .expect("started")
                .wait()
                .expect("ended")
                .expect(0);
            assert!(!finished.stdout.trim().is_empty(), "{command} says nothing");
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran} commands");
}

#[test]
fn the_demo_prints_what_it_recorded() {
    let _assets = harness::assets_or_skip!();
    let xtask = harness::target_dir().join("debug/xtask");
    let demo = |commands: &[&str]| {
        let mut command = Command::new(&xtask);
        command
            .arg("demo")
            .args(commands)
            .current_dir(workspace_root());
        Running::start(command)
            .expect("started")
            .wait()
            .expect("ended")
            .expect(0)
            .stdout
    };
    let story = demo(&[]);
    for said in [
        "GET /v1.41/containers/json?all=1",
        "GET /v1.41/system/df",
        "≠ Size          false (default)                          true (hard-coded by SystemDiskUsage)",
        "All           true (query all=1)                       true (hard-coded by SystemDiskUsage)",
        "returned      85 containers                            85 containers",
        "the daemon returned the same 85 containers (by ID) on both paths, with the same\nNames, Created, SizeRw and State.",
        "SizeRootFs differs in 85 of 85: ",
        "Size explains SizeRootFs: Size is false (default) for docker ps -a, true (hard-coded by",
        "If a client shows a difference in containers, Names, Created, SizeRw and State, it arises\noutside dockerd",
        "Not compared: Image, ImageID, Command, Ports, Labels, Status, HostConfig, NetworkSettings and",
    ] {
        assert!(story.contains(said), "{said:?} in {story}");
    }
    // another query, another text
    let other = demo(&["docker ps", "docker ps -a"]);
    for said in [
        "≠ All           false (default)                          true (query all=1)",
        "≠ returned      1 container                              85 containers",
        "All explains which containers are listed: All is false (default) for docker ps, true",
        "the paths part inside dockerd",
        "Only in docker ps -a: 84",
    ] {
        assert!(other.contains(said), "{said:?} in {other}");
    }
}

//! A recording kept in the tree: what it shows needs no root, no kernel, no daemon and no binary, and stays as it is.
//!
//! `MOBYTRACE_BLESS=1 cargo test -p tests --test offline golden::` writes the expected texts anew; look at the difference before keeping it.

use std::process::Command;

use harness::{Running, Tool, workspace_root};

#[test]
fn what_the_kept_recording_shows() {
    let tool = Tool::find().expect("tool");
    let captures = workspace_root().join("tests/captures");
    let of = |name: &str| captures.join(name).display().to_string();
    let recording = of("stock-20.10.24.mobytrace");
    // made by a client that polls, three disk-usage requests at once, and one that waits
    let polled = of("polled-26.1.5.mobytrace");
    for (name, args) in [
        ("tree.txt", &["show", &recording][..]),
        ("events.jsonl", &["show", &recording, "--format", "jsonl"]),
        ("table.txt", &["show", &recording, "--format", "table"]),
        (
            "polled.txt",
            &["show", &polled, "--format", "table", "--slow", "200ms"],
        ),
        ("show.md", &["show", &recording, "--format", "markdown"]),
        ("compare.txt", &["compare", &recording, "6", "8"]),
        (
            "compare.md",
            &["compare", &recording, "6", "8", "--format", "markdown"],
        ),
    ] {
        let mut command = Command::new(tool.path());
        command.args(args).env("TZ", "UTC").env("NO_COLOR", "1");
        let finished = Running::start(command)
            .expect("started")
            .wait()
            .expect("ended")
            .expect(0);
        let golden = workspace_root().join("tests/golden").join(name);
        if std::env::var_os("MOBYTRACE_BLESS").is_some() {
            std::fs::write(&golden, &finished.stdout).expect("golden");
            continue;
        }
        let expected = std::fs::read_to_string(&golden).expect("golden");
        assert_eq!(finished.stdout, expected, "{name}");
    }
}

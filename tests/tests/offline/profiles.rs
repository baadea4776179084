//! `mobytrace profiles`: what each stock daemon has of each profile, against what is known of
//! moby's releases.

use harness::{Finished, Tool, stock_dockerd};
use serde_json::Value;

/// How functions stand in a release, by the end of their names: what does not lack is there.
struct Release {
    suite: &'static str,
    /// Profile, first name, what does its work (empty: nothing).
    lacks: &'static [(&'static str, &'static str, &'static str)],
    /// Callers that hold a copy of `Containers`.
    blind: &'static [&'static str],
}

const CONTAINERD: [&str; 6] = [
    "PullImage",
    "PushImage",
    "Images",
    "ImageDelete",
    "GetImage",
    "ImagesPrune",
];

const RELEASES: &[Release] = &[
    Release {
        suite: "bullseye",
        lacks: TO_20_10,
        blind: &[],
    },
    Release {
        suite: "bookworm",
        lacks: TO_20_10,
        blind: &["Shutdown", "SystemDiskUsage"],
    },
    Release {
        suite: "trixie",
        lacks: &[
            ("list", "(*Daemon).reduceContainers", "Containers"),
            ("networks", "(*Daemon).GetNetworkSummaries", "GetNetworks"),
            ("images", "images.(*ImageService).ImageInspect", "GetImage"),
        ],
        blind: &[],
    },
    Release {
        suite: "sid",
        lacks: &[
            ("list", "(*Daemon).reduceContainers", "Containers"),
            ("networks", "(*Daemon).GetNetworkSummaries", "GetNetworks"),
        ],
        blind: &[],
    },
];

/// Disk usage was one function, nothing but the API removed containers, and there was one image
/// service.
const TO_20_10: &[(&str, &str, &str)] = &[
    ("list", "(*Daemon).containerDiskUsage", "SystemDiskUsage"),
    ("containers", "(*Daemon).containerRm", "ContainerRm"),
    ("networks", "(*Daemon).GetNetworkSummaries", "GetNetworks"),
    (
        "images",
        "images.(*ImageService).ImageInspect",
        "LookupImage",
    ),
];

fn profiles(args: &[&str], code: i32) -> Finished {
    let tool = Tool::find().expect("tool");
    let mut all = vec!["profiles"];
    all.extend(args);
    tool.run(&all).expect("run").expect(code)
}

fn json(args: &[&str]) -> Vec<Value> {
    let text = profiles(args, 0).stdout;
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    value.as_array().expect("an array").clone()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {value}"))
}

#[test]
fn what_each_generation_has() {
    for release in RELEASES {
        let suite = release.suite;
        let Some(path) = stock_dockerd(suite, "amd64") else {
            continue;
        };
        let all = json(&["--json", "--binary", path.to_str().expect("path")]);
        assert_eq!(all.len(), 8, "{suite}");
        let mut lacks = Vec::new();
        for profile in &all {
            let name = text(profile, "name");
            for f in profile["functions"].as_array().expect("functions") {
                let first = f["wanted"][0].as_str().expect("a name");
                match text(f, "state") {
                    "has" => {
                        let mut present = f["present"].as_array().expect("functions").iter();
                        let is_it = |one: &Value| text(one, "name").ends_with(first);
                        assert!(present.any(is_it), "{suite}: {f}");
                        check_blindness(release, &f["present"]);
                    }
                    "lacks" => lacks.push((name, first, f["seen_by"].clone())),
                    other => panic!("{suite}: {other}"),
                }
            }
        }
        let one_service = suite == "bullseye" || suite == "bookworm";
        for (profile, name, by) in &lacks {
            let by: Vec<&str> = by
                .as_array()
                .expect("names")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            assert!(!by.is_empty(), "{suite}: nothing does the work of {name}");
            // the second image service came in 24.0
            if let Some((_, method)) = name.split_once("/daemon/containerd.(*ImageService).") {
                let newer = method == "ImageInspect" && suite == "trixie";
                assert!(one_service || newer, "{suite}: {name}");
                assert!(
                    CONTAINERD.contains(&method) || method == "ImageInspect",
                    "{name}"
                );
                continue;
            }
            let stands = |(p, n, b): &(&str, &str, &str)| {
                (p == profile || *profile == "compare")
                    && name.ends_with(n)
                    && by.iter().any(|by| by.ends_with(&format!(".{b}")))
            };
            assert!(
                release.lacks.iter().any(stands),
                "{suite}: {profile} {name} {by:?}"
            );
        }
        for (profile, name, _) in release.lacks {
            let there = |(p, n, _): &(&str, &str, Value)| p == profile && n.ends_with(name);
            assert!(lacks.iter().any(there), "{suite}: {profile} has {name}");
        }
    }
}

fn check_blindness(release: &Release, present: &Value) {
    for one in present.as_array().expect("present") {
        if !text(one, "name").ends_with("/daemon.(*Daemon).Containers") {
            continue;
        }
        let blind: Vec<&str> = one["blind_in"]
            .as_array()
            .expect("callers")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(blind, release.blind, "{}", release.suite);
    }
}

#[test]
fn as_people_read_it() {
    let Some(path) = stock_dockerd("bookworm", "amd64") else {
        return;
    };
    let path = path.to_str().expect("path");
    let said = profiles(&["list", "--binary", path], 0).stdout;
    let document = include_str!("../../../docs/profiles.md");
    let (_, shown) = document.split_once("dockerd-20.10.24\n").expect("example");
    let (shown, _) = shown.split_once("```").expect("end");
    assert_eq!(said, shown);
    let all = profiles(&["--binary", path], 0).stdout;
    assert!(
        all.contains("\n\nnetworks   list, create, connect"),
        "{all}"
    );
    // both are there
    for name in ["GetImage", "LookupImage"] {
        let said = format!("\n  has      daemon/images.(*ImageService).{name}\n");
        assert!(all.contains(&said), "{all}");
    }
    let wrong = profiles(&["lists", "--binary", path], 2).stderr;
    assert!(
        wrong.contains("unknown profile \"lists\" (known: list, compare,"),
        "{wrong}"
    );
}

#[test]
fn a_file_of_ones_own() {
    let Some(path) = stock_dockerd("sid", "amd64") else {
        return;
    };
    let path = path.to_str().expect("path");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("own.toml");
    let own = file.to_str().expect("path");
    let document = include_str!("../../../docs/profiles.md");
    let (_, example) = document.split_once("```toml\n").expect("example");
    let (example, _) = example.split_once("```").expect("end");
    std::fs::write(&file, example).expect("written");
    let of = |name: &str| json(&[name, "--json", "--binary", path, "--profile-file", own]);
    let files = of("files");
    assert_eq!(
        text(&files[0], "purpose"),
        "what is copied out of containers"
    );
    let states: Vec<&str> = files[0]["functions"]
        .as_array()
        .expect("functions")
        .iter()
        .map(|f| text(f, "state"))
        .collect();
    assert_eq!(states, ["has", "has", "has"]);
    // by its newer name first
    let new = "[new]\nfunctions = ['.ContainerPrune|.ContainersPrune']\n";
    std::fs::write(&file, new).expect("written");
    let renamed = &of("new")[0]["functions"][0];
    assert_eq!(renamed["state"], "renamed");
    assert!(text(&renamed["present"][0], "name").ends_with(").ContainersPrune"));
    std::fs::write(&file, example).expect("written");
    let lists = of("lists");
    assert_eq!(lists[0]["functions"][1]["state"], "lacks");
    assert_eq!(lists[0]["layers"], true);
    // as a session would choose
    let tool = Tool::find().expect("tool");
    let plan = |args: &[&str]| {
        let mut all = vec!["inspect", "plan", "--binary", path, "--profile-file", own];
        all.extend(args);
        tool.run(&all).expect("run").expect(0).stdout
    };
    let both = plan(&["-p", "lists,volumes"]);
    assert!(both.contains("(*VolumesService).List") && both.contains(").Containers"));
    assert!(!both.contains("ContainerExport"), "{both}");
    let all = plan(&[]);
    assert!(
        all.contains("ContainerExport") && all.contains(").Containers"),
        "{all}"
    );
    assert!(!all.contains("SystemDiskUsage"), "{all}");
    std::fs::write(&file, "[files]\nfuntions = []\n").expect("written");
    let wrong = profiles(&["--binary", path, "--profile-file", own], 2).stderr;
    let said = format!(
        "error: profile file {own}, line 2: files.funtions: unknown key (known: purpose, functions, layers)\nhint: "
    );
    assert!(wrong.starts_with(&said), "{wrong}");
    let absent = profiles(&["--binary", path, "--profile-file", "/nowhere"], 2).stderr;
    assert!(
        absent.starts_with("error: failed to read profile file /nowhere: "),
        "{absent}"
    );
}

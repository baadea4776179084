//! `inspect` offline, as a user and as a program sees it.

use harness::{Patch, Tool, stock_dockerd};
use serde_json::{Value, json};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A copy without section headers, its dynamic symbols' names overwritten.
fn nameless(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("word"));
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (sections, size, number) = (word(0x28) as usize, half(0x3a), half(0x3c));
    let header = |index: usize| sections + index * size;
    let mut overwritten = 0;
    for index in 0..number {
        let at = header(index);
        // SHT_DYNSYM; its sh_link is the string table
        if bytes[at + 4..at + 8] == 11u32.to_le_bytes() {
            let link = u32::from_le_bytes(bytes[at + 40..at + 44].try_into().expect("link"));
            let strings = header(link as usize);
            let (from, len) = (word(strings + 24) as usize, word(strings + 32) as usize);
            copy[from + 1..from + len - 1].fill(b'x');
            overwritten += 1;
        }
    }
    assert_eq!(overwritten, 1, "a dynamic symbol table");
    copy[0x28..0x30].fill(0);
    copy[0x3c..0x40].fill(0);
    copy
}

#[test]
fn functions_types_and_hints() {
    let Some(dockerd) = stock_dockerd("bookworm", "amd64") else {
        return;
    };
    let tool = Tool::find().expect("tool");
    let path = dockerd.to_str().expect("path").to_owned();
    let run = |path: &str, args: &[&str], code| {
        let mut all = vec!["inspect"];
        all.extend(args);
        all.extend(["--binary", path]);
        tool.run(&all).expect("run").expect(code)
    };
    let of_functions = ["functions", "/daemon.(*Daemon).Containers", "--json"];
    let answer = run(&path, &of_functions, 0).stdout;
    let functions = parsed(&answer);
    let f = &functions[0];
    assert_eq!(functions.as_array().map(Vec::len), Some(1));
    assert_eq!(
        f["name"],
        "github.com/docker/docker/daemon.(*Daemon).Containers"
    );
    let number = |key: &str| f[key].as_u64().unwrap_or_else(|| panic!("{key}: {f}"));
    assert!(number("entry") < number("end") && number("file_offset") > 0);
    assert_eq!(f["params"][1]["name"], "config");
    assert_eq!(f["params"][1]["place"], "RBX", "{f}");
    assert_eq!(f["sites"][0]["kind"], "entry");
    let inlined = f["inlined_at"].to_string();
    assert!(inlined.contains("(*Daemon).SystemDiskUsage"), "{inlined}");
    // one type: an object; several: an array
    let one = parsed(&run(&path, &["types", "ContainerListOptions", "--json"], 0).stdout);
    assert_eq!(one["size"], 56);
    assert_eq!(
        one["fields"][2],
        json!({"name": "All", "offset": 2, "type": "bool"})
    );
    let several = parsed(&run(&path, &["types", "*.ContainerListOptions", "--json"], 0).stdout);
    assert!(
        several.as_array().is_some_and(|a| a.len() >= 2),
        "{several}"
    );
    let text = run(&path, &["functions", "(*Daemon).Containers"], 0).stdout;
    for said in ["signature", "RBX", "entry", "returns", "inlined"] {
        assert!(text.contains(said), "{said:?} in {text}");
    }
    let typo = run(&path, &["functions", "Contianers"], 1);
    assert!(
        typo.stderr.contains("hint: did you mean")
            && typo.stderr.contains("daemon.(*Daemon).Containers"),
        "{}",
        typo.stderr
    );
    // nothing that strip or a packer may take away is needed
    let dir = tempfile::tempdir().expect("folder");
    let bare = dir.path().join("dockerd");
    std::fs::write(&bare, nameless(&std::fs::read(&dockerd).expect("dockerd"))).expect("copy");
    let bare = bare.to_str().expect("path");
    assert_eq!(run(bare, &of_functions, 0).stdout, answer);
    let plan = |path: &str| run(path, &["plan", "--json"], 0).stdout;
    assert_eq!(plan(bare), plan(&path));
}

#[test]
fn fields_of_other_releases_are_absent_in_this_build() {
    let tool = Tool::find().expect("tool");
    let types = |suite: &str, name: &str| {
        let dockerd = stock_dockerd(suite, "amd64")?;
        let path = dockerd.to_str().expect("path");
        let run = tool.run(&["inspect", "types", name, "--binary", path]);
        Some(run.expect("run").expect(0).stdout)
    };
    for (suite, name, lacking) in [
        ("bullseye", "api/types.ContainerListOptions", ""),
        ("sid", "api/types/container.ListOptions", "Quiet"),
    ] {
        let Some(text) = types(suite, name) else {
            continue;
        };
        let absent: Vec<&str> = text
            .lines()
            .filter(|l| l.ends_with("absent in this build"))
            .filter_map(|l| l.split_whitespace().nth(1))
            .collect();
        assert_eq!(absent.join(" "), lacking, "{suite}: {text}");
        for field in ["Latest", "Since", "Before"] {
            assert!(text.contains(field), "{suite}: {text}");
        }
    }
}

/// Shapes of programs: what each says about itself.
#[test]
fn binaries_of_every_shape() {
    let tool = Tool::find().expect("tool");
    let dir = tempfile::tempdir().expect("folder");
    let shown = |path: &std::path::Path, code| {
        let path = path.to_str().expect("path");
        let run = tool.run(&["inspect", "binary", "--binary", path]);
        run.expect("run").expect(code)
    };
    let has = |text: &str, name: &str, value: &str| {
        let line = text.lines().find(|l| l.starts_with(name));
        assert!(
            line.is_some_and(|l| l.contains(value)),
            "{name} {value}: {text}"
        );
    };
    let fixtures = [
        (
            "deep",
            ["statically", "14, stripped", "none", "no", "none of Go"],
        ),
        (
            "deep-dwarf",
            [
                "statically",
                "symbols",
                "none",
                "no",
                "version 4, 49 Go units",
            ],
        ),
        (
            "relr",
            [
                "dynamically, loader /lib64/",
                "stripped",
                "RELR",
                "yes",
                "none of Go",
            ],
        ),
    ];
    for (name, values) in fixtures {
        let path = harness::fixture_or_skip!(name);
        let text = shown(&path, 0).stdout;
        let names = [
            "linked",
            "sections",
            "relocations",
            "position independent",
            "dwarf",
        ];
        for (name, value) in names.iter().zip(values) {
            has(&text, name, value);
        }
    }
    // nothing but what the program itself needs
    for (suite, arch, go) in [
        ("bullseye", "amd64", "go1.15.15"),
        ("bookworm", "arm64", "go1.19.8"),
        ("sid", "amd64", "go1.27."),
    ] {
        let Some(dockerd) = stock_dockerd(suite, arch) else {
            continue;
        };
        let patch = Patch::new(std::fs::read(dockerd).expect("dockerd"));
        let mut bare = patch.without_section_headers();
        assert!(bare.replace(b"\xff Go buildinf:", b"\xff No buildinf:") > 0);
        let path = dir.path().join("bare");
        std::fs::write(&path, &bare.bytes).expect("copy");
        let text = shown(&path, 0).stdout;
        has(&text, "go ", go);
        has(&text, "go ", "(by runtime.buildVersion");
        has(&text, "sections", "section headers are missing");
        has(&text, "moduledata", "layout");
        assert!(!text.contains("unverified"), "{text}");
    }
    let no_go = shown(std::path::Path::new("/bin/sh"), 2);
    has(&no_go.stdout, "go ", "unknown");
    assert!(
        no_go.stderr.contains("no pclntab found"),
        "{}",
        no_go.stderr
    );
}

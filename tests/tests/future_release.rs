//! Go releases that do not exist yet: real programs that claim to be of one.

use harness::{Fixture, Patch, Tool, json_lines, stock_dockerd};
use mobytrace::gobin::GoBinary;
use rustix::process::Signal;

const NOTE: &str = "unverified Go release: go1.99.";

/// A copy of the newest Go's fixture, or of another one, that says it is of Go 1.99.
fn fixture() -> Option<Patch> {
    let dir = harness::target_dir().join("fixtures");
    for (path, minor) in [("matrix/releases/1.27/pie/s-w/amd64", "27"), ("relr", "24")] {
        if let Ok(bytes) = std::fs::read(dir.join(path)) {
            let mut patch = Patch::new(bytes);
            let changed = patch.replace(format!("go1.{minor}.").as_bytes(), b"go1.99.");
            assert!(changed > 0, "{path} does not say go1.{minor}");
            return Some(patch);
        }
    }
    assert!(
        !harness::is_strict(),
        "this test needs `cargo xtask fixtures`"
    );
    None
}

#[test]
fn known_layouts_are_read_and_marked() {
    for (suite, arch, minor) in [("sid", "amd64", "27"), ("trixie", "arm64", "24")] {
        let Some(path) = stock_dockerd(suite, arch) else {
            continue;
        };
        let whole = Patch::new(std::fs::read(path).expect("dockerd"));
        let mut newer = whole.clone();
        assert!(newer.replace(format!("go1.{minor}.").as_bytes(), b"go1.99.") > 0);
        let (known, unknown) = (
            GoBinary::parse(&whole.bytes).expect("stock"),
            GoBinary::parse(&newer.bytes).expect("newer"),
        );
        assert_eq!(known.unverified(), None);
        let note = unknown.unverified().expect("marked");
        assert!(note.starts_with(NOTE), "{note}");
        let types = |b: &GoBinary<'_>| b.find_types(&mut |n| n.contains("ListOptions"));
        let found = types(&known).expect("types");
        assert_eq!(types(&unknown), Ok(found.clone()), "{suite} {arch}");
        assert!(found.len() > 2, "{found:?}");
        for id in found {
            assert_eq!(unknown.type_by_id(id), known.type_by_id(id));
        }
    }
}

#[test]
fn a_release_that_contradicts_its_tables_is_refused() {
    let Some(path) = stock_dockerd("sid", "amd64") else {
        return;
    };
    let mut patch = Patch::new(std::fs::read(path).expect("dockerd"));
    assert!(patch.replace(b"go1.27.", b"go1.24.") > 0);
    let why = GoBinary::parse(&patch.bytes)
        .expect_err("refused")
        .to_string();
    assert!(
        why.contains("none that passes every check for go1.24.1"),
        "{why}"
    );
    assert!(why.contains("as go1.21 to go1.25"), "{why}");
}

#[test]
fn an_unknown_format_is_refused_with_what_is_known() {
    let Some(patch) = fixture() else {
        return;
    };
    // the magic of every header there is, then a layout that is none of the known ones
    let mut other = patch.clone();
    let header = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
    let changed = other.replace(&header, &[0xea, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
    assert!(changed > 0);
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("newer");
    std::fs::write(&path, &other.bytes).expect("copy");
    let path = path.to_str().expect("path");
    let tool = Tool::find().expect("tool");
    let run = |what: &str| {
        let run = tool.run(&["inspect", what, "--binary", path]).expect("run");
        run.expect(2)
    };
    for what in ["binary", "plan"] {
        let said = run(what).stderr;
        for part in [
            "unknown magic 0xffffffea",
            "0xfffffff1 go1.20 to go1.27",
            "hint: ",
        ] {
            assert!(said.contains(part), "{part:?} in {said}");
        }
    }
    // what does not depend on it is shown all the same
    let shown = run("binary").stdout;
    assert!(
        shown.contains("go1.99.") && shown.contains("amd64"),
        "{shown}"
    );
}

/// Linkers may put the table into the segment of the code, where code that looks for the magic is too.
#[test]
fn an_unknown_format_beside_the_code() {
    let Some(path) = stock_dockerd("sid", "arm64") else {
        return;
    };
    let mut patch = Patch::new(std::fs::read(path).expect("dockerd"));
    let header = [0xf1, 0xff, 0xff, 0xff, 0, 0, 4, 8];
    let changed = patch.replace(&header, &[0xea, 0xff, 0xff, 0xff, 0, 0, 4, 8]);
    assert!(changed > 0);
    let why = GoBinary::parse(&patch.bytes).expect_err("refused");
    let why = why.to_string();
    assert!(why.contains("unknown magic 0xffffffea"), "{why}");
}

#[test]
fn live_it_goes_on_and_says_so_everywhere() {
    let Some(patch) = fixture() else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        assert!(!harness::is_strict(), "this test needs root");
        eprintln!("SKIPPED live_it_goes_on_and_says_so_everywhere: needs root");
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let program = dir.path().join("program");
    std::fs::write(&program, &patch.bytes).expect("copy");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("mode");
    let recording = dir.path().join("trace.mobytrace");
    let recording = recording.to_str().expect("path");
    let mut fixture = Fixture::start(&program, &[]).expect("fixture");
    let until_end = |fixture: &mut Fixture| while fixture.line().expect("line") != "end" {};
    until_end(&mut fixture);
    let tool = Tool::find().expect("tool");
    let pid = fixture.pid().to_string();
    let function = "main.(*Server).Variadic";
    let args = [
        "trace", "--pid", &pid, "--format", "jsonl", "-o", recording, "-f", function,
    ];
    let mut running = tool.start(&args).expect("started");
    running.wait_for("attached to").expect("attached");
    let doctor = tool
        .run(&["doctor", "--pid", &pid])
        .expect("doctor")
        .expect(0);
    fixture.tell("values").expect("stdin");
    until_end(&mut fixture);
    running.signal(Signal::INT);
    let finished = running.wait().expect("ended").expect(0);
    fixture.tell("").expect("stdin");
    let line = doctor.stdout.lines().find(|l| l.contains(NOTE));
    let line = line.unwrap_or_else(|| panic!("{}", doctor.stdout));
    assert!(line.starts_with("limited  go release"), "{line}");
    let note = format!("note: {NOTE}");
    assert!(finished.stderr.contains(&note), "{}", finished.stderr);
    let events = json_lines(&finished.stdout).expect("JSON lines");
    let issue = &events[0]["issues"][0];
    assert_eq!(issue["kind"], "unverified-release", "{issue}");
    // it is read right all the same
    let calls: Vec<String> = events
        .iter()
        .filter(|e| e["type"] == "call")
        .map(|e| e["params"].to_string())
        .collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].contains("[1,-2,3]"), "{calls:?}");
    // whoever reads the recording sees it, in every format
    for format in ["tree", "jsonl", "markdown"] {
        let shown = tool.run(&["show", recording, "--format", format]);
        let shown = shown.expect("show").expect(0).stdout;
        assert!(shown.contains(NOTE), "{format}: {shown}");
    }
}

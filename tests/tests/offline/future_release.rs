//! Go releases that do not exist yet: real programs that claim to be of one.

use harness::{Patch, Tool, program_of_newer_go, stock_dockerd};
use mobytrace::gobin::GoBinary;

const NOTE: &str = "unverified Go release: go1.99.";

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
    let Some(patch) = program_of_newer_go() else {
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

/// Linkers may put the table into the segment of the code, where code that looks for the magic is
/// too.
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

//! Go's DWARF as ground truth for descriptors and calling convention, and as a source of its own.

use std::path::Path;

use harness::parity;
use mobytrace::gobin::GoBinary;
use mobytrace::plan::signature_text;

/// A large command-line client that carries Go's DWARF (and C's, from cgo).
const CLI: &str = "/usr/local/bin/docker";

/// `None`: this machine has none.
fn cli() -> Option<&'static Path> {
    let path = Path::new(CLI);
    let found = path.exists().then_some(path);
    assert!(found.is_some() || !harness::is_strict(), "no {CLI}");
    if found.is_none() {
        eprintln!("SKIPPED: no {CLI}");
    }
    found
}

#[test]
fn descriptors_and_calling_convention_equal_dwarf() {
    let Some(path) = cli() else { return };
    let counts = parity(path).expect("compared");
    eprintln!("{}: {counts}", path.display());
    assert!(counts.different.is_empty(), "{counts}");
    // so many that agreement cannot be an accident, and so few exceptions that nothing hides in them
    assert!(
        counts.structs > 3000 && counts.fields > 10_000 && counts.types > 10_000,
        "{counts}"
    );
    assert!(
        counts.functions > 20_000 && counts.places > 40_000,
        "{counts}"
    );
    let listed = |key: &str| counts.unplaced.get(key).copied().unwrap_or(0);
    assert!(
        listed("replaced at once by another argument's value") < counts.places / 100,
        "{counts}"
    );
    let left_out = counts
        .skipped
        .get("a parameter without a name is not listed");
    assert!(
        left_out.is_none_or(|n| n * 50 < counts.functions),
        "{counts}"
    );
}

/// Without DWARF the descriptors decode to the same model, and a plain function loses its signature.
#[test]
fn the_same_binary_without_debug_sections() {
    let Some(path) = cli() else { return };
    let whole = std::fs::read(path).expect("read");
    // section headers gone: nothing leads to `.debug_*` any more
    let mut bare = whole.clone();
    bare[40..48].fill(0);
    bare[58..64].fill(0);
    let (whole, bare) = (
        GoBinary::parse(&whole).expect("whole"),
        GoBinary::parse(&bare).expect("bare"),
    );
    assert!(bare.dwarf_types().expect("none").is_empty());
    let ids = whole.find_types(&mut |_| true).expect("types");
    assert_eq!(ids, bare.find_types(&mut |_| true).expect("types"));
    assert!(ids.len() > 10_000);
    for id in ids {
        assert_eq!(whole.type_by_id(id), bare.type_by_id(id));
        assert_eq!(whole.methods(id), bare.methods(id));
    }
    assert!(whole.functions().eq(bare.functions()));
    let name = "github.com/docker/cli/cli/command/container.runKill";
    let text = |binary: &GoBinary<'_>| {
        signature_text(binary, binary.function_named(name).first().expect(name))
    };
    assert_eq!(
        text(&whole).as_deref(),
        Some(
            "func runKill(ctx context.Context, dockerCLI command.Cli, opts *container.killOptions) error"
        )
    );
    assert_eq!(text(&bare), None);
}

//! Go's DWARF as ground truth for descriptors and calling convention, and as a source of its own.

use std::path::{Path, PathBuf};

use harness::parity;
use mobytrace::gobin::GoBinary;
use mobytrace::plan::signature_text;

/// A large program that carries Go's DWARF (and C's, from cgo).
struct Client {
    path: PathBuf,
    /// So much is compared at least that agreement cannot be an accident.
    types: usize,
    structs: usize,
    fields: usize,
    functions: usize,
    places: usize,
    /// A plain function, which has a signature only in DWARF.
    function: &'static str,
    signature: &'static str,
}

/// Go's own command, built by the suite; and docker's command-line client, where a machine has one
/// that is not stripped.
fn clients() -> Vec<Client> {
    let go = match harness::fixture("go-dwarf") {
        Ok(path) => Some(Client {
            path,
            types: 5000,
            structs: 1500,
            fields: 6000,
            functions: 10_000,
            places: 18_000,
            function: "cmd/go/internal/load.PackageList",
            signature: "func PackageList(roots []*load.Package) []*load.Package",
        }),
        Err(why) => {
            assert!(!harness::is_strict(), "this test needs {why}");
            eprintln!("SKIPPED dwarf: needs {why}");
            None
        }
    };
    let docker = Path::new("/usr/local/bin/docker");
    let docker = docker.exists().then(|| Client {
        path: docker.to_owned(),
        types: 10_000,
        structs: 3000,
        fields: 10_000,
        functions: 20_000,
        places: 40_000,
        function: "github.com/docker/cli/cli/command/container.runKill",
        signature: "func runKill(ctx context.Context, dockerCLI command.Cli, opts *container.killOptions) error",
    });
    go.into_iter().chain(docker).collect()
}

#[test]
fn descriptors_and_calling_convention_equal_dwarf() {
    for client in clients() {
        agrees(&client);
    }
}

fn agrees(client: &Client) {
    let counts = parity(&client.path).expect("compared");
    eprintln!("{}: {counts}", client.path.display());
    assert!(counts.different.is_empty(), "{counts}");
    // and so few exceptions that nothing hides in them
    assert!(
        counts.structs > client.structs
            && counts.fields > client.fields
            && counts.types > client.types,
        "{counts}"
    );
    assert!(
        counts.functions > client.functions && counts.places > client.places,
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

/// Without DWARF the descriptors decode to the same model, and a plain function loses its
/// signature.
#[test]
fn the_same_binary_without_debug_sections() {
    for client in clients() {
        same_without(&client);
    }
}

fn same_without(client: &Client) {
    let whole = std::fs::read(&client.path).expect("read");
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
    assert!(ids.len() > client.types);
    for id in ids {
        assert_eq!(whole.type_by_id(id), bare.type_by_id(id));
        assert_eq!(whole.methods(id), bare.methods(id));
    }
    assert!(whole.functions().eq(bare.functions()));
    let text = |binary: &GoBinary<'_>| {
        let found = binary.function_named(client.function);
        signature_text(binary, found.first().expect(client.function))
    };
    assert_eq!(text(&whole).as_deref(), Some(client.signature));
    assert_eq!(text(&bare), None);
}

//! `gobin` used alone, as `tracer/examples/go_types.rs` does: fields of a struct without DWARF.

#[path = "../../../tracer/examples/go_types.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod go_types;

#[test]
fn fields_of_a_struct_of_stripped_programs() {
    // src/time/time.go, the same in every release of Go
    let expected = [
        ("wall", "uint64", 0),
        ("ext", "int64", 8),
        ("loc", "*time.Location", 16),
    ]
    .map(|(name, ty, offset)| (name.to_owned(), ty.to_owned(), offset));
    for suite in ["bullseye", "bookworm", "trixie", "sid"] {
        // bookworm's is not optional
        let Some(path) = harness::stock_dockerd(suite, "amd64") else {
            continue;
        };
        let file = std::fs::read(path).expect("dockerd");
        let found = go_types::fields(&file, "time.Time").expect("types");
        assert_eq!(found, expected, "{suite}");
        let none = go_types::fields(&file, "time.Clock").expect("types");
        assert_eq!(none, [], "{suite}");
    }
}

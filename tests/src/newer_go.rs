//! A program of a Go release that does not exist yet.

use crate::Patch;

/// A copy of the newest Go's fixture, or of another one, that says it is of Go 1.99. `None`: there
/// is none.
///
/// # Panics
/// The fixture does not say its release, or there is none and no skip is allowed.
#[must_use]
pub fn program_of_newer_go() -> Option<Patch> {
    let dir = crate::target_dir().join("fixtures");
    for (path, minor) in [("matrix/releases/1.27/pie/s-w/amd64", "27"), ("relr", "24")] {
        if let Ok(bytes) = std::fs::read(dir.join(path)) {
            let mut patch = Patch::new(bytes);
            let changed = patch.replace(format!("go1.{minor}.").as_bytes(), b"go1.99.");
            assert!(changed > 0, "{path} does not say go1.{minor}");
            return Some(patch);
        }
    }
    assert!(
        !crate::is_strict(),
        "this test needs `cargo xtask fixtures`"
    );
    None
}

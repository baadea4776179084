//! Names of images as users know them (distribution/reference: reference.go, helpers.go,
//! normalize.go).
//!
//! **A new docker release:** if the package moves, its new path stands beside the old ones.

/// Import paths of the package.
pub const PACKAGES: &[&str] = &[
    "github.com/distribution/reference",
    "github.com/docker/distribution/reference",
];
/// Types of the package that name images. Values come to its interfaces by way of others, for which
/// a binary keeps no itab.
pub const TYPES: &[&str] = &[
    "repository",
    "taggedReference",
    "canonicalReference",
    "digestReference",
    "reference",
];
/// What is left out of a familiar name.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The same of its path.
pub const OFFICIAL: &str = "library/";
/// What a name without a tag means.
pub const LATEST: &str = "latest";

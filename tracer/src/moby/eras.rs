//! Signatures and fields by era.
//!
//! **A new docker release:** its signatures go into `eras.txt`, fields of options that it adds into
//! [`FIELDS`].

/// Parameter names and types of functions, as names of types; the file says how it is read.
pub const SIGNATURES: &str = include_str!("eras.txt");

/// Fields that options had in some release of moby, by the last element of the type's name: for
/// saying that a build lacks one.
pub const FIELDS: &[(&[&str], &[&str])] = &[
    (
        &["ContainerListOptions", "container.ListOptions"],
        &[
            "Quiet", "Size", "All", "Latest", "Since", "Before", "Limit", "Filters",
        ],
    ),
    (
        &["system.DiskUsageOptions", "backend.DiskUsageOptions"],
        &["Containers", "Images", "Volumes", "Verbose"],
    ),
];

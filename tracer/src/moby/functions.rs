//! Functions that are looked at for other reasons than a wish of the user, and what they are to
//! each other.
//!
//! **A new docker release:** a renamed function joins the old name; where a function newly hands on
//! to another one, the pair goes to [`COVERED_BY`].

/// Find out how large layers are, in both image services: the writable layer of a container (for
/// `size=1` and disk usage; it walks directories or asks the snapshotter), and all layers.
/// `ImageDiskUsage` lists images with their sizes up to 27 and adds up layers from 28 on.
pub const LAYER_SIZES: &[&str] = &[
    "/daemon/images.(*ImageService).GetContainerLayerSize",
    "/daemon/images.(*ImageService).LayerDiskUsage",
    "/daemon/images.(*ImageService).ImageDiskUsage",
    "/daemon/containerd.(*ImageService).GetContainerLayerSize",
    "/daemon/containerd.(*ImageService).LayerDiskUsage",
    "/daemon/containerd.(*ImageService).ImageDiskUsage",
];

/// Packages with a `Group` whose `Do` runs a function once for all who ask at the same time: the
/// one that moby uses from 24.0 on, and that of 23.0.
pub const RESENJE: &str = "resenje.org/singleflight";
pub const X_SYNC: &str = "golang.org/x/sync/singleflight";

/// Short names of those whose first result is the list of containers.
pub const CONTAINER_LISTS: &[&str] = &["Containers", "reduceContainers"];

/// One-line wrappers and the function they end in, by their short names: up to 24.0 `Containers`
/// was one.
pub const COVERED_BY: &[(&str, &str)] = &[("Containers", "reduceContainers")];

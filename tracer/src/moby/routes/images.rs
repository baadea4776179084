//! Routes of images.

use super::Conversion::{Bool, NotBool, Opaque, Text};
use super::Source::{Daemon, Filters, Headers, Path, Query, Since};
use super::{Added, Addition, IMAGES, PRUNE, Route, Source, from, route, to, with};

/// Up to 28 below API 1.41, from 29 on below 1.25 and only if the filters have none.
const IMAGE_FILTERS: Source = Filters(
    "filters",
    &[Addition {
        below: (1, 41),
        key: "reference",
        value: Added::Parameter("filter"),
    }],
);

/// All of them that are understood.
pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/images/json",
        &[to(
            IMAGES,
            &[
                ("imageFilters", IMAGE_FILTERS),
                ("all", Query("all", Bool)),
                ("withExtraAttrs", Daemon),
                ("All", Query("all", Bool)),
                ("Filters", IMAGE_FILTERS),
                ("SharedSize", Since("shared-size", Bool, with((1, 42)))),
                ("ContainerCount", Daemon),
                ("Manifests", Since("manifests", Bool, with((1, 47)))),
                ("Identity", Since("identity", Bool, with((1, 54)))),
            ],
        )],
        &["only_ids", "digests"],
    ),
    route(
        "GET",
        "/images/{name}/json",
        &[to(
            &[
                "(*ImageService).LookupImage",
                "(*ImageService).GetImage",
                "(*ImageService).ImageInspect",
            ],
            &[
                ("name", Path),
                ("refOrID", Path),
                ("Details", Daemon),
                ("Manifests", Since("manifests", Bool, with((1, 48)))),
                ("Platform", Since("platform", Opaque, from((1, 49)))),
                ("platform", Since("platform", Opaque, from((1, 49)))),
            ],
        )],
        // it once asked for the image's size
        &["size"],
    ),
    route(
        "DELETE",
        "/images/{name}",
        &[to(
            &["(*ImageService).ImageDelete"],
            &[
                ("imageRef", Path),
                ("force", Query("force", Bool)),
                ("prune", Query("noprune", NotBool)),
                ("Force", Query("force", Bool)),
                ("PruneChildren", Query("noprune", NotBool)),
                ("Platforms", Since("platforms", Opaque, with((1, 50)))),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/images/create",
        &[to(
            &["(*ImageService).PullImage"],
            &[
                ("image", Query("fromImage", Text)),
                ("tag", Query("tag", Text)),
                ("platform", Since("platform", Opaque, from((1, 32)))),
                ("metaHeaders", Headers),
                ("authConfig", Headers),
            ],
        )],
        &["fromSrc", "repo", "message", "changes", "clientAuth"],
    ),
    route(
        "POST",
        "/images/{name}/push",
        &[to(
            &["(*ImageService).PushImage"],
            &[
                ("image", Path),
                ("tag", Query("tag", Text)),
                ("platform", Since("platform", Opaque, from((1, 46)))),
                ("metaHeaders", Headers),
                ("authConfig", Headers),
            ],
        )],
        &["clientAuth"],
    ),
    route(
        "POST",
        "/images/prune",
        &[to(
            &["(*ImageService).ImagesPrune", "(*ImageService).ImagePrune"],
            PRUNE,
        )],
        &[],
    ),
];

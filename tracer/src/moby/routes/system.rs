//! Routes of the system: information, disk usage, events, build cache, registry login.

use super::Conversion::{Bool, Holds, Int, RaisedBool, Timestamp};
use super::Source::{Body, Daemon, Query, Since};
use super::{FILTERS, IMAGES, LISTS, Route, route, to, with};

/// All of them that are understood.
pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/system/df",
        &[
            to(
                &["(*Daemon).SystemDiskUsage"],
                &[
                    (
                        "Containers",
                        Since("type", Holds("container"), with((1, 42))),
                    ),
                    ("Images", Since("type", Holds("image"), with((1, 42)))),
                    ("Volumes", Since("type", Holds("volume"), with((1, 42)))),
                    ("Verbose", Since("verbose", RaisedBool, with((1, 52)))),
                ],
            ),
            to(
                &[
                    "(*Daemon).containerDiskUsage",
                    "(*Daemon).ContainerDiskUsage",
                    "(*Daemon).imageDiskUsage",
                    "(*Daemon).localVolumesSize",
                ],
                &[("verbose", Since("verbose", RaisedBool, with((1, 52))))],
            ),
            to(
                LISTS,
                &[
                    ("All", Daemon),
                    ("Size", Daemon),
                    ("Limit", Daemon),
                    ("Since", Daemon),
                    ("Before", Daemon),
                    ("Filters", Daemon),
                    ("Quiet", Daemon),
                    ("Latest", Daemon),
                ],
            ),
            to(
                IMAGES,
                &[
                    ("imageFilters", Daemon),
                    ("all", Daemon),
                    ("withExtraAttrs", Daemon),
                    ("All", Daemon),
                    ("Filters", Daemon),
                    ("SharedSize", Daemon),
                    ("ContainerCount", Daemon),
                    ("Manifests", Daemon),
                    ("Identity", Daemon),
                ],
            ),
        ],
        &[],
    ),
    route("GET", "/info", &[to(&["(*Daemon).SystemInfo"], &[])], &[]),
    route(
        "GET",
        "/version",
        &[to(&["(*Daemon).SystemVersion"], &[])],
        &[],
    ),
    route(
        "GET",
        "/events",
        &[to(
            &["(*Daemon).SubscribeToEvents"],
            &[
                ("since", Query("since", Timestamp)),
                ("until", Query("until", Timestamp)),
                ("filter", FILTERS),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/build/prune",
        &[to(
            &["(*Backend).PruneCache"],
            &[
                ("All", Query("all", Bool)),
                ("Filters", FILTERS),
                ("KeepStorage", Query("keep-storage", Int)),
            ],
        )],
        &["reserved-space", "max-used-space", "min-free-space"],
    ),
    route(
        "POST",
        "/auth",
        &[to(&["(*Daemon).AuthenticateToRegistry"], &[("*", Body)])],
        &[],
    ),
];

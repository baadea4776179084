//! Routes of volumes.

use super::Source::{Body, Filters};
use super::{Added, Addition, FILTERS, NAMED, Route, Source, route, to};

/// Before API 1.42 all volumes were pruned, also those with a name; daemons that can tell (from
/// 23.0 on) are told so.
const VOLUME_PRUNE_FILTERS: Source = Filters(
    "filters",
    &[Addition {
        below: (1, 42),
        key: "all",
        value: Added::Constant("true"),
    }],
);

/// All of them that are understood.
pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/volumes",
        &[to(&["(*VolumesService).List"], &[("filter", FILTERS)])],
        &[],
    ),
    route(
        "GET",
        "/volumes/{name}",
        &[to(&["(*VolumesService).Get"], NAMED)],
        &[],
    ),
    route(
        "DELETE",
        "/volumes/{name}",
        &[to(&["(*VolumesService).Remove"], NAMED)],
        &["force"],
    ),
    route(
        "POST",
        "/volumes/prune",
        &[to(
            &["(*VolumesService).Prune"],
            &[
                ("pruneFilters", VOLUME_PRUNE_FILTERS),
                ("filter", VOLUME_PRUNE_FILTERS),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/volumes/create",
        &[to(
            &["(*VolumesService).Create"],
            &[("name", Body), ("driverName", Body), ("options", Body)],
        )],
        &[],
    ),
];

//! Routes of networks.

use super::Conversion::EitherBool;
use super::Source::{AtLeast, Below, Body, Daemon, Path, PathFilter, Query, Resolved};
use super::{Called, FILTERS, NETWORKS, PRUNE, Route, SCOPE, Source, route, to};

/// `GET /networks`; up to API 1.27 with what each network holds.
const LIST_NETWORKS: &[Called] = &[to(
    &["(*Daemon).GetNetworks", "(*Daemon).GetNetworkSummaries"],
    &[
        ("filter", FILTERS),
        ("Detailed", Below((1, 28))),
        ("Verbose", Daemon),
        ("WithServices", Daemon),
        ("WithStatus", Daemon),
    ],
)];
/// Networks are looked up by the daemon's own list.
const FIND_NETWORK: &[(&str, Source)] = &[
    ("filter", PathFilter),
    ("Detailed", Daemon),
    ("Verbose", Daemon),
    ("WithServices", Daemon),
    ("WithStatus", Daemon),
];

/// All of them that are understood.
pub const ROUTES: &[Route] = &[
    route(
        "POST",
        "/networks/create",
        &[to(
            &["(*Daemon).CreateNetwork"],
            &[
                ("Name", Body),
                ("NetworkCreate", Body),
                ("CreateOptions", Body),
                ("CheckDuplicate", Body),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/networks/{id}/connect",
        &[to(
            &["(*Daemon).ConnectContainerToNetwork"],
            &[
                ("networkName", Path),
                ("containerName", Body),
                ("endpointConfig", Body),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/networks/{id}/disconnect",
        &[to(
            &["(*Daemon).DisconnectContainerFromNetwork"],
            &[
                ("networkName", Path),
                ("containerName", Body),
                ("force", Body),
            ],
        )],
        &[],
    ),
    route("GET", "/networks", LIST_NETWORKS, &[]),
    route("GET", "/networks/", LIST_NETWORKS, &[]),
    route(
        "GET",
        "/networks/{id}",
        &[to(
            NETWORKS,
            &[
                ("filter", PathFilter),
                ("Detailed", Daemon),
                ("Verbose", Query("verbose", EitherBool)),
                ("WithServices", Query("verbose", EitherBool)),
                ("WithStatus", AtLeast((1, 52))),
            ],
        )],
        &[SCOPE],
    ),
    route(
        "DELETE",
        "/networks/{id}",
        &[
            to(&["(*Daemon).DeleteNetwork"], &[("networkID", Resolved)]),
            to(NETWORKS, FIND_NETWORK),
        ],
        &[],
    ),
    route(
        "POST",
        "/networks/prune",
        &[to(
            &["(*Daemon).NetworksPrune", "(*Daemon).NetworkPrune"],
            PRUNE,
        )],
        &[],
    ),
];

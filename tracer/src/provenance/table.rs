//! Which parameter of which route becomes which option of which function. From the handlers of moby v20.10 to v29
//! (api/server/router, daemon/server/router); a route, function or option that is not here is not understood. All parameters of each
//! route's handlers are here, in every release: what is not, no handler of these releases reads.

use super::routes::Conversion::{
    Bool, Condition, EitherBool, Holds, Int, Moment, NotBool, Opaque, RaisedBool, Signal, Text,
    Timestamp,
};
use super::routes::Source::{
    ApiVersion, AtLeast, Below, Body, BodyBelow, Daemon, Filters, Headers, Path, PathFilter, Query,
    Resolved, Since,
};
use super::routes::{Added, Addition, Called, Gate, Route, SCOPE, Source, Version};

/// From this API version on; moby got the option with it.
const fn with(since: Version) -> Gate {
    Gate {
        since,
        with_option: true,
    }
}

/// From this API version on; daemons that have the option may be older.
const fn from(since: Version) -> Gate {
    Gate {
        since,
        with_option: false,
    }
}

const FILTERS: Source = Filters("filters", &[]);
/// Up to 28 below API 1.41, from 29 on below 1.25 and only if the filters have none.
const IMAGE_FILTERS: Source = Filters(
    "filters",
    &[Addition {
        below: (1, 41),
        key: "reference",
        value: Added::Parameter("filter"),
    }],
);
/// Before API 1.42 all volumes were pruned, also those with a name; daemons that can tell (from 23.0 on) are told so.
const VOLUME_PRUNE_FILTERS: Source = Filters(
    "filters",
    &[Addition {
        below: (1, 42),
        key: "all",
        value: Added::Constant("true"),
    }],
);

const LISTS: &[&str] = &[
    "(*Daemon).Containers",
    "(*Daemon).reduceContainers",
    "(*Daemon).foldFilter",
];
const IMAGES: &[&str] = &["(*ImageService).Images"];
const NETWORKS: &[&str] = &["(*Daemon).GetNetworks"];
const NAMED: &[(&str, Source)] = &[("name", Path)];
const STOP: &[(&str, Source)] = &[
    ("name", Path),
    ("timeout", Query("t", Int)),
    ("seconds", Query("t", Int)),
    ("Timeout", Query("t", Int)),
    ("Signal", Since("signal", Text, with((1, 42)))),
];
const PRUNE: &[(&str, Source)] = &[("pruneFilters", FILTERS), ("filter", FILTERS)];
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

const fn route(
    method: &'static str,
    path: &'static str,
    called: &'static [Called],
    besides: &'static [&'static str],
) -> Route {
    Route {
        method,
        path,
        called,
        besides,
    }
}

const fn to(
    functions: &'static [&'static str],
    options: &'static [(&'static str, Source)],
) -> Called {
    Called { functions, options }
}

/// All routes that are understood.
pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/containers/json",
        &[to(
            LISTS,
            &[
                ("All", Query("all", Bool)),
                ("Size", Query("size", Bool)),
                ("Limit", Query("limit", Int)),
                ("Since", Query("since", Text)),
                ("Before", Query("before", Text)),
                ("Filters", FILTERS),
                ("Quiet", Daemon),
                ("Latest", Daemon),
            ],
        )],
        // docker-py
        &["trunc_cmd"],
    ),
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
    route(
        "GET",
        "/containers/{name}/json",
        &[to(
            &["(*Daemon).ContainerInspect"],
            &[
                ("name", Path),
                ("size", Query("size", Bool)),
                ("Size", Query("size", Bool)),
                ("version", ApiVersion),
            ],
        )],
        &[],
    ),
    route(
        "GET",
        "/containers/{name}/logs",
        &[to(
            &["(*Daemon).ContainerLogs"],
            &[
                ("containerName", Path),
                ("ShowStdout", Query("stdout", Bool)),
                ("ShowStderr", Query("stderr", Bool)),
                ("Follow", Query("follow", Bool)),
                ("Timestamps", Query("timestamps", Bool)),
                ("Details", Query("details", Bool)),
                ("Since", Query("since", Moment)),
                ("Until", Query("until", Moment)),
                ("Tail", Query("tail", Text)),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/create",
        &[to(
            &["(*Daemon).ContainerCreate"],
            &[
                ("Name", Query("name", Text)),
                ("Config", Body),
                ("HostConfig", Body),
                ("NetworkingConfig", Body),
                ("Platform", Since("platform", Opaque, with((1, 41)))),
                ("AdjustCPUShares", Below((1, 19))),
                ("DefaultReadOnlyNonRecursive", Below((1, 44))),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/start",
        &[to(
            &["(*Daemon).ContainerStart"],
            &[
                ("name", Path),
                ("hostConfig", BodyBelow((1, 24))),
                ("checkpoint", Query("checkpoint", Text)),
                ("checkpointDir", Query("checkpoint-dir", Text)),
            ],
        )],
        &["detachKeys"],
    ),
    route(
        "POST",
        "/containers/{name}/stop",
        &[to(&["(*Daemon).ContainerStop"], STOP)],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/restart",
        &[to(&["(*Daemon).ContainerRestart"], STOP)],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/kill",
        &[to(
            &["(*Daemon).ContainerKill"],
            &[
                ("name", Path),
                ("stopSignal", Query("signal", Text)),
                ("sig", Query("signal", Signal)),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/pause",
        &[to(&["(*Daemon).ContainerPause"], NAMED)],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/unpause",
        &[to(&["(*Daemon).ContainerUnpause"], NAMED)],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/wait",
        &[to(
            &["(*Daemon).ContainerWait"],
            &[
                ("name", Path),
                ("condition", Since("condition", Condition, from((1, 30)))),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/rename",
        &[to(
            &["(*Daemon).ContainerRename"],
            &[("oldName", Path), ("newName", Query("name", Text))],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/update",
        &[to(
            &["(*Daemon).ContainerUpdate"],
            &[("name", Path), ("hostConfig", Body)],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/exec",
        &[to(
            &["(*Daemon).ContainerExecCreate"],
            &[("name", Path), ("*", Body)],
        )],
        &[],
    ),
    route(
        "POST",
        "/exec/{id}/start",
        &[to(
            &["(*Daemon).ContainerExecStart"],
            &[("name", Path), ("ConsoleSize", Body)],
        )],
        &[],
    ),
    route(
        "DELETE",
        "/containers/{name}",
        &[to(
            &["(*Daemon).ContainerRm", "(*Daemon).containerRm"],
            &[
                ("name", Path),
                ("ForceRemove", Query("force", Bool)),
                ("RemoveVolume", Query("v", Bool)),
                ("RemoveLink", Query("link", Bool)),
            ],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/prune",
        &[
            to(
                &["(*Daemon).ContainersPrune", "(*Daemon).ContainerPrune"],
                PRUNE,
            ),
            to(
                &["(*Daemon).containerRm"],
                &[
                    ("ForceRemove", Daemon),
                    ("RemoveVolume", Daemon),
                    ("RemoveLink", Daemon),
                ],
            ),
        ],
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
        "/containers/{name}/attach",
        &[to(
            &["(*Daemon).ContainerAttach"],
            &[
                ("prefixOrName", Path),
                ("UseStdin", Query("stdin", Bool)),
                ("UseStdout", Query("stdout", Bool)),
                ("UseStderr", Query("stderr", Bool)),
                ("Logs", Query("logs", Bool)),
                ("Stream", Query("stream", Bool)),
                ("DetachKeys", Query("detachKeys", Text)),
                ("MuxStreams", Daemon),
            ],
        )],
        &[],
    ),
    route(
        "GET",
        "/containers/{name}/stats",
        &[to(
            &["(*Daemon).ContainerStats"],
            &[
                ("prefixOrName", Path),
                ("Stream", Query("stream", Bool)),
                ("OneShot", Since("one-shot", Bool, with((1, 41)))),
                ("Version", ApiVersion),
            ],
        )],
        &[],
    ),
    route(
        "GET",
        "/containers/{name}/top",
        &[to(
            &["(*Daemon).ContainerTop"],
            &[("name", Path), ("psArgs", Query("ps_args", Text))],
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

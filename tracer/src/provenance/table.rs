//! Which parameter of which route becomes which option of which function. From the handlers of moby v20.10 to v29
//! (api/server/router, daemon/server/router); a route, function or option that is not here is not understood.

use super::routes::Conversion::{
    Bool, Filters, Holds, Int, NotBool, Opaque, Signal, StrictBool, Text, Timestamp,
};
use super::routes::Source::{ApiVersion, Daemon, Elsewhere, Path, PathFilter, Query, Since};
use super::routes::{Called, Route, Source};

const BODY: Source = Elsewhere("it comes from the request's body, which is not captured");
const HEADERS: Source = Elsewhere("it comes from the request's headers");
const BY_VERSION: Source = Elsewhere("the handler chooses it by the API version");

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
    ("Signal", Since("signal", Text, (1, 42))),
];
const PRUNE: &[(&str, Source)] = &[
    ("pruneFilters", Query("filters", Filters)),
    ("filter", Query("filters", Filters)),
];
/// Networks are looked up by the daemon's own list.
const FIND_NETWORK: &[(&str, Source)] = &[
    ("filter", PathFilter),
    ("Detailed", Daemon),
    ("Verbose", Daemon),
    ("WithServices", Daemon),
    ("WithStatus", BY_VERSION),
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
                ("Filters", Query("filters", Filters)),
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
                    ("Containers", Since("type", Holds("container"), (1, 42))),
                    ("Images", Since("type", Holds("image"), (1, 42))),
                    ("Volumes", Since("type", Holds("volume"), (1, 42))),
                    ("Verbose", Since("verbose", StrictBool, (1, 52))),
                ],
            ),
            to(
                &[
                    "(*Daemon).containerDiskUsage",
                    "(*Daemon).ContainerDiskUsage",
                    "(*Daemon).imageDiskUsage",
                    "(*Daemon).localVolumesSize",
                ],
                &[("verbose", Since("verbose", StrictBool, (1, 52)))],
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
                ("imageFilters", Query("filters", Filters)),
                ("all", Query("all", Bool)),
                ("withExtraAttrs", Daemon),
                ("All", Query("all", Bool)),
                ("Filters", Query("filters", Filters)),
                ("SharedSize", Since("shared-size", Bool, (1, 42))),
                ("ContainerCount", Daemon),
                ("Manifests", Since("manifests", Bool, (1, 47))),
                ("Identity", Since("identity", Bool, (1, 54))),
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
                ("Manifests", Since("manifests", Bool, (1, 48))),
                ("Platform", Since("platform", Opaque, (1, 49))),
                ("platform", Since("platform", Opaque, (1, 49))),
                ("Identity", BY_VERSION),
            ],
        )],
        &[],
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
                ("Platforms", Since("platforms", Opaque, (1, 50))),
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
                ("platform", Query("platform", Opaque)),
                ("metaHeaders", HEADERS),
                ("authConfig", HEADERS),
            ],
        )],
        &["fromSrc", "repo", "message", "changes"],
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
        &[to(
            &["(*VolumesService).List"],
            &[("filter", Query("filters", Filters))],
        )],
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
        &[to(&["(*VolumesService).Prune"], PRUNE)],
        &[],
    ),
    route(
        "POST",
        "/volumes/create",
        &[to(
            &["(*VolumesService).Create"],
            &[("name", BODY), ("driverName", BODY), ("options", BODY)],
        )],
        &[],
    ),
    route(
        "POST",
        "/networks/create",
        &[to(
            &["(*Daemon).CreateNetwork"],
            &[
                ("Name", BODY),
                ("NetworkCreate", BODY),
                ("CreateOptions", BODY),
                ("CheckDuplicate", BODY),
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
                ("containerName", BODY),
                ("endpointConfig", BODY),
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
                ("containerName", BODY),
                ("force", BODY),
            ],
        )],
        &[],
    ),
    route(
        "GET",
        "/networks",
        &[to(
            NETWORKS,
            &[
                ("filter", Query("filters", Filters)),
                ("Detailed", BY_VERSION),
                ("Verbose", Daemon),
                ("WithServices", Daemon),
                ("WithStatus", BY_VERSION),
            ],
        )],
        &[],
    ),
    route(
        "GET",
        "/networks/{id}",
        &[to(
            NETWORKS,
            &[
                ("filter", PathFilter),
                ("Detailed", Daemon),
                ("Verbose", Query("verbose", StrictBool)),
                ("WithServices", Query("verbose", StrictBool)),
                ("WithStatus", BY_VERSION),
            ],
        )],
        &["scope"],
    ),
    route(
        "DELETE",
        "/networks/{id}",
        &[
            to(&["(*Daemon).DeleteNetwork"], &[("networkID", Path)]),
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
                ("Since", Query("since", Text)),
                ("Until", Query("until", Text)),
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
                ("Config", BODY),
                ("HostConfig", BODY),
                ("NetworkingConfig", BODY),
                ("Platform", Query("platform", Opaque)),
                ("AdjustCPUShares", BY_VERSION),
                ("DefaultReadOnlyNonRecursive", BY_VERSION),
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
                ("hostConfig", BODY),
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
            &[("name", Path), ("condition", Query("condition", Text))],
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
            &[("name", Path), ("hostConfig", BODY)],
        )],
        &[],
    ),
    route(
        "POST",
        "/containers/{name}/exec",
        &[to(&["(*Daemon).ContainerExecCreate"], NAMED)],
        &[],
    ),
    route(
        "POST",
        "/exec/{id}/start",
        &[to(&["(*Daemon).ContainerExecStart"], NAMED)],
        &[],
    ),
    route(
        "DELETE",
        "/containers/{name}",
        &[to(
            &["(*Daemon).ContainerRm"],
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
        &[to(
            &["(*Daemon).ContainersPrune", "(*Daemon).ContainerPrune"],
            PRUNE,
        )],
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
                ("filter", Query("filters", Filters)),
            ],
        )],
        &[],
    ),
];

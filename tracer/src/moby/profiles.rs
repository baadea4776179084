//! Named sets of functions, each for one question.
//!
//! **A new docker release:** the new name of a function joins the old ones, behind a `|`; a
//! function that a release no longer has says which one does its work there (`seen_by`); a function
//! that is new joins the profile of its subject.

/// One function of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Names of it in different releases are separated by `|`.
    pub pattern: &'static str,
    /// Pattern of a function of the same profile that does its work in releases that lack it: then
    /// nothing is lost.
    pub seen_by: Option<&'static str>,
}

const fn all(pattern: &'static str) -> Wanted {
    Wanted {
        pattern,
        seen_by: None,
    }
}

/// A function of some releases; in others `seen_by` does its work.
const fn some(pattern: &'static str, seen_by: &'static str) -> Wanted {
    Wanted {
        pattern,
        seen_by: Some(seen_by),
    }
}

/// Folded into `Containers` in 25.0.
const REDUCE_CONTAINERS: Wanted = some(
    "/daemon.(*Daemon).reduceContainers",
    "/daemon.(*Daemon).Containers",
);
/// Exported in 22.06 and 23.0; up to 20.10 there is one function for all of disk usage.
const CONTAINER_DISK_USAGE: Wanted = some(
    "/daemon.(*Daemon).containerDiskUsage|/daemon.(*Daemon).ContainerDiskUsage",
    "/daemon.(*Daemon).SystemDiskUsage",
);
const GET_IMAGE: &str =
    "/daemon/images.(*ImageService).GetImage|/daemon/images.(*ImageService).LookupImage";
const PRUNE_IMAGES: &str =
    "/daemon/images.(*ImageService).ImagesPrune|/daemon/images.(*ImageService).ImagePrune";

/// A named set of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: &'static str,
    /// The question that it answers.
    pub purpose: &'static str,
    pub functions: &'static [Wanted],
    /// It is asked how much of its time goes into the sizes of layers
    /// ([`super::functions::LAYER_SIZES`]).
    pub layers: bool,
}

/// The one that is traced where none is named.
pub const DEFAULT: &str = "list";
/// The one that is made of parts of others.
pub const MADE_OF_OTHERS: &str = "compare";

/// All profiles. Receivers are spelled so that every import path of moby fits.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "list",
        purpose: "which options list and disk-usage requests really use",
        layers: true,
        functions: &[
            all("/daemon.(*Daemon).Containers"),
            REDUCE_CONTAINERS,
            CONTAINER_DISK_USAGE,
            all("/daemon.(*Daemon).SystemDiskUsage"),
        ],
    },
    Profile {
        name: "compare",
        purpose: "what `compare` traces: everything that lists or prunes",
        layers: true,
        functions: &[
            all("/daemon.(*Daemon).Containers"),
            REDUCE_CONTAINERS,
            CONTAINER_DISK_USAGE,
            all("/daemon.(*Daemon).SystemDiskUsage"),
            all("/daemon/images.(*ImageService).Images|/daemon/containerd.(*ImageService).Images"),
            all("/volume/service.(*VolumesService).List"),
            all("/daemon.(*Daemon).GetNetworks|/daemon.(*Daemon).GetNetworkSummaries"),
            all("/daemon.(*Daemon).ContainersPrune|/daemon.(*Daemon).ContainerPrune"),
            all(
                "/daemon/images.(*ImageService).ImagesPrune|/daemon/images.(*ImageService).ImagePrune\
             |/daemon/containerd.(*ImageService).ImagesPrune\
             |/daemon/containerd.(*ImageService).ImagePrune",
            ),
            all("/volume/service.(*VolumesService).Prune"),
            all("/daemon.(*Daemon).NetworksPrune|/daemon.(*Daemon).NetworkPrune"),
        ],
    },
    Profile {
        name: "containers",
        purpose: "life of a container: create, start, stop, exec, remove, stats, healthchecks",
        layers: false,
        functions: &[
            all("/daemon.(*Daemon).ContainerCreate"),
            all("/daemon.(*Daemon).ContainerStart"),
            all("/daemon.(*Daemon).ContainerStop"),
            all("/daemon.(*Daemon).ContainerRestart"),
            all("/daemon.(*Daemon).ContainerKill"),
            all("/daemon.(*Daemon).ContainerPause"),
            all("/daemon.(*Daemon).ContainerUnpause"),
            all("/daemon.(*Daemon).ContainerRename"),
            all("/daemon.(*Daemon).ContainerUpdate"),
            all("/daemon.(*Daemon).ContainerWait"),
            all("/daemon.(*Daemon).ContainerRm"),
            // what auto-remove and prune call, from 25.0 on; before, they call the exported one
            some(
                "/daemon.(*Daemon).containerRm",
                "/daemon.(*Daemon).ContainerRm",
            ),
            all("/daemon.(*Daemon).ContainerInspect"),
            all("/daemon.(*Daemon).ContainerLogs"),
            all("/daemon.(*Daemon).ContainerAttach"),
            all("/daemon.(*Daemon).ContainerExecCreate"),
            all("/daemon.(*Daemon).ContainerExecStart"),
            all("/daemon.(*Daemon).ContainersPrune|/daemon.(*Daemon).ContainerPrune"),
            all("/daemon.(*Daemon).ContainerStats"),
            all("/daemon.(*Daemon).ContainerTop"),
            // healthchecks
            all("/daemon.(*cmdProbe).run"),
        ],
    },
    Profile {
        name: "images",
        purpose: "pull, push, list and remove, in both image services",
        layers: false,
        functions: &[
            all("/daemon/images.(*ImageService).PullImage"),
            all("/daemon/images.(*ImageService).PushImage"),
            all("/daemon/images.(*ImageService).Images"),
            all("/daemon/images.(*ImageService).ImageDelete"),
            all(GET_IMAGE),
            some("/daemon/images.(*ImageService).ImageInspect", GET_IMAGE),
            all(PRUNE_IMAGES),
            // the second service came in 24.0
            some(
                "/daemon/containerd.(*ImageService).PullImage",
                "/daemon/images.(*ImageService).PullImage",
            ),
            some(
                "/daemon/containerd.(*ImageService).PushImage",
                "/daemon/images.(*ImageService).PushImage",
            ),
            some(
                "/daemon/containerd.(*ImageService).Images",
                "/daemon/images.(*ImageService).Images",
            ),
            some(
                "/daemon/containerd.(*ImageService).ImageDelete",
                "/daemon/images.(*ImageService).ImageDelete",
            ),
            some("/daemon/containerd.(*ImageService).GetImage", GET_IMAGE),
            some("/daemon/containerd.(*ImageService).ImageInspect", GET_IMAGE),
            some(
                "/daemon/containerd.(*ImageService).ImagesPrune|/daemon/containerd.(*ImageService).ImagePrune",
                PRUNE_IMAGES,
            ),
        ],
    },
    Profile {
        name: "volumes",
        purpose: "list, create, remove and prune volumes",
        layers: false,
        functions: &[
            all("/volume/service.(*VolumesService).List"),
            all("/volume/service.(*VolumesService).Create"),
            all("/volume/service.(*VolumesService).Get"),
            all("/volume/service.(*VolumesService).Remove"),
            all("/volume/service.(*VolumesService).Prune"),
        ],
    },
    Profile {
        name: "networks",
        purpose: "list, create, connect and remove networks",
        layers: false,
        functions: &[
            all("/daemon.(*Daemon).GetNetworks"),
            // lists, from 29.0 on
            some(
                "/daemon.(*Daemon).GetNetworkSummaries",
                "/daemon.(*Daemon).GetNetworks",
            ),
            all("/daemon.(*Daemon).CreateNetwork"),
            all("/daemon.(*Daemon).DeleteNetwork"),
            all("/daemon.(*Daemon).ConnectContainerToNetwork"),
            all("/daemon.(*Daemon).DisconnectContainerFromNetwork"),
            all("/daemon.(*Daemon).NetworksPrune|/daemon.(*Daemon).NetworkPrune"),
        ],
    },
    Profile {
        name: "system",
        purpose: "info, version, events, disk usage, build cache, registry login",
        layers: true,
        functions: &[
            all("/daemon.(*Daemon).SystemInfo"),
            all("/daemon.(*Daemon).SystemVersion"),
            all("/daemon.(*Daemon).SubscribeToEvents"),
            all("/daemon.(*Daemon).SystemDiskUsage"),
            all("/daemon.(*Daemon).AuthenticateToRegistry"),
            all("(*Backend).PruneCache"),
        ],
    },
    Profile {
        name: "http",
        purpose: "the API's handlers of containers and system",
        layers: false,
        functions: &[
            all("/router/container.(*containerRouter).getContainersJSON"),
            all("/router/container.(*containerRouter).getContainersByName"),
            all("/router/container.(*containerRouter).getContainersLogs"),
            all("/router/container.(*containerRouter).postContainersCreate"),
            all("/router/container.(*containerRouter).postContainersStart"),
            all("/router/container.(*containerRouter).postContainersStop"),
            all("/router/container.(*containerRouter).postContainersKill"),
            all("/router/container.(*containerRouter).postContainersWait"),
            all("/router/container.(*containerRouter).postContainersPrune"),
            all("/router/container.(*containerRouter).deleteContainers"),
            all("/router/system.(*systemRouter).getInfo"),
            all("/router/system.(*systemRouter).getEvents"),
            all("/router/system.(*systemRouter).getDiskUsage"),
        ],
    },
];

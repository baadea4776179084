//! Routes of containers and of what is executed in them.

use super::Conversion::{Bool, Condition, Int, Moment, Opaque, Signal, Text};
use super::Source::{ApiVersion, Below, Body, BodyBelow, Daemon, Path, Query, Since};
use super::{FILTERS, LISTS, NAMED, PRUNE, Route, Source, from, route, to, with};

const STOP: &[(&str, Source)] = &[
    ("name", Path),
    ("timeout", Query("t", Int)),
    ("seconds", Query("t", Int)),
    ("Timeout", Query("t", Int)),
    ("Signal", Since("signal", Text, with((1, 42)))),
];

/// All of them that are understood.
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
        "/containers/{name}/attach/ws",
        &[to(
            &["(*Daemon).ContainerAttach"],
            &[
                ("prefixOrName", Path),
                ("Logs", Query("logs", Bool)),
                ("Stream", Query("stream", Bool)),
                ("DetachKeys", Query("detachKeys", Text)),
                ("MuxStreams", Daemon),
            ],
        )],
        // below API 1.42 all streams are used, whatever these say
        &["stdin", "stdout", "stderr"],
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
];

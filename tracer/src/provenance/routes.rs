//! Which parameter of which route becomes which option of which function. From the handlers of moby v20.10 to v29
//! (api/server/router, daemon/server/router); a route, function or option that is not here is not understood.

/// How a parameter becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// `httputils.BoolValue`
    Bool,
    NotBool,
    /// `strconv.ParseBool`
    StrictBool,
    /// `strconv.Atoi`; empty is as if absent.
    Int,
    Text,
    /// Whether this is among the values.
    Holds(&'static str),
    /// `filters.FromJSON`
    Filters,
    /// `timestamp.ParseTimestamps`
    Timestamp,
    /// `signal.ParseSignal`, to its number on Linux.
    Signal,
    /// In a way that is not known here.
    Opaque,
}

/// Where an option's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Query(&'static str, Conversion),
    /// From this API version on; requests of older ones are handled as if the parameter were absent.
    Since(&'static str, Conversion, (u32, u32)),
    /// What stands in the path for the braces of the template.
    Path,
    /// A filter `id` or `idOrName` for what stands in the path.
    PathFilter,
    /// The API version in the path.
    ApiVersion,
    /// From no parameter of the request: whatever it is, a function of the daemon made it.
    Daemon,
    /// From something that is not captured.
    Elsewhere(&'static str),
}

/// Functions that get the same options on a route. Those of one row hand them on to each other.
#[derive(Debug)]
pub struct Called {
    pub functions: &'static [&'static str],
    pub options: &'static [(&'static str, Source)],
}

#[derive(Debug)]
pub struct Route {
    pub method: &'static str,
    /// Without the API version; at most one `{…}`.
    pub path: &'static str,
    pub called: &'static [Called],
    /// Further parameters that clients send and handlers ignore, or use for nothing that is in `called`.
    pub besides: &'static [&'static str],
}

use Conversion::{Bool, Filters, Holds, Int, NotBool, Opaque, Signal, StrictBool, Text, Timestamp};
use Source::{ApiVersion, Daemon, Elsewhere, Path, PathFilter, Query, Since};

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
        &[],
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

/// The path without a leading API version such as `/v1.41`.
pub fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v") else {
        return path;
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (version, rest) = rest.split_at(end);
    let is_version = version
        .split_once('.')
        .is_some_and(|(a, b)| [a, b].iter().all(|n| number(n).is_some()));
    if is_version { rest } else { path }
}

/// `1.41`
pub fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((number(major)?, number(minor)?))
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

impl Route {
    /// The route of a request, and what stands in its path for the braces. More than one that could be meant is none.
    pub fn of(method: &str, path: &str) -> Option<(&'static Self, String)> {
        let path = without_version(path);
        let of_method = || ROUTES.iter().filter(|r| r.method == method);
        // a route in full comes before templates that fit as well
        if let Some(route) = of_method().find(|r| r.path == path) {
            return Some((route, String::new()));
        }
        let mut fitting = of_method().filter_map(|r| Some((r, r.name_in(path)?.to_owned())));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    /// What stands for the braces; empty if there are none.
    fn name_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, rest)) = self.path.split_once('{') else {
            return (path == self.path).then_some("");
        };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let name = path.strip_prefix(before)?.strip_suffix(after)?;
        (!name.is_empty()).then_some(name)
    }

    /// The row for a function, by the end of its symbol.
    pub fn called(&self, symbol: &str) -> Option<&'static Called> {
        self.called
            .iter()
            .find(|c| c.functions.iter().any(|f| names(f, symbol)))
    }

    /// Whether anything is known of this parameter.
    pub fn knows(&self, parameter: &str) -> bool {
        self.besides.contains(&parameter)
            || self
                .called
                .iter()
                .flat_map(|c| c.options)
                .any(|(_, source)| match source {
                    Query(name, _) | Since(name, _, _) => *name == parameter,
                    _ => false,
                })
    }
}

/// Whether a function of the table is the one with this symbol.
pub fn names(function: &str, symbol: &str) -> bool {
    symbol
        .strip_suffix(function)
        .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Option<(&'static str, String)> {
        Route::of(method, path).map(|(route, name)| (route.path, name))
    }

    #[test]
    fn routes_of_requests() {
        let check = |method, path, route: &'static str, name: &str| {
            assert_eq!(
                found(method, path),
                Some((route, name.to_owned())),
                "{path}"
            );
        };
        check("GET", "/v1.41/containers/json", "/containers/json", "");
        check("GET", "/containers/json", "/containers/json", "");
        check(
            "GET",
            "/v1.41/containers/c1/json",
            "/containers/{name}/json",
            "c1",
        );
        check("GET", "/images/a/b:c/json", "/images/{name}/json", "a/b:c");
        check("GET", "/v1.24/images/json", "/images/json", "");
        check("GET", "/volumes", "/volumes", "");
        check("POST", "/v1.50/containers/prune", "/containers/prune", "");
        check("POST", "/networks/prune", "/networks/prune", "");
        for (method, path) in [
            ("POST", "/containers/json"),
            ("GET", "/containers/json/"),
            ("GET", "/v1/containers/json"),
            ("GET", "/v1.x/containers/json"),
            ("GET", "/vcontainers/json"),
            ("GET", "/containers//json"),
            ("GET", "/info"),
            ("GET", ""),
        ] {
            assert_eq!(found(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn versions() {
        assert_eq!(version("1.41"), Some((1, 41)));
        assert_eq!(version("1"), None);
        assert_eq!(version("1.+4"), None);
        assert!(version("1.9") < version("1.42"));
    }

    #[test]
    fn functions_are_known_by_receiver_and_name() {
        let (route, _) = Route::of("GET", "/containers/json").expect("route");
        let symbol = "github.com/docker/docker/daemon.(*Daemon).reduceContainers";
        assert!(route.called(symbol).is_some());
        assert!(route.called("x/daemon.(*Other).Containers").is_none());
        assert!(route.called("x/daemon.(*Daemon).refreshImage").is_none());
        assert!(route.knows("all") && route.knows("trunc_cmd") && !route.knows("al"));
    }

    #[test]
    fn the_table_is_consistent() {
        let mut seen = std::collections::BTreeSet::new();
        for route in ROUTES {
            assert!(
                seen.insert((route.method, route.path)),
                "{} twice",
                route.path
            );
            for called in route.called {
                let mut options = std::collections::BTreeSet::new();
                for (option, source) in called.options {
                    assert!(options.insert(option), "{}: {option} twice", route.path);
                    let braces = route.path.contains('{');
                    assert!(
                        braces || !matches!(source, Path | PathFilter),
                        "{}",
                        route.path
                    );
                }
            }
        }
    }
}

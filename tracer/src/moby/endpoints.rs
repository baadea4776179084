//! How paths of the API are made, and endpoints with a meaning of their own.
//!
//! **A new docker release:** a new path goes to the table of its kind.

/// Segments below a collection that are no ids when they stand alone (moby's routers, 19.03 to 29).
pub const ACTIONS: &[(&str, &[&str])] = &[
    ("containers", &["create", "json", "prune"]),
    (
        "images",
        &["create", "get", "json", "load", "prune", "search"],
    ),
    ("networks", &["create", "prune"]),
    ("volumes", &["create", "prune"]),
    ("exec", &[]),
    ("services", &["create"]),
    ("tasks", &[]),
    ("nodes", &[]),
    ("secrets", &["create"]),
    ("configs", &["create"]),
    ("plugins", &["create", "privileges", "pull"]),
    ("distribution", &[]),
];
/// Collections whose names may hold slashes: what they are asked for stands last.
pub const SLASHED: &[(&str, &[&str])] = &[
    (
        "images",
        &["attestations", "get", "history", "json", "push", "tag"],
    ),
    (
        "plugins",
        &["disable", "enable", "json", "push", "set", "upgrade"],
    ),
    ("distribution", &["json"]),
];
/// Other paths that are whole endpoints.
pub const WHOLE: &[&[&str]] = &[
    &[],
    &["_ping"],
    &["auth"],
    &["build"],
    &["build", "cancel"],
    &["build", "prune"],
    &["commit"],
    &["events"],
    &["grpc"],
    &["info"],
    &["session"],
    &["swarm"],
    &["swarm", "init"],
    &["swarm", "join"],
    &["swarm", "leave"],
    &["swarm", "unlock"],
    &["swarm", "unlockkey"],
    &["swarm", "update"],
    &["system", "df"],
    &["version"],
];
/// Lists containers.
pub const LIST: &str = "GET /containers/json";
/// Adds up what is stored; finds the sizes of all layers.
pub const DISK_USAGE: &str = "GET /system/df";
/// Those that list containers.
pub const CONTAINER_LISTS: &[&str] = &[LIST, DISK_USAGE];
/// Says which release the daemon is, in the field [`VERSION_FIELD`].
pub const VERSION: &str = "/version";
pub const VERSION_FIELD: &str = "Version";
/// End of the path that clients ask first, to learn the API version.
pub const PING: &str = "/_ping";

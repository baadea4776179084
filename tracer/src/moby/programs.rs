//! The programs: the daemon's, and the `docker` command.
//!
//! **A new docker release:** a command that asks for one route only, always, goes to [`COMMANDS`].

/// Name of the daemon's program; packagers put something behind it (`dockerd-ce`, `dockerd.real`).
pub const DAEMON: &str = "dockerd";
/// End of the usual path of its socket.
pub const SOCKET: &str = "/docker.sock";
/// Name of the client's program.
pub const CLIENT: &str = "docker";
/// How the client's User-Agent begins.
pub const CLIENT_AGENT: &str = "Docker-Client/";

/// First words of commands, flags left out, and the path that each asks for.
pub const COMMANDS: &[(&[&str], &str)] = &[
    (&["ps"], "/containers/json"),
    (&["container", "ls"], "/containers/json"),
    (&["container", "list"], "/containers/json"),
    (&["container", "ps"], "/containers/json"),
    (&["system", "df"], "/system/df"),
];

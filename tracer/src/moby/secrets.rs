//! Where docker keeps secrets that no general rule finds, and names of its own that look like
//! secrets and are none.
//!
//! **A new docker release:** a new field, parameter or header with a secret in it goes to the table
//! of its kind; `docs/secrets.md` shows them.

/// What of a value is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    Nothing,
    All,
    /// Strings of the form `NAME=value`: what follows `=`.
    Variables,
}

/// Parts of names that say secret, letter case and punctuation aside: among them those of the keys
/// that moby itself masks (`password`, `secret`, `jointoken`, `unlockkey`, `signingcakey`:
/// daemon/server/middleware/debug.go) and that no word of ordinary language covers.
pub const NAME_PARTS: &[&str] = &[
    "unlockkey",
    "signingcakey",
    "registryauth",
    "swmtkn",
    "swmkey",
];
/// Names that hold a part that says secret and are none: references to swarm secrets, names of
/// plugins.
pub const HARMLESS: &[&str] = &[
    "SecretID",
    "SecretName",
    "Secrets",
    "SecretReferences",
    "AuthorizationPlugins",
];
/// Beginnings of names of headers that the API itself fills with secrets, in maps that are no
/// `http.Header`.
pub const HEADERS: &[&str] = &["x-meta-", "x-registry-"];
/// Headers whose values reach to the end of a line of text.
pub const HEADER_LINES: &[&[u8]] = &[b"x-registry-auth", b"x-registry-config"];
/// How tokens and keys of swarm begin (swarmkit: ca/config.go, manager/encryption).
pub const PREFIXES: &[&[u8]] = &[b"SWMTKN-", b"SWMKEY-"];

/// Fields of a type of that name, in any package.
pub const FIELDS: &[(&str, &str, Hidden)] = &[
    // swarm's secrets and configs
    ("SecretSpec", "Data", Hidden::All),
    ("ConfigSpec", "Data", Hidden::All),
    ("EncryptionKey", "Key", Hidden::All),
    // names of plugins
    ("PluginsInfo", "Authorization", Hidden::Nothing),
];

/// A parameter or result that neither its field nor its type tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// End of the function's name.
    pub function: &'static str,
    pub is_result: bool,
    /// Its type.
    pub ty: &'static str,
    pub hidden: Hidden,
}

/// All of them.
pub const PLACES: &[Place] = &[
    parameter("CreateService", "string", Hidden::All),
    // settings are NAME=value
    parameter("plugin.(*Manager).Set", "[]string", Hidden::Variables),
    parameter("(*pluginRouter).setPlugin", "[]string", Hidden::Variables),
    // user and password
    result(".Basic", "string"),
    result("AuthenticateToRegistry", "string"),
];

const fn parameter(function: &'static str, ty: &'static str, hidden: Hidden) -> Place {
    Place {
        function,
        is_result: false,
        ty,
        hidden,
    }
}

const fn result(function: &'static str, ty: &'static str) -> Place {
    Place {
        is_result: true,
        ..parameter(function, ty, Hidden::All)
    }
}

//! Import paths of moby's own code, and which API versions the daemons of a module speak.
//!
//! **A new docker release:** raise `newest_known`'s number ([`NEWEST_KNOWN`]) once the handlers of
//! its API version were read; a new import path gets a row in [`MODULES`], which closes the one
//! before (its `newest`).

/// Major and minor number of an API version.
pub type Version = (u32, u32);

/// A module that dockerd is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its import path.
    pub path: &'static str,
    /// The API version of its oldest daemon. Below it no daemon of the module is newer.
    pub oldest: Version,
    /// That of its newest daemon; `None`: it is still developed.
    pub newest: Option<Version>,
}

/// All modules, from the oldest on.
pub const MODULES: &[Module] = &[
    // 19.03 to 28.5
    Module {
        path: "github.com/docker/docker",
        oldest: (1, 40),
        newest: Some((1, 51)),
    },
    // from 29.0
    Module {
        path: "github.com/moby/moby/v2",
        oldest: (1, 52),
        newest: None,
    },
];
/// The newest API version whose handlers are known.
pub const NEWEST_KNOWN: Version = (1, 54);

/// Where import paths of moby's own types begin: its modules, and from 29.0 on the module of the
/// API. One that begins another comes behind it.
const OWN: &[&str] = &[
    "github.com/docker/docker/",
    "github.com/moby/moby/v2/",
    "github.com/moby/moby/",
];
/// The same of libraries that are developed with it.
pub const CLOSE: &[&str] = &[
    "github.com/docker/",
    "github.com/moby/",
    "github.com/containerd/",
];

/// What follows moby's import path in a name; `None`: it is none of moby's own. Builds in GOPATH
/// mode keep other modules below moby's path, in `vendor`.
#[must_use]
pub fn own(name: &str) -> Option<&str> {
    OWN.iter().find_map(|path| name.strip_prefix(path))
}

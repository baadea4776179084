//! The HTTP routes of dockerd: which functions their handlers call, which options these get, and
//! which parameter each option comes from.
//!
//! Read from the handlers of moby v20.10 to v29 (api/server/router, daemon/server/router). A route,
//! function or option that is not here is not understood. All parameters of each route's handlers
//! are here, in every release: what is not, no handler of these releases reads.
//!
//! **A new docker release:** a new parameter goes to its route, with the API version that brought
//! it ([`Gate`]); a renamed function joins the names of its row; a new route gets a row of its own.

mod containers;
mod images;
mod networks;
mod system;
mod volumes;

use super::modules::Version;
use Source::{Filters, Path};

/// Every route that is understood.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    [
        containers::ROUTES,
        images::ROUTES,
        networks::ROUTES,
        system::ROUTES,
        volumes::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// How a parameter becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// `httputils.BoolValue`; `BoolValueOrDefault` of a parameter that was sent is the same.
    Bool,
    NotBool,
    /// `strconv.ParseBool` in some releases, `BoolValue` in others.
    EitherBool,
    /// As `EitherBool`; where that says no, the handler may say yes itself, for what older API
    /// versions had.
    RaisedBool,
    /// `strconv.Atoi`; empty is as if absent.
    Int,
    Text,
    /// The text, or in newer releases the time that it says.
    Moment,
    /// Whether this is among the values.
    Holds(&'static str),
    /// `timestamp.ParseTimestamps`
    Timestamp,
    /// `signal.ParseSignal`, to its number on Linux.
    Signal,
    /// A wait condition: a number up to 28.1, later the text.
    Condition,
    /// In a way that is not known here; empty is as if absent.
    Opaque,
}

impl Conversion {
    /// Whether later values of a parameter that is repeated count as well as the first.
    pub fn reads_all(self) -> bool {
        matches!(self, Self::Holds(_) | Self::Opaque)
    }
}

/// What handlers add to the filters of a request below an API version; not in every release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    pub below: Version,
    pub key: &'static str,
    pub value: Added,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The value of this parameter, if it is not empty.
    Parameter(&'static str),
    Constant(&'static str),
}

/// From which API version on a parameter is read. Requests of older ones are handled as if it were
/// absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    pub since: Version,
    /// The option came into moby together with this API version: a daemon that has it has the
    /// version too.
    pub with_option: bool,
}

/// Where an option's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Query(&'static str, Conversion),
    Since(&'static str, Conversion, Gate),
    /// `filters.FromJSON` of a parameter, and what the handler adds.
    Filters(&'static str, &'static [Addition]),
    /// What stands in the path for the braces of the template.
    Path,
    /// A filter `id` or `idOrName` for what stands in the path, in newer releases with the scope
    /// that the query asks for.
    PathFilter,
    /// What stands in the path, or the ID of the object that it names.
    Resolved,
    /// The API version in the path.
    ApiVersion,
    /// A boolean that the handler sets for requests below this API version, for those from it on.
    Below(Version),
    AtLeast(Version),
    /// From no parameter of the request: whatever it is, a function of the daemon made it.
    Daemon,
    /// From the body; without one, as `Daemon`.
    Body,
    /// From the body, which is read only below this API version, and only if it is longer than an
    /// empty object.
    BodyBelow(Version),
    Headers,
}

/// Functions that get the same options on a route. Those of one row hand them on to each other.
#[derive(Debug)]
pub struct Called {
    pub functions: &'static [&'static str],
    /// `*`: all that are not named.
    pub options: &'static [(&'static str, Source)],
}

#[derive(Debug)]
pub struct Route {
    pub method: &'static str,
    /// Without the API version; at most one `{…}`.
    pub path: &'static str,
    pub called: &'static [Called],
    /// Further parameters that handlers read, for nothing that is in `called`, or that clients send
    /// out of habit. With them, and those of `called`, all parameters of the handlers are known.
    pub besides: &'static [&'static str],
}

/// The parameter that `GET /networks/{id}` adds to the filter for what stands in its path.
pub const SCOPE: &str = "scope";

const FILTERS: Source = Filters("filters", &[]);
/// The first of the functions that hand on to each other is called by the handler; those of all
/// other rows are one function in different releases.
pub const HANDED_ON: &str = "(*Daemon).Containers";
const LISTS: &[&str] = &[
    HANDED_ON,
    "(*Daemon).reduceContainers",
    "(*Daemon).foldFilter",
];
const IMAGES: &[&str] = &["(*ImageService).Images"];
const NETWORKS: &[&str] = &["(*Daemon).GetNetworks"];
const NAMED: &[(&str, Source)] = &[("name", Path)];
const PRUNE: &[(&str, Source)] = &[("pruneFilters", FILTERS), ("filter", FILTERS)];

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

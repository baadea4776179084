//! What is said of a route: which functions it calls, which options they get, and from which parameters. `table` says it.

use super::table::ROUTES;
use crate::correlate::split_version;

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

impl Conversion {
    /// Whether later values of a parameter that is repeated count as well as the first.
    pub fn reads_all(self) -> bool {
        matches!(self, Self::Holds(_) | Self::Opaque)
    }
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

/// `1.41`
pub fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((number(major)?, number(minor)?))
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Functions that hand on to each other: the first one is called by the handler.
const CHAIN: &str = "(*Daemon).Containers";

/// Functions that the handler of a route calls, each by all names that it has in different releases.
#[must_use]
pub fn called_by(method: &str, path: &str) -> Vec<&'static [&'static str]> {
    let rows = Route::of(method, path).map_or(&[][..], |(route, _)| route.called);
    rows.iter()
        .map(|row| match row.functions {
            [CHAIN, ..] => &row.functions[..1],
            names => names,
        })
        .collect()
}

impl Route {
    /// The route of a request, and what stands in its path for the braces. More than one that could be meant is none.
    pub fn of(method: &str, path: &str) -> Option<(&'static Self, String)> {
        let (_, path) = split_version(path);
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
                    Source::Query(name, _) | Source::Since(name, _, _) => *name == parameter,
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
                        braces || !matches!(source, Source::Path | Source::PathFilter),
                        "{}",
                        route.path
                    );
                }
            }
        }
    }
}

//! The route of a request, and what is known of it.

use crate::correlate::split_version;
use crate::moby::modules::Version;
use crate::moby::routes::{Added, Addition, Called, HANDED_ON, Route, SCOPE, Source, routes};

/// `1.41`
pub fn version(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.')?;
    Some((number(major)?, number(minor)?))
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Functions that the handler of a route calls, each by all names that it has in different
/// releases.
#[must_use]
pub fn called_by(method: &str, path: &str) -> Vec<&'static [&'static str]> {
    let rows = Route::of(method, path).map_or(&[][..], |(route, _)| route.called);
    rows.iter()
        .map(|row| match row.functions {
            [first, ..] if *first == HANDED_ON => &row.functions[..1],
            names => names,
        })
        .collect()
}

impl Route {
    /// The route of a request, and what stands in its path for the braces. More than one that could
    /// be meant is none.
    pub fn of(method: &str, path: &str) -> Option<(&'static Self, String)> {
        let (_, path) = split_version(path);
        let of_method = || routes().filter(|r| r.method == method);
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

    /// What reads this parameter.
    pub fn reader(&self, parameter: &str) -> Reader {
        if self.besides.contains(&parameter) {
            return Reader::Always;
        }
        let sources = self.called.iter().flat_map(|c| c.options);
        let mut found = Reader::Nothing;
        for (_, source) in sources {
            match source {
                Source::Query(name, _) if *name == parameter => return Reader::Always,
                Source::Filters(name, _) if *name == parameter => return Reader::Always,
                Source::Filters(_, additions) => {
                    let reads = |a: &&Addition| matches!(a.value, Added::Parameter(name) if name == parameter);
                    if let Some(addition) = additions.iter().find(reads) {
                        found = Reader::Below(addition.below);
                    }
                }
                Source::PathFilter if parameter == SCOPE => return Reader::Always,
                Source::Since(name, _, gate) if *name == parameter => {
                    found = match found {
                        Reader::Since(earlier) if earlier < gate.since => found,
                        _ => Reader::Since(gate.since),
                    };
                }
                _ => {}
            }
        }
        found
    }
}

/// For which API versions the handlers of a route read a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Always,
    Since(Version),
    Below(Version),
    Nothing,
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
        check("GET", "/v1.41/info", "/info", "");
        check("POST", "/v1.50/containers/prune", "/containers/prune", "");
        check("POST", "/networks/prune", "/networks/prune", "");
        for (method, path) in [
            ("POST", "/containers/json"),
            ("GET", "/containers/json/"),
            ("GET", "/v1/containers/json"),
            ("GET", "/v1.x/containers/json"),
            ("GET", "/vcontainers/json"),
            ("GET", "/containers//json"),
            ("GET", "/_ping"),
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
        assert_eq!(route.reader("all"), Reader::Always);
        assert_eq!(route.reader("trunc_cmd"), Reader::Always);
        assert_eq!(route.reader("al"), Reader::Nothing);
        let (stop, _) = Route::of("POST", "/containers/c/stop").expect("route");
        assert_eq!(stop.reader("timeout"), Reader::Nothing);
        assert_eq!(stop.reader("signal"), Reader::Since((1, 42)));
        let (images, _) = Route::of("GET", "/images/json").expect("route");
        assert_eq!(images.reader("filter"), Reader::Below((1, 41)));
    }

    #[test]
    fn the_table_is_consistent() {
        let mut seen = std::collections::BTreeSet::new();
        for route in routes() {
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
                        braces
                            || !matches!(
                                source,
                                Source::Path | Source::PathFilter | Source::Resolved
                            ),
                        "{}",
                        route.path
                    );
                }
            }
        }
    }
}

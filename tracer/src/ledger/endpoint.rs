//! Endpoints: requests that differ only in API version, ids and names are one.

use crate::correlate::{Request, split_version};
use crate::moby::endpoints::{ACTIONS, SLASHED, WHOLE};

/// Longest segment kept as it is, and longest method.
const MOST: usize = 24;

/// The endpoint of a request; `GET …` where not all of its path was captured.
#[must_use]
pub fn endpoint_of(request: &Request) -> String {
    let method = request.method.captured_str();
    match request.path.whole() {
        Some(path) => endpoint(&method, &String::from_utf8_lossy(path)),
        None => format!("{} …", method.chars().take(MOST).collect::<String>()),
    }
}

/// `GET /containers/{id}/json` of `GET /v1.41/containers/web/json`. Of paths that moby does not
/// serve only the first segment is kept, so that there are few endpoints whatever clients ask for.
#[must_use]
pub fn endpoint(method: &str, path: &str) -> String {
    let method: String = method.chars().take(MOST).collect();
    let (_, path) = split_version(path);
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let folded = fold(&segments);
    if folded.is_empty() {
        return format!("{method} /");
    }
    format!("{method} /{}", folded.join("/"))
}

fn fold(segments: &[&str]) -> Vec<String> {
    let owned = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect();
    if WHOLE.contains(&segments) {
        return owned(segments);
    }
    let Some((first, rest)) = segments.split_first() else {
        return Vec::new();
    };
    let Some((_, actions)) = ACTIONS.iter().find(|(name, _)| name == first) else {
        let first: String = first.chars().take(MOST).collect();
        return if rest.is_empty() {
            vec![first]
        } else {
            vec![first, "…".to_owned()]
        };
    };
    match rest {
        [] => owned(&[first]),
        [action] if actions.contains(action) => owned(&[first, action]),
        [_] => owned(&[first, "{id}"]),
        [_, rest @ ..] => {
            if let Some((_, verbs)) = SLASHED.iter().find(|(name, _)| name == first) {
                return match rest.last().filter(|verb| verbs.contains(verb)) {
                    Some(verb) => owned(&[first, "{id}", verb]),
                    None => owned(&[first, "{id}"]),
                };
            }
            let mut parts: Vec<String> = owned(&[first, "{id}"]);
            // `/containers/{id}/attach/ws`
            parts.extend(rest.iter().take(2).map(|s| {
                let is_word = s.len() <= MOST && s.bytes().all(|b| b.is_ascii_lowercase());
                if is_word {
                    (*s).to_owned()
                } else {
                    "…".to_owned()
                }
            }));
            parts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(endpoint("GET", path), format!("GET {expected}"));
    }

    #[test]
    fn versions_are_dropped() {
        check("/v1.41/containers/json", "/containers/json");
        check("/containers/json", "/containers/json");
        check("/v1.41/_ping", "/_ping");
        check("/v1.41", "/");
        check("/", "/");
        check("", "/");
        // no version
        check("/v1/containers/json", "/v1/…");
    }

    #[test]
    fn ids_and_names_are_folded() {
        let id = "ab".repeat(32);
        check(
            &format!("/v1.41/containers/{id}/json"),
            "/containers/{id}/json",
        );
        check("/containers/web", "/containers/{id}");
        // a container may have any of these names
        check("/containers/json/json", "/containers/{id}/json");
        check("/containers/x/attach/ws", "/containers/{id}/attach/ws");
        check("/exec/0123/start", "/exec/{id}/start");
        check("/networks/create", "/networks/create");
        check("/networks/net/connect", "/networks/{id}/connect");
        check("/volumes", "/volumes");
        check("/volumes/data", "/volumes/{id}");
        check("/volumes/prune", "/volumes/prune");
        check("/system/df", "/system/df");
    }

    #[test]
    fn names_of_images_may_hold_slashes() {
        check("/images/json", "/images/json");
        check("/images/busybox/json", "/images/{id}/json");
        check("/images/host:5000/a/b:tag/push", "/images/{id}/push");
        check("/images/a/b", "/images/{id}");
        check("/images/get", "/images/get");
        check("/distribution/a/b/json", "/distribution/{id}/json");
        check("/plugins/a/b:latest/enable", "/plugins/{id}/enable");
        check("/plugins/privileges", "/plugins/privileges");
    }

    #[test]
    fn whatever_is_asked_for_there_are_few_endpoints() {
        check("/nonsense/1/2/3", "/nonsense/…");
        check("/debug/pprof/heap", "/debug/…");
        check("/containers/a/B1/c2/d", "/containers/{id}/…/…");
        let long = "x".repeat(500);
        check(&format!("/{long}"), &format!("/{}", "x".repeat(24)));
        assert_eq!(endpoint(&long, "/"), format!("{} /", "x".repeat(24)));
    }
}

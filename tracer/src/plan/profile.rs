//! What to trace: named sets of functions, and patterns for single ones.

use super::Error;

/// One function wished for: a pattern, and whether its absence deserves a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub pattern: String,
    /// `-f` on the command line: values are followed a few pointers deep, results in full.
    pub explicit: bool,
}

/// Everything wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    pub wishes: Vec<Wish>,
}

/// Profiles: name, what it answers, functions. The receiver is spelled so that every import path of moby fits.
pub const PROFILES: &[(&str, &str, &[&str])] = &[
    (
        "list",
        "which options list and disk-usage requests really use",
        &[
            "/daemon.(*Daemon).Containers",
            "/daemon.(*Daemon).reduceContainers",
            "/daemon.(*Daemon).containerDiskUsage",
            "/daemon.(*Daemon).SystemDiskUsage",
        ],
    ),
    (
        "lifecycle",
        "create, start, stop, remove",
        &[
            "/daemon.(*Daemon).ContainerCreate",
            "/daemon.(*Daemon).ContainerStart",
            "/daemon.(*Daemon).ContainerStop",
            "/daemon.(*Daemon).ContainerKill",
            "/daemon.(*Daemon).ContainerRestart",
            "/daemon.(*Daemon).ContainerRm",
        ],
    ),
];

impl PlanRequest {
    /// Profiles by name and functions by pattern; neither: profile `list`.
    ///
    /// # Errors
    /// A profile that does not exist.
    pub fn new(profiles: &[String], functions: &[String]) -> Result<Self, Error> {
        let default = [PROFILES[0].0.to_owned()];
        let profiles = if profiles.is_empty() && functions.is_empty() {
            &default
        } else {
            profiles
        };
        let mut wishes: Vec<Wish> = Vec::new();
        for name in profiles {
            let Some((_, _, patterns)) = PROFILES.iter().find(|(known, _, _)| known == name) else {
                let known: Vec<&str> = PROFILES.iter().map(|(name, _, _)| *name).collect();
                return Err(Error::UnknownProfile {
                    name: name.clone(),
                    known: known.join(", "),
                });
            };
            wishes.extend(patterns.iter().map(|p| Wish {
                pattern: (*p).to_owned(),
                explicit: false,
            }));
        }
        wishes.extend(functions.iter().map(|f| Wish {
            pattern: f.clone(),
            explicit: true,
        }));
        let mut seen = std::collections::HashSet::new();
        wishes.retain(|w| seen.insert(w.pattern.clone()));
        Ok(Self { wishes })
    }
}

/// Whether a pattern names a symbol: a glob if it holds `*` outside of a receiver's `(*T)` or `?`, else the whole name or a
/// suffix that begins at a separator.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if is_glob(pattern) {
        return glob(pattern.as_bytes(), name.as_bytes());
    }
    match name.strip_suffix(pattern) {
        Some("") => !pattern.is_empty(),
        Some(rest) => {
            !pattern.is_empty()
                && (pattern.starts_with(['/', '.']) || rest.ends_with(['/', '.', '*']))
        }
        None => false,
    }
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains('?') || pattern.replace("(*", "").contains('*')
}

/// `*` any run, `?` any one character; `(*` is a receiver and stands for itself. Linear in both.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let star = |p: usize| pattern.get(p) == Some(&b'*') && (p == 0 || pattern[p - 1] != b'(');
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        if star(p) {
            back = Some((p + 1, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == name[n] || pattern[p] == b'?') {
            p += 1;
            n += 1;
        } else if let Some((after, from)) = back {
            p = after;
            n = from + 1;
            back = Some((after, from + 1));
        } else {
            return false;
        }
    }
    while star(p) {
        p += 1;
    }
    p == pattern.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "github.com/docker/docker/daemon.(*Daemon).Containers";

    #[test]
    fn suffixes_begin_at_a_separator() {
        assert!(matches("Containers", NAME));
        assert!(matches("(*Daemon).Containers", NAME));
        assert!(matches("Daemon).Containers", NAME));
        assert!(matches("/daemon.(*Daemon).Containers", NAME));
        assert!(matches(NAME, NAME));
        assert!(!matches("ontainers", NAME));
        assert!(!matches("", NAME));
        assert!(!matches("/aemon.(*Daemon).Containers", NAME));
    }

    #[test]
    fn globs() {
        assert!(matches("*Daemon*.Cont*", NAME));
        assert!(matches("*daemon.(*Daemon).*", NAME));
        assert!(matches("*.Container?", NAME));
        assert!(!matches("*.Container?s", NAME));
    }

    #[test]
    fn an_unknown_profile_is_an_error_that_names_the_known_ones() {
        let error = PlanRequest::new(&["nope".into()], &[]).expect_err("unknown");
        assert!(error.to_string().contains("list"), "{error}");
    }
}

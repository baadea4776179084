//! What to trace: named sets of functions, and patterns for single ones.

use std::collections::HashMap;

use super::Error;
use crate::moby::profiles::{self, DEFAULT, PROFILES};

/// One function wished for: a pattern, and whether its absence deserves a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub pattern: String,
    /// `-f` on the command line: values are followed a few pointers deep, results in full.
    pub explicit: bool,
    /// Pattern of a function that sees the same calls in releases that lack this one.
    pub seen_by: Option<String>,
}

/// A named set of functions: a built-in one, or a user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    /// The question that it answers; may be empty.
    pub purpose: String,
    pub functions: Vec<ProfileFunction>,
    /// It is asked how much of its time goes into the sizes of layers.
    pub layers: bool,
}

/// One function of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFunction {
    /// Names of it in different releases are separated by `|`.
    pub pattern: String,
    /// Pattern of a function of the same profile that does its work in releases that lack it.
    pub seen_by: Option<String>,
}

impl From<&profiles::Profile> for Profile {
    fn from(known: &profiles::Profile) -> Self {
        Self {
            name: known.name.to_owned(),
            purpose: known.purpose.to_owned(),
            functions: known
                .functions
                .iter()
                .map(|f| ProfileFunction {
                    pattern: f.pattern.to_owned(),
                    seen_by: f.seen_by.map(str::to_owned),
                })
                .collect(),
            layers: known.layers,
        }
    }
}

impl Profile {
    /// What it wishes for.
    pub fn wishes(&self) -> impl Iterator<Item = Wish> {
        self.functions.iter().map(|f| Wish {
            pattern: f.pattern.clone(),
            explicit: false,
            seen_by: f.seen_by.clone(),
        })
    }
}

/// The built-in profiles.
#[must_use]
pub fn built_in() -> Vec<Profile> {
    PROFILES.iter().map(Profile::from).collect()
}

/// Those of these names, of the built-in ones and a user's `own`.
///
/// # Errors
/// A profile that does not exist.
pub fn chosen(own: &[Profile], names: &[String]) -> Result<Vec<Profile>, Error> {
    let mut known = built_in();
    known.extend_from_slice(own);
    names
        .iter()
        .map(|name| {
            let found = known.iter().find(|profile| profile.name == *name);
            found.cloned().ok_or_else(|| {
                let known: Vec<&str> = known.iter().map(|p| p.name.as_str()).collect();
                Error::UnknownProfile {
                    name: name.clone(),
                    known: known.join(", "),
                }
            })
        })
        .collect()
}

/// Everything wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    pub wishes: Vec<Wish>,
    /// Time in layer-size work is wanted too.
    pub layers: bool,
}

impl Wish {
    /// Whether a symbol is meant.
    #[must_use]
    pub fn names(&self, symbol: &str) -> bool {
        any_of(&self.pattern, symbol)
    }

    /// Whether that symbol sees the same calls.
    #[must_use]
    pub fn is_seen_by(&self, symbol: &str) -> bool {
        self.seen_by.as_ref().is_some_and(|by| any_of(by, symbol))
    }
}

fn any_of(alternatives: &str, symbol: &str) -> bool {
    alternatives.split('|').any(|one| matches(one, symbol))
}

/// The patterns of all wishes, made ready to tell of each of a hundred thousand names whether one
/// is meant.
#[derive(Debug)]
pub struct AnyWish<'w> {
    globs: Vec<&'w str>,
    /// The others, by their last byte.
    suffixes: HashMap<u8, Vec<&'w str>>,
}

impl<'w> AnyWish<'w> {
    #[must_use]
    pub fn of(wishes: &'w [Wish]) -> Self {
        let mut this = Self {
            globs: Vec::new(),
            suffixes: HashMap::new(),
        };
        for pattern in wishes.iter().flat_map(|w| w.pattern.split('|')) {
            match pattern.as_bytes().last() {
                Some(last) if !is_glob(pattern) => {
                    this.suffixes.entry(*last).or_default().push(pattern);
                }
                _ => this.globs.push(pattern),
            }
        }
        this
    }

    /// Whether any wish [names](Wish::names) the symbol.
    #[must_use]
    pub fn names(&self, symbol: &str) -> bool {
        let fits = |patterns: &[&str]| patterns.iter().any(|one| matches(one, symbol));
        let same_end = symbol.as_bytes().last().and_then(|b| self.suffixes.get(b));
        same_end.is_some_and(|patterns| fits(patterns)) || fits(&self.globs)
    }
}

impl PlanRequest {
    /// Built-in profiles by name and functions by pattern; neither: profile `list`.
    ///
    /// # Errors
    /// A profile that does not exist.
    pub fn new(names: &[String], functions: &[String]) -> Result<Self, Error> {
        Ok(Self::of(&chosen(&[], names)?, functions))
    }

    /// Profiles, and functions by pattern; neither: profile `list`.
    #[must_use]
    pub fn of(profiles: &[Profile], functions: &[String]) -> Self {
        let known = PROFILES.iter().filter(|known| known.name == DEFAULT);
        let default: Vec<Profile> = known.map(Profile::from).collect();
        let profiles = if profiles.is_empty() && functions.is_empty() {
            &default
        } else {
            profiles
        };
        let mut wishes: Vec<Wish> = profiles.iter().flat_map(Profile::wishes).collect();
        wishes.extend(functions.iter().map(|f| Wish {
            pattern: f.clone(),
            explicit: true,
            seen_by: None,
        }));
        let mut seen = std::collections::HashSet::new();
        wishes.retain(|w| seen.insert(w.pattern.clone()));
        Self {
            wishes,
            layers: profiles.iter().any(|p| p.layers),
        }
    }
}

/// Whether a pattern names a symbol: the whole name or a suffix that begins at a separator; as a
/// glob, if it holds `?`, or `*` outside of a receiver's `(*T)`.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if is_glob(pattern) {
        return glob(pattern.as_bytes(), name.as_bytes())
            || name.match_indices(['/', '.', '*']).any(|(at, _)| {
                let from = if pattern.starts_with(['/', '.']) {
                    at
                } else {
                    at + 1
                };
                glob(pattern.as_bytes(), &name.as_bytes()[from..])
            });
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
    let bytes = pattern.as_bytes();
    (0..bytes.len()).any(|at| bytes[at] == b'?' || is_star(bytes, at))
}

/// A `*` that is not the one of a receiver.
fn is_star(pattern: &[u8], at: usize) -> bool {
    pattern.get(at) == Some(&b'*') && (at == 0 || pattern[at - 1] != b'(')
}

/// `*` any run, `?` any one character; `(*` is a receiver and stands for itself. Linear in both.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let star = |p: usize| is_star(pattern, p);
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
        assert!(matches("(*Daemon).Cont*s", NAME));
        assert!(matches("Container?", NAME));
        assert!(!matches("ontainer?", NAME));
        assert!(!matches("*.Container?s", NAME));
    }

    #[test]
    fn an_unknown_profile_is_an_error_that_names_the_known_ones() {
        let error = PlanRequest::new(&["nope".into()], &[]).expect_err("unknown");
        assert!(error.to_string().contains("list"), "{error}");
    }

    #[test]
    fn all_wishes_at_once_name_what_each_names() {
        let patterns = [
            "Containers",
            "/daemon.(*Daemon).A|/daemon.(*Daemon).Bs",
            "x.Cont*s",
            "?a",
            "",
            "a|",
        ];
        let wishes: Vec<Wish> = patterns
            .iter()
            .map(|p| Wish {
                pattern: (*p).to_owned(),
                explicit: true,
                seen_by: None,
            })
            .collect();
        let all = AnyWish::of(&wishes);
        let names = [
            NAME,
            "a/daemon.(*Daemon).Bs",
            "a/daemon.(*Daemon).B",
            "a/x.Contents",
            "b",
            "",
            "x.a",
            "é.a",
        ];
        for name in names {
            let one = wishes.iter().any(|w| w.names(name));
            assert_eq!(all.names(name), one, "{name}");
        }
        assert!(all.names(NAME) && !all.names("a/daemon.(*Daemon).B"));
    }

    #[test]
    fn what_stands_in_for_a_function_is_of_the_same_profile() {
        for profile in PROFILES {
            for one in profile.functions {
                let stand_in = |by: &str| profile.functions.iter().any(|w| w.pattern == by);
                assert!(
                    one.seen_by.is_none_or(stand_in),
                    "{}: {one:?}",
                    profile.name
                );
            }
        }
    }

    #[test]
    fn names_of_different_releases_are_one_wish() {
        let wish = Wish {
            pattern: "/daemon.(*Daemon).ContainersPrune|/daemon.(*Daemon).ContainerPrune".into(),
            explicit: false,
            seen_by: None,
        };
        assert!(wish.names("github.com/moby/moby/v2/daemon.(*Daemon).ContainerPrune"));
        assert!(wish.names("github.com/docker/docker/daemon.(*Daemon).ContainersPrune"));
        assert!(!wish.names(NAME));
    }
}

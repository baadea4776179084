//! What a plan cannot show: functions wished for that are not probed, or probed with a blind spot.
//!
//! An issue is data. Its wording, for people, is made here alone; nothing decides by it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::short_name;
use super::sites::{NoEntry, NoReturns};

/// What the user must know of one function, or of the whole binary.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(try_from = "Stored")]
pub struct Issue {
    /// The function, as wished for; `None`: the whole binary.
    pub function: Option<String>,
    pub what: Shortcoming,
}

/// What is not seen, and why.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Shortcoming {
    /// The Go release is none of those whose layouts were checked.
    UnverifiedRelease { note: String },
    /// Nothing in this build does what these wishes name.
    Absent { wishes: Vec<String> },
    /// Probed, but these callers inlined it: the probe is blind there.
    InlinedAt { callers: Vec<String> },
    /// The same, but another probed function sees those calls: nothing is lost.
    SeenElsewhere { callers: Vec<String>, by: String },
    /// The signature is not in the binary and no catalogue entry passes the checks.
    NoSignature { closure: bool },
    /// Every known signature contradicts the binary, and how.
    SignaturesRefused { why: Vec<String> },
    /// It takes its arguments from the stack in a binary that passes them in registers.
    ArgumentsOnStack,
    /// Its code or SP table cannot be read.
    Unreadable { why: String },
    /// No instruction of its entry can be probed safely.
    NoEntry { why: NoEntry },
    /// Its returns cannot be probed safely.
    NoReturnSites { why: NoReturns },
    /// It has no return instruction: results cannot be seen.
    NoReturn,
    /// The kernel's tables have no room for these functions beside the others.
    NoRoom { functions: Vec<String> },
    /// The variables that a closure captured are not shown.
    CapturedVariables,
    /// Types whose values are missing where they are in one of these interfaces: a plan holds
    /// `room`.
    TooManyTypes {
        count: usize,
        interfaces: Vec<String>,
        room: usize,
    },
    /// As it stands in a recording whose issues were sentences.
    Told { kind: IssueKind, text: String },
}

/// Kinds of issues, for machines.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum IssueKind {
    UnverifiedRelease,
    /// No such function in this build.
    Absent,
    InlinedAt,
    SeenElsewhere,
    NoSignature,
    /// Sources of the signature contradict the binary.
    Disagreement,
    /// No instruction can be probed safely.
    NoSite,
    NoRoom,
    NoReturn,
    /// A value cannot be captured.
    Value,
}

impl Issue {
    /// About one function.
    pub fn of(function: &str, what: Shortcoming) -> Self {
        Self {
            function: Some(function.to_owned()),
            what,
        }
    }

    /// About the whole binary.
    pub fn of_binary(what: Shortcoming) -> Self {
        Self {
            function: None,
            what,
        }
    }

    #[must_use]
    pub fn kind(&self) -> IssueKind {
        match &self.what {
            Shortcoming::UnverifiedRelease { .. } => IssueKind::UnverifiedRelease,
            Shortcoming::Absent { .. } => IssueKind::Absent,
            Shortcoming::InlinedAt { .. } => IssueKind::InlinedAt,
            Shortcoming::SeenElsewhere { .. } => IssueKind::SeenElsewhere,
            Shortcoming::NoSignature { .. } => IssueKind::NoSignature,
            Shortcoming::SignaturesRefused { .. } | Shortcoming::ArgumentsOnStack => {
                IssueKind::Disagreement
            }
            Shortcoming::Unreadable { .. }
            | Shortcoming::NoEntry { .. }
            | Shortcoming::NoReturnSites { .. } => IssueKind::NoSite,
            Shortcoming::NoReturn => IssueKind::NoReturn,
            Shortcoming::NoRoom { .. } => IssueKind::NoRoom,
            Shortcoming::CapturedVariables | Shortcoming::TooManyTypes { .. } => IssueKind::Value,
            Shortcoming::Told { kind, .. } => *kind,
        }
    }

    /// One line for people; not escaped.
    #[must_use]
    pub fn text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = short_name(self.function.as_deref().unwrap_or_default());
        match &self.what {
            Shortcoming::UnverifiedRelease { note } => f.write_str(note),
            Shortcoming::Absent { wishes } => f.write_str(&absent(wishes)),
            Shortcoming::InlinedAt { callers } => f.write_str(&inlined(short, callers)),
            Shortcoming::SeenElsewhere { callers, by } => {
                write!(f, "{}; {by} sees those calls", inlined(short, callers))
            }
            Shortcoming::NoSignature { closure: true } => write!(
                f,
                "{short} is a closure: neither its signature nor the variables that it captured \
                 are described in this binary; calls are traced without them"
            ),
            Shortcoming::NoSignature { closure: false } => write!(
                f,
                "the signature of {short} is not in this binary: calls are traced without their \
                 arguments"
            ),
            Shortcoming::SignaturesRefused { why } => {
                write!(
                    f,
                    "arguments of {short} are not decoded: {}",
                    why.join("; ")
                )
            }
            Shortcoming::ArgumentsOnStack => write!(
                f,
                "arguments of {short} are not decoded: it takes them from the stack, as assembly \
                 does, not in registers as the rest of this binary"
            ),
            Shortcoming::Unreadable { why } => write!(f, "{short} is not traced: {why}"),
            Shortcoming::NoEntry { why } => write!(f, "{short} is not traced: {why}"),
            Shortcoming::NoReturnSites { why } => {
                write!(f, "returns of {short} are not traced: {why}")
            }
            Shortcoming::NoReturn => write!(
                f,
                "{short} has no return instruction: its results cannot be seen"
            ),
            Shortcoming::NoRoom { functions } => {
                let short: Vec<&str> = functions.iter().map(|f| short_name(f)).collect();
                write!(
                    f,
                    "not traced, because the kernel's tables have no room beside the others: {}",
                    short.join(", ")
                )
            }
            Shortcoming::CapturedVariables => write!(
                f,
                "the variables that {short} captured are not shown: nothing in the binary ties a \
                 closure to its environment"
            ),
            Shortcoming::TooManyTypes {
                count,
                interfaces,
                room,
            } => write!(
                f,
                "values of {count} types are missing where they are in an interface ({}): a plan \
                 holds {room} such types",
                interfaces.join(", ")
            ),
            Shortcoming::Told { text, .. } => f.write_str(text),
        }
    }
}

fn inlined(short: &str, callers: &[String]) -> String {
    format!(
        "{short} is inlined into {}: its probe cannot see calls from there",
        callers.join(", ")
    )
}

fn absent(wishes: &[String]) -> String {
    let names: Vec<String> = wishes.iter().map(|wish| full_name(wish)).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("{one} does not exist in this build"),
        [most @ .., last] => format!("{} and {last} do not exist in this build", most.join(", ")),
    }
}

/// `daemon.(*Daemon).ContainersPrune (or ContainerPrune)`
fn full_name(pattern: &str) -> String {
    let mut names = pattern.split('|');
    let first = names.next().unwrap_or_default().trim_start_matches('/');
    let others: Vec<&str> = names.map(short_name).collect();
    if others.is_empty() {
        first.to_owned()
    } else {
        format!("{first} (or {})", others.join(", "))
    }
}

/// An issue in a recording: data, or, before format 6, a kind and a sentence.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    function: Option<String>,
    what: Option<Shortcoming>,
    kind: Option<IssueKind>,
    text: Option<String>,
}

impl TryFrom<Stored> for Issue {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let told = || {
            let (kind, text) = stored.kind.zip(stored.text)?;
            Some(Shortcoming::Told { kind, text })
        };
        Ok(Self {
            // it was empty where the whole binary was meant
            function: stored.function.filter(|name| !name.is_empty()),
            what: stored
                .what
                .or_else(told)
                .ok_or("an issue says neither `what` nor `kind` and `text`")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_keep_what_they_say() {
        let issues = [
            Issue::of_binary(Shortcoming::UnverifiedRelease { note: "new".into() }),
            Issue::of(
                "a/b.f",
                Shortcoming::NoEntry {
                    why: NoEntry::NoCode,
                },
            ),
            Issue::of("a/b.f", Shortcoming::NoSignature { closure: true }),
            Issue::of_binary(Shortcoming::TooManyTypes {
                count: 2,
                interfaces: vec!["error".into()],
                room: 1,
            }),
        ];
        for issue in issues {
            let json = serde_json::to_string(&issue).expect("JSON");
            assert_eq!(serde_json::from_str::<Issue>(&json).expect(&json), issue);
        }
    }

    #[test]
    fn issues_of_old_recordings_are_as_they_were_told() {
        let read = |json: &str| serde_json::from_str::<Issue>(json);
        let old = read(r#"{"function": "", "kind": "absent", "text": "f is not there"}"#);
        let old = old.expect("read");
        assert_eq!(
            (old.function.as_deref(), old.kind()),
            (None, IssueKind::Absent)
        );
        assert_eq!(old.text(), "f is not there");
        assert!(read(r#"{"function": "f"}"#).is_err());
        assert!(read(r#"{"function": "f", "kind": "absent"}"#).is_err());
    }

    #[test]
    fn what_is_absent_is_named_in_full() {
        let text = |wishes: &[&str]| {
            let wishes = wishes.iter().map(|w| (*w).to_owned()).collect();
            Issue::of_binary(Shortcoming::Absent { wishes }).text()
        };
        assert_eq!(
            text(&["/daemon.F"]),
            "daemon.F does not exist in this build"
        );
        assert_eq!(
            text(&["/daemon.F|daemon.G", "/daemon.H"]),
            "daemon.F (or G) and daemon.H do not exist in this build"
        );
    }
}

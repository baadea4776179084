//! What follows from a comparison, in words: the first point where the paths part, or that there is none inside the daemon.

use super::super::text::escape;
use super::rows::{Noun, Outcome, Returned};
use super::{Comparison, Row, RowKind};

/// Objects named when sets differ.
const MOST_NAMED: usize = 3;
/// Digits of an ID, as docker shows it.
const ID_DIGITS: usize = 12;

impl Comparison {
    pub(super) fn conclude(&mut self, outcomes: &[Outcome], noun: Noun) {
        let options = || self.rows.iter().filter(|r| r.kind == RowKind::Option);
        let differing: Vec<&Row> = options().filter(|r| r.differs()).collect();
        let unknown: Vec<&str> = options()
            .filter(|r| r.unknown())
            .map(|r| r.label.as_str())
            .collect();
        let mut verdict = Vec::new();
        match differing.as_slice() {
            [] if unknown.is_empty() => {
                verdict.push("Options: the same on every path.".to_owned());
            }
            [] => verdict.push("Options: no difference among those that were captured.".to_owned()),
            [first, rest @ ..] => {
                let values: Vec<String> = self
                    .heads
                    .iter()
                    .zip(&first.cells)
                    .map(|(head, cell)| format!("{} for {head}", cell.whole()))
                    .collect();
                verdict.push(format!(
                    "First difference: {} is {}.",
                    first.label,
                    values.join(", ")
                ));
                if !rest.is_empty() {
                    let names: Vec<&str> = rest.iter().map(|r| r.label.as_str()).collect();
                    verdict.push(format!("Also different: {}.", names.join(", ")));
                }
            }
        }
        if !unknown.is_empty() {
            verdict.push(format!(
                "Not compared, because a value is missing: {}.",
                unknown.join(", ")
            ));
        }
        let asked = match (differing.is_empty(), unknown.is_empty()) {
            (false, _) => Asked::Differently,
            (true, true) => Asked::TheSame,
            (true, false) => Asked::Unknown,
        };
        let lists: Option<Vec<&Returned>> = outcomes
            .iter()
            .map(|o| match o {
                Outcome::List(list) => Some(list),
                Outcome::Failed(_) | Outcome::Unknown(_) => None,
            })
            .collect();
        let (said, certain) = match lists {
            Some(lists) => self.compare_lists(&lists, noun, asked),
            None => self.no_lists(outcomes),
        };
        verdict.extend(said);
        self.certain = unknown.is_empty() && certain;
        self.verdict = verdict;
    }

    /// Not every path came back with a list.
    fn no_lists(&self, outcomes: &[Outcome]) -> (Vec<String>, bool) {
        let heads = || self.heads.iter().zip(outcomes);
        let unknown: Vec<String> = heads()
            .filter_map(|(head, o)| match o {
                Outcome::Unknown(why) => Some(format!("{head}: {why}")),
                _ => None,
            })
            .collect();
        if !unknown.is_empty() {
            return (
                vec![format!(
                    "What the paths returned cannot be compared. {}.",
                    unknown.join("; ")
                )],
                false,
            );
        }
        let failed: Vec<String> = heads()
            .filter_map(|(head, o)| match o {
                Outcome::Failed(error) => Some(format!("{head} fails with {error}")),
                _ => None,
            })
            .collect();
        let all = failed.len() == outcomes.len();
        let said = format!(
            "Conclusion: {} inside dockerd: {}.",
            if all {
                "every path fails"
            } else {
                "the paths part"
            },
            failed.join(", ")
        );
        (vec![said], true)
    }

    /// What to say, and whether nothing was left open.
    fn compare_lists(&self, lists: &[&Returned], noun: Noun, asked: Asked) -> (Vec<String>, bool) {
        let Some((first, others)) = lists.split_first() else {
            return (Vec::new(), false);
        };
        let paths = if lists.len() == 2 {
            "both paths".to_owned()
        } else {
            format!("all {} paths", lists.len())
        };
        let same_count = others.iter().all(|r| r.count == first.count);
        let all_known = lists.iter().all(|r| r.objects.is_some());
        let ids = |r: &Returned| -> Vec<String> {
            r.objects
                .iter()
                .flatten()
                .map(|(id, _)| id.clone())
                .collect()
        };
        if same_count && !all_known {
            return (
                vec![format!(
                    "The daemon returned {} on {paths}. Whether they are the same ones cannot be said: not every ID was captured.",
                    noun.counted(first.count)
                )],
                false,
            );
        }
        if same_count && others.iter().all(|r| ids(r) == ids(first)) {
            let same = if first.count == 0 {
                format!("no {}", noun.many)
            } else {
                format!("the same {}", noun.counted(first.count))
            };
            return (
                vec![format!(
                    "Conclusion: the daemon returned {same} on {paths}{}. If a client shows different numbers, the \
                     difference arises outside dockerd (an API proxy, or the client's own filter).",
                    if asked == Asked::Differently {
                        ", although the options differ"
                    } else {
                        ""
                    }
                )],
                true,
            );
        }
        let counts: Vec<String> = self
            .heads
            .iter()
            .zip(lists)
            .map(|(head, r)| format!("{} for {head}", noun.counted(r.count)))
            .collect();
        let mut said = vec![format!(
            "Conclusion: the paths part inside dockerd: it returned {}{}.",
            counts.join(", "),
            match asked {
                Asked::Differently => ", and they asked with different options",
                Asked::TheSame =>
                    " with the same options: what there was to list changed in between",
                Asked::Unknown => "; whether they asked with the same options is not known",
            }
        )];
        for (n, other) in others.iter().enumerate() {
            let (Some(a), Some(b)) = (&first.objects, &other.objects) else {
                said.push("Which ones differ cannot be said: not every ID was captured.".into());
                continue;
            };
            for (here, there, head) in [(a, b, &self.heads[0]), (b, a, &self.heads[n + 1])] {
                let mut only: Vec<String> = here
                    .iter()
                    .filter(|(id, _)| !there.contains_key(*id))
                    .map(|(id, name)| named(id, name))
                    .collect();
                if only.is_empty() {
                    continue;
                }
                only.sort();
                let count = only.len();
                if count > MOST_NAMED {
                    only.truncate(MOST_NAMED);
                    only.push(format!("… {} more", count - MOST_NAMED));
                }
                said.push(format!("Only in {head}: {count} ({}).", only.join(", ")));
            }
        }
        (said, true)
    }
}

/// How the options of the paths relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    TheSame,
    Differently,
    /// No difference is known, but not every value is.
    Unknown,
}

/// `web 42e7cb28daee`
fn named(id: &str, name: &str) -> String {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    let id: String = escape(id).chars().take(ID_DIGITS).collect();
    if name.is_empty() {
        id
    } else {
        format!("{} {id}", escape(name))
    }
}

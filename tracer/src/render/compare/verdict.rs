//! What follows from a comparison, in words.

use super::super::text::escape;
use super::rows::Returned;
use super::{Comparison, Row, RowKind};

/// IDs named when sets differ.
const MOST_IDS: usize = 3;

impl Comparison {
    pub(super) fn conclude(&mut self, returned: &[Option<Returned>], noun: &str) {
        let differing: Vec<&Row> = self
            .rows
            .iter()
            .filter(|r| r.kind == RowKind::Option && r.differs())
            .collect();
        let unknown: Vec<String> = self
            .rows
            .iter()
            .filter(|r| r.kind != RowKind::About && r.unknown())
            .map(|r| r.label.clone())
            .collect();
        let mut verdict = Vec::new();
        let pairs = |row: &Row| {
            self.heads
                .iter()
                .zip(&row.cells)
                .map(|(head, cell)| format!("{} for {head}", cell.text))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match differing.as_slice() {
            [] if unknown.is_empty() => {
                verdict.push("Options: the same on every path.".to_owned());
            }
            [] => {}
            [first, rest @ ..] => {
                verdict.push(format!(
                    "First difference: {} is {}.",
                    first.label,
                    pairs(first)
                ));
                if !rest.is_empty() {
                    let names: Vec<&str> = rest.iter().map(|r| r.label.as_str()).collect();
                    verdict.push(format!("Also different: {}.", names.join(", ")));
                }
            }
        }
        let known: Option<Vec<&Returned>> = returned.iter().map(Option::as_ref).collect();
        match known {
            Some(known) => {
                verdict.extend(self.compare_results(&known, noun, !differing.is_empty()))
            }
            None => verdict.push(
                "What the paths returned cannot be compared: not every call's result was captured."
                    .into(),
            ),
        }
        if !unknown.is_empty() {
            verdict.push(format!(
                "Not compared, because a value is missing: {}.",
                unknown.join(", ")
            ));
        }
        self.certain = unknown.is_empty() && returned.iter().all(Option::is_some);
        self.verdict = verdict;
    }

    fn compare_results(
        &self,
        known: &[&Returned],
        noun: &str,
        options_differ: bool,
    ) -> Vec<String> {
        let mut said = Vec::new();
        let Some((first, others)) = known.split_first() else {
            return said;
        };
        let same_count = others.iter().all(|r| r.count == first.count);
        let same_ids = others.iter().all(|r| r.ids == first.ids) && first.ids.is_some();
        if same_count && same_ids {
            said.push(format!(
                "Conclusion: the daemon returned the same {} {noun} on {} paths{}. If a client shows different \
                 numbers, the difference arises outside dockerd (an API proxy, or the client's own filter).",
                first.count,
                if known.len() == 2 { "both".to_owned() } else { format!("all {}", known.len()) },
                if options_differ { ", although the options differ" } else { "" }
            ));
            return said;
        }
        let counts: Vec<String> = self
            .heads
            .iter()
            .zip(known)
            .enumerate()
            .map(|(n, (head, r))| {
                let unit = if n == 0 {
                    format!(" {noun}")
                } else {
                    String::new()
                };
                format!("{}{unit} for {head}", r.count)
            })
            .collect();
        said.push(format!(
            "Conclusion: the paths part inside dockerd: it returned {}{}.",
            counts.join(", "),
            if options_differ {
                ", and they asked with different options"
            } else {
                " with the same options: the daemon's state changed in between, or a value that was not compared decides"
            }
        ));
        for (n, other) in others.iter().enumerate() {
            let (Some(a), Some(b)) = (&first.ids, &other.ids) else {
                said.push("Which ones differ cannot be said: not every ID was captured.".into());
                continue;
            };
            for (ids, head) in [
                (a.difference(b).collect::<Vec<_>>(), &self.heads[0]),
                (b.difference(a).collect::<Vec<_>>(), &self.heads[n + 1]),
            ] {
                if ids.is_empty() {
                    continue;
                }
                let mut names: Vec<String> = ids
                    .iter()
                    .take(MOST_IDS)
                    .map(|id| escape(id).chars().take(12).collect())
                    .collect();
                if ids.len() > MOST_IDS {
                    names.push(format!("… {} more", ids.len() - MOST_IDS));
                }
                said.push(format!(
                    "Only in {head}: {} ({}).",
                    ids.len(),
                    names.join(", ")
                ));
            }
        }
        said
    }
}

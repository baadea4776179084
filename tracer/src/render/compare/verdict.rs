//! What follows from a comparison, in words: what came back, which options explain what differs,
//! and how far dockerd is cleared of it.

use super::differences::{Difference, FieldDifference, ListDifference, Sameness};
use super::returned::{Outcome, Returned};
use super::rows::Common;
use super::{Comparison, Row, RowKind};
use crate::moby::effects::{Choice, Effect, Fields, Later, effect, later, removes};
use crate::moby::objects::Noun;
use crate::render::text::escape;

/// Objects named when sets differ.
const MOST_NAMED: usize = 3;
/// Longest value quoted in a sentence, characters.
const MOST_VALUE: usize = 80;

/// One thing that differs, as options may explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Changed {
    /// Which objects a list holds; whether the first path, and the second has some that the other
    /// lacks.
    Which {
        what: String,
        more: [bool; 2],
    },
    Field(String),
}

/// What the options explain of one pair of paths.
struct Pair<'c> {
    heads: [&'c str; 2],
    /// Columns of the two.
    at: [usize; 2],
    difference: Difference,
}

impl Comparison {
    /// No function was called on every path: what the requests say of themselves is all there is.
    pub(super) fn nothing_in_common(&mut self) {
        self.verdict.push(
            "The paths have no traced function in common: options and results are not compared."
                .into(),
        );
        self.compare_statuses();
    }

    fn compare_statuses(&mut self) {
        let Some(row) = self.rows.iter().find(|r| r.kind == RowKind::Status) else {
            return;
        };
        if row.differs() {
            let said = self.of_each(row);
            self.verdict
                .push(format!("The daemon answered with other statuses: {said}."));
        }
    }

    /// `200 for path A, 500 for path B`
    fn of_each(&self, row: &Row) -> String {
        let each = self.heads.iter().zip(&row.cells);
        let each: Vec<String> = each
            .map(|(h, c)| format!("{} for {h}", c.whole()))
            .collect();
        each.join(", ")
    }

    pub(super) fn conclude(&mut self, common: &Common<'_>, outcomes: &[Outcome], noun: Noun) {
        let came: Option<Vec<&Returned>> = outcomes
            .iter()
            .map(|o| match o {
                Outcome::Came(r) => Some(r),
                Outcome::Failed(_) | Outcome::Unknown(_) => None,
            })
            .collect();
        let unknown = self.options(|r| r.unknown());
        let certain = match came {
            Some(came) => self.compare_results(common, &came, noun),
            None => {
                self.compare_statuses();
                let certain = self.not_all_came(outcomes);
                self.list_differing(common, &[], &[]);
                certain
            }
        };
        if !unknown.is_empty() {
            self.verdict.push(format!(
                "Not compared, because a value is missing: {}.",
                unknown.join(", ")
            ));
        }
        self.say_what_else_there_is(common);
        self.certain = unknown.is_empty() && certain;
    }

    /// Labels of option rows.
    fn options(&self, wanted: impl Fn(&Row) -> bool) -> Vec<String> {
        let rows = self.rows.iter().filter(|r| r.kind == RowKind::Option);
        rows.filter(|r| wanted(r))
            .map(|r| r.label.clone())
            .collect()
    }

    /// Calls and functions that are on every path and in no column.
    fn say_what_else_there_is(&mut self, common: &Common<'_>) {
        for (head, further) in self.heads.iter().zip(&common.further) {
            if *further > 0 {
                self.verdict.push(format!(
                    "Only the first of {} calls of {} was compared for {head}.",
                    further + 1,
                    escape(&common.function.short)
                ));
            }
        }
        if !common.others.is_empty() {
            let names: Vec<String> = common.others.iter().map(|f| escape(&f.short)).collect();
            self.notes.insert(
                0,
                format!("on every path too, and not compared: {}", names.join(", ")),
            );
        }
    }

    /// Not every path came back with a result.
    fn not_all_came(&mut self, outcomes: &[Outcome]) -> bool {
        let heads = || self.heads.iter().zip(outcomes);
        let unknown: Vec<String> = heads()
            .filter_map(|(head, o)| match o {
                Outcome::Unknown(why) => Some(format!("{head}: {why}")),
                _ => None,
            })
            .collect();
        let failed: Vec<String> = heads()
            .filter_map(|(head, o)| match o {
                Outcome::Failed(error) => Some(format!("{head} fails with {error}")),
                _ => None,
            })
            .collect();
        if !unknown.is_empty() {
            let mut said = format!(
                "What the paths returned cannot be compared. {}.",
                unknown.join("; ")
            );
            if !failed.is_empty() {
                said.push_str(&format!(" But {}.", failed.join(", ")));
            }
            self.verdict.push(said);
            return false;
        }
        let all = failed.len() == outcomes.len();
        self.verdict.push(format!(
            "Conclusion: {} inside dockerd: {}.",
            if all {
                "every path fails"
            } else {
                "the paths part"
            },
            failed.join(", ")
        ));
        true
    }

    /// What to say of results, and whether nothing was left open.
    fn compare_results(&mut self, common: &Common<'_>, came: &[&Returned], noun: Noun) -> bool {
        let Some((first, others)) = came.split_first() else {
            return false;
        };
        let heads = self.heads.clone();
        let pairs: Vec<Pair<'_>> = others
            .iter()
            .enumerate()
            .map(|(n, other)| Pair {
                heads: [&heads[0], &heads[n + 1]],
                at: [0, n + 1],
                difference: Difference::between(first, other),
            })
            .collect();
        let lists: Vec<&ListDifference> = pairs.iter().flat_map(|p| &p.difference.lists).collect();
        let parts = lists.iter().any(|l| l.same == Sameness::Different);
        let open = lists.iter().any(|l| l.same == Sameness::Unknown);
        if parts {
            self.say_that_sets_differ(came, noun);
        } else if open {
            self.say_that_sets_are_open(came, noun);
        }
        let mut changed: Vec<(usize, Changed)> = Vec::new();
        for (n, pair) in pairs.iter().enumerate() {
            self.say_what_only_one_has(pair);
            changed.extend(pair.changed(noun).into_iter().map(|c| (n, c)));
        }
        if !parts && !open {
            self.say_that_sets_are_the_same(&pairs, came, noun);
        }
        for pair in &pairs {
            self.say_which_fields_differ(pair, pairs.len() > 1);
        }
        let explaining = self.explain(common, &pairs, &changed);
        let compared: Vec<String> = pairs
            .iter()
            .flat_map(|p| p.difference.fields())
            .map(|(_, f)| f.field.clone())
            .collect();
        self.list_differing(common, &explaining, &compared);
        self.say_how_far(common, &pairs, parts || open, noun);
        !open
            && pairs
                .iter()
                .all(|p| p.difference.unknown_fields().is_empty())
    }

    fn say_that_sets_differ(&mut self, came: &[&Returned], noun: Noun) {
        let mut paths: Vec<&str> = Vec::new();
        for list in came.iter().flat_map(|r| &r.lists) {
            if !paths.contains(&list.path.as_str()) {
                paths.push(&list.path);
            }
        }
        // a nil list is an empty one
        let count = |r: &Returned| -> String {
            let len = |path: &str| r.list_at(path).map_or(0, |l| l.len);
            let counts = paths.iter().map(|path| counted(path, len(path), noun));
            counts.collect::<Vec<_>>().join(" and ")
        };
        let counts: Vec<String> = self
            .heads
            .iter()
            .zip(came)
            .map(|(head, r)| format!("{} for {head}", count(r)))
            .collect();
        self.verdict.push(format!(
            "Conclusion: the paths part inside dockerd: it returned {}.",
            counts.join(", ")
        ));
    }

    fn say_that_sets_are_open(&mut self, came: &[&Returned], noun: Noun) {
        let without: Vec<String> = self
            .heads
            .iter()
            .zip(came)
            .flat_map(|(head, r)| r.lists.iter().map(move |l| (head, l)))
            .filter(|(_, l)| !l.is_complete())
            .map(|(head, l)| {
                let missing = l.len.saturating_sub(l.known().count() as u64);
                format!("{missing} of {} for {head}", l.len)
            })
            .collect();
        let count = came
            .first()
            .and_then(|r| r.lists.first())
            .map_or(0, |l| l.len);
        self.verdict.push(format!(
            "The daemon returned {} on {}. Whether they are the same ones cannot be said: not every ID was captured ({} missing).",
            noun.counted(count),
            paths(came.len()),
            without.join(", ")
        ));
    }

    fn say_that_sets_are_the_same(&mut self, pairs: &[Pair<'_>], came: &[&Returned], noun: Noun) {
        let Some((first, pair)) = came.first().zip(pairs.first()) else {
            return;
        };
        let lists: Vec<String> = first
            .lists
            .iter()
            .zip(&pair.difference.lists)
            .map(|(list, difference)| match (list.len, difference.by) {
                (0, _) if list.path.is_empty() => format!("no {}", noun.many),
                (len, Some(by)) => {
                    format!("the same {} ({})", counted(&list.path, len, noun), by.by())
                }
                (len, None) => counted(&list.path, len, noun),
            })
            .collect();
        let what = if lists.is_empty() {
            "a result".to_owned()
        } else {
            lists.join(" and ")
        };
        let differing = !self.options(Row::differs).is_empty();
        let equal = equal_fields(pairs);
        let with = if equal.is_empty() {
            String::new()
        } else {
            format!(", with the same {}", listed(&equal))
        };
        let although = if differing && pairs.iter().all(|p| p.changed(noun).is_empty()) {
            ", although the options differ"
        } else {
            ""
        };
        self.verdict.push(format!(
            "Conclusion: the daemon returned {what} on {}{with}{although}.",
            paths(came.len())
        ));
    }

    fn say_what_only_one_has(&mut self, pair: &Pair<'_>) {
        for list in &pair.difference.lists {
            let within = within(&list.path);
            for (head, only) in pair.heads.iter().zip(&list.only) {
                if !only.is_empty() {
                    self.verdict.push(format!(
                        "Only in {head}{within}: {} ({}).",
                        only.len(),
                        some(only)
                    ));
                }
            }
            for (head, repeated) in pair.heads.iter().zip(&list.repeated) {
                if !repeated.is_empty() {
                    self.verdict.push(format!(
                        "More than once in {head}{within}: {} ({}); their fields are not compared.",
                        repeated.len(),
                        some(repeated)
                    ));
                }
            }
            let named = list.only.iter().any(|o| !o.is_empty());
            if list.same == Sameness::Different && !named && list.repeated.iter().all(Vec::is_empty)
            {
                self.verdict.push(format!(
                    "Which ones differ{within} cannot be said: not every ID was captured."
                ));
            }
        }
    }

    fn say_which_fields_differ(&mut self, pair: &Pair<'_>, several: bool) {
        let [a, b] = pair.heads;
        let between = if several {
            format!("Between {a} and {b}: ")
        } else {
            String::new()
        };
        for (list, field) in pair.difference.fields() {
            let quoted = |of: &(String, String, String)| {
                let (object, x, y) = of;
                let object = if object.is_empty() {
                    String::new()
                } else {
                    format!("{object}: ")
                };
                format!("{object}{} for {a}, {} for {b}", value(x), value(y))
            };
            // by name: keys are random, and the same comparison says the same twice
            let Some(first) = field.differing.iter().min_by_key(|(object, ..)| object) else {
                continue;
            };
            let name = escape(&field.field);
            let Some(list) = list else {
                self.verdict
                    .push(format!("{between}{name} differs: {}.", quoted(first)));
                continue;
            };
            let left = field.differing.len() - 1;
            let more = if left > 0 {
                format!("; {left} more")
            } else {
                String::new()
            };
            self.verdict.push(format!(
                "{between}{name}{} differs in {} of {}: {}{more}.",
                within(&list.path),
                field.differing.len(),
                list.common,
                quoted(first)
            ));
        }
    }

    /// Which options explain what differs; gives their labels.
    fn explain(
        &mut self,
        common: &Common<'_>,
        pairs: &[Pair<'_>],
        changed: &[(usize, Changed)],
    ) -> Vec<String> {
        let symbol = &common.function.name;
        let rows: Vec<Row> = self
            .rows
            .iter()
            .filter(|r| r.kind == RowKind::Option)
            .cloned()
            .collect();
        // which options can be behind it, and what all of these explain
        let mut explained: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        let mut unexplained: Vec<String> = Vec::new();
        let mut perhaps: Vec<String> = Vec::new();
        for (n, change) in changed {
            let Some(pair) = pairs.get(*n) else { continue };
            let what = change.words();
            let mut behind: Vec<String> = Vec::new();
            for row in rows.iter().filter(|r| pair.differs(r)) {
                match effect(symbol, &row.label) {
                    Some(effect) if pair.explains(effect, row, change) => {
                        behind.push(row.label.clone());
                    }
                    Some(_) => {}
                    None if !perhaps.contains(&row.label) => perhaps.push(row.label.clone()),
                    None => {}
                }
            }
            let of = match explained.iter_mut().find(|(labels, _)| *labels == behind) {
                _ if behind.is_empty() => &mut unexplained,
                Some((_, of)) => of,
                None => {
                    explained.push((behind, Vec::new()));
                    let Some((_, of)) = explained.last_mut() else {
                        continue;
                    };
                    of
                }
            };
            if !of.contains(&what) {
                of.push(what);
            }
        }
        for (labels, of) in &explained {
            let behind = rows.iter().filter(|r| labels.contains(&r.label));
            let said: Vec<String> = behind
                .map(|r| format!("{} is {}", r.label, self.of_each(r)))
                .collect();
            let verb = match labels.len() {
                1 if removes(symbol) => "can explain",
                1 => "explains",
                _ => "can each explain",
            };
            self.verdict.push(format!(
                "{} {verb} {}: {}.",
                listed(labels),
                listed(of),
                said.join("; ")
            ));
        }
        if removes(symbol) && !explained.is_empty() {
            self.verdict.push(
                "It can also be that one call removed what the next did not find any more.".into(),
            );
        }
        if !unexplained.is_empty() {
            let why = if removes(symbol) {
                "what one call removes, the next does not find".to_owned()
            } else if !perhaps.is_empty() {
                format!("what {} can change is not known here", listed(&perhaps))
            } else if rows.iter().any(Row::unknown) {
                "no option that was captured can be behind it, and not all were".to_owned()
            } else if rows.iter().any(Row::differs) {
                "no option that differs can change it".to_owned()
            } else {
                "the options that were compared are the same: it changed in between, or depends on something else"
                    .to_owned()
            };
            self.verdict
                .push(format!("Not explained: {} ({why}).", listed(&unexplained)));
        }
        explained
            .into_iter()
            .flat_map(|(labels, _)| labels)
            .collect()
    }

    /// Options that differ and explain nothing, and what is known of them.
    fn list_differing(&mut self, common: &Common<'_>, explaining: &[String], compared: &[String]) {
        let differing = self.options(Row::differs);
        if differing.is_empty() {
            let said = if self.options(Row::unknown).is_empty() {
                "Options: the same on every path."
            } else {
                "Options: no difference among those that were captured."
            };
            let has_options = self.rows.iter().any(|r| r.kind == RowKind::Option);
            if has_options {
                self.verdict.push(said.to_owned());
            }
            return;
        }
        for label in differing.iter().filter(|l| !explaining.contains(l)) {
            let Some(row) = self.rows.iter().find(|r| r.label == **label) else {
                continue;
            };
            let what = match effect(&common.function.name, label) {
                Some(effect) => effect.words(compared),
                None => "what it changes is not known here".to_owned(),
            };
            let said = self.of_each(row);
            self.verdict
                .push(format!("Also different: {label} is {said} ({what})."));
        }
    }

    /// Where a difference that a client shows in something equal arises. Outside dockerd only what
    /// no later code changes.
    fn say_where_it_arises(
        &mut self,
        later: Option<Later>,
        mut equal: Vec<String>,
        short: &str,
        noun: Noun,
    ) {
        let mut unsettled: Vec<String> = Vec::new();
        if let Some(Later { adds, fields }) = later {
            let changes = |field: &String| match fields {
                Fields::These(known) => known.contains(&field.as_str()),
                Fields::Any => true,
            };
            unsettled = equal
                .extract_if(.., |one| {
                    if *one == noun.many {
                        adds.is_some()
                    } else {
                        changes(one)
                    }
                })
                .collect();
        }
        if !equal.is_empty() {
            let equal = listed(&equal);
            self.verdict.push(if later.is_some() {
                format!("If a client shows a difference in {equal}, it arises outside dockerd (an API proxy, or the client's own filter).")
            } else {
                format!("If a client shows a difference in {equal}, it arises after {short} returned.")
            });
        }
        if let Some(added) = later.and_then(|l| l.adds) {
            unsettled.retain(|one| *one != noun.many);
            self.verdict.push(format!(
                "The daemon itself may {added} after {short} returned."
            ));
        }
        if !unsettled.is_empty() {
            self.verdict.push(format!(
                "The daemon itself may change {} after {short} returned.",
                listed(&unsettled)
            ));
        }
    }

    /// How far a difference that a client shows cannot come from dockerd, and what nothing is known
    /// of.
    fn say_how_far(&mut self, common: &Common<'_>, pairs: &[Pair<'_>], parts: bool, noun: Noun) {
        let symbol = &common.function.name;
        let short = escape(&common.function.short);
        let mut equal = equal_fields(pairs);
        let has_list = pairs.iter().any(|p| !p.difference.lists.is_empty());
        if has_list {
            equal.insert(0, noun.many.to_owned());
        }
        if !parts {
            self.say_where_it_arises(later(symbol), equal, &short, noun);
        }
        let mut unknown: Vec<String> = Vec::new();
        let mut left_out: Vec<String> = Vec::new();
        for pair in pairs {
            unknown.extend(pair.difference.unknown_fields());
            left_out.extend(pair.difference.left_out());
        }
        let mut seen = std::collections::BTreeSet::new();
        unknown.retain(|f| seen.insert(f.clone()));
        left_out.retain(|f| seen.insert(f.clone()));
        if !unknown.is_empty() {
            self.verdict
                .push(format!("Not captured whole: {}.", listed(&unknown)));
        }
        if !left_out.is_empty() {
            self.verdict
                .push(format!("Not compared: {}.", listed(&left_out)));
        }
    }
}

impl Pair<'_> {
    fn changed(&self, noun: Noun) -> Vec<Changed> {
        let mut changed = Vec::new();
        for list in &self.difference.lists {
            if list.same == Sameness::Different {
                let more = [0, 1].map(|i| !list.only[i].is_empty());
                let what = if list.path.is_empty() {
                    format!("which {} are listed", noun.many)
                } else {
                    format!("what is in {}", escape(&list.path))
                };
                changed.push(Changed::Which { what, more });
            }
        }
        for (_, field) in self.difference.fields() {
            if !field.differing.is_empty() {
                changed.push(Changed::Field(field.field.clone()));
            }
        }
        changed
    }

    fn keys<'r>(&self, row: &'r Row) -> Option<[&'r str; 2]> {
        let key = |i: usize| row.cells.get(i)?.key.as_deref();
        Some([key(self.at[0])?, key(self.at[1])?])
    }

    fn differs(&self, row: &Row) -> bool {
        self.keys(row).is_some_and(|[a, b]| a != b)
    }

    /// Whether an option with these values can make that difference.
    fn explains(&self, effect: &Effect, row: &Row, change: &Changed) -> bool {
        match change {
            Changed::Field(field) => effect.tells.contains(&field.as_str()),
            Changed::Which { more, .. } => match effect.chooses {
                Choice::Any => true,
                Choice::None => false,
                // what only the path without it has cannot be its doing
                Choice::Widens => match self.keys(row) {
                    Some(["true", _]) => !more[1],
                    Some([_, "true"]) => !more[0],
                    _ => false,
                },
            },
        }
    }
}

impl Changed {
    fn words(&self) -> String {
        match self {
            Self::Which { what, .. } => what.clone(),
            Self::Field(field) => escape(field),
        }
    }
}

impl Effect {
    /// `decides which ones are listed`, `changes SizeRw and SizeRootFs only`, and which of these
    /// were not compared.
    fn words(&self, compared: &[String]) -> String {
        let fields: Vec<String> = self.tells.iter().map(|f| (*f).to_owned()).collect();
        let changes = format!("changes {}", listed(&fields));
        let mut said = match (self.chooses, fields.is_empty()) {
            (Choice::None, _) => format!("{changes} only"),
            (_, true) => "decides which ones are listed".to_owned(),
            (_, false) => format!("decides which ones are listed, and {changes}"),
        };
        if !fields.is_empty() && !fields.iter().any(|f| compared.contains(f)) {
            said.push_str("; not compared");
        }
        said
    }
}

impl Difference {
    /// All fields, with the list whose objects have them.
    fn fields(&self) -> impl Iterator<Item = (Option<&ListDifference>, &FieldDifference)> {
        let of_objects = self
            .lists
            .iter()
            .flat_map(|l| l.fields.iter().map(move |f| (Some(l), f)));
        of_objects.chain(self.fields.iter().map(|f| (None, f)))
    }

    fn unknown_fields(&self) -> Vec<String> {
        let unknown = self.fields().filter(|(_, f)| f.unknown > 0);
        unknown.map(|(list, f)| full_name(list, &f.field)).collect()
    }

    fn left_out(&self) -> Vec<String> {
        let of_objects = self
            .lists
            .iter()
            .flat_map(|l| l.left_out.iter().map(move |f| full_name(Some(l), f)));
        let own = self.left_out.iter().map(|f| escape(f));
        of_objects.chain(own).collect()
    }
}

/// Fields that were captured whole everywhere and are the same on all paths.
fn equal_fields(pairs: &[Pair<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut refused: Vec<String> = Vec::new();
    for (list, field) in pairs.iter().flat_map(|p| p.difference.fields()) {
        let name = full_name(list, &field.field);
        if field.unknown > 0 || !field.differing.is_empty() {
            refused.push(name);
        } else if !names.contains(&name) {
            names.push(name);
        }
    }
    names.retain(|n| !refused.contains(n));
    names
}

fn full_name(list: Option<&ListDifference>, field: &str) -> String {
    match list {
        Some(list) if !list.path.is_empty() => {
            format!("{}[].{}", escape(&list.path), escape(field))
        }
        _ => escape(field),
    }
}

fn within(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" in {}", escape(path))
    }
}

/// `85 containers`, `3 in ImagesDeleted`
fn counted(path: &str, count: u64, noun: Noun) -> String {
    if path.is_empty() {
        noun.counted(count)
    } else {
        format!("{count}{}", within(path))
    }
}

fn paths(count: usize) -> String {
    if count == 2 {
        "both paths".to_owned()
    } else {
        format!("all {count} paths")
    }
}

/// The first few, and how many more.
fn some(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(MOST_NAMED).cloned().collect();
    if names.len() > MOST_NAMED {
        shown.push(format!("… {} more", names.len() - MOST_NAMED));
    }
    shown.join(", ")
}

/// `a, b and c`
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A value that is compared, in a sentence.
fn value(text: &str) -> String {
    crate::render::text::shorten(text, MOST_VALUE, text.len() as u64)
}

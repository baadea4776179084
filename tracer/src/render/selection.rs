//! What is said of filters: that nothing matched, what there was, and of what it cannot be told.

use std::collections::BTreeMap;

use crate::session::{Asked, Client, End, Filter, Selected, Status};

/// Answers, routes or clients that are listed, the most frequent first.
const MOST_LISTED: usize = 5;

/// What is said where nothing was shown.
pub fn nothing(end: &End) -> String {
    let filter = &end.selected.filter;
    let plural = if end.came == 1 { "" } else { "s" };
    let came = end.came;
    match (came, &filter.root, end.selected.matched()) {
        (0, _, _) => "no request came while it was traced".to_owned(),
        (_, Some(root), None) => format!(
            "none of the {came} request{plural} that came holds {root} in its route or reached a \
             function of that name"
        ),
        (_, None, None) => "nothing else was traced".to_owned(),
        (_, _, Some(_)) => {
            let mut text = format!(
                "none of the {came} request{plural} that came matches {}",
                asked(filter)
            );
            for (what, there) in &end.selected.there {
                text.push_str(&format!("; there were {}", listed(*what, there)));
            }
            text
        }
    }
}

/// Of how many requests it is not known whether they match.
pub fn untold(selected: &Selected) -> Option<String> {
    let filter = asked(&selected.filter);
    match selected.untold {
        0 => None,
        1 => Some(format!(
            "of 1 request it cannot be told whether it matches {filter}; it is not shown"
        )),
        n => Some(format!(
            "of {n} requests it cannot be told whether they match {filter}; they are not shown"
        )),
    }
}

/// A filter as the command line says it.
fn asked(filter: &Filter) -> String {
    let Filter {
        root,
        route,
        client,
        status,
        failed,
        slower_than,
    } = filter;
    let client = client.as_ref().map(|client| match client {
        Client::Pid(pid) => pid.to_string(),
        Client::Text(text) => text.clone(),
    });
    let status = status.map(|status| match status {
        Status::Exactly(status) => status.to_string(),
        Status::Class(class) => format!("{class}xx"),
    });
    let slower = slower_than.map(super::text::duration);
    let with = |option: &str, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(format!("{option} {value}"))
    };
    let options = [
        with("--root", root),
        with("--route", route),
        with("--client", &client),
        with("--status", &status),
        failed.then(|| "--failed".to_owned()),
        with("--slower-than", &slower),
    ];
    options.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `status 200 (9), 404 (3)`
fn listed(what: Asked, there: &BTreeMap<String, u64>) -> String {
    let head = match what {
        Asked::Route => "",
        Asked::Client => "clients ",
        Asked::Status => "status ",
    };
    let mut all: Vec<(&String, &u64)> = there.iter().collect();
    all.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let mut shown: Vec<String> = all
        .iter()
        .take(MOST_LISTED)
        .map(|(what, n)| format!("{what} ({n})"))
        .collect();
    if all.len() > shown.len() {
        shown.push("others".to_owned());
    }
    format!("{head}{}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_instead() {
        let mut selected = Selected::new(Filter {
            route: Some("/x".into()),
            client: Some("docker".into()),
            status: Some(Status::Class(5)),
            failed: true,
            slower_than: Some(50_000_000),
            ..Filter::default()
        });
        let there = [("200".to_owned(), 9), ("404".to_owned(), 3)];
        selected.there.insert(Asked::Status, there.into());
        selected.untold = 2;
        let end = End {
            came: 12,
            selected,
            ..End::default()
        };
        assert_eq!(
            nothing(&end),
            "none of the 12 requests that came matches --route /x --client docker --status 5xx \
             --failed --slower-than 50.0 ms; there were status 200 (9), 404 (3)"
        );
        assert_eq!(
            untold(&end.selected).as_deref(),
            Some(
                "of 2 requests it cannot be told whether they match --route /x --client docker \
                 --status 5xx --failed --slower-than 50.0 ms; they are not shown"
            )
        );
        let none = End::default();
        assert_eq!(nothing(&none), "no request came while it was traced");
        assert_eq!(untold(&none.selected), None);
    }
}

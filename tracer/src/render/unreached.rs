//! Requests that reached none of the traced functions, in one line.

use std::io::{self, Write};

use super::line::{Line, Look, prefix};
use super::{Style, View};
use crate::ledger::Counts;

/// Different answers that are told apart, at most.
const MOST_ANSWERS: usize = 3;

/// `9 requests reached none of the traced functions, 3 of them answered 400; `-p containers` shows
/// 4`
pub fn line(counts: &Counts) -> Option<String> {
    if counts.requests == 0 {
        return None;
    }
    let mut text = format!(
        "{} request{} reached none of the traced functions",
        counts.requests,
        if counts.requests == 1 { "" } else { "s" }
    );
    let of_them = if counts.requests == 1 { "" } else { " of them" };
    let mut failed: Vec<(i64, u64)> = counts.failed.iter().map(|(s, n)| (*s, *n)).collect();
    failed.sort_by_key(|(status, n)| (std::cmp::Reverse(*n), *status));
    let beyond: u64 = failed.iter().skip(MOST_ANSWERS).map(|(_, n)| *n).sum();
    for (status, n) in failed.iter().take(MOST_ANSWERS) {
        text.push_str(&format!(", {n}{of_them} answered {status}"));
    }
    if beyond > 0 {
        text.push_str(&format!(", {beyond}{of_them} answered by other errors"));
    }
    if counts.panicked > 0 {
        text.push_str(&format!(", {}{of_them} ended by a panic", counts.panicked));
    }
    if counts.open > 0 {
        text.push_str(&format!(", {}{of_them} still open", counts.open));
    }
    let mut shown: Vec<(&str, u64)> = counts.profiles.iter().map(|(p, n)| (*p, *n)).collect();
    shown.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let hints: Vec<String> = shown
        .iter()
        .map(|(profile, n)| format!("`-p {profile}` shows {n}"))
        .collect();
    if !hints.is_empty() {
        text.push_str(&format!("; {}", hints.join(", ")));
    }
    Some(text)
}

/// Writes such a line.
pub fn write(text: &str, style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Line::default();
    prefix(&mut line, view);
    line.push(Look::Dim, super::escape(text));
    line.put(style, view.width, "", "  ", out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_came_and_what_shows_it() {
        let mut counts = Counts {
            requests: 9,
            failed: BTreeMap::from([(400, 3)]),
            open: 0,
            panicked: 0,
            profiles: BTreeMap::from([("containers", 4)]),
        };
        assert_eq!(
            line(&counts).as_deref(),
            Some(
                "9 requests reached none of the traced functions, 3 of them answered 400; \
                 `-p containers` shows 4"
            )
        );
        counts.failed = (400..405).map(|s| (s, 1)).collect();
        counts.open = 1;
        counts.panicked = 2;
        counts.profiles.clear();
        assert_eq!(
            line(&counts).as_deref(),
            Some(
                "9 requests reached none of the traced functions, 1 of them answered 400, \
                 1 of them answered 401, 1 of them answered 402, \
                 2 of them answered by other errors, 2 of them ended by a panic, \
                 1 of them still open"
            )
        );
        assert_eq!(line(&Counts::default()), None);
    }
}

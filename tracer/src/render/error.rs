//! Texts of errors on a line: shortened in the middle, because Go puts the cause last.

use super::text::{escape, string};

/// Longest text, characters: of a longer one this much of its beginning and of its end.
const MOST: usize = 240;
const HEAD: usize = 100;
const TAIL: usize = MOST - HEAD;

/// The text, escaped; `whole`: nothing is left out.
pub fn error(text: &str, whole: bool) -> String {
    let all = text.chars().count();
    if whole || all <= MOST {
        return string(text.as_bytes(), text.len() as u64, usize::MAX);
    }
    let head: String = text.chars().take(HEAD).collect();
    let tail: String = text.chars().skip(all - TAIL).collect();
    let between = all - MOST;
    format!(
        "\"{}… {between} characters …{}\"",
        escape(&head),
        escape(&tail)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_long_error_stays() {
        let long = format!(
            "failed to create task: {}: permission denied",
            "x".repeat(5000)
        );
        let said = error(&long, false);
        assert!(said.starts_with("\"failed to create task: xx"), "{said}");
        assert!(said.ends_with("xx: permission denied\""), "{said}");
        assert!(
            said.contains(&format!("… {} characters …", long.len() - MOST)),
            "{said}"
        );
        assert!(said.chars().count() < MOST + 40);
        assert_eq!(error(&long, true), format!("\"{long}\""));
        assert_eq!(error("a b", false), "\"a b\"");
        let fits = "y".repeat(MOST);
        assert_eq!(error(&fits, false), fits);
        let hostile = format!("\u{1b}[2J{}\u{202e}", "é".repeat(MOST));
        assert!(!error(&hostile, false).contains(['\u{1b}', '\u{202e}']));
    }
}

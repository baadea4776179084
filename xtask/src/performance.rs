//! docs/performance.md: sections written by different measurements, each replaced by its own.

use anyhow::{Context, Result};

use crate::exec::root;

/// Puts `text` under the heading `## title`, in place of what was there, or at the end.
pub fn replace(title: &str, text: &str) -> Result<()> {
    let path = root().join("docs/performance.md");
    let old = std::fs::read_to_string(&path).context("reading docs/performance.md")?;
    let new = replaced(&old, title, text);
    std::fs::write(&path, new).context("writing docs/performance.md")
}

/// Replaces what comes before the first section, and keeps the sections.
pub fn replace_first(text: &str) -> Result<()> {
    let path = root().join("docs/performance.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let sections = old.find("\n## ").map_or("", |at| &old[at..]);
    std::fs::write(&path, format!("{}\n{sections}", text.trim_end()))
        .context("writing docs/performance.md")
}

fn replaced(old: &str, title: &str, text: &str) -> String {
    let heading = format!("\n## {title}\n");
    let (before, after) = match old.split_once(&heading) {
        Some((before, rest)) => (before, rest.find("\n## ").map_or("", |at| &rest[at..])),
        None => (old, ""),
    };
    format!(
        "{}\n{heading}\n{}\n{after}",
        before.trim_end(),
        text.trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn sections_are_replaced_one_by_one() {
        let one = replaced("# Title\n\ntext\n", "A", "a");
        assert_eq!(one, "# Title\n\ntext\n\n## A\n\na\n");
        let two = replaced(&one, "B", "b");
        assert_eq!(two, "# Title\n\ntext\n\n## A\n\na\n\n## B\n\nb\n");
        assert_eq!(
            replaced(&two, "A", "c\n"),
            "# Title\n\ntext\n\n## A\n\nc\n\n## B\n\nb\n"
        );
    }
}

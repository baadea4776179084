//! Lines that fit a width: words wrapped, continuations aligned, styles kept.

use std::io::{self, Write};

use super::text::escape;
use super::{Style, View};

/// How a piece of a line is decorated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Plain,
    Bold,
    Dim,
    Warn,
}

/// The daemon that a row is about, where there are several.
pub fn prefix(line: &mut Line, view: &View) {
    if let Some(daemon) = &view.daemon {
        line.push_whole(Look::Dim, format!("{} ", escape(daemon)));
    }
}

/// A line being put together.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    look: Look,
    text: String,
    /// Not broken at its blanks.
    whole: bool,
}

impl Line {
    pub fn push(&mut self, look: Look, text: impl Into<String>) {
        self.pieces.push(Piece {
            look,
            text: text.into(),
            whole: false,
        });
    }

    /// What should stay on one row: a number and its unit.
    pub fn push_whole(&mut self, look: Look, text: impl Into<String>) {
        self.pieces.push(Piece {
            look,
            text: text.into(),
            whole: true,
        });
    }

    /// Rows of at most `width` columns where words allow it, `first` in front of the first one and
    /// `rest` in front of the others. Longer words are broken; nothing is left out.
    pub fn wrap(&self, style: Style, width: usize, first: &str, rest: &str) -> Vec<String> {
        let mut rows = Vec::new();
        let mut row = first.to_owned();
        let (mut used, mut empty) = (columns(first), true);
        let indent = columns(rest);
        for Piece { look, text, whole } in &self.pieces {
            let mut styled = String::new();
            let words: Vec<&str> = if *whole {
                vec![text.as_str()]
            } else {
                text.split_inclusive(' ').collect()
            };
            for word in words {
                let solid = columns(word.trim_end_matches(' '));
                let fits_a_row = indent + solid <= width;
                if !empty && used + solid > width && (fits_a_row || used >= width) {
                    row.push_str(&paint(style, *look, styled.trim_end_matches(' ')));
                    styled.clear();
                    rows.push(std::mem::replace(&mut row, rest.to_owned()));
                    (used, empty) = (indent, true);
                    if word.trim().is_empty() {
                        continue;
                    }
                }
                // blanks at the start of a continuation belong to the break
                let word = if empty && !rows.is_empty() {
                    word.trim_start_matches(' ')
                } else {
                    word
                };
                for c in word.chars() {
                    if used >= width && c != ' ' && used > indent {
                        row.push_str(&paint(style, *look, &styled));
                        styled.clear();
                        rows.push(std::mem::replace(&mut row, rest.to_owned()));
                        used = indent;
                    }
                    styled.push(c);
                    used += 1;
                    empty = false;
                }
            }
            row.push_str(&paint(style, *look, &styled));
        }
        rows.push(row);
        for row in &mut rows {
            row.truncate(row.trim_end().len());
        }
        rows
    }

    /// Writes its rows.
    pub fn put(
        &self,
        style: Style,
        width: usize,
        first: &str,
        rest: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for row in self.wrap(style, width, first, rest) {
            writeln!(out, "{row}")?;
        }
        Ok(())
    }
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

fn paint(style: Style, look: Look, text: &str) -> String {
    match look {
        _ if text.is_empty() => String::new(),
        Look::Plain => text.to_owned(),
        Look::Bold => style.bold(text),
        Look::Dim => style.dim(text),
        Look::Warn => style.warn(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pieces: &[(Look, &str)], width: usize) -> Vec<String> {
        let mut line = Line::default();
        for (look, text) in pieces {
            line.push(*look, *text);
        }
        line.wrap(Style::new(Some(false)), width, "- ", "  ")
    }

    #[test]
    fn words_wrap_and_continuations_are_aligned() {
        assert_eq!(
            rows(
                &[(Look::Bold, "Containers(a, b)"), (Look::Plain, " and more")],
                18
            ),
            ["- Containers(a, b)", "  and more"]
        );
        assert_eq!(rows(&[(Look::Plain, "short")], 18), ["- short"]);
    }

    #[test]
    fn long_words_are_broken_and_nothing_is_lost() {
        let long = "x".repeat(50);
        let rows = rows(&[(Look::Plain, &long)], 20);
        assert!(rows.iter().all(|r| r.chars().count() <= 20), "{rows:?}");
        let all: String = rows.iter().map(|r| r.get(2..).unwrap_or("")).collect();
        assert_eq!(all, long);
    }

    #[test]
    fn colour_does_not_count() {
        let mut line = Line::default();
        line.push(Look::Bold, "abc def");
        let rows = line.wrap(Style::new(Some(true)), 5, "", "");
        assert_eq!(rows, ["\u{1b}[1mabc\u{1b}[0m", "\u{1b}[1mdef\u{1b}[0m"]);
    }
}

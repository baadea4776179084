//! A comparison as aligned text and as Markdown.

use std::io::{self, Write};

use super::super::{Style, markdown};
use super::{Cell, Comparison};

/// Columns of the text form where stdout is no terminal.
const WIDTH: usize = 96;
/// Narrower and wider terminals get these.
const NARROWEST: usize = 60;
const WIDEST: usize = 120;
/// Columns in front of each cell.
const GAP: usize = 2;

fn terminal_width() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
    match usize::from(columns) {
        0 => WIDTH,
        columns => columns.clamp(NARROWEST, WIDEST),
    }
}

impl Comparison {
    /// Aligned text, as wide as the terminal.
    ///
    /// # Errors
    /// Writing fails.
    pub fn text(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        self.text_of_width(terminal_width(), style, out)
    }

    pub(super) fn text_of_width(
        &self,
        whole: usize,
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(out, "{}", style.dim(&self.title))?;
        let label_width = self
            .rows
            .iter()
            .map(|r| r.label.chars().count())
            .max()
            .unwrap_or(0)
            .max(8);
        let columns = self.heads.len().max(1);
        let room = whole.saturating_sub(GAP + label_width) / columns;
        let width = room.saturating_sub(GAP).max(16);
        let line =
            |label: &str, cells: &[Cell], mark: bool, out: &mut dyn Write| -> io::Result<()> {
                let wrapped: Vec<Vec<String>> =
                    cells.iter().map(|c| wrap(&c.whole(), width)).collect();
                let lines = wrapped.iter().map(Vec::len).max().unwrap_or(1);
                for n in 0..lines {
                    let label = if n == 0 { label } else { "" };
                    let sign = if mark && n == 0 { "≠" } else { " " };
                    let mut text = format!("{sign} {label:<label_width$}");
                    for cell in &wrapped {
                        let part = cell.get(n).map_or("", String::as_str);
                        text.push_str(&format!("  {part:<width$}"));
                    }
                    let text = text.trim_end();
                    let text = if mark {
                        style.differs(text)
                    } else {
                        // what stands out is what somebody asked for
                        text.replace("(default)", &style.dim("(default)"))
                    };
                    writeln!(out, "{text}")?;
                }
                Ok(())
            };
        let heads: Vec<Cell> = self.heads.iter().cloned().map(Cell::shown).collect();
        line("", &heads, false, out)?;
        for row in &self.rows {
            line(&row.label, &row.cells, row.is_marked(), out)?;
        }
        writeln!(out)?;
        for sentence in &self.verdict {
            for part in wrap_words(sentence, whole) {
                writeln!(out, "{}", style.bold(&part))?;
            }
        }
        for note in &self.notes {
            for part in wrap_words(&format!("note: {note}"), whole) {
                writeln!(out, "{}", style.dim(&part))?;
            }
        }
        Ok(())
    }

    /// Markdown for a bug report.
    ///
    /// # Errors
    /// Writing fails.
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "**mobytrace {}**: {}\n",
            env!("CARGO_PKG_VERSION"),
            self.title
        )?;
        if !self.rows.is_empty() {
            let heads: Vec<String> = self.heads.iter().map(|h| markdown::cell(h)).collect();
            writeln!(out, "| | {} | |", heads.join(" | "))?;
            writeln!(out, "|---|{}---|", "---|".repeat(heads.len()))?;
            for row in &self.rows {
                let cells: Vec<String> = row
                    .cells
                    .iter()
                    .map(|c| markdown::cell(&c.whole()))
                    .collect();
                let mark = if row.is_marked() { "**≠**" } else { "" };
                writeln!(
                    out,
                    "| {} | {} | {mark} |",
                    markdown::cell(&row.label),
                    cells.join(" | ")
                )?;
            }
            writeln!(out)?;
        }
        for sentence in &self.verdict {
            writeln!(out, "{}", markdown::text(sentence))?;
        }
        writeln!(out)?;
        for note in &self.notes {
            writeln!(out, "- {}", markdown::text(note))?;
        }
        Ok(())
    }
}

/// Cuts a cell into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return vec![String::new()];
    }
    let mut lines = Vec::new();
    let mut rest = chars.as_slice();
    while rest.len() > width {
        // break behind the last separator that fits, unless that leaves most of the line empty; a
        // number stays with its unit
        let splits = |at: &usize| {
            " ,&;?".contains(rest[*at]) && !rest[*at..].starts_with(&[' ', 'b', 'y', 't', 'e', 's'])
        };
        let at = (0..width)
            .rev()
            .find(splits)
            .map(|p| p + 1)
            .filter(|at| *at >= width / 3)
            .unwrap_or(width);
        lines.push(rest[..at].iter().collect::<String>().trim_end().to_owned());
        rest = &rest[at..];
    }
    lines.push(rest.iter().collect());
    lines
}

fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() || word.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

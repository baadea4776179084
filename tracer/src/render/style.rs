//! Colour, or not.

use std::io::IsTerminal;

/// How stdout is decorated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// `None`: colour if stdout is a terminal and NO_COLOR is not set.
    #[must_use]
    pub fn new(wanted: Option<bool>) -> Self {
        let colour = wanted.unwrap_or_else(|| {
            std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                && std::io::stdout().is_terminal()
        });
        Self { colour }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    #[must_use]
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    #[must_use]
    pub fn differs(self, text: &str) -> String {
        self.wrap("1;35", text)
    }
}

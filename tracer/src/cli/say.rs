//! What is said on stderr, and the only place that writes there.
//!
//! Nothing said may end a session: a reader who has gone, a full disk or a closed terminal costs
//! the words and nothing else. Nothing said may steer a terminal: names of files, functions and
//! processes have owners who choose them.

use std::io::Write;

/// Writes one line, escaped, in one piece: several sessions may speak at once.
pub fn line(text: &str) {
    let mut line = crate::render::escape(text);
    line.push('\n');
    // nobody is left who could be told
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Says one line on stderr, formatted as by `format!`.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::say::line(&format!($($text)*))
    };
}
pub(crate) use say;

//! Hides secrets in captured text: what is hidden in memory is hidden in the record by the same
//! bytes.
//!
//! Which values are secret as a whole is decided in `plan::secrets`; here is what a text itself
//! tells: `line` reads words (URLs, assignments, flags, keys), `json` documents, `query` the query
//! of a URL, `base64` what begins like a document in base64. What cannot be judged, because a text
//! was cut or ends in the middle of something, is hidden.

mod base64;
mod edit;
mod json;
mod line;
mod query;
mod shapes;
mod url;

pub(super) use edit::Edits;

use crate::plan::Secret;
use crate::plan::secrets::says_secret;

/// Stands for a secret, however long that is.
pub const MASK: &[u8] = b"********";
/// Texts inside of texts that are read; deeper ones are hidden.
const MOST_NESTED: u32 = 6;

/// Rounds after which nothing more is found in what is left of a text.
const MOST_ROUNDS: u32 = 8;

/// Hides what is secret in a text; `None`: nothing is. `whole`: it was captured to its end.
#[must_use]
pub fn text(bytes: &[u8], secret: Secret, whole: bool) -> Option<Vec<u8>> {
    let hidden = scrub(bytes, secret, whole, MOST_NESTED)?;
    Some(settled(hidden, secret, whole))
}

/// What is hidden from a text that was masked before must be nothing: a recording is masked again
/// whenever it is read.
fn settled(mut hidden: Vec<u8>, secret: Secret, whole: bool) -> Vec<u8> {
    for _ in 0..MOST_ROUNDS {
        match scrub(&hidden, secret, whole, MOST_NESTED) {
            Some(more) => hidden = more,
            None => return hidden,
        }
    }
    MASK.to_vec()
}

/// The same for the part of a text that was cut, which keeps its length.
#[must_use]
pub(super) fn fitted(mut hidden: Vec<u8>, len: usize, secret: Secret) -> Vec<u8> {
    for _ in 0..MOST_ROUNDS {
        hidden.resize(len, MASK[0]);
        match scrub(&hidden, secret, false, MOST_NESTED) {
            Some(mut more) => {
                more.resize(len, MASK[0]);
                if more == hidden {
                    return hidden;
                }
                hidden = more;
            }
            None => return hidden,
        }
    }
    vec![MASK[0]; len]
}

/// Hides what is secret in a command line of several words; `None`: nothing is.
#[must_use]
pub fn command(command: &str) -> Option<String> {
    let hidden = text(command.as_bytes(), Secret::None, true)?;
    Some(String::from_utf8_lossy(&hidden).into_owned())
}

/// Hides what is secret in the elements of a list of texts, where one may say that the next is
/// (`--password`, `x`).
#[derive(Debug, Default)]
pub struct Words {
    next: line::Next,
    program: Option<line::Program>,
}

impl Words {
    /// The next element. `next_secret` of the one before decides first.
    pub fn push(&mut self, word: &[u8], secret: Secret, whole: bool) -> Option<Vec<u8>> {
        let hidden = self.push_nested(word, secret, whole, MOST_NESTED)?;
        Some(settled(hidden, secret, whole))
    }

    fn push_nested(
        &mut self,
        word: &[u8],
        secret: Secret,
        whole: bool,
        left: u32,
    ) -> Option<Vec<u8>> {
        let before = std::mem::take(&mut self.next);
        self.program = line::Program::of(word).or(self.program.take());
        self.next = line::after(word, self.program);
        if let Some(from) = self.program.and_then(|p| p.attached(word)) {
            return Some([&word[..from], MASK].concat()).filter(|h| h != word);
        }
        match before {
            line::Next::Secret if !word.is_empty() && !word.starts_with(b"-") => {
                Some(MASK.to_vec()).filter(|m| m != word)
            }
            line::Next::Login => line::behind_colon(word)
                .filter(|h| h != word)
                .or_else(|| scrub(word, secret, whole, left)),
            line::Next::Variable if !word.starts_with(b"-") => {
                scrub(word, Secret::EnvValue, whole, left)
            }
            _ => scrub(word, secret, whole, left),
        }
    }
}

/// How many secrets a text that went through [`text`] had: runs of the mask, which is longer where
/// a text was cut.
#[must_use]
pub fn count(bytes: &[u8]) -> u32 {
    let runs = bytes
        .split(|b| *b != MASK[0])
        .filter(|run| run.len() >= MASK.len());
    u32::try_from(runs.count()).unwrap_or(u32::MAX)
}

fn scrub(bytes: &[u8], secret: Secret, whole: bool, left: u32) -> Option<Vec<u8>> {
    if bytes.is_empty() || bytes.iter().all(|b| *b == MASK[0]) {
        return None;
    }
    let Some(left) = left.checked_sub(1) else {
        return Some(MASK.to_vec());
    };
    let hidden = match secret {
        Secret::All | Secret::HeaderValues => Some(MASK.to_vec()),
        Secret::EnvValue => assigned(
            bytes,
            if whole {
                Unassigned::Kept
            } else {
                Unassigned::Hidden
            },
        ),
        Secret::Values => match json::document(bytes, json::Context::values(), whole, left) {
            Some(document) => document.hidden,
            None => assigned(bytes, Unassigned::Hidden),
        },
        Secret::Query => query::hide(bytes, whole, left),
        Secret::None if is_plain(bytes) => None,
        Secret::None => line::hide(bytes, whole, left),
    };
    hidden.filter(|h| h != bytes)
}

/// What becomes of a text that assigns nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unassigned {
    Kept,
    Hidden,
}

/// `NAME=value` without the value.
fn assigned(bytes: &[u8], unassigned: Unassigned) -> Option<Vec<u8>> {
    match bytes.iter().position(|b| *b == b'=') {
        Some(at) if at + 1 == bytes.len() => None,
        Some(at) => Some([&bytes[..=at], MASK].concat()),
        // a variable that is passed on by its name
        None if unassigned == Unassigned::Kept && bytes.iter().all(|b| is_name_byte(*b)) => None,
        None => Some(MASK.to_vec()),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Names, numbers and identifiers, of which most texts are: nothing in them can say that it is
/// secret.
fn is_plain(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'/' | b'.' | b'-'))
}

/// Whether the value that a name stands for is secret, where a text names it.
fn is_secret_name(name: &[u8]) -> bool {
    says_secret(name)
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;

//! Secrets in the words of a text: user information of URLs, what is assigned to a name that says
//! secret, what follows such a flag, documents that stand in it.

use std::ops::Range;

use super::query::unescape;
use super::{MASK, is_secret_name, json, query, scrub, shapes, url};
use crate::moby::programs::CLIENT;
use crate::moby::secrets::HEADER_LINES;
use crate::plan::Secret;

/// Flags of any program whose argument is an environment variable or a build argument.
const VARIABLE_FLAGS: &[&[u8]] = &[b"env", b"build-arg"];
/// Programs, or commands of one, their flags, and what the argument is. Flags that say secret by
/// their name need no line.
const PROGRAMS: &[(&[u8], &[u8], Next)] = &[
    (CLIENT.as_bytes(), b"e", Next::Variable),
    (b"login", b"p", Next::Secret),
    (b"sshpass", b"p", Next::Secret),
    (b"redis-cli", b"a", Next::Secret),
    (b"curl", b"u", Next::Login),
    (b"curl", b"user", Next::Login),
    (b"curl", b"U", Next::Login),
    (b"curl", b"proxy-user", Next::Login),
];
/// Programs whose `-p` has its password in the same word.
const ATTACHED: &[&[u8]] = &[b"mysql", b"mysqladmin", b"mysqldump"];
/// Longest name before a sign that is looked at.
const MOST_NAME: usize = 256;
/// Headers whose values reach to the end of the line.
const HEADERS: &[&[u8]] = &[
    b"authorization",
    b"proxy-authorization",
    b"cookie",
    b"set-cookie",
];

/// What a word of a command line says of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    #[default]
    Plain,
    /// It is a secret.
    Secret,
    /// It is `user:password`.
    Login,
    /// It is `NAME=value`.
    Variable,
}

/// A program with flags of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program(&'static [u8]);

impl Program {
    pub fn of(word: &[u8]) -> Option<Self> {
        let name = word.rsplit(|b| *b == b'/').next()?;
        let flagged = PROGRAMS.iter().map(|(p, _, _)| *p);
        flagged
            .chain(ATTACHED.iter().copied())
            .find(|p| *p == name)
            .map(Self)
    }

    /// Where a password begins in a word that holds flag and password.
    pub fn attached(self, word: &[u8]) -> Option<usize> {
        let is_it = ATTACHED.contains(&self.0) && word.starts_with(b"-p") && word.len() > 2;
        is_it.then_some(2)
    }
}

/// What a word says of the next.
pub fn after(word: &[u8], program: Option<Program>) -> Next {
    let Some(dashes) = word.iter().position(|b| *b != b'-').filter(|at| *at > 0) else {
        return Next::Plain;
    };
    let name = &word[dashes..];
    if name.contains(&b'=') {
        return Next::Plain;
    }
    let own = program.and_then(|program| {
        PROGRAMS
            .iter()
            .find(|(p, flag, _)| *p == program.0 && *flag == name)
    });
    match own {
        Some((_, _, next)) => *next,
        None if is_secret_name(name) => Next::Secret,
        None if VARIABLE_FLAGS.contains(&name) => Next::Variable,
        None => Next::Plain,
    }
}

/// `user:password` without the password; ids of a user and a group are none.
pub fn behind_colon(word: &[u8]) -> Option<Vec<u8>> {
    let colon = word.iter().position(|b| *b == b':')?;
    let behind = &word[colon + 1..];
    if behind.is_empty() || behind.iter().all(u8::is_ascii_digit) || behind.starts_with(b"//") {
        return None;
    }
    Some([&word[..=colon], MASK].concat())
}

/// An instruction of a Dockerfile: `ENV` and `ARG` lose their values.
pub fn instruction(text: &[u8], whole: bool, left: u32) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut changed = false;
    for (index, line) in text.split(|b| *b == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        let start = line
            .iter()
            .position(|b| !b.is_ascii_whitespace())
            .unwrap_or(0);
        let word = line.get(start..start + 4).unwrap_or_default();
        let is_variable = word.eq_ignore_ascii_case(b"env ") || word.eq_ignore_ascii_case(b"arg ");
        let name = line[start..]
            .iter()
            .skip(4)
            .position(|b| !b.is_ascii_whitespace())
            .map_or(line.len(), |n| start + 4 + n);
        let value = line[name..]
            .iter()
            .position(|b| b.is_ascii_whitespace() || *b == b'=');
        match value {
            Some(at) if is_variable => {
                let kept = &line[..=name + at];
                out.extend_from_slice(kept);
                if kept.len() < line.len() {
                    out.extend_from_slice(MASK);
                    changed |= &line[kept.len()..] != MASK;
                }
            }
            _ => match scrub(line, Secret::None, whole, left) {
                Some(hidden) => {
                    out.extend_from_slice(&hidden);
                    changed = true;
                }
                None => out.extend_from_slice(line),
            },
        }
    }
    changed.then_some(out)
}

/// A part of a text, and what stands there instead.
struct Change {
    at: Range<usize>,
    instead: Vec<u8>,
}

/// Hides what is secret in a text.
pub fn hide(bytes: &[u8], whole: bool, left: u32) -> Option<Vec<u8>> {
    let mut secret = shapes::find(bytes);
    secret.extend(url::userinfo(bytes, whole));
    secret.extend(assignments(bytes));
    secret.extend(arguments(bytes));
    let documents = inner(bytes, whole, left);
    // a document is judged by its own structure
    secret.retain(|s| {
        !s.is_empty()
            && !documents
                .iter()
                .any(|d| d.at.start <= s.start && s.end <= d.at.end)
    });
    let mut changes: Vec<Change> = secret
        .into_iter()
        .map(|at| Change {
            at,
            instead: MASK.to_vec(),
        })
        .chain(documents.into_iter().filter_map(|d| {
            Some(Change {
                at: d.at,
                instead: d.hidden?,
            })
        }))
        .collect();
    if changes.is_empty() {
        return None;
    }
    changes.sort_by_key(|c| (c.at.start, std::cmp::Reverse(c.at.end)));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut changes = changes.into_iter().peekable();
    while let Some(mut change) = changes.next() {
        // of what overlaps nothing is kept
        while let Some(next) = changes.next_if(|n| n.at.start < change.at.end) {
            change.at.end = change.at.end.max(next.at.end);
            change.instead = MASK.to_vec();
        }
        out.extend_from_slice(&bytes[at..change.at.start]);
        out.extend_from_slice(&change.instead);
        at = change.at.end;
    }
    out.extend_from_slice(&bytes[at..]);
    Some(out)
}

/// A document or a query inside of a text.
struct Inner {
    at: Range<usize>,
    hidden: Option<Vec<u8>>,
}

fn inner(bytes: &[u8], whole: bool, left: u32) -> Vec<Inner> {
    let mut found: Vec<Inner> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let read = match bytes[at] {
            b'{' | b'[' if begins_document(rest) => {
                json::document(rest, json::Context::plain(), whole, left).map(|d| (d.len, d.hidden))
            }
            b'?' if at > 0 && !bytes[at - 1].is_ascii_whitespace() => {
                let end = rest
                    .iter()
                    .position(|b| {
                        b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>')
                    })
                    .unwrap_or(rest.len());
                let is_whole = whole || end < rest.len();
                // also where nothing is hidden: its values were looked at
                rest[1..end].contains(&b'=').then(|| {
                    let hidden = query::hide(&rest[1..end], is_whole, left);
                    (end, hidden.map(|h| [b"?", h.as_slice()].concat()))
                })
            }
            _ => None,
        };
        match read {
            Some((len, hidden)) => {
                found.push(Inner {
                    at: at..at + len,
                    hidden,
                });
                at += len.max(1);
            }
            None => at += 1,
        }
    }
    found
}

/// `{"`, `["`, `[{`, with white space between: other braces are no documents.
fn begins_document(bytes: &[u8]) -> bool {
    let mut next = bytes.iter().filter(|b| !b.is_ascii_whitespace());
    match (next.next(), next.next()) {
        (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'"' | b'{' | b'[')) => true,
        // a text that is cut behind its brace
        (Some(_), None) => true,
        _ => false,
    }
}

/// What is assigned to names that say secret.
fn assignments(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in 0..bytes.len() {
        if found.last().is_some_and(|f| at < f.end) {
            continue;
        }
        let (sign, behind) = match bytes[at] {
            sign @ (b'=' | b':') => (sign, at + 1),
            b'%' if begins(&bytes[at..], b"%3d") => (b'=', at + 3),
            b'%' if begins(&bytes[at..], b"%3a") => (b':', at + 3),
            _ => continue,
        };
        let Some(name) = name_before(bytes, at) else {
            continue;
        };
        let text = unescape(&bytes[name.at.clone()]);
        if sign == b':'
            && HEADERS
                .iter()
                .chain(HEADER_LINES)
                .any(|h| h.eq_ignore_ascii_case(&text))
            && !name.is_quoted
        {
            let start = behind + spaces(&bytes[behind..]);
            let end = bytes[start..]
                .iter()
                .position(|b| matches!(b, b'\r' | b'\n' | b'"' | b'\''))
                .map_or(bytes.len(), |n| start + n);
            found.push(start..end);
            continue;
        }
        let is_secret = is_secret_name(&text) || is_secret_name(after_dashes(&text));
        if !is_secret || (sign == b':' && !assigns(bytes, &name, behind)) {
            continue;
        }
        found.extend(value(
            bytes,
            behind,
            sign == b':' || name.is_spaced || name.is_quoted,
        ));
    }
    found
}

fn after_dashes(name: &[u8]) -> &[u8] {
    let at = name.iter().position(|b| *b != b'-').unwrap_or(name.len());
    &name[at..]
}

/// The name before a sign.
struct Name {
    at: Range<usize>,
    is_quoted: bool,
    /// White space stands between name and sign.
    is_spaced: bool,
}

fn name_before(bytes: &[u8], sign: usize) -> Option<Name> {
    let mut end = sign;
    let most = sign.saturating_sub(MOST_NAME);
    while end > most && matches!(bytes[end - 1], b' ' | b'\t' | b'!' | b'>' | b'<' | b'+') {
        end -= 1;
    }
    let is_spaced = end < sign;
    let unquoted = end;
    while end > most && matches!(bytes[end - 1], b'"' | b'\'' | b'\\') {
        end -= 1;
    }
    if end > 2 && begins(&bytes[end - 3..end], b"%22") {
        end -= 3;
    }
    let is_quoted = end < unquoted;
    let mut start = end;
    while start > most && is_name_byte(bytes[start - 1]) {
        start -= 1;
    }
    (start < end).then_some(Name {
        at: start..end,
        is_quoted,
        is_spaced,
    })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%')
}

/// Whether a colon behind a name assigns: names of images have colons too, and sentences.
fn assigns(bytes: &[u8], name: &Name, behind: usize) -> bool {
    let before = name.at.start.checked_sub(1).map(|at| bytes[at]);
    let is_spaced = bytes.get(behind).is_some_and(|b| b.is_ascii_whitespace());
    let begins_item = matches!(before, None | Some(b'\n' | b'{' | b',' | b';'));
    name.is_quoted
        || (is_spaced && begins_item)
        // a struct as `%+v` prints it
        || (!is_spaced
            && matches!(before, None | Some(b'{' | b' '))
            && bytes[name.at.start].is_ascii_uppercase())
}

/// What stands behind a sign.
fn value(bytes: &[u8], behind: usize, is_spaced: bool) -> Option<Range<usize>> {
    let mut start = behind;
    while bytes.get(start) == Some(&b'=') {
        start += 1;
    }
    let space = spaces(&bytes[start..]);
    if is_spaced
        || bytes
            .get(start + space)
            .is_some_and(|b| matches!(b, b'"' | b'\''))
        || start > behind
    {
        start += space;
    }
    let quote = bytes[start..]
        .iter()
        .position(|b| *b != b'\\')
        .map(|n| start..start + n + 1)
        .filter(|q| matches!(bytes[q.end - 1], b'"' | b'\''));
    if let Some(quote) = quote {
        let mark = &bytes[quote.clone()];
        let mut at = quote.end;
        while at < bytes.len() && !bytes[at..].starts_with(mark) {
            at += if bytes[at] == b'\\' && mark.len() == 1 {
                2
            } else {
                1
            };
        }
        return Some(quote.end..at.min(bytes.len()));
    }
    let mut end = start;
    while let Some(byte) = bytes.get(end) {
        let rest = &bytes[end + 1..];
        let ends = match byte {
            b'"' | b'\'' | b'`' | b'\\' => true,
            b',' | b';' | b'&' => {
                let next = rest
                    .iter()
                    .position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b';' | b'&'))
                    .unwrap_or(rest.len());
                next == 0 || rest[..next].iter().any(|b| matches!(b, b'=' | b':'))
            }
            b')' | b']' | b'}' | b'|' | b'>' => rest
                .first()
                .is_none_or(|b| b.is_ascii_whitespace() || b.is_ascii_punctuation()),
            other => other.is_ascii_whitespace(),
        };
        if ends {
            break;
        }
        end += 1;
    }
    Some(start..end)
}

/// Arguments of flags that say secret, in a command line of one text.
fn arguments(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut next = Next::Plain;
    let mut program = None;
    let mut at = 0;
    while at < bytes.len() {
        at += spaces(&bytes[at..]);
        let word = word_at(bytes, at);
        if word.is_empty() {
            at = word.end + 1;
            continue;
        }
        let text = &bytes[word.clone()];
        match next {
            Next::Secret if !text.starts_with(b"-") => found.push(word.clone()),
            Next::Login => {
                if let Some(kept) = behind_colon(text) {
                    found.push(word.start + kept.len() - MASK.len()..word.end);
                }
            }
            Next::Variable => {
                if let Some(equals) = text.iter().position(|b| *b == b'=') {
                    found.push(word.start + equals + 1..word.end);
                }
            }
            _ => {}
        }
        program = Program::of(text).or(program);
        if let Some(from) = program.and_then(|p| p.attached(text)) {
            found.push(word.start + from..word.end);
        }
        next = after(text, program);
        at = word.end.max(at + 1);
    }
    found
}

/// A word, within its quotes if it has any.
fn word_at(bytes: &[u8], at: usize) -> Range<usize> {
    match bytes.get(at) {
        Some(quote @ (b'"' | b'\'')) => {
            let end = bytes[at + 1..]
                .iter()
                .position(|b| b == quote)
                .map_or(bytes.len(), |n| at + 1 + n);
            // quoted commands have words of their own
            if bytes[at + 1..end].iter().any(|b| b.is_ascii_whitespace()) {
                at + 1..at + 1 + plain_word(&bytes[at + 1..end])
            } else {
                at + 1..end
            }
        }
        _ => at..at + plain_word(&bytes[at..]),
    }
}

fn plain_word(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''))
        .unwrap_or(bytes.len())
}

fn spaces(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .unwrap_or(bytes.len())
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes
        .get(..with.len())
        .is_some_and(|b| b.eq_ignore_ascii_case(with))
}

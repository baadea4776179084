//! Secrets that are known by how they look.

use std::ops::Range;

use super::base64;
use crate::moby::secrets::PREFIXES;

const BEGIN: &[u8] = b"-----BEGIN ";
const KEY: &[u8] = b"PRIVATE KEY-----";
const END: &[u8] = b"-----END ";
/// Schemes of `Authorization` headers.
const SCHEMES: &[&[u8]] = &[b"bearer ", b"basic "];
/// Shorter words behind a scheme are words.
const FEWEST: usize = 8;

/// Where they are.
pub fn find(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = base64::documents(bytes);
    for prefix in PREFIXES {
        for at in positions(bytes, prefix) {
            let end = word_end(bytes, at);
            found.push(at..end);
        }
    }
    for at in positions(bytes, BEGIN) {
        let rest = &bytes[at..];
        let line = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        if positions(&rest[..line.min(80)], KEY).next().is_some() {
            let end = positions(rest, END).next().unwrap_or(rest.len());
            found.push(at..at + end);
        }
    }
    for scheme in SCHEMES {
        let at = (0..bytes.len().saturating_sub(scheme.len()))
            .filter(|at| bytes[*at..at + scheme.len()].eq_ignore_ascii_case(scheme))
            .filter(|at| *at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
        for at in at {
            let start = at + scheme.len();
            let end = word_end(bytes, start);
            if is_credential(scheme, &bytes[start..end]) {
                found.push(start..end);
            }
        }
    }
    found
}

/// What follows a scheme is a word of a sentence, or not.
fn is_credential(scheme: &[u8], word: &[u8]) -> bool {
    let digits = |w: &[u8]| w.iter().any(|b| !b.is_ascii_lowercase());
    match scheme {
        b"basic " => base64::decode(word).is_some_and(|text| text.contains(&b':')),
        _ => word.len() >= FEWEST && digits(word) && !word.contains(&b'='),
    }
}

/// Places where `what` stands.
fn positions<'b>(bytes: &'b [u8], what: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    bytes
        .windows(what.len())
        .enumerate()
        .filter(move |(_, w)| *w == what)
        .map(|(at, _)| at)
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|b| {
            b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'\\' | b',' | b')' | b'&')
        })
        .map_or(bytes.len(), |n| start + n)
}

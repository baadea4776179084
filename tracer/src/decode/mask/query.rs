//! The query of a URL: values of parameters whose names say secret, and what other values hold.

use super::{MASK, is_secret_name, line, scrub};
use crate::plan::Secret;
use crate::plan::secrets::is_build_arguments;

/// Parameters that hold instructions of a Dockerfile.
const INSTRUCTIONS: &[u8] = b"changes";

/// Hides what is secret in it.
pub fn hide(bytes: &[u8], whole: bool, left: u32) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut hidden = false;
    let mut at = 0;
    loop {
        let end = bytes[at..]
            .iter()
            .position(|b| matches!(b, b'&' | b';'))
            .map_or(bytes.len(), |n| at + n);
        let pair = &bytes[at..end];
        let is_whole = whole || end < bytes.len();
        match parameter(pair, is_whole, left) {
            Some(instead) => {
                out.extend_from_slice(&instead);
                hidden = true;
            }
            None => out.extend_from_slice(pair),
        }
        match bytes.get(end) {
            Some(separator) => out.push(*separator),
            None => break,
        }
        at = end + 1;
    }
    hidden.then_some(out)
}

fn parameter(pair: &[u8], whole: bool, left: u32) -> Option<Vec<u8>> {
    let equals = pair.iter().position(|b| *b == b'=');
    let Some(equals) = equals else {
        // a name without a value may itself be what is secret
        return scrub(&unescape(pair), Secret::None, whole, left).map(|h| escape(&h));
    };
    let (name, value) = (unescape(&pair[..equals]), &pair[equals + 1..]);
    if value.is_empty() || value == MASK {
        return None;
    }
    let hidden = if is_secret_name(&name) {
        MASK.to_vec()
    } else {
        let value = unescape(value);
        let hidden = if is_build_arguments(&name) {
            scrub(&value, Secret::Values, whole, left)
        } else if name == INSTRUCTIONS {
            line::instruction(&value, whole, left)
        } else {
            scrub(&value, Secret::None, whole, left)
        };
        escape(&hidden?)
    };
    Some([&pair[..=equals], &hidden].concat())
}

/// As `url.QueryUnescape`, but what is no escape stays.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            (b'+', _, _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    out
}

/// As `url.QueryEscape`, but the mask stays readable.
fn escape(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'~' | b'*' => out.push(*byte),
            b if b.is_ascii_alphanumeric() => out.push(*b),
            b => {
                out.push(b'%');
                out.push(DIGITS[usize::from(b >> 4)]);
                out.push(DIGITS[usize::from(b & 15)]);
            }
        }
    }
    out
}

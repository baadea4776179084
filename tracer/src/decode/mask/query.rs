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
        return scrub(&unescape(pair), Secret::None, whole, left).map(|h| respelled(pair, &h));
    };
    let (name, value) = (unescape(&pair[..equals]), &pair[equals + 1..]);
    if value.is_empty() || value == MASK {
        return None;
    }
    let hidden = if is_secret_name(&name) {
        MASK.to_vec()
    } else {
        let sent = value;
        let value = unescape(sent);
        let hidden = if is_build_arguments(&name) {
            scrub(&value, Secret::Values, whole, left)
        } else if name == INSTRUCTIONS {
            line::instruction(&value, whole, left)
        } else {
            scrub(&value, Secret::None, whole, left)
        };
        respelled(sent, &hidden?)
    };
    Some([&pair[..=equals], &hidden].concat())
}

/// What is shown instead of a text that was sent: its bytes as they were spelled where nothing is
/// hidden, before and behind what is.
fn respelled(sent: &[u8], shown: &[u8]) -> Vec<u8> {
    let (plain, places) = with_places(sent);
    let same = plain.iter().zip(shown).take_while(|(a, b)| a == b).count();
    let most = plain.len().min(shown.len()) - same;
    let ends = plain.iter().rev().zip(shown.iter().rev());
    let behind = ends.take(most).take_while(|(a, b)| a == b).count();
    let place = |at: usize| places.get(at).copied().unwrap_or(sent.len());
    [
        &sent[..place(same)],
        &escape(&shown[same..shown.len() - behind]),
        &sent[place(plain.len() - behind)..],
    ]
    .concat()
}

/// As `url.QueryUnescape`, but what is no escape stays.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    with_places(text).0
}

/// The same, and where each byte of it stands in the text.
fn with_places(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut places = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        places.push(at);
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
    (out, places)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_hidden_is_spelled_as_it_was_sent() {
        let shown = |query: &str, whole| {
            let hidden = hide(query.as_bytes(), whole, 4);
            String::from_utf8(hidden.unwrap_or_else(|| query.into())).expect("text")
        };
        let sent =
            "f=%7b%22%6Cabel%22:%5b%22a%2cb%22%5d%2c%22password%22:%22hunter2%22%2c%22x%22:1%7d";
        let masked = shown(sent, true);
        assert!(masked.starts_with("f=%7b%22%6Cabel%22:%5b%22a%2cb%22%5d%2c%22password%22:%22"));
        assert!(masked.ends_with("%22%2c%22x%22:1%7d"), "{masked}");
        assert!(masked.contains("********") && !masked.contains("hunter2"));
        assert_eq!(shown("a=%2c+b&c", true), "a=%2c+b&c");
        let cut = shown("f=%7b%22label%22:%5b%22a%2cb%22%2c%22c", false);
        assert_eq!(cut, "f=%7b%22label%22:%5b%22a%2cb%22%2c********");
    }
}

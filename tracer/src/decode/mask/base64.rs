//! Base64, in both alphabets, of what begins like a JSON document: registry credentials, and tokens
//! of three such parts.

use std::ops::Range;

/// Characters that are enough to tell.
const FEWEST: usize = 8;

/// Runs of base64 that begin like a document.
pub fn documents(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at + FEWEST <= bytes.len() {
        let begins = matches!(bytes[at], b'e' | b'W' | b'I' | b'D' | b'C')
            && begins_document(&bytes[at..at + FEWEST]);
        if begins {
            // a web token goes on behind a dot
            let end = bytes[at..]
                .iter()
                .position(|b| !is_digit(*b) && !matches!(b, b'=' | b'.'))
                .map_or(bytes.len(), |n| at + n);
            found.push(at..end);
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// `{"`, `[{`, `["`, with white space between.
fn begins_document(digits: &[u8]) -> bool {
    let Some(text) = decode(digits) else {
        return false;
    };
    let mut text = text.iter().filter(|b| !b.is_ascii_whitespace());
    matches!(
        (text.next(), text.next()),
        (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'{' | b'"'))
    )
}

/// Whole groups of four digits.
pub fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks_exact(4) {
        let mut word = 0u32;
        let mut padding = 0;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                b'=' => {
                    padding += 1;
                    0
                }
                _ => return None,
            };
            word = word << 6 | u32::from(value);
        }
        let [_, a, b, c] = word.to_be_bytes();
        out.extend_from_slice(&[a, b, c][..3usize.saturating_sub(padding)]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_document_is_found_in_a_run() {
        // {"username":"u","password":"p"}
        let credentials = b"eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ==";
        let all = Range {
            start: 0,
            end: credentials.len(),
        };
        assert_eq!(
            documents(credentials).as_slice(),
            std::slice::from_ref(&all)
        );
        let inside = [b"a eyJ".as_slice(), &credentials[3..], b" b"].concat();
        let between = Range {
            start: 2,
            end: inside.len() - 2,
        };
        assert_eq!(
            documents(&inside).as_slice(),
            std::slice::from_ref(&between)
        );
        // {} and a digest hold nothing
        assert!(documents(b"e30=").is_empty());
        assert!(documents(b"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d").is_empty());
        assert_eq!(
            documents(b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln").len(),
            1
        );
    }
}

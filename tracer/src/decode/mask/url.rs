//! Users and passwords in URLs, also in those that are escaped for a query.

use std::ops::Range;

/// Digests of image references stand behind an `@` too.
const DIGESTS: &[&[u8]] = &[b"sha256:", b"sha384:", b"sha512:"];

/// Bytes around a sign that are looked at.
const MOST: usize = 2048;

/// Where they are. `whole`: the text was captured to its end.
pub fn userinfo(bytes: &[u8], whole: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for at in 0..bytes.len() {
        if let Some(start) = authority(bytes, at)
            && let Some(range) = in_authority(bytes, start, whole)
        {
            found.push(range);
        }
        if bytes[at] == b'@'
            && let Some(range) = without_scheme(bytes, at)
        {
            found.push(range);
        }
    }
    found
}

/// Behind `://`, plain or escaped, that begins here.
fn authority(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"://") {
        return Some(at + 3);
    }
    let escaped = b"%3a%2f%2f";
    let is_escaped = rest
        .get(..escaped.len())
        .is_some_and(|r| r.eq_ignore_ascii_case(escaped));
    if is_escaped {
        return Some(at + escaped.len());
    }
    // a text that begins without a scheme
    (at == 0 && rest.starts_with(b"//")).then_some(2)
}

fn in_authority(bytes: &[u8], start: usize, whole: bool) -> Option<Range<usize>> {
    let rest = &bytes[start..bytes.len().min(start + MOST)];
    let end = rest
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>' | b'`'));
    let word = &rest[..end.unwrap_or(rest.len())];
    let slash = first(word, &[b"/", b"?", b"#", b"%2f", b"%3f", b"%23"]);
    let host = &word[..slash.unwrap_or(word.len())];
    let at = |part: &[u8]| last(part, &[b"@", b"%40"]);
    if let Some(at) = at(host) {
        return Some(start..start + at).filter(|r| !r.is_empty());
    }
    // a password may hold a slash that nobody escaped: then no number follows the colon
    let named = first(host, &[b":", b"%3a"]).is_some_and(|colon| {
        let port = &host[colon..];
        port.iter()
            .any(|b| !b.is_ascii_digit() && !matches!(b, b':' | b'%' | b'[' | b']'))
            && !host.starts_with(b"[")
    });
    if named && let Some(at) = at(word) {
        return Some(start..start + at);
    }
    // the end of the text is not the end of the URL
    let is_cut = !whole || start + rest.len() < bytes.len();
    (end.is_none() && slash.is_none() && is_cut).then(|| start..start + rest.len())
}

/// `user:password@host` without a scheme: what stands between colon and `@`.
fn without_scheme(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if DIGESTS.iter().any(|d| bytes[at + 1..].starts_with(d)) {
        return None;
    }
    let from = at.saturating_sub(MOST);
    let start = bytes[from..at]
        .iter()
        .rposition(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'=' | b',' | b'<'))
        .map_or(from, |n| from + n + 1);
    let word = &bytes[start..at];
    let colon = word.iter().position(|b| *b == b':')?;
    let range = start + colon + 1..at;
    // with a scheme it is an authority, which is judged as a whole
    let has_scheme = (0..word.len()).any(|at| at > 0 && authority(word, at).is_some());
    let is_named = colon > 0 && !has_scheme;
    (is_named && !range.is_empty() && !word.starts_with(b"mailto:")).then_some(range)
}

fn first(bytes: &[u8], any: &[&[u8]]) -> Option<usize> {
    (0..bytes.len()).find(|at| any.iter().any(|one| begins(&bytes[*at..], one)))
}

fn last(bytes: &[u8], any: &[&[u8]]) -> Option<usize> {
    (0..bytes.len()).rfind(|at| any.iter().any(|one| begins(&bytes[*at..], one)))
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes
        .get(..with.len())
        .is_some_and(|b| b.eq_ignore_ascii_case(with))
}

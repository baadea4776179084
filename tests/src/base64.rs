//! Base64, as clients of the API write it.

/// RFC 4648 with padding. Of ASCII letters, digits, quotes and braces this is also the alphabet for
/// URLs.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let digits = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b));
        let digits = digits << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let digit = (digits >> (18 - 6 * n)) & 63;
            out.push(if n <= chunk.len() {
                char::from(DIGITS[digit as usize])
            } else {
                '='
            });
        }
    }
    out
}

//! JSON documents: values are judged by their keys, texts by what they hold. What follows a break
//! in the structure is hidden.

use super::{MASK, Words, is_secret_name, scrub};
use crate::plan::Secret;
use crate::plan::secrets::{
    is_build_arguments, is_environment, is_harmless_header, is_headers, is_variable_part,
};

/// Objects and lists in each other.
const MOST_DEEP: u32 = 64;

/// A document at the beginning of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// Bytes of the text that it takes.
    pub len: usize,
    /// What it is without its secrets; `None`: it has none.
    pub hidden: Option<Vec<u8>>,
}

/// What is known of a value before it is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Context {
    secret: Secret,
    /// It is an element of a list.
    in_list: bool,
}

impl Context {
    pub fn plain() -> Self {
        Self::of(Secret::None)
    }

    fn of(secret: Secret) -> Self {
        Self {
            secret,
            in_list: false,
        }
    }

    /// Keys stay, values do not.
    pub fn values() -> Self {
        Self::of(Secret::Values)
    }

    /// Of what a key stands for.
    fn under(self, key: &[u8]) -> Self {
        Self::of(match self.secret {
            Secret::All => Secret::All,
            // with a sign it says its own value
            _ if !key.contains(&b'=') && is_secret_name(key) => Secret::All,
            Secret::Values => Secret::All,
            Secret::HeaderValues if !is_harmless_header(key) => Secret::All,
            // `{"Name": "A", "Value": "b"}`
            Secret::EnvValue if self.in_list && is_variable_part(key) => Secret::None,
            Secret::EnvValue => Secret::All,
            _ if is_environment(key) => Secret::EnvValue,
            _ if is_build_arguments(key) => Secret::Values,
            _ if is_headers(key) => Secret::HeaderValues,
            _ => Secret::None,
        })
    }
}

/// The document that a text begins with; `None`: it does not begin like one.
pub fn document(bytes: &[u8], context: Context, whole: bool, left: u32) -> Option<Document> {
    if !matches!(bytes.first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut walk = Walk {
        bytes,
        at: 0,
        out: Vec::new(),
        changed: false,
        said: false,
        whole,
        left,
    };
    let read = walk.value(context, MOST_DEEP);
    match read {
        Ok(()) => Some(Document {
            len: walk.at,
            hidden: walk.changed.then_some(walk.out),
        }),
        // braces that hold no key and no text are no document
        Err(Broken) if !walk.said => None,
        Err(Broken) => {
            walk.out.extend_from_slice(MASK);
            Some(Document {
                len: bytes.len(),
                hidden: Some(walk.out),
            })
        }
    }
}

/// The structure ends here.
struct Broken;

struct Walk<'b> {
    bytes: &'b [u8],
    at: usize,
    out: Vec<u8>,
    changed: bool,
    /// A key or a text was read: it is a document.
    said: bool,
    whole: bool,
    left: u32,
}

impl Walk<'_> {
    fn space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at).filter(|b| b.is_ascii_whitespace()) {
            self.out.push(*byte);
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, Broken> {
        self.bytes.get(self.at).copied().ok_or(Broken)
    }

    fn take(&mut self, byte: u8) -> Result<(), Broken> {
        if self.peek()? != byte {
            return Err(Broken);
        }
        self.out.push(byte);
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, context: Context, deep: u32) -> Result<(), Broken> {
        let deep = deep.checked_sub(1).ok_or(Broken)?;
        self.space();
        let start = self.out.len();
        if context.secret == Secret::All {
            let is_empty = self.skip(deep, start)?;
            if !is_empty {
                self.out.truncate(start);
                self.out.push(b'"');
                self.out.extend_from_slice(MASK);
                self.out.push(b'"');
                self.changed = true;
            }
            return Ok(());
        }
        match self.peek()? {
            b'{' => self.object(context, deep),
            b'[' => self.list(context, deep),
            b'"' => {
                let (text, raw) = self.string()?;
                self.text(&text, raw, context.secret, None);
                Ok(())
            }
            _ => self.scalar(),
        }
    }

    /// Passes over a value that is hidden; gives whether there is nothing in it.
    fn skip(&mut self, deep: u32, start: usize) -> Result<bool, Broken> {
        let changed = self.changed;
        match self.peek()? {
            b'"' => {
                let (text, raw) = self.string()?;
                self.out.extend_from_slice(&self.bytes[raw]);
                self.changed = changed;
                Ok(text.is_empty())
            }
            b'{' | b'[' => {
                let plain = Context::plain();
                let read = if self.peek()? == b'{' {
                    self.object(plain, deep)
                } else {
                    self.list(plain, deep)
                };
                self.changed = changed;
                if read.is_err() {
                    self.out.truncate(start);
                }
                read?;
                Ok(matches!(&self.out[start..], b"{}" | b"[]"))
            }
            _ => {
                self.scalar()?;
                Ok(matches!(&self.out[start..], b"null" | b"true" | b"false"))
            }
        }
    }

    fn object(&mut self, context: Context, deep: u32) -> Result<(), Broken> {
        self.take(b'{')?;
        let mut secret_name = false;
        let mut value = None;
        self.space();
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            self.space();
            let (key, raw) = self.string()?;
            // a key may be what was sent: `{"label": {"password=x": true}}`
            self.text(&key, raw, Secret::None, None);
            self.space();
            self.take(b':')?;
            self.said = true;
            self.space();
            let start = self.out.len();
            if key.eq_ignore_ascii_case(b"name") || key.eq_ignore_ascii_case(b"key") {
                secret_name |= self.named();
            }
            self.value(context.under(&key), deep)?;
            if key.eq_ignore_ascii_case(b"value") {
                value = Some(start..self.out.len());
            }
            self.space();
            if self.peek()? != b',' {
                break;
            }
            self.take(b',')?;
        }
        self.take(b'}')?;
        // a pair whose name says secret
        if let Some(value) = value.filter(|_| secret_name) {
            let mask = [b"\"", MASK, b"\""].concat();
            if self.out[value.clone()] != *mask && self.out[value.clone()] != *b"\"\"" {
                self.out.splice(value, mask);
                self.changed = true;
            }
        }
        Ok(())
    }

    /// Whether the text that comes next is a name that says secret.
    fn named(&self) -> bool {
        let mut ahead = Walk {
            bytes: self.bytes,
            at: self.at,
            out: Vec::new(),
            ..*self
        };
        ahead.string().is_ok_and(|(text, _)| is_secret_name(&text))
    }

    fn list(&mut self, context: Context, deep: u32) -> Result<(), Broken> {
        self.take(b'[')?;
        let mut words = Words::default();
        self.space();
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            self.space();
            if self.peek()? == b'"' {
                let (text, raw) = self.string()?;
                self.said = true;
                self.text(&text, raw, context.secret, Some(&mut words));
            } else {
                let element = Context {
                    in_list: true,
                    ..context
                };
                self.value(element, deep)?;
            }
            self.space();
            if self.peek()? != b',' {
                break;
            }
            self.take(b',')?;
        }
        self.take(b']')
    }

    /// A number, or a word.
    fn scalar(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            if !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'+' | b'.') {
                break;
            }
            self.at += 1;
        }
        // at the end of what was captured it may go on
        if start == self.at || (self.at == self.bytes.len() && !self.whole) {
            return Err(Broken);
        }
        self.out.extend_from_slice(&self.bytes[start..self.at]);
        Ok(())
    }

    /// Writes a text, as it was or without its secrets.
    fn text(
        &mut self,
        text: &[u8],
        raw: std::ops::Range<usize>,
        secret: Secret,
        words: Option<&mut Words>,
    ) {
        let hidden = match words {
            Some(words) => words.push_nested(text, secret, true, self.left),
            None => scrub(text, secret, true, self.left),
        };
        match hidden {
            Some(hidden) => {
                self.out.push(b'"');
                escape(&hidden, &mut self.out);
                self.out.push(b'"');
                self.changed = true;
            }
            None => self.out.extend_from_slice(&self.bytes[raw]),
        }
    }

    /// Reads a text: what it says, and where it stands with its quotes. Writes nothing.
    fn string(&mut self) -> Result<(Vec<u8>, std::ops::Range<usize>), Broken> {
        let start = self.at;
        if self.peek()? != b'"' {
            return Err(Broken);
        }
        let mut at = self.at + 1;
        let mut text = Vec::new();
        loop {
            match self.bytes.get(at).ok_or(Broken)? {
                b'"' => break,
                b'\\' => {
                    let escaped = *self.bytes.get(at + 1).ok_or(Broken)?;
                    at += 1;
                    match escaped {
                        b'n' => text.push(b'\n'),
                        b't' => text.push(b'\t'),
                        b'r' => text.push(b'\r'),
                        b'b' => text.push(8),
                        b'f' => text.push(12),
                        b'u' => {
                            let (one, len) = self.unicode(at + 1)?;
                            let mut buffer = [0; 4];
                            text.extend_from_slice(one.encode_utf8(&mut buffer).as_bytes());
                            at += len;
                        }
                        other => text.push(other),
                    }
                }
                other => text.push(*other),
            }
            at += 1;
        }
        self.at = at + 1;
        Ok((text, start..at + 1))
    }

    /// The character behind `\u`, of one unit or of two; and how many bytes it takes.
    fn unicode(&self, at: usize) -> Result<(char, usize), Broken> {
        let unit = |at: usize| {
            let digits = self.bytes.get(at..at + 4)?;
            let digits = std::str::from_utf8(digits).ok()?;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit(at).ok_or(Broken)?;
        let second = match self.bytes.get(at + 4..at + 6) {
            Some(b"\\u") => unit(at + 6),
            _ => None,
        };
        let pair = [first, second.unwrap_or(0)];
        Ok(match (second, char::decode_utf16(pair).next()) {
            (Some(_), Some(Ok(one))) if one.len_utf16() == 2 => (one, 10),
            (_, Some(Ok(one))) if one.len_utf16() == 1 => (one, 4),
            _ => (char::REPLACEMENT_CHARACTER, 4),
        })
    }
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            other => out.push(*other),
        }
    }
}

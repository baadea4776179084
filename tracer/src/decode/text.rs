//! Texts that traces hold: whole, cut, or not captured, and why. Nothing is ever read out of how
//! one of them is shown.

use std::borrow::Cow;
use std::fmt;

use super::missing::{Misfit, Missing};
use super::value::Value;

/// A text of the traced program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// All of it. Go does not promise UTF-8.
    Whole(Vec<u8>),
    /// Its first bytes, how many there are in all, and why no more were captured.
    Cut {
        part: Vec<u8>,
        len: u64,
        why: Missing,
    },
    /// Nothing of it.
    Missing(Missing),
}

impl Text {
    /// The text in a value; a value of another kind is none.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let (part, why) = match value {
            Value::Cut { part, why } => (part.as_ref(), Some(why)),
            other => (other, None),
        };
        match part {
            Value::Str { bytes, len } if why.is_none() && bytes.len() as u64 == *len => {
                Self::Whole(bytes.clone())
            }
            Value::Str { bytes, len } => Self::Cut {
                part: bytes.clone(),
                len: *len,
                why: why.cloned().unwrap_or(Missing::Corrupt(Misfit::Kind)),
            },
            Value::Masked => Self::Missing(Missing::Masked),
            Value::Missing(why) => Self::Missing(why.clone()),
            _ => Self::Missing(Missing::Corrupt(Misfit::Kind)),
        }
    }

    /// All its bytes, if all were captured.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Cut { .. } | Self::Missing(_) => None,
        }
    }

    /// The same where it is UTF-8 too.
    #[must_use]
    pub fn whole_str(&self) -> Option<&str> {
        self.whole()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The bytes that were captured, from its beginning.
    #[must_use]
    pub fn captured(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) | Self::Cut { part: bytes, .. } => bytes,
            Self::Missing(_) => &[],
        }
    }

    /// The same as UTF-8; what is not becomes U+FFFD.
    #[must_use]
    pub fn captured_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.captured())
    }

    /// Bytes that there are in all; `None`: not known.
    #[must_use]
    pub fn true_len(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Cut { len, .. } => Some(*len),
            Self::Missing(_) => None,
        }
    }

    /// Why it is not whole.
    #[must_use]
    pub fn why(&self) -> Option<&Missing> {
        match self {
            Self::Whole(_) => None,
            Self::Cut { why, .. } | Self::Missing(why) => Some(why),
        }
    }

    /// Whether it is certainly this one.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.whole() == Some(text.as_bytes())
    }

    /// Whether these bytes occur in what was captured.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        let wanted = text.as_bytes();
        wanted.is_empty() || self.captured().windows(wanted.len()).any(|w| w == wanted)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Whole(text.as_bytes().to_vec())
    }
}

/// For people; not escaped.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(_) => f.write_str(&self.captured_str()),
            Self::Cut { len, .. } => write!(f, "{}… ({len} bytes)", self.captured_str()),
            Self::Missing(why) => write!(f, "<missing: {why}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str, len: u64) -> Value {
        Value::Str {
            bytes: text.as_bytes().to_vec(),
            len,
        }
    }

    #[test]
    fn a_text_knows_whether_it_is_whole() {
        let check = |value: Value, expected: Text| assert_eq!(Text::of(&value), expected);
        check(string("ab", 2), Text::from("ab"));
        // what looks like the sign of a cut is none
        check(string("ab…", 5), Text::from("ab…"));
        let why = Missing::Lost;
        check(
            Value::Cut {
                part: Box::new(string("ab", 9)),
                why: why.clone(),
            },
            Text::Cut {
                part: b"ab".to_vec(),
                len: 9,
                why: why.clone(),
            },
        );
        check(Value::Missing(why.clone()), Text::Missing(why));
        check(Value::Masked, Text::Missing(Missing::Masked));
        assert!(Text::of(&string("ab", 3)).whole().is_none());
        assert!(Text::of(&Value::Nil).whole().is_none());
    }

    #[test]
    fn only_a_whole_text_is_another() {
        let cut = Text::of(&Value::Cut {
            part: Box::new(string("ab", 9)),
            why: Missing::Lost,
        });
        assert!(Text::from("ab").is("ab") && !cut.is("ab") && !cut.is("ab… (9 bytes)"));
        assert!(cut.holds("b") && cut.holds("") && !cut.holds("9"));
        assert_eq!((cut.true_len(), cut.captured()), (Some(9), &b"ab"[..]));
    }
}

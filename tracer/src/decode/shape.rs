//! What can be said of a value without knowing what it means: zero, whole, pointed to.

use super::Value;
use super::mask;
use super::missing::Missing;
use super::well_known;

/// Go's zero time: the first second of the year 1.
pub const ZERO_TIME: (i64, u32) = (-62_135_596_800, 0);

/// A channel, as far as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'v> {
    /// Values that wait in it.
    pub waiting: Option<&'v Value>,
    /// How many can.
    pub room: Option<&'v Value>,
}

impl Value {
    /// What is known of a channel that a pointer leads to; `None`: it is no channel.
    #[must_use]
    pub fn channel(&self) -> Option<Channel<'_>> {
        let Self::Struct { ty, fields, .. } = self else {
            return None;
        };
        let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        well_known::is_channel(ty).then(|| Channel {
            waiting: field("qcount"),
            room: field("dataqsiz"),
        })
    }

    /// Whether it is Go's zero value; an empty map or slice counts as one.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Bool(b) => !b,
            Self::Int(n) => *n == 0,
            Self::Uint(n) => *n == 0,
            Self::Float(x) => *x == 0.0,
            Self::Complex(re, im) => *re == 0.0 && *im == 0.0,
            Self::Time { seconds, nanos } => (*seconds, *nanos) == ZERO_TIME,
            Self::Duration(ns) => *ns == 0,
            Self::Str { len, .. } => *len == 0,
            Self::Nil => true,
            // what was left out may be anything
            Self::Struct {
                fields, left_out, ..
            } => *left_out == 0 && fields.iter().all(|(_, v)| v.is_zero()),
            Self::Map { len, .. } => *len == 0,
            Self::List { items, len } => {
                *len == 0
                    || (!items.is_empty()
                        && items.len() as u64 == *len
                        && items.iter().all(Self::is_zero))
            }
            _ => false,
        }
    }

    /// Nothing inside is missing, cut or masked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Missing(_) | Self::Masked | Self::Cut { .. } => false,
            Self::Str { bytes, len } => bytes.len() as u64 == *len,
            Self::List { items, len } => {
                items.len() as u64 == *len && items.iter().all(Self::is_whole)
            }
            Self::Map { entries, len } => {
                entries.len() as u64 == *len
                    && entries.iter().all(|(k, v)| k.is_whole() && v.is_whole())
            }
            Self::Struct {
                fields, left_out, ..
            } => *left_out == 0 && fields.iter().all(|(_, v)| v.is_whole()),
            Self::Pointer { to, .. } => to.is_whole(),
            Self::Iface { value, .. } => value.is_whole(),
            _ => true,
        }
    }

    /// A secret is hidden in it.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        match self {
            Self::Masked => true,
            Self::Str { bytes, .. } => mask::count(bytes) > 0,
            Self::List { items, .. } => items.iter().any(Self::is_masked),
            Self::Map { entries, .. } => {
                entries.iter().any(|(k, v)| k.is_masked() || v.is_masked())
            }
            Self::Struct { fields, .. } => fields.iter().any(|(_, v)| v.is_masked()),
            Self::Pointer { to, .. } => to.is_masked(),
            Self::Iface { value, .. } => value.is_masked(),
            Self::Cut { part, .. } => part.is_masked(),
            _ => false,
        }
    }

    /// What pointers lead to.
    #[must_use]
    pub fn pointed(&self) -> &Self {
        match self {
            Self::Pointer { to, .. } => to.pointed(),
            other => other,
        }
    }

    /// What was captured of a value that is cut; any other value as it is.
    #[must_use]
    pub fn part(&self) -> &Self {
        match self {
            Self::Cut { part, .. } => part,
            other => other,
        }
    }

    /// The first reason why something inside is not there.
    #[must_use]
    pub fn why_missing(&self) -> Option<&Missing> {
        match self {
            Self::Missing(why) | Self::Cut { why, .. } => Some(why),
            Self::List { items, .. } => items.iter().find_map(Self::why_missing),
            Self::Map { entries, .. } => entries
                .iter()
                .find_map(|(k, v)| k.why_missing().or_else(|| v.why_missing())),
            Self::Struct {
                fields, left_out, ..
            } => fields
                .iter()
                .find_map(|(_, v)| v.why_missing())
                .or_else(|| (*left_out > 0).then_some(&Missing::NotWanted)),
            Self::Pointer { to, .. } => to.why_missing(),
            Self::Iface { value, .. } => value.why_missing(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_value_is_neither_zero_nor_whole() {
        let cut = Value::Str {
            bytes: Vec::new(),
            len: 3,
        };
        assert!(!cut.is_zero() && !cut.is_whole());
        let list = Value::List {
            items: Vec::new(),
            len: 2,
        };
        assert!(!list.is_zero() && !list.is_whole());
        let missing = Value::Struct {
            ty: "T".into(),
            fields: vec![("A".into(), Value::Missing(Missing::Lost))],
            left_out: 0,
        };
        assert!(!missing.is_zero() && !missing.is_whole());
        assert_eq!(missing.why_missing(), Some(&Missing::Lost));
        let part = |left_out| Value::Struct {
            ty: "T".into(),
            fields: vec![("A".into(), Value::Int(0))],
            left_out,
        };
        assert!(part(0).is_zero() && part(0).is_whole());
        assert!(!part(1).is_zero() && !part(1).is_whole());
        assert_eq!(part(1).why_missing(), Some(&Missing::NotWanted));
        assert!(Value::Nil.is_zero() && Value::Nil.is_whole());
    }
}

//! The query of a request as Go's `url.ParseQuery` reads it (net/url/url.go), or why it cannot be
//! said how it does.
//!
//! Of a query that was cut, the parameters before the cut are known. What lies behind it cannot
//! change the first value of a parameter, which is what Go's `Get` takes; whether a parameter is
//! absent, and its further values, are not known then.

use crate::decode::{Missing, Text};

/// Different parameters of a query that are kept; no handler has a tenth of that.
const MOST_PARAMETERS: usize = 256;
/// Newer releases read none of the parameters of a query that has more than this many
/// (`urlmaxqueryparams`, net/url/url.go).
const GO_READS: u64 = 10_000;

/// Parameters in order of their first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<(String, Vec<String>)>,
    end: Option<End>,
    may_be_unread: bool,
}

/// Why no parameters are known behind some point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    #[error("the request's query was cut when it was captured: {0}")]
    Cut(Missing),
    #[error("the request's query was not captured: {0}")]
    NotCaptured(Missing),
    #[error("the request's query has more than {MOST_PARAMETERS} different parameters")]
    TooMany,
}

/// Why a query cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Up to Go 1.16 it separates parameters, later it is an error.
    #[error("the request's query holds a semicolon, which releases of Go read differently")]
    Semicolon,
    #[error("the request's query holds a broken escape")]
    BrokenEscape,
    #[error("the request's query is not UTF-8")]
    NotUtf8,
}

/// What is known of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent<'q> {
    /// It was certainly not sent.
    No,
    /// All its values, in order.
    All(&'q [String]),
    /// Its first values; more may have followed.
    First(&'q [String], &'q End),
    /// Whether it was sent is not known.
    Unknown(&'q End),
}

impl Query {
    /// Reads a raw query.
    ///
    /// # Errors
    /// Releases of Go read it differently, or refuse it.
    pub fn parse(text: &Text) -> Result<Self, Unreadable> {
        let mut query = Self {
            end: match text {
                Text::Whole(_) => None,
                Text::Cut { why, .. } => Some(End::Cut(why.clone())),
                Text::Missing(why) => Some(End::NotCaptured(why.clone())),
            },
            ..Self::default()
        };
        let mut raw = text.captured();
        let unseen = text
            .true_len()
            .map(|len| len.saturating_sub(raw.len() as u64));
        let separators = raw.iter().filter(|b| **b == b'&').count() as u64;
        query.may_be_unread =
            unseen.is_none_or(|unseen| separators.saturating_add(unseen) >= GO_READS);
        if query.end.is_some() {
            // the last pair may go on behind the cut
            let whole_pairs = raw.iter().rposition(|b| *b == b'&').unwrap_or(0);
            raw = &raw[..whole_pairs];
        }
        if raw.contains(&b';') {
            return Err(Unreadable::Semicolon);
        }
        for pair in raw.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            let at = pair.iter().position(|b| *b == b'=');
            let (name, value) = match at {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let (name, value) = (unescape(name)?, unescape(value)?);
            if let Some((_, values)) = query.parameters.iter_mut().find(|(n, _)| *n == name) {
                values.push(value);
            } else if query.parameters.len() < MOST_PARAMETERS {
                query.parameters.push((name, vec![value]));
            } else {
                query.end = Some(End::TooMany);
                break;
            }
        }
        Ok(query)
    }

    /// What is known of a parameter.
    pub fn get(&self, name: &str) -> Sent<'_> {
        let found = self.parameters.iter().find(|(n, _)| n == name);
        match (found, &self.end) {
            (Some((_, values)), None) => Sent::All(values),
            (Some((_, values)), Some(end)) => Sent::First(values, end),
            (None, None) => Sent::No,
            (None, Some(end)) => Sent::Unknown(end),
        }
    }

    /// Names of the parameters that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }

    /// Why there may be further parameters.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// It may hold so many parameters that a handler sees none of them: then what looks like the
    /// zero value of one may be that of its absence.
    pub fn may_be_unread(&self) -> bool {
        self.may_be_unread
    }
}

fn unescape(text: &[u8]) -> Result<String, Unreadable> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let digit = char::from(rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(Unreadable::BrokenEscape),
                }
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| Unreadable::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(raw: &str, name: &str) -> Vec<String> {
        let query = Query::parse(&raw.into()).expect("query");
        match query.get(name) {
            Sent::All(values) => values.to_vec(),
            Sent::No => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    fn cut(part: &str, len: u64) -> Query {
        let text = Text::Cut {
            part: part.into(),
            len,
            why: Missing::Lost,
        };
        Query::parse(&text).expect("query")
    }

    #[test]
    fn parameters_are_unescaped_and_kept_in_order() {
        assert_eq!(values("all=1&limit=3", "limit"), ["3"]);
        assert_eq!(values("type=a&x=&type=b", "type"), ["a", "b"]);
        assert_eq!(values("a+b=c%20d%2B", "a b"), ["c d+"]);
        assert_eq!(values("size&&all=1", "size"), [""]);
        assert_eq!(values("a=b=c", "a"), ["b=c"]);
        assert_eq!(values("", "a"), [""; 0]);
        // no sign of a cut
        assert_eq!(values("a=b…", "a"), ["b…"]);
    }

    #[test]
    fn what_go_may_read_differently_is_refused() {
        let refused = |raw: &[u8], why| {
            assert_eq!(
                Query::parse(&Text::Whole(raw.to_vec())),
                Err(why),
                "{raw:?}"
            );
        };
        refused(b"all=1;size=1", Unreadable::Semicolon);
        refused(b"a=%", Unreadable::BrokenEscape);
        refused(b"a=%4", Unreadable::BrokenEscape);
        refused(b"a=%zz", Unreadable::BrokenEscape);
        refused(b"a=%ff", Unreadable::NotUtf8);
        refused(b"a=\xff", Unreadable::NotUtf8);
    }

    #[test]
    fn before_a_cut_first_values_are_known_and_nothing_else() {
        let query = cut("all=1&size=0&filters=%7B%2", 100);
        let lost = End::Cut(Missing::Lost);
        assert_eq!(query.get("all"), Sent::First(&["1".into()], &lost));
        assert_eq!(query.get("size"), Sent::First(&["0".into()], &lost));
        assert_eq!(query.get("filters"), Sent::Unknown(&lost));
        assert_eq!(query.get("limit"), Sent::Unknown(&lost));
        // the name or the value may go on
        assert_eq!(cut("all=1&size", 100).get("size"), Sent::Unknown(&lost));
        assert_eq!(cut("all=1", 100).get("all"), Sent::Unknown(&lost));
        assert_eq!(
            cut("all=1&", 100).get("all"),
            Sent::First(&["1".into()], &lost)
        );
        let none = Query::parse(&Text::Missing(Missing::Lost)).expect("query");
        let lost = End::NotCaptured(Missing::Lost);
        assert_eq!(none.get("all"), Sent::Unknown(&lost));
    }

    #[test]
    fn of_very_many_parameters_the_first_are_known() {
        let many = |n: usize| {
            let pairs: Vec<String> = (0..n).map(|n| format!("p{n}=1")).collect();
            Query::parse(&pairs.join("&").as_str().into()).expect("query")
        };
        let most = many(MOST_PARAMETERS);
        assert_eq!((most.end(), most.get("x")), (None, Sent::No));
        let more = many(MOST_PARAMETERS + 1);
        assert_eq!(more.get("p0"), Sent::First(&["1".into()], &End::TooMany));
        assert_eq!(more.get("x"), Sent::Unknown(&End::TooMany));
        assert!(!more.may_be_unread() && many(10_001).may_be_unread());
        assert!(!many(10_000).may_be_unread());
        assert!(!cut("a=1&b", 900).may_be_unread() && cut("a=1&b", 20_000).may_be_unread());
    }
}

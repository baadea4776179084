//! The query of a request as Go's `url.ParseQuery` reads it (net/url/url.go), or why it cannot be said how it does.

/// Different parameters of a query that is still read; no handler has a tenth of that.
const MOST_PARAMETERS: usize = 256;

/// Parameters in order of their first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<(String, Vec<String>)>,
}

impl Query {
    /// Reads a raw query.
    ///
    /// # Errors
    /// It was cut when it was captured, or releases of Go read it differently, or refuse it.
    pub fn parse(raw: &str) -> Result<Self, String> {
        if raw.ends_with('…') {
            return Err("the request's query was cut when it was captured".into());
        }
        // up to Go 1.16 it separates parameters, later it is an error
        if raw.contains(';') {
            return Err(
                "the request's query holds a semicolon, which releases of Go read differently"
                    .into(),
            );
        }
        let mut query = Self::default();
        for pair in raw.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (unescape(name)?, unescape(value)?);
            if let Some((_, values)) = query.parameters.iter_mut().find(|(n, _)| *n == name) {
                values.push(value);
                continue;
            }
            if query.parameters.len() >= MOST_PARAMETERS {
                return Err("the request's query has too many parameters".into());
            }
            query.parameters.push((name, vec![value]));
        }
        Ok(query)
    }

    /// All values of a parameter, in order.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        let found = self.parameters.iter().find(|(n, _)| n == name);
        found.map(|(_, values)| values.as_slice())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
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
                    _ => return Err("the request's query holds a broken escape".into()),
                }
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| "the request's query is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(raw: &str, name: &str) -> Vec<String> {
        let query = Query::parse(raw).expect("query");
        query.get(name).unwrap_or_default().to_vec()
    }

    #[test]
    fn parameters_are_unescaped_and_kept_in_order() {
        assert_eq!(values("all=1&limit=3", "limit"), ["3"]);
        assert_eq!(values("type=a&x=&type=b", "type"), ["a", "b"]);
        assert_eq!(values("a+b=c%20d%2B", "a b"), ["c d+"]);
        assert_eq!(values("size&&all=1", "size"), [""]);
        assert_eq!(values("a=b=c", "a"), ["b=c"]);
        assert_eq!(values("", "a"), [""; 0]);
    }

    #[test]
    fn what_go_may_read_differently_is_refused() {
        for raw in [
            "all=1;size=1",
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%ff",
            "filters=%7B…",
        ] {
            assert!(Query::parse(raw).is_err(), "{raw}");
        }
        let many: Vec<String> = (0..=MOST_PARAMETERS).map(|n| format!("p{n}=1")).collect();
        assert!(Query::parse(&many.join("&")).is_err());
        assert!(Query::parse(&many[1..].join("&")).is_ok());
    }
}

//! One request as its handler sees it: version and parameters; and what becomes of them.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{filters, spelling};
use crate::Numbers;

/// One generation of daemons.
#[derive(Debug)]
pub struct Era {
    /// 20.10
    pub old: bool,
    /// 28
    pub new: bool,
    /// Its own API version, and the oldest that it takes.
    pub api: Version,
    pub least: Version,
}

/// Numbers between the dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Vec<u64>);

impl Version {
    pub fn of(text: &str) -> Option<Self> {
        let parts: Option<Vec<u64>> = text.split('.').map(|p| p.parse().ok()).collect();
        parts.map(Self)
    }

    /// As moby compares: missing parts are zero.
    pub fn is_less(&self, other: &str) -> bool {
        let other = Self::of(other).map(|v| v.0).unwrap_or_default();
        let longest = self.0.len().max(other.len());
        let part = |v: &[u64], n: usize| v.get(n).copied().unwrap_or(0);
        let own: Vec<u64> = (0..longest).map(|n| part(&self.0, n)).collect();
        let others: Vec<u64> = (0..longest).map(|n| part(&other, n)).collect();
        own < others
    }
}

impl Era {
    pub fn of(suite: &'static str, version: &Value) -> Result<Self> {
        let read = |name: &str| {
            let text = version[name].as_str().context("no version")?;
            Version::of(text).context("version")
        };
        Ok(Self {
            old: ["bullseye", "bookworm"].contains(&suite),
            new: suite == "sid",
            api: read("ApiVersion")?,
            least: read("MinAPIVersion")?,
        })
    }
}

/// Where a value certainly comes from. `unknown` is never wrong, and counted.
#[derive(Clone, Debug)]
pub enum From {
    Query(String, String),
    Path(String),
    HardCoded(&'static str),
    Default,
    /// Parts of a value.
    Several(Vec<From>),
}

impl From {
    pub fn json(&self) -> Value {
        match self {
            Self::Query(parameter, sent) => {
                json!({"from": "query", "parameter": parameter, "sent": sent})
            }
            Self::Path(part) => json!({"from": "path", "part": part}),
            Self::HardCoded(by) => json!({"from": "hard-coded", "by": by}),
            Self::Default => json!({"from": "default"}),
            Self::Several(parts) => {
                let parts: Vec<Value> = parts.iter().map(Self::json).collect();
                json!({"from": "several", "parts": parts})
            }
        }
    }
}

/// An option by the names that it has in one era or another.
#[derive(Clone, Debug)]
pub struct Opt {
    pub names: &'static [&'static str],
    /// `None`: not compared.
    pub value: Option<Value>,
    /// Any of them; none: it must be unknown.
    pub from: Vec<From>,
}

/// A request in the making.
#[derive(Debug, Default)]
pub struct Asked {
    /// As in the path; `None`: the path has none.
    pub version: Option<&'static str>,
    /// Names and values of the query, in order.
    pub query: Vec<(String, String)>,
    /// Those of a form in the body, which come first.
    pub form: Vec<(String, String)>,
}

/// `httputils.BoolValue`
pub fn truthy(text: &str) -> bool {
    !["", "0", "no", "false", "none"].contains(&text.trim().to_lowercase().as_str())
}

/// `strconv.Atoi`
pub fn atoi(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// `strconv.ParseBool`
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

impl Asked {
    /// Adds a parameter, usually.
    pub fn maybe(&mut self, dice: &mut Numbers, name: &str, value: fn(&mut Numbers) -> String) {
        if !dice.one_in(3) {
            let value = value(dice);
            self.query.push((name.to_owned(), value));
            // the first one counts
            if dice.one_in(10) {
                let again = spelling::text(dice);
                self.query.push((name.to_owned(), again));
            }
        }
    }

    /// `r.Form.Get` with whether it is there at all.
    pub fn first(&self, name: &str) -> Option<&str> {
        let mut all = self.form.iter().chain(&self.query);
        all.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn in_form(&self, name: &str) -> bool {
        self.form.iter().any(|(n, _)| n == name)
    }

    /// Whether the handler works by an older version than this.
    pub fn is_older(&self, era: &Era, version: &str) -> bool {
        let own = self.version.and_then(Version::of);
        own.as_ref().unwrap_or(&era.api).is_less(version)
    }

    fn opt(&self, names: &'static [&'static str], name: &str, value: Value) -> Opt {
        let from = match self.first(name) {
            _ if self.in_form(name) => Vec::new(),
            None => vec![From::Default],
            Some(sent) => {
                let query = From::Query(name.to_owned(), sent.to_owned());
                // as if it were not there
                let empty = sent.is_empty() || value == json!({"fields": {}});
                if empty {
                    vec![query, From::Default]
                } else {
                    vec![query]
                }
            }
        };
        Opt {
            names,
            value: Some(value),
            from,
        }
    }

    pub fn bool(&self, names: &'static [&'static str], name: &str) -> Opt {
        let value = truthy(self.first(name).unwrap_or(""));
        self.opt(names, name, json!(value))
    }

    pub fn text(&self, names: &'static [&'static str], name: &str) -> Opt {
        self.opt(names, name, json!(self.first(name).unwrap_or("")))
    }

    /// `Err`: the handler refuses the request. `absent`: what stands for no number.
    pub fn int(
        &self,
        names: &'static [&'static str],
        name: &str,
        absent: Value,
    ) -> Result<Opt, ()> {
        let value = match self.first(name).unwrap_or("") {
            "" => absent,
            text => json!(atoi(text).ok_or(())?),
        };
        Ok(self.opt(names, name, value))
    }

    /// `Err`: the handler refuses the request.
    pub fn filters(&self, names: &'static [&'static str]) -> Result<Opt, ()> {
        let fields = filters::from_json(self.first("filters").unwrap_or(""))?;
        Ok(self.opt(names, "filters", json!({"fields": fields})))
    }
}

pub fn zero(names: &'static [&'static str], value: Value) -> Opt {
    Opt {
        names,
        value: Some(value),
        from: vec![From::Default],
    }
}

pub fn path(names: &'static [&'static str], part: &str) -> Opt {
    Opt {
        names,
        value: Some(json!(part)),
        from: vec![From::Path(part.to_owned())],
    }
}

pub fn hard(names: &'static [&'static str], value: Value, by: &'static str) -> Opt {
    Opt {
        names,
        value: Some(value),
        from: vec![From::HardCoded(by)],
    }
}

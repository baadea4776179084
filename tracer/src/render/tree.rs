//! Requests as trees of calls.

use std::io::{self, Write};

use super::text::{self, duration, escape};
use super::{Clock, Style};
use crate::capture::Header;
use crate::correlate::{Call, CallState, Link, Owner, Request, Trace};
use crate::decode::Value;
use crate::plan::{Plan, ValueSchema};

pub fn header(header: &Header, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let d = &header.daemon;
    writeln!(
        out,
        "{}",
        style.dim(&format!(
            "{} (pid {}, {}, build id {}) on Linux {} {}",
            escape(&d.exe),
            d.pid,
            escape(&d.go_version),
            escape(d.build_id.as_deref().unwrap_or("none")),
            escape(&header.host.kernel),
            escape(&header.host.arch)
        ))
    )?;
    for issue in &header.plan.issues {
        writeln!(
            out,
            "{}",
            style.warn(&format!("note: {}", escape(&issue.text)))
        )?;
    }
    Ok(())
}

pub fn write(
    plan: &Plan,
    clock: &Clock,
    trace: &Trace,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tree = Tree { plan, trace, style };
    for (index, request) in trace.requests.iter().enumerate() {
        let calls = tree.roots(Some(index));
        // requests that reached no traced function are not what was asked for
        if calls.is_empty() {
            continue;
        }
        writeln!(out, "{}", request_line(request, clock, style))?;
        tree.children(&calls, "", out)?;
    }
    let internal = tree.roots(None);
    if !internal.is_empty() {
        writeln!(
            out,
            "{}",
            style.bold("daemon-internal (no request certainly owns these)")
        )?;
        tree.children(&internal, "", out)?;
    }
    Ok(())
}

pub fn request_line(request: &Request, clock: &Clock, style: &Style) -> String {
    let state = match (&request.state, request.status, request.end) {
        (CallState::Returned, Some(status), Some(end)) => {
            format!("{status}, {}", duration(end.saturating_sub(request.start)))
        }
        (CallState::Returned, None, Some(end)) => {
            format!("no status, {}", duration(end.saturating_sub(request.start)))
        }
        (CallState::Abandoned, _, _) => "abandoned".to_owned(),
        (CallState::Unpaired, _, _) => "return lost".to_owned(),
        _ => "in flight".to_owned(),
    };
    let agent = request.user_agent.as_deref().map_or_else(String::new, |a| {
        format!("  {}", escape(&text::shorten(a, 60, a.len() as u64)))
    });
    format!(
        "{} {}  {}",
        style.bold(&format!("#{} {}", request.id, escape(&route(request)))),
        state,
        style.dim(&format!("{}{agent}", clock.time(request.start)))
    )
}

/// `GET /v1.41/containers/json?all=1`
pub fn route(request: &Request) -> String {
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    format!("{} {}{query}", request.method, request.path)
}

struct Tree<'a> {
    plan: &'a Plan,
    trace: &'a Trace,
    style: &'a Style,
}

impl Tree<'_> {
    fn roots(&self, request: Option<usize>) -> Vec<usize> {
        self.trace
            .calls
            .iter()
            .enumerate()
            .filter(|(_, c)| {
                let owner = match c.owner {
                    Owner::Request { request, .. } => Some(request),
                    Owner::Internal => None,
                };
                c.parent.is_none() && owner == request
            })
            .map(|(i, _)| i)
            .collect()
    }

    fn children(&self, calls: &[usize], indent: &str, out: &mut dyn Write) -> io::Result<()> {
        for (position, index) in calls.iter().enumerate() {
            let last = position + 1 == calls.len();
            let (branch, next) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            writeln!(
                out,
                "{indent}{branch}{}",
                self.call_line(&self.trace.calls[*index])
            )?;
            let below: Vec<usize> = self
                .trace
                .calls
                .iter()
                .enumerate()
                .filter(|(_, c)| c.parent == Some(*index))
                .map(|(i, _)| i)
                .collect();
            self.children(&below, &format!("{indent}{next}"), out)?;
        }
        Ok(())
    }

    fn call_line(&self, call: &Call) -> String {
        let Some(f) = self.plan.functions.get(call.func as usize) else {
            return "?".to_owned();
        };
        let params = arguments(&f.params, &call.params);
        let end = match (&call.state, call.end) {
            (CallState::Returned, Some(end)) => {
                let results = results(&f.results, &call.results);
                format!(
                    " → {results}  {}",
                    self.style.dim(&duration(end.saturating_sub(call.start)))
                )
            }
            (CallState::Abandoned, _) => {
                format!("  {}", self.style.warn("left by a panic or Goexit"))
            }
            (CallState::Unpaired, _) => {
                format!(
                    "  {}",
                    self.style
                        .warn("its return cannot be told: records were lost")
                )
            }
            _ => format!("  {}", self.style.warn("in flight")),
        };
        let link = match call.owner {
            Owner::Request {
                link: Link::Birth { hops },
                ..
            } if call.parent.is_none() => self.style.dim(&format!(
                "  [goroutine {}, {hops} birth{} from the request]",
                call.goid.map_or_else(|| "?".to_owned(), |g| g.to_string()),
                if hops == 1 { "" } else { "s" }
            )),
            _ => String::new(),
        };
        format!(
            "{}({params}){end}{link}",
            self.style.bold(&escape(&f.short))
        )
    }
}

/// Shown parameters: `config={All: true}`.
pub fn arguments(schemas: &[ValueSchema], values: &[Value]) -> String {
    let shown: Vec<String> = schemas
        .iter()
        .zip(values)
        .filter(|(s, _)| s.shown)
        .map(|(s, v)| format!("{}={}", escape(&s.name), text::value(v, false)))
        .collect();
    shown.join(", ")
}

/// Results; a nil error goes without saying.
pub fn results(schemas: &[ValueSchema], values: &[Value]) -> String {
    let shown: Vec<String> = schemas
        .iter()
        .zip(values)
        .filter(|(s, v)| s.shown && !(s.name == "error" && **v == Value::Nil))
        .map(|(s, v)| match (s.name.as_str(), v) {
            ("error", v) => format!("error {}", text::value(v, false)),
            (_, Value::List { items, len }) => counted(items, *len),
            (_, v) => aggregate(v),
        })
        .collect();
    if shown.is_empty() {
        "ok".to_owned()
    } else {
        shown.join(", ")
    }
}

/// A result struct: lists in it by their length.
fn aggregate(v: &Value) -> String {
    let pointed = match v {
        Value::Pointer { to, .. } => to,
        other => other,
    };
    let Value::Struct { fields, .. } = pointed else {
        return text::value(v, false);
    };
    let shown: Vec<String> = fields
        .iter()
        .filter(|(_, v)| !text::is_silent(v))
        .map(|(name, v)| match v {
            Value::List { len, .. } => format!("{}: {len}", escape(name)),
            other => format!("{}: {}", escape(name), text::value(other, false)),
        })
        .collect();
    format!("{{{}}}", shown.join(", "))
}

/// `85: 961f903e7002 /up running, … 82 more`
fn counted(items: &[Value], len: u64) -> String {
    const SHOWN: usize = 2;
    if len == 0 {
        return "0".to_owned();
    }
    let mut names: Vec<String> = items.iter().take(SHOWN).map(object).collect();
    let left = len.saturating_sub(names.len() as u64);
    if left > 0 && !names.is_empty() {
        names.push(format!("… {left} more"));
    }
    if names.is_empty() {
        len.to_string()
    } else {
        format!("{len}: {}", names.join(", "))
    }
}

/// ID (shortened as docker does), name, state.
pub fn object(v: &Value) -> String {
    let Value::Struct { fields, .. } = text::inner(v) else {
        return text::value(v, false);
    };
    let words: Vec<String> = fields
        .iter()
        .filter(|(_, v)| !text::is_silent(v))
        .map(|(name, v)| match (name.as_str(), v) {
            ("ID", Value::Str { bytes, .. }) => {
                let id = escape(&String::from_utf8_lossy(bytes));
                let id = id.strip_prefix("sha256:").unwrap_or(&id);
                id.chars().take(12).collect()
            }
            ("Names", Value::List { items, .. }) => items
                .iter()
                .map(|v| text::value(v, false))
                .collect::<Vec<_>>()
                .join(" "),
            (_, v) => text::value(v, false),
        })
        .collect();
    words.join(" ")
}

//! What kinds of data a recording holds, for whoever is about to give it away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::text::escape;
use crate::correlate::Trace;
use crate::decode::{Redact, Value};
use crate::session::Context;

/// Names of fields listed for one function.
const MOST_NAMES: usize = 12;

/// Writes it, one kind in a line.
///
/// # Errors
/// The output cannot be written.
pub fn what(context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let daemon = &context.daemon;
    let mut row = |kind: &str, text: &str| writeln!(out, "{kind:<11} {}", escape(text));
    row(
        "machine",
        &format!("kernel {}, {}", context.host.kernel, context.host.arch),
    )?;
    let socket = daemon.socket.as_deref().unwrap_or("no socket");
    row(
        "daemon",
        &format!(
            "{}, pid {}, {}, {socket}",
            daemon.exe, daemon.pid, daemon.go_version
        ),
    )?;
    row(
        "requests",
        &format!(
            "{}, each with method, path, query, User-Agent, names of headers, status and times",
            trace.requests.len()
        ),
    )?;
    let clients = trace.requests.iter().filter(|r| r.client.is_ok()).count();
    row(
        "clients",
        &format!("of {clients} requests: process id, user id, program name, container id"),
    )?;
    let mut functions: BTreeMap<&str, (u64, BTreeSet<String>)> = BTreeMap::new();
    for call in &trace.calls {
        let Some(f) = context.plan.functions.get(call.func as usize) else {
            continue;
        };
        let (count, names) = functions.entry(&f.name).or_default();
        *count += 1;
        let parameters = f.params.iter().zip(&call.params);
        let results = f.results.iter().zip(&call.results);
        for (schema, value) in parameters.chain(results).filter(|(s, _)| s.shown) {
            texts(&schema.name, value, names);
        }
    }
    for (name, (count, names)) in functions {
        let calls = if count == 1 { "call" } else { "calls" };
        let left = names.len().saturating_sub(MOST_NAMES);
        let mut listed = names
            .into_iter()
            .take(MOST_NAMES)
            .collect::<Vec<_>>()
            .join(", ");
        if left > 0 {
            listed.push_str(&format!(" and {left} more"));
        }
        let texts = if listed.is_empty() {
            "no texts".to_owned()
        } else {
            format!("texts in {listed}")
        };
        row("values", &format!("of {count} {calls} of {name}: {texts}"))?;
    }
    match context.redact {
        Redact::On => row(
            "secrets",
            &format!(
                "{} values masked; what docs/secrets.md does not list is in clear",
                trace.summary.masked
            ),
        ),
        Redact::Off => row(
            "secrets",
            &format!(
                "IN CLEAR: it was made with --redact=off; {} would be masked",
                trace.summary.masked
            ),
        ),
    }
}

/// Names under which a value holds texts.
fn texts(name: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value.part() {
        Value::Str { len, .. } if *len > 0 => {
            into.insert(name.to_owned());
        }
        Value::Struct { fields, .. } => fields.iter().for_each(|(n, v)| texts(n, v, into)),
        Value::List { items, .. } => items.iter().for_each(|v| texts(name, v, into)),
        Value::Map { entries, .. } => entries.iter().for_each(|(k, v)| {
            texts(name, k, into);
            texts(name, v, into);
        }),
        Value::Pointer { to, .. } => texts(name, to, into),
        Value::Iface { value, .. } => texts(name, value, into),
        _ => {}
    }
}

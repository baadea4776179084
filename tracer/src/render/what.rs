//! What kinds of data a recording holds, for whoever is about to give it away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::text::escape;
use crate::correlate::Trace;
use crate::decode::{Redact, Value};
use crate::session::{Context, End, Once, Sink};

/// Names of fields listed for one function.
const MOST_NAMES: usize = 12;

/// What kinds of data are there, one in a line.
#[derive(Debug, Default)]
pub struct What {
    /// Of requests whose client is known.
    clients: u64,
    counted: Once,
    /// By function: calls, and names under which texts are.
    functions: BTreeMap<u32, (u64, BTreeSet<String>)>,
}

impl Sink for What {
    fn batch(&mut self, context: &Context, trace: &Trace, _: &mut dyn Write) -> io::Result<()> {
        for request in &trace.requests {
            let known = request.client.is_ok();
            self.clients += u64::from(self.counted.is_new(request.id) && known);
        }
        for call in &trace.calls {
            let Some(f) = context.plan.functions.get(call.func as usize) else {
                continue;
            };
            let (count, names) = self.functions.entry(call.func).or_default();
            *count += 1;
            let parameters = f.params.iter().zip(&call.params);
            let results = f.results.iter().zip(&call.results);
            for (schema, value) in parameters.chain(results).filter(|(s, _)| s.shown) {
                texts(&schema.name, value, names);
            }
        }
        Ok(())
    }

    fn finish(&mut self, context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
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
                end.came
            ),
        )?;
        row(
            "clients",
            &format!(
                "of {} requests: process id, user id, program name, container id",
                self.clients
            ),
        )?;
        for (name, count, names) in self.named(context) {
            let calls = if count == 1 { "call" } else { "calls" };
            let left = names.len().saturating_sub(MOST_NAMES);
            let listed: Vec<&str> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
            let mut listed = listed.join(", ");
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
        let masked = end.summary.masked;
        let secrets = match context.redact {
            Redact::On => {
                format!("{masked} values masked; what docs/secrets.md does not list is in clear")
            }
            Redact::Off => {
                format!("IN CLEAR: it was made with --redact=off; {masked} would be masked")
            }
        };
        row("secrets", &secrets)
    }
}

impl What {
    /// Functions by name: calls, and names under which texts are.
    fn named<'a>(&'a self, context: &'a Context) -> Vec<(&'a str, u64, &'a BTreeSet<String>)> {
        let functions = self.functions.iter();
        let mut named: Vec<_> = functions
            .filter_map(|(func, (count, names))| {
                let f = context.plan.functions.get(*func as usize)?;
                Some((f.name.as_str(), *count, names))
            })
            .collect();
        named.sort_by_key(|(name, ..)| *name);
        named
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

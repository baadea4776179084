//! One JSON object per line: `trace` (behind `seam` where a daemon was traced before it was started
//! anew), then `request` and `call` as they finish, `open` for what takes long, `end`. Schema:
//! docs/events.schema.json.

use std::io::{self, Write};

use serde_json::{Map, Value as Json, json};

use super::time::date_time;
use super::{open_calls, text};
use crate::correlate::{Call, CallState, Client, Link, Owner, ProcessName, Request, Trace};
use crate::decode::{Missing, Text, Value, errno_name, error_text};
use crate::plan::{Plan, ValueSchema};
use crate::provenance::{self, Origin, Provenance, WhyUnread};
use crate::session::{Context, End, Seam, Sink};

/// Events as they come; it keeps nothing.
pub struct JsonLines;

impl Sink for JsonLines {
    fn begin(&mut self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        header(context, out)
    }

    fn batch(&mut self, context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        write(context, trace, out)
    }

    fn open(&mut self, context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        open(context, trace, out)
    }

    fn finish(&mut self, context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
        finish(context, end, out)
    }
}

fn line(json: &Json, out: &mut dyn Write) -> io::Result<()> {
    // JSON itself asks for escapes of the first 32 characters only
    let line = text::escape_json(&json.to_string());
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")
}

fn header(context: &Context, out: &mut dyn Write) -> io::Result<()> {
    if let Some(seam) = &context.seam {
        line(&seam_json(context, seam), out)?;
    }
    let d = &context.daemon;
    let issues: Vec<Json> = context
        .plan
        .issues
        .iter()
        .map(|i| json!({"function": i.function.as_deref().unwrap_or(""), "kind": i.kind(), "text": i.text()}))
        .collect();
    let event = json!({
        "type": "trace",
        "mobytrace": context.mobytrace,
        "redact": context.redact,
        "time": date_time(&context.clock, context.clock.monotonic_ns),
        "host": {"kernel": context.host.kernel, "arch": context.host.arch},
        "daemon": {
            "pid": d.pid,
            "exe": d.exe,
            "go": d.go_version,
            "build_id": d.build_id,
            "version": d.version,
            "socket": d.socket,
        },
        "functions": context.plan.functions.iter().map(|f| &f.name).collect::<Vec<_>>(),
        "issues": issues,
    });
    line(&event, out)
}

/// Where a session goes on with the next incarnation of its daemon.
fn seam_json(context: &Context, seam: &Seam) -> Json {
    let clock = &context.clock;
    json!({
        "type": "seam",
        "left_pid": seam.pid,
        "left": seam.left,
        "left_time": date_time(clock, seam.left_ns),
        "left_ns": seam.left_ns,
        "daemon_pid": context.daemon.pid,
        "time": date_time(clock, seam.attached_ns),
        "attached_ns": seam.attached_ns,
        "listened": seam.listened,
        "requests": seam.requests,
    })
}

fn state(state: &CallState) -> &'static str {
    match state {
        CallState::Returned => "returned",
        CallState::InFlight => "in-flight",
        CallState::Panicked => "panicked",
        CallState::Exited => "exited",
        CallState::Abandoned => "abandoned",
        CallState::Unpaired => "unpaired",
    }
}

/// Requests that are still open, each with the traced calls that it is in.
fn open(context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    for (index, r) in trace.requests.iter().enumerate() {
        let inside: Vec<&str> = open_calls(&context.plan, trace, index)
            .map(|f| f.short.as_str())
            .collect();
        let mut event = request("open", context, trace, r);
        if let Json::Object(fields) = &mut event {
            fields.insert("inside".to_owned(), json!(inside));
        }
        line(&event, out)?;
    }
    Ok(())
}

fn request(ty: &str, context: &Context, trace: &Trace, r: &Request) -> Json {
    let in_flight = r.state == CallState::InFlight;
    let age = in_flight.then(|| trace.until.saturating_sub(r.start));
    json!({
            "type": ty,
            "daemon_pid": context.daemon.pid,
            "id": r.id,
            "age_ns": age,
            "time": date_time(&context.clock, r.start),
            "start_ns": r.start,
            "end_ns": r.end,
            "goroutine": r.goid,
            "method": captured(&r.method),
            "path": captured(&r.path),
            "query": captured(&r.query),
            "unread": unread(&context.plan, r),
            "user_agent": r.user_agent.as_ref().map(captured),
            "api_version": r.api_version,
            "status": r.status,
            "bytes": r.bytes,
            "hijacked": r.hijacked,
            "waits_for": r.waits_for,
            "client": r.client.as_ref().ok().map(client),
            "client_unknown": r.client.as_ref().err().map(ToString::to_string),
            "state": state(&r.state),
    })
}

/// Parameters that no handler of the route reads, and why.
fn unread(plan: &Plan, request: &Request) -> Json {
    let all = provenance::unread(plan, request);
    let found = all.into_iter().map(|one| {
        let version = |(major, minor)| format!("{major}.{minor}");
        let (since, below) = match one.why {
            WhyUnread::NotOfRoute => (None, None),
            WhyUnread::Before(since) => (Some(version(since)), None),
            WhyUnread::From(until) => (None, Some(version(until))),
        };
        json!({"parameter": one.parameter, "read_from": since, "read_below": below})
    });
    Json::Array(found.collect())
}

fn write(context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let plan = context.plan.as_ref();
    let provenance = Provenance::new(plan, trace, &context.symbols);
    for r in &trace.requests {
        line(&request("request", context, trace, r), out)?;
    }
    for (index, c) in trace.calls.iter().enumerate() {
        let Some(f) = plan.functions.get(c.func as usize) else {
            continue;
        };
        let (request, link) = match c.owner {
            Owner::Request { request, link } => (
                trace.requests.get(request).map(|r| r.id),
                match link {
                    Link::SameGoroutine => json!({"by": "same-goroutine"}),
                    Link::Birth { hops } => json!({"by": "birth", "hops": hops}),
                },
            ),
            Owner::Internal => (None, Json::Null),
        };
        let shared: Vec<Json> = c
            .shared_with
            .iter()
            .filter_map(|s| {
                let request = trace.requests.get(s.request)?.id;
                Some(json!({"request": request, "by": "singleflight", "within": s.within}))
            })
            .collect();
        let event = json!({
            "type": "call",
            "daemon_pid": context.daemon.pid,
            "index": index,
            "parent": c.parent,
            "function": f.name,
            "short": f.short,
            "request": request,
            "born_in": c.born_in,
            "shared_with": shared,
            "link": link,
            "time": date_time(&context.clock, c.start),
            "start_ns": c.start,
            "end_ns": c.end,
            "goroutine": c.goid,
            "state": state(&c.state),
            "params": named(&f.params, &c.params),
            "origins": origins(&f.params, provenance, c),
            "results": named(&f.results, &c.results),
        });
        line(&event, out)?;
    }
    Ok(())
}

fn finish(context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
    let summary = &end.summary;
    let event = json!({
        "type": "end",
        "daemon_pid": context.daemon.pid,
        "hits": summary.hits,
        "unmatched_returns": summary.unmatched_returns,
        "internal": summary.internal,
        "evicted": summary.evicted,
        "lost": summary.lost,
        "masked": summary.masked,
        "requests": end.came,
        "matched": end.selected.matched(),
        "untold": end.selected.untold,
        "completeness": context.completeness().text,
    });
    line(&event, out)
}

fn client(c: &Client) -> Json {
    let ancestors = match &c.ancestors {
        Ok(pids) => json!(pids),
        Err(why) => missing(why),
    };
    let container = match &c.container {
        Ok(id) => json!(id),
        Err(why) => missing(why),
    };
    json!({"pid": c.pid, "uid": c.uid, "comm": process_name(&c.comm), "ancestors": ancestors, "container": container})
}

fn process_name(name: &ProcessName) -> Json {
    match name {
        ProcessName::Known(name) => json!(name),
        ProcessName::Ended => Json::Null,
        ProcessName::Unknown => missing(&Missing::NotPlanned),
    }
}

/// By parameter, and field of its struct: `config.All`.
fn origins(schemas: &[ValueSchema], provenance: Provenance<'_>, call: &Call) -> Json {
    let mut found = Map::new();
    for (option, origin) in provenance.of_call(call) {
        let Some(schema) = schemas.get(option.parameter) else {
            continue;
        };
        let name = match option.field {
            Some(field) => format!("{}.{field}", schema.name),
            None => schema.name.clone(),
        };
        found.insert(name, origin_json(&origin));
    }
    Json::Object(found)
}

fn origin_json(origin: &Origin) -> Json {
    match origin {
        Origin::Query { parameter, sent } => {
            json!({"from": "query", "parameter": parameter, "sent": sent})
        }
        Origin::Path { part } => json!({"from": "path", "part": part}),
        Origin::HardCoded { by } => json!({"from": "hard-coded", "by": by}),
        Origin::Default => json!({"from": "default"}),
        Origin::Several(parts) => {
            json!({"from": "several", "parts": parts.iter().map(origin_json).collect::<Vec<_>>()})
        }
        Origin::Unknown(why) => json!({"from": "unknown", "why": why.to_string()}),
    }
}

fn named(schemas: &[ValueSchema], values: &[Value]) -> Json {
    let fields: Map<String, Json> = schemas
        .iter()
        .zip(values)
        .filter(|(s, _)| s.shown)
        .map(|(s, v)| (s.name.clone(), value(v)))
        .collect();
    Json::Object(fields)
}

/// Why a value is not there, and whether it was left out, could not be had, or is not known.
fn missing(why: &Missing) -> Json {
    json!({"missing": why.to_string(), "absence": why.absence().name()})
}

/// A text as JSON, in the forms of a string value.
fn captured(text: &Text) -> Json {
    match text {
        Text::Whole(bytes) => string(bytes),
        Text::Cut { part, len, why } => {
            json!({"cut": String::from_utf8_lossy(part), "len": len, "why": why.to_string()})
        }
        Text::Missing(why) => missing(why),
    }
}

/// A whole string; as hexadecimal digits where it is not UTF-8.
fn string(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            json!({"hex": hex})
        }
    }
}

/// A value as JSON. What is not whole is an object that says so: `{"missing": why, "absence": …}`,
/// `{"masked": true}`, and with the true length and why there is no more: `{"cut": …, "len": N,
/// "why": …}` of a string, `{"items": […], …}` of a list, `{"entries": {…}, …}` of a map.
pub fn value(v: &Value) -> Json {
    match v {
        Value::Bool(b) => json!(b),
        Value::Int(n) => json!(n),
        Value::Uint(n) => json!(n),
        Value::Float(x) => json!(x),
        Value::Complex(..) | Value::Time { .. } | Value::Duration(_) => json!(text::value(v, true)),
        Value::Str { bytes, len } if bytes.len() as u64 == *len => string(bytes),
        Value::Str { bytes, len } => json!({"cut": String::from_utf8_lossy(bytes), "len": len}),
        Value::Nil => Json::Null,
        Value::Pointer { to, .. } => value(to),
        Value::Address(addr) => json!({"address": format!("0x{addr:x}")}),
        Value::Struct { fields, .. } => {
            // what the capture does not want has no key
            let captured = fields
                .iter()
                .filter(|(_, v)| *v != Value::Missing(Missing::NotWanted));
            Json::Object(captured.map(|(n, v)| (n.clone(), value(v))).collect())
        }
        Value::List { items, len } => {
            let items_json: Vec<Json> = items.iter().map(value).collect();
            if items.len() as u64 == *len {
                Json::Array(items_json)
            } else {
                json!({"items": items_json, "len": len})
            }
        }
        Value::Map { entries, len } => map(entries, *len),
        Value::Iface { ty, value: inner } => {
            let mut object = json!({"type": ty, "value": value(inner)});
            if let Some(text) = error_text(v) {
                object["error"] = json!(text);
            }
            if let Some(name) = errno_name(v) {
                object["errno"] = json!(name);
            }
            object
        }
        Value::Cut { part, why } => {
            let mut cut = value(part);
            match cut.as_object_mut() {
                Some(object) => {
                    object.insert("why".into(), json!(why.to_string()));
                    cut
                }
                None => json!({"cut": cut, "why": why.to_string()}),
            }
        }
        Value::Masked => json!({"masked": true}),
        Value::Missing(why) => missing(why),
    }
}

fn map(entries: &[(Value, Value)], len: u64) -> Json {
    let mut object = Map::new();
    for (k, v) in entries {
        let key = match k {
            Value::Str { bytes, len: whole } if bytes.len() as u64 == *whole => {
                match std::str::from_utf8(bytes) {
                    Ok(text) => text.to_owned(),
                    Err(_) => return pairs(entries, len),
                }
            }
            Value::Int(n) => n.to_string(),
            Value::Uint(n) => n.to_string(),
            _ => return pairs(entries, len),
        };
        if object.insert(key, value(v)).is_some() {
            return pairs(entries, len);
        }
    }
    if entries.len() as u64 == len {
        Json::Object(object)
    } else {
        json!({"entries": object, "len": len})
    }
}

/// Keys that JSON cannot have.
fn pairs(entries: &[(Value, Value)], len: u64) -> Json {
    let pairs: Vec<Json> = entries
        .iter()
        .map(|(k, v)| json!([value(k), value(v)]))
        .collect();
    json!({"pairs": pairs, "len": len})
}

//! What a request says about itself, out of the values of its hits.

use super::model::{CallState, Client, Request};
use crate::decode::{Hit, Value};
use crate::plan::FuncSchema;

/// Digits of a container's id.
const ID_DIGITS: usize = 64;

/// Positions of the parameters that are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters {
    req: Option<usize>,
    client: Option<usize>,
}

impl Parameters {
    pub fn of(f: &FuncSchema) -> Self {
        let position = |name: &str| f.params.iter().position(|p| p.name == name);
        Self {
            req: position("req"),
            client: position("client"),
        }
    }
}

/// A request as it begins.
pub fn begun(id: u32, hit: &Hit, parameters: Parameters) -> Request {
    let value = |at: Option<usize>| at.and_then(|i| hit.values.get(i)).map(target);
    let req = value(parameters.req);
    let text = |path: &[&str]| req.and_then(|r| text_at(r, path));
    let path = text(&["URL", "Path"]).unwrap_or_else(|| "?".into());
    let (client, client_unknown) = match value(parameters.client).map(client) {
        Some(Ok(client)) => (Some(client), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, Some("not captured".to_owned())),
    };
    Request {
        id,
        goid: hit.goid,
        start: hit.ktime,
        end: None,
        method: text(&["Method"]).unwrap_or_else(|| "?".into()),
        api_version: split_version(&path).0.map(str::to_owned),
        path,
        query: text(&["URL", "RawQuery"]).unwrap_or_default(),
        user_agent: req.and_then(user_agent),
        status: None,
        bytes: None,
        hijacked: None,
        waits_for: None,
        client,
        client_unknown,
        layers: None,
        sample: None,
        state: CallState::InFlight,
    }
}

/// What the response says when the handler returns.
pub fn ended(request: &mut Request, hit: &Hit) {
    request.end = Some(hit.ktime);
    request.state = CallState::Returned;
    let Some(response) = hit.out.first() else {
        return;
    };
    request.status = int_at(response, "status").filter(|s| *s != 0);
    request.bytes = int_at(response, "written").and_then(|n| u64::try_from(n).ok());
    if let Some(Value::Bool(hijacked)) =
        field(response, "conn").and_then(|conn| field(conn, "hijackedv"))
    {
        request.hijacked = Some(*hijacked);
    }
}

/// `1.41` and `/info` of `/v1.41/info`; a path without an API version is all path.
#[must_use]
pub fn split_version(path: &str) -> (Option<&str>, &str) {
    let digits = |s: &str| !s.is_empty() && s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit());
    let Some(unprefixed) = path.strip_prefix("/v") else {
        return (None, path);
    };
    let (version, rest) = unprefixed.split_at(unprefixed.find('/').unwrap_or(unprefixed.len()));
    match version.split_once('.') {
        Some((major, minor)) if digits(major) && digits(minor) => (Some(version), rest),
        _ => (None, path),
    }
}

fn client(value: &Value) -> Result<Client, String> {
    if let Value::Missing(why) = value {
        return Err(why.to_string());
    }
    let number = |name: &str| match field(value, name) {
        Some(Value::Uint(n)) => u32::try_from(*n).ok(),
        _ => None,
    };
    let Some(pid) = number("pid") else {
        return Err(match field(value, "pid") {
            Some(Value::Missing(why)) => why.to_string(),
            _ => "its process id was not captured".to_owned(),
        });
    };
    let ancestors = match field(value, "ancestors") {
        Some(Value::List { items, .. }) => items
            .iter()
            .filter_map(|v| match v {
                Value::Uint(n) => u32::try_from(*n).ok(),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Ok(Client {
        pid,
        uid: number("uid"),
        comm: field(value, "comm").and_then(text),
        ancestors,
        container: field(value, "cgroup")
            .and_then(text)
            .and_then(|name| container_id(&name)),
    })
}

/// 64 hexadecimal digits in the name of a cgroup: `docker-ID.scope`, or the id alone.
fn container_id(cgroup: &str) -> Option<String> {
    cgroup
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|run| run.len() == ID_DIGITS)
        .map(str::to_owned)
}

/// What a pointer or interface leads to.
pub fn target(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => target(to),
        Value::Iface { value, .. } => target(value),
        other => other,
    }
}

fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match target(value) {
        Value::Struct { fields, .. } => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
        _ => None,
    }
}

/// Number of the goroutine that a `*runtime.g` stands for.
pub fn goid_of(value: &Value) -> Option<u64> {
    match field(value, "goid")? {
        Value::Int(goid) => u64::try_from(*goid).ok().filter(|g| *g != 0),
        Value::Uint(goid) => Some(*goid).filter(|g| *g != 0),
        _ => None,
    }
}

fn int_at(value: &Value, name: &str) -> Option<i64> {
    match field(value, name)? {
        Value::Int(n) => Some(*n),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value.part() {
        Value::Str { bytes, len } => {
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            if *len > bytes.len() as u64 {
                text.push_str(&format!("… ({len} bytes)"));
            }
            Some(text)
        }
        _ => None,
    }
}

fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    match path {
        [] => text(value),
        [first, rest @ ..] => text_at(field(value, first)?, rest),
    }
}

fn user_agent(request: &Value) -> Option<String> {
    let Value::Map { entries, .. } = field(request, "Header")?.part() else {
        return None;
    };
    let (_, values) = entries
        .iter()
        .find(|(k, _)| text(k).as_deref() == Some("User-Agent"))?;
    match values {
        Value::List { items, .. } => items.first().and_then(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_paths() {
        assert_eq!(split_version("/v1.41/info"), (Some("1.41"), "/info"));
        assert_eq!(split_version("/v1.41"), (Some("1.41"), ""));
        assert_eq!(split_version("/volumes"), (None, "/volumes"));
        assert_eq!(split_version("/v1/info"), (None, "/v1/info"));
        assert_eq!(split_version("/info"), (None, "/info"));
    }

    #[test]
    fn ids_in_names_of_cgroups() {
        let id = "ab".repeat(32);
        assert_eq!(container_id(&id).as_ref(), Some(&id));
        assert_eq!(container_id(&format!("docker-{id}.scope")), Some(id));
        assert_eq!(container_id("session-1.scope"), None);
        assert_eq!(container_id(&"a".repeat(65)), None);
    }

    #[test]
    fn a_client_with_a_process_id_only_is_a_client() {
        let fields = vec![
            ("pid".to_owned(), Value::Uint(7)),
            ("uid".to_owned(), Value::Uint(0)),
            (
                "comm".to_owned(),
                Value::Missing(crate::decode::Missing::Lost),
            ),
        ];
        let value = Value::Struct {
            ty: "client".into(),
            fields,
        };
        let client = client(&value).expect("a client");
        assert_eq!((client.pid, client.uid, client.comm), (7, Some(0), None));
    }
}

//! What a request says about itself, out of the values of its hits.

use tracer_ebpf::wire::peer::PEER_NAME;

use super::model::{Body, CallState, Client, Length, ProcessName, Request};
use crate::addr::ProcessAddr;
use crate::decode::{Hit, Limit, Misfit, Missing, NoClient, Text, Value};
use crate::plan::FuncSchema;

const STATUS_OK: i64 = 200;
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
    let text = |path: &[&str]| req.map_or_else(not_captured, |r| text_at(r, path));
    let header = |name: &str| req.map_or_else(|| Some(not_captured()), |r| header(r, name));
    let path = text(&["URL", "Path"]);
    let client = value(parameters.client).map_or(Err(Missing::NotPlanned), client);
    Request {
        id,
        goid: hit.goid,
        start: hit.ktime,
        end: None,
        method: text(&["Method"]),
        api_version: api_version(&path),
        path,
        query: text(&["URL", "RawQuery"]),
        user_agent: header("User-Agent"),
        body: Body {
            length: req.map_or(Length::NotCaptured, length),
            content_type: header("Content-Type"),
        },
        status: None,
        bytes: None,
        hijacked: None,
        waits_for: None,
        client,
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
    request.bytes = int_at(response, "written").and_then(|n| u64::try_from(n).ok());
    if let Some(Value::Bool(hijacked)) =
        field(response, "conn").and_then(|conn| field(conn, "hijackedv"))
    {
        request.hijacked = Some(*hijacked);
    }
    request.status = match (int_at(response, "status"), request.hijacked) {
        // net/http answers for a handler that has not (`finishRequest`, net/http/server.go), unless
        // the connection is no longer its own
        (Some(0), Some(false)) => Some(STATUS_OK),
        (Some(0), _) => None,
        (status, _) => status,
    };
}

fn not_captured() -> Text {
    Text::Missing(Missing::NotPlanned)
}

/// The API version that a path begins with, if what was captured of it says so for certain.
pub fn api_version(path: &Text) -> Option<String> {
    let captured = path.captured_str();
    let (version, rest) = split_version(&captured);
    let certain = path.whole().is_some() || rest.starts_with('/');
    version.filter(|_| certain).map(str::to_owned)
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

fn client(value: &Value) -> Result<Client, Missing> {
    if let Value::Missing(why) = value {
        return Err(why.clone());
    }
    let number = |name: &str| match field(value, name) {
        Some(Value::Uint(n)) => u32::try_from(*n).ok(),
        _ => None,
    };
    let Some(pid) = number("pid") else {
        return Err(match field(value, "pid") {
            Some(Value::Missing(why)) => why.clone(),
            _ => Missing::Corrupt(Misfit::Kind),
        });
    };
    Ok(Client {
        pid,
        uid: number("uid"),
        comm: name(field(value, "comm")),
        ancestors: ancestors(field(value, "ancestors")),
        container: container(field(value, "cgroup")),
    })
}

fn ancestors(value: Option<&Value>) -> Result<Vec<u32>, Missing> {
    let pid = |v: &Value| match v {
        Value::Uint(n) => u32::try_from(*n).map_err(|_| Missing::Corrupt(Misfit::Kind)),
        _ => Err(Missing::Corrupt(Misfit::Kind)),
    };
    match value {
        Some(Value::List { items, .. }) => items.iter().map(pid).collect(),
        Some(Value::Missing(why)) => Err(why.clone()),
        Some(_) => Err(Missing::Corrupt(Misfit::Kind)),
        None => Err(Missing::NotPlanned),
    }
}

/// The container that a cgroup is of. A name that fills the kernel side's room may have been
/// longer, and have the id behind what was kept.
fn container(cgroup: Option<&Value>) -> Result<Option<String>, Missing> {
    match cgroup.map(Text::of) {
        Some(Text::Whole(name)) => match container_id(&String::from_utf8_lossy(&name)) {
            None if name.len() + 1 >= PEER_NAME => Err(Missing::Limit(Limit::StringBytes)),
            id => Ok(id),
        },
        Some(Text::Cut { why, .. } | Text::Missing(why)) => Err(why),
        None => Err(Missing::NotPlanned),
    }
}

fn name(value: Option<&Value>) -> ProcessName {
    match value.map(Text::of) {
        Some(Text::Whole(name)) => ProcessName::Known(String::from_utf8_lossy(&name).into_owned()),
        Some(Text::Missing(Missing::Client(NoClient::Ended))) => ProcessName::Ended,
        _ => ProcessName::Unknown,
    }
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

/// The goroutine whose panic was recovered, and the depth of the frame that recovered it: deeper
/// ones are gone.
pub fn recovered(g: &Value) -> Option<(u64, u64)> {
    let word = |value: &Value, name: &str| match field(value, name)? {
        Value::Uint(word) | Value::Address(ProcessAddr(word)) => Some(*word).filter(|w| *w != 0),
        _ => None,
    };
    let frame = match field(g, "_panic") {
        Some(panic) => word(panic, "sp")?,
        None => word(g, "sigcode0")?,
    };
    let depth = word(field(g, "stack")?, "hi")?.checked_sub(frame)?;
    Some((goid_of(g)?, depth))
}

fn int_at(value: &Value, name: &str) -> Option<i64> {
    match field(value, name)? {
        Value::Int(n) => Some(*n),
        _ => None,
    }
}

fn text_at(value: &Value, path: &[&str]) -> Text {
    let Some((first, rest)) = path.split_first() else {
        return Text::of(value);
    };
    match (field(value, first), target(value)) {
        (Some(value), _) => text_at(value, rest),
        (None, Value::Missing(why)) => Text::Missing(why.clone()),
        (None, _) => not_captured(),
    }
}

/// `ContentLength`: -1 where the request does not tell.
fn length(request: &Value) -> Length {
    match int_at(request, "ContentLength") {
        Some(bytes) => u64::try_from(bytes).map_or(Length::Untold, Length::Bytes),
        None => Length::NotCaptured,
    }
}

/// The first value of a header, which is what Go's `Header.Get` returns; `None`: there is none.
fn header(request: &Value, wanted: &str) -> Option<Text> {
    let headers = match field(request, "Header") {
        Some(headers) => headers,
        None => return Some(not_captured()),
    };
    let (entries, why) = match (headers.part(), headers) {
        (Value::Map { entries, .. }, Value::Cut { why, .. }) => (entries, Some(why)),
        (Value::Map { entries, len }, _) if entries.len() as u64 == *len => (entries, None),
        (Value::Map { entries, .. }, _) => (entries, Some(&Missing::Corrupt(Misfit::Kind))),
        (Value::Nil, _) => return None,
        (Value::Missing(why), _) => return Some(Text::Missing(why.clone())),
        _ => return Some(not_captured()),
    };
    let found = entries.iter().find(|(name, _)| Text::of(name).is(wanted));
    let Some((_, values)) = found else {
        // the rest of the headers, or the name of one, was not captured
        let why = why.or_else(|| entries.iter().find_map(|(name, _)| name.why_missing()));
        return why.map(|why| Text::Missing(why.clone()));
    };
    match values.part() {
        Value::List { items, .. } if !items.is_empty() => items.first().map(Text::of),
        Value::List { len: 0, .. } | Value::Nil => None,
        other => Some(Text::Missing(
            values
                .why_missing()
                .or_else(|| other.why_missing())
                .cloned()
                .unwrap_or(Missing::Corrupt(Misfit::Kind)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_may_go_on_is_none() {
        let cut = |part: &str| Text::Cut {
            part: part.as_bytes().to_vec(),
            len: 99,
            why: Missing::Lost,
        };
        assert_eq!(api_version(&cut("/v1.4")), None);
        assert_eq!(api_version(&cut("/v1.41/co")).as_deref(), Some("1.41"));
        assert_eq!(api_version(&Text::from("/v1.41")).as_deref(), Some("1.41"));
    }

    fn string(text: &str) -> Value {
        Value::Str {
            bytes: text.as_bytes().to_vec(),
            len: text.len() as u64,
        }
    }

    fn fields(of: Vec<(&str, Value)>) -> Value {
        Value::Struct {
            ty: String::new(),
            fields: of.into_iter().map(|(n, v)| (n.into(), v)).collect(),
            left_out: 1,
        }
    }

    #[test]
    fn frames_that_recovered_a_panic() {
        let g = |of: Vec<(&str, Value)>| {
            let stack = fields(vec![("hi", Value::Uint(0x9000))]);
            let goid = ("goid", Value::Uint(7));
            let all = [goid, ("stack", stack)].into_iter().chain(of).collect();
            Value::Pointer {
                addr: ProcessAddr(0xc000),
                to: Box::new(fields(all)),
            }
        };
        let old = g(vec![("sigcode0", Value::Uint(0x8f00))]);
        assert_eq!(recovered(&old), Some((7, 0x100)));
        let panic = Value::Pointer {
            addr: ProcessAddr(0xd000),
            to: Box::new(fields(vec![("sp", Value::Address(ProcessAddr(0x8e00)))])),
        };
        assert_eq!(recovered(&g(vec![("_panic", panic)])), Some((7, 0x200)));
        let lost = || Value::Missing(Missing::Lost);
        for none in [
            vec![("_panic", Value::Nil)],
            vec![("_panic", lost())],
            vec![("sigcode0", Value::Uint(0))],
            // beyond the stack
            vec![("sigcode0", Value::Uint(0x9001))],
            vec![],
        ] {
            assert_eq!(recovered(&g(none.clone())), None, "{none:?}");
        }
    }

    #[test]
    fn lengths_of_bodies() {
        let told = |bytes| fields(vec![("ContentLength", Value::Int(bytes))]);
        assert_eq!(length(&told(0)), Length::Bytes(0));
        assert_eq!(length(&told(90)), Length::Bytes(90));
        assert_eq!(length(&told(-1)), Length::Untold);
        assert_eq!(length(&fields(vec![])), Length::NotCaptured);
    }

    #[test]
    fn what_net_http_answers_for_a_handler() {
        let ended = |status: i64, hijacked: Option<bool>| {
            let conn = hijacked.map(|h| ("hijackedv", Value::Bool(h)));
            let conn = fields(conn.into_iter().collect());
            let mut request = super::super::examples::request("HEAD", "/_ping", "");
            request.hijacked = None;
            let response = fields(vec![("status", Value::Int(status)), ("conn", conn)]);
            let hit = Hit {
                out: vec![response],
                ..super::super::examples::hit()
            };
            super::ended(&mut request, &hit);
            request.status
        };
        assert_eq!(ended(0, Some(false)), Some(200));
        assert_eq!(ended(404, Some(false)), Some(404));
        assert_eq!(ended(0, Some(true)), None);
        assert_eq!(ended(0, None), None);
    }

    #[test]
    fn no_user_agent_is_said_of_whole_headers_only() {
        let agent = |headers: Value| {
            let request = Value::Struct {
                ty: "net/http.Request".into(),
                fields: vec![("Header".into(), headers)],
                left_out: 1,
            };
            header(&request, "User-Agent")
        };
        let header = |name: &str, value: &str| {
            let items = vec![string(value)];
            (string(name), Value::List { items, len: 1 })
        };
        let map = |entries: Vec<(Value, Value)>| Value::Map {
            len: entries.len() as u64,
            entries,
        };
        let accept = || header("Accept", "x");
        assert_eq!(agent(map(vec![accept()])), None);
        assert_eq!(agent(Value::Nil), None);
        let known = agent(map(vec![accept(), header("User-Agent", "curl")]));
        assert_eq!(known, Some(Text::from("curl")));
        let cut = |entries| Value::Cut {
            part: Box::new(map(entries)),
            why: Missing::Lost,
        };
        let lost = Some(Text::Missing(Missing::Lost));
        assert_eq!(agent(cut(vec![accept()])), lost);
        assert_eq!(agent(cut(vec![header("User-Agent", "curl")])), known);
        assert_eq!(agent(Value::Missing(Missing::Lost)), lost);
        let nameless = (Value::Missing(Missing::Lost), Value::Nil);
        assert_eq!(agent(map(vec![nameless])), lost);
    }

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
    fn in_no_container_is_not_the_same_as_not_known() {
        let of = |name: &str| container(Some(&string(name)));
        let id = "ab".repeat(32);
        assert_eq!(of(&format!("docker-{id}.scope")), Ok(Some(id)));
        assert_eq!(of("session-1.scope"), Ok(None));
        assert_eq!(of(""), Ok(None), "the root of a hierarchy");
        let cut = Err(Missing::Limit(Limit::StringBytes));
        assert_eq!(of(&"x".repeat(PEER_NAME - 1)), cut);
        let ended = Missing::Client(NoClient::Ended);
        let value = Value::Missing(ended.clone());
        assert_eq!(container(Some(&value)), Err(ended.clone()));
        assert_eq!(ancestors(Some(&value)), Err(ended));
        let none = Value::List {
            items: Vec::new(),
            len: 0,
        };
        assert_eq!(ancestors(Some(&none)), Ok(Vec::new()));
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
            left_out: 0,
        };
        let client = client(&value).expect("a client");
        assert_eq!((client.pid, client.uid), (7, Some(0)));
        assert_eq!(client.comm, ProcessName::Unknown);
        assert_eq!(client.ancestors, Err(Missing::NotPlanned));
        assert_eq!(client.container, Err(Missing::NotPlanned));
    }
}

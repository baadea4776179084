//! The process that sent a request, as the kernel found it at the other end of the socket.

use tracer_ebpf::wire::peer::{PEER_NAME, PEER_OK, Peer};

use super::missing::{Misfit, Missing, NoClient};
use super::value::Value;

/// Digits of a container's id.
const ID_DIGITS: usize = 64;
/// Steps of a chain to a connection; hostile plans may have any.
const MOST_STEPS: u32 = 32;

/// The value at the end of a chain of pointers, interfaces and structs of one field.
pub fn end_of(mut value: Value) -> Value {
    for _ in 0..MOST_STEPS {
        value = match value {
            Value::Pointer { to, .. } => *to,
            Value::Iface { value, .. } => *value,
            Value::Struct { ty, mut fields, .. } if ty != TYPE && fields.len() == 1 => {
                match fields.pop() {
                    Some((_, value)) => value,
                    None => return Value::Missing(Missing::Corrupt(Misfit::Kind)),
                }
            }
            Value::Nil => return missing(NoClient::NoConnection),
            Value::Missing(Missing::UnknownType { addr }) => {
                return missing(NoClient::Connection { addr });
            }
            other => return other,
        };
    }
    missing(NoClient::TooDeep)
}

const TYPE: &str = "client";

fn missing(why: NoClient) -> Value {
    Value::Missing(Missing::Client(why))
}

/// Fields: pid, uid, gid, comm, ancestors (process ids, the client's own first), cgroup.
pub fn value(peer: &Peer) -> Value {
    if peer.reason != PEER_OK {
        return Value::Missing(match NoClient::of_kernel(peer.reason, peer.detail) {
            Some(why) => Missing::Client(why),
            None => Missing::Corrupt(Misfit::PeerReason(peer.reason)),
        });
    }
    let known = (peer.ancestors_len as usize).min(peer.ancestors.len());
    let ancestors: Vec<Value> = peer.ancestors[..known]
        .iter()
        .map(|pid| Value::Uint(u64::from(*pid)))
        .collect();
    let comm = text(&peer.comm);
    let ended = comm.is_empty();
    let or_ended = |known: bool, value: Value| match (known, ended) {
        (true, _) => value,
        (false, true) => missing(NoClient::Ended),
        (false, false) => missing(NoClient::OtherNamespace),
    };
    let string = |bytes: Vec<u8>| Value::Str {
        len: bytes.len() as u64,
        bytes,
    };
    let cgroup = cgroup(peer);
    let fields = [
        (
            "pid",
            match peer.pid {
                0 => missing(NoClient::OtherNamespace),
                pid => Value::Uint(u64::from(pid)),
            },
        ),
        ("uid", Value::Uint(u64::from(peer.uid))),
        ("gid", Value::Uint(u64::from(peer.gid))),
        ("comm", or_ended(!ended, string(comm))),
        (
            "ancestors",
            or_ended(
                known > 0,
                Value::List {
                    len: known as u64,
                    items: ancestors,
                },
            ),
        ),
        ("cgroup", or_ended(!ended, string(cgroup))),
    ];
    Value::Struct {
        ty: TYPE.to_owned(),
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        left_out: 0,
    }
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|b| *b != 0).collect()
}

/// The name that holds a container's id, else the first that is not empty.
fn cgroup(peer: &Peer) -> Vec<u8> {
    let names: Vec<Vec<u8>> = peer
        .cgroups
        .iter()
        .map(|words| {
            let mut bytes = [0u8; PEER_NAME];
            for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
                chunk.copy_from_slice(&word.to_le_bytes());
            }
            text(&bytes)
        })
        .filter(|name| !name.is_empty())
        .collect();
    let has_id = |name: &&Vec<u8>| {
        name.split(|b| !b.is_ascii_hexdigit())
            .any(|run| run.len() == ID_DIGITS)
    };
    names
        .iter()
        .find(has_id)
        .or(names.first())
        .cloned()
        .unwrap_or_default()
}

//! What `Error()` of well-known error types returns, put together from their fields, which are known by name.
//!
//! A type that is not listed, a field that is missing, a text that is cut: no text, and the fields are shown as they are.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::errno;
use super::value::Value;

/// Errors in each other; the capture itself is not deeper.
const MOST_NESTED: u32 = 32;

/// Text of the error in an interface value.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    of(value, MOST_NESTED)
}

fn of(value: &Value, left: u32) -> Option<String> {
    let Value::Iface { ty, value } = value else {
        return None;
    };
    let left = left.checked_sub(1)?;
    let target = pointed(value);
    if let Value::Str { .. } = target {
        return of_string(ty, whole(target)?);
    }
    if let Value::Uint(number) = target {
        return errno::text(*number).filter(|_| ty == "syscall.Errno");
    }
    // the interface's own name of a pointer type has no import path
    let Value::Struct {
        ty,
        fields,
        left_out,
    } = target
    else {
        return None;
    };
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    let string = |name: &str| field(name).and_then(whole);
    let error = |name: &str| of(field(name)?, left);
    // vendored packages keep their own path behind the vendoring one's
    let ty = ty
        .rsplit_once("/vendor/")
        .map_or(ty.as_str(), |(_, own)| own);
    Some(match ty {
        "errors.errorString" | "runtime.errorString" => string("s")?,
        "fmt.wrapError" | "fmt.wrapErrors" | "github.com/pkg/errors.fundamental" => string("msg")?,
        "io/fs.PathError" | "os.PathError" => {
            format!("{} {}: {}", string("Op")?, string("Path")?, error("Err")?)
        }
        "os.LinkError" => format!(
            "{} {} {}: {}",
            string("Op")?,
            string("Old")?,
            string("New")?,
            error("Err")?
        ),
        "os.SyscallError" => format!("{}: {}", string("Syscall")?, error("Err")?),
        "os/exec.Error" => format!("exec: {}: {}", quoted(&string("Name")?)?, error("Err")?),
        "strconv.NumError" => format!(
            "strconv.{}: parsing {}: {}",
            string("Func")?,
            quoted(&string("Num")?)?,
            error("Err")?
        ),
        "errors.joinError" => {
            let Some(Value::List { items, len }) = field("errs") else {
                return None;
            };
            if items.len() as u64 != *len {
                return None;
            }
            let texts: Option<Vec<String>> = items.iter().map(|e| of(e, left)).collect();
            texts?.join("\n")
        }
        "net/url.Error" => format!(
            "{} {}: {}",
            string("Op")?,
            quoted(&string("URL")?)?,
            error("Err")?
        ),
        "net.OpError" => {
            let (source, addr) = (address(field("Source")?)?, address(field("Addr")?)?);
            let mut said = string("Op")?;
            let more = [
                (" ", Some(string("Net")?).filter(|net| !net.is_empty())),
                (" ", source.clone()),
                (if source.is_some() { "->" } else { " " }, addr),
                (": ", Some(error("Err")?)),
            ];
            for (before, text) in more {
                if let Some(text) = text {
                    said += before;
                    said += &text;
                }
            }
            said
        }
        "net.AddrError" => match string("Addr")?.as_str() {
            "" => string("Err")?,
            addr => format!("address {addr}: {}", string("Err")?),
        },
        "context.deadlineExceededError" => "context deadline exceeded".to_owned(),
        "internal/poll.DeadlineExceededError" => "i/o timeout".to_owned(),
        "internal/poll.errNetClosing" => "use of closed network connection".to_owned(),
        "github.com/containerd/errdefs.customMessage" => string("msg")?,
        "github.com/docker/docker/daemon.objNotFoundError"
        | "github.com/moby/moby/v2/daemon.objNotFoundError" => {
            format!("No such {}: {}", string("object")?, string("id")?)
        }
        "github.com/docker/docker/daemon.nameConflictError"
        | "github.com/moby/moby/v2/daemon.nameConflictError" => format!(
            "Conflict. The container name {} is already in use by container {}. You have to remove (or rename) that container to be \
             able to reuse that name.",
            quoted(&string("name")?)?,
            quoted(&string("id")?)?
        ),
        "github.com/pkg/errors.withMessage" => format!("{}: {}", string("msg")?, error("cause")?),
        "github.com/pkg/errors.withStack" => error("error")?,
        // errNotFound{error} and its kin promote Error of what they embed (errdefs/helpers.go)
        _ if embeds_its_text(ty) && fields.len() == 1 && *left_out == 0 => error("error")?,
        _ => CLASSES
            .iter()
            .find(|(name, _)| ty.strip_prefix("github.com/containerd/errdefs.") == Some(*name))
            .map(|(_, text)| (*text).to_owned())?,
    })
}

/// Error types of containerd's errdefs (errors.go) that have no fields, and their texts.
const CLASSES: &[(&str, &str)] = &[
    ("errUnknown", "unknown"),
    ("errInvalidArgument", "invalid argument"),
    ("errNotFound", "not found"),
    ("errAlreadyExists", "already exists"),
    ("errPermissionDenied", "permission denied"),
    ("errResourceExhausted", "resource exhausted"),
    ("errFailedPrecondition", "failed precondition"),
    ("errConflict", "conflict"),
    ("errNotModified", "not modified"),
    ("errAborted", "aborted"),
    ("errOutOfRange", "out of range"),
    ("errNotImplemented", "not implemented"),
    ("errInternal", "internal"),
    ("errUnavailable", "unavailable"),
    ("errDataLoss", "data loss"),
    ("errUnauthorized", "unauthorized"),
];

fn pointed(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => to,
        other => other,
    }
}

/// Errors that are strings (moby's daemon/errors.go, net/net.go).
fn of_string(ty: &str, text: String) -> Option<String> {
    Some(match ty {
        "net.UnknownNetworkError" => format!("unknown network {text}"),
        "github.com/docker/docker/daemon.startInvalidConfigError"
        | "github.com/moby/moby/v2/daemon.startInvalidConfigError" => text,
        "github.com/docker/docker/daemon.invalidIdentifier"
        | "github.com/moby/moby/v2/daemon.invalidIdentifier" => {
            format!("invalid name or ID supplied: {}", quoted(&text)?)
        }
        _ => return None,
    })
}

/// What a `net.Addr` says of itself; `Some(None)`: there is none.
fn address(value: &Value) -> Option<Option<String>> {
    let (ty, value) = match value {
        Value::Nil => return Some(None),
        Value::Iface { ty, value } => (ty.as_str(), pointed(value)),
        _ => return None,
    };
    let Value::Struct { fields, .. } = value else {
        return None;
    };
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    match ty {
        "*net.UnixAddr" => whole(field("Name")?).map(Some),
        "*net.TCPAddr" | "*net.UDPAddr" => {
            let (host, Value::Int(port)) = (host(field("IP")?, field("Zone")?)?, field("Port")?)
            else {
                return None;
            };
            Some(Some(format!("{host}:{port}")))
        }
        _ => None,
    }
}

/// An address as it stands before a port.
fn host(ip: &Value, zone: &Value) -> Option<String> {
    let bytes: Vec<u8> = match ip {
        Value::Nil => Vec::new(),
        Value::List { items, len } if items.len() as u64 == *len => items
            .iter()
            .map(|b| match b {
                Value::Uint(b) => u8::try_from(*b).ok(),
                _ => None,
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let ip = match bytes.len() {
        0 => String::new(),
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string(),
        16 => {
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            ip.to_ipv4_mapped()
                .map_or_else(|| ip.to_string(), |ip| ip.to_string())
        }
        _ => return None,
    };
    let host = match whole(zone)?.as_str() {
        "" => ip,
        zone => format!("{ip}%{zone}"),
    };
    Some(if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    })
}

/// Name of the system's error that an error ends in, like `ENOENT`.
#[must_use]
pub fn errno_name(value: &Value) -> Option<&'static str> {
    /// Fields by which one error holds another.
    const HOLDERS: &[&str] = &["Err", "err", "error", "cause"];
    let mut value = value;
    for _ in 0..MOST_NESTED {
        let Value::Iface { ty, value: inner } = value else {
            return None;
        };
        value = match pointed(inner) {
            Value::Uint(number) if ty == "syscall.Errno" => return errno::name(*number),
            Value::Struct { fields, .. } => fields
                .iter()
                .find(|(n, _)| HOLDERS.contains(&n.as_str()))
                .map(|(_, v)| v)?,
            _ => return None,
        };
    }
    None
}

fn embeds_its_text(ty: &str) -> bool {
    [
        "github.com/docker/docker/errdefs.err",
        "github.com/moby/moby/v2/errdefs.err",
    ]
    .iter()
    .any(|prefix| ty.starts_with(prefix))
}

/// A string that was captured whole and is text.
fn whole(value: &Value) -> Option<String> {
    match value {
        Value::Str { bytes, len } if bytes.len() as u64 == *len => {
            String::from_utf8(bytes.clone()).ok()
        }
        _ => None,
    }
}

/// As `%q` writes a string that needs no escapes.
fn quoted(text: &str) -> Option<String> {
    text.chars()
        .all(|c| (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\')
        .then(|| format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::super::missing::Missing;
    use super::*;

    fn string(text: &str) -> Value {
        Value::Str {
            bytes: text.as_bytes().to_vec(),
            len: text.len() as u64,
        }
    }

    fn error(ty: &str, fields: Vec<(&str, Value)>) -> Value {
        Value::Iface {
            ty: ty.to_owned(),
            value: Box::new(Value::Pointer {
                addr: 1,
                to: Box::new(Value::Struct {
                    ty: ty.trim_start_matches('*').to_owned(),
                    fields: fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
                    left_out: 0,
                }),
            }),
        }
    }

    fn errno(number: u64) -> Value {
        Value::Iface {
            ty: "syscall.Errno".to_owned(),
            value: Box::new(Value::Uint(number)),
        }
    }

    #[test]
    fn a_path_error_reads_as_go_says_it() {
        let e = error(
            "*io/fs.PathError",
            vec![
                ("Op", string("open")),
                ("Path", string("/x")),
                ("Err", errno(2)),
            ],
        );
        assert_eq!(
            text(&e).as_deref(),
            Some("open /x: no such file or directory")
        );
    }

    #[test]
    fn the_system_error_at_the_end_has_its_name() {
        let e = error(
            "*io/fs.PathError",
            vec![("Op", string("open")), ("Err", errno(13))],
        );
        assert_eq!(errno_name(&e), Some("EACCES"));
        assert_eq!(errno_name(&errno(2)), Some("ENOENT"));
        assert_eq!(errno_name(&errno(5000)), None);
        assert_eq!(errno_name(&string("ENOENT")), None);
    }

    #[test]
    fn network_errors_name_both_ends() {
        let ip = |bytes: &[u8]| Value::List {
            items: bytes.iter().map(|b| Value::Uint(u64::from(*b))).collect(),
            len: bytes.len() as u64,
        };
        let tcp = |bytes: &[u8], port: i64| {
            error(
                "*net.TCPAddr",
                vec![
                    ("IP", ip(bytes)),
                    ("Port", Value::Int(port)),
                    ("Zone", string("")),
                ],
            )
        };
        let op = |source: Value, addr: Value| {
            error(
                "*net.OpError",
                vec![
                    ("Op", string("read")),
                    ("Net", string("tcp")),
                    ("Source", source),
                    ("Addr", addr),
                    ("Err", errno(104)),
                ],
            )
        };
        let mut v6 = [0u8; 16];
        v6[15] = 1;
        assert_eq!(
            text(&op(tcp(&[127, 0, 0, 1], 80), tcp(&v6, 9))).as_deref(),
            Some("read tcp 127.0.0.1:80->[::1]:9: connection reset by peer")
        );
        assert_eq!(
            text(&op(Value::Nil, tcp(&[10, 0, 0, 1], 5))).as_deref(),
            Some("read tcp 10.0.0.1:5: connection reset by peer")
        );
        assert_eq!(text(&op(Value::Nil, Value::Missing(Missing::Lost))), None);
    }

    #[test]
    fn the_cause_does_not_stand_for_the_message() {
        let cause = error("*errors.errorString", vec![("s", string("cause"))]);
        let e = error(
            "*github.com/docker/docker/vendor/github.com/pkg/errors.withMessage",
            vec![("cause", cause.clone()), ("msg", string("while listing"))],
        );
        assert_eq!(text(&e).as_deref(), Some("while listing: cause"));
        let e = error(
            "github.com/docker/docker/errdefs.errNotFound",
            vec![("error", e)],
        );
        assert_eq!(text(&e).as_deref(), Some("while listing: cause"));
    }

    #[test]
    fn unknown_types_and_cut_strings_have_no_text() {
        assert_eq!(text(&error("*x.Y", vec![("s", string("a"))])), None);
        let cut = Value::Str {
            bytes: b"ab".to_vec(),
            len: 3,
        };
        assert_eq!(text(&error("*errors.errorString", vec![("s", cut)])), None);
    }
}

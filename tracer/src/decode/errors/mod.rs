//! What `Error()` of well-known error types returns, put together from their fields, which are
//! known by name.
//!
//! A type that is not listed, a field that is missing, a text that is cut: no text, and the fields
//! are shown as they are.

mod pieces;
mod reference;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::errno;
use super::value::Value;
use crate::moby::errors::{CLASS_PACKAGE, CLASSES, EMBEDDING, REGISTRY_LIST};
use crate::moby::modules::own;

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
        return of_string(unvendored(ty), target);
    }
    if let Value::Uint(number) = target {
        return errno::text(*number).filter(|_| ty == "syscall.Errno");
    }
    // the interface's own name of a pointer type has no import path
    if let Value::List { .. } | Value::Nil = target {
        return of_list(ty, target, left);
    }
    let known = Fields::within(target, left)?;
    // the interface's own name of a pointer type has no import path
    let Value::Struct {
        ty,
        fields,
        left_out,
    } = target
    else {
        return None;
    };
    let field = |name: &str| known.value(name);
    let string = |name: &str| known.string(name);
    let error = |name: &str| known.error(name);
    let ty = unvendored(ty);
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
        "github.com/pkg/errors.withMessage" => format!("{}: {}", string("msg")?, error("cause")?),
        "github.com/pkg/errors.withStack" => error("error")?,
        _ if embeds_its_text(ty) && fields.len() == 1 && *left_out == 0 => error("error")?,
        _ => pieces::of_struct(ty, &known).or_else(|| {
            let class = ty.strip_prefix(CLASS_PACKAGE)?;
            let (_, text) = CLASSES.iter().find(|(name, _)| class == *name)?;
            Some((*text).to_owned())
        })?,
    })
}

fn pointed(value: &Value) -> &Value {
    match value {
        Value::Pointer { to, .. } => to,
        other => other,
    }
}

/// Errors that are strings (net/net.go).
fn of_string(ty: &str, value: &Value) -> Option<String> {
    match ty {
        "net.UnknownNetworkError" => Some(format!("unknown network {}", whole(value)?)),
        _ => pieces::of_string(ty, value),
    }
}

/// Errors that are lists of errors: a registry's (registry/api/errcode/errors.go).
fn of_list(ty: &str, list: &Value, left: u32) -> Option<String> {
    let (REGISTRY_LIST, Value::List { items, len }) = (unvendored(ty), list) else {
        return None;
    };
    match items.as_slice() {
        [only] if *len == 1 => of(only, left),
        _ => None,
    }
}

/// Vendored packages keep their own path behind that of the vendoring one.
fn unvendored(ty: &str) -> &str {
    ty.rsplit_once("/vendor/").map_or(ty, |(_, own)| own)
}

/// Fields of an error, by name.
#[derive(Clone, Copy)]
struct Fields<'v> {
    fields: &'v [(String, Value)],
    /// Errors in each other that are still followed.
    left: u32,
}

impl<'v> Fields<'v> {
    fn of(value: &'v Value) -> Option<Self> {
        Self::within(value, MOST_NESTED)
    }

    fn within(value: &'v Value, left: u32) -> Option<Self> {
        match value {
            Value::Struct { fields, .. } => Some(Self { fields, left }),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<&'v Value> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// A string that was captured whole.
    fn string(&self, name: &str) -> Option<String> {
        self.value(name).and_then(whole)
    }

    /// Text of an error in it.
    fn error(&self, name: &str) -> Option<String> {
        of(self.value(name)?, self.left)
    }
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

/// Whether an error promotes `Error` of what it embeds.
fn embeds_its_text(ty: &str) -> bool {
    own(ty).is_some_and(|ty| ty.starts_with(EMBEDDING))
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

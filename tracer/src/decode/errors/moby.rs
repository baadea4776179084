//! Errors of moby's own packages and of the registry client: what their `Error()` makes of their
//! fields.
//!
//! Each text is that of every release whose type has these fields; where releases differ in it
//! there is none.

use super::super::value::Value;
use super::{Fields, quoted, reference};

/// Modules whose packages these are.
const MODULES: &[&str] = &[
    "github.com/docker/docker/",
    "github.com/moby/moby/v2/",
    "github.com/moby/moby/",
];

/// Path of a type within moby's module, or as it is.
fn own(ty: &str) -> &str {
    MODULES
        .iter()
        .find_map(|module| ty.strip_prefix(module))
        .unwrap_or(ty)
}

/// Errors that are strings (daemon/errors.go, volume/service/errors.go, libnetwork/error.go,
/// api/types/filters/parse.go).
pub fn of_string(ty: &str, text: String) -> Option<String> {
    Some(match own(ty) {
        "daemon.startInvalidConfigError"
        | "volume/service.conflictError"
        | "volume/service.notFoundError"
        | "daemon/volume/service.conflictError"
        | "daemon/volume/service.notFoundError" => text,
        "daemon.invalidIdentifier" => format!("invalid name or ID supplied: {}", quoted(&text)?),
        "daemon.duplicateMountPointError" => format!("Duplicate mount point: {text}"),
        "api/types/filters.invalidFilter" => format!("Invalid filter '{text}'"),
        "libnetwork.ErrNoSuchNetwork" | "github.com/docker/libnetwork.ErrNoSuchNetwork" => {
            format!("network {text} not found")
        }
        _ => return None,
    })
}

/// Errors that are structs; `None`: the type is none of these, or something of it is not known.
pub fn of_struct(ty: &str, of: &Fields<'_>) -> Option<String> {
    Some(match own(ty) {
        "daemon.objNotFoundError" => {
            format!("No such {}: {}", of.string("object")?, of.string("id")?)
        }
        "container.NoSuchContainerError" => format!("no such container {}", of.string("id")?),
        "daemon.nameConflictError" => format!(
            "Conflict. The container name {} is already in use by container {}. You have to remove (or rename) that container to be \
             able to reuse that name.",
            quoted(&of.string("name")?)?,
            quoted(&of.string("id")?)?
        ),
        "daemon.containerFileNotFound" => format!(
            "Could not find the file {} in container {}",
            of.string("file")?,
            of.string("container")?
        ),
        "daemon/images.ErrImageDoesNotExist" => {
            format!(
                "No such image: {}",
                reference::with_tag(of.value("Ref").or_else(|| of.value("ref"))?)?
            )
        }
        "api/types/filters.invalidFilter" | "daemon/internal/filters.invalidFilter" => {
            match (of.string("Filter")?.as_str(), of.value("Value")?) {
                ("", _) => "invalid filter".to_owned(),
                (filter, Value::Nil) => format!("invalid filter '{filter}'"),
                (filter, values) => {
                    format!("invalid filter '{filter}=[{}]'", strings(values)?.join(" "))
                }
            }
        }
        "daemon.invalidFilter" | "daemon/images.invalidFilter" | "volume/service.invalidFilter" => {
            let filter = of.string("filter")?;
            match of.value("value")? {
                Value::Nil => format!("Invalid filter '{filter}'"),
                Value::Iface { value, .. } => match super::whole(value) {
                    Some(value) => format!("Invalid filter '{filter}={value}'"),
                    None => format!("Invalid filter '{filter}=[{}]'", strings(value)?.join(" ")),
                },
                _ => return None,
            }
        }
        "volume/service.OpErr" | "daemon/volume/service.OpErr" => {
            let mut said = of.string("Op")?;
            let name = of.string("Name")?;
            if !name.is_empty() {
                said.push(' ');
                said.push_str(&name);
            }
            said.push_str(": ");
            said.push_str(&of.error("Err")?);
            let references = strings(of.value("Refs")?)?;
            if !references.is_empty() {
                said.push_str(&format!(" - [{}]", references.join(", ")));
            }
            said
        }
        "github.com/docker/distribution/registry/api/errcode.Error" => registry(of)?,
        _ => return None,
    })
}

/// An answer of a registry (registry/api/errcode/errors.go).
fn registry(of: &Fields<'_>) -> Option<String> {
    /// Numbers of the codes that the package itself registers, in the order of its declarations,
    /// from 1000 on. Further ones depend on which other packages are linked in.
    const CODES: &[&str] = &[
        "unknown",
        "unsupported",
        "unauthorized",
        "denied",
        "unavailable",
        "toomanyrequests",
    ];
    let Value::Int(code) = of.value("Code")? else {
        return None;
    };
    let code = CODES.get(usize::try_from(code.checked_sub(1000)?).ok()?)?;
    let message = of.string("Message")?;
    // it is a format
    (!message.contains('%')).then(|| format!("{code}: {message}"))
}

/// The strings of a whole list; of nil none.
fn strings(list: &Value) -> Option<Vec<String>> {
    match list {
        Value::Nil => Some(Vec::new()),
        Value::List { items, len } if items.len() as u64 == *len => {
            items.iter().map(super::whole).collect()
        }
        _ => None,
    }
}

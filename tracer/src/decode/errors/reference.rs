//! Names of images as users know them: `FamiliarString` of what moby's errors hold
//! (distribution/reference: reference.go, helpers.go, normalize.go).

use super::super::value::Value;
use super::{Fields, whole};
use crate::moby::references::{DEFAULT_DOMAIN, LATEST, OFFICIAL, PACKAGES};

/// Hexadecimal digits of an identifier.
const IDENTIFIER: usize = 64;

/// The name of a reference, with `latest` where it has neither tag nor digest.
pub fn with_tag(reference: &Value) -> Option<String> {
    let Value::Iface { ty, value } = reference else {
        return None;
    };
    let of = Fields::of(value.pointed());
    match kind(ty)? {
        "repository" => Some(format!("{}:{LATEST}", repository(&of?)?)),
        "taggedReference" => Some(format!("{}:{}", named(&of?)?, of?.string("tag")?)),
        "canonicalReference" => Some(format!("{}@{}", named(&of?)?, of?.string("digest")?)),
        "reference" => {
            let of = of?;
            let (tag, digest) = (of.string("tag")?, of.string("digest")?);
            Some(format!("{}:{tag}@{digest}", named(&of)?))
        }
        "digestReference" => whole(value.pointed()),
        _ => None,
    }
}

/// The type's own name, if it is one of the reference packages'.
fn kind(ty: &str) -> Option<&str> {
    let (package, name) = ty.rsplit_once('.')?;
    let package = package
        .rsplit_once("/vendor/")
        .map_or(package, |(_, own)| own);
    PACKAGES.contains(&package).then_some(name)
}

/// The repository within a tagged or canonical reference.
fn named(of: &Fields<'_>) -> Option<String> {
    let Value::Iface { ty, value } = of.value("namedRepository")? else {
        return None;
    };
    (kind(ty)? == "repository").then(|| repository(&Fields::of(value.pointed())?))?
}

fn repository(of: &Fields<'_>) -> Option<String> {
    let (domain, path) = (of.string("domain")?, of.string("path")?);
    match domain.as_str() {
        "" => Some(path),
        DEFAULT_DOMAIN => match path.strip_prefix(OFFICIAL) {
            // releases differ in what they leave of a name that looks like an identifier or a host
            Some(name) if is_identifier(name) || name == "localhost" => None,
            Some(name) if !name.contains('/') => Some(name.to_owned()),
            _ => Some(path),
        },
        _ => Some(format!("{domain}/{path}")),
    }
}

fn is_identifier(name: &str) -> bool {
    name.len() == IDENTIFIER && name.bytes().all(|b| b.is_ascii_hexdigit())
}

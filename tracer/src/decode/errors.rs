//! What `Error()` of well-known error types returns, put together from their fields, which are known by name.
//!
//! A type that is not listed, a field that is missing, a text that is cut: no text, and the fields are shown as they are.

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
    let target = match value.as_ref() {
        Value::Pointer { to, .. } => to.as_ref(),
        other => other,
    };
    if let Value::Uint(number) = target {
        return (ty == "syscall.Errno").then(|| errno::text(*number));
    }
    // the interface's own name of a pointer type has no import path
    let Value::Struct { ty, fields } = target else {
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
        "github.com/pkg/errors.withMessage" => format!("{}: {}", string("msg")?, error("cause")?),
        "github.com/pkg/errors.withStack" => error("error")?,
        // errNotFound{error} and its kin promote Error of what they embed (errdefs/helpers.go)
        _ if embeds_its_text(ty) && fields.len() == 1 => error("error")?,
        _ => return None,
    })
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

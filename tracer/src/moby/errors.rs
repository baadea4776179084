//! What the `Error()` methods of moby's packages, of the registry client and of containerd's
//! errdefs make of their fields.
//!
//! Each text is that of every release whose type has these fields; where releases differ in it
//! there is none.
//!
//! **A new docker release:** a type that moved gets its new name beside the old one; a type whose
//! fields are new gets a row of its own; if the text of the same fields changed, the row goes.

/// A piece of an error's text. Fields are given by name; [`ITSELF`] is the string that an error is.
/// If a field is not there, or was not captured whole, there is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These words.
    Says(&'static str),
    /// The string of a field.
    Field(&'static str),
    /// It in double quotes, as `%q` writes it.
    Quoted(&'static str),
    /// The words and the string of a field; nothing if that is empty.
    Behind(&'static str, &'static str),
    /// The text of the error in a field.
    Error(&'static str),
    /// The name of the image in the first of these fields that there is, with its tag or digest.
    Reference(&'static [&'static str]),
    /// The strings of a field with `", "` between them, in these words; nothing if there are none.
    List(&'static str, &'static str, &'static str),
    /// A filter: words, the fields with its name and its value, and the words for one without a
    /// name.
    Filter {
        says: &'static str,
        name: &'static str,
        value: &'static str,
        nameless: Option<&'static str>,
    },
    /// The name of the number in a field: the first of the names is that of this number.
    Code(&'static str, i64, &'static [&'static str]),
    /// The string of a field that is a format; one with verbs in it has no text.
    Format(&'static str),
}

/// The name of the one "field" of an error that is a string.
pub const ITSELF: &str = "";

/// Types, without moby's import path, and their texts.
pub struct Row {
    pub types: &'static [&'static str],
    pub text: &'static [Piece],
}

use Piece::{Behind, Code, Error, Field, Filter, Format, List, Quoted, Reference, Says};

const fn row(types: &'static [&'static str], text: &'static [Piece]) -> Row {
    Row { types, text }
}

/// Errors that are strings (daemon/errors.go, volume/service/errors.go, libnetwork/error.go,
/// api/types/filters/parse.go).
pub const STRINGS: &[Row] = &[
    row(
        &[
            "daemon.startInvalidConfigError",
            "volume/service.conflictError",
            "volume/service.notFoundError",
            "daemon/volume/service.conflictError",
            "daemon/volume/service.notFoundError",
        ],
        &[Field(ITSELF)],
    ),
    row(
        &["daemon.invalidIdentifier"],
        &[Says("invalid name or ID supplied: "), Quoted(ITSELF)],
    ),
    row(
        &["daemon.duplicateMountPointError"],
        &[Says("Duplicate mount point: "), Field(ITSELF)],
    ),
    row(
        &["api/types/filters.invalidFilter"],
        &[Says("Invalid filter '"), Field(ITSELF), Says("'")],
    ),
    row(
        &[
            "libnetwork.ErrNoSuchNetwork",
            "github.com/docker/libnetwork.ErrNoSuchNetwork",
        ],
        &[Says("network "), Field(ITSELF), Says(" not found")],
    ),
];

/// Errors that are structs.
pub const STRUCTS: &[Row] = &[
    row(
        &["daemon.objNotFoundError"],
        &[Says("No such "), Field("object"), Says(": "), Field("id")],
    ),
    row(
        &["container.NoSuchContainerError"],
        &[Says("no such container "), Field("id")],
    ),
    row(
        &["daemon.nameConflictError"],
        &[
            Says("Conflict. The container name "),
            Quoted("name"),
            Says(" is already in use by container "),
            Quoted("id"),
            Says(". You have to remove (or rename) that container to be able to reuse that name."),
        ],
    ),
    row(
        &["daemon.containerFileNotFound"],
        &[
            Says("Could not find the file "),
            Field("file"),
            Says(" in container "),
            Field("container"),
        ],
    ),
    row(
        &["daemon/images.ErrImageDoesNotExist"],
        &[Says("No such image: "), Reference(&["Ref", "ref"])],
    ),
    row(
        &[
            "api/types/filters.invalidFilter",
            "daemon/internal/filters.invalidFilter",
        ],
        &[Filter {
            says: "invalid filter",
            name: "Filter",
            value: "Value",
            nameless: Some("invalid filter"),
        }],
    ),
    row(
        &[
            "daemon.invalidFilter",
            "daemon/images.invalidFilter",
            "volume/service.invalidFilter",
        ],
        &[Filter {
            says: "Invalid filter",
            name: "filter",
            value: "value",
            nameless: None,
        }],
    ),
    row(
        &["volume/service.OpErr", "daemon/volume/service.OpErr"],
        &[
            Field("Op"),
            Behind(" ", "Name"),
            Says(": "),
            Error("Err"),
            List(" - [", "Refs", "]"),
        ],
    ),
    // an answer of a registry (registry/api/errcode/errors.go)
    row(
        &["github.com/docker/distribution/registry/api/errcode.Error"],
        &[
            Code("Code", FIRST_CODE, CODES),
            Says(": "),
            Format("Message"),
        ],
    ),
    row(
        &["github.com/containerd/errdefs.customMessage"],
        &[Field("msg")],
    ),
];

/// Number of the first of [`CODES`].
const FIRST_CODE: i64 = 1000;
/// Codes that the registry's package itself registers, in the order of its declarations. Further
/// ones depend on which other packages are linked in.
const CODES: &[&str] = &[
    "unknown",
    "unsupported",
    "unauthorized",
    "denied",
    "unavailable",
    "toomanyrequests",
];
/// A list of a registry's errors; one that holds a single error has its text.
pub const REGISTRY_LIST: &str = "github.com/docker/distribution/registry/api/errcode.Errors";

/// How types begin that hold another error and promote its `Error` (`errNotFound{error}` and its
/// kin, errdefs/helpers.go); without moby's import path.
pub const EMBEDDING: &str = "errdefs.err";

/// Where the types of [`CLASSES`] are.
pub const CLASS_PACKAGE: &str = "github.com/containerd/errdefs.";
/// Error types of containerd's errdefs (errors.go) that have no fields, and their texts.
pub const CLASSES: &[(&str, &str)] = &[
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

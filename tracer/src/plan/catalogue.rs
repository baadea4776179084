//! What is known of functions that a binary may not describe: parameter names, and signatures as type *names*.
//!
//! Never an offset or a size: types are looked up in the binary, and every signature is checked against
//! the function's own records before it is used.

use super::candidate::{Candidate, TypeRef};
use crate::gobin::{Error, GoBinary};

/// Parameter names by function (last element of the symbol), receiver not included. Several rows of one function are
/// eras of moby; the row with the right number of parameters and fitting type names is used.
const NAMES: &[(&str, &[(&str, &str)])] = &[
    ("Containers", &[("config", "ListOptions")]),
    (
        "Containers",
        &[("ctx", "Context"), ("config", "ListOptions")],
    ),
    (
        "reduceContainers",
        &[("config", "ListOptions"), ("reducer", "containerReducer")],
    ),
    (
        "reduceContainers",
        &[
            ("ctx", "Context"),
            ("config", "ListOptions"),
            ("reducer", "containerReducer"),
        ],
    ),
    ("SystemDiskUsage", &[("ctx", "Context")]),
    (
        "SystemDiskUsage",
        &[("ctx", "Context"), ("opts", "DiskUsageOptions")],
    ),
    ("containerDiskUsage", &[("ctx", "Context")]),
    (
        "containerDiskUsage",
        &[("ctx", "Context"), ("verbose", "bool")],
    ),
    ("ContainerDiskUsage", &[("ctx", "Context")]),
    (
        "getContainersJSON",
        &[
            ("ctx", "Context"),
            ("w", "ResponseWriter"),
            ("r", "Request"),
            ("vars", "map"),
        ],
    ),
    (
        "getDiskUsage",
        &[
            ("ctx", "Context"),
            ("w", "ResponseWriter"),
            ("r", "Request"),
            ("vars", "map"),
        ],
    ),
    ("ContainerCreate", &[("params", "ContainerCreateConfig")]),
    (
        "ContainerCreate",
        &[("ctx", "Context"), ("params", "ContainerCreateConfig")],
    ),
    ("ContainerStop", &[("name", "string"), ("timeout", "*int")]),
    (
        "ContainerStop",
        &[
            ("ctx", "Context"),
            ("name", "string"),
            ("options", "StopOptions"),
        ],
    ),
    (
        "ContainerRm",
        &[("name", "string"), ("config", "ContainerRmConfig")],
    ),
    (
        "ContainerStart",
        &[
            ("name", "string"),
            ("hostConfig", "HostConfig"),
            ("checkpoint", "string"),
            ("checkpointDir", "string"),
        ],
    ),
    ("ServeHTTP", &[("rw", "ResponseWriter"), ("req", "Request")]),
    (
        "newproc1",
        &[
            ("fn", "funcval"),
            ("argp", "Pointer"),
            ("narg", "int32"),
            ("callergp", "g"),
            ("callerpc", "uintptr"),
        ],
    ),
    (
        "newproc1",
        &[
            ("fn", "funcval"),
            ("callergp", "g"),
            ("callerpc", "uintptr"),
        ],
    ),
];

/// How a catalogue signature spells a type.
enum Spelling {
    /// Pointer to the named type, one word if that type has no descriptor.
    PointerTo(&'static str),
    /// One word of no further interest.
    Word(&'static str),
    /// The named interface.
    Iface(&'static str),
}

/// A signature whose function has no method table entry.
struct Known {
    symbol: &'static str,
    receiver: bool,
    params: &'static [Spelling],
    results: &'static [Spelling],
}

const SIGNATURES: &[Known] = &[
    // net/http/server.go: `func (sh serverHandler) ServeHTTP(rw ResponseWriter, req *Request)`, serverHandler{*Server}
    Known {
        symbol: "net/http.serverHandler.ServeHTTP",
        receiver: true,
        params: &[
            Spelling::Word("http.serverHandler"),
            Spelling::Iface("net/http.ResponseWriter"),
            Spelling::PointerTo("net/http.Request"),
        ],
        results: &[],
    },
    // runtime/proc.go, Go 1.17 to 1.22: `func newproc1(fn *funcval, callergp *g, callerpc uintptr) *g`
    Known {
        symbol: "runtime.newproc1",
        receiver: false,
        params: &[
            Spelling::Word("*runtime.funcval"),
            Spelling::PointerTo("runtime.g"),
            Spelling::Word("uintptr"),
        ],
        results: &[Spelling::PointerTo("runtime.g")],
    },
    // runtime/proc.go, Go 1.15 and 1.16: `func newproc1(fn *funcval, argp unsafe.Pointer, narg int32, callergp *g, callerpc uintptr) *g`
    Known {
        symbol: "runtime.newproc1",
        receiver: false,
        params: &[
            Spelling::Word("*runtime.funcval"),
            Spelling::Word("unsafe.Pointer"),
            // four bytes and four of padding before the pointer that follows
            Spelling::Word("int32"),
            Spelling::PointerTo("runtime.g"),
            Spelling::Word("uintptr"),
        ],
        results: &[Spelling::PointerTo("runtime.g")],
    },
];

/// Methods that take what another method of the same receiver takes, and one function more (moby.md: up to 24.0).
const WITH_FUNCTION: &[(&str, &str, &str)] =
    &[("reduceContainers", "Containers", "daemon.containerReducer")];

/// The method whose signature an undescribed one extends, and the text of the function type that comes last.
#[must_use]
pub fn extends(method: &str) -> Option<(&'static str, &'static str)> {
    WITH_FUNCTION
        .iter()
        .find(|(name, _, _)| *name == method)
        .map(|(_, base, function)| (*base, *function))
}

/// The catalogue's signatures of a symbol, one per era, with their types looked up.
///
/// # Errors
/// Type data of the binary is damaged.
pub fn signatures(binary: &GoBinary<'_>, symbol: &str) -> Result<Vec<Candidate>, Error> {
    let all = |list: &[Spelling]| {
        list.iter()
            .map(|spelling| {
                Ok(match spelling {
                    Spelling::Word(name) => TypeRef::Word(name),
                    Spelling::Iface(name) => match binary.types_named(name)?.first() {
                        Some(id) => TypeRef::Id(*id),
                        None => TypeRef::Iface(name),
                    },
                    Spelling::PointerTo(name) => match binary.types_named(name)?.first() {
                        Some(id) => TypeRef::Pointer(*id),
                        None => TypeRef::Word(name),
                    },
                })
            })
            .collect::<Result<Vec<_>, Error>>()
    };
    SIGNATURES
        .iter()
        .filter(|k| k.symbol == symbol)
        .map(|known| {
            Ok(Candidate {
                params: all(known.params)?,
                results: all(known.results)?,
                has_receiver: known.receiver,
                source: "catalogue",
            })
        })
        .collect()
}

/// Names of parameters (receiver not included) of a function, given the texts of their types; `arg0`… where not known.
#[must_use]
pub fn parameter_names(short: &str, types: &[String]) -> Vec<String> {
    NAMES
        .iter()
        .find(|(function, names)| {
            *function == short
                && names.len() == types.len()
                && names
                    .iter()
                    .zip(types)
                    .all(|((_, part), ty)| ty.contains(part))
        })
        .map_or_else(
            || (0..types.len()).map(|i| format!("arg{i}")).collect(),
            |(_, names)| names.iter().map(|(name, _)| (*name).to_owned()).collect(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_era_by_types() {
        let names = parameter_names(
            "reduceContainers",
            &[
                "*types.ContainerListOptions".into(),
                "daemon.containerReducer".into(),
            ],
        );
        assert_eq!(names, ["config", "reducer"]);
        let names = parameter_names("Containers", &["*types.Something".into()]);
        assert_eq!(
            names,
            ["arg0"],
            "a type that does not fit is not named by guess"
        );
    }
}

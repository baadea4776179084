//! Functions that no user asks for, but that tie calls to requests.

use super::abi::Abi;
use super::lower::Lowering;
use super::schema::{
    ArgPlace, GroupKeys, GroupPackage, GroupResult, GroupSchema, Leaf, Meaning, PlaceKind, Role,
    TypeKindSchema, ValueSchema,
};
use crate::gobin::symbol::Symbol;
use crate::gobin::{FuncInfo, GoBinary};
use crate::moby::functions::{LAYER_SIZES, RESENJE, X_SYNC};

/// Where an HTTP request enters its handler: one call for each request (net/http/server.go).
const SERVE_HTTP: &str = "net/http.serverHandler.ServeHTTP";
/// Makes a goroutine; runs on the scheduler's stack (runtime/proc.go). Releases from 1.21 on keep
/// the creator's number in the goroutine, but not *when* it was born: a connection's goroutine
/// serves many requests, and only the moment tells them apart.
const NEWPROC1: &str = "runtime.newproc1";
/// Ends a goroutine without returning from its functions (runtime/panic.go).
const GOEXIT: &str = "runtime.Goexit";
/// Takes a goroutine whose panic was recovered back to the function that deferred the recovering
/// call, on the scheduler's stack: the functions between never return (runtime/panic.go).
const RECOVERY: &str = "runtime.recovery";
/// Gives a handler its connection. Whenever it returns the connection is taken over, also when it
/// returns an error: the only ones are that it was before, and one that comes after
/// (`hijackLocked`, net/http/server.go, Go 1.13 to 1.27).
const HIJACK: &str = "net/http.(*response).Hijack";
/// Packages with a `Group` whose `Do` runs a function once for all who ask at the same time.
const SINGLEFLIGHT: &[(&str, GroupPackage)] = &[
    (RESENJE, GroupPackage::Resenje),
    (X_SYNC, GroupPackage::XSync),
];

/// Functions by exact name, and their roles.
const BY_NAME: &[(&str, Role)] = &[
    (SERVE_HTTP, Role::Request),
    (NEWPROC1, Role::Birth),
    (GOEXIT, Role::Recovery),
    (RECOVERY, Role::Recovered),
    (HIJACK, Role::Hijack),
];

/// Whether a function of that name may have such a role.
pub fn is_supporting(name: &str) -> bool {
    BY_NAME.iter().any(|(known, _)| *known == name) || is_join(name) || is_layers(name)
}

fn is_layers(name: &str) -> bool {
    LAYER_SIZES.iter().any(|pattern| name.ends_with(pattern))
}

/// Those of `functions` that have such a role in this binary; `layers`: also those that find out
/// layer sizes.
pub fn supporting(
    binary: &GoBinary<'_>,
    functions: &[FuncInfo],
    layers: bool,
) -> Vec<(FuncInfo, Role)> {
    let mut found: Vec<(FuncInfo, Role)> = Vec::new();
    for (name, role) in BY_NAME {
        let named = functions.iter().filter(|f| f.name == *name && !f.wrapper);
        found.extend(named.map(|f| (f.clone(), *role)));
    }
    // its receiver and results are read from registers
    if !Abi::of(binary.arch(), binary.version()).is_stack() {
        found.extend(
            joins(functions)
                .into_iter()
                .map(|f| (f.clone(), Role::Join)),
        );
    }
    if layers {
        let sizes = functions
            .iter()
            .filter(|f| !f.wrapper && is_layers(&f.name));
        found.extend(sizes.map(|f| (f.clone(), Role::Layers)));
    }
    found
}

/// `Do` of a singleflight group.
fn is_join(name: &str) -> bool {
    group_of(name).is_some()
}

/// What the symbol of a group's `Do` says of the group; `None`: it is none.
pub fn group_of(name: &str) -> Option<GroupSchema> {
    // most names are passed over by their end
    let symbol = name.ends_with(").Do").then(|| Symbol::parse(name))??;
    let group = symbol.method_of().filter(|of| of.name == "Group")?;
    let path = symbol.import_path();
    let (_, package) = SINGLEFLIGHT.iter().find(|(known, _)| *known == path)?;
    // `Group[K, V]`, or one whose keys are strings and whose results are of any type
    let (keys, result) = match group.arguments.and_then(two_arguments) {
        Some((key, result)) => (keys_of(key), result_of(result)),
        None => (GroupKeys::Many, GroupResult::Interface),
    };
    Some(GroupSchema {
        package: *package,
        keys,
        result,
    })
}

/// Type arguments of a symbol: split at the comma that lies in no brackets.
fn two_arguments(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0u32;
    let at = text.char_indices().find(|(_, c)| {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == ',' && depth == 0
    });
    let (key, result) = text.split_at_checked(at?.0)?;
    Some((key, result.strip_prefix(',')?))
}

/// The type that a type argument stands for in code that instances share. Go 1.18 numbers the
/// arguments: `go.shape.int_0` (cmd/compile/internal/typecheck/subr.go).
fn shape(argument: &str) -> &str {
    let Some(of) = argument.strip_prefix("go.shape.") else {
        return argument;
    };
    let numbered = of
        .rsplit_once('_')
        .filter(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    numbered.map_or(of, |(of, _)| of)
}

fn keys_of(argument: &str) -> GroupKeys {
    match shape(argument) {
        "struct {}" => GroupKeys::One,
        _ => GroupKeys::Many,
    }
}

fn result_of(argument: &str) -> GroupResult {
    match shape(argument) {
        of if of.starts_with('*') => GroupResult::Pointer,
        of if of.starts_with("interface {") || of == "error" => GroupResult::Interface,
        _ => GroupResult::Other,
    }
}

/// `Do` of every group: of generic ones the code that all instances share (`go.shape`), which their
/// wrappers call.
fn joins(functions: &[FuncInfo]) -> Vec<&FuncInfo> {
    let joins = functions.iter().filter(|f| !f.wrapper && is_join(&f.name));
    let mut found: Vec<&FuncInfo> = joins.collect();
    if found.iter().any(|f| f.name.contains("go.shape.")) {
        found.retain(|f| !f.name.contains('[') || f.name.contains("go.shape."));
    }
    found
}

/// Raw words of registers: of `Do` the group's address at the entry, and the first two words of the
/// result.
pub fn join_values(
    lowering: &mut Lowering<'_, '_, '_>,
    f: &FuncInfo,
) -> (Vec<ValueSchema>, Vec<ValueSchema>) {
    let ty = lowering.add_type("unsafe.Pointer", 8, None, TypeKindSchema::UnsafePointer);
    let word = |name: &str, reg: u8| ValueSchema {
        name: name.to_owned(),
        ty,
        place: ArgPlace {
            kind: PlaceKind::Registers,
            leaves: vec![Leaf {
                reg,
                offset: 0,
                size: 8,
            }],
            offset: 0,
            reason: None,
        },
        shown: true,
        meaning: Meaning::Value,
    };
    // generic code takes a dictionary: before the receiver in Go 1.18 and 1.19, behind it from 1.20
    // on (cmd/compile/internal/noder)
    let generic = f.name.contains('[');
    let receiver = u8::from(generic && lowering.binary.version().minor <= 19);
    (
        vec![word("group", receiver)],
        vec![word("word0", 0), word("word1", 1)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_their_symbols() {
        use GroupKeys::{Many, One};
        use GroupPackage::{Resenje, XSync};
        use GroupResult::{Interface, Other, Pointer};
        let resenje = |arguments: &str| {
            let name = format!("resenje.org/singleflight.(*Group[{arguments}]).Do");
            group_of(&name).map(|g| (g.package, g.keys, g.result))
        };
        for (arguments, keys, result) in [
            ("go.shape.struct {},go.shape.*uint8", One, Pointer),
            ("go.shape.struct {}_0,go.shape.*uint8_1", One, Pointer),
            ("go.shape.struct {},go.shape.int64", One, Other),
            ("go.shape.struct {},go.shape.[]*a/b.Container", One, Other),
            ("go.shape.bool,go.shape.*uint8", Many, Pointer),
            (
                "go.shape.string,go.shape.interface { A() }",
                Many,
                Interface,
            ),
            (
                "go.shape.struct { A, B int },go.shape.*uint8",
                Many,
                Pointer,
            ),
            (
                "go.shape.map[string]a.B[int,bool],go.shape.*uint8",
                Many,
                Pointer,
            ),
        ] {
            assert_eq!(
                resenje(arguments),
                Some((Resenje, keys, result)),
                "{arguments}"
            );
        }
        let plain = "github.com/docker/docker/vendor/golang.org/x/sync/singleflight.(*Group).Do";
        let found = group_of(plain).map(|g| (g.package, g.keys, g.result));
        assert_eq!(found, Some((XSync, Many, Interface)));
        for other in [
            "internal/singleflight.(*Group).Do",
            "golang.org/x/sync/singleflight.(*Group).DoChan",
            "golang.org/x/sync/singleflight.(*Group).Do.func1",
            "golang.org/x/sync/singleflight.(*Call).Do",
            "resenje.org/singleflight.(*Group[",
        ] {
            assert_eq!(group_of(other), None, "{other}");
        }
    }
}

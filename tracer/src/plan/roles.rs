//! Functions that no user asks for, but that tie calls to requests.

use super::abi::Abi;
use super::lower::Lowering;
use super::schema::{ArgPlace, Leaf, Meaning, PlaceKind, Role, TypeKindSchema, ValueSchema};
use crate::gobin::symbol::Symbol;
use crate::gobin::{FuncInfo, GoBinary};

/// Where an HTTP request enters its handler: one call for each request (net/http/server.go).
const SERVE_HTTP: &str = "net/http.serverHandler.ServeHTTP";
/// Makes a goroutine; runs on the scheduler's stack (runtime/proc.go). Releases from 1.21 on keep the creator's number in the goroutine,
/// but not *when* it was born: a connection's goroutine serves many requests, and only the moment tells them apart.
const NEWPROC1: &str = "runtime.newproc1";
/// Ends a goroutine without returning from its functions (runtime/panic.go).
const GOEXIT: &str = "runtime.Goexit";
/// Takes a goroutine whose panic was recovered back to the function that deferred the recovering call, on the scheduler's stack: the functions
/// between never return (runtime/panic.go).
const RECOVERY: &str = "runtime.recovery";
/// Gives a handler its connection. Whenever it returns the connection is taken over, also when it returns an error: the only ones are
/// that it was before, and one that comes after (`hijackLocked`, net/http/server.go, Go 1.13 to 1.27).
const HIJACK: &str = "net/http.(*response).Hijack";
/// Packages with a `Group` whose `Do` runs a function once for all who ask at the same time.
const SINGLEFLIGHT: &[&str] = &["resenje.org/singleflight", "golang.org/x/sync/singleflight"];

/// Find out how large layers are, in both image services: the writable layer of a container (for `size=1` and disk usage; it walks
/// directories or asks the snapshotter), and all layers. `ImageDiskUsage` lists images with their sizes up to 27 and adds up layers from 28 on.
const LAYER_SIZES: &[&str] = &[
    "/daemon/images.(*ImageService).GetContainerLayerSize",
    "/daemon/images.(*ImageService).LayerDiskUsage",
    "/daemon/images.(*ImageService).ImageDiskUsage",
    "/daemon/containerd.(*ImageService).GetContainerLayerSize",
    "/daemon/containerd.(*ImageService).LayerDiskUsage",
    "/daemon/containerd.(*ImageService).ImageDiskUsage",
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

/// Those of `functions` that have such a role in this binary; `layers`: also those that find out layer sizes.
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
    // most names are passed over by their end
    name.ends_with(").Do")
        && Symbol::parse(name).is_some_and(|symbol| {
            let group = symbol.method_of().is_some_and(|of| of.name == "Group");
            group && SINGLEFLIGHT.contains(&symbol.import_path().as_ref())
        })
}

/// `Do` of every group: of generic ones the code that all instances share (`go.shape`), which their wrappers call.
fn joins(functions: &[FuncInfo]) -> Vec<&FuncInfo> {
    let joins = functions.iter().filter(|f| !f.wrapper && is_join(&f.name));
    let mut found: Vec<&FuncInfo> = joins.collect();
    if found.iter().any(|f| f.name.contains("go.shape.")) {
        found.retain(|f| !f.name.contains('[') || f.name.contains("go.shape."));
    }
    found
}

/// Raw words of registers: of `Do` the group's address at the entry, and the first two words of the result.
pub fn join_values(
    lowering: &mut Lowering<'_, '_, '_>,
    f: &FuncInfo,
) -> (Vec<ValueSchema>, Vec<ValueSchema>) {
    let ty = lowering.add_type("unsafe.Pointer", 8, 0, TypeKindSchema::UnsafePointer);
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
    // generic code takes a dictionary: before the receiver in Go 1.18 and 1.19, behind it from 1.20 on (cmd/compile/internal/noder)
    let generic = f.name.contains('[');
    let receiver = u8::from(generic && lowering.binary.version().minor <= 19);
    (
        vec![word("group", receiver)],
        vec![word("word0", 0), word("word1", 1)],
    )
}

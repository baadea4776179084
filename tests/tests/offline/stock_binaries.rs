//! Stock dockerds of four Debian generations, both architectures, read offline: functions,
//! signatures, options and call sites against what is known of moby's sources (ground truth for
//! tests only).

use mobytrace::arch::Restarts;
use mobytrace::gobin::{FuncInfo, GoBinary, TypeId, TypeKind};
use mobytrace::moby::profiles::PROFILES;
use mobytrace::plan::{self, IssueKind, Plan, PlanRequest, Role, TypeKindSchema, build};

/// What one generation must show.
struct Expected {
    suite: &'static str,
    go: &'static str,
    /// (field, offset) of the list options, in order.
    options: &'static [(&'static str, u64)],
    /// Functions of the profile that exist.
    profile: &'static [&'static str],
    /// Functions of lists and disk usage that exist, with their parameters; `None`: only what the
    /// binary happens to keep.
    functions: &'static [(&'static str, &'static str)],
    /// Functions that do not exist.
    absent: &'static [&'static str],
    /// (field, offset) of disk usage options.
    usage: &'static [(&'static str, u64)],
    /// Callers that hold a copy of `Containers`.
    blind: &'static [&'static str],
    /// Goroutines know their parent.
    parent: bool,
}

const WITH_QUIET: &[(&str, u64)] = &[
    ("Quiet", 0),
    ("Size", 1),
    ("All", 2),
    ("Latest", 3),
    ("Since", 8),
    ("Before", 24),
    ("Limit", 40),
    ("Filters", 48),
];
const WITHOUT_QUIET: &[(&str, u64)] = &[
    ("Size", 0),
    ("All", 1),
    ("Latest", 2),
    ("Since", 8),
    ("Before", 24),
    ("Limit", 40),
    ("Filters", 48),
];
const USAGE: &[(&str, u64)] = &[("Containers", 0), ("Images", 1), ("Volumes", 2)];
const WITH_REDUCE: &[&str] = &["Containers", "reduceContainers", "SystemDiskUsage"];
const WITH_USAGE: &[&str] = &["Containers", "containerDiskUsage", "SystemDiskUsage"];
const HANDLER: &str =
    "ctx context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string";

const TO_20_10: &[(&str, &str)] = &[
    (
        "daemon.(*Daemon).Containers",
        "config *types.ContainerListOptions",
    ),
    (
        "daemon.(*Daemon).reduceContainers",
        "config *types.ContainerListOptions, reducer daemon.containerReducer",
    ),
    (
        "daemon.(*Daemon).reducePsContainer",
        "s *container.Snapshot, filter *daemon.listContext, reducer daemon.containerReducer",
    ),
    (
        "daemon.(*Daemon).foldFilter",
        "view container.View, config *types.ContainerListOptions",
    ),
    (
        "daemon.(*Daemon).filterByNameIDMatches",
        "view container.View, filter *daemon.listContext",
    ),
    (
        "daemon.includeContainerInList",
        "container *container.Snapshot, filter *daemon.listContext",
    ),
    (
        "daemon.(*Daemon).refreshImage",
        "s *container.Snapshot, filter *daemon.listContext",
    ),
    ("daemon.(*Daemon).SystemDiskUsage", "ctx context.Context"),
    (
        "router/container.(*containerRouter).getContainersJSON",
        HANDLER,
    ),
    ("router/system.(*systemRouter).getDiskUsage", HANDLER),
];
const LATER: &[(&str, &str)] = &[
    (
        "daemon.(*Daemon).Containers",
        "ctx context.Context, config *container.ListOptions",
    ),
    (
        "daemon.(*Daemon).foldFilter",
        "ctx context.Context, view *container.View, config *container.ListOptions",
    ),
    (
        "daemon.(*Daemon).filterByNameIDMatches",
        "view *container.View, filter *daemon.listContext",
    ),
    (
        "daemon.includeContainerInList",
        "container *container.Snapshot, filter *daemon.listContext",
    ),
    (
        "daemon.(*Daemon).refreshImage",
        "ctx context.Context, s *container.Snapshot",
    ),
    ("daemon.(*Daemon).containerDiskUsage", "ctx context.Context"),
    ("daemon.(*Daemon).imageDiskUsage", "ctx context.Context"),
    ("daemon.(*Daemon).layerDiskUsage", "ctx context.Context"),
    (
        "router/container.(*containerRouter).getContainersJSON",
        HANDLER,
    ),
    ("router/system.(*systemRouter).getDiskUsage", HANDLER),
];
const NOT_IN_20_10: &[&str] = &[
    "containerDiskUsage",
    "ContainerDiskUsage",
    "imageDiskUsage",
    "layerDiskUsage",
];
const NOT_LATER: &[&str] = &[
    "reduceContainers",
    "reducePsContainer",
    "ContainerDiskUsage",
];

const GENERATIONS: &[Expected] = &[
    Expected {
        suite: "bullseye",
        go: "go1.15.",
        options: WITH_QUIET,
        profile: WITH_REDUCE,
        functions: TO_20_10,
        absent: NOT_IN_20_10,
        usage: &[],
        blind: &[],
        parent: false,
    },
    Expected {
        suite: "bookworm",
        go: "go1.19.",
        options: WITH_QUIET,
        profile: WITH_REDUCE,
        functions: TO_20_10,
        absent: NOT_IN_20_10,
        usage: &[],
        blind: &["Shutdown", "SystemDiskUsage"],
        parent: false,
    },
    Expected {
        suite: "trixie",
        go: "go1.24.",
        options: WITHOUT_QUIET,
        profile: WITH_USAGE,
        functions: LATER,
        absent: NOT_LATER,
        usage: USAGE,
        blind: &[],
        parent: true,
    },
    Expected {
        suite: "sid",
        go: "go1.",
        options: WITHOUT_QUIET,
        profile: WITH_USAGE,
        functions: LATER,
        absent: NOT_LATER,
        usage: USAGE,
        blind: &[],
        parent: true,
    },
];

/// Runs `check` on every build that the mirror carries.
fn each(check: impl Fn(&str, &Expected, &GoBinary<'_>)) {
    let mut read = Vec::new();
    for expected in GENERATIONS {
        for arch in ["amd64", "arm64"] {
            let name = format!("{} {arch}", expected.suite);
            let Some(path) = harness::stock_dockerd(expected.suite, arch) else {
                continue;
            };
            let bytes = std::fs::read(path).expect("dockerd");
            let binary = GoBinary::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(
                binary.version().text.starts_with(expected.go),
                "{name}: {}",
                binary.version().text
            );
            check(&name, expected, &binary);
            read.push(name);
        }
    }
    assert!(!harness::is_strict() || read.len() >= 2, "{read:?}");
    eprintln!("read: {}", read.join(", "));
}

fn options(plan: &Plan) -> Vec<(String, u64)> {
    let function = plan
        .functions
        .iter()
        .find(|f| f.short == "Containers")
        .expect("Containers");
    let config = function
        .params
        .iter()
        .find(|p| p.name == "config")
        .expect("config");
    let TypeKindSchema::Pointer { elem } = plan.types[config.ty as usize].kind else {
        panic!("no pointer")
    };
    let TypeKindSchema::Struct { fields, .. } = &plan.types[elem as usize].kind else {
        panic!("no struct")
    };
    fields.iter().map(|f| (f.name.clone(), f.offset)).collect()
}

fn owned(fields: &[(&str, u64)]) -> Vec<(String, u64)> {
    fields.iter().map(|(n, o)| ((*n).to_owned(), *o)).collect()
}

#[test]
fn options_functions_and_blind_spots_of_every_generation() {
    each(|name, expected, binary| {
        let request = PlanRequest::new(&[], &[]).expect("request");
        let plan = build(&request, binary).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(options(&plan), owned(expected.options), "{name}");
        let functions: Vec<&str> = plan
            .functions
            .iter()
            .filter(|f| f.role == Role::Call)
            .map(|f| f.short.as_str())
            .collect();
        assert_eq!(functions, expected.profile, "{name}");
        // it takes nothing and never returns
        let (exits, functions): (Vec<_>, Vec<_>) = plan
            .functions
            .iter()
            .partition(|f| f.role == Role::Recovery);
        let there = binary.function_named("runtime.Goexit").len();
        assert_eq!(exits.len(), there, "{name}: {exits:?}");
        // nor does this, which says whose panic was recovered, and how far out
        let (recoveries, functions): (Vec<_>, Vec<_>) = functions
            .into_iter()
            .partition(|f| f.role == Role::Recovered);
        assert_eq!(recoveries.len(), 1, "{name}: {recoveries:?}");
        assert!(!recoveries[0].signature.is_empty(), "{name}");
        for function in functions {
            let names = |values: &[mobytrace::plan::ValueSchema]| -> Vec<String> {
                values.iter().map(|v| v.name.clone()).collect()
            };
            if function.role == Role::Join {
                // read as raw registers: the group, and the words by which its result is known
                assert_eq!(names(&function.params), ["group"], "{name}");
                assert_eq!(names(&function.results), ["word0", "word1"], "{name}");
            } else if matches!(function.role, Role::Hijack | Role::Layers) {
                // only whose it is matters, and how long it takes
                assert_eq!(names(&function.params), [""; 0], "{name}");
            } else {
                assert!(!function.signature.is_empty(), "{name}: {}", function.name);
            }
            let sites = plan
                .sites
                .iter()
                .filter(|s| plan.functions[s.func as usize].entry == function.entry);
            assert!(
                sites.count() >= 2,
                "{name}: {} has an entry and a return",
                function.name
            );
        }
        // another function of the profile sees those calls
        let blind = plan
            .issues
            .iter()
            .any(|i| i.kind() == IssueKind::SeenElsewhere);
        assert_eq!(
            blind,
            !expected.blind.is_empty(),
            "{name}: {:?}",
            plan.issues
        );
        // methods that the compiler made for structs around it are nobody's
        let braces = plan.issues.iter().find(|i| i.text().contains('}'));
        assert_eq!(braces, None, "{name}");
        let absent = plan
            .issues
            .iter()
            .filter(|i| i.kind() == IssueKind::Absent)
            .count();
        // what an era folded into another function is no loss
        assert_eq!(absent, 0, "{name}: {:?}", plan.issues);
        assert_eq!(plan.g.parent_goid.is_some(), expected.parent, "{name}");
        // also where goroutines know their creator: only this tells when they were born
        assert!(
            plan.functions.iter().any(|f| f.role == Role::Birth),
            "{name}"
        );
        assert!(
            plan.issues
                .iter()
                .all(|i| i.kind() == IssueKind::SeenElsewhere),
            "{name}: {:?}",
            plan.issues
        );
    });
}

/// The one function of moby with that end of its name.
fn the_one(binary: &GoBinary<'_>, name: &str) -> Option<FuncInfo> {
    let mut found = binary.find_functions(&mut |n| {
        n.starts_with("github.com/docker/docker/") && plan::matches(name, n)
    });
    assert!(found.len() <= 1, "{name}: {found:?}");
    found.pop()
}

/// Parameters in Go's spelling, receiver left out.
fn parameters(signature: &str, name: &str) -> String {
    let short = name.rsplit('.').next().unwrap_or(name);
    let from = signature.find(&format!("{short}(")).expect("name") + short.len() + 1;
    let rest = &signature[from..];
    rest[..rest.find(')').expect("end")].to_owned()
}

fn fields(binary: &GoBinary<'_>, id: TypeId) -> Vec<(String, u64)> {
    let TypeKind::Struct { fields } = binary.type_by_id(id).expect("type").kind else {
        panic!("no struct")
    };
    fields.into_iter().map(|f| (f.name, f.offset)).collect()
}

#[test]
fn every_function_of_lists_and_disk_usage() {
    each(|name, expected, binary| {
        for (function, wanted) in expected.functions {
            let f = the_one(binary, function)
                .unwrap_or_else(|| panic!("{name}: {function} does not exist"));
            assert!(f.entry < f.end, "{name}: {function}");
            let spots = plan::spots(binary, &f).expect("code");
            let entry = spots.entry.expect("entry");
            assert!(
                (f.entry..f.end).contains(&entry.addr) && entry.restarts != Restarts::Never,
                "{name}: {function}: {entry:?}"
            );
            let returns = spots.returns.expect("returns");
            assert!(!returns.is_empty(), "{name}: {function}");
            assert!(
                returns
                    .iter()
                    .all(|r| (entry.addr..f.end).contains(&r.addr)),
                "{name}: {function}: {returns:?}"
            );
            let verified = match plan::signature_of(binary, &f).expect("types") {
                Ok(verified) => verified,
                // 28: two eras differ in results only, which nothing in the binary tells apart
                Err(why) if expected.suite == "sid" && function.ends_with(".refreshImage") => {
                    assert!(
                        why[0].contains("fit equally"),
                        "{name}: {function}: {why:?}"
                    );
                    continue;
                }
                Err(why) => panic!("{name}: {function}: {why:?}"),
            };
            assert_eq!(
                parameters(&verified.text, function),
                *wanted,
                "{name}: {function}"
            );
        }
        for absent in expected.absent {
            let symbol = format!("daemon.(*Daemon).{absent}");
            assert!(the_one(binary, &symbol).is_none(), "{name}: {absent}");
        }
        // options are reached through the signature, never by their name
        let containers = the_one(binary, "daemon.(*Daemon).Containers").expect("Containers");
        let verified = plan::signature_of(binary, &containers)
            .expect("types")
            .expect("signature");
        let at = verified
            .names
            .iter()
            .position(|n| n == "config")
            .expect("config");
        let plan::TypeRef::Id(config) = verified.candidate.params[at] else {
            panic!("{name}: config is not described")
        };
        let TypeKind::Pointer { elem } = binary.type_by_id(config).expect("type").kind else {
            panic!("{name}: config is no pointer")
        };
        assert_eq!(fields(binary, elem), owned(expected.options), "{name}");
        assert_eq!(binary.type_by_id(elem).expect("type").size, 56, "{name}");
        // what other releases have and this one has not
        let present: Vec<&str> = expected.options.iter().map(|(n, _)| *n).collect();
        let type_name = binary.type_by_id(elem).expect("type").name;
        let lacking: &[&str] = if present.contains(&"Quiet") {
            &[]
        } else {
            &["Quiet"]
        };
        assert_eq!(plan::absent_fields(&type_name, &present), lacking, "{name}");
        let usage = the_one(binary, "daemon.(*Daemon).SystemDiskUsage").expect("SystemDiskUsage");
        let usage = plan::signature_of(binary, &usage)
            .expect("types")
            .expect("signature");
        match usage.names.iter().position(|n| n == "opts") {
            None => assert!(expected.usage.is_empty(), "{name}: {}", usage.text),
            Some(at) => {
                let plan::TypeRef::Id(opts) = usage.candidate.params[at] else {
                    panic!("{name}: opts is not described")
                };
                assert_eq!(fields(binary, opts), owned(expected.usage), "{name}");
            }
        }
        let inlined = binary.inlined_at(&[&containers.name]).expect("trees");
        let mut callers: Vec<&str> = inlined
            .get(&containers.name)
            .into_iter()
            .flatten()
            .filter_map(|i| {
                i.caller
                    .strip_prefix("github.com/docker/docker/daemon.(*Daemon).")
            })
            .collect();
        callers.sort_unstable();
        assert_eq!(callers, expected.blind, "{name}");
    });
}

/// Every function of the profiles has a signature with names: kept by the build, or of an era of
/// the catalogue that fits.
#[test]
fn profiles_have_signatures_and_names() {
    each(|name, expected, binary| {
        let (mut traced, mut unnamed) = (0, Vec::new());
        let all: Vec<String> = PROFILES.iter().map(|p| p.name.to_owned()).collect();
        let request = PlanRequest::new(&all, &[]).expect("request");
        let plan = build(&request, binary).unwrap_or_else(|e| panic!("{name}: {e}"));
        let absent: Vec<_> = plan
            .issues
            .iter()
            .filter(|i| i.kind() == IssueKind::Absent)
            .collect();
        assert!(absent.is_empty(), "{name}: {absent:?}");
        for f in plan.functions.iter().filter(|f| f.role == Role::Call) {
            traced += 1;
            if f.signature.is_empty() {
                unnamed.push(format!("{}: no signature", f.name));
            } else if f.params.iter().any(|p| p.name.starts_with("arg")) {
                unnamed.push(format!("{} {}", f.name, f.signature));
            }
        }
        let of_services = |package: &str| {
            plan.functions
                .iter()
                .filter(|f| f.name.contains(package))
                .count()
        };
        assert!(
            of_services("/daemon/images.(*ImageService).") >= 5,
            "{name}"
        );
        // the containerd one came with 24
        let expected = if expected.usage.is_empty() { 0 } else { 5 };
        assert!(
            of_services("/daemon/containerd.(*ImageService).") >= expected,
            "{name}"
        );
        eprintln!(
            "{name}: {traced} functions of profiles, {} unnamed",
            unnamed.len()
        );
        for one in &unnamed {
            eprintln!("   {one}");
        }
        assert!(traced >= 50, "{name}: {traced}");
        assert!(unnamed.is_empty(), "{name}: {unnamed:#?}");
    });
}

/// What is said of singleflight in docs/limitations.md: who links which group. `DoChan`, and groups
/// in builds with the stack calling convention, are those of name resolution and of log drivers'
/// libraries, none of the daemon's own.
#[test]
fn which_singleflight_groups_there_are() {
    each(|name, expected, binary| {
        let mut groups: Vec<String> = binary
            .find_functions(&mut |f| f.contains("singleflight.(*Group"))
            .into_iter()
            .map(|f| {
                let package = f.name.split(".(*Group").next().unwrap_or("").to_owned();
                let vendored = package.rsplit_once("/vendor/");
                vendored.map_or(package.clone(), |(_, path)| path.to_owned())
            })
            .collect();
        groups.sort();
        groups.dedup();
        let own = groups.iter().any(|g| g == "resenje.org/singleflight");
        let others: Vec<&String> = groups
            .iter()
            .filter(|g| {
                *g != "resenje.org/singleflight"
                    && *g != "internal/singleflight"
                    && !g.starts_with("github.com/aws/")
            })
            .collect();
        assert_eq!(others, [""; 0], "{name}: {groups:?}");
        assert_eq!(own, ["trixie", "sid"].contains(&expected.suite), "{name}");
        if own {
            let channels = binary.find_functions(&mut |f| {
                f.contains("resenje.org/singleflight") && f.contains("DoChan")
            });
            assert!(channels.is_empty(), "{name}: {channels:?}");
        }
    });
}

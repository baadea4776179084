//! Stock dockerds of four Debian generations, both architectures, read offline: options and call sites against what is known of moby
//! (ground truth for tests only).

use mobytrace::gobin::GoBinary;
use mobytrace::plan::{IssueKind, Plan, PlanRequest, Role, TypeKindSchema, build};

/// What one generation must show.
struct Expected {
    suite: &'static str,
    go: &'static str,
    /// (field, offset) of the list options, in order.
    options: &'static [(&'static str, u64)],
    /// Functions of the profile that exist.
    functions: &'static [&'static str],
    /// Whether `Containers` is inlined into a caller.
    blind: bool,
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
const WITH_REDUCE: &[&str] = &["Containers", "reduceContainers", "SystemDiskUsage"];
const WITH_USAGE: &[&str] = &["Containers", "containerDiskUsage", "SystemDiskUsage"];

const GENERATIONS: &[Expected] = &[
    Expected {
        suite: "bullseye",
        go: "go1.15.",
        options: WITH_QUIET,
        functions: WITH_REDUCE,
        blind: false,
        parent: false,
    },
    Expected {
        suite: "bookworm",
        go: "go1.19.",
        options: WITH_QUIET,
        functions: WITH_REDUCE,
        blind: true,
        parent: false,
    },
    Expected {
        suite: "trixie",
        go: "go1.24.",
        options: WITHOUT_QUIET,
        functions: WITH_USAGE,
        blind: false,
        parent: true,
    },
    Expected {
        suite: "sid",
        go: "go1.",
        options: WITHOUT_QUIET,
        functions: WITH_USAGE,
        blind: false,
        parent: true,
    },
];

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
    let TypeKindSchema::Struct { fields } = &plan.types[elem as usize].kind else {
        panic!("no struct")
    };
    fields.iter().map(|f| (f.name.clone(), f.offset)).collect()
}

#[test]
fn options_functions_and_blind_spots_of_every_generation() {
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
            let request = PlanRequest::new(&[], &[]).expect("request");
            let plan = build(&request, &binary).unwrap_or_else(|e| panic!("{name}: {e}"));
            let wanted: Vec<(String, u64)> = expected
                .options
                .iter()
                .map(|(n, o)| ((*n).to_owned(), *o))
                .collect();
            assert_eq!(options(&plan), wanted, "{name}");
            let functions: Vec<&str> = plan
                .functions
                .iter()
                .filter(|f| f.role == Role::Call)
                .map(|f| f.short.as_str())
                .collect();
            assert_eq!(functions, expected.functions, "{name}");
            // it takes nothing and never returns
            let (exits, functions): (Vec<_>, Vec<_>) = plan
                .functions
                .iter()
                .partition(|f| f.role == Role::Recovery);
            let there = binary.function_named("runtime.Goexit").len();
            assert_eq!(exits.len(), there, "{name}: {exits:?}");
            for function in functions {
                assert!(!function.signature.is_empty(), "{name}: {}", function.name);
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
            let blind = plan.issues.iter().any(|i| i.kind == IssueKind::InlinedAt);
            assert_eq!(blind, expected.blind, "{name}: {:?}", plan.issues);
            let absent = plan
                .issues
                .iter()
                .filter(|i| i.kind == IssueKind::Absent)
                .count();
            assert_eq!(absent, 1, "{name}: {:?}", plan.issues);
            assert_eq!(plan.g.parent_goid.is_some(), expected.parent, "{name}");
            assert_eq!(
                plan.functions.iter().any(|f| f.role == Role::Birth),
                !expected.parent,
                "{name}"
            );
            assert!(
                plan.issues
                    .iter()
                    .all(|i| matches!(i.kind, IssueKind::Absent | IssueKind::InlinedAt)),
                "{name}: {:?}",
                plan.issues
            );
            read.push(name);
        }
    }
    assert!(!harness::is_strict() || read.len() >= 2, "{read:?}");
    eprintln!("read: {}", read.join(", "));
}

//! The shape of `tracer/src`: which folder uses which, and that the files of a folder do not use
//! each other in circles.
//!
//! Read as text: `use` declarations and paths that begin with `crate`, `self`, `super` or a
//! module's own child; a name that a module only hands on stands for the file of that folder that
//! has it. Comments, strings and what is compiled for tests only do not count.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::File;

/// Where the crate lies.
const CRATE: &str = "tracer/src/";
/// The kernel programs, which have no table of folders.
const KERNEL_SIDE: &str = "tracer-ebpf/src/";
/// The table of arrows between folders stands behind this line of ARCHITECTURE.md.
const HEADING: &str = "| folder | uses |";
/// A name is handed on at most so many times.
const MOST_HOPS: usize = 8;

/// Circles that stay, by the files in them, with the reason.
const KNOWN: &[(&[&str], &str)] = &[
    (
        &["correlate/correlator", "correlate/slow"],
        "the correlator keeps when to look; what is slow is asked of the correlator",
    ),
    (
        &["decode/mask/line", "decode/mask/query"],
        "a line may hold a query, whose values may be lines",
    ),
    (
        &["ledger/lint", "ledger/rhythm"],
        "a series is judged by the rules, which are about series",
    ),
    (
        &[
            "plan/abi",
            "plan/candidate",
            "plan/issue",
            "plan/schema",
            "plan/sites",
        ],
        "a plan carries issues, which carry what was found wrong, in the plan's own types",
    ),
    (
        &["render/error", "render/text"],
        "a value may be an error, whose text may hold values",
    ),
    (
        &["session/error", "session/signals"],
        "a signal is an error of a session; waiting for one may fail",
    ),
];

/// Names of the path of a module; empty: the crate itself.
type Module = Vec<String>;

/// Checks sources (path from the root, text) against the table in ARCHITECTURE.md.
pub fn check(sources: &[(String, String)], architecture: &str, findings: &mut Vec<String>) {
    let own = arrows(&read(CRATE, sources));
    folders(&own, architecture, findings);
    circles(CRATE, &own, KNOWN, findings);
    circles(
        KERNEL_SIDE,
        &arrows(&read(KERNEL_SIDE, sources)),
        &[],
        findings,
    );
}

fn read(root: &str, sources: &[(String, String)]) -> BTreeMap<Module, File> {
    let mut files: BTreeMap<Module, File> = BTreeMap::new();
    for (path, text) in sources {
        if let Some(module) = module_of(root, path) {
            // a library and a program beside it share their folder
            files.entry(module).or_default().add(text);
        }
    }
    // what is declared for tests only is not declared here
    let declared: BTreeSet<Module> = files
        .iter()
        .flat_map(|(module, file)| {
            let child = |name: &String| [module.as_slice(), std::slice::from_ref(name)].concat();
            file.children.iter().map(child).collect::<Vec<_>>()
        })
        .collect();
    let whole = |module: &Module| (1..=module.len()).all(|n| declared.contains(&module[..n]));
    files.retain(|module, _| whole(module));
    files
}

fn module_of(root: &str, path: &str) -> Option<Module> {
    let inner = path.strip_prefix(root)?.strip_suffix(".rs")?;
    let mut module: Module = inner.split('/').map(str::to_owned).collect();
    if matches!(
        module.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        module.pop();
    }
    Some(module)
}

/// The module whose file has what a path names; `None`: it is of another crate.
fn resolve(
    files: &BTreeMap<Module, File>,
    module: &Module,
    path: &[String],
    hops: usize,
) -> Option<Module> {
    let mut at = module.clone();
    for (n, word) in path.iter().enumerate() {
        match word.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            _ => {
                let child = [at.as_slice(), std::slice::from_ref(word)].concat();
                if files.contains_key(&child) {
                    at = child;
                    continue;
                }
                let import = files.get(&at).and_then(|f| f.imports.get(word));
                return match import {
                    Some(import) if hops > 0 => {
                        let rest = path.get(n + 1..).unwrap_or_default();
                        let path = [import.as_slice(), rest].concat();
                        let to = resolve(files, &at, &path, hops - 1);
                        // what a folder hands on of another one is its own to answer for
                        Some(to.filter(|to| to.first() == at.first()).unwrap_or(at))
                    }
                    _ => (n > 0).then_some(at),
                };
            }
        }
    }
    Some(at)
}

/// Which file uses which.
fn arrows(files: &BTreeMap<Module, File>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, file) in files.iter().filter(|(module, _)| !module.is_empty()) {
        let used = file
            .paths
            .iter()
            .filter_map(|path| resolve(files, module, path, MOST_HOPS));
        // what the files of a folder share stands in its `mod.rs`: that they use it is no arrow
        let used = used.filter(|to| !module.starts_with(to)).collect();
        arrows.insert(module.clone(), used);
    }
    arrows
}

/// Every arrow between folders stands in the table, and every one in the table is there.
fn folders(
    arrows: &BTreeMap<Module, BTreeSet<Module>>,
    architecture: &str,
    findings: &mut Vec<String>,
) {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows
        .iter()
        .flat_map(|(from, all)| all.iter().map(move |to| (from, to)))
    {
        let (Some(from), Some(to)) = (from.first(), to.first()) else {
            continue;
        };
        let of = found.entry(from).or_default();
        if from != to {
            of.insert(to);
        }
    }
    let rows = architecture
        .split_once(HEADING)
        .map_or("", |(_, rest)| rest);
    let name = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let allowed: BTreeMap<String, BTreeSet<String>> = rows
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|');
            let folder = name(cells.next()?);
            let used = cells.next()?.split(',').map(name).filter(|n| !n.is_empty());
            Some((folder, used.collect()))
        })
        .collect();
    for from in arrows.keys().filter_map(|module| module.first()) {
        found.entry(from).or_default();
    }
    for (from, used) in &found {
        let row = allowed.get(*from).cloned().unwrap_or_default();
        for to in used.iter().filter(|to| !row.contains(**to)) {
            findings.push(format!(
                "{CRATE}{from} uses {to}, which ARCHITECTURE.md does not say"
            ));
        }
        for to in row.iter().filter(|to| !used.contains(to.as_str())) {
            findings.push(format!(
                "ARCHITECTURE.md says that {from} uses {to}: it does not"
            ));
        }
    }
}

/// Files that use each other in a circle.
fn circles(
    root: &str,
    arrows: &BTreeMap<Module, BTreeSet<Module>>,
    known: &[(&[&str], &str)],
    findings: &mut Vec<String>,
) {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = arrows
        .keys()
        .map(|from| (from, reach(arrows, from)))
        .collect();
    let mut told: BTreeSet<&Module> = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (from, all) in &reached {
        let back = |to: &&&Module| reached.get(**to).is_some_and(|r| r.contains(*from));
        let circle: BTreeSet<&Module> = all.iter().filter(back).copied().collect();
        if !circle.contains(*from) || !told.insert(from) {
            continue;
        }
        told.extend(circle.iter().copied());
        let names: BTreeSet<String> = circle.iter().map(|m| m.join("/")).collect();
        let row = known.iter().position(|(files, _)| {
            files.iter().copied().collect::<BTreeSet<_>>()
                == names.iter().map(String::as_str).collect()
        });
        match row {
            Some(row) => {
                seen.insert(row);
            }
            None => {
                let names: Vec<String> = names.into_iter().collect();
                findings.push(format!(
                    "{root}: {} use each other in a circle",
                    names.join(", ")
                ));
            }
        }
    }
    for (row, (files, reason)) in known.iter().enumerate() {
        if !seen.contains(&row) {
            let files = files.join(", ");
            findings.push(format!("a known circle is gone: {files} ({reason})"));
        }
    }
}

/// Everything that a file leads to, itself only if it is in a circle.
fn reach<'a>(
    arrows: &'a BTreeMap<Module, BTreeSet<Module>>,
    from: &'a Module,
) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        for to in arrows.get(at).into_iter().flatten() {
            if found.insert(to) {
                next.push(to);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "x\n| folder | uses |\n|---|---|\n| `a` | `b` |\n| `b` | |\n\ny";

    fn findings(files: &[(&str, &str)], table: &str, known: &[(&[&str], &str)]) -> Vec<String> {
        let sources: Vec<(String, String)> = files
            .iter()
            .map(|(path, text)| (format!("{CRATE}{path}"), (*text).to_owned()))
            .collect();
        let arrows = arrows(&read(CRATE, &sources));
        let mut findings = Vec::new();
        folders(&arrows, table, &mut findings);
        circles(CRATE, &arrows, known, &mut findings);
        findings
    }

    #[test]
    fn an_arrow_that_the_table_lacks_is_found() {
        let lib = ("lib.rs", "mod a; mod b;");
        let (a, b) = (("a/mod.rs", "use crate::b::X;"), ("b.rs", "pub struct X;"));
        assert_eq!(findings(&[lib, a, b], TABLE, &[]), [""; 0]);
        let back = ("b.rs", "fn f(_: crate::a::Y) {}");
        let found = findings(&[lib, ("a/mod.rs", "pub struct Y;"), back], "", &[]);
        assert_eq!(
            found,
            ["tracer/src/b uses a, which ARCHITECTURE.md does not say"]
        );
        let none = findings(&[lib, ("a/mod.rs", ""), b], TABLE, &[]);
        assert_eq!(none, ["ARCHITECTURE.md says that a uses b: it does not"]);
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let text = r##"
            // use crate::a::Y;
            /* crate::a::Y */
            const TEXT: &str = "crate::a::Y \" ";
            const RAW: &str = r#"crate::a::Y"#;
            fn f<'a>(c: char) -> bool { c == '\'' || c == '"' }
            #[cfg(test)]
            mod tests { use crate::a::Y; fn g() {} }
            #[cfg(test)]
            use crate::a::Z;
        "##;
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::{f, RAW as R};"),
            ("b.rs", text),
        ];
        assert_eq!(findings(&files, TABLE, &[]), [""; 0]);
    }

    #[test]
    fn circles_are_found_through_names_that_are_handed_on() {
        let table = "| folder | uses |\n|---|---|\n";
        let files = [
            ("lib.rs", "pub mod a;"),
            ("a/mod.rs", "mod x; mod y; pub use y::{Y, z::{self, Z}};"),
            ("a/x.rs", "use super::Y; pub struct X;"),
            ("a/y.rs", "use super::x::X; pub struct Y;"),
        ];
        let found = findings(&files, table, &[]);
        assert_eq!(found, ["tracer/src/: a/x, a/y use each other in a circle"]);
        let known: &[(&[&str], &str)] = &[(&["a/x", "a/y"], "X is made of Y")];
        assert_eq!(findings(&files, table, known), [""; 0]);
        let mended = [files[0], files[1], files[2], ("a/y.rs", "pub struct Y;")];
        assert_eq!(
            findings(&mended, table, known),
            ["a known circle is gone: a/x, a/y (X is made of Y)"]
        );
    }
}

//! What the tree must look like, as far as a program can tell.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::ebpf;
use crate::exec::{self, cargo, root};
use crate::structure;

/// All checks.
pub fn run() -> Result<()> {
    exec::run(cargo().args(["fmt", "--all", "--check"]))
        .context("formatting: run `cargo fmt --all`")?;
    exec::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--locked",
        "--",
        "-Dwarnings",
    ]))?;
    ebpf::clippy()?;
    let sources = sources()?;
    let (mut findings, mut shown_sources) = (Vec::new(), Vec::new());
    for (path, text) in &sources {
        let shown = path
            .strip_prefix(root())
            .unwrap_or(path)
            .display()
            .to_string();
        check_file(&shown, text, &mut findings);
        shown_sources.push((shown, text.clone()));
    }
    let path = root().join("ARCHITECTURE.md");
    let architecture =
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    structure::check(&shown_sources, &architecture, &mut findings);
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    ebpf::check_digest()
}

fn sources() -> Result<Vec<(PathBuf, String)>> {
    let listed = exec::output(exec::command("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]))?;
    listed
        .lines()
        .map(|l| root().join(l))
        .filter(|p| p.exists())
        .map(|p| Ok((p.clone(), std::fs::read_to_string(&p)?)))
        .collect()
}

/// Folders, and what may not be used in them: the direction of dependencies.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "tracer/src/moby/",
        &["crate::", "std::fs", "std::process", "std::io"],
    ),
    (
        "tracer/src/gobin/",
        &[
            "std::fs",
            "std::process",
            "crate::target",
            "crate::plan",
            "crate::probe",
            "/proc",
        ],
    ),
    (
        "tracer/src/plan/",
        &[
            "std::fs",
            "std::process",
            "crate::target",
            "crate::probe",
            "crate::decode",
            "crate::cli",
        ],
    ),
    (
        "tracer/src/decode/",
        &[
            "std::fs",
            "crate::gobin",
            "crate::probe",
            "crate::target",
            "crate::cli",
            "crate::render",
        ],
    ),
    (
        "tracer/src/correlate/",
        &[
            "std::fs",
            "crate::gobin",
            "crate::probe",
            "crate::target",
            "crate::cli",
            "crate::provenance",
            "crate::render",
        ],
    ),
    (
        "tracer/src/provenance/",
        &[
            "std::fs",
            "std::io",
            "std::time",
            "crate::capture",
            "crate::gobin",
            "crate::probe",
            "crate::target",
            "crate::cli",
            "crate::render",
        ],
    ),
    (
        "tracer/src/ledger/",
        &[
            "std::fs",
            "crate::gobin",
            "crate::probe",
            "crate::target",
            "crate::cli",
            "crate::render",
        ],
    ),
    (
        "tracer/src/session/",
        &["crate::cli", "crate::render", "crate::ledger"],
    ),
    (
        "tracer/src/render/",
        &[
            "std::fs",
            "crate::gobin",
            "crate::probe",
            "crate::target",
            "crate::cli",
            "Recording",
        ],
    ),
    (
        "tracer/src/capture/",
        &[
            "crate::gobin",
            "crate::probe",
            "crate::target",
            "crate::cli",
            "crate::render",
        ],
    ),
    ("tracer-ebpf/src/", &["docker", "moby/"]),
];

/// What stands in a text that names one of docker's packages, types, functions or routes: it
/// belongs into `moby`.
const DOCKER_NAMES: &[&str] = &[
    "github.com/docker",
    "github.com/moby",
    "github.com/containerd",
    "github.com/distribution",
    "resenje.org",
    "docker.io",
    "daemon.",
    "(*Daemon)",
    "ImageService",
    "VolumesService",
    "Router)",
    "errdefs",
    "ontainers",
    "/images",
    "/volumes",
    "/networks",
    "/system/",
    "SystemDiskUsage",
    "RepoTags",
    "Untagged",
    "sha256:",
    "SWMTKN",
    "x-registry-",
];
/// Texts with such a part that name none of these, and why.
const NO_DOCKER_NAMES: &[(&str, &str, &str)] = &[
    (
        "tracer/src/render/table.rs",
        "containers",
        "head of a column",
    ),
    (
        "tracer/src/decode/mask/url.rs",
        "sha256:",
        "an algorithm among others",
    ),
    (
        "tracer/src/cli/compare.rs",
        "/containers/json",
        "an example in a hint",
    ),
];

/// Names of docker's own option fields: a number beside one of them would be an offset table.
const DOCKER_FIELDS: &[&str] = &[
    "ContainerListOptions",
    "ListOptions",
    "Quiet",
    "Latest",
    "Filters",
    "LayersSize",
    "SizeRw",
    "HostConfig",
];

fn check_file(shown: &str, text: &str, findings: &mut Vec<String>) {
    if !text.starts_with("//!") && !text.trim().is_empty() {
        findings.push(format!("{shown}:1: no module documentation"));
    }
    if shown != "xtask/src/tidy.rs" {
        for (folder, words) in FORBIDDEN {
            if !shown.starts_with(folder) {
                continue;
            }
            for (n, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or(line);
                if let Some(word) = words.iter().find(|w| code.contains(**w)) {
                    findings.push(format!("{shown}:{}: {word} is not for this folder", n + 1));
                }
            }
        }
    }
    if shown.starts_with("tracer/src/") && !shown.starts_with("tracer/src/moby/") {
        no_docker_names(shown, text, findings);
    }
    let only = |folder: &str, word: &str, findings: &mut Vec<String>| {
        if shown.starts_with("tracer/src/") && !shown.starts_with(folder) && text.contains(word) {
            findings.push(format!("{shown}: {word} belongs into {folder}"));
        }
    };
    only("tracer/src/probe/", "use aya", findings);
    if shown.starts_with("tracer/src/")
        && !shown.starts_with("tracer/src/cli/")
        && text
            .lines()
            .map(|line| line.split("//").next().unwrap_or(line))
            .any(|code| {
                ["println!(", "eprintln!(", "process::exit"]
                    .iter()
                    .any(|word| code.contains(word))
            })
    {
        findings.push(format!("{shown}: only cli writes to the terminal or exits"));
    }
    if shown.starts_with("tracer") {
        no_offsets(shown, text, findings);
    }
}

/// No name of docker's in a text outside of `moby` (tests excepted: there it is ground truth).
fn no_docker_names(shown: &str, text: &str, findings: &mut Vec<String>) {
    if ["/tests.rs", "/examples.rs"]
        .iter()
        .any(|end| shown.ends_with(end))
    {
        return;
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    for (n, line) in code.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        // every second part stands in quotes
        for literal in line.split('"').skip(1).step_by(2) {
            let allowed =
                |(file, part, _): &&(&str, &str, &str)| *file == shown && literal.contains(part);
            let named = DOCKER_NAMES.iter().find(|name| literal.contains(**name));
            if let Some(name) = named.filter(|_| !NO_DOCKER_NAMES.iter().any(|a| allowed(&a))) {
                findings.push(format!(
                    "{shown}:{}: {name} is docker's: it belongs into tracer/src/moby",
                    n + 1
                ));
            }
        }
    }
}

/// No numeric offset of a docker or moby type anywhere in the product's sources (tests excepted:
/// there it is ground truth).
fn no_offsets(shown: &str, text: &str, findings: &mut Vec<String>) {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    for (n, line) in code.lines().enumerate() {
        let line_code = line.split("//").next().unwrap_or(line);
        let names_field = DOCKER_FIELDS
            .iter()
            .any(|f| line_code.contains(&format!("\"{f}\"")));
        let has_number = line_code
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|w| w.len() > 1 && w.bytes().next().is_some_and(|b| b.is_ascii_digit()));
        if names_field && has_number {
            findings.push(format!(
                "{shown}:{}: a number beside a docker field: offsets come from the binary",
                n + 1
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_beside_a_docker_field_is_found() {
        let mut findings = Vec::new();
        no_offsets(
            "tracer/src/x.rs",
            "let table = [(\"Filters\", 48)];",
            &mut findings,
        );
        assert_eq!(findings.len(), 1);
        no_offsets(
            "tracer/src/x.rs",
            "let names = [\"Filters\"];",
            &mut findings,
        );
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_name_of_dockers_is_found_outside_of_its_folder() {
        let found = |shown: &str, text: &str| {
            let mut findings = Vec::new();
            check_file(shown, &format!("//! x\n{text}\n"), &mut findings);
            findings.len()
        };
        let code = "const A: &str = \"(*Daemon).Containers\";";
        assert_eq!(found("tracer/src/plan/x.rs", code), 1);
        assert_eq!(found("tracer/src/moby/x.rs", code), 0);
        assert_eq!(found("tracer/src/plan/tests.rs", code), 0);
        assert_eq!(found("tracer/src/plan/x.rs", &format!("// {code}")), 0);
        assert_eq!(found("tracer/src/plan/x.rs", "const A: &str = \"a\";"), 0);
        assert_eq!(found("tracer/src/moby/x.rs", "use crate::plan::Plan;"), 1);
    }

    #[test]
    fn a_dependency_against_the_flow_is_found() {
        let mut findings = Vec::new();
        check_file(
            "tracer/src/decode/x.rs",
            "//! x\nuse crate::probe::Session;\n",
            &mut findings,
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}

//! `mobytrace doctor`: can this machine and this daemon be traced; each check with verdict and
//! remedy.

use std::io::Write;

use serde::Serialize;

use super::args;
use super::failure::Failure;
use crate::decode::Redact;
use crate::plan::IssueKind;
use crate::session::{Prepared, Wish};

#[derive(Debug, Serialize)]
struct Check {
    id: &'static str,
    verdict: Verdict,
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    Limited,
    Fails,
}

/// Runs all checks. `Ok(true)`: everything needed is there.
pub fn run(args: &args::Doctor, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut checks = vec![privileges(), kernel(), uprobes()];
    checks.extend(features());
    checks.extend(programs());
    checks.extend(daemon(&args.daemon));
    if args.json {
        let text = serde_json::to_string_pretty(&checks)?;
        writeln!(out, "{}", crate::render::escape_json(&text))?;
    } else {
        for check in &checks {
            let mark = match check.verdict {
                Verdict::Ok => "ok     ",
                Verdict::Limited => "limited",
                Verdict::Fails => "FAILS  ",
            };
            writeln!(out, "{mark}  {:<12} {}", check.id, check.reason)?;
            if !check.remedy.is_empty() {
                writeln!(out, "         {:<12} remedy: {}", "", check.remedy)?;
            }
        }
    }
    Ok(checks.iter().all(|c| c.verdict != Verdict::Fails))
}

fn check(
    id: &'static str,
    verdict: Verdict,
    reason: impl Into<String>,
    remedy: impl Into<String>,
) -> Check {
    Check {
        id,
        verdict,
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

fn privileges() -> Check {
    if rustix::process::geteuid().is_root() {
        check("privileges", Verdict::Ok, "running as root", "")
    } else {
        check(
            "privileges",
            Verdict::Fails,
            "not root: bpf() and perf_event_open() will be refused",
            "run it with sudo, or in a container with --privileged --pid=host",
        )
    }
}

fn kernel() -> Check {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 10) {
        check(
            "kernel",
            Verdict::Ok,
            format!("Linux {release} ({})", uname.machine().to_string_lossy()),
            "",
        )
    } else {
        check(
            "kernel",
            Verdict::Fails,
            format!("Linux {release}"),
            "a kernel of 5.10 or newer is needed",
        )
    }
}

fn uprobes() -> Check {
    match std::fs::read_to_string("/sys/bus/event_source/devices/uprobe/type") {
        Ok(kind) => check(
            "uprobes",
            Verdict::Ok,
            format!("perf uprobe PMU of type {}", kind.trim()),
            "",
        ),
        Err(error) => check(
            "uprobes",
            Verdict::Fails,
            format!("/sys/bus/event_source/devices/uprobe/type: {error}"),
            "a kernel with CONFIG_UPROBE_EVENTS=y, and sysfs mounted on /sys",
        ),
    }
}

fn features() -> Vec<Check> {
    match crate::probe::Features::probe() {
        Ok(features) => features
            .list()
            .into_iter()
            .chain([
                (
                    "uprobe_multi",
                    crate::probe::has_multi_links(),
                    "6.10, or a fix in 6.6",
                    "detaching takes about a tenth of a second per site",
                ),
                (
                    "kernel BTF",
                    crate::probe::knows_sockets(),
                    "4.18, with CONFIG_DEBUG_INFO_BTF",
                    "the process behind a request is not known",
                ),
            ])
            .map(|(id, present, since, effect)| {
                if present {
                    check(
                        id,
                        Verdict::Ok,
                        format!("present (since Linux {since})"),
                        "",
                    )
                } else {
                    check(
                        id,
                        Verdict::Limited,
                        format!("absent (since Linux {since}): {effect}"),
                        "",
                    )
                }
            })
            .collect(),
        Err(error) => vec![check(
            "bpf",
            Verdict::Fails,
            error.to_string(),
            error.hint(),
        )],
    }
}

/// Loads every kernel program, which attaches nothing.
fn programs() -> Vec<Check> {
    match crate::probe::load_all_programs(None) {
        Ok(all) => {
            let bounded = |name: &str| name.ends_with("_bounded");
            all.into_iter()
                .map(|(name, result)| match result {
                    Ok(count) => check(
                        "program",
                        Verdict::Ok,
                        format!("{name}: loads, {count} instructions verified"),
                        "",
                    ),
                    Err(why) if bounded(&name) => check(
                        "program",
                        Verdict::Fails,
                        format!("{name}: {why}"),
                        "report this with `uname -r`",
                    ),
                    Err(why) => check(
                        "program",
                        Verdict::Limited,
                        format!("{name}: {why}; another variant is used"),
                        "",
                    ),
                })
                .collect()
        }
        Err(error) => vec![check(
            "programs",
            Verdict::Fails,
            error.to_string(),
            error.hint(),
        )],
    }
}

fn daemon(selection: &args::Daemon) -> Vec<Check> {
    let wish = Wish {
        daemon: selection.selection(),
        socket: selection.socket.clone(),
        profiles: &[],
        functions: &[],
        layers: false,
        redact: Redact::On,
    };
    match Prepared::new(&wish) {
        Err(error) => {
            let failure = Failure::from(&error);
            vec![check(
                "daemon",
                Verdict::Fails,
                failure.message,
                failure.hint,
            )]
        }
        Ok(prepared) => {
            let plan = prepared.plan();
            let mut checks = vec![check(
                "daemon",
                Verdict::Ok,
                format!(
                    "pid {} {} ({})",
                    prepared.process.pid, prepared.image.shown, prepared.header.daemon.go_version
                ),
                "",
            )];
            checks.push(check(
                "functions",
                if plan.functions.is_empty() {
                    Verdict::Fails
                } else {
                    Verdict::Ok
                },
                format!(
                    "{} functions, {} sites can be probed",
                    plan.functions.len(),
                    plan.sites.len()
                ),
                "",
            ));
            checks.extend(plan.issues.iter().map(|issue| {
                let (id, verdict, remedy) = match issue.kind() {
                    IssueKind::UnverifiedRelease => (
                        "go release",
                        Verdict::Limited,
                        "a mobytrace that knows this release, if there is one; else compare what is shown with what you know",
                    ),
                    IssueKind::SeenElsewhere => ("inlined", Verdict::Ok, ""),
                    _ => ("blind spot", Verdict::Limited, ""),
                };
                check(id, verdict, issue.text(), remedy)
            }));
            checks
        }
    }
}

//! From a prepared session to a live one: probes attached, recording begun.

use std::path::Path;
use std::time::{Duration, Instant};

use super::hooks::Hooks;
use super::note::{Note, Tell};
use super::prepare::{DaemonState, Prepared, parse_binary};
use super::record::Recording;
use super::{Error, signals};
use crate::capture::{Files, Limits, Output};
use crate::gobin::GoBinary;
use crate::plan::Plan;
use crate::probe::{AttachReport, Session, SessionOptions, TargetProc};

/// Where to record to.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    pub path: &'a Path,
    /// What is there may be overwritten.
    pub force: bool,
    /// How large it may become.
    pub limits: Limits,
}

impl Destination<'_> {
    fn open(&self) -> Result<Output, Error> {
        self.limits.check(self.path, self.force)?;
        Ok(Output::open(self.path, self.force)?)
    }
}

/// How a session is to go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    pub output: Option<Destination<'a>>,
    /// What has been in flight for this long is looked at.
    pub slow: Option<Duration>,
    /// Sites, programs and the kernel programs' own diagnostics are told.
    pub verbose: bool,
    pub hooks: Hooks,
}

/// What attaching leaves.
pub(super) struct Attached<'p> {
    pub(super) binary: GoBinary<'p>,
    pub(super) session: Session,
    pub(super) recording: Recording,
}

/// Reads the binary, opens the recording (a typo costs no probe), attaches, then begins the
/// recording: what was there before is not lost to a session that never was.
pub(super) fn attach<'p>(
    prepared: &'p Prepared,
    options: &Options<'_>,
    tell: Tell<'_>,
) -> Result<Attached<'p>, Error> {
    prepared.require_functions()?;
    // before the first probe: nothing waits for it then
    let binary = parse_binary(&prepared.image)?;
    prepared.image.check()?;
    signals::defer()?;
    let opened = options
        .output
        .map(|to| to.open().map(|output| (output, to)))
        .transpose()?;
    prepared.process.check()?;
    let open_before = prepared.open_connections();
    let started = Instant::now();
    let exe = prepared.image.attach_path();
    let target = TargetProc {
        pid: prepared.process.pid,
        load_bias: prepared.load_bias(),
        exe: &exe,
    };
    let session = Session::start(
        prepared.plan(),
        &target,
        &SessionOptions {
            log: options.verbose,
            links: options.hooks.links,
            thread_pointer: options.hooks.thread_pointer,
            variant: options.hooks.variant,
            stop: Some(signals::flag()),
            ..SessionOptions::default()
        },
    )?;
    if prepared.daemon_state() == DaemonState::Replaced {
        let pid = prepared.process.pid;
        return Err(Error::Replaced { pid });
    }
    let recording = match opened {
        None => Recording::None,
        Some((output, to)) => Recording::On(Box::new(Files::begin(
            output,
            &prepared.header,
            to.limits,
            to.force,
        )?)),
    };
    let report = session.attach_report();
    for failed in report.failures() {
        tell(Note::SiteFailed(failed.clone()));
    }
    if options.verbose {
        tell_sites(prepared.plan(), &session, tell);
    }
    tell_notes(prepared, report, open_before, tell);
    tell(Note::Attached {
        exe: prepared.image.shown.clone(),
        pid: prepared.process.pid,
        go_version: prepared.header.daemon.go_version.clone(),
        sites: report.attached(),
        took: started.elapsed(),
        variant: report.variant(),
        links: report.links(),
    });
    Ok(Attached {
        binary,
        session,
        recording,
    })
}

/// What of this session is not as one would wish.
fn tell_notes(
    prepared: &Prepared,
    report: &AttachReport,
    open_before: Option<usize>,
    tell: Tell<'_>,
) {
    for note in report.notes() {
        tell(Note::Missing(note.clone()));
    }
    if let Some(reason) = report.perf_reason() {
        tell(Note::PerfLinks(reason.clone()));
    }
    if let Some(open @ 1..) = open_before {
        tell(Note::OpenConnections(open));
    }
    for issue in &prepared.plan().issues {
        tell(Note::Issue(issue.clone()));
    }
    for meant in &prepared.meant {
        tell(Note::Meant(meant.clone()));
    }
}

/// Every site and program.
fn tell_sites(plan: &Plan, session: &Session, tell: Tell<'_>) {
    for site in &plan.sites {
        let function = plan.functions.get(site.func as usize);
        tell(Note::Site {
            address: site.addr,
            instruction: site.insn.clone(),
            function: function.map_or_else(|| "?".to_owned(), |f| f.name.clone()),
            why: site.why.clone(),
        });
    }
    for (name, instructions) in session.verified_instructions() {
        tell(Note::Program { name, instructions });
    }
}

//! From a prepared session to a live one: probes attached, recording begun.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::drain::{Drain, MOST_WAITING};
use super::hooks::Hooks;
use super::note::{Note, Tell};
use super::prepare::{DaemonState, Prepared, parse_binary};
use super::record::Recording;
use super::{Error, signals};
use crate::capture::{Files, Header, Limits, Output, Seam, monotonic_ns};
use crate::gobin::GoBinary;
use crate::plan::Plan;
use crate::probe::{AttachReport, Session, SessionOptions, TargetProc};
use crate::target::{listening_socket, listens};

/// What the kernel writes behind the path of a file that has none any more.
const DELETED: &str = " (deleted)";

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

/// What an incarnation takes on from the one before.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) recording: Recording,
    /// The moments of the incarnation to come are not known yet.
    pub(super) seam: Seam,
}

/// What attaching leaves.
pub(super) struct Attached<'p> {
    pub(super) binary: GoBinary<'p>,
    pub(super) header: Header,
    pub(super) session: Session,
    pub(super) drain: Drain,
    pub(super) recording: Recording,
}

/// Reads the binary, opens the recording (a typo costs no probe), attaches, then begins the
/// recording: what was there before is not lost to a session that never was.
pub(super) fn attach<'p>(
    prepared: &'p Prepared,
    options: &Options<'_>,
    carried: Option<&mut Carried>,
    tell: Tell<'_>,
) -> Result<Attached<'p>, Error> {
    prepared.require_functions()?;
    // before the first probe: nothing waits for it then. A daemon that was started anew serves
    // soon, and its probes come first.
    let early = match carried {
        None => Some(parse_binary(&prepared.image)?),
        Some(_) => None,
    };
    prepared.image.check()?;
    signals::defer()?;
    let opened = match (&carried, options.output) {
        (None, Some(to)) => Some((to.open()?, to)),
        _ => None,
    };
    prepared.process.check()?;
    let open_before = prepared.open_connections();
    let started = Instant::now();
    let exe = prepared.image.attach_path();
    let target = TargetProc {
        pid: prepared.process.pid,
        load_bias: prepared.load_bias(),
        exe: &exe,
    };
    let mut session = Session::start(
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
    let attached_ns = monotonic_ns();
    // at once: what follows takes its time, and clients that waited for the daemon fill the ring
    // buffer meanwhile. Together: the probes go before the ring buffer does, also on failure.
    let probes = {
        let drain = drain(&mut session, options)?;
        (session, drain)
    };
    let listened = listens(&prepared.process);
    let binary = match early {
        Some(binary) => binary,
        None => parse_binary(&prepared.image)?,
    };
    let mut header = prepared.header.clone();
    if header.daemon.socket.is_none() {
        // it may not have listened before
        let socket = listening_socket(&prepared.process);
        header.daemon.socket = socket.map(|path| path.display().to_string());
    }
    header.seam = carried.as_ref().map(|carried| Seam {
        attached_ns,
        listened,
        ..carried.seam.clone()
    });
    let recording = match (carried, opened) {
        (Some(carried), _) => {
            let mut recording = std::mem::take(&mut carried.recording);
            recording.segment(tell, &header);
            recording
        }
        (None, Some((output, to))) => {
            let files = Files::begin(output, &header, to.limits, to.force)?;
            Recording::On(Box::new(files))
        }
        (None, None) => Recording::None,
    };
    let (session, drain) = probes;
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
        header,
        session,
        drain,
        recording,
    })
}

/// Begins to empty the ring buffer.
fn drain(session: &mut Session, options: &Options<'_>) -> Result<Drain, Error> {
    let most = options.hooks.waiting.unwrap_or(MOST_WAITING);
    let ring = session.take_ring().ok_or(io::ErrorKind::NotFound);
    let drain = ring
        .map_err(io::Error::from)
        .and_then(|ring| Drain::start(ring, most));
    drain.map_err(Error::Wait)
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
    if let Some(exe) = prepared.image.shown.strip_suffix(DELETED) {
        tell(Note::Deleted {
            exe: exe.to_owned(),
        });
    }
    if let Some(open @ 1..) = open_before {
        tell(Note::OpenConnections(open));
    }
    for issue in &prepared.plan().issues {
        tell(Note::Issue(issue.clone()));
    }
    for meant in prepared.meant() {
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

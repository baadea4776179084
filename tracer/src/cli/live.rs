//! A live session: daemon → binary → plan → kernel → records, written, decoded and correlated as they come.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::unix::AsyncFd;

use super::args;
use super::failure::Failure;
use crate::capture;
use crate::correlate::{Correlator, Trace};
use crate::decode::{Decoder, TargetInfo, mask_in_place};
use crate::gobin::{GoBinary, ImageAddr};
use crate::plan::{self, Plan};
use crate::probe::{self, Session, SessionOptions, TargetProc};
use crate::target::{Image, Process, Selection, find, listening_socket};

/// How often the daemon is checked for being alive.
const ALIVE: Duration = Duration::from_millis(500);

/// Everything known before the first byte of kernel work: nothing is attached yet.
pub struct Prepared {
    pub process: Process,
    pub image: Image,
    pub plan: Plan,
    pub load_bias: u64,
    pub go_version: String,
    pub build_id: Option<String>,
    pub socket: Option<PathBuf>,
}

/// Parses the binary of an image; failures name the file.
pub fn parse_binary(image: &Image) -> Result<GoBinary<'_>> {
    GoBinary::parse(image.bytes()).map_err(|error| {
        Failure::new(
            format!("{}: {error}", image.shown),
            "a 64-bit little-endian Linux ELF built by Go 1.13 to 1.27 for amd64 or arm64 is needed; `mobytrace inspect binary` shows what is there",
        )
        .into()
    })
}

/// Builds the plan for profiles and extra functions.
pub fn plan_for(binary: &GoBinary<'_>, profiles: &[String], functions: &[String]) -> Result<Plan> {
    let request = plan::PlanRequest::new(profiles, functions).map_err(|e| Failure::new(e.to_string(), e.hint()))?;
    plan::build(&request, binary).map_err(|e| Failure::new(e.to_string(), e.hint()).into())
}

impl Prepared {
    /// Finds the daemon, reads its binary, builds the plan.
    pub fn daemon(selection: &args::Daemon, profiles: &[String], functions: &[String]) -> Result<Self> {
        let selection = match (&selection.pid, &selection.socket) {
            (Some(pid), _) => Selection::Pid(*pid),
            (None, Some(path)) => Selection::Socket(path.clone()),
            (None, None) => Selection::Auto,
        };
        let process = find(&selection).map_err(Failure::from)?;
        let image = Image::of_process(&process).map_err(Failure::from)?;
        let (plan, go_version, build_id, load_bias) = {
            let binary = parse_binary(&image)?;
            let plan = plan_for(&binary, profiles, functions)?;
            let segments: Vec<(u64, u64, u64)> =
                binary.load_segments().iter().map(|s| (s.offset, s.vaddr, s.filesz)).collect();
            let bias = image.load_bias(&process, &segments).map_err(Failure::from)?;
            (plan, binary.version().text.clone(), binary.build_id(), bias)
        };
        let socket = match selection {
            Selection::Socket(path) => Some(path),
            _ => listening_socket(&process),
        };
        Ok(Self { process, image, plan, load_bias, go_version, build_id, socket })
    }

    /// Fails if none of the user's own functions can be traced.
    pub fn require_functions(&self) -> Result<()> {
        if self.plan.functions.iter().any(|f| f.role == plan::Role::Call) {
            return Ok(());
        }
        let why = self.plan.issues.iter().map(|i| i.text.clone()).collect::<Vec<_>>().join("; ");
        Err(Failure::new(
            format!("{} has none of the functions to trace: {why}", self.image.shown),
            "list what is there with `mobytrace inspect functions NAME --pid N`",
        )
        .into())
    }
}

/// Why collecting stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<T> {
    Done(T),
    Interrupted,
    DaemonEnded,
}

/// Probes attached, records flowing.
pub struct Live<'p> {
    prepared: &'p Prepared,
    session: Session,
    decoder: Decoder,
    correlator: Correlator,
    writer: Option<capture::Writer>,
    pub hits: u64,
}

impl<'p> Live<'p> {
    /// Opens the recording first (a typo costs nothing), then attaches.
    pub fn attach(prepared: &'p Prepared, output: Option<&Path>, verbose: bool) -> Result<Self> {
        prepared.require_functions()?;
        let writer = match output {
            None => None,
            Some(path) => Some(capture::Writer::create(path, &header(prepared)).map_err(|e| {
                Failure::new(format!("failed to write {}: {e}", path.display()), "give a path in a directory you can write to")
            })?),
        };
        prepared.process.check().map_err(Failure::from)?;
        let started = Instant::now();
        let exe = prepared.image.attach_path();
        let target =
            TargetProc { pid: prepared.process.pid, tgid: prepared.process.pid, load_bias: prepared.load_bias, exe: &exe };
        let session = Session::start(&prepared.plan, &target, &SessionOptions { verbose, ..SessionOptions::default() })
            .map_err(|e| Failure::new(e.to_string(), e.hint()));
        let session = match session {
            Ok(session) => session,
            Err(failure) => {
                if let (Some(_), Some(path)) = (&writer, output) {
                    // nothing was recorded: an empty file would only mislead
                    let _ = std::fs::remove_file(path);
                }
                return Err(failure.into());
            }
        };
        let report = session.attach_report();
        for failed in report.failures() {
            eprintln!("warning: {failed}");
        }
        for issue in &prepared.plan.issues {
            eprintln!("note: {}", issue.text);
        }
        eprintln!(
            "attached to dockerd pid {} ({}): {} sites in {} ms, {}; Ctrl-C stops",
            prepared.process.pid,
            prepared.go_version,
            report.attached(),
            started.elapsed().as_millis(),
            report.variant(),
        );
        let targets = [TargetInfo { tgid: target.tgid, load_bias: prepared.load_bias }];
        Ok(Self {
            prepared,
            session,
            decoder: Decoder::new(&prepared.plan, &targets),
            correlator: Correlator::new(&prepared.plan),
            writer,
            hits: 0,
        })
    }

    /// Reads records until `until` ends, the user interrupts, or the daemon ends. `each` sees the correlator after
    /// every batch and may end the collection by returning `Some`.
    pub async fn collect<T>(
        &mut self,
        until: impl Future<Output = T>,
        mut each: impl FnMut(&mut Correlator) -> Result<Option<T>>,
    ) -> Result<Stop<T>> {
        tokio::pin!(until);
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut alive = tokio::time::interval(ALIVE);
        let fd = AsyncFd::with_interest(self.session.ring_fd(), tokio::io::Interest::READABLE)?;
        loop {
            let stop = tokio::select! {
                ready = fd.readable() => { ready?.clear_ready(); None }
                value = &mut until => Some(Stop::Done(value)),
                _ = interrupt.recv() => Some(Stop::Interrupted),
                _ = terminate.recv() => Some(Stop::Interrupted),
                _ = alive.tick() => (!self.prepared.process.is_alive()).then_some(Stop::DaemonEnded),
            };
            self.drain()?;
            if let Some(value) = each(&mut self.correlator)? {
                return Ok(Stop::Done(value));
            }
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    fn drain(&mut self) -> Result<()> {
        let Self { prepared, session, decoder, correlator, writer, hits } = self;
        let mut failed = None;
        session.drain(|bytes| {
            let mut record = bytes.to_vec();
            mask_in_place(&prepared.plan, &mut record);
            if let Some(writer) = writer
                && failed.is_none()
                && let Err(error) = writer.record(&record)
            {
                failed = Some(error);
            }
            for hit in decoder.push(&record) {
                *hits += 1;
                correlator.push(hit);
            }
        });
        match failed {
            None => Ok(()),
            Some(error) => Err(Failure::new(format!("failed to write the recording: {error}"), "free space, or record elsewhere with -o").into()),
        }
    }

    /// Detaches, checks that the daemon's code is as before, closes the recording, returns the trace.
    pub fn finish(mut self) -> Result<(Trace, capture::Trailer)> {
        self.drain()?;
        let counters = self.session.counters().map_err(|e| Failure::new(e.to_string(), e.hint()))?;
        let sites = self.session.attach_report().attached();
        eprintln!("detaching {sites} sites …");
        let started = Instant::now();
        self.session.detach().map_err(|e| Failure::new(e.to_string(), e.hint()))?;
        if self.prepared.process.is_alive() {
            let process = &self.prepared.process;
            match probe::check_bytes(process.pid, self.prepared.load_bias, &self.prepared.plan) {
                Ok(mismatches) if mismatches.is_empty() => eprintln!(
                    "detached in {} ms; the bytes at every site equal the file's",
                    started.elapsed().as_millis()
                ),
                Ok(mismatches) => {
                    for m in &mismatches {
                        eprintln!("warning: {m}");
                    }
                }
                Err(error) => eprintln!("warning: the daemon's code could not be checked: {error}"),
            }
        } else {
            eprintln!("the daemon ended; nothing is left attached");
        }
        for hit in self.decoder.finish() {
            self.correlator.push(hit);
        }
        let lost = counters.iter().map(|c| c.drops).sum();
        let mut trace = self.correlator.finish(lost);
        let binary = parse_binary(&self.prepared.image)?;
        let symbols = symbols(&binary, &trace);
        trace.summary.lost = lost;
        let trailer = capture::Trailer::new(&counters, symbols);
        if let Some(writer) = self.writer {
            writer.finish(&trailer).map_err(|e| Failure::new(format!("failed to finish the recording: {e}"), "free space, or record elsewhere with -o"))?;
        }
        Ok((trace, trailer))
    }
}

/// Names of all return addresses in caller stacks, inlined frames expanded, innermost first.
fn symbols(binary: &GoBinary<'_>, trace: &Trace) -> Vec<(u64, Vec<String>)> {
    let mut addresses: Vec<u64> = trace.calls.iter().flat_map(|c| c.stack.iter().copied()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    // a return address points after its call
    addresses.into_iter().map(|a| (a, binary.inline_frames(ImageAddr(a.saturating_sub(1))))).collect()
}

pub fn header(prepared: &Prepared) -> capture::Header {
    capture::Header::new(capture::Daemon {
        pid: prepared.process.pid,
        exe: prepared.image.shown.clone(),
        go_version: prepared.go_version.clone(),
        build_id: prepared.build_id.clone(),
        load_bias: prepared.load_bias,
    }, prepared.plan.clone())
}

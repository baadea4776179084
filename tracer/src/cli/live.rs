//! A live session: daemon → binary → plan → kernel → records, written, decoded and correlated as they come.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::unix::AsyncFd;

use super::args;
use super::failure::Failure;
use super::slow::Watch;
use crate::capture;
use crate::correlate::{Correlator, Trace};
use crate::decode::{Assembler, Decoder, Part, RawHit};
use crate::gobin::{self, GoBinary, ImageAddr};
use crate::plan::{self, Plan};
use crate::probe::{self, Links, Session, SessionOptions, TargetProc, ThreadPointer, Variant};
use crate::target::{Image, Process, Selection, find, listening_socket};

/// Different return addresses that are named, at most: a program has few, damaged stacks may have any.
const MOST_CALLERS: usize = 1 << 16;
/// How often the daemon is checked for being alive, and slow goroutines may be looked at.
const ALIVE: Duration = Duration::from_millis(200);

/// Everything known before the first byte of kernel work: nothing is attached yet.
pub struct Prepared {
    pub process: Process,
    pub image: Image,
    /// What a recording of this session begins with; the plan is in it.
    pub header: capture::Header,
    pub socket: Option<PathBuf>,
    /// What tells it from other daemons that are traced at the same time.
    pub label: Option<String>,
}

/// Parses the binary of an image; failures name the file.
pub fn parse_binary(image: &Image) -> Result<GoBinary<'_>> {
    GoBinary::parse_mapped(image.bytes(), Box::new(|| image.release()))
        .map_err(|error| unread(image, &error).into())
}

/// A binary that cannot be read.
pub fn unread(image: &Image, error: &gobin::Error) -> Failure {
    Failure::new(format!("{}: {error}", image.shown), error.hint())
}

/// Builds the plan for profiles and extra functions; `layers`: with time in layer sizes, where the profiles ask for it. That is two records
/// for each container and request, and room in the ring buffer.
pub fn plan_for(
    binary: &GoBinary<'_>,
    profiles: &[String],
    functions: &[String],
    layers: bool,
) -> Result<Plan> {
    let mut request = plan::PlanRequest::new(profiles, functions)
        .map_err(|e| Failure::new(e.to_string(), e.hint()))?;
    request.layers &= layers;
    plan::build(&request, binary).map_err(|e| Failure::new(e.to_string(), e.hint()).into())
}

impl Prepared {
    /// Finds the daemon, reads its binary, builds the plan.
    pub fn daemon(
        chosen: &args::Daemon,
        profiles: &[String],
        functions: &[String],
        layers: bool,
    ) -> Result<Self> {
        let selection = match (&chosen.pid, &chosen.socket) {
            (Some(pid), _) => Selection::Pid(*pid),
            (None, Some(path)) => Selection::Socket(path.clone()),
            (None, None) => Selection::Auto,
        };
        let process = find(&selection).map_err(Failure::from)?;
        let image = Image::of_process(&process).map_err(Failure::from)?;
        let (plan, go_version, build_id, load_bias) = {
            let binary = parse_binary(&image)?;
            let plan = plan_for(&binary, profiles, functions, layers)?;
            let segments: Vec<(u64, u64, u64)> = binary
                .load_segments()
                .iter()
                .map(|s| (s.offset, s.vaddr, s.filesz))
                .collect();
            let bias = image
                .load_bias(&process, &segments)
                .map_err(Failure::from)?;
            (plan, binary.version().text.clone(), binary.build_id(), bias)
        };
        let socket = chosen.socket.clone().or_else(|| listening_socket(&process));
        let header = capture::Header::new(
            capture::Daemon {
                pid: process.pid,
                exe: image.shown.clone(),
                go_version,
                build_id,
                load_bias,
                version: None,
                socket: socket.as_ref().map(|s| s.display().to_string()),
            },
            plan,
        );
        Ok(Self {
            label: None,
            process,
            image,
            header,
            socket,
        })
    }

    /// A line on stderr about this daemon.
    pub fn say(&self, text: &str) {
        match &self.label {
            Some(label) => eprintln!("{} {text}", crate::render::escape(label)),
            None => eprintln!("{text}"),
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.header.plan
    }

    fn load_bias(&self) -> u64 {
        self.header.daemon.load_bias
    }

    /// Fails if none of the user's own functions can be traced.
    pub fn require_functions(&self) -> Result<()> {
        if self
            .plan()
            .functions
            .iter()
            .any(|f| f.role == plan::Role::Call)
        {
            return Ok(());
        }
        let why = self
            .plan()
            .issues
            .iter()
            .map(|i| i.text.clone())
            .collect::<Vec<_>>()
            .join("; ");
        Err(Failure::new(
            format!(
                "{} has none of the functions to trace: {why}",
                self.image.shown
            ),
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
    binary: Rc<GoBinary<'p>>,
    session: Session,
    assembler: Assembler,
    decoder: Decoder<'p>,
    correlator: Correlator,
    writer: Option<capture::Writer>,
    /// Return addresses in caller stacks, named at the end.
    callers: BTreeSet<u64>,
    /// Caught from before the first probe on: a Ctrl-C right after it ends the session as any other does.
    signals: Option<(StopSignal, StopSignal)>,
    watch: Option<Watch>,
}

type StopSignal = tokio::signal::unix::Signal;

/// SIGINT and SIGTERM.
fn stop_signals() -> std::io::Result<(StopSignal, StopSignal)> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok((
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ))
}

impl<'p> Live<'p> {
    /// Opens the recording first (a typo costs nothing), then attaches, then begins it: what was there before is not lost to
    /// a session that never was.
    pub fn attach(prepared: &'p Prepared, output: Option<&Path>, verbose: bool) -> Result<Self> {
        prepared.require_functions()?;
        let unwritable = |path: &Path, error: std::io::Error| {
            Failure::new(
                format!("failed to write {}: {error}", path.display()),
                "give a path in a directory you can write to",
            )
        };
        let opened = match output {
            None => None,
            Some(path) => Some((
                path,
                capture::Output::open(path).map_err(|e| unwritable(path, e))?,
            )),
        };
        prepared.process.check().map_err(Failure::from)?;
        let signals = Some(stop_signals()?);
        // before the first probe: nothing waits for it then
        let binary = Rc::new(parse_binary(&prepared.image)?);
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
                log: verbose,
                links: forced_links(),
                thread_pointer: forced_thread_pointer(),
                variant: forced_variant(),
                ..SessionOptions::default()
            },
        )
        .map_err(|e| Failure::new(e.to_string(), e.hint()))?;
        let writer = match opened {
            None => None,
            Some((path, output)) => Some(
                output
                    .begin(&prepared.header)
                    .map_err(|e| unwritable(path, e))?,
            ),
        };
        let report = session.attach_report();
        for failed in report.failures() {
            prepared.say(&format!("warning: {failed}"));
        }
        if verbose {
            say_sites(prepared.plan(), &session);
        }
        for note in report.notes() {
            prepared.say(&format!("note: {note}"));
        }
        for issue in &prepared.plan().issues {
            prepared.say(&format!("note: {}", issue.text));
        }
        prepared.say(&format!(
            "attached to {} pid {} ({}): {} sites in {} ms, {}, {}; Ctrl-C stops",
            program_name(&prepared.image.shown),
            prepared.process.pid,
            prepared.header.daemon.go_version,
            report.attached(),
            started.elapsed().as_millis(),
            report.variant(),
            report.links().text(),
        ));
        Ok(Self {
            prepared,
            binary,
            session,
            assembler: Assembler::default(),
            decoder: Decoder::new(prepared.plan(), prepared.load_bias()),
            correlator: Correlator::new(prepared.plan()),
            writer,
            callers: BTreeSet::new(),
            signals,
            watch: None,
        })
    }

    /// The daemon's binary, to name callers by.
    pub fn binary(&self) -> Rc<GoBinary<'p>> {
        self.binary.clone()
    }

    /// From now on, looks at the goroutines of what has been in flight for `threshold`.
    pub fn watch(&mut self, threshold: Duration) {
        let process = &self.prepared.process;
        self.watch = Some(Watch::new(process.pid, self.prepared.plan(), threshold));
    }

    /// Reads records until `until` ends, the user interrupts, or the daemon ends. `each` sees the correlator after
    /// every batch and may end the collection by returning `Some`.
    pub async fn collect<T>(
        &mut self,
        until: impl Future<Output = T>,
        mut each: impl FnMut(&mut Correlator) -> Result<Option<T>>,
    ) -> Result<Stop<T>> {
        tokio::pin!(until);
        let (mut interrupt, mut terminate) = match self.signals.take() {
            Some(signals) => signals,
            None => stop_signals()?,
        };
        let mut alive = tokio::time::interval(ALIVE);
        // SAFETY: the descriptor is owned by the AsyncFd and stays open as long as it is registered.
        let fd = unsafe {
            AsyncFd::register_with_interest(self.session.ring_fd()?, tokio::io::Interest::READABLE)
        }
        .map_err(|e| e.into_parts().1)?;
        loop {
            let stop = tokio::select! {
                ready = fd.readable() => { ready?.clear_ready(); None }
                value = &mut until => Some(Stop::Done(value)),
                _ = interrupt.recv() => Some(Stop::Interrupted),
                _ = terminate.recv() => Some(Stop::Interrupted),
                _ = alive.tick() => (!self.prepared.process.is_alive()).then_some(Stop::DaemonEnded),
            };
            self.drain()?;
            self.look(false)?;
            if let Some(value) = each(&mut self.correlator)? {
                return Ok(Stop::Done(value));
            }
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// Looks at slow goroutines.
    fn look(&mut self, at_end: bool) -> Result<()> {
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        for sample in watch.look(self.prepared, &mut self.correlator, at_end) {
            if let Some(writer) = &mut self.writer {
                writer.sample(&sample).map_err(write_failure)?;
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        let mut hits: Vec<RawHit> = Vec::new();
        let Self {
            session, assembler, ..
        } = self;
        let mut damaged = None;
        session.drain(|bytes| match Part::from_ring(bytes) {
            Ok(part) => hits.extend(assembler.push(part)),
            Err(error) => damaged = Some(error),
        });
        if let Some(error) = damaged {
            self.prepared.say(&format!(
                "warning: a record of the kernel cannot be read: {error}"
            ));
        }
        self.take(hits)
    }

    /// Decodes, which masks; then records and correlates.
    fn take(&mut self, hits: Vec<RawHit>) -> Result<()> {
        for mut raw in hits {
            let hit = self.decoder.decode(&mut raw);
            if let Some(writer) = &mut self.writer {
                for part in &raw.parts {
                    writer.record(&part.to_stored()).map_err(write_failure)?;
                }
            }
            if let Some(hit) = hit {
                if self.callers.len() < MOST_CALLERS {
                    self.callers.extend(&hit.stack);
                }
                self.correlator.push(hit);
            }
        }
        Ok(())
    }

    /// Detaches, checks that the daemon's code is as before, closes the recording, returns the trace.
    pub fn finish(mut self) -> Result<(Trace, capture::Trailer)> {
        let drained = self.drain();
        let rest = self.assembler.finish();
        let taken = self.take(rest).and_then(|()| self.look(true));
        let counters = self
            .session
            .counters()
            .map_err(|e| Failure::new(e.to_string(), e.hint()));
        let ended = capture::monotonic_ns();
        let sites = self.session.attach_report().attached();
        self.prepared.say(&format!("detaching {sites} sites …"));
        let started = Instant::now();
        self.session
            .detach()
            .map_err(|e| Failure::new(e.to_string(), e.hint()))?;
        report_code(self.prepared, started);
        drained?;
        taken?;
        let counters = counters?;
        let lost = counters.iter().map(|c| c.drops).sum();
        let trace = self.correlator.finish(lost, ended);
        let mut trailer = capture::Trailer::new(&counters, Vec::new(), ended);
        trailer.symbols = symbols(&self.binary, self.callers);
        if let Some(writer) = self.writer {
            writer.finish(&trailer).map_err(write_failure)?;
        }
        Ok((trace, trailer))
    }
}

/// `MOBYTRACE_LINKS=perf` does without uprobe_multi links: for tests, and where those are suspected of something.
fn forced_links() -> Option<Links> {
    (std::env::var_os("MOBYTRACE_LINKS")? == "perf").then_some(Links::Perf)
}

/// `MOBYTRACE_VARIANT=sleep|loop|bounded` takes the programs made for that kind of kernel: for tests.
fn forced_variant() -> Option<Variant> {
    match std::env::var("MOBYTRACE_VARIANT").ok()?.as_str() {
        "sleep" => Some(Variant::Sleep),
        "loop" => Some(Variant::Loop),
        "bounded" => Some(Variant::Bounded),
        _ => None,
    }
}

/// `MOBYTRACE_THREAD_POINTER=types|own|unknown`: for tests.
fn forced_thread_pointer() -> Option<ThreadPointer> {
    match std::env::var("MOBYTRACE_THREAD_POINTER").ok()?.as_str() {
        "types" => Some(ThreadPointer::Types),
        "own" => Some(ThreadPointer::Own),
        "unknown" => Some(ThreadPointer::Unknown),
        _ => None,
    }
}

/// Last part of a path.
fn program_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Every site and program, for `-v`.
fn say_sites(plan: &Plan, session: &Session) {
    for site in &plan.sites {
        let function = plan
            .functions
            .get(site.func as usize)
            .map_or("?", |f| f.name.as_str());
        eprintln!(
            "site 0x{:x} {} {function}: {}",
            site.addr, site.insn, site.why
        );
    }
    for (program, count) in session.verified_instructions() {
        eprintln!("program {program}: {count} instructions verified");
    }
}

fn write_failure(error: std::io::Error) -> Failure {
    Failure::new(
        format!("failed to write the recording: {error}"),
        "free space, or record elsewhere with -o",
    )
}

/// Says that the probes are gone, after looking.
fn report_code(prepared: &Prepared, started: Instant) {
    let process = &prepared.process;
    if !process.is_alive() {
        prepared.say("the daemon ended; nothing is left attached");
        return;
    }
    match probe::check_bytes(process.pid, prepared.load_bias(), prepared.plan()) {
        Ok(mismatches) if mismatches.is_empty() => prepared.say(&format!(
            "detached in {} ms; the bytes at every site equal the file's",
            started.elapsed().as_millis()
        )),
        Ok(mismatches) => {
            for m in &mismatches {
                prepared.say(&format!("warning: {m}"));
            }
        }
        Err(error) => prepared.say(&format!(
            "warning: the daemon's code could not be checked: {error}"
        )),
    }
}

/// Names of return addresses, inlined frames expanded, innermost first.
pub fn symbols(binary: &GoBinary<'_>, addresses: BTreeSet<u64>) -> Vec<(u64, Vec<String>)> {
    // a return address points after its call
    addresses
        .into_iter()
        .map(|a| (a, binary.inline_frames(ImageAddr(a.saturating_sub(1)))))
        .collect()
}

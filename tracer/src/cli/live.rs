//! A live session: daemon → binary → plan → kernel → records, written, decoded and correlated as they come.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::unix::AsyncFd;

use super::args;
use super::failure::{self, Failure};
use super::inspect::suggest::close_to;
use super::say::{self, say};
use super::signals;
use super::slow::Watch;
use crate::capture;
use crate::correlate::{Correlator, Trace};
use crate::decode::{Assembler, Decoder, Part, RawHit};
use crate::gobin::{self, GoBinary, ImageAddr};
use crate::plan::{self, Plan};
use crate::probe::{self, Links, Session, SessionOptions, TargetProc, ThreadPointer, Variant};
use crate::target::{
    Image, Process, Program, Selection, api_path, find, listening_socket, open_connections,
};

/// Different return addresses that are named, at most: a program has few, damaged stacks may have any.
const MOST_CALLERS: usize = 1 << 16;
/// How often the daemon is checked for being alive, and slow goroutines may be looked at.
const ALIVE: Duration = Duration::from_millis(200);

/// Everything known before the first byte of kernel work: nothing is attached yet.
pub struct Prepared {
    pub process: Process,
    /// What it runs, as far as that can be told.
    program: Option<Program>,
    pub image: Image,
    /// What a recording of this session begins with; the plan is in it.
    pub header: capture::Header,
    pub socket: Option<PathBuf>,
    /// What may have been meant by `-f` patterns that match nothing, one line each.
    meant: Vec<String>,
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

/// Names close to those patterns that match nothing.
fn meant_by(binary: &GoBinary<'_>, patterns: &[String]) -> Vec<String> {
    let mut meant = Vec::new();
    for pattern in patterns {
        let found = binary.find_functions(&mut |name| plan::matches(pattern, name));
        if !found.is_empty() {
            continue;
        }
        let names: Vec<String> = binary.functions().map(|f| f.name).collect();
        let close = close_to(pattern, names.iter().map(String::as_str));
        if !close.is_empty() {
            meant.push(format!(
                "for {pattern}, did you mean {}?",
                close.join(" or ")
            ));
        }
    }
    meant
}

impl Prepared {
    /// Hides secrets or not, which the recording says too.
    pub fn redact(&mut self, redact: args::Redact) {
        self.header.redact = redact.into();
        if redact == args::Redact::Off {
            self.say(
                "warning: --redact=off: secrets are shown and recorded in clear; `mobytrace show --redact FILE -o NEW` hides them",
            );
        }
    }

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
        let program = Program::of(&process);
        let image = Image::of_process(&process).map_err(Failure::from)?;
        let (plan, go_version, build_id, load_bias, meant) = {
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
            let meant = meant_by(&binary, functions);
            let version = binary.version().text.clone();
            (plan, version, binary.build_id(), bias, meant)
        };
        image.check().map_err(Failure::from)?;
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
            meant,
            process,
            program,
            image,
            header,
            socket,
        })
    }

    /// A line on stderr about this daemon.
    pub fn say(&self, text: &str) {
        match &self.label {
            Some(label) => say!("{label} {text}"),
            None => say::line(text),
        }
    }

    /// Whether the daemon is still what it was when its binary was read.
    fn daemon_state(&self) -> DaemonState {
        let replaced = |program: &Program| program.was_replaced(&self.process);
        if !self.process.is_alive() {
            DaemonState::Ended
        } else if self.program.as_ref().is_some_and(replaced) {
            DaemonState::Replaced
        } else {
            DaemonState::Runs
        }
    }

    /// Connections to the daemon's API that are open now, if that can be known.
    fn open_connections(&self) -> Option<usize> {
        let path = api_path(&self.process)?;
        open_connections(&self.process, &path)
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
            if self.meant.is_empty() {
                "list what is there with `mobytrace inspect functions NAME --pid N`".to_owned()
            } else {
                self.meant.join("; ")
            },
        )
        .into())
    }
}

/// Why collecting stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<T> {
    Done(T),
    Interrupted,
    /// Nobody reads stdout any more.
    Unread,
    DaemonEnded,
    /// The process runs another program by now.
    DaemonReplaced,
}

/// What became of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DaemonState {
    Runs,
    Ended,
    Replaced,
}

impl<T> Stop<T> {
    /// What happened to the daemon, if that ended the session.
    pub fn of_daemon(&self) -> Option<&'static str> {
        match self {
            Self::DaemonEnded => Some("the daemon ended"),
            Self::DaemonReplaced => {
                Some("the daemon's process runs another program now (exec): it is traced no more")
            }
            Self::Done(_) | Self::Interrupted | Self::Unread => None,
        }
    }
}

/// Probes attached, records flowing.
pub struct Live<'p> {
    prepared: &'p Prepared,
    binary: Rc<GoBinary<'p>>,
    session: Session,
    assembler: Assembler,
    decoder: Decoder<&'p Plan>,
    correlator: Correlator,
    recording: Recording,
    /// Return addresses in caller stacks, named at the end.
    callers: BTreeSet<u64>,
    watch: Option<Watch>,
}

impl<'p> Live<'p> {
    /// Reads the binary, opens the recording (a typo costs no probe), attaches, then begins the recording: what was there
    /// before is not lost to a session that never was.
    pub fn attach(
        prepared: &'p Prepared,
        output: Option<Destination<'_>>,
        verbose: bool,
    ) -> Result<Self> {
        prepared.require_functions()?;
        // before the first probe: nothing waits for it then
        let binary = Rc::new(parse_binary(&prepared.image)?);
        prepared.image.check().map_err(Failure::from)?;
        signals::defer()?;
        let opened = output
            .map(|to| capture::Output::open(to.path, to.force).map_err(Failure::from))
            .transpose()?;
        prepared.process.check().map_err(Failure::from)?;
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
                log: verbose,
                links: forced_links(),
                thread_pointer: forced_thread_pointer(),
                variant: forced_variant(),
                stop: Some(signals::flag()),
                ..SessionOptions::default()
            },
        )
        .map_err(|e| failure::of_probe(&e))?;
        if prepared.daemon_state() == DaemonState::Replaced {
            return Err(Failure::new(
                format!(
                    "process {} runs another program by now",
                    prepared.process.pid
                ),
                "run it again",
            )
            .into());
        }
        let recording = match opened {
            None => Recording::None,
            Some(output) => Recording::On(output.begin(&prepared.header).map_err(Failure::from)?),
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
        if let Some(reason) = report.perf_reason() {
            prepared.say(&format!(
                "note: a perf link per site, each of which takes about a tenth of a second to go: {reason}"
            ));
        }
        if let Some(open @ 1..) = open_before {
            let (plural, were) = if open == 1 {
                ("", "was")
            } else {
                ("s", "were")
            };
            prepared.say(&format!(
                "note: {open} connection{plural} to its API {were} open before: what already runs there \
                 (a stream, a wait) is not seen"
            ));
        }
        for issue in &prepared.plan().issues {
            prepared.say(&format!("note: {}", issue.text));
        }
        for line in &prepared.meant {
            prepared.say(&format!("hint: {line}"));
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
            decoder: Decoder::new(prepared.plan(), prepared.load_bias())
                .redact(prepared.header.redact),
            correlator: Correlator::new(prepared.plan()),
            recording,
            callers: BTreeSet::new(),
            watch: None,
        })
    }

    /// The daemon's binary, to name callers by.
    pub fn binary(&self) -> Rc<GoBinary<'p>> {
        self.binary.clone()
    }

    /// The daemon's executable.
    pub fn image(&self) -> &'p Image {
        &self.prepared.image
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
        let asked = signals::asked();
        tokio::pin!(asked);
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
                asked = &mut asked => { asked?; Some(Stop::Interrupted) }
                _ = alive.tick() => match self.prepared.daemon_state() {
                    DaemonState::Ended => Some(Stop::DaemonEnded),
                    DaemonState::Replaced => Some(Stop::DaemonReplaced),
                    DaemonState::Runs => signals::stdout_is_gone().then_some(Stop::Unread),
                },
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
            let prepared = self.prepared;
            self.recording
                .write(prepared, |writer| writer.sample(&sample));
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
            for part in &raw.parts {
                let prepared = self.prepared;
                self.recording
                    .write(prepared, |writer| writer.record(&part.to_stored()));
            }
            if let Some(hit) = hit {
                if self.callers.len() < MOST_CALLERS {
                    self.callers.extend(&hit.stack);
                }
                self.correlator.push(hit);
            }
        }
        // what happens to us now does not cost what was seen
        self.recording.write(self.prepared, capture::Writer::flush);
        Ok(())
    }

    /// Detaches, checks that the daemon's code is as before, closes the recording, returns the trace.
    pub fn finish(mut self) -> Result<Finished> {
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
        report_code(self.prepared, started.elapsed());
        drained?;
        taken?;
        let counters = counters?;
        let lost = counters.iter().map(|c| c.drops).sum();
        let trace = self.correlator.finish(lost, ended);
        let mut trailer = capture::Trailer::new(&counters, Vec::new(), ended);
        trailer.symbols = symbols(&self.prepared.image, &self.binary, self.callers);
        let recording = self.recording.finish(self.prepared, &trailer);
        Ok(Finished {
            trace,
            trailer,
            recording,
        })
    }
}

/// Where to record to.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    pub path: &'a Path,
    /// What is there may be overwritten.
    pub force: bool,
}

/// What a session left.
pub struct Finished {
    pub trace: Trace,
    pub trailer: capture::Trailer,
    /// Why the recording is not whole.
    pub recording: Option<Failure>,
}

/// The session's recording. A file that takes no more ends it, and nothing else.
enum Recording {
    None,
    On(capture::Writer),
    Failed(Failure),
}

impl Recording {
    fn write(
        &mut self,
        prepared: &Prepared,
        job: impl FnOnce(&mut capture::Writer) -> std::io::Result<()>,
    ) {
        if let Self::On(writer) = self
            && let Err(error) = job(writer)
        {
            self.fail(prepared, &error);
        }
    }

    fn fail(&mut self, prepared: &Prepared, error: &std::io::Error) {
        let failure = Failure::new(
            format!("the recording ended early: {error}"),
            "what is in it can be shown; free space, or record elsewhere with -o",
        );
        prepared.say(&format!("warning: {failure}; the session goes on"));
        *self = Self::Failed(failure);
    }

    /// Closes it; gives why it is not whole.
    fn finish(mut self, prepared: &Prepared, trailer: &capture::Trailer) -> Option<Failure> {
        self = match self {
            Self::On(writer) => {
                let mut closed = Self::None;
                if let Err(error) = writer.finish(trailer) {
                    closed.fail(prepared, &error);
                }
                closed
            }
            other => other,
        };
        match self {
            Self::Failed(failure) => Some(failure),
            Self::None | Self::On(_) => None,
        }
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
        say!(
            "site 0x{:x} {} {function}: {}",
            site.addr,
            site.insn,
            site.why
        );
    }
    for (program, count) in session.verified_instructions() {
        say!("program {program}: {count} instructions verified");
    }
}

/// Says that the probes are gone, after looking.
fn report_code(prepared: &Prepared, took: Duration) {
    let process = &prepared.process;
    match prepared.daemon_state() {
        DaemonState::Runs => {}
        DaemonState::Ended => {
            return prepared.say("the daemon ended; nothing is left attached");
        }
        DaemonState::Replaced => {
            return prepared.say("another program runs there now; nothing is left attached");
        }
    }
    match probe::check_bytes(process.pid, prepared.load_bias(), prepared.plan()) {
        Ok(bytes) => {
            for m in &bytes.mismatches {
                prepared.say(&format!("warning: {m}"));
            }
            let (ms, others) = (took.as_millis(), bytes.breakpoints);
            if others > 0 {
                prepared.say(&format!(
                    "detached in {ms} ms; at {others} of {} sites there is another tracer's breakpoint",
                    prepared.plan().sites.len()
                ));
            } else if bytes.mismatches.is_empty() {
                prepared.say(&format!(
                    "detached in {ms} ms; the bytes at every site equal the file's"
                ));
            }
        }
        Err(error) => prepared.say(&format!(
            "warning: the daemon's code could not be checked: {error}"
        )),
    }
}

/// Names of return addresses, inlined frames expanded, innermost first; none if the file is not any more what it was.
pub fn symbols(
    image: &Image,
    binary: &GoBinary<'_>,
    addresses: BTreeSet<u64>,
) -> Vec<(u64, Vec<String>)> {
    // a return address points after its call
    let named = addresses
        .into_iter()
        .map(|a| (a, binary.inline_frames(ImageAddr(a.saturating_sub(1)))))
        .collect();
    match image.check() {
        Ok(()) => named,
        Err(_) => Vec::new(),
    }
}

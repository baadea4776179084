//! One attached session: programs loaded, maps filled, links held. Dropping it detaches.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;

use aya::Ebpf;
use aya::maps::{Array, MapData, ProgramArray, RingBuf};
use aya::programs::{ProgramError, UProbe};
use aya_log::EbpfLogger;
use tracer_ebpf::wire::counters::SiteCounters;

use super::attach::{by_multi, by_perf};
use super::fill::fill;
use super::maps::{Raw, map_error};
use super::multi::{self, Program};
use super::namespace::check_proc;
use super::object::{OBJECT, load_program, open};
use super::patience::Patience;
use super::report::{AttachReport, Links, PerfReason};
use super::ring::Ring;
use super::thread_pointer::ThreadPointer;
use super::variant::Variant;
use super::{Error, Features, TargetProc};
use crate::plan::Plan;

/// The program that only counts.
const NOTHING: &str = "nothing";

/// Choices of a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionOptions {
    /// Use these programs, whatever the kernel could do (for tests).
    pub variant: Option<Variant>,
    /// Use these links, whatever the kernel could do (for tests).
    pub links: Option<Links>,
    /// Find the thread pointer this way, whatever the kernel could do (for tests).
    pub thread_pointer: Option<ThreadPointer>,
    /// The programs' own diagnostics go to the `log` crate's logger.
    pub log: bool,
    /// Loading and attaching end when this is set.
    pub stop: Option<&'static AtomicBool>,
    /// Replace every program by one that does nothing (for measurements).
    pub nothing: bool,
}

/// A running session.
pub struct Session {
    /// Of kind uprobe_multi, in the order in which they are to go.
    links: Vec<OwnedFd>,
    /// Loaded for those links.
    programs: Vec<Program>,
    ebpf: Ebpf,
    /// `None`: somebody else empties it.
    ring: Option<Ring>,
    report: AttachReport,
    sites: usize,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Session {
    /// Loads, fills, attaches: returns first, then entries, so that no entry waits for a return
    /// that is not probed yet.
    ///
    /// # Errors
    /// The kernel refuses, rejects a program, or not one site can be attached.
    pub fn start(
        plan: &Plan,
        target: &TargetProc<'_>,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        check_proc()?;
        let patience = Patience::until(options.stop);
        let features = Features::probe();
        // what an interrupted kernel answered says nothing about it
        patience.check()?;
        let features = features?;
        let mut ebpf = open(OBJECT, options.log)?;
        let notes = fill(&mut ebpf, plan, target, options.thread_pointer)?;
        let multi = load_multi(&ebpf, options, patience)?;
        let ring = ebpf
            .take_map("RING")
            .ok_or_else(|| Error::Object("no map RING".into()))?;
        let ring = RingBuf::try_from(ring).map_err(map_error("opening the ring buffer"))?;
        let mut session = Self {
            ebpf,
            ring: Some(Ring(ring)),
            links: Vec::new(),
            programs: Vec::new(),
            report: AttachReport {
                notes,
                ..AttachReport::default()
            },
            sites: plan.sites.len(),
            logger: None,
        };
        if options.log {
            // diagnostics that cannot be had are no reason to stop
            session.logger = EbpfLogger::init(&mut session.ebpf).ok();
        }
        session.attach(plan, target, options, features, multi)?;
        Ok(session)
    }

    fn attach(
        &mut self,
        plan: &Plan,
        target: &TargetProc<'_>,
        options: &SessionOptions,
        features: Features,
        multi: Result<Vec<Program>, PerfReason>,
    ) -> Result<(), Error> {
        let patience = Patience::until(options.stop);
        let mut reason = multi.as_ref().err().cloned();
        if let Ok([small, .., large] | [small @ large]) = multi.as_deref() {
            match by_multi(plan, target, [small, large], patience) {
                Ok(links) => {
                    self.report.attached = plan.sites.len();
                    self.report.variant = Variant::Sleep.text();
                    self.report.links = Links::Multi;
                    self.links = links;
                    self.programs = multi.unwrap_or_default();
                    return Ok(());
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                // one site that cannot be had refuses them all: the others are tied one by one
                Err(error) if options.links.is_none() => {
                    reason = Some(PerfReason::Refused {
                        why: error.to_string(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        self.report.perf_reason = reason;
        let variant = Variant::load(
            &mut self.ebpf,
            features,
            options.variant,
            patience,
            &mut self.report.notes,
        )?;
        let names = if options.nothing {
            load_program(&mut self.ebpf, NOTHING, patience)?;
            [NOTHING; 2]
        } else {
            [variant.small(), variant.large()]
        };
        if let Some(name) = variant.continuation() {
            chain(&mut self.ebpf, name)?;
        }
        self.report.variant = variant.text();
        let cookies = variant != Variant::Bounded;
        by_perf(
            &mut self.ebpf,
            plan,
            target,
            cookies,
            names,
            patience,
            &mut self.report,
        )
    }

    #[must_use]
    pub fn attach_report(&self) -> &AttachReport {
        &self.report
    }

    /// A descriptor that becomes readable when records are there.
    ///
    /// # Errors
    /// No descriptor is free, or the ring buffer was given away.
    pub fn ring_fd(&self) -> std::io::Result<OwnedFd> {
        let ring = self.ring.as_ref().ok_or(std::io::ErrorKind::NotFound)?;
        ring.as_fd().try_clone_to_owned()
    }

    /// Takes all records that are there; none once the ring buffer was given away.
    pub fn drain(&mut self, mut each: impl FnMut(&[u8])) {
        while let Some(record) = self.ring.as_mut().and_then(Ring::next_record) {
            each(&record);
        }
        self.log();
    }

    /// Gives the ring buffer away, to be emptied elsewhere; once. It must be kept until the session
    /// is detached.
    pub fn take_ring(&mut self) -> Option<Ring> {
        self.ring.take()
    }

    /// Passes diagnostics of the programs on.
    pub fn log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Counters by site.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counters(&self) -> Result<Vec<SiteCounters>, Error> {
        let map = self
            .ebpf
            .map("COUNTERS")
            .ok_or_else(|| Error::Counters("no map COUNTERS".into()))?;
        let array: Array<&MapData, Raw<SiteCounters>> =
            Array::try_from(map).map_err(|e| Error::Counters(e.to_string()))?;
        (0..self.sites)
            .map(|i| {
                array
                    .get(&u32::try_from(i).unwrap_or(u32::MAX), 0)
                    .map(|c| c.0)
                    .map_err(|e| Error::Counters(e.to_string()))
            })
            .collect()
    }

    /// Names of the loaded programs with the instructions the verifier went through.
    #[must_use]
    pub fn verified_instructions(&self) -> Vec<(String, u32)> {
        self.ebpf
            .programs()
            .filter_map(|(name, p)| {
                Some((
                    name.to_owned(),
                    <&UProbe>::try_from(p)
                        .ok()?
                        .info()
                        .ok()?
                        .verified_instruction_count()?,
                ))
            })
            .chain(self.programs.iter().filter_map(Program::verified))
            .collect()
    }

    /// Detaches all probes; the kernel takes its breakpoints out before this returns.
    ///
    /// # Errors
    /// None at present.
    pub fn detach(self) -> Result<(), Error> {
        let Self {
            links, ebpf, ring, ..
        } = self;
        drop(links);
        drop(ebpf);
        drop(ring);
        Ok(())
    }
}

/// Programs for uprobe_multi links, or why there are none that can be used.
fn load_multi(
    ebpf: &Ebpf,
    options: &SessionOptions,
    patience: Patience,
) -> Result<Result<Vec<Program>, PerfReason>, Error> {
    if options.links == Some(Links::Perf) {
        return Ok(Err(PerfReason::Asked));
    }
    if !matches!(options.variant, None | Some(Variant::Sleep)) {
        return Ok(Err(PerfReason::Programs));
    }
    let names: &[&'static str] = if options.nothing {
        &[NOTHING]
    } else {
        &[Variant::Sleep.small(), Variant::Sleep.large()]
    };
    match multi::load(OBJECT, ebpf, names, patience) {
        Ok(programs) if programs.iter().all(Program::filters_by_process) => Ok(Ok(programs)),
        Ok(_) if options.links.is_none() => Ok(Err(PerfReason::ByThread)),
        Ok(_) => Err(Error::Object(PerfReason::ByThread.to_string())),
        Err(Error::Stopped) => Err(Error::Stopped),
        Err(error) if options.links.is_none() => Ok(Err(PerfReason::NoSuchLinks {
            why: error.to_string(),
        })),
        Err(error) => Err(error),
    }
}

fn chain(ebpf: &mut Ebpf, cont: &str) -> Result<(), Error> {
    let fd = {
        let program: &UProbe = ebpf
            .program(cont)
            .ok_or_else(|| Error::Object(format!("no program {cont}")))?
            .try_into()
            .map_err(|e: ProgramError| Error::Object(e.to_string()))?;
        program
            .fd()
            .map_err(|e| Error::Object(e.to_string()))?
            .try_clone()
            .map_err(|source| Error::Bpf {
                doing: "chaining programs".into(),
                source,
            })?
    };
    // the array must stay open as long as the programs run: closing its last descriptor clears it
    let map = ebpf
        .map_mut("CONTINUE")
        .ok_or_else(|| Error::Object("no map CONTINUE".into()))?;
    let mut array = ProgramArray::try_from(map).map_err(map_error("chaining programs"))?;
    array.set(0, &fd, 0).map_err(map_error("chaining programs"))
}

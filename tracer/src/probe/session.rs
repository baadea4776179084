//! One attached session: programs loaded, maps filled, links held. Dropping it detaches.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError, ProgramArray, RingBuf};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use aya_log::EbpfLogger;
use tracer_ebpf::wire::counters::SiteCounters;
use tracer_ebpf::wire::limits::{MAX_DYNTYPES, MAX_MAPS, MAX_OPS, MAX_SITES};
use tracer_ebpf::wire::op::{DynBlock, DynKey, MapDesc, Op};
use tracer_ebpf::wire::site::{SITE_ENTRY, Site, SiteKey, Target};

use super::btf::Btf;
use super::error::os_error;
use super::maps::Raw;
use super::namespace::{PidNamespace, check_proc};
use super::object::{OBJECT, load_program, open};
use super::{Error, Features, kernel};
use crate::plan::Plan;

/// The process to attach to.
#[derive(Clone, Copy, Debug)]
pub struct TargetProc<'a> {
    /// In our own pid namespace.
    pub pid: u32,
    pub load_bias: u64,
    /// The executable, through an open descriptor.
    pub exe: &'a Path,
}

/// Program variants, from the best to the one that every supported kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// May sleep: memory that is not resident is faulted in (from Linux 6.0).
    Sleep,
    /// Attach cookies and `bpf_loop` (from 5.17).
    Loop,
    /// Sites by address, bounded loops (from 5.10).
    Bounded,
}

impl Variant {
    fn small(self) -> &'static str {
        match self {
            Self::Sleep => "hit_small_sleep",
            Self::Loop => "hit_small_loop",
            Self::Bounded => "hit_small_bounded",
        }
    }

    fn large(self) -> &'static str {
        match self {
            Self::Sleep => "hit_large_sleep",
            Self::Loop => "hit_large_loop",
            Self::Bounded => "hit_large_bounded",
        }
    }

    /// Program for further entries, where they are not filled by the same one.
    fn continuation(self) -> Option<&'static str> {
        match self {
            Self::Sleep => None,
            Self::Loop => Some("cont_loop"),
            Self::Bounded => Some("cont_bounded"),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Sleep => "sleepable programs",
            Self::Loop => "programs with attach cookies and bpf_loop",
            Self::Bounded => "programs with sites by address and bounded loops",
        }
    }

    /// Loads the best variant that the kernel takes, found out by loading it.
    fn load(ebpf: &mut Ebpf, features: Features, wanted: Option<Self>) -> Result<Self, Error> {
        let possible: &[Self] = match wanted {
            Some(Self::Sleep) => &[Self::Sleep],
            Some(Self::Loop) => &[Self::Loop],
            Some(Self::Bounded) => &[Self::Bounded],
            None if features.attach_cookie && features.bpf_loop => {
                &[Self::Sleep, Self::Loop, Self::Bounded]
            }
            None => &[Self::Bounded],
        };
        let mut last = None;
        for variant in possible {
            let loaded = variant
                .continuation()
                .into_iter()
                .chain([variant.small(), variant.large()])
                .try_for_each(|name| load_program(ebpf, name));
            match loaded {
                Ok(()) => return Ok(*variant),
                Err(error @ Error::Verifier { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Object("no program variant".into())))
    }
}

/// Choices of a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionOptions {
    /// Use these programs, whatever the kernel could do (for tests).
    pub variant: Option<Variant>,
    /// The programs' own diagnostics go to the `log` crate's logger.
    pub log: bool,
    /// Replace every program by one that does nothing (for measurements).
    pub nothing: bool,
}

/// What was attached.
#[derive(Clone, Debug, Default)]
pub struct AttachReport {
    attached: usize,
    failures: Vec<String>,
    variant: &'static str,
}

impl AttachReport {
    /// Sites attached.
    #[must_use]
    pub fn attached(&self) -> usize {
        self.attached
    }
    /// One line per site that failed.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }
    /// Program variant, for people.
    #[must_use]
    pub fn variant(&self) -> &'static str {
        self.variant
    }
}

/// A running session.
pub struct Session {
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    report: AttachReport,
    sites: usize,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Session {
    /// Loads, fills, attaches: returns first, then entries, so that no entry waits for a return that is not probed yet.
    ///
    /// # Errors
    /// The kernel refuses, rejects a program, or not one site can be attached.
    pub fn start(
        plan: &Plan,
        target: &TargetProc<'_>,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        check_proc()?;
        let features = Features::probe()?;
        let mut ebpf = open(OBJECT, options.log)?;
        fill(&mut ebpf, plan, target)?;
        let variant = Variant::load(&mut ebpf, features, options.variant)?;
        let (small, large) = if options.nothing {
            load_program(&mut ebpf, "nothing")?;
            ("nothing", "nothing")
        } else {
            (variant.small(), variant.large())
        };
        if let Some(name) = variant.continuation() {
            chain(&mut ebpf, name)?;
        }
        let ring = ebpf
            .take_map("RING")
            .ok_or_else(|| Error::Object("no map RING".into()))?;
        let ring = RingBuf::try_from(ring).map_err(map_error("opening the ring buffer"))?;
        let mut session = Self {
            ebpf,
            ring,
            report: AttachReport {
                variant: variant.text(),
                ..AttachReport::default()
            },
            sites: plan.sites.len(),
            logger: None,
        };
        if options.log {
            // diagnostics that cannot be had are no reason to stop
            session.logger = EbpfLogger::init(&mut session.ebpf).ok();
        }
        session.attach(plan, target, variant != Variant::Bounded, small, large)?;
        Ok(session)
    }

    fn attach(
        &mut self,
        plan: &Plan,
        target: &TargetProc<'_>,
        cookies: bool,
        small: &str,
        large: &str,
    ) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..plan.sites.len()).collect();
        order.sort_by_key(|i| plan.sites[*i].kind == SITE_ENTRY);
        let mut last = None;
        for index in order {
            let site = &plan.sites[index];
            let name = if site.class == 0 { small } else { large };
            let function = plan
                .functions
                .get(site.func as usize)
                .map_or("?", |f| f.name.as_str());
            let shown = format!("{function} at 0x{:x}", site.addr);
            let program: Result<&mut UProbe, ProgramError> = self
                .ebpf
                .program_mut(name)
                .ok_or(ProgramError::NotLoaded)
                .and_then(TryInto::try_into);
            let scope = NonZeroU32::new(target.pid)
                .map_or(UProbeScope::AllProcesses, UProbeScope::OneProcess);
            let point = UProbeAttachPoint {
                location: UProbeAttachLocation::AbsoluteOffset(site.file_offset),
                cookie: cookies.then_some(index as u64),
            };
            match program.and_then(|p| p.attach(point, target.exe, scope)) {
                Ok(_) => self.report.attached += 1,
                Err(error) => {
                    let error = match os_error(&error) {
                        // refused as such: the other sites will not fare better
                        Some(source) if matches!(source.raw_os_error(), Some(1 | 13 | 38)) => {
                            return Err(Error::PerfEvent {
                                site: shown,
                                source,
                            });
                        }
                        Some(source) => Error::Attach {
                            site: shown,
                            what: source.to_string(),
                        },
                        None => Error::Attach {
                            site: shown,
                            what: error.to_string(),
                        },
                    };
                    self.report.failures.push(error.to_string());
                    last = Some(error);
                }
            }
        }
        match (self.report.attached, last) {
            (0, Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    #[must_use]
    pub fn attach_report(&self) -> &AttachReport {
        &self.report
    }

    /// A descriptor that becomes readable when records are there.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn ring_fd(&self) -> std::io::Result<OwnedFd> {
        self.ring.as_fd().try_clone_to_owned()
    }

    /// Takes all records that are there.
    pub fn drain(&mut self, mut each: impl FnMut(&[u8])) {
        while let Some(item) = self.ring.next() {
            each(&item);
        }
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
            .collect()
    }

    /// Detaches all probes; the kernel takes its breakpoints out before this returns.
    ///
    /// # Errors
    /// None at present.
    pub fn detach(self) -> Result<(), Error> {
        let Self { ebpf, ring, .. } = self;
        drop(ebpf);
        drop(ring);
        Ok(())
    }
}

fn map_error(doing: &'static str) -> impl Fn(MapError) -> Error {
    move |error| match os_error(&error) {
        Some(source) => Error::Bpf {
            doing: doing.into(),
            source,
        },
        None => Error::Object(format!("{doing}: {error}")),
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

fn too_large(what: &'static str, needed: usize, room: u32) -> Result<(), Error> {
    let room = room as usize;
    if needed > room {
        Err(Error::TooLarge { what, needed, room })
    } else {
        Ok(())
    }
}

fn fill(ebpf: &mut Ebpf, plan: &Plan, target: &TargetProc<'_>) -> Result<(), Error> {
    too_large("sites", plan.sites.len(), MAX_SITES)?;
    too_large("ops", plan.ops.len(), MAX_OPS)?;
    too_large("map types", plan.maps.len(), MAX_MAPS)?;
    too_large("dynamic types", plan.dyn_types.len(), MAX_DYNTYPES)?;
    let off = |o: Option<u32>| o.unwrap_or(u32::MAX);
    let g = &plan.g;
    let btf = Btf::of_kernel();
    let namespace = PidNamespace::own();
    let tgid = namespace.target(target.pid);
    let wire = Target {
        tgid,
        goid_off: off(g.goid),
        stack_lo_off: off(g.stack_lo),
        stack_hi_off: off(g.stack_hi),
        parent_goid_off: off(g.parent_goid),
        fsbase_off: off(g.tls.and(btf.as_ref()).and_then(kernel::fsbase)),
        tls_off: g.tls.unwrap_or(0),
        ns_tgid: target.pid,
        ns_dev: namespace.dev,
        ns_inum: namespace.inum,
    };
    put(ebpf, "TARGETS", [wire].into_iter())?;
    let layout = btf
        .as_ref()
        .and_then(|btf| kernel::layout(btf, namespace.inum));
    put(ebpf, "KERNEL", layout.into_iter())?;
    put(
        ebpf,
        "OPS",
        plan.ops.iter().map(|o| Op {
            kind: o.kind,
            flags: o.flags,
            pad: 0,
            off: o.off,
            len: o.len,
            a: o.a,
            b: o.b,
            c: o.c,
        }),
    )?;
    put(
        ebpf,
        "MAPS",
        plan.maps.iter().map(|m| MapDesc {
            kind: m.kind,
            flags: m.flags,
            bucket_size: m.bucket_size,
            keys_off: m.keys_off,
            key_stride: m.key_stride,
            elems_off: m.elems_off,
            elem_stride: m.elem_stride,
            overflow_off: m.overflow_off,
            key_ops: m.key_ops,
            key_count: m.key_count,
            elem_ops: m.elem_ops,
            elem_count: m.elem_count,
        }),
    )?;
    put(
        ebpf,
        "SITES",
        plan.sites.iter().map(|s| Site {
            kind: s.kind,
            cond: s.cond,
            g_source: s.g_source,
            class: s.class,
            flags: s.flags,
            pad: 0,
            target: 0,
            func: s.func,
            reg_ops: s.reg_ops,
            reg_count: s.reg_count,
            stack_ops: s.stack_ops,
            stack_count: s.stack_count,
            save_regs: s.save_regs,
            pad2: 0,
        }),
    )?;
    let map = ebpf
        .map_mut("SITE_BY_ADDR")
        .ok_or_else(|| Error::Object("no map SITE_BY_ADDR".into()))?;
    let mut by_addr: HashMap<_, Raw<SiteKey>, u32> =
        HashMap::try_from(map).map_err(map_error("filling maps"))?;
    for (index, site) in plan.sites.iter().enumerate() {
        let key = SiteKey {
            tgid,
            pad: 0,
            ip: target.load_bias.wrapping_add(site.addr),
        };
        by_addr
            .insert(Raw(key), u32::try_from(index).unwrap_or(u32::MAX), 0)
            .map_err(map_error("filling maps"))?;
    }
    let map = ebpf
        .map_mut("DYN_TYPES")
        .ok_or_else(|| Error::Object("no map DYN_TYPES".into()))?;
    let mut dynamic: HashMap<_, Raw<DynKey>, Raw<DynBlock>> =
        HashMap::try_from(map).map_err(map_error("filling maps"))?;
    for d in &plan.dyn_types {
        let key = DynKey {
            table: d.table,
            target: 0,
            type_addr: target.load_bias.wrapping_add(d.type_addr),
        };
        dynamic
            .insert(
                Raw(key),
                Raw(DynBlock {
                    ops: d.ops,
                    count: d.count,
                }),
                0,
            )
            .map_err(map_error("filling maps"))?;
    }
    Ok(())
}

fn put<T: tracer_ebpf::wire::Wire>(
    ebpf: &mut Ebpf,
    name: &'static str,
    values: impl Iterator<Item = T>,
) -> Result<(), Error> {
    let map = ebpf
        .map_mut(name)
        .ok_or_else(|| Error::Object(format!("no map {name}")))?;
    let mut array: Array<_, Raw<T>> = Array::try_from(map).map_err(map_error("filling maps"))?;
    for (index, value) in values.enumerate() {
        array
            .set(u32::try_from(index).unwrap_or(u32::MAX), Raw(value), 0)
            .map_err(map_error("filling maps"))?;
    }
    Ok(())
}

//! Sites → links: one uprobe_multi link per program where the kernel has them, else a perf link per
//! site.
//!
//! Returns first, then entries, so that no entry waits for a return that is not probed yet.

use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope};
use aya::programs::{ProgramError, UProbe};

use super::Error;
use super::error::os_error;
use super::multi::{Program, Spot};
use super::patience::Patience;
use super::process::TargetProc;
use super::report::AttachReport;
use crate::plan::{Plan, SiteKind, SiteSchema};

/// Error codes that no other site will fare better with.
fn is_refusal(code: Option<i32>) -> bool {
    matches!(code, Some(libc::EPERM | libc::EACCES | libc::ENOSYS))
}

/// All sites by links of two programs: for small entries, for large ones. The links in the order in
/// which they are to go.
///
/// # Errors
/// A link is refused: none is left.
pub fn by_multi(
    plan: &Plan,
    target: &TargetProc<'_>,
    [small, large]: [&Program; 2],
    patience: Patience,
) -> Result<Vec<OwnedFd>, Error> {
    let mut links = Vec::new();
    for kind in [SiteKind::Return, SiteKind::Entry] {
        for (class, program) in [(0, small), (1, large)] {
            let wanted = |s: &SiteSchema| s.kind == kind && s.class == class;
            let spots: Vec<Spot> = plan
                .sites
                .iter()
                .zip(0u64..)
                .filter(|(site, _)| wanted(site))
                .map(|(site, index)| Spot {
                    offset: site.file_offset.0,
                    cookie: index,
                })
                .collect();
            if spots.is_empty() {
                continue;
            }
            links.push(program.attach(target.exe, target.pid, &spots, patience)?);
        }
    }
    links.reverse();
    Ok(links)
}

/// Each site by a perf event of its own, held by `ebpf`.
///
/// # Errors
/// Refused as such, stopped, or not one site can be attached.
pub fn by_perf(
    ebpf: &mut Ebpf,
    plan: &Plan,
    target: &TargetProc<'_>,
    cookies: bool,
    [small, large]: [&str; 2],
    patience: Patience,
    report: &mut AttachReport,
) -> Result<(), Error> {
    let mut order: Vec<usize> = (0..plan.sites.len()).collect();
    order.sort_by_key(|i| plan.sites[*i].kind == SiteKind::Entry);
    let mut last = None;
    for index in order {
        let site = &plan.sites[index];
        let name = if site.class == 0 { small } else { large };
        let function = plan
            .functions
            .get(site.func as usize)
            .map_or("?", |f| f.name.as_str());
        let shown = format!("{function} at 0x{:x}", site.addr);
        let scope =
            NonZeroU32::new(target.pid).map_or(UProbeScope::AllProcesses, UProbeScope::OneProcess);
        let code = |error: &ProgramError| os_error(error).and_then(|e| e.raw_os_error());
        let attached = patience.with(code, || {
            let program: &mut UProbe = ebpf
                .program_mut(name)
                .ok_or(ProgramError::NotLoaded)?
                .try_into()?;
            let point = UProbeAttachPoint {
                location: UProbeAttachLocation::AbsoluteOffset(site.file_offset.0),
                cookie: cookies.then_some(index as u64),
            };
            program.attach(point, target.exe, scope)
        })?;
        match attached {
            Ok(_) => report.attached += 1,
            Err(error) => {
                let error = match os_error(&error) {
                    Some(source) if is_refusal(source.raw_os_error()) => {
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
                report.failures.push(error.to_string());
                last = Some(error);
            }
        }
    }
    match (report.attached, last) {
        (0, Some(error)) => Err(error),
        _ => Ok(()),
    }
}

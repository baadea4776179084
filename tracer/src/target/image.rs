//! The executable: opened once, mapped, and attached through the very same descriptor.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, UncheckedAdvice};

use super::intact::Guard;
use super::{Error, Process};
use crate::addr::{FileOffset, ImageAddr, LoadBias};

/// An opened executable. `shown` is the path the user believes in, `attach_path` names the open
/// descriptor.
#[derive(Debug)]
pub struct Image {
    file: File,
    /// Before the mapping: it goes first.
    guard: Guard,
    map: Mmap,
    /// Size and time of the last change when it was mapped.
    stamp: Stamp,
    pub shown: String,
}

/// Size, and when it was changed last.
type Stamp = (u64, i64, i64);

fn stamp(file: &File) -> std::io::Result<Stamp> {
    let there = file.metadata()?;
    Ok((there.len(), there.mtime(), there.mtime_nsec()))
}

impl Image {
    /// Opens the executable of a process through `/proc/PID/exe`, whatever its mount namespace.
    ///
    /// # Errors
    /// It cannot be opened or mapped.
    pub fn of_process(process: &Process) -> Result<Self, Error> {
        let link = PathBuf::from(format!("/proc/{}/exe", process.pid));
        let shown = fs::read_link(&link)
            .map_or_else(|_| link.display().to_string(), |p| p.display().to_string());
        let file = File::open(&link).map_err(|source| Error::Open {
            pid: process.pid,
            shown: shown.clone(),
            source,
        })?;
        Self::map(file, shown)
    }

    /// Opens a file for inspection.
    ///
    /// # Errors
    /// It cannot be opened or mapped.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|source| Error::OpenFile {
            path: shown.clone(),
            source,
        })?;
        Self::map(file, shown)
    }

    fn map(file: File, shown: String) -> Result<Self, Error> {
        let failed = |source| Error::Map {
            shown: shown.clone(),
            source,
        };
        let stamp = stamp(&file).map_err(failed)?;
        // SAFETY: the mapping is private and read-only. A file that shrinks while it is mapped
        // raises SIGBUS, which the guard catches; bytes that change are read one way or another,
        // and `check` tells.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        let guard = Guard::watch(&map).map_err(failed)?;
        Ok(Self {
            file,
            guard,
            map,
            stamp,
            shown,
        })
    }

    /// Fails if the file changed since it was mapped: what was read of it may be anything.
    ///
    /// # Errors
    /// `Changed`.
    pub fn check(&self) -> Result<(), Error> {
        if self.guard.is_broken() || stamp(&self.file).ok() != Some(self.stamp) {
            return Err(Error::Changed {
                shown: self.shown.clone(),
            });
        }
        Ok(())
    }

    /// Whether this is the same file, unchanged.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        let identity = |image: &Self| image.file.metadata().map(|m| (m.dev(), m.ino())).ok();
        let own = identity(self);
        own.is_some() && own == identity(other) && self.stamp == other.stamp
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Drops the pages of the mapping from this process; those that are read again come back from
    /// the page cache.
    pub fn release(&self) {
        // SAFETY: nothing is ever written to this private mapping of a file: every page comes back
        // as it was.
        let advised = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
        if let Err(why) = advised {
            log::debug!("the pages of {} stay in memory: {why}", self.shown);
        }
    }

    /// A path that names the open descriptor: what is attached is what was parsed.
    #[must_use]
    pub fn attach_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Run-time address minus link-time address of this image in the process.
    ///
    /// `segments` are the file's PT_LOADs as (p_offset, p_vaddr, p_filesz).
    ///
    /// # Errors
    /// No mapping of the executable fits a segment.
    pub fn load_bias(
        &self,
        process: &Process,
        segments: &[(FileOffset, ImageAddr, u64)],
    ) -> Result<LoadBias, Error> {
        const PAGE: u64 = 4096;
        let mappings = process.mappings()?;
        let not_mapped = || Error::NotMapped {
            pid: process.pid,
            shown: self.shown.clone(),
        };
        // by path, as the kernel shows both: overlayfs gives mappings another device number than
        // fstat
        let first = mappings
            .iter()
            .find(|m| m.path == self.shown)
            .ok_or_else(not_mapped)?;
        segments
            .iter()
            .find(|(offset, _, size)| {
                let offset = offset.0;
                first.offset >= offset & !(PAGE - 1)
                    && first.offset < offset.saturating_add((*size).max(1))
            })
            .and_then(|(offset, vaddr, _)| {
                let page = (vaddr.0 & !(PAGE - 1))
                    .checked_add(first.offset.checked_sub(offset.0 & !(PAGE - 1))?)?;
                first.start.checked_sub(page).map(LoadBias)
            })
            .ok_or_else(not_mapped)
    }
}

//! Functions of a binary: searched in the pclntab by name and address; code, SP tables, argument
//! records, inlined copies.

use super::binary::GoBinary;
use super::error::Error;
use super::layout::{UNSAFE_POINT_RESTART, UNSAFE_POINT_RESTART_AT_ENTRY, wrapper_id};
use super::model::{ArgInfo, FuncInfo};
use super::pclntab::FuncRecord;
use crate::addr::ImageAddr;
use crate::arch::SpRange;

/// `_func.flag`: assembly function (1.18+).
const FLAG_ASM: u8 = 4;

/// Instructions at which asynchronous preemption does not go on, but goes back (runtime/preempt.go:
/// isAsyncSafePoint).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    pub start: ImageAddr,
    pub end: ImageAddr,
    /// Where to.
    pub to: ImageAddr,
}

impl<'data> GoBinary<'data> {
    fn entry(&self, index: usize) -> Option<u64> {
        let raw = self.table.raw_entry(&self.elf, index)?;
        if self.table.layout.func.wide_entry {
            return Some(raw);
        }
        self.module.text_addr(raw)
    }

    pub(super) fn record(&self, index: usize) -> Option<(FuncRecord<'data>, u64)> {
        Some((self.table.record(&self.elf, index)?, self.entry(index)?))
    }

    fn index_of(&self, pc: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.table.nfunc);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)? <= pc {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let index = low.checked_sub(1)?;
        let end = self
            .module
            .text_sections
            .clip(self.entry(index)?, self.entry(index + 1)?);
        (pc < end).then_some(index)
    }

    fn record_of(&self, f: &FuncInfo) -> Result<(FuncRecord<'data>, u64), Error> {
        let gone = || Error::At {
            region: "pclntab",
            addr: f.entry.0,
            what: format!("no function record for {}", f.name),
        };
        let index = self.index_of(f.entry.0).ok_or_else(gone)?;
        self.record(index)
            .filter(|(_, entry)| *entry == f.entry.0)
            .ok_or_else(gone)
    }

    fn info(&self, index: usize, name: &str) -> Option<FuncInfo> {
        let (record, entry) = self.record(index)?;
        let next = self.entry(index + 1).filter(|e| *e > entry)?;
        Some(FuncInfo {
            name: name.to_owned(),
            entry: ImageAddr(entry),
            end: ImageAddr(self.module.text_sections.clip(entry, next)),
            args: record.args(),
            wrapper: record.func_id() == Some(wrapper_id(self.version.minor)),
            assembly: record.flag() & FLAG_ASM != 0,
        })
    }

    pub(super) fn name_of(&self, index: usize) -> Option<&'data str> {
        self.table
            .name(self.table.record(&self.elf, index)?.name_off()?)
    }

    /// All functions, by address.
    pub fn functions(&self) -> impl Iterator<Item = FuncInfo> + '_ {
        (0..self.table.nfunc).filter_map(|i| self.info(i, self.name_of(i)?))
    }

    /// Functions whose name satisfies `pred`.
    pub fn find_functions(&self, pred: &mut dyn FnMut(&str) -> bool) -> Vec<FuncInfo> {
        let found = (0..self.table.nfunc)
            .filter_map(|i| {
                let name = self.name_of(i)?;
                pred(name).then(|| self.info(i, name))?
            })
            .collect();
        self.elf.pages.moved_on();
        found
    }

    /// All functions of that name (wrappers and, from 1.27, closures may share one).
    #[must_use]
    pub fn function_named(&self, name: &str) -> Vec<FuncInfo> {
        self.find_functions(&mut |n| n == name)
    }

    /// The function that contains a pc.
    #[must_use]
    pub fn function_at(&self, pc: ImageAddr) -> Option<FuncInfo> {
        let index = self.index_of(pc.0)?;
        self.info(index, self.name_of(index)?)
    }

    /// Names of the frames at a pc: inlined ones first, the real function last.
    #[must_use]
    pub fn inline_frames(&self, pc: ImageAddr) -> Vec<String> {
        let Some(index) = self.index_of(pc.0) else {
            return Vec::new();
        };
        let Some((record, entry)) = self.record(index) else {
            return Vec::new();
        };
        let tree = self.table.inline_tree(
            &self.elf,
            &record,
            entry,
            self.version.minor,
            self.module.gofunc,
        );
        let offsets = tree.map(|t| t.frames_at(pc.0)).unwrap_or_default();
        offsets
            .into_iter()
            .filter_map(|o| self.table.name(o))
            .chain(self.name_of(index))
            .map(str::to_owned)
            .collect()
    }

    /// Code bytes of a function.
    ///
    /// # Errors
    /// Its addresses are not in the file.
    pub fn code(&self, f: &FuncInfo) -> Result<&'data [u8], Error> {
        usize::try_from(f.end.0.saturating_sub(f.entry.0))
            .ok()
            .and_then(|len| self.elf.bytes_at(f.entry, len))
            .ok_or_else(|| Error::At {
                region: "code",
                addr: f.entry.0,
                what: format!("{} is outside the file's segments", f.name),
            })
    }

    /// SP table of a function.
    ///
    /// # Errors
    /// No function record.
    pub fn sp_deltas(&self, f: &FuncInfo) -> Result<Vec<SpRange>, Error> {
        let (record, entry) = self.record_of(f)?;
        Ok(self
            .table
            .sp_ranges(&record, entry)
            .take_while(|r| r.start < f.end.0)
            .map(|r| SpRange {
                start: ImageAddr(r.start),
                end: ImageAddr(r.end.min(f.end.0)),
                delta: r.value,
            })
            .collect())
    }

    /// Where a function goes back when it is preempted asynchronously.
    ///
    /// # Errors
    /// No function record.
    pub fn restarts(&self, f: &FuncInfo) -> Result<Vec<Restart>, Error> {
        let (record, entry) = self.record_of(f)?;
        Ok(self
            .table
            .unsafe_points(&record, entry)
            .take_while(|r| r.start < f.end.0)
            .filter_map(|r| {
                let to = match r.value {
                    value if UNSAFE_POINT_RESTART.contains(&value) => r.start,
                    UNSAFE_POINT_RESTART_AT_ENTRY => entry,
                    _ => return None,
                };
                Some(Restart {
                    start: ImageAddr(r.start),
                    end: ImageAddr(r.end.min(f.end.0)),
                    to: ImageAddr(to),
                })
            })
            .collect())
    }

    /// Shape of the arguments, where the compiler recorded it (1.17+).
    ///
    /// # Errors
    /// No function record.
    pub fn arg_info(&self, f: &FuncInfo) -> Result<Option<Vec<ArgInfo>>, Error> {
        let (record, _) = self.record_of(f)?;
        Ok(self
            .table
            .arg_info(&self.elf, &record, self.version.minor, self.module.gofunc))
    }
}

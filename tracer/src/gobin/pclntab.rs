//! pclntab: function table, names, pc-value tables, inline trees, argument info.

use super::elf::Elf;
use super::error::Error;
use super::layout::{
    FuncLayout, PCDATA_INLTREE, PCLN_LAYOUTS, PclnFormat, PclnLayout, funcdata_arginfo,
    funcdata_inltree, inline_entry,
};
use super::model::{Arch, ArgInfo, ImageAddr};
use super::reader::{Reader, c_str, i32_at, u32_at, u64_at};

/// Longest symbol name read.
const NAME_MAX: usize = 1 << 16;

/// The table, validated.
#[derive(Debug)]
pub struct Pclntab<'data> {
    pub addr: u64,
    pub layout: &'static PclnLayout,
    bytes: &'data [u8],
    pub nfunc: usize,
    pub min_lc: u8,
    /// Word of the header, before 1.26 the text base.
    pub text_start: Option<u64>,
    funcname: usize,
    pctab: usize,
    /// Start of the table that function record offsets count from.
    pcln: usize,
    ftab: usize,
    /// Table pointers that moduledata must repeat: funcname, cu, filetab, pctab, pcln.
    pub tables: Option<[u64; 5]>,
}

/// A `_func` record.
#[derive(Clone, Copy, Debug)]
pub struct FuncRecord<'data> {
    bytes: &'data [u8],
    layout: &'static FuncLayout,
    pub addr: u64,
}

impl FuncRecord<'_> {
    pub fn name_off(&self) -> Option<u32> {
        u32_at(self.bytes, self.layout.name_off)
    }
    /// Bytes of the argument area; `None` = unknown.
    pub fn args(&self) -> Option<u32> {
        u32_at(self.bytes, self.layout.args).filter(|a| *a & 0x8000_0000 == 0)
    }
    pub fn func_id(&self) -> Option<u8> {
        self.bytes.get(self.layout.func_id).copied()
    }
    pub fn flag(&self) -> u8 {
        self.layout
            .flag
            .and_then(|at| self.bytes.get(at).copied())
            .unwrap_or(0)
    }
    fn npcdata(&self) -> Option<usize> {
        u32_at(self.bytes, self.layout.npcdata)
            .map(|n| n as usize)
            .filter(|n| *n < 64)
    }
    fn pcdata(&self, index: usize) -> Option<u32> {
        (index < self.npcdata()?)
            .then(|| u32_at(self.bytes, self.layout.pcdata + 4 * index))
            .flatten()
            .filter(|o| *o != 0)
    }
}

/// One range of a pc-value table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcRange {
    pub start: u64,
    pub end: u64,
    pub value: i32,
}

/// What one segment was found to hold.
#[derive(Debug, Default)]
pub struct Found<'data> {
    /// Headers of a known layout. The magic also occurs in code, so they are only candidates.
    pub tables: Vec<Pclntab<'data>>,
    /// (address, magic) of what looks like a header of an unknown one.
    pub unknown: Vec<(u64, u32)>,
}

/// Candidates for pclntab headers, segment by segment: the last one first, because the tables follow the code, and pages
/// that are never looked at are never read.
pub fn candidates<'e, 'data>(
    elf: &'e Elf<'data>,
) -> impl Iterator<Item = Found<'data>> + use<'e, 'data> {
    elf.segments
        .iter()
        .rev()
        .map(|segment| candidates_in(elf, segment.vaddr))
}

fn candidates_in<'data>(elf: &Elf<'data>, vaddr: u64) -> Found<'data> {
    let min_lc = match elf.arch {
        Arch::Amd64 => 1u8,
        Arch::Arm64 => 4,
    };
    // magic's upper three bytes, two zero bytes, minLC, pointer size
    let pattern = [0xff, 0xff, 0xff, 0, 0, min_lc, 8];
    let mut found = Found::default();
    let Some(bytes) = elf.bytes_from(ImageAddr(vaddr)) else {
        return found;
    };
    for at in memchr::memmem::find_iter(bytes, &pattern) {
        let Some(start) = at.checked_sub(1) else {
            continue;
        };
        let (Some(addr), Some(magic)) = (vaddr.checked_add(start as u64), u32_at(bytes, start))
        else {
            continue;
        };
        match PCLN_LAYOUTS.iter().find(|l| l.magic == magic) {
            Some(layout) => found.tables.extend(
                bytes
                    .get(start..)
                    .and_then(|b| Pclntab::parse(elf, b, addr, layout)),
            ),
            None if addr % 8 == 0 => found.unknown.push((addr, magic)),
            None => {}
        }
    }
    found
}

impl<'data> Pclntab<'data> {
    fn parse(
        elf: &Elf<'data>,
        bytes: &'data [u8],
        addr: u64,
        layout: &'static PclnLayout,
    ) -> Option<Self> {
        let min_lc = *bytes.get(6)?;
        let nfunc = usize::try_from(u64_at(bytes, 8)?).ok()?;
        let word = |at: usize| usize::try_from(u64_at(bytes, at)?).ok();
        let text_start = match layout.text_start {
            Some(at) => Some(elf.word(ImageAddr(addr.checked_add(at as u64)?))?),
            None => None,
        };
        let (funcname, pctab, pcln, ftab, tables) = match layout.tables {
            None => (0, 0, 0, 16, None),
            Some(at) => {
                let offsets = [
                    word(at)?,
                    word(at + 8)?,
                    word(at + 16)?,
                    word(at + 24)?,
                    word(at + 32)?,
                ];
                if !offsets.is_sorted() || offsets.iter().any(|o| *o >= bytes.len()) {
                    return None;
                }
                let mut absolute = [0u64; 5];
                for (slot, offset) in absolute.iter_mut().zip(offsets) {
                    *slot = addr.checked_add(offset as u64)?;
                }
                let [funcname, _, _, pctab, pcln] = offsets;
                (funcname, pctab, pcln, pcln, Some(absolute))
            }
        };
        let end = ftab
            .checked_add(nfunc.checked_mul(layout.ftab_entry)?)?
            .checked_add(layout.ftab_entry / 2)?;
        if nfunc == 0 || end > bytes.len() {
            return None;
        }
        let this = Self {
            addr,
            layout,
            bytes,
            nfunc,
            min_lc,
            text_start,
            funcname,
            pctab,
            pcln,
            ftab,
            tables,
        };
        let name = this.name(this.record(elf, 0)?.name_off()?)?;
        (!name.is_empty() && name.bytes().all(|b| b >= b' ' && b != 0x7f)).then_some(this)
    }

    pub fn ftab_entry_size(&self) -> u64 {
        self.layout.ftab_entry as u64
    }

    pub fn ftab_addr(&self) -> u64 {
        self.addr.wrapping_add(self.ftab as u64)
    }

    pub fn format(&self) -> PclnFormat {
        self.layout.format
    }

    /// (entry, offset of the record) of the i-th function; the entry is relative to the text base in narrow formats.
    fn pair(&self, elf: &Elf<'_>, index: usize) -> Option<(u64, Option<u64>)> {
        let at = self
            .ftab
            .checked_add(index.checked_mul(self.layout.ftab_entry)?)?;
        if self.layout.ftab_entry == 16 {
            let entry = elf.word(ImageAddr(self.addr.checked_add(at as u64)?))?;
            Some((entry, u64_at(self.bytes, at.checked_add(8)?)))
        } else {
            Some((
                u64::from(u32_at(self.bytes, at)?),
                u32_at(self.bytes, at.checked_add(4)?).map(u64::from),
            ))
        }
    }

    /// Entry of the i-th function as the table has it, `i <= nfunc` (the last is the end).
    pub fn raw_entry(&self, elf: &Elf<'_>, index: usize) -> Option<u64> {
        (index <= self.nfunc)
            .then(|| self.pair(elf, index))
            .flatten()
            .map(|(entry, _)| entry)
    }

    pub fn record(&self, elf: &Elf<'_>, index: usize) -> Option<FuncRecord<'data>> {
        if index >= self.nfunc {
            return None;
        }
        let (_, offset) = self.pair(elf, index)?;
        let at = self.pcln.checked_add(usize::try_from(offset?).ok()?)?;
        Some(FuncRecord {
            bytes: self.bytes.get(at..)?,
            layout: &self.layout.func,
            addr: self.addr.checked_add(at as u64)?,
        })
    }

    pub fn name(&self, name_off: u32) -> Option<&'data str> {
        c_str(
            self.bytes
                .get(self.funcname.checked_add(name_off as usize)?..)?,
            NAME_MAX,
        )
    }

    /// Ranges of a pc-value table, from the function's entry; stops at damage.
    pub fn pc_values(&self, offset: u32, entry: u64) -> PcValues<'data> {
        let bytes = self
            .pctab
            .checked_add(offset as usize)
            .and_then(|at| self.bytes.get(at..))
            .unwrap_or_default();
        PcValues {
            reader: Reader::new(bytes),
            value: -1,
            pc: entry,
            first: true,
            min_lc: u64::from(self.min_lc),
        }
    }

    pub fn sp_ranges(&self, record: &FuncRecord<'_>, entry: u64) -> PcValues<'data> {
        match u32_at(record.bytes, record.layout.pcsp) {
            Some(offset) if offset != 0 => self.pc_values(offset, entry),
            _ => PcValues {
                reader: Reader::new(&[]),
                value: -1,
                pc: entry,
                first: true,
                min_lc: 1,
            },
        }
    }

    /// FUNCDATA: address of the data.
    pub fn funcdata(
        &self,
        elf: &Elf<'_>,
        record: &FuncRecord<'_>,
        index: usize,
        gofunc: Option<u64>,
    ) -> Option<ImageAddr> {
        let count = usize::from(*record.bytes.get(record.layout.nfuncdata)?);
        if index >= count {
            return None;
        }
        let after = record
            .layout
            .pcdata
            .checked_add(record.npcdata()?.checked_mul(4)?)?;
        if let Some(base) = gofunc {
            let offset = u32_at(record.bytes, after.checked_add(4 * index)?)?;
            return (offset != u32::MAX)
                .then(|| base.checked_add(u64::from(offset)).map(ImageAddr))?;
        }
        // pointers, aligned to 8 in memory
        let start = record.addr.checked_add(after as u64)?.checked_add(7)? & !7;
        elf.word(ImageAddr(start.checked_add(8 * index as u64)?))
            .filter(|a| *a != 0)
            .map(ImageAddr)
    }

    /// Inline tree entries of a function: name offsets and parent pcs.
    pub fn inline_tree(
        &self,
        elf: &Elf<'data>,
        record: &FuncRecord<'_>,
        entry: u64,
        minor: u32,
        gofunc: Option<u64>,
    ) -> Option<InlineTree<'data>> {
        let addr = self.funcdata(elf, record, funcdata_inltree(minor), gofunc)?;
        let pcdata = record.pcdata(PCDATA_INLTREE)?;
        let bytes = elf.bytes_from(addr)?;
        let (size, name, parent) = inline_entry(self.format());
        Some(InlineTree {
            bytes,
            size,
            name,
            parent,
            values: self.pc_values(pcdata, entry),
            entry,
        })
    }

    pub fn arg_info(
        &self,
        elf: &Elf<'_>,
        record: &FuncRecord<'_>,
        minor: u32,
        gofunc: Option<u64>,
    ) -> Option<Vec<ArgInfo>> {
        let addr = self.funcdata(elf, record, funcdata_arginfo(minor)?, gofunc)?;
        let mut reader = Reader::new(elf.bytes_from(addr)?);
        arg_list(&mut reader, 0).map(|(list, _)| list)
    }
}

/// Parses up to the closing byte (0xff at level 0, 0xfd below).
fn arg_list(reader: &mut Reader<'_>, level: u32) -> Option<(Vec<ArgInfo>, bool)> {
    let mut list = Vec::new();
    while list.len() < 64 {
        match reader.u8()? {
            0xff => return (level == 0).then_some((list, true)),
            0xfd => return (level > 0).then_some((list, true)),
            0xfe if level < 8 => list.push(ArgInfo::Aggregate(arg_list(reader, level + 1)?.0)),
            0xfe => return None,
            0xfc => list.push(ArgInfo::More),
            0xfb => {
                list.push(ArgInfo::OffsetTooLarge);
            }
            offset => list.push(ArgInfo::Scalar {
                offset: u32::from(offset),
                size: u32::from(reader.u8()?),
            }),
        }
    }
    None
}

/// Iterator over a pc-value table.
#[derive(Clone, Debug)]
pub struct PcValues<'data> {
    reader: Reader<'data>,
    value: i32,
    pc: u64,
    first: bool,
    min_lc: u64,
}

impl Iterator for PcValues<'_> {
    type Item = PcRange;

    fn next(&mut self) -> Option<PcRange> {
        let delta = self.reader.uvarint()?;
        if delta == 0 && !self.first {
            self.reader = Reader::new(&[]);
            return None;
        }
        self.first = false;
        let delta = u32::try_from(delta).ok()?;
        let delta = if delta & 1 != 0 {
            !(delta >> 1)
        } else {
            delta >> 1
        };
        self.value = self.value.wrapping_add(delta.cast_signed());
        let start = self.pc;
        self.pc = self
            .pc
            .checked_add(self.reader.uvarint()?.checked_mul(self.min_lc)?)?;
        Some(PcRange {
            start,
            end: self.pc,
            value: self.value,
        })
    }
}

/// Inline tree of one function.
#[derive(Debug)]
pub struct InlineTree<'data> {
    bytes: &'data [u8],
    size: usize,
    name: usize,
    parent: usize,
    values: PcValues<'data>,
    entry: u64,
}

impl InlineTree<'_> {
    /// Number of entries: one more than the largest index in PCDATA, as far as there are bytes for it. Each range read and each
    /// entry counted is taken from `budget`, so that damaged tables, which may all claim to be endless, end.
    pub fn len(&self, budget: &mut usize) -> usize {
        let mut most = 0;
        for range in self.values.clone() {
            let Some(left) = budget.checked_sub(1) else {
                break;
            };
            *budget = left;
            most = most.max(range.value.saturating_add(1));
        }
        let len = usize::try_from(most)
            .unwrap_or(0)
            .min(self.bytes.len() / self.size.max(1))
            .min(*budget);
        *budget -= len;
        len
    }

    pub fn name_off(&self, index: usize) -> Option<u32> {
        u32_at(
            self.bytes,
            index.checked_mul(self.size)?.checked_add(self.name)?,
        )
    }

    /// Name offsets of the frames inlined at a pc, innermost first.
    pub fn frames_at(&self, pc: u64) -> Vec<u32> {
        let mut frames = Vec::new();
        let mut at = pc;
        while frames.len() < 64 {
            let Some(range) = self.values.clone().find(|r| (r.start..r.end).contains(&at)) else {
                break;
            };
            let Ok(index) = usize::try_from(range.value) else {
                break;
            };
            let Some(name) = self.name_off(index) else {
                break;
            };
            frames.push(name);
            let parent = index
                .checked_mul(self.size)
                .and_then(|i| i32_at(self.bytes, i.checked_add(self.parent)?));
            match parent
                .and_then(|p| u64::try_from(p).ok())
                .and_then(|p| self.entry.checked_add(p))
            {
                Some(next) => at = next,
                None => break,
            }
        }
        frames
    }
}

/// The error when nothing fits: names what was found and what is known.
pub fn no_table(elf: &Elf<'_>, unknown: &[(u64, u32)]) -> Error {
    let known = PCLN_LAYOUTS
        .iter()
        .map(|l| format!("0x{:x} {}", l.magic, l.releases))
        .collect::<Vec<_>>()
        .join(", ");
    match unknown.first() {
        Some((addr, magic))
            if elf.segments.iter().any(|s| {
                !s.executable && (s.vaddr..s.vaddr.saturating_add(s.memsz)).contains(addr)
            }) =>
        {
            Error::Pclntab {
                addr: format!("0x{addr:x}"),
                what: format!("unknown magic 0x{magic:x} (known: {known})"),
            }
        }
        _ => Error::NotGo {
            searched: elf.segments.iter().map(|s| s.filesz).sum(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pc_value_table() {
        // value -1+1=0 for 4 bytes, +56 for 10, -56 for 1, end
        let values = PcValues {
            reader: Reader::new(&[2, 4, 112, 10, 111, 1, 0]),
            value: -1,
            pc: 100,
            first: true,
            min_lc: 1,
        };
        let got: Vec<(u64, u64, i32)> = values.map(|r| (r.start, r.end, r.value)).collect();
        assert_eq!(got, [(100, 104, 0), (104, 114, 56), (114, 115, 0)]);
    }

    #[test]
    fn arg_info_nesting() {
        let mut reader = Reader::new(&[0, 8, 0xfe, 8, 8, 16, 8, 0xfd, 0xfc, 0xff]);
        let (list, _) = arg_list(&mut reader, 0).expect("well formed");
        assert_eq!(
            list,
            [
                ArgInfo::Scalar { offset: 0, size: 8 },
                ArgInfo::Aggregate(vec![
                    ArgInfo::Scalar { offset: 8, size: 8 },
                    ArgInfo::Scalar {
                        offset: 16,
                        size: 8
                    }
                ]),
                ArgInfo::More
            ]
        );
        assert!(
            arg_list(&mut Reader::new(&[0xfe; 40]), 0).is_none(),
            "too deep or cut"
        );
    }
}

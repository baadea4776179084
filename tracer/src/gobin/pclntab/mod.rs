//! pclntab: function table, names, pc-value tables, inline trees, argument info.

mod arginfo;
mod values;

use super::elf::Elf;
use super::error::Error;
use super::layout::{
    FuncLayout, PCDATA_INLTREE, PCDATA_UNSAFE_POINT, PCLN_LAYOUTS, PclnFormat, PclnLayout,
    funcdata_arginfo, funcdata_inltree, inline_entry,
};
use super::model::ArgInfo;
use super::reader::{c_str, u32_at, u64_at};
use crate::addr::ImageAddr;
use values::{InlineTree, PcValues};

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

/// What looks like a header. The magic also occurs in code, so they are only candidates.
#[derive(Debug)]
pub enum Header<'data> {
    /// Of a known layout.
    Table(Pclntab<'data>),
    /// Address and magic of one of an unknown layout.
    Unknown(u64, u32),
}

/// Candidates for pclntab headers, segment by segment: the last one first, because the tables
/// follow the code, and pages that are never looked at are never read.
pub fn candidates<'e, 'data>(
    elf: &'e Elf<'data>,
) -> impl Iterator<Item = Header<'data>> + use<'e, 'data> {
    let segments = elf.segments.iter().rev();
    segments.flat_map(|segment| candidates_in(elf, segment.vaddr))
}

fn candidates_in<'e, 'data>(
    elf: &'e Elf<'data>,
    vaddr: ImageAddr,
) -> impl Iterator<Item = Header<'data>> + use<'e, 'data> {
    let pattern = elf.arch.properties().pclntab;
    let bytes = elf.bytes_from(vaddr).unwrap_or_default();
    elf.pages.occurrences(bytes, pattern).filter_map(move |at| {
        let start = at.checked_sub(1)?;
        let addr = vaddr.checked_add(start as u64)?.0;
        let magic = u32_at(bytes, start)?;
        match PCLN_LAYOUTS.iter().find(|l| l.magic == magic) {
            Some(layout) => {
                Pclntab::parse(elf, bytes.get(start..)?, addr, layout).map(Header::Table)
            }
            // other programs have such bytes too, and code that looks for the magic holds it
            None => (addr % 8 == 0 && bytes.get(start..).is_some_and(is_header_like))
                .then_some(Header::Unknown(addr, magic)),
        }
    })
}

/// Whether what follows a magic that is not known are a count and ascending offsets, as in the
/// newest header that is.
fn is_header_like(header: &[u8]) -> bool {
    let Some(at) = PCLN_LAYOUTS.last().and_then(|l| l.tables) else {
        return false;
    };
    let offsets: Option<Vec<u64>> = (0..5).map(|i| u64_at(header, at + 8 * i)).collect();
    let counted = u64_at(header, 8).is_some_and(|n| n > 0 && n < header.len() as u64);
    let inside = |o: &u64| *o > 0 && *o < header.len() as u64;
    counted && offsets.is_some_and(|o| o.is_sorted() && o.iter().all(inside))
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

    /// Whether the function table is in order, and some of the records say the entry that it says.
    pub fn check(&self, elf: &Elf<'_>) -> Result<(), String> {
        let mut last = None;
        for index in 0..=self.nfunc {
            let entry = self.raw_entry(elf, index);
            if entry.is_none() || entry < last || (entry == last && index < self.nfunc) {
                let shown = |e: Option<u64>| e.map_or("none".into(), |e| format!("0x{e:x}"));
                return Err(format!(
                    "function table: entry {index} is {}, the one before {}",
                    shown(entry),
                    shown(last)
                ));
            }
            last = entry;
        }
        for index in [0, self.nfunc / 2, self.nfunc - 1] {
            let said = self.raw_entry(elf, index);
            let own = self.record(elf, index).and_then(|r| {
                if self.layout.func.wide_entry {
                    elf.word(ImageAddr(r.addr))
                } else {
                    u32_at(r.bytes, 0).map(u64::from)
                }
            });
            if own != said {
                return Err(format!(
                    "function record {index} has entry 0x{:x} (0x{:x} by the function table)",
                    own.unwrap_or(0),
                    said.unwrap_or(0)
                ));
            }
        }
        Ok(())
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

    /// (entry, offset of the record) of the i-th function; the entry is relative to the text base
    /// in narrow formats.
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
        PcValues::new(bytes, entry, self.min_lc)
    }

    pub fn sp_ranges(&self, record: &FuncRecord<'_>, entry: u64) -> PcValues<'data> {
        match u32_at(record.bytes, record.layout.pcsp) {
            Some(offset) if offset != 0 => self.pc_values(offset, entry),
            _ => PcValues::new(&[], entry, self.min_lc),
        }
    }

    /// PCDATA_UnsafePoint of a function.
    pub fn unsafe_points(&self, record: &FuncRecord<'_>, entry: u64) -> PcValues<'data> {
        match record.pcdata(PCDATA_UNSAFE_POINT) {
            Some(offset) => self.pc_values(offset, entry),
            None => PcValues::new(&[], entry, self.min_lc),
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

    /// Where the inline tree of a function begins.
    pub fn inline_tree_addr(
        &self,
        elf: &Elf<'_>,
        record: &FuncRecord<'_>,
        minor: u32,
        gofunc: Option<u64>,
    ) -> Option<ImageAddr> {
        self.funcdata(elf, record, funcdata_inltree(minor), gofunc)
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
        let addr = self.inline_tree_addr(elf, record, minor, gofunc)?;
        let pcdata = record.pcdata(PCDATA_INLTREE)?;
        let bytes = elf.bytes_from(addr)?;
        let values = self.pc_values(pcdata, entry);
        Some(InlineTree::new(
            bytes,
            inline_entry(self.format()),
            values,
            entry,
        ))
    }

    pub fn arg_info(
        &self,
        elf: &Elf<'_>,
        record: &FuncRecord<'_>,
        minor: u32,
        gofunc: Option<u64>,
    ) -> Option<Vec<ArgInfo>> {
        let addr = self.funcdata(elf, record, funcdata_arginfo(minor)?, gofunc)?;
        arginfo::read(elf.bytes_from(addr)?)
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
        Some((addr, magic)) => Error::Pclntab {
            addr: format!("0x{addr:x}"),
            what: format!("unknown magic 0x{magic:x} (known: {known})"),
        },
        None => Error::NotGo {
            searched: elf.segments.iter().map(|s| s.filesz).sum(),
        },
    }
}

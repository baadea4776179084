//! The units of `.debug_info`: which are Go's, and their abbreviations.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAddrBase, DebugInfo, DebugInfoOffset,
    DebugLocListsBase, DebugRngListsBase, DebugStrOffsetsBase, Format, UnitOffset,
};

use super::sections::Sections;
use super::{Dwarf, Entry, Slice, err, section};
use crate::gobin::error::Error;
use crate::gobin::reader::Reader;

const MOST_UNITS: usize = 1 << 16;
/// Largest table of abbreviations; Go's has about 3 KiB.
const MOST_ABBREVIATIONS: usize = 256 << 10;
/// Bytes of abbreviation tables parsed in all: tables may overlap in a damaged file.
const MOST_PARSED: usize = 16 << 20;

/// What is kept of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    pub start: usize,
    pub end: usize,
    go: bool,
    version: u16,
    low_pc: u64,
    addr_base: usize,
    loclists_base: usize,
}

/// All units, by offset.
#[derive(Debug)]
pub struct Units {
    all: Vec<Unit>,
    /// Tables of the Go units, by offset in `.debug_abbrev`.
    abbreviations: HashMap<usize, Arc<Abbreviations>>,
}

impl Units {
    pub fn read(sections: &Sections<'_>) -> Result<Self, Error> {
        let info = DebugInfo::from(section(sections, ".debug_info")?);
        let abbrev = section(sections, ".debug_abbrev")?;
        let mut tables = Tables::default();
        let mut this = Self {
            all: Vec::new(),
            abbreviations: HashMap::new(),
        };
        let mut headers = info.units();
        while let Some(header) = headers
            .next()
            .map_err(|e| err(this.end(), format!("unit header: {e}")))?
        {
            let start = header.debug_info_offset().map_or(0, |o| o.0);
            if this.all.len() >= MOST_UNITS {
                return Err(err(start, format!("more than {MOST_UNITS} units")));
            }
            let mut unit = Unit {
                start,
                end: start.saturating_add(header.length_including_self()),
                go: false,
                version: header.version(),
                low_pc: 0,
                addr_base: 0,
                loclists_base: 0,
            };
            let at = header.debug_abbrev_offset().0;
            // Go writes 32-bit DWARF on every architecture that is read here
            if header.encoding().format == Format::Dwarf32
                && header.encoding().address_size == 8
                && let Some(table) = tables.get(abbrev, at)?
            {
                let root = header
                    .entry(&table, header.root_offset())
                    .map_err(|e| err(start, format!("unit: {e}")))?;
                unit.read_root(sections, &root)?;
                if unit.go {
                    this.abbreviations.insert(at, table);
                }
            }
            this.all.push(unit);
        }
        Ok(this)
    }

    fn end(&self) -> usize {
        self.all.last().map_or(0, |u| u.end)
    }

    pub fn has_go(&self) -> bool {
        self.all.iter().any(|u| u.go)
    }

    pub fn version(&self) -> u16 {
        self.go_units().map(|u| u.version).max().unwrap_or(0)
    }

    pub fn go_units(&self) -> impl Iterator<Item = Unit> + '_ {
        self.all.iter().filter(|u| u.go).copied()
    }
}

impl Unit {
    fn read_root(&mut self, sections: &Sections<'_>, root: &Entry<'_>) -> Result<(), Error> {
        let producer = match root.attr_value(gimli::DW_AT_producer) {
            Some(AttributeValue::String(text)) => text,
            Some(AttributeValue::DebugStrRef(at)) => {
                gimli::DebugStr::from(section(sections, ".debug_str")?)
                    .get_str(at)
                    .unwrap_or_default()
            }
            _ => Slice::default(),
        };
        self.go = producer.slice().starts_with(b"Go cmd/compile");
        if let Some(AttributeValue::Addr(addr)) = root.attr_value(gimli::DW_AT_low_pc) {
            self.low_pc = addr;
        }
        if let Some(AttributeValue::DebugAddrBase(base)) = root.attr_value(gimli::DW_AT_addr_base) {
            self.addr_base = base.0;
        }
        if let Some(AttributeValue::DebugLocListsBase(base)) =
            root.attr_value(gimli::DW_AT_loclists_base)
        {
            self.loclists_base = base.0;
        }
        Ok(())
    }
}

/// A unit with what gimli needs to read its entries.
pub type OpenUnit<'a> = gimli::Unit<Slice<'a>>;

impl Dwarf<'_> {
    /// The Go unit that contains an offset of `.debug_info`.
    pub fn unit_of(&self, offset: usize) -> Result<OpenUnit<'_>, Error> {
        let at = self.units.all.partition_point(|u| u.start <= offset);
        let unit = at
            .checked_sub(1)
            .and_then(|i| self.units.all.get(i))
            .filter(|u| u.go && offset < u.end)
            .ok_or_else(|| err(offset, "no Go unit there"))?;
        self.open_unit(*unit)
    }

    pub fn open_unit(&self, unit: Unit) -> Result<OpenUnit<'_>, Error> {
        let header = DebugInfo::from(self.section(".debug_info")?)
            .header_from_offset(DebugInfoOffset(unit.start))
            .map_err(|e| err(unit.start, format!("unit header: {e}")))?;
        let abbreviations = self
            .units
            .abbreviations
            .get(&header.debug_abbrev_offset().0)
            .cloned()
            .ok_or_else(|| err(unit.start, "no abbreviations"))?;
        Ok(gimli::Unit {
            header,
            abbreviations,
            name: None,
            comp_dir: None,
            low_pc: unit.low_pc,
            str_offsets_base: DebugStrOffsetsBase(0),
            addr_base: DebugAddrBase(unit.addr_base),
            loclists_base: DebugLocListsBase(unit.loclists_base),
            rnglists_base: DebugRngListsBase(0),
            line_program: None,
            dwo_id: None,
        })
    }

    /// The entry at an offset of `.debug_info`, with its unit.
    pub fn entry(&self, offset: usize) -> Result<(OpenUnit<'_>, Entry<'_>), Error> {
        let unit = self.unit_of(offset)?;
        let entry = unit
            .entry(within(&unit, offset)?)
            .map_err(|e| err(offset, e.to_string()))?;
        Ok((unit, entry))
    }

    /// Address of an attribute, in place or through `.debug_addr` (DWARF 5).
    pub fn address(&self, unit: &OpenUnit<'_>, value: AttributeValue<Slice<'_>>) -> Option<u64> {
        match value {
            AttributeValue::Addr(addr) => Some(addr),
            AttributeValue::DebugAddrIndex(index) => {
                let at = index
                    .0
                    .checked_mul(8)
                    .and_then(|at| at.checked_add(unit.addr_base.0))?;
                crate::gobin::reader::u64_at(self.section(".debug_addr").ok()?.slice(), at)
            }
            _ => None,
        }
    }
}

/// Offset within a unit.
pub fn within(unit: &OpenUnit<'_>, offset: usize) -> Result<UnitOffset, Error> {
    DebugInfoOffset(offset)
        .to_unit_offset(&unit.header)
        .ok_or_else(|| err(offset, "outside its unit"))
}

/// Where a reference leads, as an offset of `.debug_info`.
pub fn target(unit: &OpenUnit<'_>, value: AttributeValue<Slice<'_>>) -> Option<usize> {
    match value {
        AttributeValue::DebugInfoRef(at) => Some(at.0),
        AttributeValue::UnitRef(at) => Some(at.to_debug_info_offset(&unit.header)?.0),
        _ => None,
    }
}

/// Abbreviation tables while units are listed.
#[derive(Default)]
struct Tables {
    parsed: usize,
    last: Option<(usize, Arc<Abbreviations>)>,
}

impl Tables {
    /// `None`: too large to be Go's.
    fn get(&mut self, abbrev: Slice<'_>, at: usize) -> Result<Option<Arc<Abbreviations>>, Error> {
        if let Some((known, table)) = &self.last
            && *known == at
        {
            return Ok(Some(Arc::clone(table)));
        }
        let bytes = abbrev.slice().get(at..).unwrap_or_default();
        let Some(len) = table_len(bytes.get(..MOST_ABBREVIATIONS).unwrap_or(bytes)) else {
            return Ok(None);
        };
        self.parsed = self.parsed.saturating_add(len);
        if self.parsed > MOST_PARSED {
            return Err(err(at, "abbreviation tables overlap"));
        }
        let table = DebugAbbrev::from(abbrev)
            .abbreviations(gimli::DebugAbbrevOffset(at))
            .map(Arc::new)
            .map_err(|e| err(at, format!("abbreviations: {e}")))?;
        self.last = Some((at, Arc::clone(&table)));
        Ok(Some(table))
    }
}

/// Bytes of a table up to its end mark.
fn table_len(bytes: &[u8]) -> Option<usize> {
    const IMPLICIT_CONST: u64 = 0x21;
    let mut reader = Reader::new(bytes);
    while reader.uvarint()? != 0 {
        reader.uvarint()?;
        reader.u8()?;
        loop {
            let (name, form) = (reader.uvarint()?, reader.uvarint()?);
            if form == IMPLICIT_CONST {
                reader.uvarint()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
    }
    Some(bytes.len().saturating_sub(reader.left()))
}

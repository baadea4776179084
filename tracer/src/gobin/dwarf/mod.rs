//! Go's DWARF (versions 4 and 5), where a binary has it: types, and parameters with names, types
//! and places.
//!
//! Only units of Go's compiler count: cgo programs carry C units too, and a stripped daemon may
//! carry nothing else. Sections are read when they are first needed, entries one at a time; what is
//! kept is an index of a few words per function and type. `DW_AT_go_runtime_type` names a type's
//! runtime descriptor, so both sources share one identity.
//!
//! Sources: `cmd/internal/dwarf/dwarf.go`, `cmd/link/internal/ld/dwarf.go` (Go 1.13 to 1.27).

mod functions;
mod index;
mod location;
mod sections;
mod types;
mod units;

use std::cell::OnceCell;

use gimli::{DwAt, EndianSlice, LittleEndian};

pub use functions::{DwarfFunction, DwarfParam};
pub use location::{EntryPiece, EntryPlace};

use super::error::Error;

use index::Index;
use sections::Sections;
use units::Units;

/// Attributes of Go's toolchain.
const GO_KIND: DwAt = DwAt(0x2900);
const GO_KEY: DwAt = DwAt(0x2901);
const GO_ELEM: DwAt = DwAt(0x2902);
const GO_EMBEDDED: DwAt = DwAt(0x2903);
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

/// The debugging information of Go's compiler.
#[derive(Debug)]
pub struct Dwarf<'data> {
    sections: Sections<'data>,
    units: Units,

    /// `moduledata.types`, `etypes`.
    types: (u64, u64),
    index: OnceCell<Result<Index, Error>>,
}

fn err(offset: usize, what: impl Into<String>) -> Error {
    Error::At {
        region: "DWARF",
        addr: offset as u64,
        what: what.into(),
    }
}

impl<'data> Dwarf<'data> {
    /// `None`: no unit of Go's compiler.
    ///
    /// # Errors
    /// Unit headers or abbreviations cannot be read.
    pub fn open(data: &'data [u8], types: (u64, u64)) -> Result<Option<Self>, Error> {
        let sections = Sections::find(data);
        if !sections.has(".debug_info") {
            return Ok(None);
        }
        let units = Units::read(&sections)?;
        Ok(units.has_go().then(|| Self {
            sections,
            units,

            types,
            index: OnceCell::new(),
        }))
    }

    /// DWARF version of the Go units.
    pub fn version(&self) -> u16 {
        self.units.version()
    }

    pub fn units(&self) -> usize {
        self.units.go_units().count()
    }

    fn index(&self) -> Result<&Index, Error> {
        self.index
            .get_or_init(|| Index::build(self))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn section(&self, name: &str) -> Result<Slice<'_>, Error> {
        section(&self.sections, name)
    }
}

fn section<'a>(sections: &'a Sections<'_>, name: &str) -> Result<Slice<'a>, Error> {
    sections
        .bytes(name)
        .map(|bytes| EndianSlice::new(bytes, LittleEndian))
        .map_err(|what| err(0, what))
}

/// Text of an attribute that stands in the entry itself, as Go writes all of them, or in
/// `.debug_str`.
fn text<'a>(dwarf: &'a Dwarf<'_>, entry: &Entry<'a>, name: DwAt) -> Option<&'a str> {
    let bytes = match entry.attr_value(name)? {
        gimli::AttributeValue::String(text) => text,
        gimli::AttributeValue::DebugStrRef(at) => {
            gimli::DebugStr::from(dwarf.section(".debug_str").ok()?)
                .get_str(at)
                .ok()?
        }
        _ => return None,
    };
    std::str::from_utf8(bytes.slice()).ok()
}

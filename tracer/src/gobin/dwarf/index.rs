//! Where functions and types lie in `.debug_info`: one pass, a few words each.

use std::hash::{DefaultHasher, Hash, Hasher};

use gimli::AttributeValue;

use super::{Dwarf, Entry, GO_KIND, GO_RUNTIME_TYPE, err, text};
use crate::gobin::error::Error;

/// The one type whose `DW_AT_go_runtime_type` is an address where all others count from the type
/// region (`cmd/link/internal/ld/dwarf.go: dwarfGenerateDebugInfo`, seen in Go 1.15).
const UINTPTR: &str = "uintptr";
/// Most functions, and most types, that are indexed.
const MOST: usize = 1 << 20;

/// Sorted tables of (key, offset in `.debug_info`).
#[derive(Debug, Default)]
pub struct Index {
    /// By entry address.
    functions: Vec<(u64, u32)>,
    /// By the address of the descriptor.
    described: Vec<(u64, u32)>,
    /// By hash of the full name.
    named: Vec<(u64, u32)>,
    /// `moduledata.types`, `etypes`.
    types: (u64, u64),
    /// `DW_AT_go_runtime_type` counts from the first of these; else it is an address.
    from_types: bool,
}

impl Index {
    pub fn build(dwarf: &Dwarf<'_>) -> Result<Self, Error> {
        let mut this = Self {
            types: dwarf.types,
            ..Self::default()
        };
        let mut entry = Entry::null();
        let mut uintptr = None;
        for unit in dwarf.units.go_units() {
            let open = dwarf.open_unit(unit)?;
            let damaged = |e: gimli::Error| err(unit.start, format!("unit: {e}"));
            let mut entries = open.entries_raw(None).map_err(damaged)?;
            while !entries.is_empty() {
                let offset = entries.next_offset().to_debug_info_offset(&open.header);
                // functions and types are children of the unit
                if entries.next_depth() != 1 {
                    if let Some(abbreviation) = entries.read_abbreviation().map_err(damaged)? {
                        entries
                            .skip_attributes(abbreviation.attributes())
                            .map_err(damaged)?;
                    }
                    continue;
                }
                if !entries.read_entry(&mut entry).map_err(damaged)? {
                    continue;
                }
                let Some(offset) = offset.and_then(|o| u32::try_from(o.0).ok()) else {
                    return Err(err(unit.start, "beyond 4 GiB"));
                };
                if entry.tag() == gimli::DW_TAG_subprogram {
                    let low = entry.attr_value(gimli::DW_AT_low_pc);
                    if let Some(low) = low.and_then(|v| dwarf.address(&open, v)) {
                        this.functions.push((low, offset));
                    }
                } else if entry.has_attr(GO_KIND) || entry.has_attr(GO_RUNTIME_TYPE) {
                    if let Some(at) = runtime_type(&entry) {
                        this.described.push((at, offset));
                    }
                    if let Some(name) = text(dwarf, &entry, gimli::DW_AT_name) {
                        this.named.push((hash(name), offset));
                        if name == UINTPTR {
                            uintptr = Some(offset);
                        }
                    }
                }
                if this.functions.len().max(this.named.len()) > MOST {
                    return Err(err(
                        unit.start,
                        format!("more than {MOST} functions or types"),
                    ));
                }
            }
        }
        let (types, etypes) = this.types;
        let offsets = this.described.iter();
        let offsets = offsets.filter(|(at, _)| *at < etypes.saturating_sub(types));
        this.from_types = offsets.count() * 2 > this.described.len();
        let described: Vec<(u64, u32)> = this
            .described
            .iter()
            .filter_map(|(at, offset)| {
                let addr = this.address_of(*at, uintptr == Some(*offset))?;
                Some((addr, *offset))
            })
            .collect();
        this.described = described;
        for table in [&mut this.functions, &mut this.described, &mut this.named] {
            table.sort_unstable();
            table.shrink_to_fit();
        }
        Ok(this)
    }

    /// Entry of the function that starts at an address.
    pub fn function(&self, entry: u64) -> Option<usize> {
        lookup(&self.functions, entry).next()
    }

    /// Entries of types of that full name (several: the hash of another one may be equal).
    pub fn named(&self, name: &str) -> impl Iterator<Item = usize> + '_ {
        lookup(&self.named, hash(name))
    }

    pub fn types(&self) -> impl Iterator<Item = usize> + '_ {
        self.named.iter().map(|(_, at)| *at as usize)
    }

    /// Entry of the type whose descriptor lies at an address.
    pub fn described(&self, descriptor: u64) -> Option<usize> {
        lookup(&self.described, descriptor).next()
    }

    /// Address of the descriptor that an entry names.
    pub fn descriptor<'a>(&self, dwarf: &'a Dwarf<'_>, entry: &Entry<'a>) -> Option<u64> {
        let at = runtime_type(entry)?;
        let name = text(dwarf, entry, gimli::DW_AT_name);
        self.address_of(at, name == Some(UINTPTR))
    }

    fn address_of(&self, at: u64, uintptr: bool) -> Option<u64> {
        let (types, etypes) = self.types;
        let address = (types..etypes).contains(&at).then_some(at);
        if !self.from_types || uintptr && address.is_some() {
            return address;
        }
        types
            .checked_add(at)
            .filter(|addr| *addr < etypes)
            .or(address)
    }
}

fn lookup(table: &[(u64, u32)], key: u64) -> impl Iterator<Item = usize> + '_ {
    let start = table.partition_point(|(k, _)| *k < key);
    table
        .iter()
        .skip(start)
        .take_while(move |(k, _)| *k == key)
        .map(|(_, at)| *at as usize)
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Value of `DW_AT_go_runtime_type`; 0 means that the type has no descriptor.
fn runtime_type(entry: &Entry<'_>) -> Option<u64> {
    match entry.attr_value(GO_RUNTIME_TYPE)? {
        AttributeValue::Addr(at) => Some(at),
        value => value.udata_value(),
    }
    .filter(|at| *at != 0)
}

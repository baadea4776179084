//! Functions: parameters and results with names, types and places.

use std::collections::BTreeSet;

use super::location::EntryPlace;
use super::units::{OpenUnit, target, within};
use super::{Dwarf, Entry, err, text};
use crate::gobin::error::Error;
use crate::gobin::model::TypeId;

/// Most parameters and results of a function.
const MOST_PARAMS: usize = 1 << 10;

/// A function as DWARF describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DwarfFunction {
    pub name: String,
    pub entry: u64,
    /// Parameters and results in their order; the receiver first.
    pub params: Vec<DwarfParam>,
    /// Compiler-made wrapper (`DW_AT_trampoline`); its parameters are not all listed.
    pub wrapper: bool,
}

/// A parameter or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DwarfParam {
    /// As in the source; `~p0`, `~r0` where there is none, `.dict` for the dictionary of generic
    /// code.
    pub name: String,
    pub ty: TypeId,
    pub result: bool,
    pub at_entry: EntryPlace,
}

impl Dwarf<'_> {
    /// The function that starts at `pc`; `None`: not described.
    ///
    /// # Errors
    /// Its entries are damaged.
    pub fn function(&self, pc: u64) -> Result<Option<DwarfFunction>, Error> {
        match self.index()?.function(pc) {
            Some(at) => self.function_at(at, pc).map(Some),
            None => Ok(None),
        }
    }

    fn function_at(&self, at: usize, pc: u64) -> Result<DwarfFunction, Error> {
        let (unit, entry) = self.entry(at)?;
        // code of a function that is inlined elsewhere refers to an abstract one, with names and
        // types
        let origin = entry
            .attr_value(gimli::DW_AT_abstract_origin)
            .and_then(|v| target(&unit, v));
        let mut params = self.params(&unit, at, Some(pc))?;
        let mut name = text(self, &entry, gimli::DW_AT_name).map(str::to_owned);
        if let Some(origin) = origin {
            let (unit, entry) = self.entry(origin)?;
            name = name.or_else(|| text(self, &entry, gimli::DW_AT_name).map(str::to_owned));
            let places = params;
            params = self.params(&unit, origin, None)?;
            for (at, place) in places {
                match params.iter_mut().find(|(own, _)| *own == at) {
                    Some((_, known)) => known.at_entry = place.at_entry,
                    None => params.push((at, place)),
                }
            }
        }
        // the compiler lists some results twice, e.g. where one is merged with a variable
        let mut seen = BTreeSet::new();
        params.retain(|(_, p)| p.name == "_" || seen.insert((p.name.clone(), p.result)));
        Ok(DwarfFunction {
            name: name.ok_or_else(|| err(at, "a function without a name"))?,
            entry: pc,
            params: params.into_iter().map(|(_, p)| p).collect(),
            wrapper: entry.has_attr(gimli::DW_AT_trampoline),
        })
    }

    /// Parameters of the function at an offset, each with the offset of the entry that names it.
    fn params<'a>(
        &'a self,
        unit: &OpenUnit<'a>,
        function: usize,
        pc: Option<u64>,
    ) -> Result<Vec<(usize, DwarfParam)>, Error> {
        let damaged = |e: gimli::Error| err(function, format!("function: {e}"));
        let mut entries = unit
            .entries_at_offset(within(unit, function)?)
            .map_err(damaged)?;
        let mut found = Vec::new();
        entries.next_dfs().map_err(damaged)?;
        while let Some(entry) = entries.next_dfs().map_err(damaged)? {
            if entry.depth() <= 0 {
                break;
            }
            if entry.depth() != 1 || entry.tag() != gimli::DW_TAG_formal_parameter {
                continue;
            }
            if found.len() >= MOST_PARAMS {
                return Err(err(function, "too many parameters"));
            }
            let at_entry = match pc {
                Some(pc) => self.place_at(unit, entry, pc)?,
                None => EntryPlace::Unlisted,
            };
            let origin = entry
                .attr_value(gimli::DW_AT_abstract_origin)
                .and_then(|v| target(unit, v));
            let (at, param) = match origin {
                Some(origin) => {
                    let (unit, entry) = self.entry(origin)?;
                    (origin, self.param(&unit, &entry, at_entry)?)
                }
                None => (
                    entry
                        .offset()
                        .to_debug_info_offset(&unit.header)
                        .map_or(0, |o| o.0),
                    self.param(unit, entry, at_entry)?,
                ),
            };
            found.push((at, param));
        }
        Ok(found)
    }

    fn param<'a>(
        &'a self,
        unit: &OpenUnit<'a>,
        entry: &Entry<'a>,
        at_entry: EntryPlace,
    ) -> Result<DwarfParam, Error> {
        let at = entry.offset().0;
        let ty = entry
            .attr_value(gimli::DW_AT_type)
            .and_then(|v| target(unit, v))
            .ok_or_else(|| err(at, "a parameter without a type"))?;
        Ok(DwarfParam {
            name: text(self, entry, gimli::DW_AT_name)
                .unwrap_or_default()
                .to_owned(),
            ty: self.type_id(ty)?,
            result: matches!(
                entry.attr_value(gimli::DW_AT_variable_parameter),
                Some(gimli::AttributeValue::Flag(true))
            ),
            at_entry,
        })
    }
}

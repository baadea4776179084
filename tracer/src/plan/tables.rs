//! Tables of dynamic types that a plan has so far, and those that found no room in it.

use std::collections::{BTreeMap, HashMap};

use tracer_ebpf::wire::limits::MAX_DYNTYPES;

use super::issue::{Issue, Shortcoming};
use super::policy::Policy;
use crate::gobin::{GoBinary, TypeId};
use crate::moby::references;

/// Dynamic types of one plan.
pub const MOST_TYPES: usize = MAX_DYNTYPES as usize;
/// Types that an empty interface is followed into.
const ANY: &[&str] = &[
    "bool",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintptr",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "string",
    "[]uint8",
    "[]int",
    "[]string",
    "[]interface {}",
    "map[string]string",
    "map[string]interface {}",
    "map[string]bool",
    "map[string]struct {}",
    "time.Time",
    "time.Duration",
    "encoding/json.Number",
];

/// Tables made so far.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub(super) made: HashMap<(Option<TypeId>, Policy), u32>,
    any: Option<Vec<TypeId>>,
    channel: Option<Option<TypeId>>,
    count: u32,
    /// Types of which the name is all that is shown.
    pub(super) named: HashMap<(TypeId, Room), u32>,
    /// Names of the interfaces whose types found no room at all, and how many.
    pub(super) beyond: BTreeMap<String, usize>,
}

/// Why the name of a dynamic type is all that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// It has too many values.
    Large,
    /// The plan has no room for more.
    Full,
}

impl Tables {
    /// What the user must know of the types that found no room.
    pub fn issue(&self) -> Option<Issue> {
        let count: usize = self.beyond.values().sum();
        (count > 0).then(|| {
            Issue::of_binary(Shortcoming::TooManyTypes {
                count,
                interfaces: self.beyond.keys().cloned().collect(),
                room: MOST_TYPES,
            })
        })
    }

    /// Number of a further table; 0 is none.
    pub fn next(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    /// Types that an empty interface is followed into, as far as the binary lists them.
    pub fn any(&mut self, binary: &GoBinary<'_>) -> Vec<TypeId> {
        self.any
            .get_or_insert_with(|| binary.listed_types(ANY))
            .clone()
    }

    /// `runtime.hchan`, if it is described.
    pub fn channel(&mut self, binary: &GoBinary<'_>) -> Option<TypeId> {
        *self
            .channel
            .get_or_insert_with(|| binary.listed_types(&["runtime.hchan"]).first().copied())
    }
}

/// Whether an interface stands for the name of an image (distribution/reference).
pub fn is_reference(name: &str) -> bool {
    let package = name.rsplit_once("/vendor/").map_or(name, |(_, own)| own);
    references::PACKAGES.iter().any(|path| {
        package
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

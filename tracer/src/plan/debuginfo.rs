//! DWARF beside the calling convention: a function's signature from its debugging information, and
//! whether its places at entry are the ones that the convention gives.

use std::collections::BTreeMap;

use super::abi::{self, Abi, Placement};
use super::candidate::{Candidate, DICTIONARY, TypeRef};
use super::schema::{PlaceKind, SignatureSource};
use super::{methods, record, text};
use crate::gobin::symbol::{Symbol, with_type_arguments};
use crate::gobin::{
    Arch, DwarfFunction, DwarfParam, EntryPiece, EntryPlace, Error, FuncInfo, GoBinary, TypeKind,
};

/// The signature that DWARF gives, with the names of its parameters; `None`: it gives none that can
/// be relied on.
///
/// # Errors
/// The DWARF is damaged.
pub fn candidate(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
) -> Result<Option<(Candidate, Vec<String>)>, Error> {
    let Some(function) = described(binary, f)? else {
        return Ok(None);
    };
    // wrappers list only some of what they take; closures also take their context
    if function.wrapper || f.wrapper || f.assembly || !is_name_of(&function.name, &f.name) {
        return Ok(None);
    }
    let receiver = receiver(binary, &function);
    if receiver == Receiver::Unlisted {
        return Ok(None);
    }
    let (candidate, names) = signature(&function, receiver);
    let abi = convention(binary, f);
    let placement = abi::place(abi, binary, &candidate.params, &candidate.results)?;
    let sound = is_consistent(binary, abi, &function, &placement);
    Ok(sound.then_some((candidate, names)))
}

/// Whether the places that DWARF lists are those of the parameters that it lists, in their order. A
/// parameter without a name is not listed up to Go 1.21, and neither argument size nor argument
/// words need to tell.
fn is_consistent(
    binary: &GoBinary<'_>,
    abi: Abi,
    function: &DwarfFunction,
    own: &Placement,
) -> bool {
    if abi.is_stack() {
        is_order_certain(binary, function, own)
    } else {
        compare(binary, function, own).different.is_empty()
    }
}

/// Up to Go 1.16 parameters are listed by their places, those that the code has no use of anywhere
/// between (`cmd/compile/internal/gc/scope.go: varsByScopeAndOffset`, Go 1.15): the order is
/// certain where every place is listed.
fn is_order_certain(
    binary: &GoBinary<'_>,
    function: &DwarfFunction,
    placement: &Placement,
) -> bool {
    let parity = compare(binary, function, placement);
    let params = function.params.iter().filter(|p| !p.result);
    let results: Vec<&DwarfParam> = function.params.iter().filter(|p| p.result).collect();
    // results are rarely listed anywhere at the entry; `~r3` says which it is
    let number = |p: &DwarfParam| p.name.strip_prefix("~r")?.parse::<u32>().ok();
    let numbers: Option<Vec<u32>> = results.iter().map(|p| number(p)).collect();
    let results_certain = results.len() < 2
        || numbers.is_some_and(|list| list.windows(2).all(|two| two[0] + 1 == two[1]));
    parity.different.is_empty() && parity.same == params.count() && results_certain
}

/// Whether a name of DWARF is that of the symbol, which elides type arguments up to Go 1.20.
fn is_name_of(said: &str, symbol: &str) -> bool {
    said == symbol || symbol.contains("[...]") && with_type_arguments(said, "[...]") == symbol
}

/// The function as DWARF describes it, with the dictionary that generic code takes and DWARF does
/// not list.
fn described(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<Option<DwarfFunction>, Error> {
    let Some(mut function) = binary.dwarf_function(f)? else {
        return Ok(None);
    };
    let listed = function.params.iter().any(|p| p.name == DICTIONARY);
    if let Some(at) = dictionary_at(&function.name, binary.version().minor)
        && !listed
        && let Some(ty) = binary.types_named("uintptr")?.first()
    {
        let dictionary = DwarfParam {
            name: DICTIONARY.to_owned(),
            ty: *ty,
            result: false,
            at_entry: EntryPlace::Unlisted,
        };
        function
            .params
            .insert(at.min(function.params.len()), dictionary);
    }
    Ok(Some(function))
}

const UNLISTED: &str = "a parameter without a name is not listed";

/// The receiver in what DWARF lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    /// Not a method.
    None,
    First,
    /// A method whose receiver has no name: DWARF leaves it out.
    Unlisted,
}

fn receiver(binary: &GoBinary<'_>, function: &DwarfFunction) -> Receiver {
    let Some(of) = Symbol::parse(&function.name).and_then(|s| s.method_of()) else {
        return Receiver::None;
    };
    let mut params = function.params.iter();
    let first = params.find(|p| !p.result && p.name != DICTIONARY);
    let listed = first.and_then(|p| {
        let ty = binary.type_by_id(p.ty).ok()?;
        match (ty.kind, of.by_pointer) {
            (TypeKind::Pointer { elem }, true) => Some(binary.type_by_id(elem).ok()?.name),
            (_, false) => Some(ty.name),
            _ => None,
        }
    });
    let is_receiver = |ty: String| {
        !ty.starts_with(['*', '[', '('])
            && with_type_arguments(&ty, "").rsplit('.').next() == Some(of.name)
    };
    match listed.is_some_and(is_receiver) {
        true => Receiver::First,
        false => Receiver::Unlisted,
    }
}

/// Position of the dictionary among the parameters of generic code: first up to Go 1.19, after the
/// receiver from 1.20.
fn dictionary_at(symbol: &str, minor: u32) -> Option<usize> {
    let symbol = Symbol::parse(symbol)?;
    let given = symbol
        .receiver
        .map_or(symbol.arguments, |receiver| receiver.arguments)?;
    // closures take it from their context
    (given.starts_with("go.shape.") && !symbol.is_closure())
        .then_some(usize::from(symbol.receiver.is_some() && minor >= 20))
}

fn signature(function: &DwarfFunction, receiver: Receiver) -> (Candidate, Vec<String>) {
    let part = |result: bool| {
        function
            .params
            .iter()
            .filter(move |p| p.result == result)
            .map(|p| TypeRef::Id(p.ty))
            .collect()
    };
    // up to Go 1.19 the dictionary comes before the receiver
    let first = function.params.first();
    let dictionary_first = first.is_some_and(|p| p.name == DICTIONARY);
    let candidate = Candidate {
        params: part(false),
        results: part(true),
        has_receiver: receiver == Receiver::First && !dictionary_first,
        source: SignatureSource::Dwarf,
    };
    let names = function
        .params
        .iter()
        .filter(|p| !p.result)
        .map(|p| p.name.clone())
        .collect();
    (candidate, names)
}

/// What a comparison of one function's parameters gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryParity {
    /// Parameters whose place both sources know, and which is equal.
    pub same: usize,
    /// Parameters whose places differ, both sides said.
    pub different: Vec<String>,
    /// Parameters that DWARF gives no place for, by reason.
    pub unknown: BTreeMap<&'static str, usize>,
    /// Why the function as a whole was not compared.
    pub skipped: Option<&'static str>,
}

/// Compares every place that DWARF lists for a function's entry with the calling convention's place
/// for the DWARF signature.
///
/// # Errors
/// The DWARF or type data of the binary is damaged.
pub fn entry_parity(binary: &GoBinary<'_>, f: &FuncInfo) -> Result<EntryParity, Error> {
    let skip = |why| EntryParity {
        skipped: Some(why),
        ..EntryParity::default()
    };
    let Some(function) = described(binary, f)? else {
        return Ok(skip("not in DWARF"));
    };
    if !is_name_of(&function.name, &f.name) {
        return Ok(skip("another name in DWARF"));
    }
    if function.wrapper || f.wrapper {
        return Ok(skip("compiler-made wrapper"));
    }
    if f.assembly {
        return Ok(skip("assembly"));
    }
    let receiver = receiver(binary, &function);
    if receiver == Receiver::Unlisted {
        return Ok(skip(UNLISTED));
    }
    let (candidate, _) = signature(&function, receiver);
    let abi = convention(binary, f);
    let placement = match abi::place(abi, binary, &candidate.params, &candidate.results) {
        Ok(placement) => placement,
        Err(_) => return Ok(skip("a type is not wholly described")),
    };
    if f.args.is_some_and(|a| u64::from(a) != placement.args_size) {
        return Ok(skip(UNLISTED));
    }
    // calls into C have no such record
    if !abi.is_stack() && !record::agrees(binary, f, &candidate)? {
        return Ok(skip(UNLISTED));
    }
    let kept = methods::from_methods(binary, f)?;
    if kept
        .iter()
        .any(|kept| kept.params.len() > candidate.params.len())
    {
        return Ok(skip(UNLISTED));
    }
    let parity = compare(binary, &function, &placement);
    if abi.is_stack() && !parity.unknown.is_empty() {
        return Ok(skip("in no certain order"));
    }
    Ok(parity)
}

/// Calls into C take their arguments in one piece of memory (`//go:cgo_unsafe_args`), by the
/// convention of assembly.
fn convention(binary: &GoBinary<'_>, f: &FuncInfo) -> Abi {
    let name = super::short_name(&f.name);
    if ["_Cfunc_", "_C2func_", "_cgo_cmalloc"]
        .iter()
        .any(|start| name.starts_with(start))
    {
        return Abi {
            int_regs: 0,
            float_regs: 0,
        };
    }
    Abi::of(binary.arch(), binary.version())
}

/// Places of a DWARF function against a placement of as many parameters.
fn compare(binary: &GoBinary<'_>, function: &DwarfFunction, placement: &Placement) -> EntryParity {
    let mut parity = EntryParity::default();
    let params = function.params.iter().filter(|p| !p.result);
    for (index, param) in params.enumerate() {
        match compare_one(binary, param, placement, index) {
            Ok(()) => parity.same += 1,
            Err(Difference::Unknown(why)) => *parity.unknown.entry(why).or_default() += 1,
            Err(Difference::Places(what)) => {
                parity.different.push(format!("{}: {what}", param.name))
            }
        }
    }
    parity
}

/// The compiler found another value for it before the first instruction, e.g. `s = s[:n:n]`.
const MOVED: &str = "replaced at once by another argument's value";

/// Parts that were taken apart again come twice (seen in Go 1.19).
const TOO_MANY: &str = "more parts than the value has";

const ONE_PART: &str = "one part of it only, without saying which";

/// What is never used is never moved to the place that DWARF gives.
const SPILL_SLOT: &str = "never used: the slot that it is not spilled to";

/// Parameters without a name, and a dictionary that the code has no need of.
fn is_unused(name: &str) -> bool {
    name == "_" || name.starts_with("~p") || name == DICTIONARY
}

/// Whether a register carries an argument word of the same size, if not this one.
fn placed_elsewhere(arch: Arch, placement: &Placement, number: u16, size: u64) -> bool {
    placement
        .registers
        .iter()
        .flatten()
        .any(|r| r.size == size && dwarf_register(arch, r.float, r.reg) == Some(number))
}

enum Difference {
    Unknown(&'static str),
    Places(String),
}

fn compare_one(
    binary: &GoBinary<'_>,
    param: &DwarfParam,
    placement: &Placement,
    index: usize,
) -> Result<(), Difference> {
    let arch = binary.arch();
    let pieces = match &param.at_entry {
        EntryPlace::Unlisted if param.name == DICTIONARY => {
            return Err(Difference::Unknown("dictionary of generic code"));
        }
        EntryPlace::Unlisted => return Err(Difference::Unknown("no location")),
        EntryPlace::NotAtEntry => return Err(Difference::Unknown("no location at the entry")),
        EntryPlace::OptimizedOut => return Err(Difference::Unknown("optimised out")),
        EntryPlace::Computed => return Err(Difference::Unknown("moved to the heap")),
        EntryPlace::Pieces(pieces) => pieces,
    };
    let differ = || {
        Difference::Places(format!(
            "DWARF has {pieces:?}, the calling convention {:?} {:?}",
            placement.params.get(index),
            placement.registers.get(index)
        ))
    };
    let (Some(place), Some(registers)) =
        (placement.params.get(index), placement.registers.get(index))
    else {
        return Err(differ());
    };
    let leaves = abi::leaves(binary, param.ty).unwrap_or_default();
    if leaves.is_empty() {
        return Err(Difference::Unknown("no bytes"));
    }
    let size_of = |piece: &EntryPiece| match *piece {
        EntryPiece::Nowhere { size } => size,
        EntryPiece::Register { size, .. } | EntryPiece::Stack { size, .. } => size.unwrap_or(0),
    };
    let listed = pieces.iter().map(size_of).fold(0, u64::saturating_add);
    if listed > binary.type_by_id(param.ty).map_or(0, |ty| ty.size) {
        return Err(Difference::Unknown(TOO_MANY));
    }
    let mut known = false;
    // padding has no piece of its own: registers are compared in order, stack parts by offset
    let mut registers_left = registers.iter();
    let mut moved = false;
    for piece in pieces {
        match *piece {
            EntryPiece::Nowhere { size } => {
                if !registers.is_empty() && registers_left.next().is_none_or(|r| r.size != size) {
                    return Err(Difference::Unknown("parts optimised out"));
                }
            }
            EntryPiece::Register { number, size } => {
                let expected = registers_left
                    .next()
                    .filter(|r| size.is_none_or(|s| s == r.size));
                match expected {
                    Some(r) if dwarf_register(arch, r.float, r.reg) == Some(number) => known = true,
                    Some(r) if placed_elsewhere(arch, placement, number, r.size) => moved = true,
                    _ => return Err(differ()),
                }
            }
            EntryPiece::Stack { offset, size } => {
                let base = arch.properties().first_argument;
                let expected = i64::from(place.offset) + base;
                let on_stack = place.kind == PlaceKind::Stack;
                let behind = offset
                    .checked_sub(expected)
                    .and_then(|b| u64::try_from(b).ok());
                let part = leaves
                    .iter()
                    .find(|(at, _)| on_stack && Some(*at) == behind)
                    .map(|(_, part_size)| *part_size);
                match (part, size) {
                    _ if on_stack && behind == Some(0) && size.is_none() => known = true,
                    // where a value has one slot left, that is written without saying which part it
                    // is (cmd/compile/internal/ssa/debug.go, Go 1.27: DW_OP_piece only for
                    // variables of several slots)
                    (Some(_), None) => return Err(Difference::Unknown(ONE_PART)),
                    (Some(whole), Some(size)) if whole == size => known = true,
                    _ if on_stack => return Err(differ()),
                    _ => {}
                }
                if on_stack {
                    continue;
                }
                let spill_slot = placement.frame.get(index).copied().unwrap_or(0);
                if is_unused(&param.name)
                    && spill_slot.checked_add_signed(base) == u64::try_from(offset).ok()
                {
                    return Err(Difference::Unknown(SPILL_SLOT));
                }
                if !placement
                    .params
                    .iter()
                    .any(|p| p.kind == PlaceKind::Stack && i64::from(p.offset) + base <= offset)
                {
                    return Err(differ());
                }
                moved = true;
            }
        }
    }
    if moved {
        return Err(Difference::Unknown(MOVED));
    }
    if known {
        Ok(())
    } else {
        Err(Difference::Unknown("optimised out"))
    }
}

/// DWARF's number of a register of Go's argument sequences.
fn dwarf_register(arch: Arch, float: bool, index: u8) -> Option<u16> {
    let properties = arch.properties();
    if float {
        return Some(properties.first_float + u16::from(index));
    }
    let register = properties.integers.get(usize::from(index))?;
    Some(register.dwarf)
}

/// Why a verified placement cannot be believed: DWARF places a parameter elsewhere, or a type
/// differently.
///
/// # Errors
/// The DWARF is damaged.
pub fn disagreement(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
    candidate: &Candidate,
    placement: &Placement,
) -> Result<Option<String>, Error> {
    let Some(function) = described(binary, f)? else {
        return Ok(None);
    };
    if function.wrapper || f.wrapper || f.assembly || !is_name_of(&function.name, &f.name) {
        return Ok(None);
    }
    let receiver = receiver(binary, &function);
    if receiver == Receiver::Unlisted {
        return Ok(None);
    }
    let (said, _) = signature(&function, receiver);
    // what lacks an unnamed parameter, or may be in another order, is no evidence
    let abi = convention(binary, f);
    match abi::place(abi, binary, &said.params, &said.results) {
        Ok(own) if f.args.is_some_and(|a| u64::from(a) != own.args_size) => return Ok(None),
        Ok(_) if !abi.is_stack() && !record::agrees(binary, f, &said)? => return Ok(None),
        Ok(own) if !is_consistent(binary, abi, &function, &own) => return Ok(None),
        Ok(_) => {}
        Err(_) => return Ok(None),
    }
    // parameters without bytes are in no certain order in old releases, or left out (seen in Go
    // 1.15)
    let with_bytes = |list: &[TypeRef]| -> Vec<TypeRef> {
        let is_empty = |ty: &TypeRef| match ty {
            TypeRef::Id(id) => binary.type_by_id(*id).is_ok_and(|ty| ty.size == 0),
            _ => false,
        };
        list.iter().filter(|ty| !is_empty(ty)).cloned().collect()
    };
    let same = |a: &[TypeRef], b: &[TypeRef]| {
        let (a, b) = (with_bytes(a), with_bytes(b));
        a.len() == b.len()
            && a.iter().zip(&b).all(|(a, b)| match (a, b) {
                (TypeRef::Id(a), TypeRef::Id(b)) => binary.is_same_type(*a, *b),
                // shapes of the catalogue stand for types that it cannot name
                _ => true,
            })
    };
    if !same(&said.params, &candidate.params) || !same(&said.results, &candidate.results) {
        let text =
            |c: &Candidate| text::text(binary, &f.name, c, &vec!["_".to_owned(); c.params.len()]);
        return Ok(Some(format!(
            "{} against {} of DWARF",
            text(candidate),
            text(&said)
        )));
    }
    // in another order nothing tells which place is whose
    let ordered = said.params == candidate.params
        || said.params.len() == candidate.params.len()
            && said
                .params
                .iter()
                .zip(&candidate.params)
                .all(|(a, b)| match (a, b) {
                    (TypeRef::Id(a), TypeRef::Id(b)) => binary.is_same_type(*a, *b),
                    _ => true,
                });
    if ordered && let Some(different) = compare(binary, &function, placement).different.first() {
        return Ok(Some(different.clone()));
    }
    for ty in candidate.params.iter().chain(&candidate.results) {
        if let TypeRef::Id(id) | TypeRef::Pointer(id) = ty
            && let Some(what) = binary.types_disagree(*id)
        {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

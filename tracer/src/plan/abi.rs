//! Where Go puts arguments and results: the stack (Go ≤ 1.16), or registers with the stack as
//! overflow.
//!
//! Rules: `src/cmd/compile/abi-internal.md` (Go 1.17+). An aggregate goes to registers as a whole
//! or to the stack as a whole; results have an assignment of their own; stack arguments come first,
//! then stack results, then spill space.

use super::candidate::{TypeRef, TypeSource};
use super::schema::{ArgPlace, Leaf, PlaceKind, Unplaced};

use crate::gobin::{Arch, Error, GoVersion, TypeId, TypeKind};

/// Size of a word, a register and a pointer on every supported architecture.
const WORD: u64 = 8;

/// Pieces that a value is told apart into.
const MOST_LEAVES: usize = 64;

/// Calling convention of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    /// Integer registers for arguments; 0: the stack ABI.
    pub int_regs: u8,
    pub float_regs: u8,
}

impl Abi {
    #[must_use]
    pub fn of(arch: Arch, version: &GoVersion) -> Self {
        let properties = arch.properties();
        if version.minor < properties.register_abi {
            return Self {
                int_regs: 0,
                float_regs: 0,
            };
        }
        Self {
            int_regs: properties.integers.len() as u8,
            float_regs: properties.floats,
        }
    }

    #[must_use]
    pub fn is_stack(self) -> bool {
        self.int_regs == 0
    }
}

/// All places of one function.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Receiver first.
    pub params: Vec<ArgPlace>,
    pub results: Vec<ArgPlace>,
    /// Where each parameter lies from the first argument slot, bytes; for one in registers its
    /// spill slot. The compiler's argument record (`ArgInfo`) uses the same.
    pub frame: Vec<u64>,
    /// Registers of each parameter, floating-point ones too; none: it is on the stack.
    pub registers: Vec<Vec<RegisterPiece>>,
    /// What `_func.args` must say, bytes.
    pub args_size: u64,
}

/// A piece of a value in a register: number in the integer or floating-point sequence, offset and
/// size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterPiece {
    pub reg: u8,
    pub float: bool,
    pub offset: u64,
    pub size: u64,
}

/// A piece of a value that can be in a register.
#[derive(Clone, Copy, Debug)]
struct Piece {
    offset: u64,
    size: u64,
    float: bool,
}

/// Assigns every parameter and result.
///
/// # Errors
/// A type cannot be read.
pub fn place(
    abi: Abi,
    types: &dyn TypeSource,
    params: &[TypeRef],
    results: &[TypeRef],
) -> Result<Placement, Error> {
    let mut stack = 0u64;
    let mut spill = Vec::new();
    let mut regs = Registers::default();
    let mut placed_params = Vec::new();
    let (mut frame, mut registers) = (Vec::new(), Vec::new());
    for ty in params {
        let (place, pieces) = assign(abi, types, ty, &mut regs, &mut stack)?;
        if pieces.is_some() {
            spill.push((frame.len(), ty.clone()));
        }
        frame.push(u64::from(place.offset));
        placed_params.push(place);
        registers.push(pieces.unwrap_or_default());
    }
    stack = align(stack, WORD);
    let mut regs = Registers::default();
    let mut placed_results = Vec::new();
    for ty in results {
        placed_results.push(assign(abi, types, ty, &mut regs, &mut stack)?.0);
    }
    stack = align(stack, WORD);
    for (index, ty) in &spill {
        let (size, alignment) = types.layout(ty)?;
        stack = align(stack, alignment);
        frame[*index] = stack;
        stack += size;
    }
    Ok(Placement {
        params: placed_params,
        results: placed_results,
        frame,
        registers,
        args_size: align(stack, WORD),
    })
}

#[derive(Clone, Copy, Default)]
struct Registers {
    int: u8,
    float: u8,
}

/// Gives the place, and the registers if it is in registers.
fn assign(
    abi: Abi,
    types: &dyn TypeSource,
    ty: &TypeRef,
    regs: &mut Registers,
    stack: &mut u64,
) -> Result<(ArgPlace, Option<Vec<RegisterPiece>>), Error> {
    let (size, alignment) = types.layout(ty)?;
    let mut pieces = Vec::new();
    if size > 0 && !abi.is_stack() && split(types, ty, 0, &mut pieces)? {
        let ints = pieces.iter().filter(|p| !p.float).count();
        let floats = pieces.len() - ints;
        if usize::from(regs.int) + ints <= usize::from(abi.int_regs)
            && usize::from(regs.float) + floats <= usize::from(abi.float_regs)
        {
            let mut placed = Vec::new();
            for piece in &pieces {
                let next = if piece.float {
                    &mut regs.float
                } else {
                    &mut regs.int
                };
                placed.push(RegisterPiece {
                    reg: *next,
                    float: piece.float,
                    offset: piece.offset,
                    size: piece.size,
                });
                *next += 1;
            }
            let place = if floats > 0 {
                missing(Unplaced::FloatRegisters)
            } else {
                ArgPlace {
                    kind: PlaceKind::Registers,
                    leaves: placed
                        .iter()
                        .map(|p| Leaf {
                            reg: p.reg,
                            offset: narrow(p.offset),
                            size: narrow(p.size),
                        })
                        .collect(),
                    offset: 0,
                    reason: None,
                }
            };
            return Ok((place, Some(placed)));
        }
    }
    *stack = align(*stack, alignment);
    let place = ArgPlace {
        kind: PlaceKind::Stack,
        leaves: Vec::new(),
        offset: narrow(*stack),
        reason: None,
    };
    *stack += size;
    Ok((place, None))
}

/// A place that cannot be read.
pub fn missing(reason: Unplaced) -> ArgPlace {
    ArgPlace {
        kind: PlaceKind::Missing,
        leaves: Vec::new(),
        offset: 0,
        reason: Some(reason),
    }
}

/// Splits a type into register pieces; `false`: it never goes to registers.
fn split(
    types: &dyn TypeSource,
    ty: &TypeRef,
    at: u64,
    pieces: &mut Vec<Piece>,
) -> Result<bool, Error> {
    // more pieces than there are registers: no need to go on
    if pieces.len() > 32 {
        return Ok(false);
    }
    let mut words = |n: u64, float: bool, size: u64| {
        pieces.extend((0..n).map(|i| Piece {
            offset: at + i * size,
            size,
            float,
        }));
        true
    };
    let id = match ty {
        TypeRef::Id(id) => *id,
        TypeRef::Pointer(_) | TypeRef::Word(_) => return Ok(words(1, false, WORD)),
        TypeRef::Iface(_) => return Ok(words(2, false, WORD)),
        TypeRef::Slice(_) => return Ok(words(3, false, WORD)),
        TypeRef::Wrapped(_, inner) => return split(types, inner, at, pieces),
    };
    let ty = types.ty(id)?;
    Ok(match &ty.kind {
        TypeKind::Bool | TypeKind::Int | TypeKind::Uint => words(1, false, ty.size),
        TypeKind::Float => words(1, true, ty.size),
        TypeKind::Complex => words(2, true, ty.size / 2),
        TypeKind::Chan { .. }
        | TypeKind::Func { .. }
        | TypeKind::Map { .. }
        | TypeKind::Pointer { .. }
        | TypeKind::UnsafePointer => words(1, false, WORD),
        TypeKind::String | TypeKind::Interface { .. } => words(2, false, WORD),
        TypeKind::Slice { .. } => words(3, false, WORD),
        TypeKind::Array { elem, len } => match len {
            0 => true,
            1 => split(types, &TypeRef::Id(*elem), at, pieces)?,
            _ => false,
        },
        TypeKind::Struct { fields } => {
            for field in fields {
                if !split(types, &TypeRef::Id(field.ty), at + field.offset, pieces)? {
                    return Ok(false);
                }
            }
            true
        }
    })
}

/// Offset and size of the pieces that a value of a type consists of, in order; an array of several
/// elements is one.
///
/// # Errors
/// A type cannot be read.
pub fn leaves(types: &dyn TypeSource, id: TypeId) -> Result<Vec<(u64, u64)>, Error> {
    let ty = types.ty(id)?;
    Ok(match &ty.kind {
        TypeKind::Struct { fields } if fields.len() <= MOST_LEAVES => {
            let mut found = Vec::new();
            for field in fields {
                let inner = leaves(types, field.ty)?;
                found.extend(
                    inner
                        .into_iter()
                        .map(|(at, size)| (at.saturating_add(field.offset), size)),
                );
                if found.len() > MOST_LEAVES {
                    return Ok(vec![(0, ty.size)]);
                }
            }
            found
        }
        TypeKind::Array { elem, len: 1 } => leaves(types, *elem)?,
        TypeKind::Array { .. } | TypeKind::Struct { .. } if ty.size == 0 => Vec::new(),
        TypeKind::Array { .. } | TypeKind::Struct { .. } => vec![(0, ty.size)],
        _ => {
            let mut pieces = Vec::new();
            split(types, &TypeRef::Id(id), 0, &mut pieces)?;
            pieces.iter().map(|p| (p.offset, p.size)).collect()
        }
    })
}

fn align(value: u64, to: u64) -> u64 {
    value.next_multiple_of(to.max(1))
}

/// Offsets within arguments are far below 4 GiB: larger ones come from damaged descriptors and are
/// refused by the args check.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Identity of a type for tests and callers that have only an id.
impl From<TypeId> for TypeRef {
    fn from(id: TypeId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gobin::{Field, Type};
    use std::collections::HashMap;

    struct Table(HashMap<u64, Type>);

    impl TypeSource for Table {
        fn ty(&self, id: TypeId) -> Result<Type, Error> {
            Ok(self.0[&id.0].clone())
        }
    }

    fn ty(id: u64, size: u64, align: u8, kind: TypeKind) -> (u64, Type) {
        let ty = Type {
            id: TypeId(id),
            name: format!("t{id}"),
            size,
            align,
            named: false,
            direct_iface: false,
            kind,
        };
        (id, ty)
    }

    fn table() -> Table {
        let field = |name: &str, offset, ty| Field {
            name: name.into(),
            offset,
            ty: TypeId(ty),
            embedded: false,
        };
        Table(HashMap::from([
            ty(1, 1, 1, TypeKind::Bool),
            ty(2, 16, 8, TypeKind::String),
            ty(3, 8, 8, TypeKind::Int),
            ty(4, 24, 8, TypeKind::Slice { elem: TypeId(3) }),
            ty(
                5,
                24,
                8,
                TypeKind::Struct {
                    fields: vec![field("s", 0, 2), field("t", 16, 3)],
                },
            ),
            ty(
                6,
                56,
                8,
                TypeKind::Struct {
                    fields: vec![field("a", 0, 2), field("b", 16, 4), field("c", 40, 2)],
                },
            ),
            ty(7, 8, 8, TypeKind::Float),
            ty(
                8,
                16,
                8,
                TypeKind::Array {
                    elem: TypeId(3),
                    len: 2,
                },
            ),
        ]))
    }

    const AMD64: Abi = Abi {
        int_regs: 9,
        float_regs: 15,
    };
    const STACK: Abi = Abi {
        int_regs: 0,
        float_regs: 0,
    };

    fn regs(place: &ArgPlace) -> Vec<u8> {
        place.leaves.iter().map(|l| l.reg).collect()
    }

    #[test]
    fn words_go_to_registers_in_order_and_results_start_over() {
        let word = TypeRef::Word("p".into());
        let p = place(
            AMD64,
            &table(),
            &[word.clone(), TypeId(5).into(), TypeId(1).into()],
            &[TypeId(4).into(), TypeRef::Iface("error".into())],
        )
        .expect("placed");
        assert_eq!(regs(&p.params[0]), [0]);
        assert_eq!(regs(&p.params[1]), [1, 2, 3]);
        assert_eq!(regs(&p.params[2]), [4]);
        assert_eq!(regs(&p.results[0]), [0, 1, 2]);
        assert_eq!(regs(&p.results[1]), [3, 4]);
        assert_eq!(p.args_size, 40, "spill: 8 + 24 + 1, padded");
    }

    #[test]
    fn what_no_longer_fits_goes_to_the_stack_whole_and_later_ones_may_still_fit() {
        let p = place(
            AMD64,
            &table(),
            &[
                TypeId(6).into(), // 7 registers
                TypeId(4).into(), // 3: does not fit
                TypeId(2).into(), // 2: fits
            ],
            &[],
        )
        .expect("placed");
        assert_eq!(regs(&p.params[0]), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(
            (p.params[1].kind, p.params[1].offset),
            (PlaceKind::Stack, 0)
        );
        assert_eq!(regs(&p.params[2]), [7, 8]);
        assert_eq!(p.args_size, 24 + 56 + 16);
    }

    #[test]
    fn arrays_of_two_go_to_the_stack_and_floats_are_missing_with_a_reason() {
        let p = place(AMD64, &table(), &[TypeId(8).into(), TypeId(7).into()], &[]).expect("placed");
        assert_eq!(p.params[0].kind, PlaceKind::Stack);
        assert_eq!(p.params[1].kind, PlaceKind::Missing);
        assert!(p.params[1].reason.is_some());
    }

    #[test]
    fn the_stack_abi_lays_out_arguments_then_results() {
        let p = place(
            STACK,
            &table(),
            &[TypeRef::Word("p".into()), TypeId(1).into()],
            &[TypeId(2).into()],
        )
        .expect("placed");
        assert_eq!(p.params[1].offset, 8);
        assert_eq!(p.results[0].offset, 16);
        assert_eq!(p.args_size, 32);
    }
}

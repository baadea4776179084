//! The values of one function: how much of each is wanted, and the ops that capture it where it
//! lies.

use super::Error;
use super::block::Block;
use super::candidate::{DICTIONARY, ERROR, TypeRef};
use super::lower::Lowering;
use super::policy::Policy;
use super::request;
use super::schema::{ArgPlace, Leaf, Meaning, OpSchema, PlaceKind, Role, ValueSchema};
use super::text::type_text;
use crate::gobin::TypeKind;
use crate::moby::objects::{ID, Interest, NAME, NO_OPTIONS};

/// Pointers, slices and maps followed in options of a profile's functions.
const OPTIONS_DEPTH: u8 = 6;
/// The same for functions named with `-f`, whose arguments may be anything.
const EXPLICIT_DEPTH: u8 = 3;

/// Of an object only which one it is.
const WHICH: Policy = Policy::Fields(&[(ID, Policy::Full(0)), (NAME, Policy::Full(0))]);

/// Register and stack blocks of one site.
#[derive(Default)]
pub struct SiteBlocks {
    pub regs: Vec<OpSchema>,
    pub stack: Block,
}

/// Where the ops of one site lie in the plan: first and count.
pub struct Ranges {
    pub regs: (u32, u32),
    pub stack: (u32, u32),
}

impl SiteBlocks {
    pub fn append(self, lowering: &mut Lowering<'_, '_, '_>) -> Ranges {
        let stack = lowering.append(self.stack);
        let ops = &mut lowering.plan.ops;
        let start = u32::try_from(ops.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(self.regs.len()).unwrap_or(u32::MAX);
        ops.extend(self.regs);
        Ranges {
            regs: (start, count),
            stack,
        }
    }
}

/// Makes the values of one function.
pub struct FunctionMaker<'m, 'p, 'b, 'data> {
    pub lowering: &'m mut Lowering<'p, 'b, 'data>,
    pub role: Role,
    pub explicit: bool,
}

impl FunctionMaker<'_, '_, '_, '_> {
    /// How much of a parameter is wanted.
    pub fn parameter_policy(
        &self,
        ty: &TypeRef,
        name: &str,
        receiver: bool,
    ) -> Result<Policy, Error> {
        if self.role == Role::Request {
            return Ok(if name == "req" {
                request::REQUEST
            } else {
                Policy::Skip
            });
        }
        if self.role == Role::Birth {
            return Ok(if name == "callergp" {
                request::GOROUTINE
            } else {
                Policy::Skip
            });
        }
        if self.role == Role::Recovered {
            return Ok(request::recovered(self.lowering.binary.version()));
        }
        if receiver {
            return Ok(Policy::Skip);
        }
        // the dictionary of generic code is the compiler's
        if matches!(ty, TypeRef::Word(_)) || name == DICTIONARY {
            return Ok(Policy::Skip);
        }
        let name = type_text(self.lowering.binary, ty);
        if let Some((_, interest)) = NO_OPTIONS.iter().find(|(known, _)| *known == name)
            && !self.explicit
        {
            return Ok(match interest {
                Interest::Nothing => Policy::Skip,
                Interest::Which => WHICH,
            });
        }
        // one that cannot be read says so as a value
        if let TypeRef::Id(id) = ty
            && let Ok(ty) = self.lowering.binary.type_by_id(*id)
        {
            // a context is a chain of everything the caller had; a function value says nothing
            if ty.name == "context.Context" || matches!(ty.kind, TypeKind::Func { .. }) {
                return Ok(Policy::Skip);
            }
        }
        Ok(Policy::Full(if self.explicit {
            EXPLICIT_DEPTH
        } else {
            OPTIONS_DEPTH
        }))
    }

    pub fn result_policy(&self) -> Policy {
        match self.role {
            Role::Birth => request::GOROUTINE,
            _ => Policy::Result,
        }
    }

    /// Name and meaning of a result.
    pub fn result(&self, results: &[TypeRef], index: usize) -> (String, Meaning) {
        let is_error = |ty: &TypeRef| type_text(self.lowering.binary, ty) == ERROR;
        // of several errors the last is the call's
        if results.iter().rposition(is_error) == Some(index) {
            (ERROR.to_owned(), Meaning::Error)
        } else if results.len() <= 2 && index == 0 {
            ("result".to_owned(), Meaning::Value)
        } else {
            (format!("result{index}"), Meaning::Value)
        }
    }

    /// Captures one value where it lies.
    pub fn value(
        &mut self,
        name: String,
        ty: &TypeRef,
        place: &ArgPlace,
        policy: Policy,
        blocks: &mut SiteBlocks,
    ) -> Result<ValueSchema, Error> {
        self.lowering.begin_value();
        let mut block = Block::default();
        let base = match place.kind {
            PlaceKind::Stack => u64::from(place.offset),
            _ => 0,
        };
        let on_stack = place.kind == PlaceKind::Stack;
        let target = if on_stack {
            &mut blocks.stack
        } else {
            &mut block
        };
        let ty = match (ty, place.kind) {
            (_, PlaceKind::Missing) => self.lowering.opaque(),
            (TypeRef::Id(id), _) => self.lowering.value(*id, policy, base, target)?,
            (TypeRef::Pointer(id), _) if policy != Policy::Skip => {
                match self.lowering.pointer_to(*id, policy, base, target) {
                    Ok(ty) => ty,
                    Err(why) => self.lowering.undescribed(why.into()),
                }
            }
            _ => self.lowering.opaque(),
        };
        if place.kind == PlaceKind::Registers {
            blocks
                .regs
                .extend(to_registers(block.follow(), &place.leaves));
        }
        Ok(ValueSchema {
            name,
            ty,
            place: place.clone(),
            shown: policy != Policy::Skip,
            meaning: Meaning::Value,
        })
    }
}

/// Ops of a value that lies in registers: offsets become those of the register file. The words of a
/// string, slice or interface are neighbours there as in memory, because an aggregate's pieces take
/// registers in order.
fn to_registers(follow: &[OpSchema], leaves: &[Leaf]) -> Vec<OpSchema> {
    let mut ops: Vec<OpSchema> = follow
        .iter()
        .filter_map(|op| {
            let leaf = leaves.iter().find(|l| l.offset == op.off)?;
            Some(OpSchema {
                off: u32::from(leaf.reg) * 8,
                ..*op
            })
        })
        .collect();
    ops.sort_by_key(|o| o.off);
    ops
}

//! Where a parameter lies when its function is entered.

use gimli::{AttributeValue, DebugAddr, DebugLoc, DebugLocLists, LocationLists, Operation};

use super::units::OpenUnit;
use super::{Dwarf, Entry, Slice, err};
use crate::gobin::error::Error;

/// Most entries of a location list that are looked at.
const MOST_ENTRIES: usize = 1 << 16;
const MOST_OPERATIONS: usize = 256;

/// What DWARF says about a parameter's place at the first instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryPlace {
    /// No location at all.
    Unlisted,
    /// A location list without an entry for the first instruction.
    NotAtEntry,
    /// An empty expression: the value exists nowhere.
    OptimizedOut,
    /// In registers and on the stack, in order of the value's bytes.
    Pieces(Vec<EntryPiece>),
    /// An expression that is not a plain place (a value moved to the heap).
    Computed,
}

/// A part of a value. `size` in bytes, `None`: the whole value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPiece {
    /// DWARF register number of the architecture.
    Register { number: u16, size: Option<u64> },
    /// Offset from the canonical frame address.
    Stack { offset: i64, size: Option<u64> },
    /// This part exists nowhere.
    Nowhere { size: u64 },
}

impl Dwarf<'_> {
    pub fn place_at(
        &self,
        unit: &OpenUnit<'_>,
        entry: &Entry<'_>,
        pc: u64,
    ) -> Result<EntryPlace, Error> {
        let at = entry.offset().0;
        let lists = || -> Result<_, Error> {
            Ok(LocationLists::new(
                DebugLoc::from(self.section(".debug_loc")?),
                DebugLocLists::from(self.section(".debug_loclists")?),
            ))
        };
        let damaged = |e: gimli::Error| err(at, format!("location: {e}"));
        let encoding = unit.encoding();
        let (lists, offset) = match entry.attr_value(gimli::DW_AT_location) {
            None => return Ok(EntryPlace::Unlisted),
            Some(AttributeValue::Exprloc(expression)) => {
                return self.pieces(unit, expression);
            }
            Some(AttributeValue::LocationListsRef(offset)) => (lists()?, offset),
            Some(AttributeValue::DebugLocListsIndex(index)) => {
                let lists = lists()?;
                let offset = lists
                    .get_offset(encoding, unit.loclists_base, index)
                    .map_err(damaged)?;
                (lists, offset)
            }
            Some(_) => return Ok(EntryPlace::Computed),
        };
        let addresses = DebugAddr::from(self.section(".debug_addr")?);
        let mut entries = lists
            .locations(offset, encoding, unit.low_pc, &addresses, unit.addr_base)
            .map_err(damaged)?;
        for _ in 0..MOST_ENTRIES {
            match entries.next().map_err(damaged)? {
                Some(entry) if (entry.range.begin..entry.range.end).contains(&pc) => {
                    return self.pieces(unit, entry.data);
                }
                Some(_) => {}
                None => return Ok(EntryPlace::NotAtEntry),
            }
        }
        Ok(EntryPlace::NotAtEntry)
    }

    fn pieces(
        &self,
        unit: &OpenUnit<'_>,
        expression: gimli::Expression<Slice<'_>>,
    ) -> Result<EntryPlace, Error> {
        let mut operations = expression.operations(unit.encoding());
        let mut pieces = Vec::new();
        let mut open: Option<EntryPiece> = None;
        for _ in 0..MOST_OPERATIONS {
            let Some(operation) = operations
                .next()
                .map_err(|e| err(0, format!("expression: {e}")))?
            else {
                pieces.extend(open);
                return Ok(if pieces.is_empty() {
                    EntryPlace::OptimizedOut
                } else {
                    EntryPlace::Pieces(pieces)
                });
            };
            open = match (operation, open) {
                (Operation::Register { register }, None) => Some(EntryPiece::Register {
                    number: register.0,
                    size: None,
                }),
                (Operation::CallFrameCFA, None) => Some(EntryPiece::Stack {
                    offset: 0,
                    size: None,
                }),
                // Go's frame base is the canonical frame address
                (Operation::FrameOffset { offset }, None) => {
                    Some(EntryPiece::Stack { offset, size: None })
                }
                (Operation::PlusConstant { value }, Some(EntryPiece::Stack { offset, size })) => {
                    Some(EntryPiece::Stack {
                        offset: offset.wrapping_add(value.cast_signed()),
                        size,
                    })
                }
                (
                    Operation::Piece {
                        size_in_bits,
                        bit_offset: None | Some(0),
                    },
                    open,
                ) => {
                    let bytes = size_in_bits / 8;
                    pieces.push(match open {
                        None => EntryPiece::Nowhere { size: bytes },
                        Some(EntryPiece::Register { number, .. }) => EntryPiece::Register {
                            number,
                            size: Some(bytes),
                        },
                        Some(EntryPiece::Stack { offset, .. }) => EntryPiece::Stack {
                            offset,
                            size: Some(bytes),
                        },
                        Some(nowhere) => nowhere,
                    });
                    None
                }
                // `DW_OP_call_frame_cfa, DW_OP_consts N, DW_OP_plus`, as Go writes it up to 1.1x
                (Operation::SignedConstant { value }, Some(EntryPiece::Stack { offset, size })) => {
                    match operations.next() {
                        Ok(Some(Operation::Plus)) => Some(EntryPiece::Stack {
                            offset: offset.wrapping_add(value),
                            size,
                        }),
                        _ => return Ok(EntryPlace::Computed),
                    }
                }
                _ => return Ok(EntryPlace::Computed),
            };
        }
        Ok(EntryPlace::Computed)
    }
}

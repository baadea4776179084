//! arm64: its registers, and what the code of a function says.
//!
//! Stack checks by release (cmd/internal/obj/arm64/obj7.go: stacksplit), with X16 and X17, up to Go
//! 1.17 with X1 and X2: `ldr x16, guard; cmp sp, x16` or `sub x17, sp, #N; cmp x17, x16`, then
//! `b.ls`. Large frames from Go 1.17 on: `mov x27,
//! #N; subs x17, sp, x27; b.lo; cmp x17, x16; b.ls`; before: `cmp x1, stackPreempt; b.eq; add x2, sp, #M; sub x2, x2, x1;
//! cmp x2, #N; b.ls`.
//!
//! Instructions that the assembler makes into several use X27 in between.

use super::site::{GSource, Restarts};

use super::{Check, Code, Input, Insn, NoReturns, Operands, Properties, Register};
use crate::addr::ImageAddr;

const fn integer(name: &'static str, dwarf: u16) -> Register {
    Register { name, dwarf }
}

pub const PROPERTIES: Properties = Properties {
    register_abi: 18,
    integers: &[
        integer("R0", 0),
        integer("R1", 1),
        integer("R2", 2),
        integer("R3", 3),
        integer("R4", 4),
        integer("R5", 5),
        integer("R6", 6),
        integer("R7", 7),
        integer("R8", 8),
        integer("R9", 9),
        integer("R10", 10),
        integer("R11", 11),
        integer("R12", 12),
        integer("R13", 13),
        integer("R14", 14),
        integer("R15", 15),
    ],
    floats: 16,
    first_float: 64,
    first_argument: 8,
    // R28 holds g in every release
    thread_local_g: false,
    pclntab: &[0xff, 0xff, 0xff, 0, 0, 4, 8],
    relative: 1027,
    absolute: 257,
    // brk with the number of uprobes
    breakpoint: &[0xa0, 0x00, 0x20, 0xd4],
};

/// Instructions looked at before the stack check must have appeared; the longest has twelve.
const PROLOGUE: usize = 24;
const RET: u32 = 0xd65f_03c0;
const NOP: u32 = 0xd503_201f;

/// Reads a function.
pub fn read(input: &Input<'_>) -> Code {
    let words = Words {
        words: input
            .code
            .as_chunks::<4>()
            .0
            .iter()
            .map(|c| u32::from_le_bytes(*c))
            .collect(),
        entry: input.entry,
    };
    let Prologue {
        first,
        check,
        morestack,
    } = words.prologue(input);
    let is_morestack = |to: ImageAddr| match morestack {
        Some(known) => known == to,
        None => (input.is_morestack)(to),
    };
    let (mut returns, mut refused) = (Vec::new(), None);
    let (mut branches, mut morestack_call) = (Vec::new(), None);
    // arguments are put back, then the way leads to the entry
    let mut after_morestack = false;
    for (index, word) in words.words.iter().enumerate() {
        let at = words.at(index);
        match Flow::of(*word, at) {
            Flow::Call(to) if is_morestack(to) => {
                morestack_call = Some(at);
                after_morestack = true;
            }
            Flow::Jump(_) if after_morestack => after_morestack = false,
            Flow::Jump(to) | Flow::Branch { to, .. } => {
                if (input.entry..=at).contains(&to) {
                    branches.push((at, to));
                }
                after_morestack = false;
            }
            Flow::Next => {}
            Flow::Call(_) | Flow::Away => after_morestack = false,
        }
        if *word == RET {
            if input.sp.at(at) == Some(0) {
                returns.push(Insn {
                    addr: at,
                    len: 4,
                    text: "ret".to_owned(),
                    exclusive: false,
                });
            } else {
                refused = Some(NoReturns::FrameStays { at });
            }
        }
    }
    Code {
        first,
        check,
        morestack_call,
        branches,
        g_at_entry: GSource::Register,
        g_at_return: GSource::Register,
        returns: refused.map_or(Ok(returns), Err),
        // the code does not say
        arguments_on_stack: input.stack_abi,
    }
}

struct Words {
    words: Vec<u32>,
    entry: ImageAddr,
}

impl Words {
    fn at(&self, index: usize) -> ImageAddr {
        ImageAddr(self.entry.0.saturating_add(4 * index as u64))
    }

    fn insn(&self, index: usize, word: u32) -> Insn {
        let text = match word & 0xff00_001f {
            0x5400_0003 => "b.lo".to_owned(),
            0x5400_0009 => "b.ls".to_owned(),
            _ => format!(".inst 0x{word:08x}"),
        };
        Insn {
            addr: self.at(index),
            len: 4,
            text,
            exclusive: is_exclusive(word),
        }
    }

    fn prologue(&self, input: &Input<'_>) -> Prologue {
        let mut this = Prologue {
            first: Vec::new(),
            check: Check::None,
            morestack: None,
        };
        let mut in_place = true;
        for (index, word) in self.words.iter().copied().enumerate().take(PROLOGUE) {
            let at = self.at(index);
            if input.sp.at(at) != Some(0) {
                break;
            }
            let insn = self.insn(index, word);
            if in_place {
                this.first.push(insn.clone());
            }
            match Flow::of(word, at) {
                Flow::Branch { to, condition } => {
                    let Some(called) = self.leads_to_morestack(input, to) else {
                        break;
                    };
                    this.morestack = Some(called);
                    this.check = match condition {
                        _ if !in_place => Check::Late { branch: at },
                        Some(LO) => Check::Branch {
                            insn,
                            restarts: Restarts::Arm64Lower,
                        },
                        Some(LS) => Check::Branch {
                            insn,
                            restarts: Restarts::Arm64LowerOrSame,
                        },
                        _ => Check::Unknown,
                    };
                }
                Flow::Next => match written(word) {
                    Some(register) => in_place &= is_scratch(register, input.stack_abi),
                    None => break,
                },
                _ => break,
            }
        }
        this
    }

    /// The `runtime.morestack*` that is called by what begins at `target`, without a branch before.
    fn leads_to_morestack(&self, input: &Input<'_>, target: ImageAddr) -> Option<ImageAddr> {
        let index = usize::try_from(target.0.checked_sub(self.entry.0)? / 4).ok()?;
        for (index, word) in self.words.iter().copied().enumerate().skip(index) {
            match Flow::of(word, self.at(index)) {
                Flow::Next => {}
                Flow::Call(to) => return Some(to).filter(|to| (input.is_morestack)(*to)),
                _ => return None,
            }
        }
        None
    }
}

/// The instructions that every call passes first.
struct Prologue {
    first: Vec<Insn>,
    check: Check,
    /// What the check calls.
    morestack: Option<ImageAddr>,
}

/// `b.lo`
const LO: u32 = 3;
/// `b.ls`
const LS: u32 = 9;

/// Where an instruction leads.
enum Flow {
    Next,
    Call(ImageAddr),
    Jump(ImageAddr),
    Branch {
        to: ImageAddr,
        /// Condition of a `b.cond`.
        condition: Option<u32>,
    },
    /// A place that the instruction alone does not say.
    Away,
}

impl Flow {
    fn of(word: u32, at: ImageAddr) -> Self {
        let to = |value: u32, bits: u32| {
            let words = ((value << (32 - bits)).cast_signed()) >> (32 - bits);
            ImageAddr(at.0.wrapping_add_signed(4 * i64::from(words)))
        };
        if word >> 26 == 0b10_0101 {
            Self::Call(to(word & 0x03ff_ffff, 26))
        } else if word >> 26 == 0b00_0101 {
            Self::Jump(to(word & 0x03ff_ffff, 26))
        } else if word & 0xff00_0010 == 0x5400_0000 {
            Self::Branch {
                to: to((word >> 5) & 0x7_ffff, 19),
                condition: Some(word & 0xf),
            }
        } else if word & 0x7e00_0000 == 0x3400_0000 {
            // cbz, cbnz
            Self::Branch {
                to: to((word >> 5) & 0x7_ffff, 19),
                condition: None,
            }
        } else if word & 0x7e00_0000 == 0x3600_0000 {
            // tbz, tbnz
            Self::Branch {
                to: to((word >> 5) & 0x3fff, 14),
                condition: None,
            }
        } else if word & 0xfe00_0000 == 0xd600_0000 || word & 0xff00_0000 == 0xd400_0000 {
            // branches to registers, exceptions
            Self::Away
        } else {
            Self::Next
        }
    }
}

/// The register that an instruction changes (31: none, or SP, which the SP table follows), if it is
/// of a kind that changes nothing else.
fn written(word: u32) -> Option<u32> {
    // mask and value
    const KINDS: [(u32, u32); 7] = [
        // addresses, arithmetic, logic, moves, bit fields with an immediate
        (0x1c00_0000, 0x1000_0000),
        // logic, addition, subtraction of registers
        (0x1e00_0000, 0x0a00_0000),
        // loads of one integer register: from a literal, with an unsigned and a signed offset, by a
        // register
        (0xbf00_0000, 0x1800_0000),
        (0x3fc0_0000, 0x3940_0000),
        (0x3fe0_0c00, 0x3840_0000),
        (0x3fe0_0c00, 0x3860_0800),
        (u32::MAX, NOP),
    ];
    let known = KINDS.iter().any(|(mask, value)| word & mask == *value);
    known.then_some(if word == NOP { 31 } else { word & 0x1f })
}

/// Loads and stores that depend on a reservation (`ldxr`, `stxr`, of pairs too), not `cas` and
/// `casp`.
fn is_exclusive(word: u32) -> bool {
    let is_casp = word & 0x8020_0000 == 0x0020_0000;
    word & 0x3f80_0000 == 0x0800_0000 && !is_casp
}

/// Whether a register holds neither an argument nor the closure context, g, the frame or the return
/// address.
fn is_scratch(register: u32, stack_abi: bool) -> bool {
    matches!(register, 16 | 17 | 27 | 31) || (stack_abi && register < 16)
}

/// Constants that bytes are compared with, and addresses that are loaded. A byte is what `ldrb` or
/// `uxtb` made, or a copy of it; addresses are loaded by `adrp` and `add`, one right after the
/// other.
pub fn operands(code: &[u8], entry: ImageAddr) -> Operands {
    let (mut lengths, mut addresses) = (Vec::new(), Vec::new());
    // registers that hold a byte, one bit each, and the page that a register holds since the
    // instruction before
    let (mut bytes, mut page) = (0_u32, None);
    for (index, word) in code.as_chunks::<4>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*word);
        let at = entry.0.wrapping_add(4 * index as u64);
        let (to, from) = (word & 0x1f, (word >> 5) & 0x1f);
        let immediate = (word >> 10) & 0xfff;
        let loaded = page.take();
        let is_byte = |register: u32| bytes & (1 << register) != 0;
        // cmp wN, #immediate
        if word & 0xffc0_001f == 0x7100_001f && is_byte(from) {
            lengths.extend(u8::try_from(immediate));
        }
        if word & 0x9f00_0000 == 0x9000_0000 {
            let pages = ((word >> 5) & 0x7_ffff) << 2 | (word >> 29) & 3;
            let pages = (pages << 11).cast_signed() >> 11;
            page = Some((
                to,
                (at & !0xfff).wrapping_add_signed(i64::from(pages) << 12),
            ));
        } else if word & 0xffc0_0000 == 0x9100_0000
            && let Some((register, page)) = loaded
            && register == from
        {
            addresses.push(ImageAddr(page.wrapping_add(u64::from(immediate))));
        }
        let makes_byte = word & 0xffc0_0000 == 0x3940_0000
            || word & 0xffff_fc00 == 0x5300_1c00
            // mov xN, xM
            || word & 0xffe0_ffe0 == 0xaa00_03e0 && is_byte((word >> 16) & 0x1f);
        // branches and stores name a register there that they leave as it is
        let is_branch = word & 0x1c00_0000 == 0x1400_0000;
        let is_store = word & 0x0a40_0000 == 0x0800_0000;
        if makes_byte {
            bytes |= 1 << to;
        } else if !is_branch && !is_store {
            bytes &= !(1 << to);
        }
    }
    Operands::each_once(lengths, addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_byte_registers_and_loaded_addresses_count() {
        // ldrb w6, [x0, 184]; mov x7, x6; cbz w7; cmp w7, 0x2f; cmp w3, 4; adrp x5, 0x114000; add
        // x5, x5, 0x180; add x1, x5, 0x10; mov x7, x3; cmp w7, 0x30
        let code: Vec<u8> = [
            0x3942_e006_u32,
            0xaa06_03e7,
            0x3400_00e7,
            0x7100_bcff,
            0x7100_107f,
            0xf000_0885,
            0x9106_00a5,
            0x9100_40a1,
            0xaa03_03e7,
            0x7100_c0ff,
        ]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
        let found = operands(&code, ImageAddr(0x1000));
        assert_eq!(found.bytes, [0x2f]);
        assert_eq!(found.addresses, [ImageAddr(0x11_4180)]);
    }
}

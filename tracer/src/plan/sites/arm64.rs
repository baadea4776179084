//! What the code of an arm64 function says.
//!
//! Stack checks by release (cmd/internal/obj/arm64/obj7.go: stacksplit), with X16 and X17, up to Go 1.17 with X1 and X2:
//! `ldr x16, guard; cmp sp, x16` or `sub x17, sp, #N; cmp x17, x16`, then `b.ls`. Large frames from Go 1.17 on: `mov x27,
//! #N; subs x17, sp, x27; b.lo; cmp x17, x16; b.ls`; before: `cmp x1, stackPreempt; b.eq; add x2, sp, #M; sub x2, x2, x1;
//! cmp x2, #N; b.ls`.
//!
//! Instructions that the assembler makes into several use X27 in between.

use tracer_ebpf::wire::site::{COND_ARM64_LO, COND_ARM64_LS, COND_NONE, G_REGISTER};

use super::{Check, Code, Input, Insn, NoReturns, Spot, Why};

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
    let is_morestack = |to: u64| match morestack {
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
                returns.push(Spot {
                    addr: at,
                    len: 4,
                    insn: "ret".to_owned(),
                    why: Why::Return,
                    cond: COND_NONE,
                    g_source: G_REGISTER,
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
        // R28 holds g in every release
        g_source: G_REGISTER,
        returns: refused.map_or(Ok(returns), Err),
        // the code does not say
        arguments_on_stack: input.stack_abi,
    }
}

struct Words {
    words: Vec<u32>,
    entry: u64,
}

impl Words {
    fn at(&self, index: usize) -> u64 {
        self.entry.saturating_add(4 * index as u64)
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
                            cond: COND_ARM64_LO,
                        },
                        Some(LS) => Check::Branch {
                            insn,
                            cond: COND_ARM64_LS,
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
    fn leads_to_morestack(&self, input: &Input<'_>, target: u64) -> Option<u64> {
        let index = usize::try_from(target.checked_sub(self.entry)? / 4).ok()?;
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
    morestack: Option<u64>,
}

/// `b.lo`
const LO: u32 = 3;
/// `b.ls`
const LS: u32 = 9;

/// Where an instruction leads.
enum Flow {
    Next,
    Call(u64),
    Jump(u64),
    Branch {
        to: u64,
        /// Condition of a `b.cond`.
        condition: Option<u32>,
    },
    /// A place that the instruction alone does not say.
    Away,
}

impl Flow {
    fn of(word: u32, at: u64) -> Self {
        let to = |value: u32, bits: u32| {
            let words = ((value << (32 - bits)).cast_signed()) >> (32 - bits);
            at.wrapping_add_signed(4 * i64::from(words))
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

/// The register that an instruction changes (31: none, or SP, which the SP table follows), if it is of a kind that
/// changes nothing else.
fn written(word: u32) -> Option<u32> {
    // mask and value
    const KINDS: [(u32, u32); 7] = [
        // addresses, arithmetic, logic, moves, bit fields with an immediate
        (0x1c00_0000, 0x1000_0000),
        // logic, addition, subtraction of registers
        (0x1e00_0000, 0x0a00_0000),
        // loads of one integer register: from a literal, with an unsigned and a signed offset, by a register
        (0xbf00_0000, 0x1800_0000),
        (0x3fc0_0000, 0x3940_0000),
        (0x3fe0_0c00, 0x3840_0000),
        (0x3fe0_0c00, 0x3860_0800),
        (u32::MAX, NOP),
    ];
    let known = KINDS.iter().any(|(mask, value)| word & mask == *value);
    known.then_some(if word == NOP { 31 } else { word & 0x1f })
}

/// Loads and stores that depend on a reservation (`ldxr`, `stxr`, of pairs too), not `cas` and `casp`.
fn is_exclusive(word: u32) -> bool {
    let is_casp = word & 0x8020_0000 == 0x0020_0000;
    word & 0x3f80_0000 == 0x0800_0000 && !is_casp
}

/// Whether a register holds neither an argument nor the closure context, g, the frame or the return address.
fn is_scratch(register: u32, stack_abi: bool) -> bool {
    matches!(register, 16 | 17 | 27 | 31) || (stack_abi && register < 16)
}

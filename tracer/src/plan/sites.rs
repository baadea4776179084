//! Which instructions of a function to probe: one at its entry, and every return.
//!
//! Entry: the conditional jump of the stack check, because the kernel emulates it (an ordinary first instruction
//! is single-stepped out of line, about fifteen times as dear) and because its flags tell whether the function is about
//! to start over through `runtime.morestack`. All argument registers are still intact there. Functions
//! without a stack check are probed at their first instruction.
//! Returns: every `ret`, checked against the SP table (the frame must be gone). Never a return probe of the kernel: those break
//! the Go runtime's own unwinding.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, InstructionInfoFactory,
    IntelFormatter, Mnemonic, OpAccess, OpKind, Register,
};
use tracer_ebpf::wire::site::{
    COND_ARM64_LO, COND_ARM64_LS, COND_NONE, COND_X86_B, COND_X86_BE, G_NONE, G_RCX, G_REGISTER,
    G_TLS,
};

use super::abi::Abi;
use crate::gobin::{Arch, Error, FuncInfo, GoBinary, ImageAddr, SpRange};

/// A chosen instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub addr: u64,
    /// Length in bytes.
    pub len: usize,
    pub insn: String,
    pub why: &'static str,
    pub cond: u8,
    pub g_source: u8,
}

/// What to probe in one function, or why that cannot be done safely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spots {
    pub entry: Result<Spot, String>,
    pub returns: Result<Vec<Spot>, String>,
}

/// Instructions looked at before the stack check must have appeared.
const PROLOGUE: usize = 12;

/// Chooses the spots of a function.
///
/// # Errors
/// Its code or SP table cannot be read.
pub fn choose(binary: &GoBinary<'_>, f: &FuncInfo, thread_local: bool) -> Result<Spots, Error> {
    let stack_abi = Abi::of(binary.arch(), binary.version()).is_stack();
    let code = binary.code(f)?;
    let sp = SpTable(binary.sp_deltas(f)?);
    let calls_morestack = |addr: u64| {
        binary
            .function_at(ImageAddr(addr))
            .is_some_and(|f| f.name.starts_with("runtime.morestack"))
    };
    Ok(match binary.arch() {
        Arch::Amd64 => amd64(
            code,
            f.entry.0,
            &sp,
            Convention {
                stack_abi,
                thread_local,
            },
            &calls_morestack,
        ),
        Arch::Arm64 => arm64(code, f.entry.0, &sp, &calls_morestack),
    })
}

/// How a binary passes arguments and keeps g, as far as it matters here.
#[derive(Clone, Copy)]
struct Convention {
    stack_abi: bool,
    /// g can be read from thread-local storage.
    thread_local: bool,
}

/// SP below its value at entry, by address.
struct SpTable(Vec<SpRange>);

impl SpTable {
    fn at(&self, addr: u64) -> Option<i32> {
        self.0
            .iter()
            .find(|r| r.start.0 <= addr && addr < r.end.0)
            .map(|r| r.delta)
    }
}

/// Registers that hold arguments on entry, or the closure context, or g.
const X86_ARGS: [Register; 11] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RDX,
    Register::R14,
];

fn amd64(
    code: &[u8],
    entry: u64,
    sp: &SpTable,
    convention: Convention,
    is_morestack: &dyn Fn(u64) -> bool,
) -> Spots {
    let Convention {
        stack_abi,
        thread_local,
    } = convention;
    let elsewhere = match (stack_abi, thread_local) {
        (false, _) => G_REGISTER,
        (true, true) => G_TLS,
        (true, false) => G_NONE,
    };
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_show_branch_size(false);
    let mut text = |insn: &Instruction| {
        let mut out = String::new();
        formatter.format(insn, &mut out);
        out
    };
    let decode = |at: u64| {
        let offset = usize::try_from(at.checked_sub(entry)?).ok()?;
        let mut decoder = Decoder::with_ip(64, code.get(offset..)?, at, DecoderOptions::NONE);
        decoder.can_decode().then(|| decoder.decode())
    };
    let leads_to_morestack = |target: u64| {
        let mut at = target;
        for _ in 0..32 {
            let Some(insn) = decode(at).filter(|i| !i.is_invalid()) else {
                return false;
            };
            match insn.flow_control() {
                FlowControl::Call => return is_morestack(insn.near_branch_target()),
                FlowControl::Next => at = insn.next_ip(),
                _ => return false,
            }
        }
        false
    };
    let mut returns = Vec::new();
    let mut bad_return = None;
    let mut check: Option<Instruction> = None;
    let mut compares_g = false;
    let mut in_prologue = true;
    let mut info = InstructionInfoFactory::new();
    let mut decoder = Decoder::with_ip(64, code, entry, DecoderOptions::NONE);
    let mut first = None;
    let mut index = 0;
    while decoder.can_decode() {
        let insn = decoder.decode();
        if insn.is_invalid() {
            bad_return = Some(format!("the bytes at 0x{:x} are no instruction", insn.ip()));
            break;
        }
        first.get_or_insert(insn);
        if in_prologue {
            match (insn.mnemonic(), insn.flow_control()) {
                (Mnemonic::Jbe | Mnemonic::Jb, FlowControl::ConditionalBranch)
                    if compares_g
                        && leads_to_morestack(insn.near_branch_target())
                        && sp.at(insn.ip()) == Some(0) =>
                {
                    check = Some(insn);
                    // frames so large that the subtraction can wrap have a check before this one: the last counts
                }
                (_, FlowControl::Next) => {
                    let writes_args = info
                        .info(&insn)
                        .used_registers()
                        .iter()
                        .filter(|u| {
                            !matches!(
                                u.access(),
                                OpAccess::Read
                                    | OpAccess::CondRead
                                    | OpAccess::None
                                    | OpAccess::NoMemAccess
                            )
                        })
                        .any(|u| {
                            let register = u.register().full_register();
                            // the stack ABI has no arguments in registers
                            if stack_abi {
                                register == Register::RSP
                            } else {
                                X86_ARGS.contains(&register) || register == Register::RSP
                            }
                        });
                    if insn.mnemonic() == Mnemonic::Cmp {
                        let wanted = if stack_abi {
                            Register::RCX
                        } else {
                            Register::R14
                        };
                        compares_g = (0..2).any(|op| {
                            insn.op_kind(op) == OpKind::Memory && insn.memory_base() == wanted
                        });
                    }
                    if writes_args {
                        in_prologue = false;
                    }
                }
                _ => in_prologue = false,
            }
            index += 1;
            if index >= PROLOGUE {
                in_prologue = false;
            }
        }
        if insn.flow_control() == FlowControl::Return {
            if sp.at(insn.ip()) == Some(0) {
                returns.push(Spot {
                    addr: insn.ip(),
                    len: insn.len(),
                    insn: text(&insn),
                    why: "return, frame gone by the SP table",
                    cond: COND_NONE,
                    g_source: elsewhere,
                });
            } else {
                bad_return = Some(format!(
                    "the disassembler sees a return at 0x{:x}, the SP table says that the frame is still there",
                    insn.ip()
                ));
            }
        }
    }
    let g_source = match (stack_abi, check.is_some()) {
        (false, _) => G_REGISTER,
        (true, true) => G_RCX,
        (true, false) => elsewhere,
    };
    let entry = match (check, first) {
        (Some(insn), _) => Ok(Spot {
            addr: insn.ip(),
            len: insn.len(),
            insn: text(&insn),
            why: "branch of the stack check: emulated by the kernel, arguments in place, restarts told apart by the flags",
            cond: if insn.mnemonic() == Mnemonic::Jb {
                COND_X86_B
            } else {
                COND_X86_BE
            },
            g_source,
        }),
        (None, Some(insn)) => Ok(Spot {
            addr: insn.ip(),
            len: insn.len(),
            insn: text(&insn),
            why: "first instruction: the function has no stack check",
            cond: COND_NONE,
            g_source,
        }),
        (None, None) => Err("the function has no code".to_owned()),
    };
    Spots {
        entry,
        returns: match bad_return {
            Some(why) => Err(why),
            None => Ok(returns),
        },
    }
}

fn arm64(code: &[u8], entry: u64, sp: &SpTable, is_morestack: &dyn Fn(u64) -> bool) -> Spots {
    const RET: u32 = 0xd65f_03c0;
    let words: Vec<u32> = code
        .as_chunks::<4>()
        .0
        .iter()
        .map(|c| u32::from_le_bytes(*c))
        .collect();
    let at = |index: usize| entry + 4 * index as u64;
    let signed = |value: u32, bits: u32| i64::from(((value << (32 - bits)) as i32) >> (32 - bits));
    let leads_to_morestack = |index: i64| {
        (index..index + 16).any(|i| {
            let word = usize::try_from(i).ok().and_then(|i| words.get(i));
            word.is_some_and(|w| {
                w >> 26 == 0b10_0101
                    && is_morestack(
                        entry.wrapping_add_signed(4 * (i + signed(w & 0x03ff_ffff, 26))),
                    )
            })
        })
    };
    // ldr x16, [x28, #16] comes first; then b.ls / b.lo to the block that calls morestack
    let check = words.iter().take(PROLOGUE).enumerate().find(|(index, w)| {
        **w >> 24 == 0x54
            && matches!(**w & 0x1f, 3 | 9)
            && leads_to_morestack(*index as i64 + signed((**w >> 5) & 0x7_ffff, 19))
            && sp.at(at(*index)) == Some(0)
    });
    // R28 holds g in every release
    let g_source = G_REGISTER;
    let entry_spot = match (check, words.first()) {
        (Some((index, w)), _) => Ok(Spot {
            addr: at(index),
            len: 4,
            insn: if w & 0x1f == 3 { "b.lo" } else { "b.ls" }.to_owned(),
            why: "branch of the stack check: simulated by the kernel, arguments in place, restarts told apart by the flags",
            cond: if w & 0x1f == 3 {
                COND_ARM64_LO
            } else {
                COND_ARM64_LS
            },
            g_source,
        }),
        (None, Some(w)) => Ok(Spot {
            addr: entry,
            len: 4,
            insn: format!(".inst 0x{w:08x}"),
            why: "first instruction: the function has no stack check",
            cond: COND_NONE,
            g_source,
        }),
        (None, None) => Err("the function has no code".to_owned()),
    };
    let mut returns = Vec::new();
    let mut bad = None;
    for (index, _) in words.iter().enumerate().filter(|(_, w)| **w == RET) {
        if sp.at(at(index)) == Some(0) {
            returns.push(Spot {
                addr: at(index),
                len: 4,
                insn: "ret".to_owned(),
                why: "return, frame gone by the SP table",
                cond: COND_NONE,
                g_source,
            });
        } else {
            bad = Some(format!(
                "a return at 0x{:x} where the SP table says that the frame is still there",
                at(index)
            ));
        }
    }
    Spots {
        entry: entry_spot,
        returns: bad.map_or(Ok(returns), Err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entry: u64, spans: &[(u64, i32)], end: u64) -> SpTable {
        let ends = spans.iter().skip(1).map(|(s, _)| *s).chain([end]);
        SpTable(
            spans
                .iter()
                .zip(ends)
                .map(|((start, delta), stop)| SpRange {
                    start: ImageAddr(entry + start),
                    end: ImageAddr(entry + stop),
                    delta: *delta,
                })
                .collect(),
        )
    }

    // cmp rsp,[r14+10h]; jbe +9 (to the call); push rbp; pop rbp; ret; nop*4; call morestack; jmp start
    const CHECKED: &[u8] = &[
        0x49, 0x3b, 0x66, 0x10, 0x76, 0x07, 0x55, 0x5d, 0xc3, 0x90, 0x90, 0x90, 0x90, 0xe8, 0xee,
        0x00, 0x00, 0x00, 0xeb, 0xec,
    ];

    const REGISTERS: Convention = Convention {
        stack_abi: false,
        thread_local: false,
    };

    #[test]
    fn the_branch_of_the_stack_check_is_the_entry() {
        let sp = table(0x1000, &[(0, 0), (7, 8), (8, 0)], 0x14);
        let spots = amd64(CHECKED, 0x1000, &sp, REGISTERS, &|a| a == 0x1100);
        let entry = spots.entry.expect("entry");
        assert_eq!(
            (entry.addr, entry.cond, entry.len),
            (0x1004, COND_X86_BE, 2)
        );
        let returns = spots.returns.expect("returns");
        assert_eq!(returns.iter().map(|r| r.addr).collect::<Vec<_>>(), [0x1008]);
    }

    #[test]
    fn a_branch_elsewhere_is_no_stack_check() {
        let sp = table(0x1000, &[(0, 0), (7, 8), (8, 0)], 0x14);
        let spots = amd64(CHECKED, 0x1000, &sp, REGISTERS, &|_| false);
        let entry = spots.entry.expect("entry");
        assert_eq!((entry.addr, entry.cond), (0x1000, COND_NONE));
    }

    #[test]
    fn a_return_that_the_sp_table_denies_refuses_all() {
        let sp = table(0x1000, &[(0, 0), (7, 8)], 0x14);
        let spots = amd64(CHECKED, 0x1000, &sp, REGISTERS, &|a| a == 0x1100);
        assert!(spots.returns.is_err());
    }

    #[test]
    fn arm64_branch_and_ret() {
        // ldr x16,[x28,#16]; cmp sp,x16; b.ls +12; ret; nop; bl +0x100
        let words: [u32; 6] = [
            0xf940_0b90,
            0xeb30_63ff,
            0x5400_0069,
            0xd65f_03c0,
            0xd503_201f,
            0x9400_0040,
        ];
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let sp = table(0x2000, &[(0, 0)], 0x18);
        let spots = arm64(&code, 0x2000, &sp, &|a| a == 0x2014 + 0x100);
        let entry = spots.entry.expect("entry");
        assert_eq!((entry.addr, entry.cond), (0x2008, COND_ARM64_LS));
        assert_eq!(spots.returns.expect("returns").len(), 1);
    }
}

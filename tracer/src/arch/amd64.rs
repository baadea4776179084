//! amd64: its registers, and what the code of a function says.
//!
//! Stack checks by release (cmd/internal/obj/x86/obj6.go: stacksplit): `cmp rsp, guard` or `lea
//! r12, [rsp-N]; cmp r12, guard`, then `jbe`. Large frames from Go 1.17 on: `mov r12, rsp; sub r12,
//! N; jb; cmp r12, guard; jbe`; before: `mov rsi, guard; cmp rsi, stackPreempt; je; lea rax,
//! [rsp+M]; sub rax, rsi; cmp rax, N; jbe`. Functions that take their arguments from the stack load
//! g from thread-local storage first: all up to Go 1.16 (into RCX), since then assembly and what
//! cgo makes (into R14 from Go 1.18 on).

use super::site::{GSource, Restarts};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, InstructionInfoFactory,
    IntelFormatter, Mnemonic, OpAccess, OpKind, Register,
};

use super::{Check, Code, Input, Insn, NoReturns, Operands, Properties};
use crate::addr::ImageAddr;

const fn integer(name: &'static str, dwarf: u16) -> super::Register {
    super::Register { name, dwarf }
}

pub const PROPERTIES: Properties = Properties {
    register_abi: 17,
    integers: &[
        integer("RAX", 0),
        integer("RBX", 3),
        integer("RCX", 2),
        integer("RDI", 5),
        integer("RSI", 4),
        integer("R8", 8),
        integer("R9", 9),
        integer("R10", 10),
        integer("R11", 11),
    ],
    floats: 15,
    first_float: 17,
    first_argument: 0,
    thread_local_g: true,
    pclntab: &[0xff, 0xff, 0xff, 0, 0, 1, 8],
    relative: 8,
    absolute: 1,
    // int3
    breakpoint: &[0xcc],
};

/// Instructions looked at before the stack check must have appeared; the longest has nine.
const PROLOGUE: usize = 16;

/// Registers that hold arguments on entry, or the closure context, or g.
const ARGUMENTS: [Register; 11] = [
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

/// Reads a function.
pub fn read(input: &Input<'_>) -> Code {
    let prologue = Prologue::read(input);
    let body = Body::read(input, prologue.morestack);
    let by_stack = input.stack_abi || prologue.loads_g.is_some();
    let elsewhere = match (by_stack, input.thread_local) {
        (false, _) => GSource::Register,
        (true, true) => GSource::ThreadLocal,
        (true, false) => GSource::Unknown,
    };
    let at_entry = match (&prologue.check, prologue.loads_g) {
        (Check::Branch { .. }, Some(Register::R14)) => GSource::Register,
        (Check::Branch { .. }, _) if by_stack => GSource::Rcx,
        _ => elsewhere,
    };
    Code {
        first: prologue.first,
        check: prologue.check,
        morestack_call: body.morestack_call,
        branches: body.branches,
        g_at_entry: at_entry,
        g_at_return: elsewhere,
        returns: body.returns,
        arguments_on_stack: by_stack,
    }
}

/// The instructions that every call passes first.
struct Prologue {
    first: Vec<Insn>,
    check: Check,
    /// What the check calls.
    morestack: Option<ImageAddr>,
    /// The register that gets g from thread-local storage, where arguments are on the stack.
    loads_g: Option<Register>,
}

impl Prologue {
    fn read(input: &Input<'_>) -> Self {
        let mut this = Self {
            first: Vec::new(),
            check: Check::None,
            morestack: None,
            loads_g: None,
        };
        let mut text = Text::new();
        let mut effects = InstructionInfoFactory::new();
        // where g will be may hold its offset before
        let (mut changed, mut changed_for_g) = (false, false);
        let mut decoder = Decoder::with_ip(64, input.code, input.entry.0, DecoderOptions::NONE);
        for _ in 0..PROLOGUE {
            if !decoder.can_decode() {
                break;
            }
            let insn = decoder.decode();
            if insn.is_invalid() || input.sp.at(at(&insn)) != Some(0) {
                break;
            }
            let by_stack = input.stack_abi || this.loads_g.is_some();
            let in_place = by_stack || !(changed || changed_for_g);
            if in_place {
                this.first.push(text.insn(&insn));
            }
            match insn.flow_control() {
                FlowControl::ConditionalBranch => {
                    let Some(called) = leads_to_morestack(input, insn.near_branch_target()) else {
                        break;
                    };
                    this.morestack = Some(called);
                    this.check = match insn.mnemonic() {
                        _ if !in_place => Check::Late { branch: at(&insn) },
                        Mnemonic::Jbe => Check::Branch {
                            insn: text.insn(&insn),
                            restarts: Restarts::X86BelowOrEqual,
                        },
                        Mnemonic::Jb => Check::Branch {
                            insn: text.insn(&insn),
                            restarts: Restarts::X86Below,
                        },
                        _ => Check::Unknown,
                    };
                }
                FlowControl::Next => {
                    let written = Written::by(&insn, &mut effects);
                    if written.memory || written.registers.contains(&Register::RSP) {
                        break;
                    }
                    let to = insn.op0_register();
                    let holds_g = matches!(to, Register::RCX | Register::R14);
                    if holds_g && insn.segment_prefix() == Register::FS && !changed {
                        this.loads_g = Some(to);
                    }
                    for register in written.registers.iter().filter(|r| ARGUMENTS.contains(r)) {
                        if holds_g && *register == to {
                            changed_for_g = true;
                        } else {
                            changed = true;
                        }
                    }
                }
                _ => break,
            }
        }
        this
    }
}

/// What an instruction changes.
struct Written {
    memory: bool,
    registers: Vec<Register>,
}

impl Written {
    fn by(insn: &Instruction, effects: &mut InstructionInfoFactory) -> Self {
        let writes = |access: OpAccess| {
            !matches!(
                access,
                OpAccess::Read | OpAccess::CondRead | OpAccess::None | OpAccess::NoMemAccess
            )
        };
        let effects = effects.info(insn);
        Self {
            memory: effects.used_memory().iter().any(|m| writes(m.access())),
            registers: effects
                .used_registers()
                .iter()
                .filter(|r| writes(r.access()))
                .map(|r| r.register().full_register())
                .collect(),
        }
    }
}

/// The `runtime.morestack*` that is called by what begins at `target`, without a branch before.
fn leads_to_morestack(input: &Input<'_>, target: u64) -> Option<ImageAddr> {
    let offset = usize::try_from(target.checked_sub(input.entry.0)?).ok()?;
    let code = input.code.get(offset..)?;
    let mut decoder = Decoder::with_ip(64, code, target, DecoderOptions::NONE);
    while decoder.can_decode() {
        let insn = decoder.decode();
        match insn.flow_control() {
            FlowControl::Call => return called(&insn).filter(|to| (input.is_morestack)(*to)),
            FlowControl::Next if !insn.is_invalid() => {}
            _ => return None,
        }
    }
    None
}

fn at(insn: &Instruction) -> ImageAddr {
    ImageAddr(insn.ip())
}

fn called(insn: &Instruction) -> Option<ImageAddr> {
    (insn.op0_kind() == OpKind::NearBranch64).then(|| ImageAddr(insn.near_branch_target()))
}

/// What is found anywhere in the code.
struct Body {
    morestack_call: Option<ImageAddr>,
    branches: Vec<(ImageAddr, ImageAddr)>,
    returns: Result<Vec<Insn>, NoReturns>,
}

impl Body {
    /// `morestack`: what the stack check was seen to call.
    fn read(input: &Input<'_>, morestack: Option<ImageAddr>) -> Self {
        let is_morestack = |to: ImageAddr| match morestack {
            Some(known) => known == to,
            None => (input.is_morestack)(to),
        };
        let mut text = Text::new();
        let (mut returns, mut refused) = (Vec::new(), None);
        let (mut branches, mut morestack_call) = (Vec::new(), None);
        // arguments are put back, then the way leads to the entry
        let mut after_morestack = false;
        let mut decoder = Decoder::with_ip(64, input.code, input.entry.0, DecoderOptions::NONE);
        let mut insn = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut insn);
            if insn.is_invalid() {
                refused = Some(NoReturns::NoInstruction { at: at(&insn) });
                break;
            }
            match insn.flow_control() {
                FlowControl::Call if called(&insn).is_some_and(is_morestack) => {
                    morestack_call = Some(at(&insn));
                    after_morestack = true;
                }
                FlowControl::Return if input.sp.at(at(&insn)) == Some(0) => {
                    returns.push(text.insn(&insn));
                }
                FlowControl::Return => {
                    refused = Some(NoReturns::FrameStays { at: at(&insn) });
                }
                FlowControl::UnconditionalBranch if after_morestack => after_morestack = false,
                FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                    let (from, to) = (at(&insn), ImageAddr(insn.near_branch_target()));
                    if (input.entry..=from).contains(&to) {
                        branches.push((from, to));
                    }
                    after_morestack = false;
                }
                FlowControl::Next => {}
                _ => after_morestack = false,
            }
        }
        Self {
            morestack_call,
            branches,
            returns: refused.map_or(Ok(returns), Err),
        }
    }
}

/// Writes instructions.
struct Text(IntelFormatter);

impl Text {
    fn new() -> Self {
        let mut formatter = IntelFormatter::new();
        formatter.options_mut().set_hex_prefix("0x");
        formatter.options_mut().set_hex_suffix("");
        formatter.options_mut().set_uppercase_hex(false);
        formatter.options_mut().set_branch_leading_zeros(false);
        formatter.options_mut().set_show_branch_size(false);
        Self(formatter)
    }

    fn insn(&mut self, insn: &Instruction) -> Insn {
        let mut text = String::new();
        self.0.format(insn, &mut text);
        Insn {
            addr: at(insn),
            len: insn.len(),
            text,
            exclusive: false,
        }
    }
}

/// Constants that byte registers are compared with, and addresses that `lea` loads.
pub fn operands(code: &[u8], entry: ImageAddr) -> Operands {
    let mut decoder = Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE);
    let mut insn = Instruction::default();
    let (mut bytes, mut addresses) = (Vec::new(), Vec::new());
    while decoder.can_decode() {
        decoder.decode_out(&mut insn);
        match insn.mnemonic() {
            Mnemonic::Cmp
                if insn.op0_kind() == OpKind::Register
                    && insn.op0_register().size() == 1
                    && insn.op1_kind() == OpKind::Immediate8 =>
            {
                bytes.push(insn.immediate8());
            }
            Mnemonic::Lea if insn.is_ip_rel_memory_operand() => {
                addresses.push(ImageAddr(insn.ip_rel_memory_address()));
            }
            _ => {}
        }
    }
    Operands::each_once(bytes, addresses)
}

/// The offset in `mov %fs:OFFSET,%rcx`, with which the stack check of Go up to 1.16 loads g.
pub fn thread_local_offset(code: &[u8]) -> Option<i32> {
    let rest = code.strip_prefix(&[0x64, 0x48, 0x8b, 0x0c, 0x25])?;
    Some(i32::from_le_bytes(*rest.first_chunk()?)).filter(|offset| *offset < 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_byte_registers_and_loaded_addresses_count() {
        // cmp sil, 0x1b; cmp ecx, 4; lea rdi, [rip + 0x10]; lea rax, [rcx + 8]
        let code = [
            0x40, 0x80, 0xfe, 0x1b, 0x83, 0xf9, 0x04, 0x48, 0x8d, 0x3d, 0x10, 0, 0, 0, 0x48, 0x8d,
            0x41, 0x08,
        ];
        let found = operands(&code, ImageAddr(0x1000));
        assert_eq!(found.bytes, [0x1b]);
        assert_eq!(found.addresses, [ImageAddr(0x100e + 0x10)]);
    }

    #[test]
    fn g_in_thread_local_storage() {
        // mov rcx, fs:[-8]; then whatever
        let code = [0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x90];
        assert_eq!(thread_local_offset(&code), Some(-8));
        assert_eq!(thread_local_offset(&code[..8]), None);
        assert_eq!(thread_local_offset(&code[1..]), None);
    }
}

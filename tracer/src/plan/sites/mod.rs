//! Which instructions of a function to probe: one at its entry, and every return.
//!
//! Entry: the last conditional branch of the stack check, because the kernel emulates it (an
//! ordinary first instruction is single-stepped out of line, about fifteen times as dear) and
//! because its flags tell whether the function is about to start over through `runtime.morestack`.
//! All arguments are still in place there. A check of a large frame has branches before that one,
//! whose fall-through does not enter yet.
//!
//! Functions without a stack check are probed at their first instruction, unless control can come
//! back to it within one call: a loop that begins there, or asynchronous preemption, which goes
//! back to the start of some sequences (`gobin::Restart`). Then the first instruction behind is
//! taken before which nothing but scratch registers was changed, or the function is refused.
//!
//! Returns: every `ret`, checked against the SP table (the frame must be gone). Never a return
//! probe of the kernel: those break the Go runtime's own unwinding.

mod reasons;

use super::abi::Abi;
use crate::addr::ImageAddr;
pub use crate::arch::NoReturns;
use crate::arch::{Arch, Check, Code, GSource, Input, Insn, Restarts, SpTable};
use crate::gobin::{Error, FuncInfo, GoBinary, Restart};
pub use reasons::{NoEntry, Why};

/// A chosen instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub addr: ImageAddr,
    /// Length in bytes.
    pub len: usize,
    pub insn: String,
    pub why: Why,
    pub restarts: Restarts,
    pub g_source: GSource,
}

/// What to probe in one function, or why that cannot be done safely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spots {
    pub entry: Result<Spot, NoEntry>,
    pub returns: Result<Vec<Spot>, NoReturns>,
    /// The code is seen to take its arguments from the stack. In a binary that passes them in
    /// registers these are assembly and what cgo makes.
    pub arguments_on_stack: bool,
}

/// Chooses the spots of a function.
///
/// # Errors
/// Its code or SP table cannot be read.
pub fn choose(binary: &GoBinary<'_>, f: &FuncInfo, thread_local: bool) -> Result<Spots, Error> {
    let sp = SpTable(binary.sp_deltas(f)?);
    let restarts = binary.restarts(f)?;
    let calls_morestack = |addr: ImageAddr| {
        binary
            .function_at(addr)
            .is_some_and(|f| f.entry == addr && f.name.starts_with("runtime.morestack"))
    };
    let input = Input {
        code: binary.code(f)?,
        entry: f.entry,
        sp: &sp,
        is_morestack: &calls_morestack,
        stack_abi: Abi::of(binary.arch(), binary.version()).is_stack(),
        thread_local,
    };
    Ok(choose_from(&input, binary.arch(), &restarts))
}

fn choose_from(input: &Input<'_>, arch: Arch, restarts: &[Restart]) -> Spots {
    let code = arch.read(input);
    let of_return = |insn: &Insn| spot(insn, Why::Return, Restarts::Never, code.g_at_return);
    Spots {
        entry: entry(&code, arch, restarts),
        arguments_on_stack: code.arguments_on_stack,
        returns: match &code.returns {
            Ok(found) => Ok(found.iter().map(of_return).collect()),
            Err(why) => Err(*why),
        },
    }
}

fn spot(insn: &Insn, why: Why, restarts: Restarts, g_source: GSource) -> Spot {
    Spot {
        addr: insn.addr,
        len: insn.len,
        insn: insn.text.clone(),
        why,
        restarts,
        g_source,
    }
}

fn entry(code: &Code, arch: Arch, restarts: &[Restart]) -> Result<Spot, NoEntry> {
    match (&code.check, code.morestack_call) {
        (
            Check::Branch {
                insn,
                restarts: when,
            },
            _,
        ) => {
            comes_back(insn, code, restarts)?;
            Ok(spot(insn, Why::StackCheck(arch), *when, code.g_at_entry))
        }
        (Check::Late { branch }, _) => Err(NoEntry::CheckChangesArguments { branch: *branch }),
        (Check::None | Check::Unknown, Some(call)) => Err(NoEntry::UnknownCheck { call }),
        (Check::None | Check::Unknown, None) => without_check(code, restarts),
    }
}

fn without_check(code: &Code, restarts: &[Restart]) -> Result<Spot, NoEntry> {
    let mut refused = None;
    for (index, insn) in code.first.iter().enumerate() {
        if insn.exclusive {
            return Err(refused.unwrap_or(NoEntry::Exclusive { at: insn.addr }));
        }
        let why = if index == 0 {
            Why::First
        } else {
            Why::BehindRestart
        };
        match comes_back(insn, code, restarts) {
            Ok(()) => return Ok(spot(insn, why, Restarts::Never, code.g_at_entry)),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    Err(refused.unwrap_or(NoEntry::NoCode))
}

/// Whether control can come back to an instruction, or to one before it, within one call.
fn comes_back(insn: &Insn, code: &Code, restarts: &[Restart]) -> Result<(), NoEntry> {
    if let Some((from, _)) = code.branches.iter().find(|(_, to)| *to <= insn.addr) {
        return Err(NoEntry::Loop { from: *from });
    }
    // before an instruction of the range runs; this one has run when it was counted
    if let Some(range) = restarts
        .iter()
        .find(|r| r.to <= insn.addr && r.end > insn.end())
    {
        return Err(NoEntry::Restart {
            from: range.start.max(insn.end()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

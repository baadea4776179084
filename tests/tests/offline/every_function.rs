//! The calling convention and the choice of return instructions over whole stock dockerds, against
//! what the compiler recorded for each function: argument sizes and words, and the SP table. The
//! choice of entries over those and programs by every Go, against the whole of each function's
//! code.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions, FlowControl};
use mobytrace::arch::Restarts;
use mobytrace::gobin::symbol::{Symbol, is_of_type, with_type_arguments};
use mobytrace::gobin::{Arch, FuncInfo, GoBinary, ImageAddr};
use mobytrace::plan::{self, NoEntry, Spot, Why};

/// Suites and the fewest methods with a kept type that each build must have.
const BUILDS: &[(&str, &str, usize)] = &[
    ("bullseye", "amd64", 5000),
    ("bullseye", "arm64", 3000),
    ("bookworm", "amd64", 5000),
    ("bookworm", "arm64", 3000),
    ("trixie", "amd64", 5000),
    ("trixie", "arm64", 3000),
    ("sid", "amd64", 3000),
    ("sid", "arm64", 3000),
];

fn each(mut check: impl FnMut(&str, usize, &GoBinary<'_>)) {
    let mut read = 0;
    for (suite, arch, least) in BUILDS {
        let Some(path) = harness::stock_dockerd(suite, arch) else {
            continue;
        };
        let name = format!("{suite} {arch}");
        let bytes = std::fs::read(path).expect("dockerd");
        let binary = GoBinary::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(&name, *least, &binary);
        read += 1;
    }
    assert!(!harness::is_strict() || read >= 2, "{read} builds");
}

#[test]
fn every_kept_method_type_agrees_with_the_records_of_its_code() {
    each(|name, least, binary| {
        let by_entry: BTreeMap<u64, FuncInfo> =
            binary.functions().map(|f| (f.entry.0, f)).collect();
        let (mut same, mut different) = (0, Vec::new());
        for receiver in binary.find_types(&mut |_| true).expect("types") {
            for method in binary.methods(receiver).unwrap_or_default() {
                let (Some(ty), Some(entry)) = (method.ty, method.entry) else {
                    continue;
                };
                let Some(f) = by_entry.get(&entry.0) else {
                    continue;
                };
                match plan::method_agrees(binary, f, receiver, ty).expect("types") {
                    Some(Ok(())) => same += 1,
                    Some(Err(why)) => different.push(format!("{}: {why}", f.name)),
                    None => panic!("{name}: {} has no function type", f.name),
                }
            }
        }
        eprintln!("{name}: {same} methods agree, {} differ", different.len());
        for one in different.iter().take(12) {
            eprintln!("   {one}");
        }
        assert!(same >= least, "{name}: {same} methods");
        assert!(different.is_empty(), "{name}: {} differ", different.len());
    });
}

/// The method tables say which code is whose method. What the symbol of that code says must be the
/// same, and what is no method's code, but a closure in it, must not be taken for it.
#[test]
fn symbols_name_the_methods_that_the_tables_have() {
    each(|name, least, binary| {
        let by_entry: BTreeMap<u64, FuncInfo> = binary
            .functions()
            .filter(|f| !f.wrapper)
            .map(|f| (f.entry.0, f))
            .collect();
        let (mut same, mut different) = (0, Vec::new());
        for id in binary.find_types(&mut |_| true).expect("types") {
            let ty = binary.type_by_id(id).expect("a type").name;
            let (pointer, of) = match ty.strip_prefix('*') {
                Some(of) => (true, of),
                None => (false, ty.as_str()),
            };
            let of = with_type_arguments(of, "");
            for method in binary.methods(id).unwrap_or_default() {
                let Some(f) = method.entry.and_then(|entry| by_entry.get(&entry.0)) else {
                    continue;
                };
                let symbol = Symbol::parse(&f.name);
                let said = symbol.and_then(|s| {
                    let receiver = s.method_of()?;
                    let of = format!("{}.{}", s.path(), receiver.name);
                    Some((of, receiver.by_pointer, s.function.to_owned()))
                });
                // code of a method is shared with types that embed its receiver: then the symbol
                // names that one
                let promoted = said.as_ref().is_some_and(|(other, _, _)| *other != of);
                let by_value = said
                    .as_ref()
                    .is_some_and(|(_, by_pointer, _)| *by_pointer != pointer);
                match said {
                    Some((_, _, function)) if function == method.name => {
                        same += usize::from(!promoted && !by_value);
                    }
                    _ if is_of_type(&f.name) => {}
                    other => {
                        different.push(format!("{}: {other:?}, not {ty} {}", f.name, method.name))
                    }
                }
            }
        }
        eprintln!(
            "{name}: {same} methods named by their symbols, {} not",
            different.len()
        );
        for one in different.iter().take(12) {
            eprintln!("   {one}");
        }
        // wrappers are not counted
        assert!(same >= least / 2, "{name}: {same} methods");
        assert!(different.is_empty(), "{name}: {} differ", different.len());
    });
}

/// Returns of a function with a frame by the SP table alone: where SP comes back to its value at
/// entry and the first instruction there that is no padding is a return.
fn returns_by_table(binary: &GoBinary<'_>, f: &FuncInfo) -> Option<Vec<u64>> {
    let table = binary.sp_deltas(f).ok()?;
    if table.iter().all(|r| r.delta == 0) {
        return None;
    }
    let (nop, ret): (&[u8], &[u8]) = match binary.arch() {
        Arch::Amd64 => (&[0x90], &[0xc3]),
        Arch::Arm64 => (&[0x1f, 0x20, 0x03, 0xd5], &[0xc0, 0x03, 0x5f, 0xd6]),
    };
    // `sub x29, sp, #8` between the end of the frame and the return of a leaf (Go 1.18 to 1.20)
    let restores_fp = |at| {
        binary.arch() == Arch::Arm64
            && binary
                .bytes_at(at, 4)
                .and_then(|b| b.try_into().ok().map(u32::from_le_bytes))
                .is_some_and(|w| w == 0xd100_23fd)
    };
    let mut found = Vec::new();
    for range in table.iter().skip(1).filter(|r| r.delta == 0) {
        let mut at = range.start;
        while at < range.end && (binary.bytes_at(at, nop.len()) == Some(nop) || restores_fp(at)) {
            at.0 += nop.len() as u64;
        }
        if at < range.end && binary.bytes_at(at, ret.len()) == Some(ret) {
            found.push(at.0);
        }
    }
    Some(found)
}

/// Written by hand: returns lie where SP was moved by other means. Before Go 1.18 nothing records
/// it.
fn is_assembly(f: &FuncInfo) -> bool {
    let by_hand = ["runtime.rt0_go", "runtime.mcall", "syscall.rawVforkSyscall"];
    f.assembly || by_hand.contains(&f.name.as_str())
}

#[test]
fn returns_by_disassembly_are_those_of_the_sp_table() {
    each(|name, _, binary| {
        let (mut compared, mut checks, mut returns, mut different) = (0, 0, 0, Vec::new());
        for f in binary.functions() {
            let Some(by_table) = returns_by_table(binary, &f) else {
                continue;
            };
            let spots = plan::spots(binary, &f).expect("code");
            checks += usize::from(spots.entry.is_ok_and(|e| e.restarts != Restarts::Never));
            compared += 1;
            match spots.returns {
                Ok(found) => {
                    let found: Vec<u64> = found.iter().map(|s| s.addr.0).collect();
                    returns += found.len();
                    if found != by_table && !is_assembly(&f) {
                        different.push(format!("{}: {found:x?}, by table {by_table:x?}", f.name));
                    }
                }
                Err(why) => different.push(format!("{}: {why}", f.name)),
            }
        }
        eprintln!(
            "{name}: {compared} functions with a frame, {checks} with a stack check, {returns} returns, {} differ",
            different.len()
        );
        for one in different.iter().take(12) {
            eprintln!("   {one}");
        }
        assert!(compared > 20_000, "{name}: {compared} functions");
        assert!(different.is_empty(), "{name}: {} differ", different.len());
    });
}

/// Every direct branch of a function (from, to, conditional), and every direct call (from, to).
struct Jumps {
    branches: Vec<(u64, u64, bool)>,
    calls: Vec<(u64, u64)>,
}

impl Jumps {
    fn of(arch: Arch, code: &[u8], entry: u64) -> Self {
        match arch {
            Arch::Amd64 => Self::amd64(code, entry),
            Arch::Arm64 => Self::arm64(code, entry),
        }
    }

    fn leads_to(&self, from: ImageAddr, to: ImageAddr) -> bool {
        self.branches
            .iter()
            .any(|(f, t, _)| (*f, *t) == (from.0, to.0))
    }

    fn amd64(code: &[u8], entry: u64) -> Self {
        let (mut branches, mut calls) = (Vec::new(), Vec::new());
        for insn in &mut Decoder::with_ip(64, code, entry, DecoderOptions::NONE) {
            let (from, to) = (insn.ip(), insn.near_branch_target());
            match insn.flow_control() {
                FlowControl::ConditionalBranch => branches.push((from, to, true)),
                FlowControl::UnconditionalBranch => branches.push((from, to, false)),
                FlowControl::Call => calls.push((from, to)),
                _ => {}
            }
        }
        Self { branches, calls }
    }

    fn arm64(code: &[u8], entry: u64) -> Self {
        let (mut branches, mut calls) = (Vec::new(), Vec::new());
        for (index, word) in code.as_chunks::<4>().0.iter().enumerate() {
            let (word, from) = (u32::from_le_bytes(*word), entry + 4 * index as u64);
            // the offset's lowest bit and its number of bits
            let to = |low: u32, bits: u32| {
                let shifted = (word >> low) << (32 - bits);
                from.wrapping_add_signed(i64::from(shifted.cast_signed() >> (32 - bits)) * 4)
            };
            match word >> 24 {
                0x94..=0x97 => calls.push((from, to(0, 26))),
                0x14..=0x17 => branches.push((from, to(0, 26), false)),
                0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => branches.push((from, to(5, 19), true)),
                0x36 | 0x37 | 0xb6 | 0xb7 => branches.push((from, to(5, 14), true)),
                _ => {}
            }
        }
        Self { branches, calls }
    }
}

/// Everything that the tests have: stock dockerds, and programs by every Go.
fn each_program(mut check: impl FnMut(&str, &GoBinary<'_>)) {
    each(|name, _, binary| check(name, binary));
    let programs = ["big", "leaf", "releases"]
        .into_iter()
        .flat_map(harness::programs);
    for program in programs.flatten() {
        let bytes = std::fs::read(&program.path).expect("program");
        let binary = GoBinary::parse(&bytes).unwrap_or_else(|e| panic!("{program}: {e}"));
        check(&program.to_string(), &binary);
    }
}

/// What is wrong with an entry, seen from the whole code.
fn unsound(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
    jumps: &Jumps,
    morestack: Option<u64>,
    spot: &Spot,
) -> Option<String> {
    let behind = spot.addr.0 + spot.len as u64;
    if let Some(call) = morestack {
        // branches into the block that ends in the call, from its first instruction on: all lead to
        // the same one
        let probed = jumps
            .branches
            .iter()
            .find(|(from, _, _)| *from == spot.addr.0);
        let Some((_, block, true)) = probed else {
            return Some("the entry is no conditional branch".to_owned());
        };
        let into_block = |(from, to, conditional): &&(u64, u64, bool)| {
            *conditional && (*block..=call).contains(to) && *from < *block
        };
        let last = jumps
            .branches
            .iter()
            .filter(into_block)
            .map(|(from, _, _)| *from)
            .max();
        if last != Some(spot.addr.0) || !matches!(spot.why, Why::StackCheck(_)) {
            return Some(format!(
                "the last branch to the call at {call:x} is at {last:x?}"
            ));
        }
    } else if spot.restarts != Restarts::Never || matches!(spot.why, Why::StackCheck(_)) {
        return Some("no call makes the stack grow".to_owned());
    }
    let again = jumps.branches.iter().find(|(from, to, _)| {
        (f.entry.0..behind).contains(to) && morestack.is_none_or(|call| *from < call)
    });
    if let Some((from, _, _)) = again {
        return Some(format!("the branch at {from:x} leads back"));
    }
    // as the runtime looks them up: for one pc after the other
    let restarts = binary.restarts(f).expect("record");
    let mut pc = behind;
    while pc < f.end.0.min(behind + 256) {
        let range = restarts.iter().find(|r| (r.start.0..r.end.0).contains(&pc));
        if range.is_some_and(|r| r.to <= spot.addr) {
            return Some(format!("preemption at {pc:x} goes back"));
        }
        pc += 1;
    }
    None
}

#[test]
fn every_entry_is_passed_once_in_a_call() {
    each_program(|name, binary| {
        let is_morestack: Vec<u64> = binary
            .find_functions(&mut |n| n.starts_with("runtime.morestack"))
            .iter()
            .map(|f| f.entry.0)
            .collect();
        let (mut kinds, mut refused, mut wrong) = (BTreeMap::new(), 0, Vec::new());
        for f in binary.functions() {
            let Ok(code) = binary.code(&f) else { continue };
            let jumps = Jumps::of(binary.arch(), code, f.entry.0);
            let call = jumps
                .calls
                .iter()
                .find(|(_, to)| is_morestack.contains(to))
                .map(|c| c.0);
            let spots = plan::spots(binary, &f).expect("code");
            match spots.entry {
                Ok(spot) => {
                    *kinds.entry(format!("{:?}", spot.why)).or_insert(0) += 1;
                    if let Some(why) = unsound(binary, &f, &jumps, call, &spot) {
                        wrong.push(format!("{}: {why}: {spot:x?}", f.name));
                    }
                }
                Err(NoEntry::NoCode) if code.iter().all(|b| matches!(b, 0 | 0xcc)) => {}
                // a loop from the very first instruction on
                Err(NoEntry::Loop { from }) if call.is_none() && jumps.leads_to(from, f.entry) => {
                    refused += 1;
                }
                Err(why) => wrong.push(format!("{}: {why}", f.name)),
            }
        }
        eprintln!(
            "{name}: {kinds:?}, {refused} refused, {} wrong",
            wrong.len()
        );
        for one in wrong.iter().take(12) {
            eprintln!("   {one}");
        }
        assert!(wrong.is_empty(), "{name}: {} wrong", wrong.len());
        let count = |kind: &str| kinds.get(kind).copied().unwrap_or(0);
        assert!(
            refused * 1000 < kinds.values().sum::<u64>(),
            "{name}: {refused} refused"
        );
        assert!(count("First") > 100, "{name}: {kinds:?}");
        match binary.arch() {
            Arch::Amd64 => assert!(count("StackCheck(Amd64)") > 1000, "{name}: {kinds:?}"),
            Arch::Arm64 => {
                assert!(count("StackCheck(Arm64)") > 1000, "{name}: {kinds:?}");
                assert!(count("BehindRestart") > 0, "{name}: {kinds:?}");
            }
        }
    });
}

//! The calling convention and the choice of return instructions over whole stock dockerds, against what the compiler recorded
//! for each function: argument sizes and words, and the SP table.

use std::collections::BTreeMap;

use mobytrace::gobin::{Arch, FuncInfo, GoBinary};
use mobytrace::plan;

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

/// Returns of a function with a frame by the SP table alone: where SP comes back to its value at entry and the first
/// instruction there that is no padding is a return.
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

/// Written by hand: returns lie where SP was moved by other means. Before Go 1.18 nothing records it.
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
            let entry = spots.entry.expect("entry");
            checks += usize::from(entry.cond != 0);
            compared += 1;
            match spots.returns {
                Ok(found) => {
                    let found: Vec<u64> = found.iter().map(|s| s.addr).collect();
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

//! Prologues byte by byte, of each shape that Go's assembler makes.

use super::*;
use crate::arch::SpRange;

const ENTRY: u64 = 0x1000;
const MORESTACK: u64 = 0x1100;

/// SP deltas, each from an offset on.
fn table(spans: &[(u64, i32)], len: usize) -> SpTable {
    let ends = spans.iter().skip(1).map(|(s, _)| *s).chain([len as u64]);
    SpTable(
        spans
            .iter()
            .zip(ends)
            .map(|((start, delta), stop)| SpRange {
                start: ImageAddr(ENTRY + start),
                end: ImageAddr(ENTRY + stop),
                delta: *delta,
            })
            .collect(),
    )
}

struct Case<'a> {
    arch: Arch,
    code: &'a [u8],
    sp: &'a [(u64, i32)],
    stack_abi: bool,
    /// Start, end and target, from the entry on.
    restarts: &'a [(u64, u64, u64)],
}

impl Case<'_> {
    fn spots(&self) -> Spots {
        let sp = table(self.sp, self.code.len());
        let restarts: Vec<Restart> = self
            .restarts
            .iter()
            .map(|(start, end, to)| Restart {
                start: ImageAddr(ENTRY + start),
                end: ImageAddr(ENTRY + end),
                to: ImageAddr(ENTRY + to),
            })
            .collect();
        let input = Input {
            code: self.code,
            entry: ImageAddr(ENTRY),
            sp: &sp,
            is_morestack: &|addr| addr.0 == MORESTACK,
            stack_abi: self.stack_abi,
            thread_local: false,
        };
        choose_from(&input, self.arch, &restarts)
    }

    /// Offset, condition and source of g of the entry.
    #[track_caller]
    fn entry(&self) -> (u64, Restarts, GSource) {
        let spot = self.spots().entry.expect("entry");
        (spot.addr.0 - ENTRY, spot.restarts, spot.g_source)
    }
}

const fn amd64(code: &[u8]) -> Case<'_> {
    Case {
        arch: Arch::Amd64,
        code,
        sp: &[(0, 0)],
        stack_abi: false,
        restarts: &[],
    }
}

// cmp rsp,[r14+10h]; jbe 0d; push rbp; pop rbp; ret; nop*4; call morestack; jmp 0
const CHECKED: &[u8] = &[
    0x49, 0x3b, 0x66, 0x10, 0x76, 0x07, 0x55, 0x5d, 0xc3, 0x90, 0x90, 0x90, 0x90, 0xe8, 0xee, 0, 0,
    0, 0xeb, 0xec,
];
const CHECKED_SP: &[(u64, i32)] = &[(0, 0), (7, 8), (8, 0)];

#[test]
fn the_branch_of_the_stack_check_is_the_entry() {
    let case = Case {
        sp: CHECKED_SP,
        ..amd64(CHECKED)
    };
    assert_eq!(
        case.entry(),
        (4, Restarts::X86BelowOrEqual, GSource::Register)
    );
    let returns = case.spots().returns.expect("returns");
    let returns: Vec<u64> = returns.iter().map(|r| r.addr.0 - ENTRY).collect();
    assert_eq!(returns, [8]);
}

#[test]
fn a_return_that_the_sp_table_denies_refuses_all() {
    let case = Case {
        sp: &[(0, 0), (7, 8)],
        ..amd64(CHECKED)
    };
    assert_eq!(
        case.spots().returns,
        Err(NoReturns::FrameStays {
            at: ImageAddr(ENTRY + 8)
        })
    );
}

#[test]
fn of_two_branches_the_last_one_enters() {
    // Go 1.17 on: mov r12,rsp; sub r12,1770h; jb 15; cmp r12,[r14+10h]; jbe 15; push rbp; pop rbp;
    // ret; call morestack; jmp 0
    let registers = [
        0x49, 0x89, 0xe4, 0x49, 0x81, 0xec, 0x70, 0x17, 0, 0, 0x72, 0x09, 0x4d, 0x3b, 0x66, 0x10,
        0x76, 0x03, 0x55, 0x5d, 0xc3, 0xe8, 0xe6, 0, 0, 0, 0xeb, 0xe4,
    ];
    let case = Case {
        sp: &[(0, 0), (19, 8), (20, 0)],
        ..amd64(&registers)
    };
    assert_eq!(
        case.entry(),
        (16, Restarts::X86BelowOrEqual, GSource::Register)
    );
    // before: mov rcx,fs:[-8]; mov rsi,[rcx+10h]; cmp rsi,-1314; je 2a; lea rax,[rsp+380h]; sub
    // rax,rsi; cmp rax,1a50h; jbe 2a; ret; call morestack; jmp 0
    let stack = [
        0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x71, 0x10, 0x48, 0x81,
        0xfe, 0xde, 0xfa, 0xff, 0xff, 0x74, 0x14, 0x48, 0x8d, 0x84, 0x24, 0x80, 0x03, 0, 0, 0x48,
        0x29, 0xf0, 0x48, 0x3d, 0x50, 0x1a, 0, 0, 0x76, 0x01, 0xc3, 0xe8, 0xd1, 0, 0, 0, 0xeb,
        0xcf,
    ];
    let case = Case {
        stack_abi: true,
        ..amd64(&stack)
    };
    assert_eq!(case.entry(), (39, Restarts::X86BelowOrEqual, GSource::Rcx));
}

#[test]
fn what_loads_g_takes_its_arguments_from_the_stack() {
    // mov r14,-8; mov r14,fs:[r14]; cmp rsp,[r14+10h]; jbe 12; ret; call morestack; jmp 0
    let code = [
        0x49, 0xc7, 0xc6, 0xf8, 0xff, 0xff, 0xff, 0x64, 0x4d, 0x8b, 0x36, 0x49, 0x3b, 0x66, 0x10,
        0x76, 0x01, 0xc3, 0xe8, 0xe9, 0, 0, 0, 0xeb, 0xe7,
    ];
    let case = amd64(&code);
    assert_eq!(
        case.entry(),
        (15, Restarts::X86BelowOrEqual, GSource::Register)
    );
    let spots = case.spots();
    assert!(spots.arguments_on_stack);
    // R14 may hold anything by then
    assert_eq!(
        spots.returns.expect("returns")[0].g_source,
        GSource::Unknown
    );
}

#[test]
fn a_check_that_is_not_understood_is_no_missing_check() {
    // mov rbx,rsp; cmp rbx,[r14+10h]; jbe 0a; ret; call morestack; jmp 0
    let late = [
        0x48, 0x89, 0xe3, 0x49, 0x3b, 0x5e, 0x10, 0x76, 0x01, 0xc3, 0xe8, 0xf1, 0, 0, 0, 0xeb, 0xef,
    ];
    assert_eq!(
        amd64(&late).spots().entry,
        Err(NoEntry::CheckChangesArguments {
            branch: ImageAddr(ENTRY + 7)
        })
    );
    // cmp rsp,[r14+10h]; je 07; ret; call morestack; jmp 0
    let unknown = [
        0x49, 0x3b, 0x66, 0x10, 0x74, 0x01, 0xc3, 0xe8, 0xf4, 0, 0, 0, 0xeb, 0xf2,
    ];
    assert_eq!(
        amd64(&unknown).spots().entry,
        Err(NoEntry::UnknownCheck {
            call: ImageAddr(ENTRY + 7)
        })
    );
}

#[test]
fn without_a_check_the_first_instruction_must_be_passed_once() {
    // mov rcx,[rax]; ret
    let straight = [0x48, 0x8b, 0x08, 0xc3];
    assert_eq!(
        amd64(&straight).entry(),
        (0, Restarts::Never, GSource::Register)
    );
    // mov rcx,[rax]; test rcx,rcx; je 0; ret
    let looping = [0x48, 0x8b, 0x08, 0x48, 0x85, 0xc9, 0x74, 0xf8, 0xc3];
    assert_eq!(
        amd64(&looping).spots().entry,
        Err(NoEntry::Loop {
            from: ImageAddr(ENTRY + 6)
        })
    );
    assert_eq!(amd64(&[]).spots().entry, Err(NoEntry::NoCode));
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

const fn arm64(code: &[u8]) -> Case<'_> {
    Case {
        arch: Arch::Arm64,
        ..amd64(code)
    }
}

#[test]
fn arm64_branch_and_ret() {
    // ldr x16,[x28,#16]; cmp sp,x16; b.ls 10; ret; bl morestack; b 0
    let code = bytes(&[
        0xf940_0b90,
        0xeb30_63ff,
        0x5400_0049,
        0xd65f_03c0,
        0x9400_003c,
        0x17ff_fffb,
    ]);
    let case = arm64(&code);
    assert_eq!(
        case.entry(),
        (8, Restarts::Arm64LowerOrSame, GSource::Register)
    );
    assert_eq!(case.spots().returns.expect("returns").len(), 1);
}

#[test]
fn arm64_large_frame_and_sixteen_spilled_registers() {
    // ldr x16,[x28,#16]; mov x27,#1770h; subs x17,sp,x27; b.lo 1c; cmp x17,x16; b.ls 1c; ret
    let mut words = vec![
        0xf940_0b90,
        0xd282_ee1b,
        0xeb3b_63f1,
        0x5400_0083,
        0xeb10_023f,
        0x5400_0049,
        0xd65f_03c0,
    ];
    // str x0,[sp,#8] … str x15,[sp,#128]; mov x3,x30; bl morestack; b 0
    words.extend((0..16).map(|n| 0xf900_07e0 + (n << 10) + n));
    words.extend([0xaa1e_03e3, 0x9400_0028, 0x17ff_ffe7]);
    let code = bytes(&words);
    assert_eq!(
        arm64(&code).entry(),
        (20, Restarts::Arm64LowerOrSame, GSource::Register)
    );
}

#[test]
fn preemption_that_goes_back_is_left_behind() {
    // adrp x27,0; add x27,x27,#16; ldrb w1,[x27]; add x0,x0,x1; ret
    let code = bytes(&[
        0x9000_001b,
        0x9100_437b,
        0x3940_0361,
        0x8b01_0000,
        0xd65f_03c0,
    ]);
    let case = |restarts| Case {
        restarts,
        ..arm64(&code)
    };
    assert_eq!(case(&[]).entry(), (0, Restarts::Never, GSource::Register));
    // the last instruction of the sequence: once it has run, the sequence is over
    assert_eq!(
        case(&[(0, 12, 0)]).entry(),
        (8, Restarts::Never, GSource::Register)
    );
    assert_eq!(
        case(&[(0, 12, 0)]).spots().entry.map(|e| e.why),
        Ok(Why::BehindRestart)
    );
    // behind the load R1 is no argument any more
    assert_eq!(
        case(&[(0, 16, 0)]).spots().entry,
        Err(NoEntry::Restart {
            from: ImageAddr(ENTRY + 4)
        })
    );
    assert_eq!(
        case(&[(16, 20, 0)]).spots().entry,
        Err(NoEntry::Restart {
            from: ImageAddr(ENTRY + 16)
        })
    );
    // a sequence of its own further on
    assert_eq!(
        case(&[(12, 20, 12)]).entry(),
        (0, Restarts::Never, GSource::Register)
    );
}

#[test]
fn a_reservation_is_not_interrupted() {
    // ldaxr x1,[x0]; ret
    let code = bytes(&[0xc85f_fc01, 0xd65f_03c0]);
    assert_eq!(
        arm64(&code).spots().entry,
        Err(NoEntry::Exclusive {
            at: ImageAddr(ENTRY)
        })
    );
    // ldar x1,[x0] and casal x1,x2,[x0] hold none
    for word in [0xc8df_fc01, 0xc8e1_fc02] {
        let code = bytes(&[word, 0xd65f_03c0]);
        assert_eq!(
            arm64(&code).entry(),
            (0, Restarts::Never, GSource::Register)
        );
    }
}

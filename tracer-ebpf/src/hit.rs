//! One hit of a probe: find the site, read the goroutine, fill an entry, run the machine, submit or continue.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_copy_from_user, bpf_loop};
use aya_ebpf::programs::ProbeContext;
use aya_log_ebpf::warn;
use tracer_ebpf::wire::counters::SiteCounters;
use tracer_ebpf::wire::limits::{LOST_WORD, MAX_PARTS, REG_WORDS, SAVED_BASE, SAVED_WORDS};
use tracer_ebpf::wire::record::{CUT, CUT_LOST, CUT_PARTS, Head, MORE, NO_SAVED, RECORD_VERSION};
use tracer_ebpf::wire::site::{
    CallKey, SAVE_NONE, SAVE_STACK, SITE_RESTORE, SITE_SAVE, SITE_STACK, Site, SiteKey,
    TGID_BY_NAMESPACE,
};

use crate::entry::{Entry, LARGE, SMALL, bound, copy_kernel, count, read_word};
use crate::goroutine::Goroutine;
use crate::machine::{F_OPS, F_REGS, HALT_FAULT};
use crate::maps::{
    BLANK, CARRIED, CONTINUE, COUNTERS, LOST, RING, SAVED, SITE_BY_ADDR, SITES, TARGETS,
};
use crate::mode::{BOUNDED, SLEEP};
use crate::namespace;
use crate::regs::Regs;
use crate::task;

/// Index of the probed site: the attach cookie, or by address where there are no cookies.
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value, the verifier goes through nearly twice as many states of the bounded programs"
)]
#[inline(always)]
fn site_index<const MODE: u8>(ctx: &ProbeContext, regs: &Regs, tgid: u32) -> Option<u32> {
    if MODE != BOUNDED {
        return Some(task::cookie(ctx) as u32);
    }
    let mut key = SiteKey {
        tgid,
        pad: 0,
        ip: regs.ip(),
    };
    // SAFETY: userspace wrote the map before the program ran; nobody writes to it any more.
    if let Some(index) = unsafe { SITE_BY_ADDR.get(&key) } {
        return Some(*index);
    }
    key.tgid = TGID_BY_NAMESPACE;
    // SAFETY: as above.
    unsafe { SITE_BY_ADDR.get(&key) }.copied()
}

/// First entry of a hit.
#[inline(always)]
pub fn first<const N: usize, const MODE: u8>(ctx: &ProbeContext) -> Option<()> {
    let regs = Regs(ctx.regs);
    let pid_tgid = task::pid_tgid();
    let index = site_index::<MODE>(ctx, &regs, (pid_tgid >> 32) as u32)?;
    let site = SITES.get(index)?;
    let target = TARGETS.get(site.target)?;
    if !namespace::is_target::<MODE>(site.target, target, (pid_tgid >> 32) as u32) {
        return None;
    }
    let counters = COUNTERS.get(index)?;
    if regs.restarts(site.cond) {
        count(&counters.restarts);
        return None;
    }
    count(&counters.hits);
    let ktime = task::monotonic_ns();
    let goroutine = Goroutine::read(&regs, site.g_source, target);
    let Some(mut reserved) = RING.reserve::<Entry<N>>(0) else {
        count(&counters.drops);
        count(LOST.get(0)?);
        if MODE == SLEEP {
            warn!(
                ctx,
                "no room in the ring buffer: a hit of site {} is lost", index
            );
        }
        return None;
    };
    // SAFETY: the entry is reserved for this program alone; it is made of numbers, so that any bytes are one.
    let entry = unsafe { &mut *reserved.as_mut_ptr() };
    fill(entry, &regs, site, index, ktime, pid_tgid, &goroutine);
    saved_words(&mut entry.head, site, &goroutine, counters);
    if site.flags & SITE_STACK != 0 {
        goroutine.walk(&regs, &mut entry.head);
    }
    let machine = &mut entry.machine;
    for word in [&mut machine.top, &mut machine.pos, &mut machine.retried] {
        // SAFETY: a word of the entry; volatile, or the compiler calls memset.
        unsafe { core::ptr::from_mut(word).write_volatile(0) };
    }
    if site.stack_count > 0 {
        entry.push_ops(F_OPS, site.stack_ops, site.stack_count, regs.sp() + 8, 0, 0);
    }
    if site.reg_count > 0 {
        entry.push_ops(F_REGS, site.reg_ops, site.reg_count, 0, 0, 0);
    }
    entry.run::<MODE>();
    count(&counters.records);
    let more = settle(entry, counters);
    let missing = entry.missing();
    reserved.submit(0);
    if !more {
        return None;
    }
    if MODE == SLEEP {
        // programs that may sleep cannot tail-call
        let mut rest = Rest { pid_tgid, missing };
        // SAFETY: the callback takes this value, which outlives the loop.
        unsafe {
            bpf_loop(
                MAX_PARTS - 1,
                next_part::<MODE> as *mut c_void,
                (&raw mut rest).cast(),
                0,
            );
        }
    } else {
        // SAFETY: slot 0 holds a program of this kind; nothing is reserved any more.
        unsafe { CONTINUE.tail_call(ctx, 0) };
        given_up(counters);
    }
    None
}

/// What a program that fills further entries itself keeps between them.
#[repr(C)]
struct Rest {
    pid_tgid: u64,
    /// First and last byte to fault in before going on.
    missing: (u64, u64),
}

unsafe extern "C" fn next_part<const MODE: u8>(_index: u64, rest: *mut c_void) -> i64 {
    // SAFETY: `first` hands over its own value, which nothing else uses meanwhile.
    let rest = unsafe { &mut *rest.cast::<Rest>() };
    fault_in(rest.missing);
    match part::<MODE>(rest.pid_tgid) {
        Some((missing, _)) => {
            rest.missing = missing;
            0
        }
        None => 1,
    }
}

/// A further entry of a hit, in a program of its own.
#[inline(always)]
pub fn further<const MODE: u8>(ctx: &ProbeContext) -> Option<()> {
    let pid_tgid = task::pid_tgid();
    let (_, counters) = part::<MODE>(pid_tgid)?;
    // SAFETY: slot 0 holds a program of this kind; nothing is reserved any more.
    unsafe { CONTINUE.tail_call(ctx, 0) };
    given_up(counters);
    None
}

/// Fills a further entry. `Some`: there is still more, the first and last byte to fault in before going on (0: none), and the
/// site's counters.
#[inline(always)]
fn part<const MODE: u8>(pid_tgid: u64) -> Option<((u64, u64), &'static SiteCounters)> {
    // the steps of a bounded loop fill no large one
    if MODE == BOUNDED {
        part_of::<SMALL, MODE>(pid_tgid)
    } else {
        part_of::<LARGE, MODE>(pid_tgid)
    }
}

#[inline(always)]
fn part_of<const N: usize, const MODE: u8>(
    pid_tgid: u64,
) -> Option<((u64, u64), &'static SiteCounters)> {
    let carried = CARRIED.get_ptr(pid_tgid)?;
    // SAFETY: a value of the map, of this thread alone.
    let site = unsafe { (*carried).head.site };
    let counters = COUNTERS.get(site)?;
    let Some(mut reserved) = RING.reserve::<Entry<N>>(0) else {
        count(&counters.drops);
        let _ = CARRIED.remove(pid_tgid);
        return None;
    };
    // SAFETY: as in `first`.
    let entry = unsafe { &mut *reserved.as_mut_ptr() };
    // SAFETY: both parts are the entry's; the map's value is of this thread alone.
    unsafe {
        if !copy_kernel(&raw mut entry.head, &raw const (*carried).head)
            || !copy_kernel(&raw mut entry.machine, &raw const (*carried).machine)
        {
            reserved.discard(0);
            let _ = CARRIED.remove(pid_tgid);
            return None;
        }
    }
    entry.head.flags &= !MORE;
    entry.head.part += 1;
    entry.head.class = u8::from(N == LARGE);
    entry.machine.retried = u32::from(entry.machine.halt == HALT_FAULT);
    entry.machine.pos = 0;
    entry.run::<MODE>();
    count(&counters.parts);
    let more = settle(entry, counters);
    let missing = entry.missing();
    reserved.submit(0);
    if !more {
        let _ = CARRIED.remove(pid_tgid);
        return None;
    }
    Some((missing, counters))
}

/// Has the kernel bring in the pages that the machine stopped at. No entry is reserved here.
#[inline(always)]
fn fault_in((first, last): (u64, u64)) {
    let mut byte = 0u8;
    for addr in [first, last] {
        if addr != 0 {
            // SAFETY: the helper writes one byte, or fails; it checks where it reads.
            unsafe { bpf_copy_from_user((&raw mut byte).cast(), 1, addr as *const c_void) };
        }
    }
}

/// The tail call failed: userspace sees MORE without a further part and says that the rest is lost.
#[inline(always)]
fn given_up(counters: &SiteCounters) {
    count(&counters.cuts);
}

/// Decides what follows this entry; `true`: state is stored, go on in the next one.
#[inline(always)]
fn settle<const N: usize>(entry: &mut Entry<N>, counters: &SiteCounters) -> bool {
    entry.head.data_len = entry.machine.pos;
    if entry.machine.top == 0 {
        return false;
    }
    if u32::from(entry.head.part) + 1 >= MAX_PARTS {
        entry.head.flags |= CUT;
        entry.head.cut = CUT_PARTS;
        count(&counters.cuts);
        return false;
    }
    let stored = carry(entry);
    if stored {
        entry.head.flags |= MORE;
    } else {
        entry.head.flags |= CUT;
        entry.head.cut = CUT_LOST;
        count(&counters.map_full);
    }
    stored
}

#[inline(always)]
fn carry<const N: usize>(entry: &Entry<N>) -> bool {
    let key = entry.head.pid_tgid;
    let Some(blank) = BLANK.get(0) else {
        return false;
    };
    if CARRIED.insert(key, blank, 0).is_err() {
        return false;
    }
    let Some(carried) = CARRIED.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: a value of the map, of this thread alone.
    unsafe {
        copy_kernel(&raw mut (*carried).head, &raw const entry.head)
            && copy_kernel(&raw mut (*carried).machine, &raw const entry.machine)
    }
}

#[inline(always)]
fn fill<const N: usize>(
    entry: &mut Entry<N>,
    regs: &Regs,
    site: &Site,
    index: u32,
    ktime: u64,
    pid_tgid: u64,
    goroutine: &Goroutine,
) {
    let head = &mut entry.head;
    head.version = RECORD_VERSION;
    head.kind = site.kind;
    head.class = site.class;
    head.cut = 0;
    head.flags = goroutine.flags;
    head.part = 0;
    head.site = index;
    head.target = site.target;
    head.ktime = ktime;
    head.pid_tgid = pid_tgid;
    head.goid = goroutine.goid;
    head.parent_goid = goroutine.parent;
    head.depth = goroutine.depth;
    head.ip = regs.ip();
    head.sp = regs.sp();
    head.fp = regs.fp();
    head.g = goroutine.g;
    head.closure = regs.closure();
    head.stack_len = 0;
    regs.fill(head);
    // one by one: the compiler would call memset, and a program that tail-calls may call nothing on older kernels
    for i in SAVED_BASE..REG_WORDS {
        // SAFETY: a word of the head.
        unsafe { (&raw mut head.regs[i]).write_volatile(0) };
    }
    if let Some(lost) = LOST.get_ptr(0) {
        // SAFETY: a value of the map: an aligned word that other processors add to meanwhile, hence volatile.
        head.regs[LOST_WORD] = unsafe { lost.read_volatile() };
    }
}

/// Keeps registers of an entry for its return, or brings them back.
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value, the verifier goes through nearly twice as many states of the bounded programs"
)]
#[inline(always)]
fn saved_words(head: &mut Head, site: &Site, goroutine: &Goroutine, counters: &SiteCounters) {
    if site.flags & (SITE_SAVE | SITE_RESTORE) == 0 {
        return;
    }
    let key = CallKey {
        goid: goroutine.goid,
        depth: goroutine.depth,
        // of one target, whatever its number
        tgid: (head.pid_tgid >> 32) as u32,
        func: site.func,
    };
    if goroutine.flags != 0 {
        head.flags |= NO_SAVED;
        return;
    }
    if site.flags & SITE_SAVE != 0 {
        let sp = head.sp;
        let word = |i: usize| {
            let from = site.save_regs[i];
            if from != SAVE_NONE && from & SAVE_STACK != 0 {
                return read_word(sp + 8 + 8 * u64::from(from & !SAVE_STACK)).unwrap_or(0);
            }
            let reg = bound!(u64::from(from), 31);
            // SAFETY: the masked index lies in the register file or the stack array behind it.
            unsafe { head.regs.as_ptr().add(reg as usize).read() }
        };
        let words: [u64; SAVED_WORDS] = [word(0), word(1), word(2), word(3)];
        if SAVED.insert(key, words, 0).is_err() {
            count(&counters.map_full);
        }
    } else {
        // SAFETY: only this call's entry and return use its key, one after the other.
        match unsafe { SAVED.get(&key) } {
            Some(words) => {
                head.regs[SAVED_BASE] = words[0];
                head.regs[SAVED_BASE + 1] = words[1];
                head.regs[SAVED_BASE + 2] = words[2];
                head.regs[SAVED_BASE + 3] = words[3];
                let _ = SAVED.remove(key);
            }
            None => head.flags |= NO_SAVED,
        }
    }
}

//! Program entry points: one line each.

use aya_ebpf::macros::{raw_tracepoint, uprobe};
use aya_ebpf::programs::{ProbeContext, RawTracePointContext};

use crate::calibrate::copy_task;
use crate::entry::{LARGE, SMALL, count};
use crate::hit;
use crate::maps::NOTHING;
use crate::mode::{BOUNDED, LOOP, SLEEP};

/// Small entries, `bpf_loop`, attach cookie.
#[uprobe]
pub fn hit_small_loop(ctx: ProbeContext) -> u32 {
    hit::first::<SMALL, LOOP>(&ctx);
    0
}

/// Large entries, `bpf_loop`, attach cookie.
#[uprobe]
pub fn hit_large_loop(ctx: ProbeContext) -> u32 {
    hit::first::<LARGE, LOOP>(&ctx);
    0
}

/// Further entries, `bpf_loop`.
#[uprobe]
pub fn cont_loop(ctx: ProbeContext) -> u32 {
    hit::further::<LOOP>(&ctx);
    0
}

/// Small entries, `bpf_loop`, attach cookie, may sleep.
#[uprobe(sleepable)]
pub fn hit_small_sleep(ctx: ProbeContext) -> u32 {
    hit::first::<SMALL, SLEEP>(&ctx);
    0
}

/// Large entries, `bpf_loop`, attach cookie, may sleep.
#[uprobe(sleepable)]
pub fn hit_large_sleep(ctx: ProbeContext) -> u32 {
    hit::first::<LARGE, SLEEP>(&ctx);
    0
}

/// Small entries, bounded loop, site by address.
#[uprobe]
pub fn hit_small_bounded(ctx: ProbeContext) -> u32 {
    hit::first::<SMALL, BOUNDED>(&ctx);
    0
}

/// Large entries, bounded loop, site by address.
#[uprobe]
pub fn hit_large_bounded(ctx: ProbeContext) -> u32 {
    hit::first::<LARGE, BOUNDED>(&ctx);
    0
}

/// Further entries, bounded loop.
#[uprobe]
pub fn cont_bounded(ctx: ProbeContext) -> u32 {
    hit::further::<BOUNDED>(&ctx);
    0
}

/// Counts and does nothing else: what the trap alone costs.
#[uprobe]
pub fn nothing(_ctx: ProbeContext) -> u32 {
    if let Some(hits) = NOTHING.get(0) {
        count(hits);
    }
    0
}

/// Run by the tracer in a thread of its own, attached to nothing.
#[raw_tracepoint]
pub fn calibrate(_ctx: RawTracePointContext) -> i32 {
    copy_task();
    0
}

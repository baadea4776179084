//! Program entry points: one line each.

use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;

use crate::entry::{LARGE, SMALL, count};
use crate::hit;
use crate::maps::NOTHING;

/// Small entries, `bpf_loop`, attach cookie.
#[uprobe]
pub fn hit_small_loop(ctx: ProbeContext) -> u32 {
    hit::first::<SMALL, true>(&ctx);
    0
}

/// Large entries, `bpf_loop`, attach cookie.
#[uprobe]
pub fn hit_large_loop(ctx: ProbeContext) -> u32 {
    hit::first::<LARGE, true>(&ctx);
    0
}

/// Further entries, `bpf_loop`.
#[uprobe]
pub fn cont_loop(ctx: ProbeContext) -> u32 {
    hit::further::<true>(&ctx);
    0
}

/// Small entries, bounded loop, site by address.
#[uprobe]
pub fn hit_small_bounded(ctx: ProbeContext) -> u32 {
    hit::first::<SMALL, false>(&ctx);
    0
}

/// Large entries, bounded loop, site by address.
#[uprobe]
pub fn hit_large_bounded(ctx: ProbeContext) -> u32 {
    hit::first::<LARGE, false>(&ctx);
    0
}

/// Further entries, bounded loop.
#[uprobe]
pub fn cont_bounded(ctx: ProbeContext) -> u32 {
    hit::further::<false>(&ctx);
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

//! All maps: who writes, who reads, how large.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, ProgramArray, RingBuf};
use tracer_ebpf::wire::counters::SiteCounters;
use tracer_ebpf::wire::limits::{
    MAX_DYNTYPES, MAX_MAPS, MAX_OPS, MAX_SAVED, MAX_SITES, MAX_TARGETS, RING_BYTES, SAVED_WORDS,
    TASK_BYTES,
};
use tracer_ebpf::wire::op::{DynBlock, DynKey, MapDesc, Op};
use tracer_ebpf::wire::peer::KernelLayout;
use tracer_ebpf::wire::record::{Head, Machine};
use tracer_ebpf::wire::site::{CallKey, Site, SiteKey, Target};

/// Head and machine of a capture that continues in another entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Carried {
    pub head: Head,
    pub machine: Machine,
}

/// Threads that can be between two entries of one hit at the same time.
const MAX_CARRIED: u32 = 1024;

/// Written by userspace before attaching.
#[map]
pub static SITES: Array<Site> = Array::with_max_entries(MAX_SITES, 0);
/// Written by userspace before attaching.
#[map]
pub static TARGETS: Array<Target> = Array::with_max_entries(MAX_TARGETS, 0);
/// Targets whose number in the initial pid namespace was found at their first hit; 0: not yet.
#[map]
pub static FOUND: Array<u32> = Array::with_max_entries(MAX_TARGETS, 0);
/// Written by userspace before attaching; read only by programs without attach cookies.
#[map]
pub static SITE_BY_ADDR: HashMap<SiteKey, u32> = HashMap::with_max_entries(MAX_SITES, 0);
/// Written by userspace before attaching.
#[map]
pub static OPS: Array<Op> = Array::with_max_entries(MAX_OPS, 0);
/// Written by userspace before attaching.
#[map]
pub static MAPS: Array<MapDesc> = Array::with_max_entries(MAX_MAPS, 0);
/// Written by userspace before attaching.
#[map]
pub static DYN_TYPES: HashMap<DynKey, DynBlock> = HashMap::with_max_entries(MAX_DYNTYPES, 0);
/// Written by userspace before attaching.
#[map]
pub static KERNEL: Array<KernelLayout> = Array::with_max_entries(1, 0);
/// Counted here by atomic add, read by userspace.
#[map]
pub static COUNTERS: Array<SiteCounters> = Array::with_max_entries(MAX_SITES, 0);
/// Words an entry keeps for its return. Not LRU: an eviction would be invisible.
#[map]
pub static SAVED: HashMap<CallKey, [u64; SAVED_WORDS]> = HashMap::with_max_entries(MAX_SAVED, 0);
/// State between two entries of one hit, keyed by thread: a thread is in one hit at a time.
#[map]
pub static CARRIED: HashMap<u64, Carried> = HashMap::with_max_entries(MAX_CARRIED, 0);
/// A zeroed value to insert into `CARRIED` (too large for the stack).
#[map]
pub static BLANK: Array<Carried> = Array::with_max_entries(1, 0);
/// Slot 0: the continuation program of the loaded variant.
#[map]
pub static CONTINUE: ProgramArray = ProgramArray::with_max_entries(1, 0);
/// Records to userspace.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
/// Hits that found no room in the ring buffer, at any site: two records with the same number have no loss between them.
#[map]
pub static LOST: Array<u64> = Array::with_max_entries(1, 0);
/// The words of one `task_struct`.
#[map]
pub static TASK: Array<[u8; TASK_BYTES]> = Array::with_max_entries(1, 0);
/// Hits of the program that does nothing else (for measurements).
#[map]
pub static NOTHING: Array<u64> = Array::with_max_entries(1, 0);

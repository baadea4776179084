//! What header and trailer say.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracer_ebpf::wire::counters::SiteCounters;

use crate::addr::{ImageAddr, LoadBias};
use crate::decode::Redact;
use crate::plan::Plan;

/// First bytes of every recording.
pub const MAGIC: &[u8; 8] = b"MOBYTRC\n";
/// Version of the format that this build writes; older ones are read, newer ones refused. 2: ops
/// and types for the client of a request. 3: functions by which handlers take connections over;
/// what the daemon says of itself. 4: functions of role `layers`; looks at goroutines. 5: words
/// instead of sentences where a plan gives a reason; what a value means to its call. 6: what is
/// known of singleflight groups. 7: a segment for each incarnation of the daemon.
pub const VERSION: u32 = 7;
/// The first version in which another segment may follow.
pub(super) const SEGMENTS: u32 = 7;
/// Frame kinds.
pub const HEADER: u32 = 1;
pub const RECORD: u32 = 2;
pub const TRAILER: u32 = 3;
/// A look at a goroutine (JSON, `decode::Sample`), between the records where it was taken.
pub const SAMPLE: u32 = 4;
/// Largest frame.
pub const MOST_FRAME: u32 = 64 << 20;

/// The traced daemon.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Daemon {
    pub pid: u32,
    pub exe: String,
    pub go_version: String,
    pub build_id: Option<String>,
    pub load_bias: LoadBias,
    /// Version of dockerd, as it says itself over its API; not asked for except with `--all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Path of the unix socket that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
}

/// How an incarnation of a daemon was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// Its process ended.
    Ended,
    /// Its process runs another program (`exec`).
    Replaced,
}

/// Where a session goes on with the next incarnation of its daemon. All times are CLOCK_MONOTONIC,
/// ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seam {
    /// Process of the incarnation before.
    pub pid: u32,
    pub left: Left,
    /// When it was seen to be over.
    pub left_ns: u64,
    /// When all probes of the next one were there.
    pub attached_ns: u64,
    /// Whether the next one listened then: if not, it had served nothing yet. `None`: not known.
    pub listened: Option<bool>,
    /// Requests of the session before: their numbers go on.
    pub requests: u32,
}

/// The machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Host {
    pub kernel: String,
    pub arch: String,
}

/// What stands before the records.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Header {
    /// Version of mobytrace that wrote it.
    pub mobytrace: String,
    pub host: Host,
    pub daemon: Daemon,
    /// Wall clock in ns since 1970 and CLOCK_MONOTONIC in ns at the same moment.
    pub wall_ns: u64,
    pub monotonic_ns: u64,
    /// Off: the user asked for it, and secrets stand in the records in clear.
    #[serde(default, skip_serializing_if = "Redact::is_on")]
    pub redact: Redact,
    /// What was traced in this session before; `None`: nothing, it begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seam: Option<Seam>,
    pub plan: Arc<Plan>,
}

impl Header {
    #[must_use]
    pub fn new(daemon: Daemon, plan: Arc<Plan>) -> Self {
        let uname = rustix::system::uname();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            mobytrace: env!("CARGO_PKG_VERSION").to_owned(),
            host: Host {
                kernel: uname.release().to_string_lossy().into_owned(),
                arch: uname.machine().to_string_lossy().into_owned(),
            },
            daemon,
            wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(0),
            monotonic_ns: monotonic_ns(),
            redact: Redact::On,
            seam: None,
            plan,
        }
    }
}

/// CLOCK_MONOTONIC, ns: the clock of the records.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Counters of one site, as the kernel had them at the end (`tracer_ebpf::wire::counters`).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Counters {
    pub hits: u64,
    pub restarts: u64,
    pub records: u64,
    pub parts: u64,
    pub drops: u64,
    pub faults: u64,
    pub cuts: u64,
    pub map_full: u64,
}

impl From<&SiteCounters> for Counters {
    fn from(c: &SiteCounters) -> Self {
        Self {
            hits: c.hits,
            restarts: c.restarts,
            records: c.records,
            parts: c.parts,
            drops: c.drops,
            faults: c.faults,
            cuts: c.cuts,
            map_full: c.map_full,
        }
    }
}

impl Counters {
    /// What came since they were `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            hits: self.hits.saturating_sub(before.hits),
            restarts: self.restarts.saturating_sub(before.restarts),
            records: self.records.saturating_sub(before.records),
            parts: self.parts.saturating_sub(before.parts),
            drops: self.drops.saturating_sub(before.drops),
            faults: self.faults.saturating_sub(before.faults),
            cuts: self.cuts.saturating_sub(before.cuts),
            map_full: self.map_full.saturating_sub(before.map_full),
        }
    }
}

/// Whether everything was captured, and if not, what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// For people, one line.
    pub text: String,
    /// Whole records are missing: calls and requests may look as if they had never been.
    pub records_missing: bool,
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What stands behind the records.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Trailer {
    /// By site of the plan.
    pub counters: Vec<Counters>,
    /// Names for the return addresses in caller stacks: innermost inlined frame first.
    pub symbols: Vec<(ImageAddr, Vec<String>)>,
    /// When collecting ended, monotonic ns; 0: not recorded. What was open then had lasted until
    /// then.
    #[serde(default)]
    pub ended: u64,
    /// Return addresses in caller stacks beyond those that get names.
    #[serde(default)]
    pub unnamed: u64,
}

impl Trailer {
    #[must_use]
    pub fn new(
        counters: &[SiteCounters],
        symbols: Vec<(ImageAddr, Vec<String>)>,
        ended: u64,
    ) -> Self {
        Self {
            counters: counters.iter().map(Counters::from).collect(),
            symbols,
            ended,
            unnamed: 0,
        }
    }

    /// The same, with counts of what came since they were as in `before`.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        let zero = Counters::default();
        let earlier = before.counters.iter().chain(std::iter::repeat(&zero));
        let counters = self.counters.iter().zip(earlier);
        Self {
            counters: counters.map(|(now, before)| now.since(before)).collect(),
            unnamed: self.unnamed.saturating_sub(before.unnamed),
            ..self
        }
    }

    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.counters.iter().map(of).fold(0, u64::saturating_add)
    }

    /// Entries that found no room in the ring buffer.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sum(|c| c.drops)
    }

    /// Complete, or exactly what is missing.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let mut missing = Vec::new();
        let mut say = |n: u64, what: &str| {
            if n > 0 {
                missing.push(format!("{n} {what}"));
            }
        };
        say(self.sum(|c| c.drops), "records lost (ring buffer full)");
        say(
            self.sum(|c| c.faults),
            "reads of memory that was not resident",
        );
        say(self.sum(|c| c.cuts), "captures cut by a budget");
        say(self.sum(|c| c.map_full), "inserts into a full kernel table");
        say(
            self.unnamed,
            "return addresses without a name (too many different ones)",
        );
        let hits = self.sum(|c| c.hits);
        Completeness {
            text: if missing.is_empty() {
                format!("complete: {hits} hits, nothing lost")
            } else {
                format!("incomplete: {hits} hits; {}", missing.join(", "))
            },
            records_missing: self.lost() > 0 || self.sum(|c| c.map_full) > 0,
        }
    }
}

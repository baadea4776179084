//! What is known of a session or recording beside what was traced in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::ImageAddr;
pub use crate::capture::{Left, Seam};

use crate::capture::{Completeness, Daemon, Ending, Header, Host, Recording};
use crate::decode::Redact;
use crate::plan::Plan;

/// One moment in both clocks: turns the monotonic times of records into wall-clock times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Wall clock, ns since 1970.
    pub wall_ns: u64,
    /// CLOCK_MONOTONIC at the same moment, ns.
    pub monotonic_ns: u64,
}

impl Clock {
    /// Wall clock at a monotonic time, ns since 1970. Times in a damaged recording may lie before.
    #[must_use]
    pub fn wall(&self, monotonic: u64) -> i128 {
        i128::from(self.wall_ns) + i128::from(monotonic) - i128::from(self.monotonic_ns)
    }
}

/// What a sink may ask about the session or recording that it shows. It owns what it holds; the
/// plan, which is large, is shared.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Version of mobytrace that traced.
    pub mobytrace: String,
    pub host: Host,
    pub daemon: Daemon,
    pub clock: Clock,
    /// Off: secrets were recorded in clear, because the user asked for that.
    pub redact: Redact,
    /// Where this incarnation of the daemon follows another; `None`: the session begins with it.
    pub seam: Option<Seam>,
    pub plan: Arc<Plan>,
    /// Names of return addresses, innermost inlined frame first. They come with the batch that
    /// needs them first; of a recording all are known from the start.
    pub symbols: BTreeMap<ImageAddr, Vec<String>>,
    /// `None` as long as the session goes on.
    completeness: Option<Completeness>,
}

impl Context {
    /// Of a session that begins.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        Self {
            mobytrace: header.mobytrace.clone(),
            host: header.host.clone(),
            daemon: header.daemon.clone(),
            clock: Clock {
                wall_ns: header.wall_ns,
                monotonic_ns: header.monotonic_ns,
            },
            redact: header.redact,
            seam: header.seam.clone(),
            plan: Arc::clone(&header.plan),
            symbols: BTreeMap::new(),
            completeness: None,
        }
    }

    /// Of a recording of which the end is known.
    #[must_use]
    pub fn ending(header: &Header, ending: &Ending) -> Self {
        Self {
            symbols: ending.symbols(),
            completeness: Some(ending.completeness()),
            ..Self::new(header)
        }
    }

    /// Of a recording.
    #[must_use]
    pub fn of_recording(recording: &Recording) -> Self {
        Self::ending(recording.header(), recording.ending())
    }

    /// Requests of the session before this incarnation.
    #[must_use]
    pub fn requests_before(&self) -> u32 {
        self.seam.as_ref().map_or(0, |seam| seam.requests)
    }

    /// Adds names of return addresses.
    pub fn name(&mut self, symbols: impl IntoIterator<Item = (ImageAddr, Vec<String>)>) {
        self.symbols.extend(symbols);
    }

    /// Collecting has ended.
    pub fn ended(&mut self, completeness: Completeness) {
        self.completeness = Some(completeness);
    }

    /// Whether everything was captured, as far as that is known by now.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        self.completeness.clone().unwrap_or_else(|| Completeness {
            text: "incomplete: no end".into(),
            records_missing: true,
        })
    }
}

//! Harness: private daemons, the tool's own binary, raw HTTP, and the rule for what may be skipped.
//!
//! Everything a test starts is ended by its own pid when it is dropped, also when the test fails.

mod assets;
mod base64;
mod daemon;
mod damage;
mod events;
mod fixture;
mod gate;
mod generate;
mod http;
mod matrix;
mod memory;
mod message;
mod namespace;
mod network;
mod newer_go;
mod numbers;
mod parity;
mod patch;
mod proxy;
mod records;
mod registry;
mod repeat;
mod tool;
mod truth;
mod turn;

pub use assets::{Assets, SUITES, fixture, stock_dockerd, target_dir, workspace_root};
pub use base64::base64;
pub use daemon::Daemon;
pub use damage::{Damage, WAYS, Weak, damage};
pub use events::{Events, keeps_to_its_schema, list_options, the_one, traced, traced_with};
pub use fixture::Fixture;
pub use gate::Gate;
pub use generate::{BATCHES, go_methods, receivers};
pub use http::{Answer, Connection, request};
pub use matrix::{Program, Tally, compare_live, lines, programs, report};
pub use memory::{changed_code, limit_memory, peak_kib, processor_time, status_kib};
pub use namespace::{is_inside, run_inside, test_name};
pub use network::own_network;
pub use newer_go::program_of_newer_go;
pub use numbers::Numbers;
pub use parity::{Counts, parity};
pub use patch::Patch;
pub use proxy::Proxy;
pub use records::trace_of;
pub use registry::{Credentials, Door, Registry};
pub use repeat::repeat;
pub use tool::{Finished, Running, Tool, heed_signals, json_lines, spawn, words};
pub use truth::{Tally as TruthTally, truth};
pub use turn::turn;

/// Gives the assets, or ends the test: by a failure that names what is missing, or, with
/// `MOBYTRACE_LENIENT` set (`cargo xtask test --lenient`, or plain `cargo test`), as a skip that is
/// named.
#[macro_export]
macro_rules! assets_or_skip {
    () => {
        match $crate::Assets::find() {
            Ok(assets) => assets,
            Err(why) => {
                assert!(!$crate::is_strict(), "this test needs: {why:#}");
                eprintln!("SKIPPED {}: {why:#}", module_path!());
                return;
            }
        }
    };
}

/// Gives the path of a Go fixture, or ends the test in the same way.
#[macro_export]
macro_rules! fixture_or_skip {
    ($name:expr) => {
        match $crate::fixture($name) {
            Ok(path) => path,
            Err(why) => {
                assert!(!$crate::is_strict(), "this test needs {why}");
                eprintln!("SKIPPED {}: needs {why}", module_path!());
                return;
            }
        }
    };
}

/// Ends the test in the same way unless it runs as root.
#[macro_export]
macro_rules! root_or_skip {
    () => {
        if !$crate::is_root() {
            assert!(!$crate::is_strict(), "this test needs root");
            eprintln!("SKIPPED {}: needs root", module_path!());
            return;
        }
    };
}

/// Whether this process may trace others.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `cargo xtask test` without `--lenient`: a skip is a failure.
#[must_use]
pub fn is_strict() -> bool {
    std::env::var_os("MOBYTRACE_STRICT").is_some()
}

//! mobytrace traces calls of dockerd's Go functions and shows the configuration each code path
//! uses.
//!
//! Data flows one way: `target` finds the daemon and opens its binary; [`gobin`] reads what the
//! binary says about itself; [`plan`] turns wishes and binary into ops for the kernel and a schema
//! for the decoder; `probe` attaches and collects raw records; `capture` writes and reads
//! recordings; [`decode`] turns records into typed values; [`correlate`] turns values into calls
//! and requests; [`ledger`] adds them up; [`provenance`] says where their options come from;
//! [`session`] is the engine that takes them all the way; `render` shows them.

#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod addr;
pub mod arch;
pub mod capture;
pub mod cli;
pub mod correlate;
pub mod decode;
pub mod gobin;
pub mod ledger;
pub mod moby;
pub mod plan;
pub mod probe;
pub mod provenance;
pub mod render;
pub mod session;
pub mod target;

//! What crosses the kernel boundary: capture ops, site table, records and counters.
//!
//! This crate owns every layout that both sides share and knows nothing of Go, ELF, aya or
//! docker. It is `no_std` and has no dependency, so that the kernel programs and `mobytrace`
//! compile the very same definitions.
#![no_std]

pub mod wire;

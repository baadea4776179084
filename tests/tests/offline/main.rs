//! Neither root nor a daemon nor the kernel: binaries and recordings, read.

mod dwarf;
mod every_function;
mod future_release;
mod fuzz_regressions;
mod gobin_alone;
mod golden;
mod inspect;
mod long_recordings;
mod moduledata;
mod parity;
mod profiles;
mod relocations;
mod routes;
mod stock_binaries;
mod wait_reasons;

//! The kernel programs of mobytrace. Built only for the bpf target; on every other target
//! this is an empty program, so that `cargo build --workspace` needs no eBPF toolchain.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

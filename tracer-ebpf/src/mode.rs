//! Modes of the program variants: what a kernel lets them do.

/// Mode of a program variant: a loop that the verifier can bound (from 5.10).
pub const BOUNDED: u8 = 0;
/// Mode: `bpf_loop` (from 5.17).
pub const LOOP: u8 = 1;
/// Mode: `bpf_loop` in a program that may sleep (from 6.0): pages that are not resident are faulted in.
pub const SLEEP: u8 = 2;

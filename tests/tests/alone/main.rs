//! What must be alone: tests that load the whole machine, measure memory, look at every daemon
//! there is, or have something that a process has only one of. They take turns.

mod all_daemons;
mod container;
mod endings;
mod large;
mod overflow;
mod storm;
mod truth;
mod waiting;

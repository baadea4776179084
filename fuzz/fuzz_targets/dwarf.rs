//! See `mobytrace_fuzz::walk::Target`.
#![no_main]

mobytrace_fuzz::target!("dwarf");

//! The `mobytrace` program: parse, run, exit status.

fn main() {}

//! The `mobytrace` program: parse, run, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    mobytrace::cli::main()
}

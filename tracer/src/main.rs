//! The `mobytrace` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mobytrace::cli::main()
}

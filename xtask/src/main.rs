//! `cargo xtask`: builds the kernel objects, demonstrates, tests, measures, checks the tree.

mod apt;
mod bench;
mod compatibility;
mod demo;
mod ebpf;
mod exec;
mod fixtures;
mod fuzz;
mod goldens;
mod image;
mod matrix;
mod performance;
mod program;
mod recordings;
mod repeat;
mod setup;
mod soak;
mod storm;
mod structure;
mod suite;
mod tidy;
mod toolchains;
mod truth;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 80)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the kernel objects, one per architecture, reproducibly
    BuildEbpf {
        /// Build elsewhere and compare with what is in the tree
        #[arg(long)]
        check: bool,
    },
    /// The story on a stock dockerd: two commands, one comparison
    Demo {
        /// Commands to compare instead of `docker ps -a` and `docker system df`
        commands: Vec<String>,
    },
    /// Install what the other commands need of this machine: packages of the distribution, parts of
    /// the Rust toolchain, and the linker of the kernel objects
    Setup {
        /// Only name what is missing
        #[arg(long)]
        list: bool,
    },
    /// Every test, those against the real daemon and in virtual machines included
    Test {
        /// Only what needs neither root, nor a daemon, nor this machine's kernel
        #[arg(long, conflicts_with_all = ["lenient", "full"])]
        without_root: bool,
        /// A test that cannot run here is skipped by name instead of failing
        #[arg(long)]
        lenient: bool,
        /// Fixtures built by every Go in every shape; writes docs/compatibility.md
        #[arg(long)]
        full: bool,
    },
    /// Get the stock dockerd of every Debian generation, for both architectures
    Daemons,
    /// Build the Go programs that the tests trace
    Fixtures {
        /// One of them with every Go × linker shape × symbols × architecture
        #[arg(long)]
        full: bool,
    },
    /// Measure, and write docs/performance.md
    Bench {
        /// Only what reading a binary costs; needs no root
        #[arg(long)]
        reading: bool,
    },
    /// Build two Go programs by every Go in every shape, compare what is read and traced, and write
    /// docs/compatibility.md
    Compatibility {
        /// Only write it, from what the last run found
        #[arg(long)]
        table: bool,
    },
    /// Make a container image: an archive that `docker load` takes
    Image {
        #[arg(long, default_value = "amd64")]
        arch: String,
        /// The one that tests load: quicker to build
        #[arg(long, conflicts_with_all = ["arch", "output", "socket"])]
        quick: bool,
        /// Write the archive here instead of below target/image
        #[arg(short, long, value_name = "FILE")]
        output: Option<std::path::PathBuf>,
        /// Load it into the daemon that listens here
        #[arg(long, value_name = "PATH")]
        socket: Option<std::path::PathBuf>,
    },
    /// Write the kept texts of tests/golden anew: what kept recordings show, what `inspect` says of
    /// stock daemons
    Goldens {
        /// Make the recordings of tests/captures anew first (root)
        #[arg(long)]
        record: bool,
    },
    /// Throw hostile input at the parsers (nightly toolchain)
    Fuzz {
        /// One target instead of all
        target: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 600)]
        seconds: u32,
    },
    /// Each test many times, in a process of its own: what depends on chance is found, and what
    /// takes long
    Repeat(repeat::Wanted),
    /// Memory of `show` and `compare` on a long recording: a section of docs/performance.md
    Recordings {
        /// Calls in it; a million take 4.6 GB below target/
        #[arg(long, default_value_t = 1_000_000)]
        calls: u64,
    },
    /// Steady requests under a trace, memory measured: a section of docs/performance.md
    Soak {
        /// How long, in seconds
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
    },
    /// Ten million calls that are hard to pair: a section of docs/performance.md
    Storm {
        /// Slices, each a program of its own
        #[arg(long, default_value_t = 10)]
        runs: u64,
        /// Calls of a slice
        #[arg(long, default_value_t = 1_000_000)]
        calls: u64,
        /// Microseconds between two rounds of each of four goroutines
        #[arg(long, default_value_t = 2_000)]
        pause: u64,
    },
    /// Formatting, lints, documentation, and the invariants that a program can check
    Tidy,
    /// Random requests against the four stock daemons: what is shown is compared with what was
    /// sent, moby's handlers, and the answers
    Truth {
        /// Another seed, other requests
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// To each daemon
        #[arg(long, default_value_t = 2000)]
        requests: u64,
    },
    /// Load every kernel program, and trace Go programs, on other kernels in qemu; a line of JSON
    /// per case
    VmTest(vm::Wanted),
}

fn main() -> ExitCode {
    match run(&Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::BuildEbpf { check: false } => ebpf::build(),
        Command::BuildEbpf { check: true } => ebpf::check_rebuild(),
        Command::Demo { commands } => demo::run(commands),
        Command::Setup { list } => setup::run(*list),
        Command::Test {
            without_root: true, ..
        } => suite::without_root(),
        Command::Test { lenient, full, .. } => suite::run(*lenient, *full),
        Command::Daemons => apt::daemons(),
        Command::Fixtures { full } => fixtures::build().and_then(|()| matrix::build(*full)),
        Command::Bench { reading: true } => bench::reading(),
        Command::Bench { reading: false } => bench::run(),
        Command::Compatibility { table: true } => compatibility::write(),
        Command::Compatibility { table: false } => compatibility::run(),
        Command::Fuzz { target, seconds } => fuzz::run(target.as_deref(), *seconds),
        Command::Goldens { record } => goldens::run(*record),
        Command::Image { quick: true, .. } => image::for_tests().map(|_| ()),
        Command::Image {
            arch,
            quick: false,
            output,
            socket,
        } => image::run(arch, output.as_deref(), socket.as_deref()),
        Command::Repeat(wanted) => repeat::run(wanted),
        Command::Soak { seconds } => soak::run(std::time::Duration::from_secs(*seconds)),
        Command::Recordings { calls } => recordings::run(*calls),
        Command::Storm { runs, calls, pause } => storm::run(*runs, *calls, *pause),
        Command::Tidy => tidy::run(),
        Command::Truth { seed, requests } => truth::run(*seed, *requests),
        Command::VmTest(wanted) => vm::run(true, wanted),
    }
}

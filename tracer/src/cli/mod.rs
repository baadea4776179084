//! The command line: parses, runs one command, prints, chooses the exit status.

mod all;
mod args;
mod command;
mod compare;
mod doctor;
mod failure;
mod http;
mod inspect;
mod kept;
mod profiles;
mod progress;
mod say;
mod show;
mod source;
mod stop;
mod trace;
mod wanted;
mod words;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use crate::render::Style;
use crate::session::{self, signals};

/// How long after a command's end its handlers may take to return.
const SETTLE: Duration = Duration::from_millis(300);

/// Runs the program with the process' own arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let style = Style::new(match cli.color {
        args::Color::Always => Some(true),
        args::Color::Never => Some(false),
        args::Color::Auto => None,
    });
    if cli.verbose && log::set_logger(&KernelLog).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let result = run(&cli, style, &mut out).and_then(|found| {
        out.flush()?;
        Ok(found)
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if is_stopped(&error) => {
            say::line(&error.to_string());
            ExitCode::from(1)
        }
        Err(error) => {
            failure::print(&error);
            ExitCode::from(2)
        }
    }
}

/// Help goes to stdout; what is wrong with the arguments to stderr, escaped: a shell may have made
/// them of file names.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // nobody who asked for help and left is told so
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    for line in error.render().to_string().lines() {
        say::line(line);
    }
    ExitCode::from(2)
}

/// Diagnostics of the kernel programs, for `-v`.
struct KernelLog;

impl log::Log for KernelLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }
    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            say::line(&format!("kernel: {}", record.args()));
        }
    }
    fn flush(&self) {}
}

fn run(cli: &args::Cli, style: Style, out: &mut dyn Write) -> Result<bool> {
    match &cli.command {
        args::Command::Trace(args) if args.all => all::run(args, style, cli.verbose, out),
        args::Command::Trace(args) => block_on(trace::run(args, style, cli.verbose, out)),
        args::Command::Compare(args) => block_on(compare::run(args, style, cli.verbose, out)),
        args::Command::Show(args) => show::run(args, style, out),
        args::Command::Inspect(args) => inspect::run(&args.what, out),
        args::Command::Profiles(args) => profiles::run(args, out),
        args::Command::Doctor(args) => doctor::run(args, out),
    }
}

/// Says how many secrets were hidden.
fn say_masked(masked: u64) {
    match masked {
        0 => {}
        1 => say::line("1 value masked as a secret"),
        n => say::line(&format!("{n} values masked as secrets")),
    }
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// A signal ended the session before anything was traced: no failure, and nothing was found.
fn is_stopped(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(session::Error::Stopped))
}

/// Nobody reads what we write: a pipe says so itself, a terminal that was closed by an input/output
/// error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    // what a session itself fails with is not about our output
    !error.is::<session::Error>()
        && error.chain().any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|e| {
                e.kind() == std::io::ErrorKind::BrokenPipe
                    || (e.raw_os_error() == Some(libc::EIO) && signals::stdout_is_gone())
            })
        })
}

//! The command line as clap reads it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::render::{FORMATS, Format};
use crate::session::{Filter, Status};
use crate::target::Selection;

/// Call tracer for dockerd: which options does each code path really use?
#[derive(Debug, Parser)]
#[command(
    name = "mobytrace",
    version,
    max_term_width = 80,
    after_help = "Data goes to stdout, everything else to stderr.\nExit status: 0 done, 1 findings or nothing matched, 2 failure."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Colour on stdout; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Say more on stderr: sites, program variants, verifier logs
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trace a running dockerd live
    Trace(Trace),
    /// Put the options of two code paths side by side
    Compare(Compare),
    /// Show a recording; needs no root, kernel or binary
    Show(Show),
    /// What a Go binary says about itself; offline, no root
    Inspect(Inspect),
    /// Sets of functions to trace: what each is for, what a daemon has of it
    Profiles(Profiles),
    /// Can this machine, this daemon be traced?
    Doctor(Doctor),
}

/// Which daemon.
#[derive(Args, Clone, Debug, Default)]
pub struct Daemon {
    /// Process id of the daemon
    #[arg(long, value_name = "N")]
    pub pid: Option<u32>,
    /// Socket the daemon listens on; with --pid: socket to send requests to
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// What of a trace is shown: everything that is given must hold.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filters (all that are given must hold)")]
pub struct Only {
    /// Only requests that reached this function, or whose route holds this
    #[arg(long, value_name = "FUNC|ROUTE")]
    pub root: Option<String>,
    /// Only requests whose route holds this
    #[arg(long, value_name = "ROUTE")]
    pub route: Option<String>,
    /// Only requests of this client: its process id or name, a part of its
    /// User-Agent, or the id of its container (12 digits or more)
    #[arg(long, value_name = "CLIENT")]
    pub client: Option<String>,
    /// Only requests that were answered so: 404, or 4xx
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Option<Status>,
    /// Only requests that were answered 400 or more, or whose handler panicked
    #[arg(long)]
    pub failed: bool,
    /// Only requests that took longer than this, e.g. 50ms
    #[arg(long, value_name = "T", value_parser = duration)]
    pub slower_than: Option<Duration>,
}

impl Only {
    /// The same as one value.
    pub fn filter(&self) -> Filter {
        Filter {
            root: self.root.clone(),
            route: self.route.clone(),
            client: self.client.as_deref().map(Into::into),
            status: self.status,
            failed: self.failed,
            slower_than: self.slower_than.map(nanoseconds),
        }
    }
}

fn status(text: &str) -> Result<Status, &'static str> {
    text.parse()
}

impl Daemon {
    /// How the daemon is to be found.
    pub fn selection(&self) -> Selection {
        match (&self.pid, &self.socket) {
            (Some(pid), _) => Selection::Pid(*pid),
            (None, Some(path)) => Selection::Socket(path.clone()),
            (None, None) => Selection::Auto,
        }
    }
}

#[derive(Args, Debug)]
pub struct Trace {
    #[command(flatten)]
    pub daemon: Daemon,
    /// Trace every dockerd found; with -o trace.mobytrace each gets a
    /// recording of its own: trace.PID.mobytrace
    #[arg(long, conflicts_with_all = ["pid", "socket"])]
    pub all: bool,
    /// Wait until there is a daemon
    #[arg(long, conflicts_with = "pid")]
    pub wait: bool,
    /// End with the daemon; without, the session goes on when it is started
    /// anew
    #[arg(long)]
    pub once: bool,
    #[command(flatten)]
    pub profiles: Chosen,
    /// Function to trace: full name, suffix or glob (repeatable)
    #[arg(short, long = "function", value_name = "FUNC")]
    pub functions: Vec<String>,
    /// Record to this file as well
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite that file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Go on in a further file (FILE.1, FILE.2 …) when one has so many bytes,
    /// e.g. 500M; each can be read by itself
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "output")]
    pub max_size: Option<u64>,
    /// Keep this many of these files: the oldest is removed
    #[arg(long, value_name = "N", requires = "max_size")]
    pub max_files: Option<NonZeroUsize>,
    /// Hide secrets, or show and record them in clear
    #[arg(long, value_enum, default_value_t = Redact::On)]
    pub redact: Redact,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", value_parser = format(true), default_value = FORMATS[0].name)]
    pub format: &'static Format,
    #[command(flatten)]
    pub only: Only,
    /// Show the callers of each call
    #[arg(long)]
    pub stack: bool,
    /// What has been in flight this long is shown with what its goroutine
    /// waits for
    #[arg(long, value_name = "T", value_parser = duration, default_value = SLOW)]
    pub slow: Duration,
    /// Stop after this time, e.g. 10s, 2m, also if commands of --cmd still run:
    /// they get SIGINT
    #[arg(long, value_name = "T", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Stop after this many traced calls
    #[arg(long, value_name = "N")]
    pub calls: Option<u64>,
    /// Run this command and stop when it and those after it have ended (repeatable)
    #[arg(long = "cmd", value_name = "COMMAND")]
    pub commands: Vec<String>,
}

/// Longer than any ordinary request of a healthy daemon takes; waits and streams take longer by
/// their nature.
const SLOW: &str = "10s";

/// Each file begins with the plan, which has some hundred kilobytes.
const LEAST_SIZE: u64 = 1 << 20;

/// Whether secrets are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Redact {
    On,
    Off,
}

impl From<Redact> for crate::decode::Redact {
    fn from(redact: Redact) -> Self {
        match redact {
            Redact::On => Self::On,
            Redact::Off => Self::Off,
        }
    }
}

#[derive(Args, Debug)]
pub struct Compare {
    #[command(flatten)]
    pub daemon: Daemon,
    /// Run this command; its request is one column (repeatable)
    #[arg(long = "cmd", value_name = "COMMAND", conflicts_with = "file")]
    pub commands: Vec<String>,
    /// Send GET PATH to the daemon; its request is one column (repeatable)
    #[arg(long = "get", value_name = "PATH", conflicts_with = "file")]
    pub gets: Vec<String>,
    /// Without --cmd and --get: wait for requests of these routes only (repeatable)
    #[arg(long = "for", value_name = "ROUTE", conflicts_with = "file")]
    pub routes: Vec<String>,
    /// Record to this file as well
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    pub output: Option<PathBuf>,
    /// Overwrite that file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Hide secrets, or show and record them in clear
    #[arg(long, value_enum, default_value_t = Redact::On)]
    pub redact: Redact,
    /// Give up waiting after this time, e.g. 10s, 2m
    #[arg(long, value_name = "T", value_parser = duration)]
    pub duration: Option<Duration>,
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Compare requests of a recording; - reads it from standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Numbers of the requests in the recording, as `show` prints them
    #[arg(value_name = "REQ", requires = "file")]
    pub requests: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Markdown,
}

#[derive(Args, Debug)]
pub struct Show {
    /// A recording made with -o; - reads it from standard input
    pub file: PathBuf,
    /// Hide secrets that were recorded in clear, or show them; with -o:
    /// write the recording anew without them
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_value_t = Redact::On, default_missing_value = "on")]
    pub redact: Redact,
    /// Write the recording to this file, secrets hidden
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Say what kinds of data the recording holds, and nothing else
    #[arg(long)]
    pub what: bool,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", value_parser = format(false), default_value = FORMATS[0].name)]
    pub format: &'static Format,
    #[command(flatten)]
    pub only: Only,
    /// Show the callers of each call
    #[arg(long)]
    pub stack: bool,
    /// What was in flight this long at the end is shown in the table
    #[arg(long, value_name = "T", value_parser = duration, default_value = SLOW)]
    pub slow: Duration,
}

#[derive(Args, Debug)]
pub struct Inspect {
    #[command(subcommand)]
    pub what: InspectWhat,
}

#[derive(Debug, Subcommand)]
pub enum InspectWhat {
    /// Build info, tables found, counts
    Binary(InspectArgs),
    /// Functions: address, sites, signature, inlined call sites
    Functions(InspectArgs),
    /// Types: size, fields and offsets
    Types(InspectArgs),
    /// What would be probed and captured, and why there
    Plan(InspectPlan),
}

#[derive(Args, Debug)]
pub struct InspectArgs {
    /// Name, suffix or glob
    pub name: Option<String>,
    /// Inspect this file
    #[arg(long, value_name = "PATH", conflicts_with = "pid")]
    pub binary: Option<PathBuf>,
    /// Inspect the executable of this process
    #[arg(long, value_name = "N")]
    pub pid: Option<u32>,
    /// Machine-readable: functions as an array; a type as an object, several
    /// that match as an array
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct InspectPlan {
    #[command(flatten)]
    pub common: InspectArgs,
    #[command(flatten)]
    pub profiles: Chosen,
}

/// Which sets of functions.
#[derive(Args, Clone, Debug, Default)]
pub struct Chosen {
    /// Sets of functions to trace: `-p list,images` or repeated;
    /// `mobytrace profiles` says which there are
    #[arg(
        short = 'p',
        long = "profile",
        value_name = "PROFILE",
        value_delimiter = ','
    )]
    pub names: Vec<String>,
    /// Sets of your own, from this TOML file; without -p all of them
    #[arg(long = "profile-file", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Profiles {
    /// Show this one only, with its functions
    pub name: Option<String>,
    #[command(flatten)]
    pub daemon: Daemon,
    /// Look into this file, not a running daemon
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "socket"])]
    pub binary: Option<PathBuf>,
    /// Sets of your own too, from this TOML file
    #[arg(long = "profile-file", value_name = "FILE")]
    pub profile_file: Option<PathBuf>,
    /// Machine-readable
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    pub daemon: Daemon,
    /// Machine-readable
    #[arg(long)]
    pub json: bool,
}

/// Takes the name of a format; `live`: of one that can be written while a session goes on.
fn format(live: bool) -> impl TypedValueParser<Value = &'static Format> {
    let offered = FORMATS.iter().filter(move |f| f.live || !live);
    let names = offered.map(|f| PossibleValue::new(f.name).help(f.about));
    PossibleValuesParser::new(names).try_map(|name| {
        let found = FORMATS.iter().find(|f| f.name == name);
        found.ok_or_else(|| format!("no format {name}"))
    })
}

/// Nanoseconds; longer than five centuries is that.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `500M`, `2G`, or plain bytes; at least a megabyte.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return Err(format!("unknown unit {unit:?}: expected K, M or G")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "expected a number and a unit: 500M, 2G".to_owned())?;
    match number.checked_mul(1 << shift) {
        None => Err("too large".to_owned()),
        Some(bytes) if bytes < LEAST_SIZE => {
            Err("too small: what stands before the records takes a part of it".to_owned())
        }
        Some(bytes) => Ok(bytes),
    }
}

/// `10s`, `500ms`, `2m`, `1h`, or plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = digits
        .parse()
        .map_err(|_| "expected a number and a unit: 500ms, 10s, 2m, 1h".to_owned())?;
    let seconds = |factor: u64| {
        number
            .checked_mul(factor)
            .map(Duration::from_secs)
            .ok_or_else(|| "too long".to_owned())
    };
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        _ => Err(format!("unknown unit {unit:?}: expected ms, s, m or h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("s").is_err());
        assert!(duration("3 weeks").is_err());
        assert!(duration("18446744073709551615h").is_err());
    }

    #[test]
    fn profiles_are_a_list_or_repeated() {
        let parse = |args: &str| {
            let cli = Cli::try_parse_from(args.split(' ')).expect("arguments");
            match cli.command {
                Command::Trace(trace) => trace.profiles.names,
                _ => Vec::new(),
            }
        };
        for args in [
            "-p list,images",
            "-p list -p images",
            "--profile list,images",
        ] {
            let names = parse(&format!("mobytrace trace {args}"));
            assert_eq!(names, ["list", "images"], "{args}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("2g"), Ok(2 << 30));
        assert_eq!(size("1048576"), Ok(1 << 20));
        for wrong in ["", "M", "1", "1023K", "5T", "5MB", "18446744073709551615G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}

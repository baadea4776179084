//! `cargo xtask repeat`: each test many times, in a process of its own, quietly or beside a load:
//! what depends on chance is found out. Prints what failed, and how long each test takes.

mod programs;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::exec::{make_dir, target};
use crate::setup::{self, Purpose};
use programs::{Program, Run};

/// What to repeat.
#[derive(Clone, Debug, clap::Args)]
pub struct Wanted {
    /// How often each test runs
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// Keep every processor busy meanwhile
    #[arg(long)]
    load: bool,
    /// Only tests whose name holds this, e.g. `daemon::list_options` (repeatable)
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// All tests of a program side by side, as `cargo xtask test` runs them, instead of each alone
    #[arg(long, conflicts_with = "only")]
    whole: bool,
    /// Only name the tests
    #[arg(long)]
    list: bool,
}

/// How many of the slowest tests are named.
const SLOWEST: usize = 20;

/// One test and what became of it.
#[derive(Clone, Debug, Default)]
struct Row {
    /// With its program: `daemon::list_options::on_every_stock_daemon`.
    name: String,
    took: Vec<Duration>,
    /// Where the output of each run that failed lies.
    failed: Vec<PathBuf>,
}

impl Row {
    fn median(&self) -> Duration {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn longest(&self) -> Duration {
        self.took.iter().max().copied().unwrap_or_default()
    }
}

/// Runs them, and prints a table.
///
/// # Errors
/// A test failed, or nothing can be run.
pub fn run(wanted: &Wanted) -> Result<()> {
    setup::check(&[Purpose::Building, Purpose::Daemons])?;
    let programs = programs::built()?;
    let out = target().join("repeat");
    let _ = std::fs::remove_dir_all(&out);
    make_dir(&out)?;
    let load = Load::start(wanted.load)?;
    let rows = if wanted.whole {
        whole(&programs, wanted.times, &out)?
    } else {
        alone(&programs, wanted, &out)?
    };
    drop(load);
    if wanted.list {
        return Ok(());
    }
    ensure!(!rows.is_empty(), "no test has such a name");
    println!("\n{}", slowest(&rows));
    let failures = failures(&rows);
    ensure!(
        failures.is_empty(),
        "tests failed when they were repeated:\n{failures}"
    );
    println!("{} tests, none failed", rows.len());
    Ok(())
}

/// Each test by itself.
fn alone(programs: &[Program], wanted: &Wanted, out: &std::path::Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for program in programs {
        for test in program.tests()? {
            let name = format!("{}::{test}", program.name);
            if !wanted.only.is_empty() && !wanted.only.iter().any(|o| name.contains(o)) {
                continue;
            }
            if wanted.list {
                println!("{name}");
                continue;
            }
            let mut row = Row {
                name,
                ..Row::default()
            };
            for round in 1..=wanted.times {
                let run = program.run(&["--exact", &test, "--nocapture"])?;
                // a name that no test has would pass as well
                let passed = run.passed && run.said.contains("1 passed");
                row.add(&run, passed, round, out)?;
            }
            println!("{}", line(&row));
            rows.push(row);
        }
    }
    Ok(rows)
}

/// All tests of each program side by side; a row per program.
fn whole(programs: &[Program], times: u32, out: &std::path::Path) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = programs
        .iter()
        .map(|program| Row {
            name: program.name.clone(),
            ..Row::default()
        })
        .collect();
    for round in 1..=times {
        for (program, row) in programs.iter().zip(&mut rows) {
            let run = program.run(&["--test-threads=2"])?;
            row.add(&run, run.passed, round, out)?;
            for failed in run.failed_tests() {
                println!("FAILED in round {round}: {}::{failed}", program.name);
            }
            println!("{}", line(row));
        }
    }
    Ok(rows)
}

impl Row {
    fn add(&mut self, run: &Run, passed: bool, round: u32, out: &std::path::Path) -> Result<()> {
        self.took.push(run.took);
        if !passed {
            let file = out.join(format!("{}.{round}.log", self.name.replace("::", ".")));
            std::fs::write(&file, &run.said).with_context(|| file.display().to_string())?;
            self.failed.push(file);
        }
        Ok(())
    }
}

fn line(row: &Row) -> String {
    format!(
        "{} {:>3}/{} {:>8.2} s, at most {:>8.2} s  {}",
        if row.failed.is_empty() {
            "ok  "
        } else {
            "FAIL"
        },
        row.took.len() - row.failed.len(),
        row.took.len(),
        row.median().as_secs_f64(),
        row.longest().as_secs_f64(),
        row.name
    )
}

fn slowest(rows: &[Row]) -> String {
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by_key(|row| std::cmp::Reverse(row.median()));
    let mut text = String::from("slowest (median, at most)\n");
    for row in sorted.into_iter().take(SLOWEST) {
        let (median, longest) = (row.median().as_secs_f64(), row.longest().as_secs_f64());
        let _ = writeln!(text, "{median:>9.2} s {longest:>9.2} s  {}", row.name);
    }
    text
}

/// A line for each test that failed; empty: none did.
fn failures(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.failed.is_empty()) {
        let first = row.failed.first().map(|file| file.display().to_string());
        let _ = writeln!(
            text,
            "{:>4} of {:<4} {}  {}",
            row.failed.len(),
            row.took.len(),
            row.name,
            first.unwrap_or_default()
        );
    }
    text
}

/// Threads that keep every processor busy until this is dropped.
struct Load {
    stop: std::sync::Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(wanted: bool) -> Result<Self> {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let count = if wanted {
            std::thread::available_parallelism()?.get()
        } else {
            0
        };
        let spin = |stop: std::sync::Arc<AtomicBool>| {
            move || {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..count)
            .map(|_| std::thread::spawn(spin(stop.clone())))
            .collect();
        Ok(Self { stop, threads })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, failures, slowest};
    use std::time::Duration;

    fn row(name: &str, seconds: &[u64], failed: &[&str]) -> Row {
        Row {
            name: name.to_owned(),
            took: seconds.iter().map(|s| Duration::from_secs(*s)).collect(),
            failed: failed.iter().map(Into::into).collect(),
        }
    }

    #[test]
    fn tables() {
        let rows = [
            row("a::quick", &[1, 1, 9], &[]),
            row("b::slow", &[5, 6, 4], &["x.2.log"]),
        ];
        assert_eq!(
            slowest(&rows),
            "slowest (median, at most)\n     5.00 s      6.00 s  b::slow\n     1.00 s      9.00 s  a::quick\n"
        );
        assert_eq!(failures(&rows), "   1 of 3    b::slow  x.2.log\n");
        assert_eq!(failures(&rows[..1]), "");
    }
}

//! An hour of steady requests under a trace: does the tool's memory stay bounded, is anything lost?
//! The result becomes a section of docs/performance.md.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Assets, Daemon, request, status_kib};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::exec::{self, cargo, make_dir, target};
use crate::{apt, performance};

/// Clients, each with a connection per request.
const CLIENTS: u32 = 10;
/// Requests of all clients together.
const PER_SECOND: u32 = 50;
/// Containers of the daemon, one of them running.
const CONTAINERS: usize = 20;
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_secs(10);

/// What the clients ask for, in turn. `{}` is a number of its own for each request.
const PATHS: &[&str] = &[
    "/v1.41/containers/json?all=1",
    "/v1.41/containers/json",
    "/v1.41/containers/json?limit=5&filters=%7B%22label%22%3A%5B%22n%3D{}%22%5D%7D",
    "/v1.41/system/df",
    "/v1.41/containers/up/json",
    "/v1.41/images/json",
    "/v1.41/containers/json?all=1&size=1",
    "/v1.41/version",
    "/v1.41/info",
    "/v1.41/containers/none{}/json",
];

/// Counts of the JSON Lines that the tool wrote.
#[derive(Debug, Default)]
struct Events {
    requests: u64,
    calls: u64,
    end: Option<Value>,
}

/// Runs it for that long and writes the section.
pub fn run(duration: Duration) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the soak starts a private dockerd and traces it: run it as root"
    );
    exec::run(cargo().args(["build", "--quiet", "--release", "-p", "mobytrace"]))?;
    apt::docker()?;
    let assets = Assets::find()?;
    let daemon = Daemon::start(&assets)?;
    daemon.import_image()?;
    daemon.create_containers("soak", CONTAINERS - 1)?;
    daemon.run_container("up")?;
    let dir = target().join("soak");
    make_dir(&dir)?;
    let mut tool = exec::command(target().join("release/mobytrace"))
        .args(["trace", "--format", "jsonl", "--socket"])
        .arg(daemon.socket())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(dir.join("stderr"))?)
        .spawn()
        .context("starting mobytrace")?;
    let stdout = tool.stdout.take().context("stdout")?;
    let reader = std::thread::spawn(move || count(BufReader::new(stdout)));
    let attached =
        || std::fs::read_to_string(dir.join("stderr")).is_ok_and(|t| t.contains("attached to"));
    while !attached() {
        ensure!(
            tool.try_wait()?.is_none(),
            "mobytrace ended: see {}",
            dir.join("stderr").display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{} requests/s for {} s", PER_SECOND, duration.as_secs());
    let worked = work(&daemon, &mut tool, duration, &dir);
    if let Some(pid) = i32::try_from(tool.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::INT).context("stopping mobytrace")?;
    }
    let status = tool.wait()?;
    let events = reader.join().ok().context("reader")??;
    let (sent, failed, samples) = worked?;
    ensure!(
        status.success(),
        "mobytrace ended with {status}: see {}",
        dir.join("stderr").display()
    );
    let text = section(duration, sent, failed, &samples, &events)?;
    println!("{text}");
    performance::replace("Steady load", &text)
}

/// Clients at work, memory sampled: requests sent, requests that failed, samples.
fn work(
    daemon: &Daemon,
    tool: &mut Child,
    duration: Duration,
    dir: &std::path::Path,
) -> Result<(u64, u64, Vec<Sample>)> {
    let (sent, failed, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let mut samples = Vec::new();
    let mut csv = String::from("seconds,tool_kib,tool_anonymous_kib,requests,daemon_kib\n");
    let result = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (sent, failed, stop) = (&sent, &failed, &stop);
            let socket = daemon.socket();
            scope.spawn(move || {
                let pause = Duration::from_secs(1) * CLIENTS / PER_SECOND;
                let agent = format!("soak/{client}");
                for n in 0u32.. {
                    let due = pause * n + pause * client / CLIENTS;
                    std::thread::sleep(due.saturating_sub(started.elapsed()));
                    if stop.load(Relaxed) {
                        break;
                    }
                    let wanted = PATHS[(n + client) as usize % PATHS.len()];
                    let path = wanted.replace("{}", &format!("{client}x{n}"));
                    let expected = if wanted.contains("none") { 404 } else { 200 };
                    let answer = request(&socket, "GET", &path, &[("User-Agent", &agent)], &[]);
                    sent.fetch_add(1, Relaxed);
                    if !answer.is_ok_and(|a| a.status == expected) {
                        failed.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        let mut sample = || -> Result<()> {
            while started.elapsed() < duration {
                let left = duration.saturating_sub(started.elapsed());
                std::thread::sleep(SAMPLE.min(left));
                ensure!(tool.try_wait()?.is_none(), "mobytrace ended under load");
                let now = Sample {
                    seconds: started.elapsed().as_secs(),
                    tool: resident(tool.id())?,
                    anonymous: anonymous(tool.id())?,
                };
                let daemon = resident(daemon.pid())?;
                writeln!(
                    csv,
                    "{},{},{},{},{daemon}",
                    now.seconds,
                    now.tool,
                    now.anonymous,
                    sent.load(Relaxed)
                )?;
                std::fs::write(dir.join("samples.csv"), &csv)?;
                samples.push(now);
            }
            Ok(())
        };
        let sampled = sample();
        stop.store(true, Relaxed);
        sampled
    });
    result?;
    Ok((sent.into_inner(), failed.into_inner(), samples))
}

/// Memory of the tool at a time; KiB.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: u64,
    tool: u64,
    anonymous: u64,
}

fn resident(pid: u32) -> Result<u64> {
    status_kib(pid, "VmRSS")
}

fn anonymous(pid: u32) -> Result<u64> {
    status_kib(pid, "RssAnon")
}

fn count(lines: impl BufRead) -> Result<Events> {
    let mut events = Events::default();
    for line in lines.lines() {
        let line = line?;
        // the type is the last but few of the keys, in order of the alphabet
        if line.contains("\"type\":\"call\"") {
            events.calls += 1;
        } else if line.contains("\"type\":\"request\"") {
            events.requests += 1;
        } else if line.contains("\"type\":\"end\"") {
            events.end = Some(serde_json::from_str(&line)?);
        }
    }
    Ok(events)
}

fn section(
    duration: Duration,
    sent: u64,
    failed: u64,
    samples: &[Sample],
    events: &Events,
) -> Result<String> {
    let end = events.end.as_ref().context("the stream has no end")?;
    let date = exec::output(exec::command("date").arg("+%Y-%m-%d"))?;
    let mut text = format!(
        "One run of `cargo xtask soak` on {}: {PER_SECOND} requests/s (lists, sizes, disk usage, inspect, info; {CLIENTS} clients) to dockerd \
         20.10.24 with {CONTAINERS} containers for {} s, traced with profile `list` to JSON Lines. {sent} requests sent, {failed} \
         failed; {} requests and {} calls traced; hits {}, lost {}, evicted {}, unmatched returns {}. (Evicted: goroutines whose inherited request was forgotten because 65,536 younger ones came.)\n\n\
         | after | RSS, mapped binary included | heap and stacks |\n|---:|---:|---:|\n",
        date.trim(),
        duration.as_secs(),
        events.requests,
        events.calls,
        end["hits"],
        end["lost"],
        end["evicted"],
        end["unmatched_returns"],
    );
    let shown = samples.len().div_ceil(8).max(1);
    let last = samples.len().saturating_sub(1);
    for (_, s) in samples
        .iter()
        .enumerate()
        .filter(|(i, _)| i % shown == 0 || *i == last)
    {
        writeln!(
            text,
            "| {} s | {:.1} MiB | {:.1} MiB |",
            s.seconds,
            s.tool as f64 / 1024.0,
            s.anonymous as f64 / 1024.0
        )?;
    }
    let most = samples.iter().map(|s| s.anonymous).max().unwrap_or(0);
    writeln!(
        text,
        "\nMost heap and stacks at any of {} looks: {:.1} MiB.",
        samples.len(),
        most as f64 / 1024.0
    )?;
    Ok(text)
}

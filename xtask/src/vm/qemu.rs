//! An emulated machine that runs to its power-off. Emulated (TCG) on purpose: a kvm device that
//! opens is no proof that it works.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::guests::Guest;
use crate::exec;

/// How long a guest may be silent, and how long it may run.
const PATIENCE: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(3600);

/// Runs a guest; gives the lines of its console, as far as they came.
pub fn run(guest: &Guest, image: &Path, initrd: &Path) -> Result<Vec<String>> {
    let (program, machine, cpu, console) = match guest.arch {
        "amd64" => ("qemu-system-x86_64", "q35", "max", "ttyS0"),
        _ => (
            "qemu-system-aarch64",
            "virt",
            "max,pauth-impdef=on",
            "ttyAMA0",
        ),
    };
    let accel = if guest.smp > 1 {
        "tcg,thread=single"
    } else {
        "tcg"
    };
    let mut child = exec::command(program)
        .args([
            "-M",
            machine,
            "-accel",
            accel,
            "-cpu",
            cpu,
            "-smp",
            &guest.smp.to_string(),
            "-m",
            "768M",
        ])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
        ])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initrd)
        .arg("-append")
        // on a busy host an emulated timer may be too slow for the kernel's own check of it
        .arg(format!(
            "console={console} panic=-1 quiet no_timer_check {}",
            guest.append
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let stdout = child.stdout.take().context("stdout")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    let mut heard = started;
    let mut lines = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                heard = Instant::now();
                lines.push(line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout)
                if heard.elapsed() > PATIENCE || started.elapsed() > LONGEST =>
            {
                let _ = child.kill();
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    }
    let _ = child.wait();
    let _ = reader.join();
    Ok(lines)
}

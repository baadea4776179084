//! Memory of `show` and `compare` on a long recording. The result becomes a section of
//! docs/performance.md.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use crate::exec::{self, cargo};
use crate::performance;

/// Runs the test with so many calls and writes the section.
///
/// # Errors
/// A form of output takes more memory than it may, or does not show everything.
pub fn run(calls: u64) -> Result<()> {
    exec::run(cargo().args(["build", "--quiet", "--locked", "-p", "mobytrace"]))?;
    let output = cargo()
        .args(["test", "--locked", "-p", "tests", "--test", "offline", "--"])
        .args(["long_recordings::many_calls", "--nocapture"])
        .env("MOBYTRACE_RECORDED_CALLS", calls.to_string())
        .output()
        .context("running the test")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the test failed:\n{said}");
    let line = said
        .lines()
        .find_map(|l| l.strip_prefix("recordings: "))
        .context("the test did not say its result")?;
    let text = section(line)?;
    println!("{text}");
    performance::replace("Long recordings", &text)
}

/// `calls N bytes N FORM KIB FORM KIB …`
fn section(line: &str) -> Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["calls", calls, "bytes", bytes, forms @ ..] = words.as_slice() else {
        anyhow::bail!("the test said {line}");
    };
    let date = exec::output(exec::command("date").arg("+%Y-%m-%d"))?;
    let bytes: u64 = bytes.parse().context("bytes")?;
    let mut text = format!(
        "One run of `cargo xtask recordings` on {}: the kept recording of dockerd 20.10.24 again and\n\
         again, each time later and on goroutines of its own, {calls} calls and as many requests in\n\
         {} MB. Everything in it was shown as often as it is there, and `compare` said what it says of\n\
         the short one. Peaks are the kernel's `VmHWM`: pages of mobytrace itself are in it.\n\n\
         | | peak RSS |\n|---|---:|\n",
        date.trim(),
        bytes / 1_000_000,
    );
    for pair in forms.chunks(2) {
        let [form, kib] = pair else {
            anyhow::bail!("the test said {line}");
        };
        let name = match *form {
            "compare" => "`compare`".to_owned(),
            "what" => "`show --what`".to_owned(),
            format => format!("`show --format {format}`"),
        };
        let kib: f64 = kib.parse().context("KiB")?;
        writeln!(text, "| {name} | {:.1} MiB |", kib / 1024.0)?;
    }
    Ok(text)
}

//! Runs the built `mobytrace`.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::target_dir;

/// How long any run may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Starts a program. A copy that was just written may be held open, for a moment, by what another
/// test starts at the same time: between its fork and its exec.
///
/// # Errors
/// It cannot be run.
pub fn spawn(command: &mut Command) -> std::io::Result<Child> {
    const MOST: u32 = 500;
    let mut tried = 0;
    loop {
        match command.spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy && tried < MOST => {
                tried += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// What ignores signals here (nohup) must not make the program ignore them.
pub fn heed_signals(command: &mut Command) {
    // SAFETY: between fork and exec only `signal` is called, which may be.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

/// The program under test.
#[derive(Clone, Debug)]
pub struct Tool {
    path: PathBuf,
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit status; `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Fails with everything that was printed unless the exit status is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A text without its line breaks and columns: words with one space between.
#[must_use]
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a run wrote so far.
type Shared = Arc<Mutex<Vec<u8>>>;

fn text(shared: &Shared) -> String {
    shared.lock().map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// Reads to the end, in a thread.
fn read(mut from: impl Read + Send + 'static) -> (Shared, std::thread::JoinHandle<()>) {
    let shared = Shared::default();
    let into = shared.clone();
    let reader = std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 {
                break;
            }
            if let Ok(mut bytes) = into.lock() {
                bytes.extend_from_slice(&buffer[..n]);
            }
        }
    });
    (shared, reader)
}

/// A run in progress.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Shared,
    stderr: Shared,
    readers: [std::thread::JoinHandle<()>; 2],
}

impl Tool {
    /// The binary that cargo built for this workspace.
    ///
    /// # Errors
    /// It was not built.
    pub fn find() -> Result<Self> {
        let path = std::env::var_os("MOBYTRACE_BIN")
            .map_or_else(|| target_dir().join("debug/mobytrace"), PathBuf::from);
        if !path.exists() {
            // plain `cargo test` builds libraries and tests only
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let status = Command::new(cargo)
                .args(["build", "--quiet", "-p", "mobytrace"])
                .current_dir(crate::workspace_root())
                .status()
                .context("running cargo build")?;
            if !status.success() || !path.exists() {
                bail!("{} cannot be built: {status}", path.display());
            }
        }
        Ok(Self { path })
    }

    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// It cannot be run, or does not end.
    pub fn run(&self, args: &[&str]) -> Result<Finished> {
        self.start(args)?.wait()
    }

    /// Starts, with more environment.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(&self, args: &[&str]) -> Result<Running> {
        let mut command = Command::new(&self.path);
        command.args(args);
        Running::start(command)
    }
}

impl Running {
    /// Starts any command the same way.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(mut command: Command) -> Result<Self> {
        heed_signals(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(&mut command).with_context(|| format!("{command:?}"))?;
        let (stdout, out) = read(child.stdout.take().context("stdout")?);
        let (stderr, err) = read(child.stderr.take().context("stderr")?);
        Ok(Self {
            child,
            stdout,
            stderr,
            readers: [out, err],
        })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until stderr holds `text`.
    ///
    /// # Errors
    /// It ends or takes too long.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        self.wait_until(text, |running| running.said().contains(text))
    }

    /// Waits until what it wrote to stdout satisfies `done`; gives that.
    ///
    /// # Errors
    /// It ends or takes too long.
    pub fn wait_for_output(&mut self, done: impl Fn(&str) -> bool) -> Result<String> {
        self.wait_until("the expected output", |running| {
            done(&text(&running.stdout))
        })?;
        Ok(text(&self.stdout))
    }

    fn wait_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            if done(self) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status} before {what:?}: {}", self.said());
            }
            if started.elapsed() > PATIENCE {
                bail!("{what:?} did not come: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn said(&self) -> String {
        text(&self.stderr)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It takes too long.
    pub fn wait(mut self) -> Result<Finished> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if started.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                bail!("it does not end: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers {
            let _ = reader.join();
        }
        Ok(Finished {
            code: status.code(),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
        })
    }
}

/// Events of a JSON Lines stream.
///
/// # Errors
/// A line is no JSON.
pub fn json_lines(text: &str) -> Result<Vec<serde_json::Value>> {
    text.lines()
        .map(|l| serde_json::from_str(l).with_context(|| l.to_owned()))
        .collect()
}

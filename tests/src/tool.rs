//! Runs the built `mobytrace`.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::target_dir;

/// How long any run may take.
const PATIENCE: Duration = Duration::from_secs(180);

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

/// A run in progress.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: std::thread::JoinHandle<String>,
    stderr: std::sync::Arc<std::sync::Mutex<String>>,
    reader: std::thread::JoinHandle<()>,
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
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let mut out = child.stdout.take().context("stdout")?;
        let mut err = child.stderr.take().context("stderr")?;
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = out.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let stderr = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let shared = stderr.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            while let Ok(n) = err.read(&mut buffer) {
                if n == 0 {
                    break;
                }
                if let Ok(mut text) = shared.lock() {
                    text.push_str(&String::from_utf8_lossy(&buffer[..n]));
                }
            }
        });
        Ok(Self {
            child,
            stdout,
            stderr,
            reader,
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
        let started = Instant::now();
        loop {
            if self.stderr.lock().is_ok_and(|t| t.contains(text)) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status} before {text:?}: {}", self.said());
            }
            if started.elapsed() > PATIENCE {
                bail!("{text:?} did not come: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn said(&self) -> String {
        self.stderr.lock().map(|t| t.clone()).unwrap_or_default()
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
        let stdout = self.stdout.join().unwrap_or_default();
        let _ = self.reader.join();
        let stderr = self.stderr.lock().map(|t| t.clone()).unwrap_or_default();
        Ok(Finished {
            code: status.code(),
            stdout,
            stderr,
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

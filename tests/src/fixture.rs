//! A Go fixture as a process: says when it is ready, is told to go on by lines, answers in lines.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A running fixture. Dropping it ends it.
#[derive(Debug)]
pub struct Fixture {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Fixture {
    /// Starts it and waits until it says `ready`.
    ///
    /// # Errors
    /// It cannot be run, or says something else.
    pub fn start(path: &Path, args: &[String]) -> Result<Self> {
        let mut command = Command::new(path);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child =
            crate::tool::spawn(&mut command).with_context(|| path.display().to_string())?;
        let input = child.stdin.take().context("stdin")?;
        let output = BufReader::new(child.stdout.take().context("stdout")?);
        let mut fixture = Self {
            child,
            input,
            output,
        };
        let first = fixture.line()?;
        ensure!(first.starts_with("ready"), "it says {first:?}");
        Ok(fixture)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its next line.
    ///
    /// # Errors
    /// It cannot be read, or the program has ended.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line)?;
        ensure!(read > 0, "the program has ended");
        Ok(line.trim_end().to_owned())
    }

    /// Tells it a line.
    ///
    /// # Errors
    /// It has ended.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

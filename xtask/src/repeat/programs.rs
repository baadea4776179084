//! The programs that `cargo test` builds, and runs of them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::exec::{self, cargo, target};

/// A test program.
#[derive(Clone, Debug)]
pub struct Program {
    /// As cargo calls it: `daemon`; a library's own tests by the library.
    pub name: String,
    path: PathBuf,
    /// Folder of its package, in which cargo runs it.
    package: PathBuf,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    pub passed: bool,
    pub took: Duration,
    /// stdout, then stderr.
    pub said: String,
}

impl Run {
    /// Names of the tests that failed.
    pub fn failed_tests(&self) -> Vec<&str> {
        let lines = self.said.lines();
        lines
            .filter_map(|l| l.strip_prefix("test ")?.split_once(" ... FAILED"))
            .map(|(name, _)| name)
            .collect()
    }
}

/// Builds the tool and all test programs.
///
/// # Errors
/// They do not build.
pub fn built() -> Result<Vec<Program>> {
    exec::run(cargo().args(["build", "--workspace", "--locked"]))?;
    let said = cargo()
        .args(["test", "--workspace", "--locked", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    ensure!(said.status.success(), "the tests do not build");
    let said = String::from_utf8_lossy(&said.stdout);
    let mut programs: Vec<Program> = said.lines().filter_map(program).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!programs.is_empty(), "cargo built no test program");
    Ok(programs)
}

/// A message of cargo, if it is about a test program.
fn program(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    Some(Program {
        name: message["target"]["name"].as_str()?.to_owned(),
        path: message["executable"].as_str()?.into(),
        package: PathBuf::from(message["manifest_path"].as_str()?)
            .parent()?
            .to_owned(),
    })
}

impl Program {
    /// As cargo would run it, strict: a skip is a failure.
    fn command(&self) -> Command {
        let mut command = exec::command(&self.path);
        command
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package)
            .env("MOBYTRACE_BIN", target().join("debug/mobytrace"))
            .env("MOBYTRACE_STRICT", "1")
            .stdin(Stdio::null());
        command
    }

    /// Names of its tests.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn tests(&self) -> Result<Vec<String>> {
        let listed = exec::output(self.command().args(["--list", "--format", "terse"]))?;
        let tests = listed.lines().filter_map(|l| l.strip_suffix(": test"));
        Ok(tests.map(str::to_owned).collect())
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn run(&self, args: &[&str]) -> Result<Run> {
        let started = Instant::now();
        let ended = self.command().args(args).output();
        let ended = ended.with_context(|| self.path.display().to_string())?;
        let mut said = String::from_utf8_lossy(&ended.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&ended.stderr));
        Ok(Run {
            passed: ended.status.success(),
            took: started.elapsed(),
            said,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, program};
    use std::time::Duration;

    #[test]
    fn messages_of_cargo() {
        let of = |test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","target":{{"name":"daemon"}},"profile":{{"test":{test}}},"executable":"/t/daemon-1"}}"#
            )
        };
        let found = program(&of(true)).expect("a test program");
        assert_eq!(
            (found.name.as_str(), found.package.to_str()),
            ("daemon", Some("/w/tests"))
        );
        assert!(program(&of(false)).is_none());
        assert!(program("no JSON").is_none());
    }

    #[test]
    fn failed_tests_are_named() {
        let run = Run {
            passed: false,
            took: Duration::ZERO,
            said: "test a::b ... ok\ntest a::c ... FAILED\ntest d has been running\n".to_owned(),
        };
        assert_eq!(run.failed_tests(), ["a::c"]);
    }
}

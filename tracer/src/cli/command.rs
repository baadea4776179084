//! Commands of `--cmd`.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process_group};

use super::failure::Failure;
use super::say::say;
use crate::decode::mask;

/// A command that runs through the shell, its errors on our stderr. One that still runs when it is
/// dropped gets what Ctrl-C sends in a terminal: SIGINT, for the shell and whatever it started in
/// its process group.
#[derive(Debug)]
pub struct Running<'c> {
    command: &'c str,
    child: tokio::process::Child,
}

impl<'c> Running<'c> {
    /// Starts it; DOCKER_HOST names the traced daemon unless already set.
    pub fn start(command: &'c str, socket: Option<&Path>) -> Result<Self> {
        let mut shell = tokio::process::Command::new("sh");
        shell
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .process_group(0);
        if let Some(socket) = socket
            && std::env::var_os("DOCKER_HOST").is_none()
        {
            shell.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        }
        let child = shell.spawn().map_err(|e| unrun(command, &e))?;
        Ok(Self { command, child })
    }

    /// Process id of the shell.
    pub fn shell(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end; what it ended with is said unless that is success.
    pub async fn wait(mut self) -> Result<()> {
        let status = self
            .child
            .wait()
            .await
            .map_err(|e| unrun(self.command, &e))?;
        if !status.success() {
            say!("warning: `{}` ended with {status}", shown(self.command));
        }
        Ok(())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // none: it was waited for
        let group = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::INT);
        }
    }
}

/// A command without its secrets.
pub fn shown(command: &str) -> String {
    mask::command(command).unwrap_or_else(|| command.to_owned())
}

fn unrun(command: &str, error: &std::io::Error) -> Failure {
    let hint = if error.kind() == std::io::ErrorKind::NotFound {
        "--cmd needs a shell, and there is none here (an image made from scratch has no programs): use --get PATH, or \
         `compare` without --cmd and run the commands outside"
    } else {
        "--cmd runs its command with `sh -c`"
    };
    Failure::new(
        format!("failed to run `{}` with sh: {error}", shown(command)),
        hint,
    )
}

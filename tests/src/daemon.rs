//! A private, stock dockerd on its own socket, data root and exec root.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::Assets;
use crate::http::{Answer, request};

/// How long a daemon may take to answer its first ping.
const READY: Duration = Duration::from_secs(60);
/// How long handlers may go on after their clients have their answers.
const SERVED: Duration = Duration::from_secs(120);
/// How long it may take to end after SIGTERM.
const END: Duration = Duration::from_secs(30);

/// The flag of a listening socket in `/proc/net/unix` (`__SO_ACCEPTCON`).
const LISTENING: &str = "00010000";
/// What it logs when it has written its stacks, before the path.
const STACKS: &str = "goroutine stacks written to ";

/// A running dockerd. Dropping it ends it, its containers and its mounts.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    dir: tempfile::TempDir,
    assets: Assets,
}

impl Daemon {
    /// Starts the stock dockerd and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(assets: &Assets) -> Result<Self> {
        Self::start_binary(assets, &assets.dockerd())
    }

    /// Starts another dockerd binary with the same surroundings.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_binary(assets: &Assets, dockerd: &Path) -> Result<Self> {
        let dir = Self::place()?;
        let child = Self::spawn(assets, dockerd, dir.path())?;
        let mut daemon = Self {
            child,
            dir,
            assets: assets.clone(),
        };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    /// A place for a daemon that is not started yet: its socket's path is known.
    ///
    /// # Errors
    /// No folder can be made.
    pub fn place() -> Result<tempfile::TempDir> {
        // short: a socket path has 107 bytes
        let mut builder = tempfile::Builder::new();
        Ok(builder.prefix("mobytrace-").tempdir_in("/tmp")?)
    }

    /// Starts the stock dockerd in a place, and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_in(assets: &Assets, dir: tempfile::TempDir) -> Result<Self> {
        let child = Self::spawn(assets, &assets.dockerd(), dir.path())?;
        let mut daemon = Self {
            child,
            dir,
            assets: assets.clone(),
        };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    /// Ends it by that signal and waits for its end; what it works on stays.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&mut self, how: Signal) -> Result<()> {
        signal(self.child.id(), how);
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(asked.elapsed() < READY, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        if how == Signal::KILL {
            self.end_containerd();
        }
        Ok(())
    }

    /// Ends the containerd of a daemon that was killed, which would be taken for one that runs.
    fn end_containerd(&self) {
        let file = self.dir.path().join("exec/containerd/containerd.pid");
        let pid = std::fs::read_to_string(&file).ok();
        if let Some(pid) = pid.and_then(|text| text.trim().parse().ok()) {
            signal(pid, Signal::KILL);
        }
        let _ = std::fs::remove_file(file);
    }

    /// Starts it anew, or another release in its place, and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self, dockerd: &Path) -> Result<()> {
        self.child = Self::spawn(&self.assets, dockerd, self.dir.path())?;
        self.wait_until_ready()
    }

    fn spawn(assets: &Assets, dockerd: &Path, dir: &Path) -> Result<Child> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.join("log"))?;
        let at = |name: &str| dir.join(name);
        let mut command = Command::new(dockerd);
        command
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("-H")
            .arg(format!("unix://{}", at("sock").display()))
            .args([
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
                "--userland-proxy=false",
            ])
            .env("PATH", assets.path_variable()?)
            .env("LD_LIBRARY_PATH", assets.library_path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        crate::tool::spawn(&mut command).with_context(|| format!("starting {}", dockerd.display()))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Ok(answer) = self.get("/_ping")
                && answer.status == 200
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("dockerd ended with {status}:\n{}", self.log());
            }
            if started.elapsed() > READY {
                bail!("dockerd does not answer:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Its ends of connections, by inode.
    ///
    /// # Panics
    /// The kernel does not say.
    #[must_use]
    pub fn connections(&self) -> BTreeSet<u64> {
        // of its network namespace, which need not be ours
        let table = format!("/proc/{}/net/unix", self.pid());
        let table = std::fs::read_to_string(table).expect("sockets");
        let socket = self.socket().display().to_string();
        table
            .lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
            // Num RefCount Protocol Flags Type St Inode Path
            .filter(|of| of.get(7) == Some(&socket.as_str()) && of[3] != LISTENING)
            .map(|of| of[6].parse().expect("inode"))
            .collect()
    }

    /// Waits until it has closed all connections but `kept`. Go's server closes one after the
    /// handler of its last request returned, so that nothing of that request is still to come. (A
    /// handler that took its connection over closes it itself, before it returns: whoever tests
    /// that waits for what it expects.)
    ///
    /// # Panics
    /// It serves on and on.
    #[track_caller]
    pub fn wait_until_served(&self, kept: &BTreeSet<u64>) {
        let started = Instant::now();
        while !self.connections().is_subset(kept) {
            assert!(started.elapsed() < SERVED, "requests are still served");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stacks of all goroutines, as the daemon itself writes them when it is told to (SIGUSR1).
    ///
    /// # Errors
    /// It does not.
    pub fn stacks(&self) -> Result<String> {
        let written = |log: &str| log.matches(STACKS).count();
        let before = written(&self.log());
        signal(self.child.id(), Signal::USR1);
        let started = Instant::now();
        loop {
            let log = self.log();
            if written(&log) > before
                && let Some((_, rest)) = log.rsplit_once(STACKS)
                && let Some((path, _)) = rest.split_once(['"', ' ', '\n'])
            {
                return std::fs::read_to_string(path).context("stacks");
            }
            ensure!(started.elapsed() < SERVED, "no stacks:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The directory that a container's own changes lie in.
    ///
    /// # Errors
    /// The daemon does not say.
    pub fn layer(&self, container: &str) -> Result<PathBuf> {
        let inspected = self.get(&format!("/containers/{container}/json"))?.json()?;
        let upper = inspected["GraphDriver"]["Data"]["UpperDir"].as_str();
        Ok(upper.context("no writable layer")?.into())
    }

    /// Waits until `count` goroutines have all of `functions` on their stacks, as the daemon itself
    /// says.
    ///
    /// # Errors
    /// They never come.
    pub fn wait_for_goroutines(&self, count: usize, functions: &[&str]) -> Result<()> {
        let started = Instant::now();
        loop {
            let stacks = self.stacks()?;
            let there = |g: &&str| functions.iter().all(|f| g.contains(f));
            let found = stacks.split("\n\n").filter(there).count();
            if found >= count {
                return Ok(());
            }
            ensure!(
                started.elapsed() < SERVED,
                "{found} goroutines in {functions:?}:\n{stacks}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// `DOCKER_HOST` for clients.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Runs the docker CLI.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn cli(&self, args: &[&str]) -> Result<Output> {
        Command::new(self.assets.docker_cli())
            .args(args)
            .env("DOCKER_HOST", self.host())
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .context("running docker")
    }

    /// GET of the API.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        request(&self.socket(), "GET", path, &[], &[])
    }

    /// GET with a User-Agent.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn get_as(&self, path: &str, agent: &str) -> Result<Answer> {
        request(&self.socket(), "GET", path, &[("User-Agent", agent)], &[])
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer> {
        if body.is_null() {
            // a body that the daemon does not read would make it reset the connection
            return request(&self.socket(), "POST", path, &[], &[]);
        }
        let headers = [("Content-Type", "application/json")];
        request(
            &self.socket(),
            "POST",
            path,
            &headers,
            &serde_json::to_vec(body)?,
        )
    }

    /// Imports an image `busybox:1` made of the static busybox.
    ///
    /// # Errors
    /// The daemon refuses it.
    pub fn import_image(&self) -> Result<()> {
        let root = tempfile::tempdir()?;
        let bin = root.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::fs::copy(&self.assets.busybox, bin.join("busybox"))?;
        for name in ["sh", "sleep", "echo", "ls", "cat"] {
            std::os::unix::fs::symlink("busybox", bin.join(name))?;
        }
        let archive = self.dir.path().join("image.tar");
        let status = Command::new("tar")
            .arg("-C")
            .arg(root.path())
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .status()?;
        ensure!(status.success(), "tar ended with {status}");
        let output = self.cli(&["import", &archive.display().to_string(), "busybox:1"])?;
        ensure!(
            output.status.success(),
            "docker import: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Creates containers `NAME1` … that are never started; gives their IDs.
    ///
    /// # Errors
    /// The daemon refuses.
    pub fn create_containers(&self, prefix: &str, count: usize) -> Result<Vec<String>> {
        (1..=count)
            .map(|n| self.create(&format!("{prefix}{n}")))
            .collect()
    }

    fn create(&self, name: &str) -> Result<String> {
        let body = serde_json::json!({
            "Image": "busybox:1",
            "Cmd": ["sleep", "100000"],
            "HostConfig": {"NetworkMode": "none"},
        });
        let answer = self.post(&format!("/v1.41/containers/create?name={name}"), &body)?;
        ensure!(
            answer.status == 201,
            "create: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let json = answer.json()?;
        Ok(json["Id"].as_str().context("no Id")?.to_owned())
    }

    /// Creates and starts one container.
    ///
    /// # Errors
    /// The daemon refuses.
    pub fn run_container(&self, name: &str) -> Result<String> {
        let id = self.create(name)?;
        let answer = self.post(
            &format!("/v1.41/containers/{id}/start"),
            &serde_json::Value::Null,
        )?;
        ensure!(
            answer.status == 204,
            "start: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(id)
    }

    fn end(&mut self) {
        // a container's first process ignores SIGTERM: killing it saves the daemon's grace period
        if let Ok(answer) = self.get("/containers/json")
            && let Ok(serde_json::Value::Array(list)) = answer.json()
        {
            for id in list.iter().filter_map(|c| c["Id"].as_str()) {
                let _ = self.post(&format!("/containers/{id}/kill"), &serde_json::Value::Null);
            }
        }
        signal(self.child.id(), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < END {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                _ => break,
            }
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.end_containerd();
        }
        unmount_below(self.dir.path());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Mounts that a daemon left, innermost first.
fn unmount_below(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut points: Vec<&str> = mounts
        .lines()
        .filter_map(|l| l.split_ascii_whitespace().nth(1))
        .filter(|p| Path::new(p).starts_with(dir))
        .collect();
    points.sort_by_key(|p| std::cmp::Reverse(p.len()));
    for point in points {
        let _ = rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH);
    }
    let _ = std::io::stderr().flush();
}

//! The process behind a request: pid, uid, comm, ancestors and control group, as the kernel found
//! them at the other end of the connection, against what the client says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::{Assets, Daemon, Tool, request};
use mobytrace::capture::Recording;
use mobytrace::decode::{Assembler, Decoder, Missing, NoClient, Value};
use mobytrace::plan::Role;
use rustix::process::Signal;

/// Set for a run of this program that is a client: socket, path, what to do after the request was
/// written, and the file whose appearance ends it, if it is to wait for one.
const CLIENT: &str = "MOBYTRACE_TEST_CLIENT";

/// Clients by the query of their request.
type Clients = BTreeMap<String, Value>;

fn field<'v>(v: &'v Value, name: &str) -> &'v Value {
    match v {
        Value::Pointer { to, .. } => field(to, name),
        Value::Struct { fields, .. } => fields
            .iter()
            .find(|(n, _)| n == name)
            .map_or_else(|| panic!("no {name} in {v:?}"), |(_, v)| v),
        other => panic!("no struct with {name}: {other:?}"),
    }
}

fn text(v: &Value) -> String {
    match v {
        Value::Str { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("no string: {other:?}"),
    }
}

fn uint(v: &Value) -> u32 {
    match v {
        Value::Uint(n) => u32::try_from(*n).expect("a pid"),
        other => panic!("no number: {other:?}"),
    }
}

fn list(v: &Value) -> Vec<u32> {
    match v {
        Value::List { items, len } => {
            assert_eq!(items.len() as u64, *len);
            items.iter().map(uint).collect()
        }
        other => panic!("no list: {other:?}"),
    }
}

/// Clients in a recording.
fn clients_in(recording: &Path) -> Clients {
    let bytes = std::fs::read(recording).expect("recording");
    let recording = Recording::read(&mut bytes.as_slice()).expect("recording");
    let plan = recording.plan();
    let decoder = Decoder::new(plan, recording.header().daemon.load_bias);
    let mut assembler = Assembler::default();
    let mut clients = Clients::new();
    for part in recording.parts() {
        for mut raw in assembler.push(part.clone()) {
            let hit = decoder.decode(&mut raw).expect("hit");
            let function = &plan.functions[hit.func as usize];
            if function.role != Role::Request || hit.kind != mobytrace::plan::SiteKind::Entry {
                continue;
            }
            let param = |name: &str| {
                let at = function.params.iter().position(|p| p.name == name);
                &hit.values[at.unwrap_or_else(|| panic!("no parameter {name}"))]
            };
            let query = text(field(field(param("req"), "URL"), "RawQuery"));
            clients.insert(query, param("client").clone());
        }
    }
    clients
}

/// Records `daemon` while `work` runs.
fn recorded(daemon: &Daemon, work: impl FnOnce()) -> Clients {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("clients.trace");
    let socket = daemon.socket().display().to_string();
    let shown = file.display().to_string();
    let args = [
        "trace", "--socket", &socket, "--format", "jsonl", "-o", &shown,
    ];
    let mut running = Tool::find().expect("tool").start(&args).expect("started");
    running.wait_for("attached to dockerd").expect("attached");
    work();
    daemon.wait_until_served(&BTreeSet::new());
    running.signal(Signal::INT);
    running.wait().expect("ended").expect(0);
    clients_in(&file)
}

/// Name of `as_client` among the tests of this program.
fn as_client_name() -> String {
    harness::test_name(module_path!(), "as_client")
}

/// This program as a client.
fn client(socket: &Path, query: &str, then: &str, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args([
            "--exact",
            &as_client_name(),
            "--nocapture",
            "--test-threads=1",
        ])
        .env(
            CLIENT,
            format!(
                "{}\n/v1.41/containers/json?{query}\n{then}",
                socket.display()
            ),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// No test of its own: the body of a client process.
#[test]
fn as_client() {
    let Ok(what) = std::env::var(CLIENT) else {
        return;
    };
    let words: Vec<&str> = what.split('\n').collect();
    match words[2] {
        "wait" => {
            let answer = request(Path::new(words[0]), "GET", words[1], &[], &[]).expect("answer");
            assert_eq!(answer.status, 200);
            // whoever is told where to look for a file looks at this process meanwhile
            while words.get(3).is_some_and(|file| !Path::new(file).exists()) {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        "leave" => {
            use std::io::Write;
            let mut stream = std::os::unix::net::UnixStream::connect(words[0]).expect("connection");
            write!(stream, "GET {} HTTP/1.0\r\nHost: docker\r\n\r\n", words[1]).expect("written");
            // the request is in the socket; nobody waits for the answer
            std::process::exit(0);
        }
        other => panic!("{other}"),
    }
}

fn parent_of(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    status
        .lines()
        .find_map(|l| l.strip_prefix("PPid:")?.trim().parse().ok())
        .expect("PPid")
}

/// A process, its parent, and so on, eight at most.
fn chain(pid: u32) -> Vec<u32> {
    std::iter::successors(Some(pid), |p| Some(parent_of(*p)).filter(|p| *p != 0))
        .take(8)
        .collect()
}

fn comm(path: &Path) -> String {
    let name = path
        .file_name()
        .expect("name")
        .to_string_lossy()
        .into_owned();
    name.chars().take(15).collect()
}

fn wait(mut child: Child) {
    let status = child.wait().expect("ended");
    assert!(status.success(), "{status}");
}

fn check(client: &Value, pid: u32, uid: u32, comm: &str) {
    assert_eq!(uint(field(client, "pid")), pid, "{client:?}");
    assert_eq!(uint(field(client, "uid")), uid, "{client:?}");
    assert_eq!(text(field(client, "comm")), comm, "{client:?}");
}

/// An executable copy that other users may run, and another root may reach.
fn copy_of_self(dir: &Path) -> PathBuf {
    let to = dir.join("a-client");
    std::fs::copy(std::env::current_exe().expect("self"), &to).expect("copied");
    to
}

#[test]
fn is_who_sent_it() {
    let assets: Assets = harness::assets_or_skip!();
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    let socket = daemon.socket();
    for path in [socket.parent().expect("dir"), &socket] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, mode).expect("permissions");
    }
    let dir = tempfile::Builder::new()
        .prefix("mobytrace-")
        .tempdir_in("/tmp")
        .expect("dir");
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("permissions");
    let program = copy_of_self(dir.path());
    let me = std::process::id();
    let (mut of_nobody, mut gone, mut cli) = (0, Vec::new(), 0);
    let mut contained = (String::new(), 0);
    let seen = recorded(&daemon, || {
        assert_eq!(
            daemon
                .get("/v1.41/containers/json?who=me")
                .expect("answer")
                .status,
            200
        );
        let mut nobody = client(&socket, "who=nobody", "wait", &program);
        let child = harness::spawn(nobody.uid(65534).gid(65533)).expect("client");
        of_nobody = child.id();
        wait(child);
        for n in 0..10 {
            let mut gone_client = client(&socket, &format!("who=gone{n}"), "leave", &program);
            let child = harness::spawn(&mut gone_client).expect("client");
            gone.push(child.id());
            wait(child);
        }
        let child = Command::new(assets.docker_cli())
            .args(["ps", "--filter", "label=who=cli"])
            .env("DOCKER_HOST", daemon.host())
            .env("HOME", dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("docker");
        cli = child.id();
        wait(child);
        contained = in_a_container(&daemon, &program);
    });
    check(&seen["who=me"], me, 0, &own_comm());
    assert_eq!(list(field(&seen["who=me"], "ancestors")), chain(me));
    check(&seen["who=nobody"], of_nobody, 65534, "a-client");
    assert_eq!(uint(field(&seen["who=nobody"], "gid")), 65533);
    assert_eq!(
        list(field(&seen["who=nobody"], "ancestors"))[..2],
        [of_nobody, me]
    );
    for (n, pid) in gone.iter().enumerate() {
        let client = &seen[&format!("who=gone{n}")];
        assert_eq!(uint(field(client, "pid")), *pid);
        assert_eq!(uint(field(client, "uid")), 0);
        // it may have ended before the daemon's handler ran: then that is said, and nothing else
        match field(client, "comm") {
            Value::Missing(why) => assert_eq!(*why, Missing::Client(NoClient::Ended)),
            comm => assert_eq!(text(comm), "a-client"),
        }
    }
    let of_cli = seen
        .iter()
        .find(|(query, _)| query.contains("who%3Dcli"))
        .map_or_else(|| panic!("{seen:?}"), |(_, client)| client);
    check(of_cli, cli, 0, &comm(&assets.docker_cli()));
    let (id, pid) = contained;
    check(&seen["who=contained"], pid, 0, "a-client");
    let cgroup = text(field(&seen["who=contained"], "cgroup"));
    assert!(cgroup.contains(&id), "{cgroup} names {id}");
}

/// Daemons of other Go releases: `rw` on the stack (1.15), and other layouts of the same structs.
#[test]
fn of_other_generations() {
    let assets: Assets = harness::assets_or_skip!();
    for suite in ["bullseye", "trixie", "sid"] {
        let Some(dockerd) = harness::stock_dockerd(suite, "amd64") else {
            continue;
        };
        let daemon = Daemon::start_binary(&assets, &dockerd).expect("daemon");
        let seen = recorded(&daemon, || {
            let answer = daemon.get("/containers/json?who=me").expect("answer");
            assert_eq!(answer.status, 200, "{suite}");
        });
        check(&seen["who=me"], std::process::id(), 0, &own_comm());
    }
}

fn own_comm() -> String {
    // the kernel names a thread group by its leader, and the harness names only threads
    std::fs::read_to_string("/proc/self/comm")
        .expect("comm")
        .trim()
        .to_owned()
}

/// Runs the client in a container that sees the host's files; gives the container's id and the
/// client's pid outside of it.
fn in_a_container(daemon: &Daemon, program: &Path) -> (String, u32) {
    let socket = daemon.socket();
    let looked_at = program.with_file_name("looked-at");
    let what = format!(
        "{CLIENT}={}\n/v1.41/containers/json?who=contained\nwait\n{}",
        socket.display(),
        looked_at.display()
    );
    let host = "/:/host";
    let mut args = vec![
        "run",
        "-d",
        "--network",
        "none",
        "-v",
        host,
        "-e",
        &what,
        "busybox:1",
    ];
    let shown = program.display().to_string();
    let test = as_client_name();
    args.extend(["busybox", "chroot", "/host", &shown, "--exact", &test]);
    let output = daemon.cli(&args).expect("docker run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let state = daemon
        .cli(&["inspect", "-f", "{{.State.Pid}}", &id])
        .expect("inspect");
    let pid = String::from_utf8_lossy(&state.stdout)
        .trim()
        .parse()
        .expect("pid");
    std::fs::write(&looked_at, "").expect("file");
    let ended = daemon.cli(&["wait", &id]).expect("wait");
    let logs = daemon.cli(&["logs", &id]).expect("logs");
    let logs = String::from_utf8_lossy(&logs.stdout).into_owned();
    assert_eq!(String::from_utf8_lossy(&ended.stdout).trim(), "0", "{logs}");
    (id, pid)
}

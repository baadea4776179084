//! Secrets at every place of the API, on all four daemons: none of them is in a recording or in
//! what is shown of it, in no encoding, and what stands beside them is.
//!
//! Sessions that hide secrets and sessions that do not watch one daemon at the same time, so that
//! what the latter captured is what the former hid.

mod places;
mod plants;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::{Assets, Daemon, Finished, Running, Tool, json_lines, own_network, stock_dockerd};
use rustix::process::Signal;
use serde_json::Value;

use places::{CALLS, PLACES};
use plants::Plants;

const PROFILES: &[&str] = &[
    "list",
    "containers",
    "images",
    "volumes",
    "networks",
    "system",
    "http",
];
/// Functions that take or give secrets, and the handlers before them.
const FUNCTIONS: &[&str] = &[
    "loginCredentialStore).Basic",
    "loginCredentialStore.Basic",
    "loginCredentialStore.SetRefreshToken",
    "loginCredentialStore.RefreshToken",
    "CreateDaemonEnvironment",
    "/daemon.(*Daemon).ContainerCreate",
    "/daemon.(*Daemon).ContainerExecCreate",
    "/daemon.(*Daemon).CreateNetwork",
    "/daemon.(*Daemon).AuthenticateToRegistry",
    "(*ImageService).PullImage",
    "(*ImageService).PushImage",
    "(*VolumeStore).create",
    "(*VolumeStore).Create",
    "/volume/local.(*Root).Create",
    "(*Cluster).Inspect",
    "(*Cluster).Join",
    "(*Cluster).Update",
    "(*Cluster).UnlockSwarm",
    "(*Cluster).GetUnlockKey",
    "(*Cluster).CreateSecret",
    "(*Cluster).GetSecrets",
    "(*Cluster).CreateConfig",
    "(*Cluster).GetConfig",
    "(*Cluster).GetConfigs",
    "(*Cluster).CreateService",
    "(*Cluster).GetService",
    "(*Cluster).GetServices",
    "(*Cluster).GetTasks",
    "/plugin.(*Manager).Set",
    "(*containerRouter).postContainersCreate",
    "(*containerRouter).postContainerExecCreate",
    "(*containerRouter).getContainersByName",
    "(*imageRouter).postImagesCreate",
    "(*imageRouter).postImagesPush",
    "(*imageRouter).getImagesByName",
    "(*buildRouter).postBuild",
    "(*volumeRouter).postVolumesCreate",
    "(*networkRouter).postNetworkCreate",
    "(*swarmRouter).createSecret",
    "(*swarmRouter).createService",
    "(*swarmRouter).unlockCluster",
    "(*pluginRouter).setPlugin",
    "(*systemRouter).postAuth",
];
/// What stands beside the secrets, and is shown.
const NEIGHBOURS: &[&str] = &[
    "neighbour-name",
    "neighbour-agent",
    "NEIGHBOUR_VARIABLE",
    "com.example.neighbour",
    "neighbour-label",
    "100000",
];
/// Secrets that each way captures at least.
const FEWEST_TELLING: usize = 40;
/// Pairs of requests that are compared in each recording.
const MOST_COMPARED: usize = 8;

/// A recording, and what its session said.
struct Session {
    file: String,
    finished: Finished,
}

/// The same work, once with secrets hidden and once in clear.
struct Pair {
    way: &'static str,
    hidden: Session,
    clear: Session,
}

fn tool() -> Tool {
    Tool::find().expect("tool")
}

fn start(daemon: &Daemon, file: &str, wished: &[String], redact: &str) -> Running {
    let socket = daemon.socket().display().to_string();
    let redact = format!("--redact={redact}");
    let mut args = vec!["trace", "--socket", &socket, "--format", "jsonl"];
    args.extend(["-o", file, &redact]);
    args.extend(wished.iter().map(String::as_str));
    tool().start(&args).expect("started")
}

/// All sessions watch the same work.
fn sessions(daemon: &Daemon, dir: &Path, plants: &mut Plants) -> Vec<Pair> {
    let of = |flag: &str, names: &[&str]| -> Vec<String> {
        let args = names
            .iter()
            .flat_map(|n| [flag.to_owned(), (*n).to_owned()]);
        args.collect()
    };
    let ways = [
        ("profiles", of("-p", PROFILES)),
        ("functions", of("-f", FUNCTIONS)),
    ];
    let mut running: Vec<(&str, [(String, Running); 2])> = Vec::new();
    for (way, wished) in &ways {
        let both = ["on", "off"].map(|redact| {
            let file = dir.join(format!("{way}-{redact}")).display().to_string();
            let running = start(daemon, &file, wished, redact);
            (file, running)
        });
        running.push((way, both));
    }
    for (_, both) in &mut running {
        for (_, session) in both {
            session.wait_for("attached to dockerd").expect("attached");
        }
    }
    let kept = daemon.connections();
    work::work(daemon, plants);
    daemon.wait_until_served(&kept);
    let pairs = running.into_iter().map(|(way, both)| {
        let [hidden, clear] = both.map(|(file, running)| {
            running.signal(Signal::INT);
            let finished = running.wait().expect("ended").expect(0);
            Session { file, finished }
        });
        Pair { way, hidden, clear }
    });
    pairs.collect()
}

/// What a recording shows, by name.
fn shown(file: &str, also: &[&str]) -> BTreeMap<String, Finished> {
    let mut all = BTreeMap::new();
    for format in ["tree", "table", "jsonl", "markdown"] {
        let args = [&["show", file, "--format", format, "--stack"], also].concat();
        let finished = tool().run(&args).expect("run");
        all.insert(format!("show {format}"), finished);
    }
    let what = tool().run(&["show", "--what", file]).expect("run");
    all.insert("show --what".to_owned(), what);
    all
}

/// Whatever two requests are compared.
fn compared(file: &str, events: &[Value]) -> BTreeMap<String, Finished> {
    let requests: Vec<String> = events
        .iter()
        .filter(|e| e["type"] == "request" && e["status"].is_i64())
        .filter_map(|e| Some(e["id"].as_u64()?.to_string()))
        .collect();
    let pairs = requests.chunks_exact(2).take(MOST_COMPARED);
    let compared = pairs.map(|pair| {
        let args = ["compare", file, &pair[0], &pair[1]];
        (args.join(" "), tool().run(&args).expect("run"))
    });
    compared.collect()
}

fn none_in(what: &str, plants: &Plants, outputs: &BTreeMap<String, Finished>) {
    for (name, finished) in outputs {
        for text in [&finished.stdout, &finished.stderr] {
            let found = plants.found(text.as_bytes());
            assert!(found.is_empty(), "{what}, {name}: {found:#?}");
        }
    }
}

/// Nothing of a session that hides secrets has any, and what stands beside them is there.
fn hides(what: &str, session: &Session, plants: &Plants) {
    let recorded = std::fs::read(&session.file).expect("recording");
    let found = plants.found(&recorded);
    assert!(found.is_empty(), "{what}, recording: {found:#?}");
    let events = json_lines(&session.finished.stdout).expect("events");
    let mut outputs = shown(&session.file, &[]);
    outputs.extend(compared(&session.file, &events));
    outputs.insert("trace".to_owned(), session.finished.clone());
    none_in(what, plants, &outputs);
    let said = &session.finished.stderr;
    assert!(said.contains(" values masked as secrets"), "{said}");
    for neighbour in NEIGHBOURS {
        let there = session.finished.stdout.contains(neighbour);
        assert!(there, "{what}: {neighbour} is not shown");
    }
}

/// A recording in clear says so, is shown and compared without its secrets, and can be cleaned.
fn cleans(what: &str, session: &Session, plants: &Plants) {
    let said = &session.finished.stderr;
    assert!(said.contains("--redact=off"), "{said}");
    let outputs = shown(&session.file, &[]);
    let jsonl = &outputs["show jsonl"];
    assert!(
        jsonl.stderr.contains("holds secrets in clear"),
        "{}",
        jsonl.stderr
    );
    let listed = &outputs["show --what"].stdout;
    assert!(listed.contains("IN CLEAR"), "{listed}");
    none_in(what, plants, &outputs);
    let events = json_lines(&jsonl.stdout).expect("events");
    none_in(what, plants, &compared(&session.file, &events));
    for (redact, says) in [
        ("off", "secrets are in clear (--redact=off)"),
        ("on", "values masked as secrets"),
    ] {
        let option = format!("--redact={redact}");
        for (name, shown) in shown(&session.file, &[&option]) {
            if ["show jsonl", "show --what"].contains(&name.as_str()) {
                continue;
            }
            let all = harness::words(&format!("{}{}", shown.stdout, shown.stderr));
            let plain = all.replace('\\', "");
            assert!(
                plain.contains(says),
                "{what}, {name}, {redact}: {all:.2000}"
            );
        }
    }
    let clean = format!("{}-clean", session.file);
    let args = ["show", "--redact", &session.file, "-o", &clean];
    tool().run(&args).expect("run").expect(0);
    let found = plants.found(&std::fs::read(&clean).expect("recording"));
    assert!(found.is_empty(), "{what}, cleaned: {found:#?}");
    let args = ["show", &clean, "--format", "jsonl", "--stack"];
    let again = tool().run(&args).expect("run");
    // the header says whether they are in clear
    let (before, after) = (jsonl.stdout.lines().skip(1), again.stdout.lines().skip(1));
    for (before, after) in before.zip(after) {
        assert_eq!(after, before, "{what}");
    }
}

/// With secrets in clear they are there: in the recording, and in the calls that get or give them.
/// So what the other sessions lack was hidden, and not just never captured.
fn tells(suite: &str, pairs: &[Pair], plants: &Plants) {
    let mut captured: BTreeSet<&str> = BTreeSet::new();
    let all = || PLACES.iter().flat_map(|(_, places)| *places).copied();
    for pair in pairs {
        let bytes = std::fs::read(&pair.clear.file).expect("recording");
        let of_way: BTreeSet<&str> = all().filter(|p| plants.whole(p, &bytes)).collect();
        let (way, count) = (pair.way, of_way.len());
        println!("{suite}, {way}: {count} secrets captured");
        assert!(count >= FEWEST_TELLING, "{suite}, {way}: {of_way:?}");
        captured.extend(of_way);
    }
    let mut never: BTreeSet<&str> = all().filter(|p| !captured.contains(p)).collect();
    if ["bullseye", "sid"].contains(&suite) {
        // the function that is given it has no signature in these binaries: buffers of answers have
        // it, if any
        never.remove("volume label");
    }
    assert!(never.is_empty(), "{suite}: {never:?} are never captured");
    let events: Vec<Value> = pairs
        .iter()
        .flat_map(|pair| json_lines(&pair.clear.finished.stdout).expect("events"))
        .filter(|e| e["type"] == "call")
        .collect();
    for (function, place) in CALLS {
        let tells = events.iter().any(|call| {
            let name = call["function"].as_str().unwrap_or_default();
            name.ends_with(function) && plants.whole(place, call.to_string().as_bytes())
        });
        assert!(tells, "{suite}: no call of {function} has {place}");
    }
}

/// A command is named without its secrets.
fn names_commands(daemon: &Daemon, plants: &mut Plants) {
    let command = format!("false --password {}", plants.plant("Cmd"));
    let pid = daemon.pid().to_string();
    let args = ["trace", "--pid", &pid, "--cmd", &command];
    let said = tool().run(&args).expect("run").expect(1).stderr;
    assert!(
        said.contains("`false --password ********` ended with"),
        "{said}"
    );
    assert_eq!(plants.found(said.as_bytes()), [""; 0]);
}

/// Where the filters of the list request come from: in clear that is known, masked it is not, for
/// two secrets look the same.
fn origins(what: &str, pair: &Pair) {
    let of = |session: &Session| -> Value {
        let events = json_lines(&session.finished.stdout).expect("events");
        let request = events.iter().find(|e| {
            let path = e["path"].as_str().unwrap_or_default();
            e["type"] == "request" && path.ends_with("/containers/json")
        });
        let request = request.unwrap_or_else(|| panic!("{what}: no list request"));
        let of_request = |e: &&Value| e["type"] == "call" && e["request"] == request["id"];
        let mut options = events
            .iter()
            .filter(of_request)
            .filter_map(|call| call["origins"].as_object())
            .flatten()
            .filter(|(option, _)| option.ends_with(".Filters"));
        let found = options.next().map(|(_, origin)| origin.clone());
        found.unwrap_or_else(|| panic!("{what}: no filters"))
    };
    let (hidden, clear) = (of(&pair.hidden), of(&pair.clear));
    assert_eq!(hidden["from"], "unknown", "{what}: {hidden}");
    let why = "it holds a secret, which is masked";
    assert_eq!(hidden["why"], why, "{what}: {hidden}");
    assert_eq!(clear["from"], "query", "{what}: {clear}");
    assert_eq!(clear["parameter"], "filters", "{what}: {clear}");
}

fn check(suite: &str, assets: &Assets, dockerd: &Path) {
    let dir = tempfile::tempdir().expect("dir");
    let daemon = Daemon::start_binary(assets, dockerd).expect("daemon");
    daemon.import_image().expect("image");
    let mut plants = Plants::default();
    let pairs = sessions(&daemon, dir.path(), &mut plants);
    names_commands(&daemon, &mut plants);
    drop(daemon);
    for pair in &pairs {
        let what = format!("{suite}, {}", pair.way);
        hides(&what, &pair.hidden, &plants);
        cleans(&what, &pair.clear, &plants);
    }
    origins(suite, &pairs[0]);
    tells(suite, &pairs, &plants);
}

fn on(suite: &str) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    own_network(|| check(suite, &assets, &dockerd)).expect("a network of its own");
}

#[test]
fn none_is_written_down_on_20_10_5() {
    on("bullseye");
}

#[test]
fn none_is_written_down_on_20_10_24() {
    on("bookworm");
}

#[test]
fn none_is_written_down_on_26_1() {
    on("trixie");
}

#[test]
fn none_is_written_down_on_28_5() {
    on("sid");
}

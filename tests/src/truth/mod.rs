//! Random requests against a stock daemon, and what came of them by a model of its handlers that
//! was written for this comparison alone: it knows nothing of the tool's own table. Values,
//! origins, results and statuses that the tool shows are compared with the model, and with what the
//! API answered.

mod asked;
mod check;
mod filters;
mod handlers;
mod spelling;
mod tally;

use std::collections::BTreeSet;

use anyhow::Result;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::events::Events;
use crate::tool::{Tool, json_lines};
use crate::{Assets, Daemon, Numbers, request};

use self::asked::Era;
use self::handlers::Sent;
pub use self::tally::Tally;

/// Everything that a handler of the model calls.
const PROFILES: [&str; 6] = [
    "list",
    "containers",
    "images",
    "volumes",
    "networks",
    "system",
];

/// Requests between two looks at whether the session keeps up.
const AT_ONCE: usize = 50;

/// What the API answered; `None`: nothing, the connection was closed.
pub(crate) struct Answered {
    pub status: Option<u16>,
    pub json: Value,
}

/// Sends so many requests to one daemon and compares.
///
/// # Errors
/// The daemon cannot be set up.
pub fn truth(
    assets: &Assets,
    suite: &'static str,
    dockerd: &std::path::Path,
    seed: u64,
    requests: usize,
) -> Result<Tally> {
    let daemon = Daemon::start_binary(assets, dockerd)?;
    daemon.import_image()?;
    daemon.create_containers("c", 5)?;
    daemon.run_container("up")?;
    for name in ["vol1", "vol2"] {
        daemon.post("/v1.41/volumes/create", &json!({"Name": name}))?;
    }
    let era = Era::of(suite, &daemon.get("/version")?.json()?)?;
    let mut dice = Numbers(seed | 1);
    let all: Vec<Sent> = (0..requests)
        .map(|_| handlers::any(&mut dice, &era))
        .collect();
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("truth.mobytrace").display().to_string();
    let (socket, tool) = (daemon.socket().display().to_string(), Tool::find()?);
    let mut args = vec![
        "trace", "--socket", &socket, "--format", "jsonl", "-o", &file,
    ];
    for profile in PROFILES {
        args.extend(["-p", profile]);
    }
    let mut session = tool.start(&args)?;
    session.wait_for("attached to dockerd")?;
    let mut answers = Vec::new();
    for (n, sent) in all.iter().enumerate() {
        answers.push(send(&daemon, sent, &agent(n, sent)));
        if n % AT_ONCE == 0 {
            // the session keeps up, however busy this machine is: nothing is lost
            let agent = format!("t-{n}ping");
            daemon.get_as("/_ping", &agent)?;
            session.wait_for_output(|output| output.contains(&agent))?;
        }
    }
    daemon.wait_until_served(&BTreeSet::new());
    session.signal(Signal::INT);
    let finished = session.wait()?.expect(0);
    let events = Events(json_lines(&finished.stdout)?);
    let mut tally = Tally::new(suite);
    check::check(&era, &all, &answers, &events, &mut tally);
    if !finished.stderr.contains("nothing lost") {
        tally.wrong(&format!("not complete: {}", finished.stderr));
    }
    let shown = tool.run(&["show", &file, "--format", "jsonl"])?;
    let replayed = Events(json_lines(&shown.expect(0).stdout)?);
    if calls(&events) != calls(&replayed) {
        tally.wrong("the recording shows other calls than the session");
    }
    Ok(tally)
}

/// User-Agents tell requests apart by their first word.
fn agent(n: usize, sent: &Sent) -> String {
    format!("t-{n}{}", sent.agent)
}

fn send(daemon: &Daemon, sent: &Sent, agent: &str) -> Answered {
    let mut headers = vec![("User-Agent", agent)];
    headers.extend(sent.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    let answer = request(
        &daemon.socket(),
        sent.method,
        &sent.target,
        &headers,
        &sent.body,
    );
    match answer {
        Ok(answer) => Answered {
            status: Some(answer.status),
            json: answer.json().unwrap_or(Value::Null),
        },
        Err(_) => Answered {
            status: None,
            json: Value::Null,
        },
    }
}

/// All that is said of calls, in an order of its own.
fn calls(events: &Events) -> Vec<String> {
    let mut calls: Vec<String> = events
        .of_type("call")
        .map(|e| {
            let said = json!([
                e["start_ns"],
                e["goroutine"],
                e["short"],
                e["params"],
                e["origins"],
                e["results"]
            ]);
            said.to_string()
        })
        .collect();
    calls.sort();
    calls
}

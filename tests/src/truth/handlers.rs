//! Requests of every route, and what their handlers call with which options: from the facts about
//! moby's handlers by release.

use serde_json::{Value, json};

use super::asked::{Asked, Era, From, Opt, Version, hard, parse_bool, path, truthy, zero};
use super::{filters, spelling};
use crate::Numbers;

/// What the tool must show of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Refused before any function is called.
    Refused,
    /// Some call of these functions, and all of them with these options.
    Calls(Vec<Opt>),
    /// The handler panics behind the call, if there is one.
    Panics,
    /// No function of the model.
    Other,
}

/// Which list a function returns, and the API answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Nothing,
    /// A list of objects with IDs.
    Ids,
    /// As far as `Containers` in the answer goes.
    Usage,
    /// `Volumes` in the answer, by name.
    Volumes,
}

#[derive(Debug)]
pub struct Sent {
    pub method: &'static str,
    /// Path and query as written.
    pub target: String,
    /// Path as Go decodes it.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Behind the User-Agent's first word.
    pub agent: &'static str,
    pub functions: &'static [&'static str],
    /// The options are all that the functions have.
    pub closed: bool,
    pub outcome: Outcome,
    pub listed: Listed,
}

/// Agents that want to be somebody else's output.
const AGENTS: &[&str] = &[
    "",
    "",
    "",
    " (linux)",
    " <script>alert(1)</script>",
    " \"} , {\"type\": \"end\"}",
    " `a` | **b** | c",
    " ü…",
    "\tx",
];

type Filter = (&'static str, &'static [&'static str]);
const OF_CONTAINERS: &[Filter] = &[
    ("label", &[]),
    ("name", &["c1", "c", "up", "nope"]),
    ("status", &["created", "running", "exited", "nope"]),
    ("id", &["0", "f"]),
    ("nope", &[]),
];
const OF_OTHERS: &[Filter] = &[
    ("label", &[]),
    ("driver", &["local", "null"]),
    ("name", &["vol1", "host"]),
];
const OF_IMAGES: &[Filter] = &[
    ("label", &[]),
    ("reference", &["busybox*", "nope"]),
    ("nope", &[]),
];
const OF_EVENTS: &[Filter] = &[
    ("label", &[]),
    ("type", &["image", "container"]),
    ("container", &["c1"]),
];
const OF_PRUNES: &[Filter] = &[("label", &[]), ("label!", &["a=b"])];

/// A part of the path, which stands for itself.
struct Name(String);

/// What a route adds to a request.
struct Made {
    method: &'static str,
    /// Decoded.
    path: String,
    functions: &'static [&'static str],
    closed: bool,
    outcome: Result<Vec<Opt>, Outcome>,
    listed: Listed,
}

fn made(method: &'static str, path: &str, functions: &'static [&'static str]) -> Made {
    Made {
        method,
        path: path.to_owned(),
        functions,
        closed: true,
        outcome: Err(Outcome::Other),
        listed: Listed::Nothing,
    }
}

/// Any request.
pub fn any(dice: &mut Numbers, era: &Era) -> Sent {
    let mut asked = Asked {
        version: version(dice, era),
        ..Asked::default()
    };
    let routes: &[fn(&mut Numbers, &Era, &mut Asked) -> Made] = &[
        containers,
        containers,
        containers,
        containers,
        usage,
        usage,
        images,
        images,
        volumes,
        networks,
        network,
        inspect,
        inspect,
        logs,
        stop,
        stop,
        kill,
        remove,
        remove_image,
        prune,
        prune,
        events,
        named,
        rename,
        create,
        other,
    ];
    let made = dice.pick(routes)(dice, era, &mut asked);
    if dice.one_in(6) {
        let stranger =
            (*dice.pick(&["foo", "al", "Size", "ALL", "trunc_cmd", "timeout", "limit "]))
                .to_owned();
        let at = dice.below(asked.query.len() + 1);
        let value = spelling::text(dice);
        asked.query.insert(at, (stranger, value));
    }
    finish(dice, era, &asked, made)
}

fn version(dice: &mut Numbers, era: &Era) -> Option<&'static str> {
    let all = [
        "1.24", "1.30", "1.40", "1.41", "1.41", "1.42", "1.43", "1.44", "1.45", "1.47", "1.50",
        "1.51",
    ];
    let newest = |v: &str| Version::of(v).is_some_and(|v| v == era.api) || !era.api.is_less(v);
    let known: Vec<&'static str> = all.into_iter().filter(|v| newest(v)).collect();
    match dice.below(12) {
        0 | 1 => None,
        2 => Some(*dice.pick(&["1.041", "1.99", "1.0", "01.41"])),
        _ => Some(*dice.pick(&known)),
    }
}

/// Whether the daemon refuses the version in the path.
fn is_refused(era: &Era, version: Option<&str>) -> bool {
    let Some(given) = version.and_then(Version::of) else {
        return false;
    };
    ["1.24", "1.12"]
        .iter()
        .any(|l| Version::of(l) == Some(era.least.clone()) && given.is_less(l))
        || !(given == era.api) && version.is_some_and(|v| era.api.is_less(v))
}

fn finish(dice: &mut Numbers, era: &Era, asked: &Asked, made: Made) -> Sent {
    let odd = dice.one_in(3);
    let mut query = String::new();
    for (name, value) in &asked.query {
        if !query.is_empty() {
            query.push_str(if dice.one_in(12) { "&&" } else { "&" });
        }
        query.push_str(&spelling::in_query(dice, name, odd));
        if !(value.is_empty() && dice.one_in(2)) {
            query.push('=');
            query.push_str(&spelling::in_query(dice, value, odd));
        }
    }
    let prefix = asked.version.map_or_else(String::new, |v| format!("/v{v}"));
    let raw: Vec<String> = made
        .path
        .split('/')
        .map(|p| spelling::in_path(dice, p))
        .collect();
    let mut target = format!("{prefix}{}", raw.join("/"));
    if !query.is_empty() {
        target = format!("{target}?{query}");
    }
    let mut headers = Vec::new();
    let mut body = Vec::new();
    if !asked.form.is_empty() {
        headers.push((
            "Content-Type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        ));
        let pairs: Vec<String> = asked
            .form
            .iter()
            .map(|(n, v)| {
                format!(
                    "{}={}",
                    spelling::in_query(dice, n, odd),
                    spelling::in_query(dice, v, odd)
                )
            })
            .collect();
        body = pairs.join("&").into_bytes();
    }
    if made.path == "/containers/create" {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        body = json!({"Image": "nobody:has"}).to_string().into_bytes();
    }
    if dice.one_in(40) {
        // fewer than the server's limit in bytes
        headers.extend((0..500).map(|n| (format!("X-Flood-{n}"), "x".repeat(200))));
    }
    let outcome = if is_refused(era, asked.version) {
        Outcome::Refused
    } else {
        made.outcome.map_or_else(|o| o, Outcome::Calls)
    };
    Sent {
        method: made.method,
        target,
        path: format!("{prefix}{}", made.path),
        query,
        headers,
        body,
        agent: AGENTS[dice.below(AGENTS.len())],
        functions: made.functions,
        closed: made.closed,
        outcome,
        listed: made.listed,
    }
}

fn refused<T>(refused: ()) -> Result<T, Outcome> {
    let () = refused;
    Err(Outcome::Refused)
}

const LISTS: &[&str] = &["Containers", "reduceContainers"];

fn containers(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    // once in a while so long that no capture holds it, in front of everything else
    if dice.one_in(40) {
        let long: Vec<String> = (0..5_000).map(|n| format!("label-{n}")).collect();
        asked
            .query
            .push(("filters".into(), json!({"label": long}).to_string()));
    }
    asked.maybe(dice, "all", spelling::boolean);
    asked.maybe(dice, "size", spelling::boolean);
    asked.maybe(dice, "limit", spelling::number);
    asked.maybe(dice, "since", spelling::text);
    asked.maybe(dice, "before", spelling::text);
    asked.maybe(dice, "filters", |d| filters::any(d, OF_CONTAINERS, false));
    let options = || -> Result<Vec<Opt>, ()> {
        Ok(vec![
            asked.bool(&["All"], "all"),
            asked.bool(&["Size"], "size"),
            asked.int(&["Limit"], "limit", json!(0))?,
            asked.text(&["Since"], "since"),
            asked.text(&["Before"], "before"),
            asked.filters(&["Filters"])?,
            zero(&["Quiet", "Latest"], json!(false)),
        ])
    };
    Made {
        outcome: options().or_else(refused),
        listed: Listed::Ids,
        ..made("GET", "/containers/json", LISTS)
    }
}

fn usage(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    let kinds = [
        "container",
        "image",
        "volume",
        "build-cache",
        "container",
        "nope",
    ];
    while dice.one_in(2) {
        let kind = (*dice.pick(&kinds)).to_owned();
        asked.query.push(("type".into(), kind));
    }
    let types: Vec<&str> = asked.query.iter().map(|(_, v)| v.as_str()).collect();
    let sent = types.join(",");
    let whole = types.is_empty() || asked.is_older(era, "1.42");
    let opt = |names, what: &str| match whole {
        true => hard(names, json!(true), "getDiskUsage"),
        false => Opt {
            names,
            value: Some(json!(types.contains(&what))),
            from: vec![From::Query("type".into(), sent.clone())],
        },
    };
    let only = |kind: &str| !types.is_empty() && types.iter().all(|t| *t == kind);
    let outcome = if era.old {
        Ok(Vec::new())
    } else if !whole && types.contains(&"nope") {
        Err(Outcome::Refused)
    } else if !whole && only("build-cache") {
        // there is nothing for it to convert to the form of old versions
        if asked.is_older(era, "1.44") && !era.new {
            Err(Outcome::Panics)
        } else {
            Err(Outcome::Other)
        }
    } else {
        Ok(vec![
            opt(&["Containers"], "container"),
            opt(&["Images"], "image"),
            opt(&["Volumes"], "volume"),
        ])
    };
    Made {
        outcome,
        listed: Listed::Usage,
        ..made("GET", "/system/df", &["SystemDiskUsage"])
    }
}

fn images(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "all", spelling::boolean);
    asked.maybe(dice, "filters", |d| filters::any(d, OF_IMAGES, false));
    if dice.one_in(3) {
        asked.maybe(dice, "shared-size", spelling::boolean);
        asked.maybe(dice, "manifests", spelling::boolean);
    }
    let since = |asked: &Asked, names, name, version| match asked.is_older(era, version) {
        true => zero(names, json!(false)),
        false => asked.bool(names, name),
    };
    let options = || -> Result<Vec<Opt>, ()> {
        let mut all = vec![
            asked.bool(&["all", "All"], "all"),
            asked.filters(&["imageFilters", "Filters"])?,
            zero(&["withExtraAttrs", "ContainerCount"], json!(false)),
        ];
        if !era.old {
            all.push(since(asked, &["SharedSize"], "shared-size", "1.42"));
        }
        if era.new {
            all.push(since(asked, &["Manifests"], "manifests", "1.47"));
        }
        Ok(all)
    };
    Made {
        outcome: options().or_else(refused),
        listed: Listed::Ids,
        ..made("GET", "/images/json", &["Images"])
    }
}

fn volumes(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "filters", |d| filters::any(d, OF_OTHERS, false));
    Made {
        outcome: asked.filters(&["filter"]).map(|f| vec![f]).or_else(refused),
        listed: Listed::Volumes,
        ..made("GET", "/volumes", &["List"])
    }
}

fn networks(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "filters", |d| filters::any(d, OF_OTHERS, false));
    let detailed = Opt {
        from: if asked.is_older(era, "1.28") {
            vec![From::HardCoded("getNetworksList")]
        } else {
            vec![From::Default]
        },
        ..zero(&["Detailed"], json!(asked.is_older(era, "1.28")))
    };
    let options = || -> Result<Vec<Opt>, ()> {
        Ok(vec![
            asked.filters(&["filter"])?,
            detailed,
            zero(&["Verbose"], json!(false)),
        ])
    };
    Made {
        outcome: options().or_else(refused),
        listed: Listed::Ids,
        ..made("GET", "/networks", &["GetNetworks"])
    }
}

fn network(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "verbose", spelling::boolean);
    let Name(name) = name(dice, &["none", "host", "nobody"]);
    let verbose = asked.first("verbose").unwrap_or("");
    let options = (verbose.is_empty() || parse_bool(verbose).is_some()).then(|| {
        vec![
            Opt {
                value: Some(json!({"fields": {"idOrName": {&name: true}}})),
                ..path(&["filter"], &name)
            },
            hard(&["Detailed"], json!(true), "getNetwork"),
            Opt {
                value: Some(json!(parse_bool(verbose).unwrap_or(false))),
                ..asked.bool(&["Verbose"], "verbose")
            },
        ]
    });
    Made {
        outcome: options.ok_or(Outcome::Refused),
        ..made("GET", &format!("/networks/{name}"), &["GetNetworks"])
    }
}

fn name(dice: &mut Numbers, of: &[&str]) -> Name {
    Name((*dice.pick(of)).to_owned())
}

fn inspect(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "size", spelling::boolean);
    let Name(name) = name(dice, &["c1", "c2", "up", "nobody", "nobody ü", "no\"body"]);
    let mut options = vec![
        path(&["name"], &name),
        asked.bool(&["size", "Size"], "size"),
    ];
    if let Some(version) = asked.version {
        options.push(path(&["version"], version));
    }
    let _ = era;
    Made {
        outcome: Ok(options),
        // from 28 on, or without a version in the path, `version` is none of them
        closed: false,
        ..made(
            "GET",
            &format!("/containers/{name}/json"),
            &["ContainerInspect"],
        )
    }
}

fn logs(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    for parameter in ["stdout", "stderr", "timestamps", "details"] {
        asked.maybe(dice, parameter, spelling::boolean);
    }
    if dice.one_in(3) {
        let off = (*dice.pick(&["0", "", "false", "No"])).to_owned();
        asked.query.push(("follow".into(), off));
    }
    asked.maybe(dice, "since", spelling::text);
    asked.maybe(dice, "until", spelling::text);
    asked.maybe(dice, "tail", spelling::number);
    let Name(name) = name(dice, &["c1", "c2", "nobody"]);
    let any = ["stdout", "stderr"]
        .iter()
        .any(|p| truthy(asked.first(p).unwrap_or("")));
    let options = any.then(|| {
        vec![
            path(&["containerName"], &name),
            asked.bool(&["ShowStdout"], "stdout"),
            asked.bool(&["ShowStderr"], "stderr"),
            asked.bool(&["Timestamps"], "timestamps"),
            asked.bool(&["Details"], "details"),
            asked.bool(&["Follow"], "follow"),
            asked.text(&["Since"], "since"),
            asked.text(&["Until"], "until"),
            asked.text(&["Tail"], "tail"),
        ]
    });
    Made {
        outcome: options.ok_or(Outcome::Refused),
        ..made(
            "GET",
            &format!("/containers/{name}/logs"),
            &["ContainerLogs"],
        )
    }
}

/// Of containers that never ran, or that nobody has.
fn stop(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "t", spelling::number);
    if dice.one_in(3) {
        asked.maybe(dice, "signal", |d| {
            (*d.pick(&["", "KILL", "SIGTERM", "9", "nope"])).to_owned()
        });
    }
    if dice.one_in(8) {
        asked.form.push(("t".into(), spelling::number(dice)));
    }
    let Name(name) = name(dice, &["c1", "c2", "c3", "nobody"]);
    let options = || -> Result<Vec<Opt>, ()> {
        let mut all = vec![
            path(&["name"], &name),
            asked.int(&["timeout", "Timeout", "seconds"], "t", Value::Null)?,
        ];
        if !era.old {
            all.push(match asked.is_older(era, "1.42") {
                true => zero(&["Signal"], json!("")),
                false => asked.text(&["Signal"], "signal"),
            });
        }
        Ok(all)
    };
    Made {
        outcome: options().or_else(refused),
        ..made(
            "POST",
            &format!("/containers/{name}/stop"),
            &["ContainerStop"],
        )
    }
}

fn kill(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    let signals = [
        ("", 0),
        ("TERM", 15),
        ("SIGKILL", 9),
        ("sigterm", 15),
        ("9", 9),
        ("nope", -1),
        ("15", 15),
    ];
    let (signal, number) = *dice.pick(&signals);
    if !signal.is_empty() || dice.one_in(2) {
        asked.query.push(("signal".into(), signal.into()));
    }
    let Name(name) = name(dice, &["c1", "c2", "nobody"]);
    let mut sig = asked.text(&["sig", "stopSignal"], "signal");
    if era.old {
        sig.value = Some(json!(number));
    }
    Made {
        outcome: if era.old && number < 0 {
            Err(Outcome::Refused)
        } else {
            Ok(vec![path(&["name"], &name), sig])
        },
        ..made(
            "POST",
            &format!("/containers/{name}/kill"),
            &["ContainerKill"],
        )
    }
}

fn remove(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    for parameter in ["force", "v", "link"] {
        asked.maybe(dice, parameter, spelling::boolean);
    }
    let Name(name) = name(dice, &["nobody", "no-one", "c9"]);
    Made {
        outcome: Ok(vec![
            path(&["name"], &name),
            asked.bool(&["ForceRemove"], "force"),
            asked.bool(&["RemoveVolume"], "v"),
            asked.bool(&["RemoveLink"], "link"),
        ]),
        ..made("DELETE", &format!("/containers/{name}"), &["ContainerRm"])
    }
}

fn remove_image(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "force", spelling::boolean);
    asked.maybe(dice, "noprune", spelling::boolean);
    let Name(name) = name(dice, &["nobody:1", "nobody"]);
    let mut prune = asked.bool(&["prune", "PruneChildren"], "noprune");
    let keeps = asked.first("noprune").unwrap_or("");
    prune.value = Some(json!(!truthy(keeps)));
    for from in &mut prune.from {
        if matches!(from, From::Default) {
            *from = From::HardCoded("deleteImages");
        }
    }
    Made {
        outcome: Ok(vec![
            path(&["imageRef"], &name),
            asked.bool(&["force", "Force"], "force"),
            prune,
        ]),
        closed: false,
        ..made("DELETE", &format!("/images/{name}"), &["ImageDelete"])
    }
}

fn prune(dice: &mut Numbers, era: &Era, asked: &mut Asked) -> Made {
    let (route, functions): (_, &'static [&'static str]) = *dice.pick(&[
        (
            "/containers/prune",
            &["ContainersPrune", "ContainerPrune"][..],
        ),
        ("/images/prune", &["ImagesPrune", "ImagePrune"]),
        ("/networks/prune", &["NetworksPrune", "NetworkPrune"]),
        ("/volumes/prune", &["Prune"]),
    ]);
    let text = filters::any(dice, OF_PRUNES, true);
    asked.query.push(("filters".into(), text));
    let all = route == "/volumes/prune" && !era.old && asked.is_older(era, "1.42");
    let outcome = asked.filters(&["pruneFilters", "filter"]).map(|mut opt| {
        if all && let Some(fields) = opt.value.as_mut() {
            // what the handler adds comes from no parameter
            fields["fields"]["all"]["true"] = json!(true);
            let mut parts = std::mem::take(&mut opt.from);
            parts.push(From::HardCoded("postVolumesPrune"));
            opt.from = vec![From::Several(parts)];
        }
        vec![opt]
    });
    Made {
        outcome: outcome.or_else(refused),
        ..made("POST", route, functions)
    }
}

fn events(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    if dice.one_in(2) {
        let since = (*dice.pick(&["0", "1", "0.5", "0.000000001"])).to_owned();
        asked.query.push(("since".into(), since));
    }
    asked.query.push((
        "until".into(),
        (*dice.pick(&["1", "2.5", "1.000000001"])).to_owned(),
    ));
    asked.maybe(dice, "filters", |d| filters::any(d, OF_EVENTS, false));
    let time = |names, name| Opt {
        value: None,
        ..asked.text(names, name)
    };
    let options = || -> Result<Vec<Opt>, ()> {
        Ok(vec![
            time(&["since"], "since"),
            time(&["until"], "until"),
            asked.filters(&["filter"])?,
        ])
    };
    Made {
        outcome: options().or_else(refused),
        ..made("GET", "/events", &["SubscribeToEvents"])
    }
}

/// Routes whose only known option stands in the path.
fn named(dice: &mut Numbers, _: &Era, _: &mut Asked) -> Made {
    let (method, before, after, functions, names): (_, _, _, &'static [&'static str], _) = *dice
        .pick(&[
            (
                "POST",
                "/containers/",
                "/pause",
                &["ContainerPause"][..],
                &["name"][..],
            ),
            (
                "POST",
                "/containers/",
                "/unpause",
                &["ContainerUnpause"],
                &["name"],
            ),
            ("GET", "/volumes/", "", &["Get"], &["name"]),
            ("DELETE", "/volumes/", "", &["Remove"], &["name"]),
        ]);
    let known = before == "/volumes/" && method == "GET" && dice.one_in(2);
    let name = if known { "vol1" } else { "nobody" };
    Made {
        outcome: Ok(vec![path(names, name)]),
        closed: false,
        ..made(method, &format!("{before}{name}{after}"), functions)
    }
}

fn rename(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "name", spelling::text);
    if dice.one_in(4) {
        asked.form.push(("name".into(), spelling::text(dice)));
    }
    Made {
        outcome: Ok(vec![
            path(&["oldName"], "nobody"),
            asked.text(&["newName"], "name"),
        ]),
        ..made("POST", "/containers/nobody/rename", &["ContainerRename"])
    }
}

/// Of an image that nobody has.
fn create(dice: &mut Numbers, _: &Era, asked: &mut Asked) -> Made {
    asked.maybe(dice, "name", |d| {
        (*d.pick(&["", "n1", "a_b", "x.y-z"])).to_owned()
    });
    Made {
        outcome: Ok(vec![asked.text(&["Name"], "name")]),
        closed: false,
        ..made("POST", "/containers/create", &["ContainerCreate"])
    }
}

fn other(dice: &mut Numbers, _: &Era, _: &mut Asked) -> Made {
    let (method, path) = *dice.pick(&[
        ("GET", "/_ping"),
        ("HEAD", "/_ping"),
        ("GET", "/info"),
        ("GET", "/version"),
        ("GET", "/nowhere"),
        ("POST", "/containers/json"),
    ]);
    made(method, path, &[])
}

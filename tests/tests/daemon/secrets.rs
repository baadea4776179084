//! Secrets at every place of the API, on all four daemons: none of them is in a recording or in what is shown of it, in no encoding,
//! and what stands beside them is.

use std::collections::BTreeMap;

use harness::{Assets, Daemon, Finished, Tool, json_lines, request, stock_dockerd, traced};
use serde_json::json;

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
    "CreateDaemonEnvironment",
    "/daemon.(*Daemon).ContainerCreate",
    "/daemon.(*Daemon).AuthenticateToRegistry",
    "(*Cluster).Join",
    "(*Cluster).UnlockSwarm",
    "(*Cluster).CreateSecret",
    "(*Cluster).CreateConfig",
    "(*Cluster).CreateService",
    "/plugin.(*Manager).Set",
    "(*containerRouter).postContainersCreate",
    "(*containerRouter).postContainerExecCreate",
    "(*containerRouter).getContainersByName",
    "(*imageRouter).postImagesCreate",
    "(*imageRouter).getImagesByName",
    "(*buildRouter).postBuild",
    "(*volumeRouter).postVolumesCreate",
    "(*networkRouter).postNetworkCreate",
    "(*swarmRouter).createSecret",
    "(*swarmRouter).createService",
    "(*pluginRouter).setPlugin",
    "(*systemRouter).postAuth",
];

/// A secret: two halves, so that one that is split is found too.
struct Plants {
    made: BTreeMap<&'static str, [String; 2]>,
}

impl Plants {
    fn new() -> Self {
        Self {
            made: BTreeMap::new(),
        }
    }

    /// A secret for a place, in letters and digits that nothing else has.
    fn plant(&mut self, place: &'static str) -> String {
        let n = self.made.len();
        let halves = self
            .made
            .entry(place)
            .or_insert_with(|| [format!("Zq{n:02}xW7j"), format!("Kv{n:02}uY3g")]);
        halves.concat()
    }

    /// Places whose secret is in the bytes, in clear (which for letters and digits is also how URLs have them) or as base64.
    fn found(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, halves) in &self.made {
            let whole = halves.concat();
            let forms = halves.iter().cloned().chain(base64_forms(whole.as_bytes()));
            for form in forms {
                if bytes.windows(form.len()).any(|w| w == form.as_bytes()) {
                    found.push(format!("{place} as {form}"));
                }
            }
        }
        found
    }
}

/// What the base64 of any text that holds these bytes holds, at each of the three positions, less the characters that its
/// neighbours have a part in.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    (0..3)
        .flat_map(|shift| {
            let padded = [vec![0; shift], bytes.to_vec()].concat();
            let digits = base64(&padded);
            let from = [0, 2, 3][shift];
            let to = padded.len() / 3 * 4;
            let for_urls = digits[from..to].to_owned();
            [for_urls.replace('-', "+").replace('_', "/"), for_urls]
        })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for n in 0..=chunk.len() {
            let digit = (word >> (18 - 6 * n)) & 63;
            out.push(char::from(DIGITS[digit as usize]));
        }
    }
    out
}

/// Bodies, headers and queries with a secret at each place; what the daemon answers does not matter, only that it was sent.
fn work(daemon: &Daemon, plants: &mut Plants) {
    let socket = daemon.socket();
    let send = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        // a daemon that refuses early may reset the connection
        request(&socket, method, path, headers, body).map_or(0, |a| a.status)
    };
    let json_header = [("Content-Type", "application/json")];
    let post = |path: &str, body: serde_json::Value| {
        let body = serde_json::to_vec(&body).expect("JSON");
        send("POST", path, &json_header, &body)
    };

    // headers, query, path, User-Agent
    let basic = base64(format!("user:{}", plants.plant("Authorization: Basic")).as_bytes());
    let authorization = format!("Basic {basic}");
    let cookie = format!("session={}", plants.plant("Cookie"));
    let proxy = format!("Bearer {}", plants.plant("Proxy-Authorization"));
    let meta = plants.plant("X-Meta-Team");
    let custom = plants.plant("X-Custom");
    let agent = format!(
        "neighbour-agent (http://u:{}@host)",
        plants.plant("User-Agent")
    );
    let registry = base64(
        format!(
            r#"{{"username":"u","password":"{}","serveraddress":"127.0.0.1:1"}}"#,
            plants.plant("X-Registry-Auth")
        )
        .as_bytes(),
    );
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Cookie", &cookie),
        ("Proxy-Authorization", &proxy),
        ("X-Meta-Team", &meta),
        ("X-Custom", &custom),
        ("X-Registry-Auth", &registry),
        ("User-Agent", &agent),
    ];
    let query = format!(
        "/v1.41/containers/json?all=1&token={}&x=http%3A%2F%2Fu%3A{}%40h&filters=%7B%22label%22%3A%5B%22password%3D{}%22%2C%22neighbour%3Dplain%22%5D%7D",
        plants.plant("?token="),
        plants.plant("userinfo in a query"),
        plants.plant("filter of a label"),
    );
    assert_eq!(send("GET", &query, &headers, b""), 200, "{query}");
    send(
        "GET",
        &format!(
            "/v1.41/containers/http:%2F%2Fu:{}@h/json",
            plants.plant("userinfo in a path")
        ),
        &[],
        b"",
    );

    // an image with an environment, and what asks for it
    let changes = format!(
        "/v1.41/images/create?fromSrc=-&repo=envy&tag=1&changes=ENV%20NEIGHBOUR_VARIABLE%3D{}&changes=LABEL%20api-key%3D{}",
        plants.plant("changes=ENV"),
        plants.plant("changes=LABEL"),
    );
    let archive = vec![0u8; 1024];
    send(
        "POST",
        &changes,
        &[("Content-Type", "application/x-tar")],
        &archive,
    );
    send("GET", "/v1.41/images/envy:1/json", &[], b"");
    let source = format!(
        "/v1.41/images/create?fromSrc=http%3A%2F%2Fu%3A{}%40127.0.0.1%3A1%2Fx&repo=y&tag=1",
        plants.plant("fromSrc")
    );
    send("POST", &source, &[], b"");
    let pull = "/v1.41/images/create?fromImage=127.0.0.1%3A1%2Fx&tag=1";
    let meta = plants.plant("X-Meta of a pull");
    let auth = base64(
        format!(
            r#"{{"username":"u","password":"{}","identitytoken":"{}","serveraddress":"127.0.0.1:1"}}"#,
            plants.plant("password of a pull"),
            plants.plant("identity token of a pull"),
        )
        .as_bytes(),
    );
    send(
        "POST",
        pull,
        &[("X-Registry-Auth", &auth), ("X-Meta-Key", &meta)],
        b"",
    );
    post(
        "/v1.41/auth",
        json!({"username": "u", "password": plants.plant("/auth"), "serveraddress": "127.0.0.1:1"}),
    );

    // a container
    let body = json!({
        "Image": "busybox:1",
        "Cmd": ["sleep", "100000", "--password", plants.plant("Cmd"), format!("--token={}", plants.plant("Cmd, assigned"))],
        "Env": [format!("NEIGHBOUR_VARIABLE={}", plants.plant("Env"))],
        "Labels": {"api-key": plants.plant("label"), "com.example.neighbour": "neighbour-label"},
        "Healthcheck": {"Test": ["CMD-SHELL", format!("curl -u me:{} http://x", plants.plant("healthcheck"))], "Interval": 100_000_000_000_u64},
        "HostConfig": {"NetworkMode": "none"},
    });
    let created = post("/v1.41/containers/create?name=neighbour-name", body);
    assert_eq!(created, 201);
    for path in ["start", "json"] {
        let method = if path == "json" { "GET" } else { "POST" };
        send(
            method,
            &format!("/v1.41/containers/neighbour-name/{path}"),
            &[],
            b"",
        );
    }
    post(
        "/v1.41/containers/neighbour-name/exec",
        json!({
            "Cmd": ["sh", "-c", format!("mysql --password {}", plants.plant("exec Cmd"))],
            "Env": [format!("A={}", plants.plant("exec Env"))],
        }),
    );
    post(
        "/v1.41/containers/create?name=logged",
        json!({
            "Image": "busybox:1",
            "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "splunk", "Config": {
                "splunk-url": "http://127.0.0.1:1", "splunk-token": plants.plant("splunk-token")}}},
        }),
    );

    // volumes, networks, builds, plugins
    post(
        "/v1.41/volumes/create",
        json!({"Name": "neighbour-volume", "Driver": "local",
            "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": format!("size=1m,uid=7,password={}", plants.plant("volume option o"))},
            "Labels": {"secret-token": plants.plant("volume label")}}),
    );
    post(
        "/v1.41/volumes/create",
        json!({"Name": "other", "Driver": "local", "DriverOpts": {"password": plants.plant("volume option")}}),
    );
    post(
        "/v1.41/networks/create",
        json!({"Name": "neighbour-network", "Driver": "bridge", "Options": {"password": plants.plant("network option")},
            "IPAM": {"Driver": "default", "Options": {"api-key": plants.plant("IPAM option")}},
            "Labels": {"auth": plants.plant("network label")}}),
    );
    let build = format!(
        "/v1.41/build?buildargs=%7B%22NEIGHBOUR_ARGUMENT%22%3A%22{}%22%7D&remote=http%3A%2F%2Fu%3A{}%40127.0.0.1%3A1%2Fx",
        plants.plant("buildargs"),
        plants.plant("remote"),
    );
    send("POST", &build, &[], b"");
    post(
        "/v1.41/plugins/nope/set",
        json!([format!("SETTING={}", plants.plant("plugin setting"))]),
    );

    // swarm
    post(
        "/v1.41/swarm/join",
        json!({"ListenAddr": "127.0.0.1:0", "AdvertiseAddr": "127.0.0.1", "RemoteAddrs": ["127.0.0.1:1"], "JoinToken": plants.plant("join token")}),
    );
    post(
        "/v1.41/swarm/unlock",
        json!({"UnlockKey": plants.plant("unlock key")}),
    );
    let data = |text: String| base64(text.as_bytes()) + "==="[..(3 - text.len() % 3) % 3].trim();
    post(
        "/v1.41/secrets/create",
        json!({"Name": "neighbour-secret", "Data": data(plants.plant("swarm secret"))}),
    );
    post(
        "/v1.41/configs/create",
        json!({"Name": "neighbour-config", "Data": data(plants.plant("swarm config"))}),
    );
    let service = json!({"Name": "neighbour-service", "TaskTemplate": {"ContainerSpec": {
        "Image": "busybox:1", "Env": [format!("A={}", plants.plant("service Env"))]}}});
    let auth = base64(format!("opaque {}", plants.plant("service auth")).as_bytes());
    let service = serde_json::to_vec(&service).expect("JSON");
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Registry-Auth", auth.as_str()),
    ];
    send("POST", "/v1.41/services/create", &headers, &service);
}

/// What a session and its recording show, by name.
fn outputs(session: &Finished, file: &str) -> BTreeMap<String, Vec<u8>> {
    let tool = Tool::find().expect("tool");
    let mut outputs = BTreeMap::new();
    outputs.insert(
        "recording".to_owned(),
        std::fs::read(file).expect("recording"),
    );
    let mut add = |name: String, finished: &Finished| {
        outputs.insert(
            format!("{name}, stdout"),
            finished.stdout.clone().into_bytes(),
        );
        outputs.insert(
            format!("{name}, stderr"),
            finished.stderr.clone().into_bytes(),
        );
    };
    add("trace".to_owned(), session);
    for format in ["tree", "table", "jsonl", "markdown"] {
        let shown = tool
            .run(&["show", file, "--format", format, "--stack"])
            .expect("run");
        add(format!("show {format}"), &shown);
    }
    add(
        "what".to_owned(),
        &tool.run(&["show", "--what", file]).expect("run"),
    );
    outputs
}

fn check(suite: &str, assets: &Assets, dockerd: &std::path::Path) {
    let dir = tempfile::tempdir().expect("dir");
    let profiles: Vec<&str> = PROFILES.iter().flat_map(|p| ["-p", p]).collect();
    let functions: Vec<&str> = FUNCTIONS.iter().flat_map(|f| ["-f", f]).collect();
    for (way, wished) in [("profiles", profiles), ("functions", functions)] {
        let file = |name: &str| {
            dir.path()
                .join(format!("{way}-{name}"))
                .display()
                .to_string()
        };
        let session = |name: &str, extra: &[&str]| {
            let daemon = Daemon::start_binary(assets, dockerd).expect("daemon");
            daemon.import_image().expect("image");
            let file = file(name);
            let mut plants = Plants::new();
            let args = [&["-o", file.as_str()], wished.as_slice(), extra].concat();
            let (_, finished) = traced(&daemon, &args, || work(&daemon, &mut plants));
            (plants, finished, file)
        };

        let (plants, finished, recorded) = session("hidden", &[]);
        for (output, bytes) in outputs(&finished, &recorded) {
            let found = plants.found(&bytes);
            assert!(found.is_empty(), "{suite}, {way}, {output}: {found:#?}");
        }
        assert!(
            finished.stderr.contains(" values masked as secrets"),
            "{}",
            finished.stderr
        );
        let shown = &finished.stdout;
        for neighbour in [
            "neighbour-name",
            "neighbour-agent",
            "NEIGHBOUR_VARIABLE",
            "com.example.neighbour",
            "neighbour-label",
            "100000",
        ] {
            assert!(
                shown.contains(neighbour),
                "{suite}, {way}: {neighbour} is not shown"
            );
        }

        // the same with secrets in clear: they are captured, so that the rest says something
        let (plants, finished, clear) = session("clear", &["--redact=off"]);
        assert!(
            finished.stderr.contains("--redact=off"),
            "{}",
            finished.stderr
        );
        let bytes = std::fs::read(&clear).expect("recording");
        let captured: Vec<&str> = plants
            .made
            .iter()
            .filter(|(_, halves)| {
                let whole = halves.concat();
                bytes.windows(whole.len()).any(|w| w == whole.as_bytes())
                    || base64_forms(whole.as_bytes())
                        .iter()
                        .any(|f| bytes.windows(f.len()).any(|w| w == f.as_bytes()))
            })
            .map(|(place, _)| *place)
            .collect();
        let missing: Vec<&&str> = plants
            .made
            .keys()
            .filter(|p| !captured.contains(*p))
            .collect();
        println!(
            "{suite}, {way}: {} of {} secrets were captured; not {missing:?}",
            captured.len(),
            plants.made.len()
        );
        assert!(
            captured.len() >= FEWEST_TELLING,
            "{suite}, {way}: {captured:?}"
        );

        // such a recording is shown and cleaned by the same rules
        let tool = Tool::find().expect("tool");
        let shown = tool
            .run(&["show", &clear, "--format", "jsonl"])
            .expect("run");
        assert!(
            shown.stderr.contains("holds secrets in clear"),
            "{}",
            shown.stderr
        );
        assert_eq!(
            plants.found(shown.stdout.as_bytes()),
            [""; 0],
            "{suite}, {way}"
        );
        for format in ["tree", "table", "markdown"] {
            for (redact, says) in [
                ("off", "secrets are in clear (--redact=off)"),
                ("on", "values masked as secrets"),
            ] {
                let option = format!("--redact={redact}");
                let shown = tool.run(&["show", &clear, &option, "--format", format]);
                let shown = shown.expect("run");
                let all = harness::words(&format!("{}{}", shown.stdout, shown.stderr));
                let plain = all.replace('\\', "");
                assert!(plain.contains(says), "{suite}, {way}, {format}: {all}");
            }
        }
        // whatever two requests are compared: what is said of them holds none
        let requests: Vec<String> = json_lines(&shown.stdout)
            .expect("events")
            .iter()
            .filter(|e| e["type"] == "request" && e["status"].is_i64())
            .filter_map(|e| Some(e["id"].as_u64()?.to_string()))
            .collect();
        for pair in requests.chunks_exact(2).take(MOST_COMPARED) {
            let compared = tool
                .run(&["compare", &clear, &pair[0], &pair[1]])
                .expect("run");
            let said = format!("{}{}", compared.stdout, compared.stderr);
            let found = plants.found(said.as_bytes());
            assert!(found.is_empty(), "{suite}, {way}, {pair:?}: {found:#?}");
        }
        let what = tool
            .run(&["show", "--what", &clear])
            .expect("run")
            .expect(0);
        assert!(what.stdout.contains("IN CLEAR"), "{}", what.stdout);
        let clean = file("clean");
        tool.run(&["show", "--redact", &clear, "-o", &clean])
            .expect("run")
            .expect(0);
        let found = plants.found(&std::fs::read(&clean).expect("recording"));
        assert!(found.is_empty(), "{suite}, {way}, cleaned: {found:#?}");
        let again = tool
            .run(&["show", &clean, "--format", "jsonl"])
            .expect("run");
        let (before, after) = (shown.stdout.lines().skip(1), again.stdout.lines().skip(1));
        for (before, after) in before.zip(after) {
            assert_eq!(after, before, "{suite}, {way}");
        }
    }
}

/// Pairs of requests that are compared in each session.
const MOST_COMPARED: usize = 24;
/// Secrets that a session captures at least, of those that are planted.
const FEWEST_TELLING: usize = 30;

fn on(suite: &str) {
    let assets = harness::assets_or_skip!();
    let Some(dockerd) = stock_dockerd(suite, "amd64") else {
        return;
    };
    check(suite, &assets, &dockerd);
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

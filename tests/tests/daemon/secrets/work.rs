//! Requests with a secret at each place. What the daemon answers matters only where more follows
//! from it.

use std::path::PathBuf;

use harness::{Answer, Daemon, Registry, base64, request};
use serde_json::{Value, json};

use super::plants::Plants;

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// Image of the one that every test imports, and its name in the registry.
const IMAGE: &str = "busybox";

/// Sends, and plants.
pub struct Work<'a> {
    pub socket: PathBuf,
    pub plants: &'a mut Plants,
}

impl Work<'_> {
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        // a daemon that refuses early may reset the connection
        request(&self.socket, method, path, headers, body).map_or(0, |a| a.status)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        let headers = [&[JSON], headers].concat();
        let path = format!("/v1.41{path}");
        request(&self.socket, method, &path, &headers, &body).expect("answer")
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> u16 {
        self.ask("POST", path, &[], body).status
    }

    /// Everything that needs no registry and no swarm.
    pub fn alone(&mut self) {
        self.headers();
        self.images();
        self.container();
        self.exec_and_logs();
        self.volumes();
        self.networks();
        self.builds_and_plugins();
    }

    fn headers(&mut self) {
        let basic = format!("user:{}", self.plants.plant("Authorization: Basic"));
        let authorization = format!("Basic {}", base64(basic.as_bytes()));
        let cookie = format!("session={}", self.plants.plant("Cookie"));
        let proxy = format!("Bearer {}", self.plants.plant("Proxy-Authorization"));
        let meta = self.plants.plant("X-Meta-Team");
        let custom = self.plants.plant("X-Custom");
        let of_url = self.plants.plant("User-Agent");
        let agent = format!("neighbour-agent (http://u:{of_url}@host)");
        let registry = credentials(&self.plants.plant("X-Registry-Auth"), None, "127.0.0.1:1");
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
            "/v1.41/containers/json?all=1&token={}&x=http%3A%2F%2Fu%3A{}%40h&y=me%3A{}%40host.example\
             &filters=%7B%22label%22%3A%5B%22password%3D{}%22%2C%22neighbour%3Dplain%22%5D%7D",
            self.plants.plant("?token="),
            self.plants.plant("userinfo in a query"),
            self.plants.plant("password without a scheme"),
            self.plants.plant("filter of a label"),
        );
        assert_eq!(self.send("GET", &query, &headers, b""), 200, "{query}");
        let of_path = self.plants.plant("userinfo in a path");
        let path = format!("/v1.41/containers/http:%2F%2Fu:{of_path}@h/json");
        self.send("GET", &path, &[], b"");
    }

    /// Images with an environment, and what asks for them.
    fn images(&mut self) {
        let changes = format!(
            "/v1.41/images/create?fromSrc=-&repo=envy&tag=1\
             &changes=ENV%20NEIGHBOUR_VARIABLE%3D{}&changes=LABEL%20api-key%3D{}",
            self.plants.plant("changes=ENV"),
            self.plants.plant("changes=LABEL"),
        );
        let tar = [("Content-Type", "application/x-tar")];
        self.send("POST", &changes, &tar, &[0u8; 1024]);
        let change = format!("ENV A={}", self.plants.plant("image Env")).replace(' ', "%20");
        let more = format!("/v1.41/images/create?fromSrc=-&repo=envy&tag=2&changes={change}");
        self.send("POST", &more, &tar, &[0u8; 1024]);
        for tag in ["1", "2"] {
            self.get(&format!("/images/envy:{tag}/json"));
        }
        let of_source = self.plants.plant("fromSrc");
        let source = format!("http%3A%2F%2Fu%3A{of_source}%40127.0.0.1%3A1%2Fx");
        let source = format!("/v1.41/images/create?fromSrc={source}&repo=y&tag=1");
        self.send("POST", &source, &[], b"");
    }

    fn container(&mut self) {
        let token = format!("--token={}", self.plants.plant("Cmd, assigned"));
        let inside = format!(
            r#"{{"password": "{}"}}"#,
            self.plants.plant("JSON in a command")
        );
        let coded = self.plants.plant("base64 of JSON in a command");
        let coded = base64(format!(r#"{{"name":"me","value":"{coded}"}}"#).as_bytes());
        let bearer = format!(
            "Authorization: Bearer {}",
            self.plants.plant("Bearer in a command")
        );
        let key = format!(
            "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
            self.plants.plant("key in a command")
        );
        let body = json!({
            "Image": "busybox:1",
            "Entrypoint": ["sleep", "--secret", self.plants.plant("Entrypoint")],
            "Cmd": ["100000", "--password", self.plants.plant("Cmd"), token, inside, coded, bearer, key],
            "Env": [format!("NEIGHBOUR_VARIABLE={}", self.plants.plant("Env"))],
            "Labels": {"api-key": self.plants.plant("label"), "com.example.neighbour": "neighbour-label"},
            "Healthcheck": {
                "Test": ["CMD-SHELL", format!("curl -u me:{} http://x", self.plants.plant("healthcheck"))],
                "Interval": 100_000_000_000_u64,
            },
            "HostConfig": {"NetworkMode": "none"},
        });
        assert_eq!(
            self.post("/containers/create?name=neighbour-name", &body),
            201
        );
        self.post("/containers/neighbour-name/start", &Value::Null);
        self.get("/containers/neighbour-name/json");
    }

    fn exec_and_logs(&mut self) {
        let command = format!("mysql --password {}", self.plants.plant("exec Cmd"));
        let body = json!({
            "Cmd": ["sh", "-c", command],
            "Env": [format!("A={}", self.plants.plant("exec Env"))],
        });
        // in a container that runs: only then is it looked at
        let run = json!({
            "Image": "busybox:1", "Cmd": ["sleep", "100000"], "HostConfig": {"NetworkMode": "none"},
        });
        assert_eq!(self.post("/containers/create?name=runs", &run), 201);
        assert_eq!(self.post("/containers/runs/start", &Value::Null), 204);
        assert_eq!(self.post("/containers/runs/exec", &body), 201);
        let splunk = json!({
            "splunk-url": "http://127.0.0.1:1", "splunk-token": self.plants.plant("splunk-token"),
        });
        let body = json!({
            "Image": "busybox:1",
            "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "splunk", "Config": splunk}},
        });
        self.post("/containers/create?name=logged", &body);
    }

    fn volumes(&mut self) {
        let o = format!(
            "size=1m,uid=7,password={}",
            self.plants.plant("volume option o")
        );
        let body = json!({
            "Name": "neighbour-volume", "Driver": "local",
            "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": o},
            "Labels": {"secret-token": self.plants.plant("volume label")},
        });
        self.post("/volumes/create", &body);
        let options = json!({"password": self.plants.plant("volume option")});
        let body = json!({"Name": "other", "Driver": "local", "DriverOpts": options});
        self.post("/volumes/create", &body);
    }

    fn networks(&mut self) {
        let body = json!({
            "Name": "neighbour-network", "Driver": "bridge",
            "Options": {"password": self.plants.plant("network option")},
            "IPAM": {"Driver": "default", "Options": {"api-key": self.plants.plant("IPAM option")}},
            "Labels": {"auth": self.plants.plant("network label")},
        });
        self.post("/networks/create", &body);
        self.ask("DELETE", "/networks/neighbour-network", &[], &Value::Null);
    }

    fn builds_and_plugins(&mut self) {
        let build = format!(
            "/v1.41/build?buildargs=%7B%22NEIGHBOUR_ARGUMENT%22%3A%22{}%22%7D\
             &remote=http%3A%2F%2Fu%3A{}%40127.0.0.1%3A1%2Fx",
            self.plants.plant("buildargs"),
            self.plants.plant("remote"),
        );
        self.send("POST", &build, &[], b"");
        let setting = format!("SETTING={}", self.plants.plant("plugin setting"));
        self.post("/plugins/nope/set", &json!([setting]));
    }

    /// A login that gives a token, a push, and a pull, at registries that want to know who is
    /// there.
    pub fn registries(&mut self, tokens: &Registry, basic: &Registry) {
        let refused = json!({
            "username": "u", "password": self.plants.plant("/auth"), "serveraddress": "127.0.0.1:1",
        });
        self.post("/auth", &refused);
        let password = self.plants.plant("password of a login");
        let login = json!({"username": "u", "password": password, "serveraddress": tokens.name()});
        let answer = self.ask("POST", "/auth", &[], &login);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{text}");
        let token = self.plants.plant("identity token of a login");
        assert!(text.contains(&token), "the API gives it: {text}");

        let push = self.plants.plant("password of a push");
        let name = basic.name();
        self.post(
            &format!("/images/{IMAGE}:1/tag?repo={name}/{IMAGE}&tag=1"),
            &Value::Null,
        );
        let auth = credentials(&push, None, &name);
        let path = format!("/images/{name}/{IMAGE}/push?tag=1");
        let pushed = self.ask("POST", &path, &[("X-Registry-Auth", &auth)], &Value::Null);
        done(&pushed, "push");

        let auth = credentials(&push, None, &name);
        let path = format!("/images/create?fromImage={name}%2F{IMAGE}&tag=1");
        let pulled = self.ask("POST", &path, &[("X-Registry-Auth", &auth)], &Value::Null);
        done(&pulled, "pull");
        assert!(basic.admitted() > 4, "{basic:?}");

        // nobody is there, which does not keep the daemon from taking the password
        let meta = self.plants.plant("X-Meta of a pull");
        let auth = credentials(
            &self.plants.plant("password of a pull"),
            Some(&self.plants.plant("identity token of a pull")),
            "127.0.0.1:1",
        );
        let headers = [("X-Registry-Auth", auth.as_str()), ("X-Meta-Key", &meta)];
        let path = "/images/create?fromImage=127.0.0.1%3A1%2Fx&tag=1";
        self.ask("POST", path, &headers, &Value::Null);
    }

    /// A swarm of one node.
    pub fn swarm(&mut self, registry: &Registry) {
        let join = json!({
            "ListenAddr": "127.0.0.1:0", "AdvertiseAddr": "127.0.0.1",
            "RemoteAddrs": ["127.0.0.1:1"], "JoinToken": self.plants.plant("join token"),
        });
        self.post("/swarm/join", &join);
        let init = json!({
            "ListenAddr": "127.0.0.1:0", "AdvertiseAddr": "127.0.0.1",
            "Spec": {"EncryptionConfig": {"AutoLockManagers": true}},
        });
        let made = self.ask("POST", "/swarm/init", &[], &init);
        assert_eq!(made.status, 200, "{}", String::from_utf8_lossy(&made.body));
        let swarm = self.get("/swarm").json().expect("JSON");
        let tokens = &swarm["JoinTokens"];
        for (place, role) in [("worker token", "Worker"), ("manager token", "Manager")] {
            // what comes before names the swarm's certificate, in both of them
            let token = tokens[role].as_str().expect("a token");
            let own = token.rsplit('-').next().expect("its own part");
            self.plants.known(place, own);
            let join = json!({"RemoteAddrs": ["127.0.0.1:1"], "JoinToken": token});
            self.post("/swarm/join", &join);
        }
        let key = self.get("/swarm/unlockkey").json().expect("JSON");
        let key = key["UnlockKey"].as_str().expect("a key");
        self.plants.known("unlock key of the swarm", key);
        let wrong = json!({"UnlockKey": self.plants.plant("unlock key")});
        self.post("/swarm/unlock", &wrong);
        self.ca_key(&swarm);
        self.swarm_objects(registry);
        self.post("/swarm/leave?force=1", &Value::Null);
    }

    fn ca_key(&mut self, swarm: &Value) {
        let key = format!(
            "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
            self.plants.plant("signing CA key")
        );
        let mut spec = swarm["Spec"].clone();
        spec["CAConfig"]["SigningCAKey"] = json!(key);
        let version = &swarm["Version"]["Index"];
        self.post(&format!("/swarm/update?version={version}"), &spec);
    }

    fn swarm_objects(&mut self, registry: &Registry) {
        for (what, place) in [("secrets", "swarm secret"), ("configs", "swarm config")] {
            let data = base64(self.plants.plant(place).as_bytes());
            let body = json!({"Name": format!("neighbour-{what}"), "Data": data});
            let path = format!("/{what}/create");
            let answer = self.ask("POST", &path, &[], &body);
            assert_eq!(
                answer.status,
                201,
                "{}",
                String::from_utf8_lossy(&answer.body)
            );
            let id = answer.json().expect("JSON")["ID"].clone();
            self.get(&format!("/{what}/{}", id.as_str().expect("ID")));
            self.get(&format!("/{what}"));
        }
        let service = json!({
            "Name": "neighbour-service",
            "Labels": {"api-key": self.plants.plant("service label")},
            "TaskTemplate": {"ContainerSpec": {
                "Image": format!("{}/{IMAGE}:1", registry.name()),
                "Args": ["sleep", "--password", self.plants.plant("service Args")],
                "Env": [format!("A={}", self.plants.plant("service Env"))],
            }},
        });
        let auth = credentials(&self.plants.plant("service auth"), None, &registry.name());
        let headers = [("X-Registry-Auth", auth.as_str())];
        let made = self.ask("POST", "/services/create", &headers, &service);
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        self.get("/services/neighbour-service");
        self.get("/services");
        self.get("/tasks");
    }
}

/// `X-Registry-Auth`.
fn credentials(password: &str, identity: Option<&str>, server: &str) -> String {
    let mut auth = json!({"username": "u", "password": password, "serveraddress": server});
    if let Some(token) = identity {
        auth["identitytoken"] = json!(token);
    }
    base64(auth.to_string().as_bytes())
}

/// A stream of messages that ends without a failure.
fn done(answer: &Answer, what: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{what}: {text}");
    assert!(!text.contains("errorDetail"), "{what}: {text}");
}

/// The realm gives the token of a login; the other registry takes a password.
pub fn registries(plants: &mut Plants) -> [Registry; 2] {
    use harness::{Credentials, Door};
    let credentials = |plants: &mut Plants, place| Credentials {
        user: "u".to_owned(),
        password: plants.plant(place),
        access_token: "of-no-account".to_owned(),
        refresh_token: plants.plant("identity token of a login"),
        realm_user: format!("r:{}", plants.plant("userinfo of a realm")),
    };
    [
        (Door::Token, "password of a login"),
        (Door::Basic, "password of a push"),
    ]
    .map(|(door, place)| Registry::start(door, credentials(plants, place)).expect("registry"))
}

/// Everything.
pub fn work(daemon: &Daemon, plants: &mut Plants) {
    let [tokens, basic] = registries(plants);
    let mut work = Work {
        socket: daemon.socket(),
        plants,
    };
    work.alone();
    work.registries(&tokens, &basic);
    work.swarm(&basic);
    assert_eq!(plants.bare(), [""; 0], "nothing was planted there");
}

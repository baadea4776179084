//! A registry for images on loopback that asks who is there, as private ones do: by `Basic`, or by
//! tokens of a realm.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::base64;
use crate::message::Message;

/// First byte of a client that begins with TLS (a handshake record).
const HANDSHAKE: u8 = 0x16;
/// How long a client may keep a connection without asking for anything.
const IDLE: Duration = Duration::from_secs(60);

/// How it asks who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Basic,
    /// Its realm gives tokens: one to come in with, one that stands for the password from then on.
    Token,
}

/// Whom it lets in, and what it gives them.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub user: String,
    pub password: String,
    pub access_token: String,
    pub refresh_token: String,
    /// User and password in the realm's own URL.
    pub realm_user: String,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    door: Door,
    credentials: Credentials,
    stop: AtomicBool,
    admitted: AtomicUsize,
    /// Blobs, uploads and manifests by their path.
    stored: Mutex<BTreeMap<String, Stored>>,
}

#[derive(Clone, Debug, Default)]
struct Stored {
    content_type: String,
    bytes: Vec<u8>,
}

/// Status, headers and body.
struct Answer(u16, Vec<(&'static str, String)>, Vec<u8>);

impl Registry {
    /// Listens on a port of its own, in the network namespace of this thread.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn start(door: Door, credentials: Credentials) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a port on loopback")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            address,
            door,
            credentials,
            stop: AtomicBool::default(),
            admitted: AtomicUsize::default(),
            stored: Mutex::default(),
        });
        let of_thread = shared.clone();
        let listening = std::thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.stop.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(client), shared) = (client, of_thread.clone()) else {
                    continue;
                };
                std::thread::spawn(move || {
                    if let Err(error) = serve(client, &shared) {
                        eprintln!("registry: {error:#}");
                    }
                });
            }
        });
        Ok(Self {
            address,
            shared,
            listening: Some(listening),
        })
    }

    /// `127.0.0.1:PORT`, which dockerd takes for a registry without TLS.
    #[must_use]
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Requests that were let in so far.
    #[must_use]
    pub fn admitted(&self) -> usize {
        self.shared.admitted.load(Ordering::SeqCst)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // wakes the thread that accepts, wherever this one is
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn serve(client: TcpStream, shared: &Shared) -> Result<()> {
    client.set_read_timeout(Some(IDLE))?;
    let mut client = BufReader::new(client);
    if client.fill_buf()?.first() == Some(&HANDSHAKE) {
        // the daemon tries TLS first, and plain HTTP after such an answer
        client
            .get_mut()
            .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n")?;
        return Ok(());
    }
    while let Some(mut request) = Message::head(&mut client)? {
        request.read_request_body(&mut client)?;
        let mut words = request.first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let Answer(status, headers, body) = shared.answer(method, target, &request);
        let mut answer = Message {
            first: format!("HTTP/1.1 {status} -"),
            headers: Vec::new(),
            body: Vec::new(),
        };
        for (name, value) in headers {
            answer.headers.push((name.to_owned(), value));
        }
        let to_head = method == "HEAD";
        if to_head {
            let length = ("Content-Length".to_owned(), body.len().to_string());
            answer.headers.push(length);
        } else {
            answer.body = body;
        }
        answer.write(client.get_mut(), to_head)?;
    }
    Ok(())
}

impl Shared {
    fn answer(&self, method: &str, target: &str, request: &Message) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let who = request.header("authorization").unwrap_or_default();
        if path == "/token" {
            return self.token(who, &request.body);
        }
        if !self.lets_in(who) {
            let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"who is there"}]}"#;
            let headers = vec![("Www-Authenticate", self.challenge()), json_type()];
            return Answer(401, headers, body.to_vec());
        }
        self.admitted.fetch_add(1, Ordering::SeqCst);
        let Ok(mut stored) = self.stored.lock() else {
            return Answer(500, Vec::new(), Vec::new());
        };
        let mut put = |path: &str, content_type: &str, bytes: &[u8]| {
            let of = Stored {
                content_type: content_type.to_owned(),
                bytes: bytes.to_vec(),
            };
            stored.insert(path.to_owned(), of);
        };
        let here = ("Location", path.to_owned());
        let kind = request.header("content-type").unwrap_or_default();
        match method {
            "GET" | "HEAD" if path == "/v2/" => Answer(200, vec![json_type()], b"{}".to_vec()),
            "GET" | "HEAD" => match stored.get(path).or_else(|| by_digest(&stored, path)) {
                Some(of) => {
                    let kind = ("Content-Type", of.content_type.clone());
                    Answer(200, vec![kind], of.bytes.clone())
                }
                None => {
                    let why = format!("{path} is not among {:?}", stored.keys());
                    let body = json!({"errors": [{"code": "NAME_UNKNOWN", "message": why}]});
                    Answer(404, vec![json_type()], body.to_string().into_bytes())
                }
            },
            "POST" if path.ends_with("/blobs/uploads/") => {
                let upload = format!("{path}{}", self.admitted.load(Ordering::SeqCst));
                let headers = vec![
                    ("Location", upload),
                    ("Docker-Upload-Uuid", "1".to_owned()),
                    ("Range", "0-0".to_owned()),
                ];
                Answer(202, headers, Vec::new())
            }
            "PATCH" => {
                put(path, "application/octet-stream", &request.body);
                let range = format!("0-{}", request.body.len().saturating_sub(1));
                Answer(202, vec![here, ("Range", range)], Vec::new())
            }
            "PUT" if path.contains("/blobs/uploads/") => {
                let digest = query
                    .split('&')
                    .find_map(|p| p.strip_prefix("digest="))
                    .unwrap_or_default()
                    .replace("%3A", ":");
                let uploaded = stored.remove(path).unwrap_or_default();
                let blobs = path.split("/uploads/").next().unwrap_or(path);
                stored.insert(format!("{blobs}/{digest}"), uploaded);
                Answer(
                    201,
                    vec![here, ("Docker-Content-Digest", digest)],
                    Vec::new(),
                )
            }
            "PUT" => {
                put(path, kind, &request.body);
                // the client computes its own
                let digest = format!("sha256:{}", "0".repeat(64));
                Answer(
                    201,
                    vec![here, ("Docker-Content-Digest", digest)],
                    Vec::new(),
                )
            }
            _ => Answer(405, Vec::new(), Vec::new()),
        }
    }

    fn basic(&self) -> String {
        let c = &self.credentials;
        let text = format!("{}:{}", c.user, c.password);
        format!("Basic {}", base64(text.as_bytes()))
    }

    fn lets_in(&self, who: &str) -> bool {
        match self.door {
            Door::Basic => who == self.basic(),
            Door::Token => who == format!("Bearer {}", self.credentials.access_token),
        }
    }

    fn challenge(&self) -> String {
        match self.door {
            Door::Basic => "Basic realm=\"here\"".to_owned(),
            Door::Token => format!(
                "Bearer realm=\"http://{}@{}/token\",service=\"here\"",
                self.credentials.realm_user, self.address
            ),
        }
    }

    /// The realm: asked with the password, or with the token that stands for it.
    fn token(&self, who: &str, form: &[u8]) -> Answer {
        let c = &self.credentials;
        let form = String::from_utf8_lossy(form);
        let knows = |secret: &str| form.contains(secret);
        if who != self.basic() && !knows(&c.password) && !knows(&c.refresh_token) {
            return Answer(401, Vec::new(), Vec::new());
        }
        let body = json!({
            "token": c.access_token, "access_token": c.access_token,
            "refresh_token": c.refresh_token, "expires_in": 300,
        });
        Answer(200, vec![json_type()], body.to_string().into_bytes())
    }
}

/// The manifest of a repository, whose digest the client has made of it and checks again.
fn by_digest<'s>(stored: &'s BTreeMap<String, Stored>, path: &str) -> Option<&'s Stored> {
    let (repository, _) = path.split_once("/manifests/sha256:")?;
    let manifests = format!("{repository}/manifests/");
    let found = stored.iter().find(|(path, _)| path.starts_with(&manifests));
    found.map(|(_, of)| of)
}

fn json_type() -> (&'static str, String) {
    ("Content-Type", "application/json".to_owned())
}

//! An HTTP/1.1 proxy in front of a daemon's socket that hides containers from lists, as Docker Desktop's does.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    hidden: Arc<AtomicUsize>,
    listening: Option<JoinHandle<()>>,
}

/// A message: first line, headers and body, unchunked.
struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Proxy {
    /// Listens at `socket` and hands requests on to `daemon`; from answers to `/containers/json` it takes what `shown` does not want.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start(socket: &Path, daemon: &Path, shown: fn(&Value) -> bool) -> Result<Self> {
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let hidden = Arc::new(AtomicUsize::new(0));
        let (daemon, stopped, counter) = (daemon.to_owned(), stop.clone(), hidden.clone());
        let listening = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else { continue };
                let (daemon, counter) = (daemon.clone(), counter.clone());
                std::thread::spawn(move || {
                    if let Err(error) = serve(client, &daemon, shown, &counter) {
                        eprintln!("proxy: {error:#}");
                    }
                });
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            stop,
            hidden,
            listening: Some(listening),
        })
    }

    /// Containers taken out of answers so far.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.hidden.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // wakes the thread that accepts
        let _ = UnixStream::connect(&self.socket);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// One client's connection, and one of its own to the daemon: request after request until either side has enough.
fn serve(
    client: UnixStream,
    daemon: &Path,
    shown: fn(&Value) -> bool,
    hidden: &AtomicUsize,
) -> Result<()> {
    let upstream = UnixStream::connect(daemon)?;
    let (mut client, mut upstream) = (BufReader::new(client), BufReader::new(upstream));
    while let Some(mut request) = Message::head(&mut client)? {
        request.read_request_body(&mut client)?;
        request.write(upstream.get_mut(), false)?;
        let mut answer = Message::head(&mut upstream)?.context("the daemon hung up")?;
        let mut words = request.first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let bodiless = answer.read_answer_body(&mut upstream, method == "HEAD")?;
        let path = target.split('?').next().unwrap_or("");
        if path.ends_with("/containers/json") && answer.status() == Some(200) {
            let mut list: Vec<Value> = serde_json::from_slice(&answer.body)?;
            let before = list.len();
            list.retain(shown);
            hidden.fetch_add(before - list.len(), Ordering::SeqCst);
            answer.body = serde_json::to_vec(&list)?;
        }
        answer.write(client.get_mut(), bodiless)?;
        let closes = |m: &Message| {
            m.header("connection")
                .is_some_and(|v| v.eq_ignore_ascii_case("close"))
        };
        if closes(&request) || closes(&answer) {
            break;
        }
    }
    Ok(())
}

impl Message {
    /// `None`: the other side has closed.
    fn head(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut message = Self {
            first: first.trim_end().to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                bail!("a head that does not end: {}", message.first);
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => message
                    .headers
                    .push((name.to_owned(), value.trim().to_owned())),
                None if line.trim_end().is_empty() => return Ok(Some(message)),
                None => bail!("no header: {line:?}"),
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn status(&self) -> Option<u16> {
        self.first.split(' ').nth(1)?.parse().ok()
    }

    fn length(&self) -> Result<Option<u64>> {
        let length = self.header("content-length").map(str::parse);
        length.transpose().context("a length")
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
    }

    fn read_request_body(&mut self, from: &mut impl BufRead) -> Result<()> {
        if self.header("upgrade").is_some() || self.header("expect").is_some() {
            bail!("not for this proxy: {}", self.first);
        }
        if self.is_chunked() {
            self.body = chunks(from)?;
        } else if let Some(length) = self.length()? {
            from.take(length).read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    /// Gives whether such an answer has no body, whatever its headers say.
    fn read_answer_body(&mut self, from: &mut impl BufRead, to_head: bool) -> Result<bool> {
        if to_head || matches!(self.status(), Some(204 | 304)) {
            return Ok(true);
        }
        if self.is_chunked() {
            self.body = chunks(from)?;
        } else if let Some(length) = self.length()? {
            from.take(length).read_to_end(&mut self.body)?;
        } else {
            from.read_to_end(&mut self.body)?;
        }
        Ok(false)
    }

    /// With the length of the body as it is now; `bodiless`: as it came.
    fn write(&self, to: &mut impl Write, bodiless: bool) -> Result<()> {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            let framing = ["content-length", "transfer-encoding"]
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n));
            if bodiless || !framing {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if !bodiless && (!self.body.is_empty() || self.status().is_some()) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        to.write_all(head.as_bytes())?;
        to.write_all(&self.body)?;
        to.flush()?;
        Ok(())
    }
}

fn chunks(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).with_context(|| line.clone())?;
        from.take(size).read_to_end(&mut body)?;
        if size == 0 {
            // trailers, up to an empty line
            loop {
                let mut line = String::new();
                if from.read_line(&mut line)? == 0 || line.trim().is_empty() {
                    return Ok(body);
                }
            }
        }
        let mut end = String::new();
        from.read_line(&mut end)?;
    }
}

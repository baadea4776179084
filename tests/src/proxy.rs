//! An HTTP/1.1 proxy in front of a daemon's socket that hides containers from lists, as Docker
//! Desktop's does.

use std::io::BufReader;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::message::Message;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    hidden: Arc<AtomicUsize>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens at `socket` and hands requests on to `daemon`; from answers to `/containers/json` it
    /// takes what `shown` does not want.
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

/// One client's connection, and one of its own to the daemon: request after request until either
/// side has enough.
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

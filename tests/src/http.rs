//! Raw HTTP over a unix socket: what the API itself answers, without any client library.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Status and body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}

/// One request; HTTP/1.0, so that the answer is neither chunked nor kept alive.
///
/// # Errors
/// The socket cannot be used, or the answer is no HTTP.
pub fn request(
    socket: &Path,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut head = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    // at once: a daemon that refuses the head may close before a body that comes later
    let mut whole = head.into_bytes();
    whole.extend_from_slice(body);
    stream.write_all(&whole)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("no end of headers")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .with_context(|| head.clone())?;
    Ok(Answer {
        status,
        body: answer[end + 4..].to_vec(),
    })
}

/// A connection that serves one request after the other, as clients that keep theirs alive use it.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// GET whose answer is read to its end; gives the status.
    ///
    /// # Errors
    /// The answer is no HTTP.
    pub fn get(&mut self, path: &str, agent: &str) -> Result<u16> {
        let (status, length) = self.head(path, agent)?;
        match length {
            Some(length) => {
                std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
            }
            None => loop {
                let size = self.line()?;
                let size = u64::from_str_radix(size.trim(), 16).with_context(|| size.clone())?;
                // the chunk and the end of its line
                std::io::copy(
                    &mut self.stream.by_ref().take(size + 2),
                    &mut std::io::sink(),
                )?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(status)
    }

    /// GET of a stream: its status; the rest is left unread.
    ///
    /// # Errors
    /// The answer is no HTTP.
    pub fn begin(&mut self, path: &str, agent: &str) -> Result<u16> {
        Ok(self.head(path, agent)?.0)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line)
    }

    /// Status and length; no length: chunks.
    fn head(&mut self, path: &str, agent: &str) -> Result<(u16, Option<u64>)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: {agent}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let first = self.line()?;
        let status = first
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|s| s.parse().ok())
            .with_context(|| first.clone())?;
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.trim().is_empty() {
                return Ok((status, length));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
    }
}

//! GETs over the daemon's unix socket: those of `compare --get`, marked so that their requests can
//! be told apart.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Most bytes of an answer that are read; the rest is left to the daemon to write into a closed
/// socket.
const MAX_ANSWER: u64 = 64 << 20;

/// Sends `GET path` with the given User-Agent and reads the answer to its end; returns the status
/// line.
pub async fn get(socket: &Path, path: &str, user_agent: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: {user_agent}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    let end = answer
        .iter()
        .position(|b| *b == b'\r' || *b == b'\n')
        .unwrap_or(answer.len().min(200));
    Ok(String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned())
}

/// The body of an answer to `GET path`, at most 1 MiB of it; in HTTP/1.0, so that it is not in
/// chunks.
pub async fn body(socket: &Path, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: docker\r\nUser-Agent: mobytrace/{}\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1 << 20).read_to_end(&mut answer).await?;
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n");
    Ok(body
        .and_then(|at| answer.get(at + 4..))
        .unwrap_or_default()
        .to_vec())
}

/// Whether a path can be put into a request line as it is.
pub fn is_request_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic())
}

//! What of an HTTP request is captured: method, URL, headers, who sent it, and how it was answered.

use super::policy::Policy;
use crate::gobin::GoVersion;

/// What of a request is captured.
pub const REQUEST: Policy = Policy::Fields(&[
    ("Method", Policy::Full(0)),
    ("URL", URL),
    ("ContentLength", Policy::Full(0)),
    ("Header", Policy::Full(3)),
]);
const URL: Policy = Policy::Fields(&[("Path", Policy::Full(0)), ("RawQuery", Policy::Full(0))]);
/// What of `*net/http.response` is read when a request returns.
pub const RESPONSE: Policy = Policy::Fields(&[
    ("status", Policy::Full(0)),
    ("written", Policy::Full(0)),
    ("conn", Policy::Fields(&[("hijackedv", Policy::Full(0))])),
]);
pub const RESPONSE_TYPE: &str = "*net/http.response";
/// From the `rw` of a request to the descriptor of its connection (net/http/server.go, net/net.go,
/// net/fd_unix.go, internal/poll/fd_unix.go; the names are the same in Go 1.13 to 1.27).
pub const CLIENT: Policy = Policy::Dynamic(&[(
    RESPONSE_TYPE,
    Policy::Fields(&[("conn", Policy::Fields(&[("rwc", CONNECTION)]))]),
)]);
const CONNECTION: Policy = Policy::Dynamic(&[
    ("*net.UnixConn", DESCRIPTOR),
    ("*net.TCPConn", DESCRIPTOR),
    // under TLS lies the connection itself
    (
        "*crypto/tls.Conn",
        Policy::Fields(&[(
            "conn",
            Policy::Dynamic(&[("*net.UnixConn", DESCRIPTOR), ("*net.TCPConn", DESCRIPTOR)]),
        )]),
    ),
]);
const DESCRIPTOR: Policy = Policy::Fields(&[("conn", Policy::Fields(&[("fd", NET_FD)]))]);
const NET_FD: Policy = Policy::Fields(&[("pfd", Policy::Fields(&[("Sysfd", Policy::Peer)]))]);
/// What of a goroutine is captured.
pub const GOROUTINE: Policy = Policy::Fields(&[("goid", Policy::Full(0))]);

/// The first release whose panics keep the stack pointer of the recovering frame themselves.
const PANIC_KEEPS_FRAME: u32 = 22;
/// Of a goroutine whose panic was recovered: which it is, and the stack pointer of the recovering
/// frame (runtime/panic.go, `gopanic` up to Go 1.21, `recovery` from 1.22 on).
const RECOVERED_TO_1_21: Policy = Policy::Fields(&[
    ("goid", Policy::Full(0)),
    ("stack", STACK),
    ("sigcode0", Policy::Full(0)),
]);
const RECOVERED: Policy = Policy::Fields(&[
    ("goid", Policy::Full(0)),
    ("stack", STACK),
    ("_panic", Policy::Fields(&[("sp", Policy::Full(0))])),
]);
const STACK: Policy = Policy::Fields(&[("hi", Policy::Full(0))]);

/// What of a goroutine is captured whose panic was recovered.
pub fn recovered(version: &GoVersion) -> Policy {
    if version.minor < PANIC_KEEPS_FRAME {
        RECOVERED_TO_1_21
    } else {
        RECOVERED
    }
}

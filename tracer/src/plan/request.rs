//! What of an HTTP request is captured: method, URL, headers, who sent it, and how it was answered.

use tracer_ebpf::wire::limits::SAVED_BASE;
use tracer_ebpf::wire::op::{IFACE, OP_ITAB};

use super::Error;
use super::block::op;
use super::candidate::TypeRef;
use super::policy::Policy;
use super::schema::{ArgPlace, Leaf, Meaning, OpSchema, PlaceKind, TypeKindSchema, ValueSchema};
use super::values::{FunctionMaker, SiteBlocks};
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
const RESPONSE: Policy = Policy::Fields(&[
    ("status", Policy::Full(0)),
    ("written", Policy::Full(0)),
    ("conn", Policy::Fields(&[("hijackedv", Policy::Full(0))])),
]);
const RESPONSE_TYPE: &str = "*net/http.response";
/// From the `rw` of a request to the descriptor of its connection (net/http/server.go, net/net.go, net/fd_unix.go,
/// internal/poll/fd_unix.go; the names are the same in Go 1.13 to 1.27).
const CLIENT: Policy = Policy::Dynamic(&[(
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
/// Of a goroutine whose panic was recovered: which it is, and the stack pointer of the recovering frame (runtime/panic.go, `gopanic` up to Go 1.21,
/// `recovery` from 1.22 on).
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

impl FunctionMaker<'_, '_, '_, '_> {
    /// The process that sent a request, by the connection behind its `rw`.
    pub fn client(
        &mut self,
        rw: &TypeRef,
        place: &ArgPlace,
        blocks: &mut SiteBlocks,
    ) -> Result<ValueSchema, Error> {
        let name = "client".to_owned();
        let mut value = self.value(name, rw, place, CLIENT, blocks)?;
        value.ty =
            self.lowering
                .add_type("client", 0, None, TypeKindSchema::Reached { by: value.ty });
        Ok(value)
    }

    /// The HTTP response behind the saved `rw` of a request: status and bytes written.
    pub fn response(&mut self, blocks: &mut SiteBlocks) -> Result<Option<ValueSchema>, Error> {
        if self.lowering.binary.types_named(RESPONSE_TYPE)?.is_empty() {
            return Ok(None);
        }
        let table = self.lowering.table_of(&[(RESPONSE_TYPE, RESPONSE)])?;
        let saved = u8::try_from(SAVED_BASE).unwrap_or(u8::MAX);
        let leaf = |i: u8| Leaf {
            reg: saved + i,
            offset: u32::from(i) * 8,
            size: 8,
        };
        blocks.regs.push(OpSchema {
            flags: OP_ITAB,
            a: table,
            ..op(IFACE, u64::from(saved) * 8, 0)
        });
        let ty = self.lowering.add_type(
            "net/http.ResponseWriter",
            16,
            None,
            TypeKindSchema::Interface { empty: false },
        );
        Ok(Some(ValueSchema {
            name: "response".to_owned(),
            ty,
            place: ArgPlace {
                kind: PlaceKind::Registers,
                leaves: vec![leaf(0), leaf(1)],
                offset: 0,
                reason: None,
            },
            shown: true,
            meaning: Meaning::Value,
        }))
    }
}

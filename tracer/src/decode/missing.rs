//! Why a value is not there. Nothing decides by how a reason is worded.

use std::fmt;

use tracer_ebpf::wire::peer::{
    PEER_FAMILY, PEER_NO_LAYOUT, PEER_NO_SOCKET, PEER_NONE, PEER_VARIANT,
};

use crate::addr::{ImageAddr, ProcessAddr};
use crate::plan::{Undescribed, Unplaced};

/// Why a value, or a part of one, is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The capture's own policy leaves it out.
    NotWanted,
    /// Nothing here tells where it is: the function's signature is not known.
    NoSignature,
    /// The plan that was followed has no such value.
    NotPlanned,
    /// It lies where a probe cannot read it.
    Unplaced(Unplaced),
    /// Its type is not described.
    Undescribed(Undescribed),
    /// User memory could not be read in the kernel (not resident, or invalid address).
    Fault { addr: ProcessAddr },
    /// A limit of the capture ended it before.
    Limit(Limit),
    /// It is a secret, and was overwritten.
    Masked,
    /// The ring-buffer entry that held it was lost.
    Lost,
    /// What is read at a return by words of the entry: that entry was not seen.
    NoEntry,
    /// The map was being written while it was read: cells seen differ from its count.
    MapChanged { seen: u64, count: u64 },
    /// The capture ended inside of a map, whose cells can then not be checked against its count.
    MapCut { seen: u64, count: u64 },
    /// The programs for this kernel do not read maps of this kind.
    MapKind,
    /// A string, slice or interface that another goroutine wrote while it was read.
    Changed,
    /// The interface's dynamic type is not described by the plan.
    UnknownType { addr: ImageAddr },
    /// The process behind a request's connection.
    Client(NoClient),
    /// No such value has what was read.
    Implausible(Implausible),
    /// The record does not match the plan.
    Corrupt(Misfit),
}

/// What a missing value is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It was left out on purpose.
    NotWanted,
    /// It was wanted, and could not be had.
    NotCaptured,
    /// What it is, or where, is not known here.
    NotKnown,
}

/// Limits of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of one string.
    StringBytes,
    /// Elements of one list or cells of one map.
    Elements,
    /// Pointers followed one after the other, by the policy.
    Pointers,
    /// Values nested in each other, by the kernel's machine.
    Nesting,
    /// Ring-buffer entries of one hit.
    Entries,
    /// Values of one dynamic type.
    TypeValues,
    /// Dynamic types of one plan.
    PlanTypes,
}

/// Why the process behind a request is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoClient {
    /// The request has no connection.
    NoConnection,
    /// The connection is of a type that is not followed, by the address of its descriptor.
    Connection {
        addr: ImageAddr,
    },
    /// The way to the connection has more steps than any known one.
    TooDeep,
    /// The kernel has no BTF.
    NoKernelTypes,
    /// The programs for this kernel cannot do it.
    Kernel,
    SocketClosed,
    /// The socket's address family names no process.
    Family(u32),
    /// The kernel keeps no peer.
    NoPeer,
    /// It is in a pid namespace that cannot be seen from ours.
    OtherNamespace,
    /// It ended before it could be asked.
    Ended,
}

/// What no value of its type can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implausible {
    Bool(u64),
    /// A length or count.
    Length(u64),
    Time {
        wall: u64,
        ext: i64,
    },
}

/// How a record does not fit its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The plan has no type, op or dynamic type of that number.
    NoType,
    NoOp,
    NoDynamicType,
    OpKind,
    /// Types or blocks nested in each other beyond any real one.
    TypesNested,
    BlocksNested,
    /// There is no item for the value.
    NoItem,
    ItemsEnd,
    ItemTooLong,
    OtherOp,
    MapWithoutEnd,
    NotOfMap,
    /// The value is not of the kind that its place asks for.
    Kind,
    PeerSize,
    PeerReason(u32),
    Status(u8),
}

impl Missing {
    /// Whether it was left out, could not be had, or is not known.
    #[must_use]
    pub fn absence(&self) -> Absence {
        match self {
            Self::NotWanted => Absence::NotWanted,
            Self::NoSignature | Self::UnknownType { .. } | Self::MapKind => Absence::NotKnown,
            Self::NotPlanned
            | Self::Unplaced(_)
            | Self::Undescribed(_)
            | Self::Fault { .. }
            | Self::Limit(_)
            | Self::Masked
            | Self::Lost
            | Self::NoEntry
            | Self::MapChanged { .. }
            | Self::MapCut { .. }
            | Self::Changed
            | Self::Client(_)
            | Self::Implausible(_)
            | Self::Corrupt(_) => Absence::NotCaptured,
        }
    }
}

impl Absence {
    /// One word for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotWanted => "not-wanted",
            Self::NotCaptured => "not-captured",
            Self::NotKnown => "not-known",
        }
    }
}

impl NoClient {
    /// What the kernel side says (`wire::peer`); `None`: a number that it does not use.
    pub(super) fn of_kernel(reason: u32, detail: u32) -> Option<Self> {
        Some(match reason {
            PEER_NO_LAYOUT => Self::NoKernelTypes,
            PEER_VARIANT => Self::Kernel,
            PEER_NO_SOCKET => Self::SocketClosed,
            PEER_FAMILY => Self::Family(detail),
            PEER_NONE => Self::NoPeer,
            _ => return None,
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWanted => f.write_str("not wanted"),
            Self::NoSignature => f.write_str("the function's signature is not known"),
            Self::NotPlanned => f.write_str("not captured"),
            Self::Unplaced(why) => why.fmt(f),
            Self::Undescribed(why) => why.fmt(f),
            Self::Fault { addr } => write!(f, "memory at 0x{addr:x} was not resident"),
            Self::Limit(limit) => write!(f, "cut by the budget for {limit}"),
            Self::Masked => f.write_str("it is a secret, and masked"),
            Self::Lost => f.write_str("its record was lost"),
            Self::NoEntry => f.write_str("its entry was not seen"),
            Self::MapChanged { seen: 0, count: 0 } => f.write_str("the map was being written"),
            Self::MapChanged { seen, count } => write!(
                f,
                "the map changed while it was read ({seen} of {count} cells seen)"
            ),
            Self::MapCut { seen, count } => write!(
                f,
                "a map of {count} entries, cut after {seen} by the budget for {}",
                Limit::Entries
            ),
            Self::MapKind => f.write_str("maps of this kind are not read on this kernel"),
            Self::Changed => f.write_str("it was being written while it was read"),
            Self::UnknownType { addr } => write!(f, "dynamic type at 0x{addr:x} is not followed"),
            Self::Client(why) => why.fmt(f),
            Self::Implausible(what) => write!(f, "implausible: {what}"),
            Self::Corrupt(how) => write!(f, "the record does not fit the plan: {how}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StringBytes => "bytes per string",
            Self::Elements => "elements per value",
            Self::Pointers => "pointers followed",
            Self::Nesting => "nesting depth",
            Self::Entries => "entries per hit",
            Self::TypeValues => "values of a type in an interface",
            Self::PlanTypes => "types in interfaces",
        })
    }
}

impl fmt::Display for NoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Address families of `socket(2)` that daemons listen on.
        const AF_INET: u32 = 2;
        const AF_INET6: u32 = 10;
        const AF_VSOCK: u32 = 40;
        f.write_str(match self {
            Self::NoConnection => "the request has no connection",
            Self::Connection { addr } => {
                return write!(
                    f,
                    "its connection is of a type that is not followed (0x{addr:x})"
                );
            }
            Self::TooDeep => "its connection is nested too deep",
            Self::NoKernelTypes => "this kernel has no type information (BTF)",
            Self::Kernel => "the programs for this kernel cannot walk its sockets",
            Self::SocketClosed => "its socket was closed",
            Self::Family(AF_INET | AF_INET6) => "it came over TCP, which names no process",
            Self::Family(AF_VSOCK) => "it came from outside of this machine (vsock)",
            Self::Family(other) => return write!(f, "it came over a socket of family {other}"),
            Self::NoPeer => "the kernel keeps no peer for its socket",
            Self::OtherNamespace => "not visible from this pid namespace",
            Self::Ended => "the process had ended",
        })
    }
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "bool {value}"),
            Self::Length(value) => write!(f, "length or count {value}"),
            Self::Time { wall, ext } => write!(f, "time with wall {wall:#x} and ext {ext}"),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoType => "a type that the plan does not have",
            Self::NoOp => "an op that the plan does not have",
            Self::NoDynamicType => "a dynamic type that the plan does not have",
            Self::OpKind => "an op of unknown kind",
            Self::TypesNested => "types nested too deep",
            Self::BlocksNested => "blocks nested too deep",
            Self::NoItem => "no item for it",
            Self::ItemsEnd => "items end too early",
            Self::ItemTooLong => "an item reaches beyond its entry",
            Self::OtherOp => "an item of another op",
            Self::MapWithoutEnd => "a map without an end",
            Self::NotOfMap => "an item that does not belong into a map",
            Self::Kind => "a value of another kind",
            Self::PeerSize => "a peer of another size",
            Self::PeerReason(reason) => return write!(f, "peer with reason {reason}"),
            Self::Status(status) => return write!(f, "status {status}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_out_not_had_and_not_known_are_three_things() {
        let absence = |why: Missing| why.absence().name();
        assert_eq!(absence(Missing::NotWanted), "not-wanted");
        assert_eq!(absence(Missing::Lost), "not-captured");
        assert_eq!(absence(Missing::Limit(Limit::Entries)), "not-captured");
        assert_eq!(absence(Missing::NoSignature), "not-known");
        assert_eq!(
            absence(Missing::UnknownType { addr: ImageAddr(1) }),
            "not-known"
        );
    }
}

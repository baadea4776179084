//! What leads to another value: pointers, interfaces, and the socket of a client.

use tracer_ebpf::wire::op::{IFACE, PEER, PTR};
use tracer_ebpf::wire::peer::Peer;
use tracer_ebpf::wire::record::{NULL, OK, UNKNOWN_TYPE};

use super::super::client;
use super::super::items::Node;
use super::super::missing::{Limit, Misfit, Missing};
use super::super::record::read;
use super::super::value::Value;
use super::plain::address;
use super::{Builder, Source, status_value};
use crate::addr::ProcessAddr;
use crate::plan::{Secret, TypeKindSchema};

impl Builder<'_> {
    /// Why what is wanted of a type is never captured.
    pub(super) fn not_followed(&self, ty: u32) -> Option<Missing> {
        match &self.plan.types.get(ty as usize)?.kind {
            TypeKindSchema::Deep => Some(Missing::Limit(Limit::Pointers)),
            TypeKindSchema::Undescribed { why } => Some(Missing::Undescribed(why.clone())),
            _ => None,
        }
    }

    pub(super) fn pointer(
        &mut self,
        elem: u32,
        source: Source<'_>,
        off: u64,
        secret: Secret,
    ) -> Value {
        let Some(Node::Pointer { status, addr, to }) = Self::node(source, off, PTR) else {
            // not followed by the plan: the address was copied with the plain bytes
            let why = self.not_followed(elem);
            return match (self.scalar(source, off, 8, address), why) {
                (Value::Address(addr), Some(why)) => Value::Pointer {
                    addr,
                    to: Box::new(Value::Missing(why)),
                },
                (other, _) => other,
            };
        };
        match (*status, to) {
            (NULL, _) => Value::Nil,
            (OK, Some(block)) => {
                let to = Source::memory(block);
                Value::Pointer {
                    addr: *addr,
                    to: Box::new(self.value(elem, to, 0, secret)),
                }
            }
            (other, _) => status_value(other, addr.0),
        }
    }

    pub(super) fn peer(&self, source: Source<'_>, off: u64) -> Value {
        let Some(Node::Peer {
            status,
            addr,
            payload,
        }) = Self::node(source, off, PEER)
        else {
            return self.absent();
        };
        match (*status, read::<Peer>(self.bytes(payload))) {
            (OK, Some(peer)) => client::value(&peer),
            (OK, None) => Value::Missing(Missing::Corrupt(Misfit::PeerSize)),
            (other, _) => status_value(other, addr.0),
        }
    }

    pub(super) fn iface(&mut self, source: Source<'_>, off: u64, secret: Secret) -> Value {
        let Some(Node::Iface {
            status,
            type_addr,
            data,
            dynamic,
        }) = Self::node(source, off, IFACE)
        else {
            return self.absent();
        };
        match (*status, dynamic) {
            (NULL, _) => Value::Nil,
            (OK, Some((index, block))) => {
                let plan = self.plan;
                let Some(ty) = plan
                    .dyn_types
                    .get(*index)
                    .and_then(|d| plan.types.get(d.ty as usize))
                else {
                    return self.absent();
                };
                let inner = Source::memory(block);
                let direct = plan.dyn_types.get(*index).is_some_and(|d| d.direct);
                let value = match &ty.kind {
                    // the block's base is the data word: for a pointer, its target
                    TypeKindSchema::Pointer { elem } if !direct => {
                        let addr = data
                            .as_ref()
                            .and_then(|d| self.bytes(d).get(8..16)?.first_chunk::<8>())
                            .map_or(ProcessAddr(0), |b| ProcessAddr(u64::from_le_bytes(*b)));
                        if addr == ProcessAddr(0) {
                            Value::Nil
                        } else {
                            Value::Pointer {
                                addr,
                                to: Box::new(self.value(*elem, inner, 0, secret)),
                            }
                        }
                    }
                    _ => {
                        let index = plan.dyn_types.get(*index).map_or(u32::MAX, |d| d.ty);
                        self.value(index, inner, 0, secret)
                    }
                };
                Value::Iface {
                    ty: ty.name.clone(),
                    value: Box::new(value),
                }
            }
            (UNKNOWN_TYPE, _) => Value::Missing(Missing::UnknownType { addr: *type_addr }),
            (other, _) => status_value(other, type_addr.0),
        }
    }
}

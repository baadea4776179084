//! What of a request lies behind its connection: the process at the other end, and the response.

use tracer_ebpf::wire::limits::SAVED_BASE;
use tracer_ebpf::wire::op::{IFACE, OP_ITAB};

use super::Error;
use super::block::op;
use super::candidate::TypeRef;
use super::request::{CLIENT, RESPONSE, RESPONSE_TYPE};
use super::schema::{ArgPlace, Leaf, Meaning, OpSchema, PlaceKind, TypeKindSchema, ValueSchema};
use super::values::{FunctionMaker, SiteBlocks};

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

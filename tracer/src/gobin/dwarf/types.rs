//! Type entries as types of the common model.

use gimli::{AttributeValue, DwAt};

use super::units::{OpenUnit, target, within};
use super::{Dwarf, Entry, GO_ELEM, GO_EMBEDDED, GO_KEY, GO_KIND, err, text};
use crate::addr::ImageAddr;
use crate::gobin::error::Error;
use crate::gobin::model::{Field, Type, TypeId, TypeKind};
use crate::gobin::symbol::unescape;

/// Typedefs followed.
const MOST_HOPS: usize = 16;
const MOST_MEMBERS: usize = 1 << 16;
/// Structs within structs followed for an alignment.
const MOST_NESTED: u32 = 64;
/// Entries read for one alignment: shared members would be read again and again.
const MOST_READ: u32 = 1 << 14;

/// A member of a struct; `ty` is the offset of its type's entry.
struct Member {
    name: String,
    offset: u64,
    embedded: bool,
    ty: usize,
}

impl Dwarf<'_> {
    /// Identity of the type at an offset of `.debug_info`: its runtime descriptor where it has one.
    pub fn type_id(&self, offset: usize) -> Result<TypeId, Error> {
        let (offset, entry, _) = self.resolve(offset)?;
        Ok(match self.index()?.descriptor(self, &entry) {
            Some(addr) => TypeId::of_descriptor(ImageAddr(addr)),
            None => TypeId::of_dwarf(offset as u64),
        })
    }

    /// Follows typedefs that are no types of their own.
    fn resolve(&self, offset: usize) -> Result<(usize, Entry<'_>, OpenUnit<'_>), Error> {
        let mut offset = offset;
        for _ in 0..MOST_HOPS {
            let (unit, entry) = self.entry(offset)?;
            if entry.tag() != gimli::DW_TAG_typedef || entry.has_attr(GO_KIND) {
                return Ok((offset, entry, unit));
            }
            offset = reference(&unit, &entry, gimli::DW_AT_type)?;
        }
        Err(err(offset, "typedefs without end"))
    }

    /// Offset of the entry of a type, given by either identity.
    pub fn offset_of(&self, id: TypeId) -> Result<Option<usize>, Error> {
        match id.descriptor() {
            Some(addr) => Ok(self.index()?.described(addr.0)),
            None => Ok(usize::try_from(id.dwarf().unwrap_or(0)).ok()),
        }
    }

    /// Types of that full name that DWARF knows.
    pub fn types_named(&self, name: &str) -> Result<Vec<TypeId>, Error> {
        let mut found = Vec::new();
        for offset in self.index()?.named(name) {
            let (_, entry) = self.entry(offset)?;
            if text(self, &entry, gimli::DW_AT_name) == Some(name) {
                found.push(self.type_id(offset)?);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Offsets of all type entries.
    pub fn type_offsets(&self) -> Result<Vec<usize>, Error> {
        Ok(self.index()?.types().collect())
    }

    /// The type at an offset as DWARF alone describes it; its parts by their shared identity.
    ///
    /// # Errors
    /// Damaged, or not wholly described: methods of interfaces and the insides of maps are in
    /// descriptors only.
    pub fn read_type(&self, offset: usize) -> Result<Type, Error> {
        let (offset, entry, unit) = self.resolve(offset)?;
        let name = text(self, &entry, gimli::DW_AT_name)
            .ok_or_else(|| err(offset, "a type without a name"))?;
        let kind = self.kind(&unit, &entry, offset, name)?;
        let size = match entry.attr_value(gimli::DW_AT_byte_size) {
            Some(size) => size
                .udata_value()
                .ok_or_else(|| err(offset, "size of a type"))?,
            None => match kind {
                TypeKind::Interface { .. } => 16,
                _ => 8,
            },
        };
        let align = self.align_of(offset, MOST_NESTED, &mut 0)?;
        Ok(Type {
            id: self.type_id(offset)?,
            name: unescape(name).into_owned(),
            size,
            align,
            named: is_named(name),
            direct_iface: false,
            kind,
        })
    }

    fn kind(
        &self,
        unit: &OpenUnit<'_>,
        entry: &Entry<'_>,
        offset: usize,
        name: &str,
    ) -> Result<TypeKind, Error> {
        let part = |at: DwAt| self.type_id(reference(unit, entry, at)?);
        let missing = |what: &str| Err(err(offset, format!("{name}: {what}")));
        Ok(match go_kind(entry) {
            Some(1) => TypeKind::Bool,
            Some(2..=6) => TypeKind::Int,
            Some(7..=12) => TypeKind::Uint,
            Some(13 | 14) => TypeKind::Float,
            Some(15 | 16) => TypeKind::Complex,
            Some(17) => TypeKind::Array {
                elem: part(gimli::DW_AT_type)?,
                len: self.array_len(unit, offset)?,
            },
            Some(18) => TypeKind::Chan {
                elem: part(GO_ELEM)?,
            },
            Some(19) => self.func(unit, offset)?,
            Some(20) => {
                // the only interface whose methods are known without a list is the one that has
                // none
                let (_, base, _) = self.resolve(reference(unit, entry, gimli::DW_AT_type)?)?;
                match text(self, &base, gimli::DW_AT_name) {
                    Some("runtime.eface") => TypeKind::Interface {
                        methods: Vec::new(),
                    },
                    _ => {
                        return missing("an interface without a descriptor: methods unknown");
                    }
                }
            }
            Some(21) => {
                self.type_id(reference(unit, entry, GO_KEY)?)?;
                return missing("a map without a descriptor: its insides are unknown");
            }
            Some(23) => TypeKind::Slice {
                elem: part(GO_ELEM)?,
            },
            Some(24) => TypeKind::String,
            Some(26) => TypeKind::UnsafePointer,
            Some(25) => TypeKind::Struct {
                fields: self.fields(unit, offset)?,
            },
            Some(22) | None | Some(0) => match entry.tag() {
                gimli::DW_TAG_pointer_type if entry.has_attr(gimli::DW_AT_type) => {
                    TypeKind::Pointer {
                        elem: part(gimli::DW_AT_type)?,
                    }
                }
                gimli::DW_TAG_pointer_type => TypeKind::UnsafePointer,
                // the runtime's own structs behind channels and maps
                gimli::DW_TAG_structure_type => TypeKind::Struct {
                    fields: self.fields(unit, offset)?,
                },
                _ => return missing("not a Go type"),
            },
            Some(other) => return missing(&format!("kind {other} (1 to 26 expected)")),
        })
    }

    /// Alignment in bytes, by Go's rules for 64-bit architectures.
    fn align_of(&self, offset: usize, depth: u32, read: &mut u32) -> Result<u8, Error> {
        *read += 1;
        let Some(depth) = depth.checked_sub(1).filter(|_| *read <= MOST_READ) else {
            return Err(err(offset, "types nest without end"));
        };
        let (offset, entry, unit) = self.resolve(offset)?;
        let size = entry
            .attr_value(gimli::DW_AT_byte_size)
            .and_then(|v| v.udata_value());
        Ok(match go_kind(&entry) {
            Some(1..=16) => match (go_kind(&entry), size) {
                (Some(15 | 16), Some(8)) => 4,
                (_, Some(size @ (1 | 2 | 4))) => size as u8,
                _ => 8,
            },
            Some(17) => self.align_of(reference(&unit, &entry, gimli::DW_AT_type)?, depth, read)?,
            Some(25) => {
                // `cmd/compile/internal/types/size.go: CalcStructSize`: aligned by its name alone
                let name = text(self, &entry, gimli::DW_AT_name);
                let mut most = match name {
                    Some("sync/atomic.align64" | "runtime/internal/atomic.align64")
                    | Some("internal/runtime/atomic.align64") => 8,
                    _ => 1,
                };
                for member in self.members(&unit, offset)? {
                    most = most.max(self.align_of(member.ty, depth, read)?);
                }
                most
            }
            _ => 8,
        })
    }

    fn fields(&self, unit: &OpenUnit<'_>, offset: usize) -> Result<Vec<Field>, Error> {
        self.members(unit, offset)?
            .into_iter()
            .map(|member| {
                Ok(Field {
                    name: member.name,
                    offset: member.offset,
                    ty: self.type_id(member.ty)?,
                    embedded: member.embedded,
                })
            })
            .collect()
    }

    fn members<'a>(&'a self, unit: &OpenUnit<'a>, offset: usize) -> Result<Vec<Member>, Error> {
        self.children(unit, offset, |entry| {
            if entry.tag() != gimli::DW_TAG_member {
                return Ok(None);
            }
            let at = match entry.attr_value(gimli::DW_AT_data_member_location) {
                Some(AttributeValue::Exprloc(expression)) => {
                    // DW_OP_plus_uconst N, as Go wrote it up to 1.12
                    match expression.operations(unit.encoding()).next() {
                        Ok(Some(gimli::Operation::PlusConstant { value })) => Some(value),
                        _ => None,
                    }
                }
                Some(value) => value.udata_value(),
                None => None,
            }
            .ok_or_else(|| err(offset, "a member without an offset"))?;
            let embedded = entry.attr_value(GO_EMBEDDED).is_some_and(|v| {
                matches!(v, AttributeValue::Flag(true)) || v.udata_value() == Some(1)
            });
            let name = text(self, entry, gimli::DW_AT_name)
                .ok_or_else(|| err(offset, "a member without a name"))?;
            Ok(Some(Member {
                name: name.to_owned(),
                offset: at,
                embedded,
                ty: reference(unit, entry, gimli::DW_AT_type)?,
            }))
        })
    }

    fn array_len(&self, unit: &OpenUnit<'_>, offset: usize) -> Result<u64, Error> {
        let counts = self.children(unit, offset, |entry| {
            Ok(entry
                .attr_value(gimli::DW_AT_count)
                .and_then(|v| v.udata_value()))
        })?;
        match counts.as_slice() {
            [count] => Ok(*count),
            _ => Err(err(offset, "an array without a length")),
        }
    }

    /// Parameters and results. Up to Go 1.1x results were written like parameters, as pointers:
    /// then neither is known.
    fn func(&self, unit: &OpenUnit<'_>, offset: usize) -> Result<TypeKind, Error> {
        let mut variadic = false;
        let parts = self.children(unit, offset, |entry| {
            variadic |= entry.tag() == gimli::DW_TAG_unspecified_parameters;
            if entry.tag() != gimli::DW_TAG_formal_parameter {
                return Ok(None);
            }
            let result = match entry.attr_value(gimli::DW_AT_variable_parameter) {
                Some(AttributeValue::Flag(set)) => Some(set),
                _ => None,
            };
            Ok(Some((result, reference(unit, entry, gimli::DW_AT_type)?)))
        })?;
        let (mut params, mut results) = (Vec::new(), Vec::new());
        for (result, ty) in parts {
            match result {
                Some(true) => results.push(self.type_id(ty)?),
                _ => params.push(self.type_id(ty)?),
            }
        }
        Ok(TypeKind::Func {
            params,
            results,
            variadic,
        })
    }

    /// What `read` makes of the entries directly below one.
    fn children<'a, T>(
        &'a self,
        unit: &OpenUnit<'a>,
        offset: usize,
        mut read: impl FnMut(&Entry<'a>) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let damaged = |e: gimli::Error| err(offset, format!("type: {e}"));
        let mut entries = unit
            .entries_at_offset(within(unit, offset)?)
            .map_err(damaged)?;
        let mut found = Vec::new();
        entries.next_dfs().map_err(damaged)?;
        while let Some(entry) = entries.next_dfs().map_err(damaged)? {
            if entry.depth() <= 0 {
                break;
            }
            if entry.depth() == 1 {
                found.extend(read(entry)?);
            }
            if found.len() > MOST_MEMBERS {
                return Err(err(offset, "too many members"));
            }
        }
        Ok(found)
    }
}

fn go_kind(entry: &Entry<'_>) -> Option<u64> {
    entry.attr_value(GO_KIND)?.udata_value()
}

fn reference(unit: &OpenUnit<'_>, entry: &Entry<'_>, name: DwAt) -> Result<usize, Error> {
    entry
        .attr_value(name)
        .and_then(|v| target(unit, v))
        .ok_or_else(|| err(entry.offset().0, format!("no {name}")))
}

/// Whether a name is that of a defined type, not a type literal.
fn is_named(name: &str) -> bool {
    let literal = [
        "*",
        "[",
        "(",
        "<-",
        "map[",
        "chan ",
        "func(",
        "struct {",
        "interface {",
        "noalg.",
    ];
    !literal.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn names() {
        assert!(is_named("time.Duration") && is_named("int") && !is_named("*time.Duration"));
    }
}

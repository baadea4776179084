//! Runtime type descriptors (`internal/abi/type.go`, ≤ 1.20 `runtime/type.go`).

use super::descriptor::{
    ALIGN, ARRAY_LEN, ARRAY_SIZE, CHAN_SIZE, ELEM, FIELD_NAME, FIELD_OFFSET, FIELD_SIZE,
    FIELD_TYPE, FUNC_COUNTS, FUNC_SIZE, FUNC_VARIADIC, GROUP_CELLS, HASH, HMAP_INDIRECT,
    IMETHOD_SIZE, INTERFACE_SIZE, ITAB_HASH, ITAB_INTERFACE, ITAB_SIZE, ITAB_TYPE, KIND,
    KIND_DIRECT, KIND_MASK, Kind, MAP_ELEM, MAP_GROUP, MEMBER_COUNT, MEMBERS, METHOD_CODE,
    METHOD_NAME, METHOD_SIZE, METHOD_TYPE, NAME_EMBEDDED, POINTER_SIZE, SIZE, SLICE_SIZE, STR,
    STRUCT_SIZE, SWISS_INDIRECT, TFLAG, TFLAG_DIRECT, TFLAG_EXTRA_STAR, TFLAG_NAMED,
    TFLAG_UNCOMMON, TYPE_SIZE, UNCOMMON_METHODS, UNCOMMON_PACKAGE, UNCOMMON_SIZE, UNCOMMON_TABLE,
    WORD,
};
use super::elf::Elf;
use super::error::Error;
use super::layout::{
    direct_iface_in_tflag, field_offset_is_plain, map_flags_offset, map_type_size,
    name_len_is_varint,
};
use super::model::{Field, MapGeometry, MapImpl, Method, Type, TypeId, TypeKind};
use super::module::{ItabPlace, ModuleData};
use super::reader::{Reader, i32_at, u16_at, u32_at, u64_at};
use crate::addr::ImageAddr;

/// Bounds on counts; far above anything a compiler emits.
pub(super) const MOST_MEMBERS: u64 = 1 << 16;
const MOST_NAME: u64 = 1 << 20;
/// How many of the listed types and itabs are looked at before a module is believed.
const SAMPLES: u64 = 16;

/// The type region of a module.
#[derive(Debug)]
pub struct Types<'a, 'data> {
    pub elf: &'a Elf<'data>,
    pub module: &'a ModuleData,
    pub minor: u32,
}

/// What every kind has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    size: u64,
    tflag: u8,
    align: u8,
    pub(super) kind: Kind,
    direct: bool,
    str_off: i32,
}

/// A name with its flag byte.
struct Name<'data> {
    flags: u8,
    text: &'data str,
}

impl<'data> Types<'_, 'data> {
    fn err(&self, addr: u64, what: impl Into<String>) -> Error {
        Error::At {
            region: "type descriptor",
            addr,
            what: what.into(),
        }
    }

    pub(super) fn word(&self, addr: u64, at: u64) -> Option<u64> {
        self.elf.word(ImageAddr(addr.checked_add(at)?))
    }

    pub(super) fn header(&self, id: TypeId) -> Result<Header, Error> {
        let bytes = self
            .elf
            .bytes_at(ImageAddr(id.0), TYPE_SIZE)
            .ok_or_else(|| self.err(id.0, "outside the file's segments"))?;
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let (tflag, kind) = (byte(TFLAG), byte(KIND));
        let direct = if direct_iface_in_tflag(self.minor) {
            tflag & TFLAG_DIRECT != 0
        } else {
            kind & KIND_DIRECT != 0
        };
        let number = kind & KIND_MASK;
        let kind = Kind::of(number).ok_or_else(|| {
            self.err(
                id.0,
                format!("kind {number} (1 to {} expected)", Kind::COUNT),
            )
        })?;
        let header = Header {
            size: u64_at(bytes, SIZE).unwrap_or(0),
            tflag,
            align: byte(ALIGN),
            kind,
            direct,
            str_off: i32_at(bytes, STR).unwrap_or(0),
        };
        if !header.align.is_power_of_two() || header.align > 64 {
            return Err(self.err(id.0, format!("alignment {}", header.align)));
        }
        Ok(header)
    }

    fn name(&self, addr: u64) -> Option<Name<'data>> {
        let bytes = self.elf.bytes_from(ImageAddr(addr))?;
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        let len = if name_len_is_varint(self.minor) {
            reader.uvarint()?
        } else {
            u64::from(reader.u8()?) << 8 | u64::from(reader.u8()?)
        };
        if len > MOST_NAME {
            return None;
        }
        Some(Name {
            flags,
            text: std::str::from_utf8(reader.take(usize::try_from(len).ok()?)?).ok()?,
        })
    }

    fn name_off(&self, offset: i32) -> Option<Name<'data>> {
        let offset = u64::try_from(offset).ok().filter(|o| *o != 0)?;
        let addr = self.module.types.checked_add(offset)?;
        (addr < self.module.etypes).then(|| self.name(addr))?
    }

    pub(super) fn type_off(&self, offset: i32) -> Option<TypeId> {
        let offset = u64::try_from(offset).ok().filter(|o| *o != 0)?;
        let addr = self.module.types.checked_add(offset)?;
        (addr < self.module.etypes).then_some(TypeId(addr))
    }

    /// Size of the descriptor's own part, without uncommon part and arrays.
    fn base_size(&self, id: TypeId, kind: Kind) -> Option<u64> {
        Some(match kind {
            Kind::Array => ARRAY_SIZE,
            Kind::Chan => CHAN_SIZE,
            Kind::Func => FUNC_SIZE,
            Kind::Interface => INTERFACE_SIZE,
            Kind::Struct => STRUCT_SIZE,
            Kind::Map => map_type_size(self.minor, self.is_swiss(id)?) as u64,
            Kind::Pointer => POINTER_SIZE,
            Kind::Slice => SLICE_SIZE,
            _ => TYPE_SIZE as u64,
        })
    }

    fn is_swiss(&self, id: TypeId) -> Option<bool> {
        let group = TypeId(self.word(id.0, MAP_GROUP)?);
        let (fields, count) = self.struct_fields(group)?;
        if count == 0 {
            return None;
        }
        Some(self.name(self.word(fields, FIELD_NAME)?)?.text == "ctrl")
    }

    pub(super) fn struct_fields(&self, id: TypeId) -> Option<(u64, u64)> {
        (self.header(id).ok()?.kind == Kind::Struct).then_some(())?;
        self.members(id)
    }

    /// Methods of an interface or fields of a struct: where they lie, and how many.
    pub(super) fn members(&self, id: TypeId) -> Option<(u64, u64)> {
        let count = self.word(id.0, MEMBER_COUNT)?;
        (count <= MOST_MEMBERS).then_some((self.word(id.0, MEMBERS)?, count))
    }

    fn uncommon(&self, id: TypeId, header: &Header) -> Option<u64> {
        (header.tflag & TFLAG_UNCOMMON != 0).then_some(())?;
        id.0.checked_add(self.base_size(id, header.kind)?)
    }

    /// Raw `Str`, without the extra star.
    pub fn short_name(&self, id: TypeId) -> Option<&'data str> {
        let header = self.header(id).ok()?;
        let text = self.name_off(header.str_off)?.text;
        Some(if header.tflag & TFLAG_EXTRA_STAR != 0 {
            text.strip_prefix('*').unwrap_or(text)
        } else {
            text
        })
    }

    fn full_name(&self, id: TypeId, header: &Header) -> Option<String> {
        let short = self.short_name(id)?;
        if header.tflag & TFLAG_NAMED == 0 {
            return Some(short.to_owned());
        }
        let package = self.uncommon(id, header).and_then(|u| {
            let bytes = self.elf.bytes_at(ImageAddr(u), UNCOMMON_SIZE as usize)?;
            self.name_off(i32_at(bytes, UNCOMMON_PACKAGE)?)
        });
        match package {
            // shapes of generic code: what follows is a type literal with dots of its own
            Some(package) if package.text == "go.shape" => Some(short.to_owned()),
            Some(package) if !package.text.is_empty() => {
                Some(format!("{}.{}", package.text, after_package(short)))
            }
            _ => Some(short.to_owned()),
        }
    }

    /// Full name; `None`: no descriptor, or damaged.
    pub fn name_of(&self, id: TypeId) -> Option<String> {
        self.full_name(id, &self.header(id).ok()?)
    }

    /// Reads one descriptor.
    pub fn read(&self, id: TypeId) -> Result<Type, Error> {
        let header = self.header(id)?;
        let name = self
            .full_name(id, &header)
            .ok_or_else(|| self.err(id.0, "its name cannot be read"))?;
        let kind = self
            .kind(id, &header)
            .ok_or_else(|| self.err(id.0, format!("{name}: damaged ({:?})", header.kind)))?;
        Ok(Type {
            id,
            name,
            size: header.size,
            align: header.align,
            named: header.tflag & TFLAG_NAMED != 0,
            direct_iface: header.direct,
            kind,
        })
    }

    fn kind(&self, id: TypeId, header: &Header) -> Option<TypeKind> {
        let pointer = |at: u64| {
            self.word(id.0, at)
                .map(TypeId)
                .filter(|t| self.header(*t).is_ok())
        };
        Some(match header.kind {
            Kind::Bool => TypeKind::Bool,
            Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => TypeKind::Int,
            Kind::Uint
            | Kind::Uint8
            | Kind::Uint16
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Uintptr => TypeKind::Uint,
            Kind::Float32 | Kind::Float64 => TypeKind::Float,
            Kind::Complex64 | Kind::Complex128 => TypeKind::Complex,
            Kind::Array => TypeKind::Array {
                elem: pointer(ELEM)?,
                len: self.word(id.0, ARRAY_LEN)?,
            },
            Kind::Chan => TypeKind::Chan {
                elem: pointer(ELEM)?,
            },
            Kind::Func => self.func(id, header)?,
            Kind::Interface => TypeKind::Interface {
                methods: self.interface_methods(id)?,
            },
            Kind::Map => TypeKind::Map {
                key: pointer(ELEM)?,
                elem: pointer(MAP_ELEM)?,
                geometry: self.map_geometry(id)?,
            },
            Kind::Pointer => TypeKind::Pointer {
                elem: pointer(ELEM)?,
            },
            Kind::Slice => TypeKind::Slice {
                elem: pointer(ELEM)?,
            },
            Kind::String => TypeKind::String,
            Kind::Struct => TypeKind::Struct {
                fields: self.fields(id)?,
            },
            Kind::UnsafePointer => TypeKind::UnsafePointer,
        })
    }

    /// Of a function type: where its parameters begin in the descriptor, how many there are, and
    /// results (bit 15: variadic).
    pub(super) fn func_parts(&self, id: TypeId, header: &Header) -> Option<(u64, u64, u64)> {
        let counts = self
            .elf
            .bytes_at(ImageAddr(id.0.checked_add(FUNC_COUNTS)?), 4)?;
        let uncommon = if header.tflag & TFLAG_UNCOMMON != 0 {
            UNCOMMON_SIZE
        } else {
            0
        };
        let (inputs, outputs) = (u16_at(counts, 0)?, u16_at(counts, 2)?);
        Some((FUNC_SIZE + uncommon, u64::from(inputs), u64::from(outputs)))
    }

    fn func(&self, id: TypeId, header: &Header) -> Option<TypeKind> {
        let (start, inputs, outputs) = self.func_parts(id, header)?;
        let list = |from: u64, n: u64| -> Option<Vec<TypeId>> {
            (0..n)
                .map(|i| self.word(id.0, start + WORD * (from + i)).map(TypeId))
                .collect()
        };
        Some(TypeKind::Func {
            params: list(0, inputs)?,
            results: list(inputs, outputs & !FUNC_VARIADIC)?,
            variadic: outputs & FUNC_VARIADIC != 0,
        })
    }

    fn interface_methods(&self, id: TypeId) -> Option<Vec<Method>> {
        let (at, count) = self.members(id)?;
        (0..count)
            .map(|i| {
                let addr = ImageAddr(at.checked_add(IMETHOD_SIZE * i)?);
                let bytes = self.elf.bytes_at(addr, IMETHOD_SIZE as usize)?;
                let name = self.name_off(i32_at(bytes, METHOD_NAME)?)?.text.to_owned();
                Some(Method {
                    name,
                    ty: self.type_off(i32_at(bytes, METHOD_TYPE)?),
                    entry: None,
                })
            })
            .collect()
    }

    fn fields(&self, id: TypeId) -> Option<Vec<Field>> {
        let (at, count) = self.struct_fields(id)?;
        (0..count)
            .map(|i| {
                let field = at.checked_add(FIELD_SIZE * i)?;
                let name = self.name(self.word(field, FIELD_NAME)?)?;
                let raw = self.word(field, FIELD_OFFSET)?;
                let (offset, embedded) = if field_offset_is_plain(self.minor) {
                    (raw, name.flags & NAME_EMBEDDED != 0)
                } else {
                    (raw >> 1, raw & 1 != 0)
                };
                Some(Field {
                    name: name.text.to_owned(),
                    offset,
                    ty: TypeId(self.word(field, FIELD_TYPE)?),
                    embedded,
                })
            })
            .collect()
    }

    fn map_geometry(&self, id: TypeId) -> Option<MapGeometry> {
        let (key, elem, bucket) = (
            TypeId(self.word(id.0, ELEM)?),
            TypeId(self.word(id.0, MAP_ELEM)?),
            TypeId(self.word(id.0, MAP_GROUP)?),
        );
        let fields = self.fields(bucket)?;
        let size = u32::try_from(self.header(bucket).ok()?.size).ok()?;
        let field = |name: &str| fields.iter().find(|f| f.name == name);
        let array = |f: &Field| match self.read_array(f.ty)? {
            (elem, GROUP_CELLS) => Some((u32::try_from(f.offset).ok()?, elem)),
            _ => None,
        };
        let stride = |t: TypeId| u32::try_from(self.header(t).ok()?.size).ok();
        let flags = self.elf.bytes_at(
            ImageAddr(
                id.0.checked_add(map_flags_offset(self.minor, field("ctrl").is_some()) as u64)?,
            ),
            4,
        )?;
        let flags = u32_at(flags, 0)?;
        let swiss = field("ctrl").is_some();
        let (keys_off, key_slot, elems_off, elem_slot, strides) =
            if let Some(slots) = field("slots") {
                let (offset, slot) = array(slots)?;
                let members = self.fields(slot)?;
                let (k, e) = (
                    members.iter().find(|f| f.name == "key")?,
                    members.iter().find(|f| f.name == "elem")?,
                );
                let slot_size = stride(slot)?;
                let at = |f: &Field| offset.checked_add(u32::try_from(f.offset).ok()?);
                (at(k)?, k.ty, at(e)?, e.ty, Some(slot_size))
            } else {
                let (k_off, k) = array(field("keys")?)?;
                let (e_off, e) = array(field("elems")?)?;
                (k_off, k, e_off, e, None)
            };
        let (indirect_key, indirect_elem) = (key_slot != key, elem_slot != elem);
        // the flags say the same in another way; where they disagree the geometry is not understood
        let said = if swiss { SWISS_INDIRECT } else { HMAP_INDIRECT };
        if said.map(|flag| flags & flag != 0) != [indirect_key, indirect_elem] {
            return None;
        }
        Some(MapGeometry {
            imp: if swiss { MapImpl::Swiss } else { MapImpl::Hmap },
            bucket_size: size,
            keys_off,
            key_stride: strides.map_or_else(|| stride(key_slot), Some)?,
            elems_off,
            elem_stride: strides.map_or_else(|| stride(elem_slot), Some)?,
            overflow_off: field("overflow").map_or(Some(0), |f| u32::try_from(f.offset).ok())?,
            indirect_key,
            indirect_elem,
        })
    }

    fn read_array(&self, id: TypeId) -> Option<(TypeId, u64)> {
        (self.header(id).ok()?.kind == Kind::Array).then_some(())?;
        Some((TypeId(self.word(id.0, ELEM)?), self.word(id.0, ARRAY_LEN)?))
    }

    /// Address and length of the method table of a concrete type that has one.
    pub(super) fn method_table(&self, id: TypeId, header: &Header) -> Option<(u64, u64)> {
        let uncommon = self.uncommon(id, header)?;
        let bytes = self
            .elf
            .bytes_at(ImageAddr(uncommon), UNCOMMON_SIZE as usize)?;
        let start = uncommon.checked_add(u64::from(u32_at(bytes, UNCOMMON_TABLE)?))?;
        Some((start, u64::from(u16_at(bytes, UNCOMMON_METHODS)?)))
    }

    /// Method table of a concrete type.
    pub fn methods(&self, id: TypeId) -> Result<Vec<Method>, Error> {
        let header = self.header(id)?;
        if self.uncommon(id, &header).is_none() {
            return Ok(Vec::new());
        }
        let damaged = || self.err(id.0, "its method table is damaged");
        let (start, count) = self.method_table(id, &header).ok_or_else(damaged)?;
        (0..count)
            .map(|i| {
                let addr = ImageAddr(start.checked_add(METHOD_SIZE * i)?);
                let bytes = self.elf.bytes_at(addr, METHOD_SIZE as usize)?;
                let entry = i32_at(bytes, METHOD_CODE)
                    .filter(|o| *o > 0)
                    .and_then(|o| self.module.text_addr(u64::try_from(o).ok()?));
                Some(Method {
                    name: self.name_off(i32_at(bytes, METHOD_NAME)?)?.text.to_owned(),
                    ty: self.type_off(i32_at(bytes, METHOD_TYPE)?),
                    entry: entry.map(ImageAddr),
                })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(damaged)
    }

    /// Types that the program lists: typelinks, or the walk over the front of the region (1.27).
    pub fn roots(&self) -> Vec<TypeId> {
        if let Some((at, len)) = self.module.typelinks {
            let bytes = usize::try_from(len.saturating_mul(4))
                .ok()
                .and_then(|n| self.elf.bytes_at(ImageAddr(at), n))
                .unwrap_or_default();
            return bytes
                .chunks_exact(4)
                .filter_map(|b| self.type_off(i32_at(b, 0)?))
                .collect();
        }
        let mut found = Vec::new();
        if let Some(len) = self.module.typedesclen {
            let _ = self.walk_listed(len, &mut found);
        }
        found
    }

    /// The descriptors at the front of the region (1.27), one behind the other.
    ///
    /// # Errors
    /// They do not end where they should.
    fn walk_listed(&self, len: u64, found: &mut Vec<TypeId>) -> Result<(), String> {
        let end = self.module.types.saturating_add(len);
        let mut at = self.module.types.saturating_add(WORD);
        while at < end {
            at = (at.saturating_add(7)) & !7;
            let size = self
                .extent(TypeId(at))
                .ok_or_else(|| format!("no type descriptor at 0x{at:x}, where one is listed"))?;
            found.push(TypeId(at));
            at = at.saturating_add(size);
        }
        if at == end {
            return Ok(());
        }
        Err(format!(
            "the listed type descriptors end at 0x{at:x} (0x{end:x} expected)"
        ))
    }

    /// Whether what the module lists are descriptors and itabs: all of them where they lie in a row
    /// (1.27), so that one wrong size would show; else some.
    pub fn check_listed(&self) -> Result<(), String> {
        if let Some(len) = self.module.typedesclen {
            self.walk_listed(len, &mut Vec::new())?;
        }
        if let Some((at, len)) = self.module.typelinks {
            for i in (0..SAMPLES).map(|i| i * len / SAMPLES) {
                let id = at
                    .checked_add(4 * i)
                    .and_then(|a| i32_at(self.elf.bytes_at(ImageAddr(a), 4)?, 0))
                    .and_then(|offset| self.type_off(offset));
                let read = id.map(|id| self.read(id));
                if !matches!(read, Some(Ok(_))) {
                    let why = read.and_then(Result::err).map(|e| e.to_string());
                    let why = why.unwrap_or_else(|| "outside the type region".to_owned());
                    return Err(format!("typelink {i} leads to no type descriptor: {why}"));
                }
            }
        }
        if let Some(place) = self.module.itabs {
            self.walk_itabs(place, &mut Vec::new())?;
        }
        if let Some((at, len)) = self.module.itablinks {
            for i in (0..SAMPLES.min(len)).map(|i| i * len / SAMPLES.min(len)) {
                let fits = self
                    .word(at, WORD * i)
                    .is_some_and(|itab| self.itab_at(itab).is_some());
                if !fits {
                    return Err(format!("itablink {i} leads to no itab"));
                }
            }
        }
        Ok(())
    }

    /// (interface, concrete type) of an itab, as its words say.
    fn itab_types(&self, itab: u64) -> Option<(TypeId, TypeId)> {
        Some((
            TypeId(self.word(itab, ITAB_INTERFACE)?),
            TypeId(self.word(itab, ITAB_TYPE)?),
        ))
    }

    /// (interface, concrete type) of an itab, if it has descriptors of such kinds and the concrete
    /// type's hash.
    fn itab_at(&self, itab: u64) -> Option<(TypeId, TypeId)> {
        let (interface, concrete) = self.itab_types(itab)?;
        let kinds =
            self.header(interface).ok()?.kind == Kind::Interface && self.header(concrete).is_ok();
        let hash =
            |addr: u64, at: u64| u32_at(self.elf.bytes_at(ImageAddr(addr.checked_add(at)?), 4)?, 0);
        (kinds && hash(itab, ITAB_HASH)? == hash(concrete.0, HASH)?)
            .then_some((interface, concrete))
    }

    /// Bytes of a descriptor with everything that belongs to it.
    fn extent(&self, id: TypeId) -> Option<u64> {
        let header = self.header(id).ok()?;
        let mut size = self.base_size(id, header.kind)?;
        if let Some(uncommon) = self.uncommon(id, &header) {
            let bytes = self
                .elf
                .bytes_at(ImageAddr(uncommon), UNCOMMON_SIZE as usize)?;
            size += UNCOMMON_SIZE + METHOD_SIZE * u64::from(u16_at(bytes, UNCOMMON_METHODS)?);
        }
        size += match header.kind {
            Kind::Func => {
                let (_, inputs, outputs) = self.func_parts(id, &header)?;
                WORD * (inputs + (outputs & !FUNC_VARIADIC))
            }
            Kind::Interface => IMETHOD_SIZE * self.members(id)?.1,
            Kind::Struct => FIELD_SIZE * self.members(id)?.1,
            _ => 0,
        };
        Some(size)
    }

    /// (interface, concrete) of every itab in the file.
    pub fn itabs(&self) -> Vec<(TypeId, TypeId)> {
        if let Some((at, len)) = self.module.itablinks {
            return (0..len.min(1 << 20))
                .filter_map(|i| self.itab_types(self.word(at, WORD * i)?))
                .collect();
        }
        let mut found = Vec::new();
        if let Some(place) = self.module.itabs {
            let _ = self.walk_itabs(place, &mut found);
        }
        found
    }

    /// The itabs in the type region (1.27), one behind the other.
    ///
    /// # Errors
    /// They do not end where they should.
    fn walk_itabs(
        &self,
        place: ItabPlace,
        found: &mut Vec<(TypeId, TypeId)>,
    ) -> Result<(), String> {
        let mut at = self.module.types.saturating_add(place.offset);
        let end = at.saturating_add(place.size);
        while at < end {
            let here = self
                .itab_at(at)
                .and_then(|pair| Some((pair, self.members(pair.0)?.1)));
            let Some((pair, methods)) = here else {
                return Err(format!("no itab at 0x{at:x}, where one is listed"));
            };
            found.push(pair);
            at = at.saturating_add(ITAB_SIZE + WORD * methods.max(1));
        }
        if at == end {
            return Ok(());
        }
        Err(format!("the itabs end at 0x{at:x} (0x{end:x} expected)"))
    }
}

/// `Str` of a named type without its package: what follows the last dot outside brackets.
fn after_package(text: &str) -> &str {
    let mut depth = 0u32;
    let mut start = 0;
    for (i, c) in text.char_indices() {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => start = i + 1,
            _ => {}
        }
    }
    text.get(start..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::after_package;

    #[test]
    fn package_name_is_cut_outside_brackets() {
        assert_eq!(after_package("types.Container"), "Container");
        assert_eq!(
            after_package("singleflight.Group[string,*x.T]"),
            "Group[string,*x.T]"
        );
        assert_eq!(after_package("error"), "error");
    }
}

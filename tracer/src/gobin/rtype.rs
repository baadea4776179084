//! Runtime type descriptors (`internal/abi/type.go`, ≤ 1.20 `runtime/type.go`).

use super::elf::Elf;
use super::error::Error;
use super::layout::{
    direct_iface_in_tflag, field_offset_is_plain, map_flags_offset, map_type_size,
    name_len_is_varint,
};
use super::model::{Field, MapGeometry, MapImpl, Method, Type, TypeId, TypeKind};
use super::moduledata::{ItabPlace, ModuleData};
use super::reader::{Reader, i32_at, u16_at, u32_at, u64_at};
use crate::addr::ImageAddr;

/// Common part of a descriptor.
const COMMON: u64 = 48;
const TFLAG_UNCOMMON: u8 = 1;
const TFLAG_EXTRA_STAR: u8 = 2;
const TFLAG_NAMED: u8 = 4;
const TFLAG_DIRECT: u8 = 32;
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
    pub(super) kind: u8,
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
            .bytes_at(ImageAddr(id.0), COMMON as usize)
            .ok_or_else(|| self.err(id.0, "outside the file's segments"))?;
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let (tflag, kind) = (byte(20), byte(23));
        let direct = if direct_iface_in_tflag(self.minor) {
            tflag & TFLAG_DIRECT != 0
        } else {
            kind & 32 != 0
        };
        let header = Header {
            size: u64_at(bytes, 0).unwrap_or(0),
            tflag,
            align: byte(21),
            kind: kind & 31,
            direct,
            str_off: i32_at(bytes, 40).unwrap_or(0),
        };
        if !(1..=26).contains(&header.kind) {
            return Err(self.err(id.0, format!("kind {} (1 to 26 expected)", header.kind)));
        }
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
    fn base_size(&self, id: TypeId, kind: u8) -> Option<u64> {
        Some(match kind {
            17 => 72,
            18 => 64,
            19 => 56,
            20 | 25 => 80,
            21 => map_type_size(self.minor, self.is_swiss(id)?) as u64,
            22 | 23 => 56,
            _ => COMMON,
        })
    }

    fn is_swiss(&self, id: TypeId) -> Option<bool> {
        let bucket = TypeId(self.word(id.0, 64)?);
        let (fields, count) = self.struct_fields(bucket)?;
        if count == 0 {
            return None;
        }
        Some(self.name(self.word(fields, 0)?)?.text == "ctrl")
    }

    pub(super) fn struct_fields(&self, id: TypeId) -> Option<(u64, u64)> {
        (self.header(id).ok()?.kind == 25).then_some(())?;
        Some((
            self.word(id.0, 56)?,
            self.word(id.0, 64).filter(|n| *n <= MOST_MEMBERS)?,
        ))
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
            let bytes = self.elf.bytes_at(ImageAddr(u), 4)?;
            self.name_off(i32_at(bytes, 0)?)
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
            .ok_or_else(|| self.err(id.0, format!("{name}: damaged (kind {})", header.kind)))?;
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
            1 => TypeKind::Bool,
            2..=6 => TypeKind::Int,
            7..=12 => TypeKind::Uint,
            13 | 14 => TypeKind::Float,
            15 | 16 => TypeKind::Complex,
            17 => TypeKind::Array {
                elem: pointer(48)?,
                len: self.word(id.0, 64)?,
            },
            18 => TypeKind::Chan { elem: pointer(48)? },
            19 => self.func(id, header)?,
            20 => TypeKind::Interface {
                methods: self.interface_methods(id)?,
            },
            21 => TypeKind::Map {
                key: pointer(48)?,
                elem: pointer(56)?,
                geometry: self.map_geometry(id)?,
            },
            22 => TypeKind::Pointer { elem: pointer(48)? },
            23 => TypeKind::Slice { elem: pointer(48)? },
            24 => TypeKind::String,
            25 => TypeKind::Struct {
                fields: self.fields(id)?,
            },
            26 => TypeKind::UnsafePointer,
            _ => return None,
        })
    }

    /// Of a function type: where its parameters begin in the descriptor, how many there are, and results (bit 15: variadic).
    pub(super) fn func_parts(&self, id: TypeId, header: &Header) -> Option<(u64, u64, u64)> {
        let counts = self.elf.bytes_at(ImageAddr(id.0.checked_add(48)?), 4)?;
        let uncommon = if header.tflag & TFLAG_UNCOMMON != 0 {
            16
        } else {
            0
        };
        let (inputs, outputs) = (u16_at(counts, 0)?, u16_at(counts, 2)?);
        Some((56 + uncommon, u64::from(inputs), u64::from(outputs)))
    }

    fn func(&self, id: TypeId, header: &Header) -> Option<TypeKind> {
        let (start, inputs, outputs) = self.func_parts(id, header)?;
        let list = |from: u64, n: u64| -> Option<Vec<TypeId>> {
            (0..n)
                .map(|i| self.word(id.0, start + 8 * (from + i)).map(TypeId))
                .collect()
        };
        Some(TypeKind::Func {
            params: list(0, inputs)?,
            results: list(inputs, outputs & 0x7fff)?,
            variadic: outputs & 0x8000 != 0,
        })
    }

    fn interface_methods(&self, id: TypeId) -> Option<Vec<Method>> {
        let (at, count) = (
            self.word(id.0, 56)?,
            self.word(id.0, 64).filter(|n| *n <= MOST_MEMBERS)?,
        );
        (0..count)
            .map(|i| {
                let bytes = self.elf.bytes_at(ImageAddr(at.checked_add(8 * i)?), 8)?;
                let name = self.name_off(i32_at(bytes, 0)?)?.text.to_owned();
                Some(Method {
                    name,
                    ty: self.type_off(i32_at(bytes, 4)?),
                    entry: None,
                })
            })
            .collect()
    }

    fn fields(&self, id: TypeId) -> Option<Vec<Field>> {
        let (at, count) = self.struct_fields(id)?;
        (0..count)
            .map(|i| {
                let field = at.checked_add(24 * i)?;
                let name = self.name(self.word(field, 0)?)?;
                let raw = self.word(field, 16)?;
                let (offset, embedded) = if field_offset_is_plain(self.minor) {
                    (raw, name.flags & 8 != 0)
                } else {
                    (raw >> 1, raw & 1 != 0)
                };
                Some(Field {
                    name: name.text.to_owned(),
                    offset,
                    ty: TypeId(self.word(field, 8)?),
                    embedded,
                })
            })
            .collect()
    }

    fn map_geometry(&self, id: TypeId) -> Option<MapGeometry> {
        let (key, elem, bucket) = (
            TypeId(self.word(id.0, 48)?),
            TypeId(self.word(id.0, 56)?),
            TypeId(self.word(id.0, 64)?),
        );
        let fields = self.fields(bucket)?;
        let size = u32::try_from(self.header(bucket).ok()?.size).ok()?;
        let field = |name: &str| fields.iter().find(|f| f.name == name);
        let array = |f: &Field| match self.read_array(f.ty)? {
            (elem, 8) => Some((u32::try_from(f.offset).ok()?, elem)),
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
        let said = if swiss {
            (flags & 4 != 0, flags & 8 != 0)
        } else {
            (flags & 1 != 0, flags & 2 != 0)
        };
        if said != (indirect_key, indirect_elem) {
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
        (self.header(id).ok()?.kind == 17).then_some(())?;
        Some((TypeId(self.word(id.0, 48)?), self.word(id.0, 64)?))
    }

    /// Address and length of the method table of a concrete type that has one.
    pub(super) fn method_table(&self, id: TypeId, header: &Header) -> Option<(u64, u64)> {
        let uncommon = self.uncommon(id, header)?;
        let bytes = self.elf.bytes_at(ImageAddr(uncommon), 16)?;
        let start = uncommon.checked_add(u64::from(u32_at(bytes, 8)?))?;
        Some((start, u64::from(u16_at(bytes, 4)?)))
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
                let bytes = self
                    .elf
                    .bytes_at(ImageAddr(start.checked_add(16 * i)?), 16)?;
                let entry = i32_at(bytes, 12)
                    .filter(|o| *o > 0)
                    .and_then(|o| self.module.text_addr(u64::try_from(o).ok()?));
                Some(Method {
                    name: self.name_off(i32_at(bytes, 0)?)?.text.to_owned(),
                    ty: self.type_off(i32_at(bytes, 4)?),
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
        let mut at = self.module.types.saturating_add(8);
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

    /// Whether what the module lists are descriptors and itabs: all of them where they lie in a row (1.27), so that one wrong size
    /// would show; else some.
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
                    .word(at, 8 * i)
                    .is_some_and(|itab| self.itab_at(itab).is_some());
                if !fits {
                    return Err(format!("itablink {i} leads to no itab"));
                }
            }
        }
        Ok(())
    }

    /// (interface, concrete type) of an itab, if it has descriptors of such kinds and the concrete type's hash.
    fn itab_at(&self, itab: u64) -> Option<(TypeId, TypeId)> {
        let (interface, concrete) = (TypeId(self.word(itab, 0)?), TypeId(self.word(itab, 8)?));
        let kinds = self.header(interface).ok()?.kind == 20 && self.header(concrete).is_ok();
        let hash = |addr: u64| u32_at(self.elf.bytes_at(ImageAddr(addr.checked_add(16)?), 4)?, 0);
        (kinds && hash(itab)? == hash(concrete.0)?).then_some((interface, concrete))
    }

    /// Bytes of a descriptor with everything that belongs to it.
    fn extent(&self, id: TypeId) -> Option<u64> {
        let header = self.header(id).ok()?;
        let mut size = self.base_size(id, header.kind)?;
        if let Some(uncommon) = self.uncommon(id, &header) {
            let bytes = self.elf.bytes_at(ImageAddr(uncommon), 16)?;
            size += 16 + 16 * u64::from(u16_at(bytes, 4)?);
        }
        size += match header.kind {
            19 => {
                let counts = self.elf.bytes_at(ImageAddr(id.0.checked_add(48)?), 4)?;
                8 * (u64::from(u16_at(counts, 0)?) + u64::from(u16_at(counts, 2)? & 0x7fff))
            }
            20 => 8 * self.word(id.0, 64).filter(|n| *n <= MOST_MEMBERS)?,
            25 => 24 * self.word(id.0, 64).filter(|n| *n <= MOST_MEMBERS)?,
            _ => 0,
        };
        Some(size)
    }

    /// (interface, concrete) of every itab in the file.
    pub fn itabs(&self) -> Vec<(TypeId, TypeId)> {
        let pair = |itab: u64| Some((TypeId(self.word(itab, 0)?), TypeId(self.word(itab, 8)?)));
        if let Some((at, len)) = self.module.itablinks {
            return (0..len.min(1 << 20))
                .filter_map(|i| pair(self.word(at, 8 * i)?))
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
            let here = self.itab_at(at).and_then(|pair| {
                let methods = self.word(pair.0.0, 64).filter(|n| *n <= MOST_MEMBERS)?;
                Some((pair, methods))
            });
            let Some((pair, methods)) = here else {
                return Err(format!("no itab at 0x{at:x}, where one is listed"));
            };
            found.push(pair);
            at = at.saturating_add(24 + 8 * methods.max(1));
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

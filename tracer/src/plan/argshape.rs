//! The shape of a function's arguments as the compiler records it for tracebacks, made from a
//! signature: what `cmd/compile/internal/ssagen: EmitArgInfo` (Go 1.17 … 1.27) would write. Equal
//! bytes on both sides are strong evidence that parameters, their order, their nesting and their
//! places are what the signature says.

use super::candidate::{TypeRef, TypeSource};
use crate::gobin::{ArgInfo, Error, TypeId, TypeKind};

/// `internal/abi: TraceArgsLimit`, components of all arguments.
const LIMIT: u32 = 10;
/// `TraceArgsMaxDepth`, aggregates within each other.
const MOST_DEPTH: u32 = 5;
/// `TraceArgsSpecial`: from this offset on "too large".
const SPECIAL: u64 = 0xf0;
const WORD: u64 = 8;

/// Whether the compiler leaves the first parameter out: it takes every function with a bracket in
/// its symbol for a generic one with a dictionary, from Go 1.18 on.
#[must_use]
pub fn leaves_first_out(symbol: &str, minor: u32) -> bool {
    minor >= 18 && symbol.contains('[')
}

/// What the compiler would record for parameters whose first bytes lie at `frame` (from the first
/// argument slot; parameters in registers at their spill slots).
///
/// # Errors
/// A type cannot be read.
pub fn expected(
    types: &dyn TypeSource,
    params: &[TypeRef],
    frame: &[u64],
) -> Result<Vec<ArgInfo>, Error> {
    let mut writer = Writer { types, count: 0 };
    let mut list = Vec::new();
    for (ty, at) in params.iter().zip(frame) {
        if !writer.visit(ty, *at, 0, &mut list)? {
            break;
        }
    }
    Ok(list)
}

/// For people: sizes, aggregates in braces.
#[must_use]
pub fn text(list: &[ArgInfo]) -> String {
    let parts: Vec<String> = list
        .iter()
        .map(|one| match one {
            ArgInfo::Scalar { offset, size } => format!("{size}@{offset}"),
            ArgInfo::Aggregate(inner) => format!("{{{}}}", text(inner)),
            ArgInfo::More => "…".to_owned(),
            ArgInfo::OffsetTooLarge => "far".to_owned(),
        })
        .collect();
    parts.join(" ")
}

struct Writer<'t> {
    types: &'t dyn TypeSource,
    count: u32,
}

/// What an aggregate consists of.
enum Parts {
    One(u64),
    Words(u64, u64),
    Types(Vec<(u64, TypeRef)>),
}

impl Writer<'_> {
    /// `false`: enough was written.
    fn visit(
        &mut self,
        ty: &TypeRef,
        at: u64,
        depth: u32,
        out: &mut Vec<ArgInfo>,
    ) -> Result<bool, Error> {
        if self.count >= LIMIT {
            out.push(ArgInfo::More);
            return Ok(false);
        }
        let parts = match self.parts(ty)? {
            Parts::One(size) => {
                self.scalar(size, at, out);
                return Ok(true);
            }
            parts => parts,
        };
        let mut inner = Vec::new();
        if depth + 1 >= MOST_DEPTH {
            inner.push(ArgInfo::More);
            self.count += 1;
        } else {
            self.aggregate(parts, at, depth + 1, &mut inner)?;
        }
        out.push(ArgInfo::Aggregate(inner));
        Ok(true)
    }

    fn aggregate(
        &mut self,
        parts: Parts,
        at: u64,
        depth: u32,
        out: &mut Vec<ArgInfo>,
    ) -> Result<(), Error> {
        match parts {
            Parts::One(_) => {}
            Parts::Words(number, size) => {
                for i in 0..number {
                    if self.count >= LIMIT {
                        out.push(ArgInfo::More);
                        break;
                    }
                    self.scalar(size, at.saturating_add(i * size), out);
                }
            }
            // {} counts as a component
            Parts::Types(list) if list.is_empty() => self.count += 1,
            Parts::Types(list) => {
                for (offset, ty) in list {
                    if !self.visit(&ty, at.saturating_add(offset), depth, out)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn scalar(&mut self, size: u64, at: u64, out: &mut Vec<ArgInfo>) {
        self.count += 1;
        out.push(
            match (u32::try_from(at), u32::try_from(size), at < SPECIAL) {
                (Ok(offset), Ok(size), true) => ArgInfo::Scalar { offset, size },
                _ => ArgInfo::OffsetTooLarge,
            },
        );
    }

    fn parts(&self, ty: &TypeRef) -> Result<Parts, Error> {
        Ok(match ty {
            TypeRef::Id(id) => self.described(*id)?,
            TypeRef::Pointer(_) | TypeRef::Word(_) => Parts::One(WORD),
            TypeRef::Iface(_) => Parts::Words(2, WORD),
            TypeRef::Slice(_) => Parts::Words(3, WORD),
            TypeRef::Wrapped(_, inner) => Parts::Types(vec![(0, (**inner).clone())]),
        })
    }

    fn described(&self, id: TypeId) -> Result<Parts, Error> {
        let ty = self.types.ty(id)?;
        Ok(match &ty.kind {
            TypeKind::String | TypeKind::Interface { .. } => Parts::Words(2, WORD),
            TypeKind::Slice { .. } => Parts::Words(3, WORD),
            TypeKind::Complex => Parts::Words(2, ty.size / 2),
            TypeKind::Array { elem, len } => {
                let stride = self.types.ty(*elem)?.size;
                // no more than the limit is ever written
                let most = u64::from(LIMIT) + 1;
                Parts::Types(
                    (0..(*len).min(most))
                        .map(|i| (i.saturating_mul(stride), TypeRef::Id(*elem)))
                        .collect(),
                )
            }
            TypeKind::Struct { fields } => Parts::Types(
                fields
                    .iter()
                    .map(|f| (f.offset, TypeRef::Id(f.ty)))
                    .collect(),
            ),
            _ => Parts::One(ty.size),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gobin::Type;

    struct None_;

    impl TypeSource for None_ {
        fn ty(&self, id: TypeId) -> Result<Type, Error> {
            Err(Error::At {
                region: "test",
                addr: id.0,
                what: "no types here".into(),
            })
        }
    }

    #[test]
    fn words_interfaces_and_slices() {
        let params = [
            TypeRef::Word("p".into()),
            TypeRef::Iface("error".into()),
            TypeRef::Slice("[]int".into()),
        ];
        let list = expected(&None_, &params, &[0, 8, 24]).expect("shape");
        assert_eq!(text(&list), "8@0 {8@8 8@16} {8@24 8@32 8@40}");
    }

    #[test]
    fn the_eleventh_component_is_cut() {
        let params = vec![TypeRef::Slice("[]int".into()); 4];
        let list = expected(&None_, &params, &[0, 24, 48, 72]).expect("shape");
        assert_eq!(
            text(&list),
            "{8@0 8@8 8@16} {8@24 8@32 8@40} {8@48 8@56 8@64} {8@72 …}"
        );
        let params = vec![TypeRef::Slice("[]int".into()); 5];
        let list = expected(&None_, &params, &[0, 24, 48, 72, 300]).expect("shape");
        assert!(text(&list).ends_with("{8@72 …} …"), "{}", text(&list));
    }

    #[test]
    fn offsets_beyond_a_byte_are_only_marked() {
        let list = expected(&None_, &[TypeRef::Word("p".into())], &[0xf0]).expect("shape");
        assert_eq!(list, [ArgInfo::OffsetTooLarge]);
    }
}

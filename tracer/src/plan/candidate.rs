//! What a signature is made of, and where its types are looked up.

use super::schema::SignatureSource;
use crate::gobin::{Error, GoBinary, Type, TypeId};

/// Name that DWARF gives to the dictionary of generic code.
pub const DICTIONARY: &str = ".dict";
/// Go's own interface for errors, and what a call's error is named.
pub const ERROR: &str = "error";

/// A type of a signature: mostly a descriptor; where none is kept, its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeRef {
    Id(TypeId),
    /// Pointer to a described type, when the pointer type itself has no descriptor.
    Pointer(TypeId),
    /// One pointer-shaped word whose target is not described.
    Word(String),
    /// An interface value whose interface type is not described.
    Iface(String),
    /// A slice that is not described.
    Slice(String),
    /// A struct that is not described, but known to have one field.
    Wrapped(String, Box<TypeRef>),
}

/// Looks types up.
pub trait TypeSource {
    /// # Errors
    /// No plausible descriptor.
    fn ty(&self, id: TypeId) -> Result<Type, Error>;

    /// Size and alignment in bytes.
    ///
    /// # Errors
    /// No plausible descriptor.
    fn layout(&self, ty: &TypeRef) -> Result<(u64, u64), Error> {
        Ok(match ty {
            TypeRef::Id(id) => {
                let ty = self.ty(*id)?;
                (ty.size, u64::from(ty.align))
            }
            TypeRef::Pointer(_) | TypeRef::Word(_) => (8, 8),
            TypeRef::Iface(_) => (16, 8),
            TypeRef::Slice(_) => (24, 8),
            TypeRef::Wrapped(_, inner) => self.layout(inner)?,
        })
    }
}

impl TypeSource for GoBinary<'_> {
    fn ty(&self, id: TypeId) -> Result<Type, Error> {
        self.type_by_id(id)
    }
}

/// One way to read a function's parameters and results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Receiver first, if it is a method.
    pub params: Vec<TypeRef>,
    pub results: Vec<TypeRef>,
    pub has_receiver: bool,
    pub source: SignatureSource,
}

impl Candidate {
    /// How many of its types this binary does not describe.
    #[must_use]
    pub fn undescribed(&self) -> usize {
        self.params
            .iter()
            .chain(&self.results)
            .filter(|ty| !matches!(ty, TypeRef::Id(_) | TypeRef::Pointer(_)))
            .count()
    }
}

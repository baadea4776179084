//! How much of a value is wanted: whole options, the identity of listed objects, the text of an
//! error.

use crate::moby::objects::IDENTITY;

/// Slices, maps and pointers followed from a field of a result to the names of the objects in it.
pub const OBJECT_DEPTH: u8 = 4;

/// How much of a value is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Everything, this many pointers deep.
    Full(u8),
    /// Of structs only the fields by which a user knows an object; of other aggregates their
    /// length.
    Identity(u8),
    /// Of structs only these fields, each by its own policy.
    Fields(&'static [(&'static str, Policy)]),
    /// Of a listed object the fields by which a user knows it, and its numbers, bools and moments:
    /// what is compared of it. No other text, and no map: what a list may hold thousands of times
    /// stays small, and free of what users wrote.
    Object(u8),
    /// A result: its plain numbers, and the objects in it.
    Result,
    /// The struct that a result points to.
    ResultStruct,
    /// A struct that such a struct points to: its plain numbers and the lists in it.
    ResultPart,
    /// Text of an error.
    ErrorText(u8),
    /// Of an interface only these dynamic types, each by its own policy.
    Dynamic(&'static [(&'static str, Policy)]),
    /// A file descriptor: the process at the other end of that socket.
    Peer,
    /// Nothing.
    Skip,
}

impl Policy {
    /// For what a pointer, slice or map leads to.
    #[must_use]
    pub fn deeper(self) -> Self {
        match self {
            Self::Full(0) | Self::Identity(0) | Self::Object(0) | Self::ErrorText(0) => Self::Skip,
            Self::Full(n) => Self::Full(n - 1),
            Self::Identity(n) => Self::Identity(n - 1),
            Self::Object(n) => Self::Object(n - 1),
            Self::ErrorText(n) => Self::ErrorText(n - 1),
            Self::Result => Self::ResultStruct,
            Self::ResultStruct => Self::Object(OBJECT_DEPTH),
            Self::Fields(_) | Self::Dynamic(_) | Self::Peer | Self::ResultPart => self,
            Self::Skip => Self::Skip,
        }
    }
}

impl Policy {
    /// For an element of a slice.
    #[must_use]
    pub fn element(self) -> Self {
        match self {
            Self::Result | Self::ResultStruct => Self::Object(OBJECT_DEPTH),
            other => other.deeper(),
        }
    }

    /// Whether fields that are not wanted stay in the description, so that a value says what it
    /// lacks.
    #[must_use]
    pub fn names_what_it_leaves_out(self) -> bool {
        matches!(
            self,
            Self::Full(_)
                | Self::Identity(_)
                | Self::Object(_)
                | Self::Result
                | Self::ResultStruct
                | Self::ResultPart
        )
    }
}

/// Whether users know an object by this field.
#[must_use]
pub fn is_identity(field: &str) -> bool {
    IDENTITY.contains(&field)
}

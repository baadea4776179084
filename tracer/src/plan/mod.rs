//! Wishes + binary → capture plan: which instructions to probe, what the kernel copies there, and
//! how the decoder reads it. Pure: same input, same output; knows no process and no kernel.

mod schema;

pub use schema::{
    ArgPlace, DynTypeSchema, FieldSchema, FuncSchema, GSchema, Issue, IssueKind, Leaf, MapSchema,
    OpSchema, PlaceKind, Plan, Role, Secret, SiteSchema, TypeKindSchema, TypeSchema, ValueSchema,
};

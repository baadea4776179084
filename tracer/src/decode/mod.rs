//! Records + plan → typed values. Needs no binary, no kernel and no root.

mod value;

pub use value::{Hit, Missing, Value};

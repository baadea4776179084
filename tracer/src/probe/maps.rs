//! One transparent wrapper that makes every wire type plain old data for aya.

use aya::Pod;
use aya::maps::MapError;
use tracer_ebpf::wire::Wire;

use super::Error;
use super::error::os_error;

/// A wire type as a map key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Raw<T>(pub T);

// SAFETY: `Wire` promises repr(C), integers only, no padding, any bit pattern valid; `Raw` is
// transparent.
unsafe impl<T: Wire> Pod for Raw<T> {}

/// What went wrong with a map.
pub fn map_error(doing: &'static str) -> impl Fn(MapError) -> Error {
    move |error| match os_error(&error) {
        Some(source) => Error::Bpf {
            doing: doing.into(),
            source,
        },
        None => Error::Object(format!("{doing}: {error}")),
    }
}

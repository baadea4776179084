//! One transparent wrapper that makes every wire type plain old data for aya.

use aya::Pod;
use tracer_ebpf::wire::Wire;

/// A wire type as a map key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Raw<T>(pub T);

// SAFETY: `Wire` promises repr(C), integers only, no padding, any bit pattern valid; `Raw` is transparent.
unsafe impl<T: Wire> Pod for Raw<T> {}

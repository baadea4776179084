//! What `runtime.moduledata` says, once it is believed: text base, type region, type lists.

mod text;

use super::layout::ModuleLayout;

pub use text::{ENTRY, TextSections};

/// The validated fields.
#[derive(Clone, Debug)]
pub struct ModuleData {
    pub addr: u64,
    pub layout: &'static ModuleLayout,
    pub text: u64,
    pub etext: u64,
    pub types: u64,
    pub etypes: u64,
    pub gofunc: Option<u64>,
    pub typelinks: Option<(u64, u64)>,
    pub itablinks: Option<(u64, u64)>,
    pub typedesclen: Option<u64>,
    /// 1.27: itabs lie in the type region.
    pub itabs: Option<ItabPlace>,
    pub text_sections: TextSections,
}

/// Where itabs lie in the type region, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItabPlace {
    /// From its start.
    pub offset: u64,
    pub size: u64,
}

impl ModuleData {
    /// Address of an offset from the text base.
    pub fn text_addr(&self, offset: u64) -> Option<u64> {
        self.text_sections.addr(self.text, offset)
    }
}

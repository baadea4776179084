//! What this kernel can do, found out by trying.

use aya::programs::ProgramType;
use aya::sys::{BpfHelper, is_helper_supported};

use super::Error;

/// Kernel features that choose the program variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    pub attach_cookie: bool,
    pub bpf_loop: bool,
}

impl Features {
    /// Asks the kernel.
    ///
    /// # Errors
    /// bpf() is refused.
    pub fn probe() -> Result<Self, Error> {
        let helper = |helper: BpfHelper| {
            is_helper_supported(ProgramType::KProbe, helper).map_err(|error| {
                match super::error::os_error(&error) {
                    Some(source) => Error::Bpf {
                        doing: "probing features".into(),
                        source,
                    },
                    None => Error::Object(error.to_string()),
                }
            })
        };
        Ok(Self {
            attach_cookie: helper(BpfHelper::BPF_FUNC_get_attach_cookie)?,
            bpf_loop: helper(BpfHelper::BPF_FUNC_loop)?,
        })
    }

    /// (name, present, since, what its absence means) of each.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, bool, &'static str, &'static str)> {
        vec![
            (
                "attach cookie",
                self.attach_cookie,
                "5.15",
                "sites are found by address instead",
            ),
            (
                "bpf_loop",
                self.bpf_loop,
                "5.17",
                "long captures take more ring-buffer entries",
            ),
        ]
    }
}

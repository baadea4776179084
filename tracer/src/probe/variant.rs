//! Which programs: the best that this kernel takes.

use aya::Ebpf;

use super::object::load_program;
use super::patience::Patience;
use super::{Error, Features};

/// Program variants, from the best to the one that every supported kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// May sleep: memory that is not resident is faulted in (from Linux 6.0).
    Sleep,
    /// Attach cookies and `bpf_loop` (from 5.17).
    Loop,
    /// Sites by address, bounded loops (from 5.10).
    Bounded,
}

impl Variant {
    pub(super) fn small(self) -> &'static str {
        match self {
            Self::Sleep => "hit_small_sleep",
            Self::Loop => "hit_small_loop",
            Self::Bounded => "hit_small_bounded",
        }
    }

    pub(super) fn large(self) -> &'static str {
        match self {
            Self::Sleep => "hit_large_sleep",
            Self::Loop => "hit_large_loop",
            Self::Bounded => "hit_large_bounded",
        }
    }

    /// Program for further entries, where they are not filled by the same one.
    pub(super) fn continuation(self) -> Option<&'static str> {
        match self {
            Self::Sleep => None,
            Self::Loop => Some("cont_loop"),
            Self::Bounded => Some("cont_bounded"),
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Sleep => "sleepable programs",
            Self::Loop => "programs with attach cookies and bpf_loop",
            Self::Bounded => "programs with sites by address and bounded loops",
        }
    }

    /// Loads the best variant that the kernel takes, found out by loading it; why better ones were
    /// refused is added to `notes`.
    pub(super) fn load(
        ebpf: &mut Ebpf,
        features: Features,
        wanted: Option<Self>,
        patience: Patience,
        notes: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let possible: &[Self] = match wanted {
            Some(Self::Sleep) => &[Self::Sleep],
            Some(Self::Loop) => &[Self::Loop],
            Some(Self::Bounded) => &[Self::Bounded],
            None if features.attach_cookie && features.bpf_loop => {
                &[Self::Sleep, Self::Loop, Self::Bounded]
            }
            None => &[Self::Bounded],
        };
        let mut last = None;
        for variant in possible {
            let loaded = variant
                .continuation()
                .into_iter()
                .chain([variant.small(), variant.large()])
                .try_for_each(|name| load_program(ebpf, name, patience));
            match loaded {
                Ok(()) => return Ok(*variant),
                Err(error @ Error::Verifier { .. }) => {
                    notes.push(format!("not the {}: {error}", variant.text()));
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Object("no program variant".into())))
    }
}

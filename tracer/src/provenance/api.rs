//! Which API version a request is handled by, as far as the request and the daemon's own module
//! tell.

use super::routes::version;
use crate::moby::modules::{MODULES, Module, NEWEST_KNOWN, Version};

/// The API version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// What the path says.
    pub told: Option<Version>,
    oldest: Version,
    newest: Option<Version>,
}

impl Api {
    /// Of a request whose path says `told`, to the daemon that the function of this symbol is of;
    /// `None`: it is none of moby's own.
    pub fn of(told: Option<&str>, symbol: &str) -> Option<Self> {
        let module = module(symbol)?;
        Some(Self {
            told: told.and_then(version),
            oldest: module.oldest,
            newest: module.newest,
        })
    }

    /// Whether the handler goes by this version or a later one; `None`: not known.
    pub fn at_least(self, gate: Version) -> Option<bool> {
        match (self.told, self.newest) {
            (Some(told), _) => Some(told >= gate),
            (None, _) if gate <= self.oldest => Some(true),
            (None, Some(newest)) if gate > newest => Some(false),
            (None, _) => None,
        }
    }

    /// Whether the handlers of this request are certainly among those that are known.
    pub fn is_known(self) -> bool {
        self.newest.is_some() || self.told.is_some_and(|told| told <= NEWEST_KNOWN)
    }
}

/// Whether a symbol is one of moby's own.
pub fn is_of_moby(symbol: &str) -> bool {
    module(symbol).is_some()
}

/// Builds in GOPATH mode keep other modules below moby's path.
fn module(symbol: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| {
        symbol
            .strip_prefix(module.path)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| !rest.starts_with("vendor/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates() {
        let of = |told, symbol: &str| Api::of(told, symbol).expect("moby");
        let old = |told| of(told, "github.com/docker/docker/daemon.F");
        let new = |told| of(told, "github.com/moby/moby/v2/daemon.F");
        for (api, gate, expected) in [
            (old(Some("1.41")), (1, 42), Some(false)),
            (old(Some("1.42")), (1, 42), Some(true)),
            (old(None), (1, 40), Some(true)),
            (old(None), (1, 42), None),
            (old(None), (1, 52), Some(false)),
            (new(None), (1, 52), Some(true)),
            (new(None), (1, 53), None),
            (new(Some("1.44")), (1, 52), Some(false)),
        ] {
            assert_eq!(api.at_least(gate), expected, "{api:?} {gate:?}");
        }
        assert!(old(None).is_known() && old(Some("1.99")).is_known());
        assert!(new(Some("1.54")).is_known());
        assert!(!new(None).is_known() && !new(Some("1.55")).is_known());
        for other in [
            "github.com/podman/x.F",
            "github.com/docker/docker/vendor/golang.org/x/sync/errgroup.(*Group).Go.func1",
        ] {
            assert_eq!(Api::of(None, other), None, "{other}");
        }
    }
}

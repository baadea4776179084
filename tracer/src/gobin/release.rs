//! Which Go release a binary is of, and whether its layouts are known.

use super::layout::{NEWEST_KNOWN, OLDEST_KNOWN};
use super::model::GoVersion;

/// The recorded release, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release(pub Option<GoVersion>);

impl Release {
    /// The minor release, if it is one whose layouts were checked. Development trees and release
    /// candidates are none: their layouts may be those of either neighbour.
    pub fn known(&self) -> Option<u32> {
        let version = self.0.as_ref()?;
        let minor = (OLDEST_KNOWN..=NEWEST_KNOWN).contains(&version.minor);
        (minor && is_release(&version.text)).then_some(version.minor)
    }

    /// For messages.
    pub fn shown(&self) -> String {
        match &self.0 {
            Some(version) => version.text.clone(),
            None => "a release that is not recorded".to_owned(),
        }
    }

    /// What people must know about a binary that was read by the layouts of `minor` although its
    /// release is none of the known ones.
    pub fn note(&self, minor: u32) -> Option<String> {
        self.known().is_none().then(|| {
            format!(
                "unverified Go release: {} is none of go1.{OLDEST_KNOWN} to go1.{NEWEST_KNOWN}; it is read as go1.{minor}, whose layouts pass every check",
                self.shown()
            )
        })
    }
}

/// `go1.24`, `go1.24.4`, `go1.24.3 X:noswissmap`, `go1.27.1-X:mapsplitgroup`; not `devel
/// go1.28-abcdef`, `go1.28rc1`, `go1.28-abcdef`.
fn is_release(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("go1.") else {
        return false;
    };
    let numbers = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    // a distribution's or an experiment's mark follows a space or `-X:`
    numbers.is_empty() || numbers.starts_with(' ') || numbers.starts_with("-X:")
}

#[cfg(test)]
mod tests {
    use super::super::buildinfo::parse_version;
    use super::*;

    #[test]
    fn releases_whose_layouts_are_known() {
        let known = |text: &str| Release(parse_version(text)).known();
        assert_eq!(known("go1.13"), Some(13));
        assert_eq!(known("go1.24.3 X:noswissmap"), Some(24));
        assert_eq!(known("go1.27.1-X:mapsplitgroup"), Some(27));
        for unknown in [
            "go1.12.17",
            "go1.28",
            "go1.99.1",
            "go1.27rc1",
            "go1.27beta2",
            "devel go1.27-0123abc Mon",
        ] {
            assert_eq!(known(unknown), None, "{unknown}");
        }
        let note = Release(parse_version("go1.99.1")).note(27).expect("note");
        assert!(note.contains("unverified Go release: go1.99.1"), "{note}");
        assert_eq!(Release(parse_version("go1.27.1")).note(27), None);
    }
}

//! Build info: Go version, module and build settings (`debug/buildinfo/buildinfo.go`).

use std::collections::BTreeMap;

use super::elf::Elf;
use super::model::GoVersion;
use super::reader::{Reader, u64_at};
use crate::addr::ImageAddr;

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Longest text accepted.
const MOST: usize = 1 << 20;
/// Texts that may be a version looked at in each segment.
const MOST_TEXTS: usize = 10_000;
/// Longest version text, with what is behind it.
const LONGEST_TEXT: usize = 128;

/// What the linker recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    pub version: String,
    /// Package path of main.
    pub path: Option<String>,
    pub main_module: Option<(String, String)>,
    pub settings: Vec<(String, String)>,
    pub deps: Vec<(String, String)>,
}

/// Finds it in writable data; the magic also occurs in code that looks for it, so candidates are
/// validated.
pub fn find(elf: &Elf<'_>) -> Option<BuildInfo> {
    for segment in elf
        .segments
        .iter()
        .filter(|s| s.writable)
        .chain(elf.segments.iter().filter(|s| !s.writable))
    {
        let bytes = elf.bytes_from(segment.vaddr).unwrap_or_default();
        for at in elf.pages.occurrences(bytes, MAGIC) {
            let addr = segment.vaddr.checked_add(at as u64)?.0;
            if addr % 16 == 0
                && let Some(info) = bytes.get(at..).and_then(|b| parse(elf, b, addr))
            {
                return Some(info);
            }
        }
    }
    None
}

fn parse(elf: &Elf<'_>, bytes: &[u8], addr: u64) -> Option<BuildInfo> {
    let flags = *bytes.get(15)?;
    let (version, module) = if flags & 2 != 0 {
        let mut reader = Reader::new(bytes.get(32..)?);
        let mut text = || -> Option<String> {
            let len = usize::try_from(reader.uvarint()?).ok()?;
            (len <= MOST)
                .then(|| reader.take(len))
                .flatten()
                .map(|b| String::from_utf8_lossy(b).into_owned())
        };
        (text()?, text().unwrap_or_default())
    } else {
        let string = |header: u64| -> Option<String> {
            let data = elf.word(ImageAddr(header))?;
            let len = usize::try_from(elf.word(ImageAddr(header.checked_add(8)?))?).ok()?;
            (len <= MOST)
                .then(|| elf.bytes_at(ImageAddr(data), len))
                .flatten()
                .map(|b| String::from_utf8_lossy(b).into_owned())
        };
        let version = elf.word(ImageAddr(addr.checked_add(16)?))?;
        let module = elf.word(ImageAddr(addr.checked_add(24)?))?;
        (string(version)?, string(module).unwrap_or_default())
    };
    parse_version(&version)?;
    let mut info = BuildInfo {
        version,
        ..BuildInfo::default()
    };
    for line in module.lines() {
        let words: Vec<&str> = line.splitn(4, '\t').collect();
        match words.as_slice() {
            ["path", path, ..] => info.path = Some((*path).to_owned()),
            ["mod", module, version, ..] => {
                info.main_module = Some(((*module).to_owned(), (*version).to_owned()))
            }
            ["dep", module, version, ..] => info
                .deps
                .push(((*module).to_owned(), (*version).to_owned())),
            ["build", setting, ..] => {
                if let Some((key, value)) = setting.split_once('=') {
                    info.settings
                        .push((key.to_owned(), value.trim_matches('"').to_owned()));
                }
            }
            _ => {}
        }
    }
    Some(info)
}

/// `go1.24.4 X:…`, `devel go1.28-…` → minor release.
pub fn parse_version(text: &str) -> Option<GoVersion> {
    let after = text.get(text.find("go1.")? + 4..)?;
    let digits = after.get(
        ..after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len()),
    )?;
    Some(GoVersion {
        text: text.to_owned(),
        minor: digits.parse().ok().filter(|m| *m < 1000)?,
    })
}

/// `runtime.buildVersion` without build info: a string header in writable data that points at a
/// version text. The linker, which sets it in newer releases, puts a NUL behind its text
/// (`cmd/link/internal/ld/data.go: addstrdata`), so such texts come first; else it is a constant
/// among others (`runtime/internal/sys/zversion.go`). If several differ, none is taken.
pub fn find_build_version(elf: &Elf<'_>) -> Option<GoVersion> {
    let mut texts: BTreeMap<u64, &[u8]> = BTreeMap::new();
    // linkers may put constants beside the code
    for segment in &elf.segments {
        let bytes = elf.bytes_from(segment.vaddr).unwrap_or_default();
        for at in elf.pages.occurrences(bytes, b"go1.").take(MOST_TEXTS) {
            let text = bytes.get(at..).unwrap_or_default();
            if let (Some(addr), Some(text)) = (
                segment.vaddr.checked_add(at as u64),
                text.get(..text.len().min(LONGEST_TEXT)),
            ) {
                texts.insert(addr.0, text);
            }
        }
    }
    let mut found: Vec<(bool, GoVersion)> = elf
        .words(|word| texts.contains_key(&word))
        .into_iter()
        .filter_map(|(at, word)| {
            let len = elf.bytes_at(ImageAddr(at.0.checked_add(8)?), 8)?;
            let len = usize::try_from(u64_at(len, 0)?).ok()?;
            let bytes = texts.get(&word)?;
            let text = std::str::from_utf8(bytes.get(..len)?).ok()?;
            let part = |c: char| c.is_ascii_digit() || c == '.';
            text.strip_prefix("go1.")?
                .split([' ', '-'])
                .next()
                .filter(|numbers| !numbers.is_empty() && numbers.chars().all(part))?;
            Some((bytes.get(len) == Some(&0), parse_version(text)?))
        })
        .collect();
    let by_linker = found.iter().any(|(closed, _)| *closed);
    found.retain(|(closed, _)| *closed == by_linker);
    let (_, version) = found.first()?;
    let same = found.iter().all(|(_, other)| other == version);
    same.then(|| version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let minor = |t: &str| parse_version(t).map(|v| v.minor);
        assert_eq!(minor("go1.19.8"), Some(19));
        assert_eq!(minor("go1.24.3 X:noswissmap"), Some(24));
        assert_eq!(minor("go1.27.1-X:mapsplitgroup"), Some(27));
        assert_eq!(minor("devel go1.28-abcdef Mon"), Some(28));
        assert_eq!(minor("rust 1.95"), None);
        assert_eq!(minor("go1."), None);
    }
}

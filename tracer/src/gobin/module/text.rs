//! `runtime.textsect`: where the parts of a program's code lie whose linker split it. Go's own
//! linker does so for other architectures only (`cmd/link/internal/ld/data.go: splitTextSections`,
//! 1.15 to 1.27); with one part there is nothing to translate.

use super::super::elf::Elf;
use crate::addr::ImageAddr;

/// Most parts believed: each is made to be a few megabytes.
const MOST: u64 = 1024;
/// Bytes of an entry: three words.
pub const ENTRY: u64 = 24;

/// A part of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSection {
    /// Offsets from the text base that are in it, as they were before the linker placed it.
    first: u64,
    end: u64,
    /// Where it lies.
    base: u64,
}

impl TextSection {
    fn limit(&self) -> u64 {
        self.base.saturating_add(self.end - self.first)
    }
}

/// All parts, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextSections(Vec<TextSection>);

impl TextSections {
    /// Reads `count` entries at `at`. `lengths`: the second word is the length (≤ 1.17), not the
    /// end. What is found must begin at `text`, be in order, and be code up to `etext`.
    pub fn read(
        elf: &Elf<'_>,
        (at, count): (u64, u64),
        lengths: bool,
        (text, etext): (u64, u64),
    ) -> Result<Self, String> {
        if count > MOST {
            return Err(format!(
                "textsectmap has {count} entries (at most {MOST} expected)"
            ));
        }
        let mut sections = Vec::new();
        for i in 0..count {
            let word = |k: u64| {
                at.checked_add(i * ENTRY + k * 8)
                    .and_then(|a| elf.word(ImageAddr(a)))
                    .ok_or_else(|| format!("textsectmap entry {i} is not in the file"))
            };
            let (first, second, base) = (word(0)?, word(1)?, word(2)?);
            let end = if lengths {
                first.saturating_add(second)
            } else {
                second
            };
            sections.push(TextSection { first, end, base });
        }
        check(&sections, text, etext)?;
        let in_code = |s: &TextSection| {
            elf.segment_at(s.base)
                .is_some_and(|g| g.executable && s.limit() - g.vaddr.0 <= g.memsz)
        };
        if let Some(s) = sections.iter().find(|s| !in_code(s)) {
            return Err(format!(
                "text section 0x{:x}..0x{:x} is not in an executable segment",
                s.base,
                s.limit()
            ));
        }
        Ok(Self(sections))
    }

    /// Number of parts.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Address of an offset from the text base (`runtime/symtab.go: textAddr`).
    pub fn addr(&self, text: u64, offset: u64) -> Option<u64> {
        let [.., last] = self.0.as_slice() else {
            return text.checked_add(offset);
        };
        if self.0.len() == 1 {
            return text.checked_add(offset);
        }
        let section = self
            .0
            .iter()
            .find(|s| (s.first..s.end).contains(&offset))
            // the end of the last one closes the function table
            .or_else(|| (offset == last.end).then_some(last))?;
        section.base.checked_add(offset - section.first)
    }

    /// The end of a function that begins at `entry` and whose successor begins at `next`: the
    /// successor may be in another part.
    pub fn clip(&self, entry: u64, next: u64) -> u64 {
        if self.0.len() < 2 {
            return next;
        }
        self.0
            .iter()
            .find(|s| (s.base..s.limit()).contains(&entry))
            .map_or(next, |s| next.min(s.limit()))
    }
}

/// In order, without overlap, from `text` to `etext`.
fn check(sections: &[TextSection], text: u64, etext: u64) -> Result<(), String> {
    let Some(first) = sections.first() else {
        return Ok(());
    };
    if first.base != text {
        return Err(format!(
            "the first text section lies at 0x{:x} (text is 0x{text:x})",
            first.base
        ));
    }
    let (mut offset, mut addr) = (0, text);
    for (i, s) in sections.iter().enumerate() {
        if s.first < offset || s.end <= s.first || s.base < addr {
            return Err(format!(
                "text section {i} (0x{:x}..0x{:x} at 0x{:x}) is not behind the one before",
                s.first, s.end, s.base
            ));
        }
        // the last one is an instruction longer than the code from 1.21 on
        if s.base >= etext {
            return Err(format!(
                "text section {i} lies at 0x{:x} (etext is 0x{etext:x})",
                s.base
            ));
        }
        (offset, addr) = (s.end, s.limit());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(of: &[(u64, u64, u64)]) -> TextSections {
        let section = |&(first, end, base)| TextSection { first, end, base };
        TextSections(of.iter().map(section).collect())
    }

    #[test]
    fn offsets_of_split_text() {
        let split = sections(&[(0, 0x100, 0x1000), (0x100, 0x300, 0x5000)]);
        assert_eq!(check(&split.0, 0x1000, 0x5200), Ok(()));
        let addr = |offset| split.addr(0x1000, offset);
        assert_eq!(addr(0), Some(0x1000));
        assert_eq!(addr(0xff), Some(0x10ff));
        assert_eq!(addr(0x100), Some(0x5000));
        assert_eq!(addr(0x300), Some(0x5200), "closes the table");
        assert_eq!(addr(0x301), None);
        assert_eq!(split.clip(0x10f0, 0x5000), 0x1100, "not into the gap");
        assert_eq!(split.clip(0x1000, 0x1010), 0x1010);
    }

    #[test]
    fn one_part_is_not_translated() {
        let one = sections(&[(0, 0x100, 0x1000)]);
        assert_eq!(one.addr(0x1000, 0x400), Some(0x1400));
        assert_eq!(one.clip(0x10f0, 0x2000), 0x2000);
        assert_eq!(sections(&[]).addr(0x1000, 4), Some(0x1004));
        assert_eq!(one.addr(u64::MAX, 1), None);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let refused =
            |of: &[(u64, u64, u64)]| check(&sections(of).0, 0x1000, 0x5200).expect_err("refused");
        assert!(refused(&[(0, 0x100, 0x2000)]).contains("text is 0x1000"));
        assert!(refused(&[(0, 0, 0x1000)]).contains("section 0"));
        assert!(refused(&[(0, 0x100, 0x1000), (0x80, 0x200, 0x2000)]).contains("section 1"));
        assert!(refused(&[(0, 0x100, 0x1000), (0x100, 0x200, 0x1080)]).contains("section 1"));
        let behind = [(0, 0x100, 0x1000), (0x100, 0x200, 0x5200)];
        assert!(refused(&behind).contains("etext is 0x5200"));
    }
}

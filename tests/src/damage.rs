//! Ways to damage a binary, the same in every run.

use crate::{Numbers, Patch};

/// Numbers that parsers stumble over.
const WILD: [u64; 8] = [
    0,
    1,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    1 << 63,
    u64::MAX,
];

/// Where a binary is most sensitive, as file offsets.
#[derive(Clone, Debug, Default)]
pub struct Weak {
    /// Tables that everything else is found through.
    pub tables: Vec<usize>,
    /// Offset and length of sections.
    pub sections: Vec<(usize, usize)>,
    /// Bytes that no loaded segment has and nothing but debugging information needs.
    pub outside: Vec<(usize, usize)>,
}

/// What was done to a copy.
#[derive(Clone, Debug)]
pub struct Damage {
    pub what: String,
    /// Nothing was touched that a reading without debugging information needs: it must be as
    /// before.
    pub harmless: bool,
}

/// Number of ways.
pub const WAYS: usize = 9;

/// Damages a copy in one of the ways.
#[must_use]
pub fn damage(patch: &mut Patch, weak: &Weak, way: usize, numbers: &mut Numbers) -> Damage {
    let len = patch.bytes.len();
    let harmful = |what: String| Damage {
        what,
        harmless: false,
    };
    match way % WAYS {
        0 => {
            let at = numbers.below(len);
            patch.bytes.truncate(at);
            harmful(format!("cut at {at}"))
        }
        1 => {
            // ELF header, program headers
            let at = numbers.below(1024);
            patch.bytes[at] = numbers.any() as u8;
            harmful(format!("byte {at}"))
        }
        2 => {
            let start = numbers.below(len);
            let end = (start + numbers.below(1 << 16)).min(len);
            patch.bytes[start..end].fill(0xff);
            harmful(format!("ff {start}..{end}"))
        }
        3 => {
            for _ in 0..2000 {
                let at = numbers.below(len);
                patch.bytes[at] = numbers.any() as u8;
            }
            harmful("2000 random bytes".to_owned())
        }
        4 => {
            let base = weak.tables[numbers.below(weak.tables.len())];
            for _ in 0..=numbers.below(8) {
                let at = (base + numbers.below(4096)).min(len - 1);
                patch.bytes[at] = numbers.any() as u8;
            }
            harmful(format!("bytes near {base}"))
        }
        5 => {
            // a section is cut: what lay behind the cut is gone
            let (start, size) = weak.sections[numbers.below(weak.sections.len())];
            let from = start + numbers.below(size);
            patch.bytes[from..start + size].fill(0);
            harmful(format!(
                "section at {start} cut after {} bytes",
                from - start
            ))
        }
        6 => {
            // offsets and counts: whole words of tables
            let base = weak.tables[numbers.below(weak.tables.len())];
            let at = (base + 8 * numbers.below(96)).min(len - 8) & !7;
            let wild = WILD[numbers.below(WILD.len())];
            patch.set_word(at, wild);
            harmful(format!("word at {at} = 0x{wild:x}"))
        }
        7 => {
            // the same in headers and dynamic entries
            let (size, wild) = (patch.headers_end(), WILD[numbers.below(WILD.len())]);
            let dynamic = patch.dynamic_values();
            let at = match numbers.below(2) {
                0 if !dynamic.is_empty() => dynamic[numbers.below(dynamic.len())],
                _ => 16 + numbers.below(size - 24) / 8 * 8,
            };
            patch.set_word(at, wild);
            harmful(format!("word at {at} = 0x{wild:x}"))
        }
        _ => {
            for (start, size) in &weak.outside {
                for _ in 0..16 {
                    patch.bytes[start + numbers.below(*size)] = numbers.any() as u8;
                }
            }
            Damage {
                what: format!("what is not loaded ({} places)", weak.outside.len()),
                harmless: !weak.outside.is_empty(),
            }
        }
    }
}

//! Texts of the numbers by which the runtime says what a goroutine waits for.
//!
//! The numbering moves between Go releases, so the texts come from the binary alone:
//! `runtime.goroutineheader` (runtime/traceback.go, Go 1.11 to 1.27) holds `waitReason.String`
//! inlined, which compares the number (a byte) with the length of the table `waitReasonStrings` and
//! then loads the table's address. Both must be there, and what lies at that address must be a
//! table of that many texts that begins as every release's does; else there are no names.

use crate::addr::ImageAddr;
use crate::gobin::GoBinary;

/// Prints the header of a goroutine's stack trace.
const PRINTS: &str = "runtime.goroutineheader";
/// First texts of the table in Go 1.11 to 1.27 (runtime/runtime2.go); the first is that of a
/// goroutine that never waited.
const FIRST: [&str; 3] = ["", "GC assist marking", "IO wait"];
/// Longest text; the longest known has 31 bytes.
const MOST_BYTES: u64 = 64;

/// The texts by number; `None`: they cannot be told with certainty in this binary.
#[must_use]
pub fn wait_reasons(binary: &GoBinary<'_>) -> Option<Vec<String>> {
    let found = binary.function_named(PRINTS);
    let [function] = found.as_slice() else {
        return None;
    };
    let code = binary.code(function).ok()?;
    let operands = binary.arch().operands(code, function.entry);
    let [length] = operands.bytes.as_slice() else {
        return None;
    };
    let mut tables: Vec<Vec<String>> = operands
        .addresses
        .iter()
        .filter_map(|address| table(binary, *address, *length))
        .collect();
    match tables.len() {
        1 => tables.pop(),
        _ => None,
    }
}

fn table(binary: &GoBinary<'_>, address: ImageAddr, length: u8) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for number in 0..u64::from(length) {
        let at = address.checked_add(number * 16)?;
        let data = binary.read_word(at)?;
        let len = binary.read_word(at.checked_add(8)?)?;
        if len > MOST_BYTES {
            return None;
        }
        let bytes = match len {
            0 => &[],
            len => binary.bytes_at(ImageAddr(data), usize::try_from(len).ok()?)?,
        };
        let printable = bytes.iter().all(|b| (b' '..=b'~').contains(b));
        if !printable || (number > 0 && bytes.is_empty()) {
            return None;
        }
        texts.push(String::from_utf8(bytes.to_vec()).ok()?);
    }
    let begins = texts.get(..FIRST.len())? == FIRST;
    begins.then_some(texts)
}

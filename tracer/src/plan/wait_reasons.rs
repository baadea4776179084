//! Texts of the numbers by which the runtime says what a goroutine waits for.
//!
//! The numbering moves between Go releases, so the texts come from the binary alone: `runtime.goroutineheader` (runtime/traceback.go, Go
//! 1.11 to 1.27) holds `waitReason.String` inlined, which compares the number (a byte) with the length of the table
//! `waitReasonStrings` and then loads the table's address. Both must be there, and what lies at that address must be a table of that many
//! texts that begins as every release's does; else there are no names.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

use crate::gobin::{Arch, GoBinary, ImageAddr};

/// Prints the header of a goroutine's stack trace.
const PRINTS: &str = "runtime.goroutineheader";
/// First texts of the table in Go 1.11 to 1.27 (runtime/runtime2.go); the first is that of a goroutine that never waited.
const FIRST: [&str; 3] = ["", "GC assist marking", "IO wait"];
/// Longest text; the longest known has 31 bytes.
const MOST_BYTES: u64 = 64;

/// The texts by number; `None`: they cannot be told with certainty in this binary (always so on arm64).
#[must_use]
pub fn wait_reasons(binary: &GoBinary<'_>) -> Option<Vec<String>> {
    if binary.arch() != Arch::Amd64 {
        return None;
    }
    let found = binary.function_named(PRINTS);
    let [function] = found.as_slice() else {
        return None;
    };
    let code = binary.code(function).ok()?;
    let (lengths, addresses) = operands(code, function.entry.0);
    let [length] = lengths.as_slice() else {
        return None;
    };
    let mut tables: Vec<Vec<String>> = addresses
        .iter()
        .filter_map(|address| table(binary, *address, *length))
        .collect();
    match tables.len() {
        1 => tables.pop(),
        _ => None,
    }
}

/// Constants that byte registers are compared with, and addresses that are loaded, each once.
fn operands(code: &[u8], entry: u64) -> (Vec<u8>, Vec<u64>) {
    let mut decoder = Decoder::with_ip(64, code, entry, DecoderOptions::NONE);
    let mut insn = Instruction::default();
    let (mut lengths, mut addresses) = (Vec::new(), Vec::new());
    while decoder.can_decode() {
        decoder.decode_out(&mut insn);
        match insn.mnemonic() {
            Mnemonic::Cmp
                if insn.op0_kind() == OpKind::Register
                    && insn.op0_register().size() == 1
                    && insn.op1_kind() == OpKind::Immediate8 =>
            {
                lengths.push(insn.immediate8());
            }
            Mnemonic::Lea if insn.is_ip_rel_memory_operand() => {
                addresses.push(insn.ip_rel_memory_address());
            }
            _ => {}
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    addresses.sort_unstable();
    addresses.dedup();
    (lengths, addresses)
}

fn table(binary: &GoBinary<'_>, address: u64, length: u8) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for number in 0..u64::from(length) {
        let at = address.checked_add(number * 16)?;
        let data = binary.read_word(ImageAddr(at))?;
        let len = binary.read_word(ImageAddr(at.checked_add(8)?))?;
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

#[cfg(test)]
mod tests {
    use super::operands;

    #[test]
    fn only_byte_registers_and_loaded_addresses_count() {
        // cmp sil, 0x1b; cmp ecx, 4; lea rdi, [rip + 0x10]; lea rax, [rcx + 8]
        let code = [
            0x40, 0x80, 0xfe, 0x1b, 0x83, 0xf9, 0x04, 0x48, 0x8d, 0x3d, 0x10, 0, 0, 0, 0x48, 0x8d,
            0x41, 0x08,
        ];
        let (lengths, addresses) = operands(&code, 0x1000);
        assert_eq!(lengths, [0x1b]);
        assert_eq!(addresses, [0x100e + 0x10]);
    }
}

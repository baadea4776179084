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

/// The texts by number; `None`: they cannot be told with certainty in this binary.
#[must_use]
pub fn wait_reasons(binary: &GoBinary<'_>) -> Option<Vec<String>> {
    let found = binary.function_named(PRINTS);
    let [function] = found.as_slice() else {
        return None;
    };
    let code = binary.code(function).ok()?;
    let (lengths, addresses) = match binary.arch() {
        Arch::Amd64 => amd64(code, function.entry.0),
        Arch::Arm64 => arm64(code, function.entry.0),
    };
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

/// Constants that bytes are compared with, and addresses that are loaded, each once.
type Operands = (Vec<u8>, Vec<u64>);

fn amd64(code: &[u8], entry: u64) -> Operands {
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
    each_once(lengths, addresses)
}

/// A byte is what `ldrb` or `uxtb` made, or a copy of it; addresses are loaded by `adrp` and `add`, one right after the other.
fn arm64(code: &[u8], entry: u64) -> Operands {
    let (mut lengths, mut addresses) = (Vec::new(), Vec::new());
    // registers that hold a byte, one bit each, and the page that a register holds since the instruction before
    let (mut bytes, mut page) = (0_u32, None);
    for (index, word) in code.as_chunks::<4>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*word);
        let at = entry.wrapping_add(4 * index as u64);
        let (to, from) = (word & 0x1f, (word >> 5) & 0x1f);
        let immediate = (word >> 10) & 0xfff;
        let loaded = page.take();
        let is_byte = |register: u32| bytes & (1 << register) != 0;
        // cmp wN, #immediate
        if word & 0xffc0_001f == 0x7100_001f && is_byte(from) {
            lengths.extend(u8::try_from(immediate));
        }
        if word & 0x9f00_0000 == 0x9000_0000 {
            let pages = ((word >> 5) & 0x7_ffff) << 2 | (word >> 29) & 3;
            let pages = (pages << 11).cast_signed() >> 11;
            page = Some((
                to,
                (at & !0xfff).wrapping_add_signed(i64::from(pages) << 12),
            ));
        } else if word & 0xffc0_0000 == 0x9100_0000
            && let Some((register, page)) = loaded
            && register == from
        {
            addresses.push(page.wrapping_add(u64::from(immediate)));
        }
        let makes_byte = word & 0xffc0_0000 == 0x3940_0000
            || word & 0xffff_fc00 == 0x5300_1c00
            // mov xN, xM
            || word & 0xffe0_ffe0 == 0xaa00_03e0 && is_byte((word >> 16) & 0x1f);
        // branches and stores name a register there that they leave as it is
        let is_branch = word & 0x1c00_0000 == 0x1400_0000;
        let is_store = word & 0x0a40_0000 == 0x0800_0000;
        if makes_byte {
            bytes |= 1 << to;
        } else if !is_branch && !is_store {
            bytes &= !(1 << to);
        }
    }
    each_once(lengths, addresses)
}

fn each_once(mut lengths: Vec<u8>, mut addresses: Vec<u64>) -> Operands {
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
    use super::{amd64, arm64};

    #[test]
    fn only_byte_registers_and_loaded_addresses_count() {
        // cmp sil, 0x1b; cmp ecx, 4; lea rdi, [rip + 0x10]; lea rax, [rcx + 8]
        let code = [
            0x40, 0x80, 0xfe, 0x1b, 0x83, 0xf9, 0x04, 0x48, 0x8d, 0x3d, 0x10, 0, 0, 0, 0x48, 0x8d,
            0x41, 0x08,
        ];
        let (lengths, addresses) = amd64(&code, 0x1000);
        assert_eq!(lengths, [0x1b]);
        assert_eq!(addresses, [0x100e + 0x10]);
        // ldrb w6, [x0, 184]; mov x7, x6; cbz w7; cmp w7, 0x2f; cmp w3, 4; adrp x5, 0x114000; add x5, x5, 0x180;
        // add x1, x5, 0x10; mov x7, x3; cmp w7, 0x30
        let code: Vec<u8> = [
            0x3942_e006_u32,
            0xaa06_03e7,
            0x3400_00e7,
            0x7100_bcff,
            0x7100_107f,
            0xf000_0885,
            0x9106_00a5,
            0x9100_40a1,
            0xaa03_03e7,
            0x7100_c0ff,
        ]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
        let (lengths, addresses) = arm64(&code, 0x1000);
        assert_eq!(lengths, [0x2f]);
        assert_eq!(addresses, [0x11_4180]);
    }
}

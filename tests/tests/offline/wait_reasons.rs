//! The runtime's own texts of what goroutines wait for, as they are found in binaries.

use harness::stock_dockerd;
use mobytrace::gobin::{GoBinary, ImageAddr};
use mobytrace::plan::wait_reasons;
use object::{Object, ObjectSymbol};

/// Three of the stock daemons name the runtime's table in their dynamic symbols: it is the one that
/// was found.
#[test]
fn the_table_is_the_one_that_the_symbol_names() {
    let mut named = 0;
    for suite in harness::SUITES {
        let Some(dockerd) = stock_dockerd(suite, "amd64") else {
            continue;
        };
        let bytes = std::fs::read(dockerd).expect("file");
        let binary = GoBinary::parse(&bytes).expect("Go");
        let texts = wait_reasons(&binary).unwrap_or_else(|| panic!("{suite}: no table"));
        assert!(texts.iter().any(|t| t == "chan receive"), "{suite}");
        let file = object::File::parse(&*bytes).expect("ELF");
        let symbol = file
            .dynamic_symbols()
            .find(|s| s.name() == Ok("runtime.waitReasonStrings"));
        let Some(symbol) = symbol else { continue };
        named += 1;
        assert_eq!(symbol.size(), 16 * texts.len() as u64, "{suite}");
        for (number, text) in (0u64..).zip(&texts) {
            let at = symbol.address() + 16 * number;
            let data = binary.read_word(ImageAddr(at)).expect("pointer");
            let len = binary.read_word(ImageAddr(at + 8)).expect("length");
            assert_eq!(len, text.len() as u64, "{suite} {number}");
            if len > 0 {
                let bytes = binary.bytes_at(ImageAddr(data), text.len());
                assert_eq!(bytes, Some(text.as_bytes()), "{suite} {number}");
            }
        }
        println!("{suite}: {} texts", texts.len());
    }
    assert!(named >= 1, "at least one stock daemon names the table");
}

/// The numbering is a release's, not an architecture's.
#[test]
fn both_architectures_name_the_same_reasons() {
    let texts = |path: &std::path::Path| {
        let bytes = std::fs::read(path).expect("file");
        let binary = GoBinary::parse(&bytes).expect("Go");
        let texts = wait_reasons(&binary).unwrap_or_else(|| panic!("{path:?}: no table"));
        (binary.version().text.clone(), texts)
    };
    let mut compared = 0;
    let programs = harness::programs("leaf").unwrap_or_default();
    for arm64 in programs.iter().filter(|p| p.arch == "arm64") {
        let other = programs
            .iter()
            .find(|p| p.minor == arm64.minor && p.arch == "amd64")
            .unwrap_or_else(|| panic!("{arm64}: no program for amd64"));
        assert_eq!(texts(&arm64.path), texts(&other.path), "{arm64}");
        compared += 1;
    }
    assert!(!harness::is_strict() || compared > 5, "{compared} releases");
    for suite in harness::SUITES {
        let paths = ["amd64", "arm64"].map(|arch| stock_dockerd(suite, arch));
        let [Some(amd64), Some(arm64)] = paths else {
            continue;
        };
        assert_eq!(texts(&arm64).1, texts(&amd64).1, "{suite}");
    }
}

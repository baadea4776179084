//! What must hold before tables are believed: every field of moduledata and pclntab that is
//! checked, changed in a copy, refuses the binary and is named. Offsets of fields:
//! `runtime/symtab.go` of Go 1.19 and 1.27.

use harness::{Patch, stock_dockerd};
use mobytrace::gobin::{FuncInfo, GoBinary};

/// File offset and address of what a fact begins with.
fn place(patch: &Patch, name: &str) -> (usize, u64) {
    let binary = GoBinary::parse(&patch.bytes).expect("whole");
    let facts = binary.facts();
    let (_, value) = facts.iter().find(|(n, _)| n == name).expect("fact");
    let digits = value.trim_start_matches("0x");
    let end = digits.find(|c: char| !c.is_ascii_hexdigit());
    let addr = u64::from_str_radix(&digits[..end.unwrap_or(digits.len())], 16).expect("address");
    (patch.offset(addr).expect("offset"), addr)
}

fn refusal(patch: &Patch) -> String {
    match GoBinary::parse(&patch.bytes) {
        Ok(binary) => panic!("accepted: {:?}", binary.facts()),
        Err(error) => error.to_string(),
    }
}

/// A copy with some words changed: places and what becomes of the words there.
type Change<'a> = (&'a [usize], &'a dyn Fn(u64) -> u64, &'a str);

fn each_refused(whole: &Patch, base: usize, changes: &[Change<'_>]) {
    for (fields, change, said) in changes {
        let mut copy = whole.clone();
        for field in *fields {
            let old = copy.word(base + field);
            copy.set_word(base + field, change(old));
        }
        let why = refusal(&copy);
        assert!(why.contains(said), "{fields:?}: {said:?} in {why}");
    }
}

const UP: &dyn Fn(u64) -> u64 = &|w| w + 8;
const DOWN: &dyn Fn(u64) -> u64 = &|w| w - 8;
const WILD: &dyn Fn(u64) -> u64 = &|_| 0xdead_beef_0000;
const HUGE: &dyn Fn(u64) -> u64 = &|_| u64::MAX;

#[test]
fn every_field_that_is_checked() {
    let path = harness::fixture_or_skip!("deep");
    let whole = Patch::new(std::fs::read(path).expect("fixture"));
    let (base, _) = place(&whole, "moduledata");
    each_refused(
        &whole,
        base,
        &[
            (&[0], UP, "no word points at the pclntab"),
            (&[8], UP, "funcnametab is 0x"),
            (&[16], UP, "funcnametab is no slice"),
            (&[32], UP, "cutab is 0x"),
            (&[56], WILD, "filetab is no slice"),
            (&[88, 96], HUGE, "pctab is no slice"),
            (&[104], DOWN, "pclntable is 0x"),
            (&[128], UP, "ftab is 0x"),
            (&[136, 144], DOWN, "ftab has "),
            (&[136, 144], HUGE, "ftab is no slice"),
            (&[152], WILD, "findfunctab 0xdeadbeef0000 is not mapped"),
            (&[160], UP, "minpc is 0x"),
            (&[168], DOWN, "maxpc is 0x"),
            (&[168], HUGE, "does not hold pcs"),
            (
                &[176],
                DOWN,
                "text is 0x400ff8 (0x401000 by the pclntab's header)",
            ),
            (&[176, 160], UP, "by the pclntab's header"),
            (&[184], HUGE, "is not in an executable segment"),
            (&[192], HUGE, "noptrdata is 0x"),
            (&[208], HUGE, "data is 0x"),
            (&[232], &|_| 0, "bss is 0x"),
            (&[248], &|_| 0, "noptrbss is 0x"),
            (&[280], WILD, "are not mapped"),
            (&[288], &|_| 0, "are not mapped"),
            (&[288], &|w| w - 0x39000, "a typelink is 0x"),
            (&[304], WILD, "gofunc 0xdeadbeef0000 is not mapped"),
            (&[312], WILD, "textsectmap is no slice"),
            (&[336], WILD, "typelinks is no slice"),
            (&[344, 352], &|_| 0, "typelinks are empty"),
            (&[344, 352], HUGE, "typelinks is no slice"),
            (&[280], &|w| w - 0x40, "are not mapped"),
            (&[280], &|w| w + 0x40, "typelink"),
            (&[360], UP, "itablink"),
            (&[368], UP, "itablinks is no slice"),
            (&[392], UP, "ptab is no slice"),
            (&[416], HUGE, "pluginpath is no string"),
            (&[432], UP, "pkghashes is no slice"),
            (&[456], HUGE, "modulename is no string"),
            (&[472], UP, "modulehashes is no slice"),
            (&[488], &|_| 2, "hasmain is 2"),
        ],
    );
    // every refusal says what is known
    let mut copy = whole.clone();
    copy.set_word(base + 488, 3);
    let why = refusal(&copy);
    for said in [
        "go1.19.8",
        "known: go1.13 to go1.15",
        "go1.27",
        "as go1.18 and go1.19",
    ] {
        assert!(why.contains(said), "{said:?} in {why}");
    }
}

#[test]
fn the_function_table() {
    let path = harness::fixture_or_skip!("deep");
    let whole = Patch::new(std::fs::read(path).expect("fixture"));
    let (at, _) = place(&whole, "pclntab");
    let table = at + whole.word(at + 64) as usize;
    let pair = |index: usize| table + 8 * index;
    // an entry out of order
    let mut copy = whole.clone();
    let (one, other) = (copy.word(pair(100)), copy.word(pair(101)));
    copy.set_word(pair(100), other);
    copy.set_word(pair(101), one);
    let why = refusal(&copy);
    assert!(why.contains("function table: entry 101 is 0x"), "{why}");
    // a record that says another entry
    let mut copy = whole.clone();
    let record = table + (copy.word(pair(0)) >> 32) as usize;
    copy.bytes[record] ^= 0x10;
    let why = refusal(&copy);
    assert!(why.contains("function record 0 has entry 0x10"), "{why}");
    // a format that is not known
    let mut copy = whole.clone();
    copy.bytes[at] = 0xee;
    let why = refusal(&copy);
    assert!(
        why.contains("unknown magic 0xffffffee (known: 0xfffffffb go1.2 to go1.15"),
        "{why}"
    );
    // a known format of another release
    let mut copy = whole;
    copy.bytes[at] = 0xf1;
    let why = refusal(&copy);
    assert!(
        why.contains("the format of go1.20 to go1.27, but the release is go1.19.8"),
        "{why}"
    );
}

#[test]
fn what_go_1_27_lists_ends_exactly() {
    let Some(path) = stock_dockerd("sid", "arm64") else {
        return;
    };
    let whole = Patch::new(std::fs::read(path).expect("dockerd"));
    // with the values in place fields can be changed
    let (whole, _) = whole.packed(1027).expect("repacked");
    let (base, _) = place(&whole, "moduledata");
    each_refused(
        &whole,
        base,
        &[
            (&[304], DOWN, "the listed type descriptors end at"),
            (&[304], HUGE, "do not fit a region"),
            (&[320], DOWN, "no itab at"),
            (&[328], DOWN, "the itabs end at"),
            (&[328], HUGE, "do not fit a region"),
            (&[344], WILD, "gofunc"),
            (&[352], &|_| 0, "epclntab is 0x0"),
            (&[456], UP, "inittasks is no slice"),
            (&[512], &|_| 7, "hasmain is 7"),
        ],
    );
    // one descriptor of another size, and nothing behind it is where it should be
    let (types, _) = place(&whole, "types");
    let mut copy = whole.clone();
    copy.bytes[types + 8 + 20] ^= 1;
    let why = refusal(&copy);
    assert!(why.contains("type descriptor"), "{why}");
}

/// Go's linker splits the text of other architectures only: here the second half of a program is
/// moved by hand.
#[test]
fn text_in_two_places() {
    const MOVED: u64 = 0x1000_0000;
    let path = harness::fixture_or_skip!("deep");
    let whole = Patch::new(std::fs::read(path).expect("fixture"));
    let before = GoBinary::parse(&whole.bytes).expect("whole");
    let functions: Vec<FuncInfo> = before.functions().collect();
    let split = functions[functions.len() / 2].entry.0;
    let (base, _) = place(&whole, "moduledata");
    let (text, etext) = (whole.word(base + 176), whole.word(base + 184));
    let len = (etext - split) as usize;
    let from = whole.offset(split).expect("code");
    let mut copy = whole.clone();
    // the map itself lies behind the code
    let code = &whole.bytes[from..from + len];
    let map = len.next_multiple_of(8);
    let mut moved = code.to_vec();
    moved.resize(map, 0);
    for (first, end, at) in [(0, split - text, text), (split - text, etext - text, MOVED)] {
        for word in [first, end, at] {
            moved.extend_from_slice(&u64::to_le_bytes(word));
        }
    }
    copy.add_code(MOVED, &moved).expect("segment");
    copy.set_word(base + 184, MOVED + len as u64);
    copy.set_word(base + 168, MOVED + len as u64);
    copy.set_word(base + 312, MOVED + map as u64);
    copy.set_word(base + 320, 2);
    copy.set_word(base + 328, 2);
    // what is not between the parts is one segment no more
    let refused = refusal(&{
        let mut copy = copy.clone();
        let entry = copy.bytes.len() - 48;
        copy.set_word(entry + 24 + 16, MOVED + 0x1000_0000);
        copy
    });
    assert!(refused.contains("text section 1"), "{refused}");
    let after = GoBinary::parse(&copy.bytes).expect("split");
    let found: Vec<FuncInfo> = after.functions().collect();
    assert_eq!(found.len(), functions.len());
    for (f, old) in found.iter().zip(&functions) {
        let expected = |addr: u64| {
            if addr < split {
                addr
            } else {
                addr - split + MOVED
            }
        };
        assert_eq!(f.entry.0, expected(old.entry.0), "{}", f.name);
        // the last function of the first part ends with it
        let end = if old.end.0 == split {
            split
        } else {
            expected(old.end.0)
        };
        assert_eq!(f.end.0, end, "{}", f.name);
        assert_eq!(after.code(f), before.code(old), "{}", f.name);
        assert_eq!(after.function_at(f.entry).as_ref(), Some(f));
    }
    let names = |binary: &GoBinary<'_>| binary.inlined_at(&["fmt.Fprintf", "sync.(*Mutex).Lock"]);
    assert_eq!(
        names(&after).map(|n| n.len()),
        names(&before).map(|n| n.len())
    );
    // methods of types lead through the same map
    let methods = |binary: &GoBinary<'_>| -> Vec<String> {
        let id = binary.types_named("*main.Server").expect("types")[0];
        binary
            .methods(id)
            .expect("methods")
            .into_iter()
            .filter_map(|m| binary.function_at(m.entry?))
            .map(|f| f.name)
            .collect()
    };
    assert!(!methods(&before).is_empty());
    assert_eq!(methods(&after), methods(&before));
}

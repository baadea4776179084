//! Values in every spelling that handlers take, and some that they refuse; escapes in every form
//! that a client may use.

use crate::Numbers;

impl Numbers {
    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What clients write for booleans.
const BOOLEANS: &[&str] = &[
    "1", "0", "true", "false", "True", "FALSE", "yes", "no", "No", "none", "None", "", " 1", "t",
    "f", "2", "on", "off", " false ", "nope", "00", "TRUE ",
];
const NUMBERS: &[&str] = &[
    "",
    "0",
    "1",
    "3",
    "-1",
    "+5",
    "007",
    "99999999999999999999",
    "x",
    " 1",
    "1.5",
    "0x10",
    "1_0",
    "-0",
];
const TEXTS: &[&str] = &[
    "",
    "c1",
    "c2",
    "up",
    "nobody",
    "a b",
    "ü",
    "a&b=c",
    "50%",
    "a+b",
    "\"quoted\"",
    "a/b",
    "…",
    "1.5",
    "2013-01-02T00:00:42.000000000Z",
];

pub fn boolean(dice: &mut Numbers) -> String {
    (*dice.pick(BOOLEANS)).to_owned()
}

pub fn number(dice: &mut Numbers) -> String {
    (*dice.pick(NUMBERS)).to_owned()
}

pub fn text(dice: &mut Numbers) -> String {
    (*dice.pick(TEXTS)).to_owned()
}

/// One byte as `%XX`, in either case.
fn escaped(dice: &mut Numbers, byte: u8) -> String {
    if dice.one_in(2) {
        format!("%{byte:02X}")
    } else {
        format!("%{byte:02x}")
    }
}

/// A name or value in a query. `odd`: also what needs no escape has one now and then.
pub fn in_query(dice: &mut Numbers, text: &str, odd: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if byte == b' ' && dice.one_in(2) {
            out.push('+');
        } else if plain && !(odd && dice.one_in(8)) {
            out.push(char::from(byte));
        } else {
            out.push_str(&escaped(dice, byte));
        }
    }
    out
}

/// A part of a path, escaped now and then where it needs not be.
pub fn in_path(dice: &mut Numbers, text: &str) -> String {
    let odd = dice.one_in(4);
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte);
        if plain && !(odd && dice.one_in(3)) {
            out.push(char::from(byte));
        } else {
            out.push_str(&escaped(dice, byte));
        }
    }
    out
}

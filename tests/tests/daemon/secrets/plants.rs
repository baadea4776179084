//! Secrets to look for, one for each place, and what they are found as.

use std::collections::BTreeMap;

use harness::base64;

use super::places::PLACES;

/// Secrets by place, each in two halves, so that one that is split is found too.
#[derive(Debug, Default)]
pub struct Plants {
    made: BTreeMap<&'static str, [String; 2]>,
}

impl Plants {
    /// A secret for a place, in letters and digits that nothing else has. For the same place always
    /// the same one.
    pub fn plant(&mut self, place: &'static str) -> String {
        let n = self.made.len();
        self.add(place, [format!("Zq{n:02}xW7j"), format!("Kv{n:02}uY3g")])
    }

    /// A secret that the daemon made itself.
    pub fn known(&mut self, place: &'static str, text: &str) {
        assert!(text.len() >= 16, "{place}: {text:?} is no secret");
        let (first, second) = text.split_at(text.len() / 2);
        self.add(place, [first.to_owned(), second.to_owned()]);
    }

    fn add(&mut self, place: &'static str, halves: [String; 2]) -> String {
        let listed = PLACES.iter().any(|(_, places)| places.contains(&place));
        assert!(listed, "{place} belongs to no row of the document");
        self.made.entry(place).or_insert(halves).concat()
    }

    /// Places that nothing was planted at.
    pub fn bare(&self) -> Vec<&'static str> {
        let all = PLACES.iter().flat_map(|(_, places)| *places).copied();
        all.filter(|place| !self.made.contains_key(place)).collect()
    }

    /// Places whose secret is in the bytes, at least one half of it, in any form.
    pub fn found(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, halves) in &self.made {
            let of_halves = halves.iter().flat_map(|half| forms(half));
            for form in of_halves.chain(base64_forms(halves.concat().as_bytes())) {
                if holds(bytes, &form) {
                    found.push(format!("{place} as {form}"));
                }
            }
        }
        found
    }

    /// Whether the bytes have the whole secret of a place, in any form.
    pub fn whole(&self, place: &str, bytes: &[u8]) -> bool {
        let Some(halves) = self.made.get(place) else {
            return false;
        };
        let whole = halves.concat();
        let coded = base64_forms(whole.as_bytes());
        let mut forms = forms(&whole).into_iter().chain(coded);
        forms.any(|form| holds(bytes, &form))
    }
}

/// A text as it is (for letters and digits that is also how URLs have it), as JSON and trees show
/// bytes, and in hexadecimal.
fn forms(text: &str) -> Vec<String> {
    let numbers = |between: &str| {
        let numbers: Vec<String> = text.bytes().map(|b| b.to_string()).collect();
        numbers.join(between)
    };
    let digits = text.bytes().map(|b| format!("{b:02x}")).collect();
    vec![text.to_owned(), numbers(","), numbers(", "), digits]
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// What the base64 of any text that holds these bytes holds, at each of the three positions, less
/// the characters that its neighbours have a part in.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    (0..3)
        .flat_map(|shift| {
            let padded = [vec![0; shift], bytes.to_vec()].concat();
            let digits = base64(&padded);
            let from = [0, 2, 3][shift];
            let to = padded.len() / 3 * 4;
            let usual = digits[from..to].to_owned();
            [usual.replace('+', "-").replace('/', "_"), usual]
        })
        .collect()
}

#[test]
fn secrets_are_found_in_every_form() {
    let mut plants = Plants::default();
    let secret = plants.plant("Env");
    let found = |text: &str| !plants.found(text.as_bytes()).is_empty();
    assert!(found(&format!("A={secret}")));
    assert!(found(&secret[..8]) && found(&secret[8..]));
    for before in ["", "x", "xx", "user:"] {
        let text = base64(format!("{before}{secret} and more").as_bytes());
        assert!(found(&text), "{text}");
    }
    let bytes = secret.as_bytes();
    assert!(found(&format!("{bytes:?}")) && found(&format!("{bytes:02x?}").replace(", ", "")));
    assert!(!found(&secret[1..8]) && !found("A=********"));
}

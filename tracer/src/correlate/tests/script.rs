//! Hits written as text, for tables of cases. Steps are separated by semicolons, and each is a
//! moment later than the one before it (the first is 1):
//!
//! | step | meaning |
//! | --- | --- |
//! | `1 +f@20` | goroutine 1 enters `f` at depth 20 |
//! | `1 -f@20` | it returns from there |
//! | `2<1 +f@20` | goroutine 2 enters, and names 1 as its creator |
//! | `? -f@20` | the goroutine is not known |
//! | `1! +f@20` | the stack is not the goroutine's own |
//! | `1 +D@20=a0` | `Do` of the group at address a0; at the return its result |
//! | `1 makes`, `made 2` | goroutine 1 begins to make one, and that is goroutine 2 |
//! | `1 exits` | `Goexit` |
//! | `1 recovers@20` | the frame at depth 20 recovers a panic |
//! | `lose` | a hit is lost here |
//! | `drain` | what is finished is given out |
//!
//! Functions: `R` serves a request, `D` is `Do` of a group with one key, `K` of one with several,
//! `N` of one with several whose results are numbers, `X` of one of x/sync, `H` takes the
//! connection over, `L` finds out layer sizes, `f`, `g` and `h` are traced calls.

use crate::addr::{ImageAddr, ProcessAddr};
use crate::correlate::examples;
use crate::decode::{Hit, Value};
use crate::plan::GroupPackage::{Resenje, XSync};
use crate::plan::{
    FuncSchema, GroupKeys, GroupPackage, GroupResult, GroupSchema, Plan, Role, SignatureSource,
    SiteKind,
};

/// Names in scripts, symbols, roles.
const FUNCTIONS: &[(&str, &str, Role)] = &[
    ("R", "net/http.serverHandler.ServeHTTP", Role::Request),
    ("f", "main.f", Role::Call),
    ("g", "main.g", Role::Call),
    ("h", "main.h", Role::Call),
    ("D", "D", Role::Join),
    ("K", "K", Role::Join),
    ("N", "N", Role::Join),
    ("X", "X", Role::Join),
    ("H", "net/http.(*response).Hijack", Role::Hijack),
    ("L", "main.LayerDiskUsage", Role::Layers),
    ("exits", "runtime.Goexit", Role::Recovery),
    ("recovers", "runtime.recovery", Role::Recovered),
    ("makes", "runtime.newproc1", Role::Birth),
];
/// The groups whose `Do` they are.
const GROUPS: &[(&str, GroupSchema)] = &[
    ("D", group(Resenje, GroupKeys::One, GroupResult::Pointer)),
    ("K", group(Resenje, GroupKeys::Many, GroupResult::Pointer)),
    ("N", group(Resenje, GroupKeys::Many, GroupResult::Other)),
    ("X", group(XSync, GroupKeys::Many, GroupResult::Pointer)),
];
/// Thread that makes all goroutines.
const MAKER: u32 = 9;

const fn group(package: GroupPackage, keys: GroupKeys, result: GroupResult) -> GroupSchema {
    GroupSchema {
        package,
        keys,
        result,
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    Hit(Box<Hit>),
    Drain,
}

/// The plan of these functions; `births`: goroutines are seen being born.
pub fn plan_of_all(births: bool) -> Plan {
    let known = FUNCTIONS.iter().filter(|f| births || f.2 != Role::Birth);
    let functions = known.map(|(short, name, role)| FuncSchema {
        name: (*name).into(),
        short: (*short).into(),
        role: *role,
        signature: String::new(),
        signature_source: SignatureSource::None,
        entry: ImageAddr(0),
        end: ImageAddr(0),
        params: Vec::new(),
        results: Vec::new(),
        out: Vec::new(),
        inlined_at: Vec::new(),
        group: GROUPS.iter().find(|g| g.0 == *short).map(|g| g.1),
    });
    Plan {
        functions: functions.collect(),
        ..Plan::default()
    }
}

pub fn name_of(func: u32) -> &'static str {
    FUNCTIONS[func as usize].0
}

pub fn parse(script: &str) -> Vec<Step> {
    let mut lost = 0;
    let mut steps = Vec::new();
    for (at, step) in script.split(';').map(str::trim).enumerate() {
        match step {
            "lose" => lost += 1,
            "drain" => steps.push(Step::Drain),
            step => steps.push(Step::Hit(Box::new(Hit {
                ktime: at as u64 + 1,
                lost_before: lost,
                ..hit(step)
            }))),
        }
    }
    steps
}

fn hit(step: &str) -> Hit {
    let words: Vec<&str> = step.split(' ').collect();
    let of = |name: &str| {
        let at = FUNCTIONS.iter().position(|(known, _, _)| *known == name);
        u32::try_from(at.unwrap_or_else(|| panic!("{name} in {step:?}"))).expect("small")
    };
    let number = |text: &str| u64::from_str_radix(text, 16).expect(step);
    match words[..] {
        ["made", child] => Hit {
            func: of("makes"),
            kind: SiteKind::Return,
            tid: MAKER,
            goid: None,
            values: vec![goroutine(number(child), None)],
            ..examples::hit()
        },
        [parent, "makes"] => Hit {
            func: of("makes"),
            kind: SiteKind::Entry,
            tid: MAKER,
            goid: None,
            values: vec![goroutine(number(parent), None)],
            ..examples::hit()
        },
        [goid, "exits"] => Hit {
            func: of("exits"),
            kind: SiteKind::Entry,
            goid: Some(number(goid)),
            ..examples::hit()
        },
        [who, what] => match what.strip_prefix("recovers@") {
            Some(depth) => Hit {
                func: of("recovers"),
                kind: SiteKind::Entry,
                goid: None,
                values: vec![goroutine(number(who), Some(number(depth)))],
                ..examples::hit()
            },
            None => {
                let (place, word) = what.split_once('=').map_or((what, None), |(place, word)| {
                    (place, Some(Value::Address(ProcessAddr(number(word)))))
                });
                let (sign, place) = place.split_at(1);
                let (name, depth) = place.split_once('@').expect(step);
                let (who, parent) = who
                    .split_once('<')
                    .map_or((who, None), |(who, parent)| (who, Some(number(parent))));
                Hit {
                    func: of(name),
                    kind: if sign == "+" {
                        SiteKind::Entry
                    } else {
                        SiteKind::Return
                    },
                    goid: (who != "?").then(|| number(who.trim_end_matches('!'))),
                    parent_goid: parent,
                    on_own_stack: !who.ends_with(['!', '?']),
                    depth: number(depth),
                    values: word.into_iter().collect(),
                    ..examples::hit()
                }
            }
        },
        _ => panic!("no step: {step:?}"),
    }
}

/// A `*runtime.g`, and, if it recovered a panic, the depth of the frame that did.
fn goroutine(goid: u64, recovered: Option<u64>) -> Value {
    const HI: u64 = 0x9000;
    let of = |fields: Vec<(&str, Value)>| Value::Struct {
        ty: String::new(),
        fields: fields.into_iter().map(|(n, v)| (n.into(), v)).collect(),
        left_out: 1,
    };
    let mut fields = vec![
        ("goid", Value::Uint(goid)),
        ("stack", of(vec![("hi", Value::Uint(HI))])),
    ];
    fields.extend(recovered.map(|depth| ("sigcode0", Value::Uint(HI - depth))));
    of(fields)
}

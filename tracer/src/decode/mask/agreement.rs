//! What is hidden in values is hidden in the record: values of random types are captured as the
//! kernel would, decoded, and decoded again from what is left. No secret is in either, and both say
//! the same.

use bytes::BytesMut;
use serde_json::{Value as Json, json};
use tracer_ebpf::wire::op::{COPY, MAP, MAP_HMAP, PTR, SLICE, STRING};
use tracer_ebpf::wire::record::{
    CUT, CUT_PARTS, Head, ITEM_CELL, ITEM_CONT, ITEM_END, LIMIT, MORE, NULL, RECORD_VERSION,
};

use tracer_ebpf::wire::site::SITE_ENTRY;

use super::super::record::{HEAD, read};
use super::super::{Decoder, Part, RawHit};
use crate::addr::LoadBias;
use crate::plan::Plan;

/// Stands in every secret, also where it is cut.
const MARK: &str = "hUnTeR7";
/// Bytes that one item copies at once.
const CHUNK: usize = 1024;
/// Most bytes of a string.
const MOST_STRING: usize = 3000;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// A Go type, small.
#[derive(Clone, Debug)]
enum Ty {
    Word,
    Bytes16,
    Str,
    ByteSlice,
    List(Box<Ty>),
    Map(Box<Ty>),
    Ptr(Box<Ty>),
    Struct(&'static str, Vec<(&'static str, Ty)>),
}

/// Names of fields, and whether all that they hold is secret.
const FIELDS: &[(&str, bool)] = &[
    ("Password", true),
    ("Token", true),
    ("Secret", true),
    ("Env", true),
    ("BuildArgs", true),
    ("Cmd", false),
    ("Labels", false),
    ("Note", false),
];

fn any(n: &mut Numbers, deep: usize) -> Ty {
    match n.below(if deep == 0 { 4 } else { 9 }) {
        0 => Ty::Word,
        1 => Ty::Bytes16,
        2 => Ty::Str,
        3 => Ty::ByteSlice,
        4 => Ty::List(Box::new(Ty::Str)),
        5 => Ty::List(Box::new(any(n, deep - 1))),
        6 => Ty::Map(Box::new(any(n, deep - 1))),
        7 => Ty::Ptr(Box::new(any(n, deep - 1))),
        _ => structure(n, deep - 1),
    }
}

fn structure(n: &mut Numbers, deep: usize) -> Ty {
    let fields = (0..1 + n.below(4))
        .map(|_| (FIELDS[n.below(FIELDS.len())].0, any(n, deep)))
        .collect();
    Ty::Struct("x/y.Options", fields)
}

impl Ty {
    fn size(&self) -> usize {
        match self {
            Self::Word | Self::Map(_) | Self::Ptr(_) => 8,
            Self::Bytes16 | Self::Str => 16,
            Self::ByteSlice | Self::List(_) => 24,
            Self::Struct(_, fields) => fields.iter().map(|(_, t)| t.size()).sum(),
        }
    }
}

/// A plan as recordings hold it.
#[derive(Default)]
struct Maker {
    types: Vec<Json>,
    ops: Vec<Json>,
    maps: Vec<Json>,
    /// Where plain values lie in the block being made that are no secrets.
    shown: Vec<std::ops::Range<usize>>,
}

/// An op of a block, and what it leads to.
#[derive(Clone)]
enum Step {
    /// Plain bytes: how many, and where those are that are shown.
    Copy(usize, Vec<std::ops::Range<usize>>),
    Str,
    Raw,
    List(Block),
    Map(Block, Block),
    Ptr(Block),
}

#[derive(Clone, Default)]
struct Block {
    start: usize,
    steps: Vec<(Step, bool)>,
}

impl Maker {
    fn add(&mut self, name: &str, size: usize, kind: Json) -> usize {
        self.types
            .push(json!({"name": name, "size": size, "addr": 0, "kind": kind}));
        self.types.len() - 1
    }

    fn op(kind: u8, off: usize, len: usize, a: usize, b: usize, c: usize) -> Json {
        json!({"kind": kind, "flags": 0, "off": off, "len": len, "a": a, "b": b, "c": c})
    }

    /// The block of a type as the target of something, and the type's index.
    fn block(&mut self, ty: &Ty, secret: bool) -> (usize, Block) {
        let mut follow = Vec::new();
        let outer = std::mem::take(&mut self.shown);
        let index = self.value(ty, 0, secret, &mut follow);
        let shown = std::mem::replace(&mut self.shown, outer);
        let mut steps = vec![(Step::Copy(ty.size(), shown), secret)];
        let mut ops = vec![Self::op(COPY, 0, ty.size(), 0, 0, 0)];
        for (op, step) in follow {
            ops.push(op);
            steps.push(step);
        }
        let start = self.ops.len();
        self.ops.extend(ops);
        (index, Block { start, steps })
    }

    fn value(
        &mut self,
        ty: &Ty,
        at: usize,
        secret: bool,
        follow: &mut Vec<(Json, (Step, bool))>,
    ) -> usize {
        // an address is none, whatever it leads to
        if (matches!(ty, Ty::Word | Ty::Bytes16) && !secret) || matches!(ty, Ty::Ptr(_)) {
            self.shown.push(at..at + ty.size());
        }
        match ty {
            Ty::Word => self.add("uint64", 8, json!({"kind": "uint"})),
            Ty::Bytes16 => {
                let elem = self.add("uint8", 1, json!({"kind": "uint"}));
                self.add(
                    "[16]uint8",
                    16,
                    json!({"kind": "array", "elem": elem, "len": 16}),
                )
            }
            Ty::Str => {
                follow.push((
                    Self::op(STRING, at, MOST_STRING, 0, 0, 0),
                    (Step::Str, secret),
                ));
                self.add("string", 16, json!({"kind": "string"}))
            }
            Ty::ByteSlice => {
                let elem = self.add("uint8", 1, json!({"kind": "uint"}));
                follow.push((
                    Self::op(SLICE, at, MOST_STRING, 0, 0, 1),
                    (Step::Raw, secret),
                ));
                self.add("[]uint8", 24, json!({"kind": "slice", "elem": elem}))
            }
            Ty::List(of) => {
                let (elem, block) = self.block(of, secret);
                let op = Self::op(SLICE, at, 4096, block.start, block.steps.len(), of.size());
                follow.push((op, (Step::List(block), secret)));
                self.add("[]T", 24, json!({"kind": "slice", "elem": elem}))
            }
            Ty::Map(of) => {
                let (key, keys) = self.block(&Ty::Str, false);
                let (elem, elems) = self.block(of, secret);
                self.maps.push(json!({"kind": MAP_HMAP, "flags": 0, "bucket_size": 0, "keys_off": 0, "key_stride": 0, "elems_off": 0,
                    "elem_stride": 0, "overflow_off": 0, "key_ops": keys.start, "key_count": keys.steps.len(),
                    "elem_ops": elems.start, "elem_count": elems.steps.len()}));
                let op = Self::op(MAP, at, 4096, self.maps.len() - 1, 0, 0);
                follow.push((op, (Step::Map(keys, elems), secret)));
                self.add(
                    "map[string]T",
                    8,
                    json!({"kind": "map", "key": key, "elem": elem}),
                )
            }
            Ty::Ptr(of) => {
                let (elem, block) = self.block(of, secret);
                let op = Self::op(PTR, at, 0, block.start, block.steps.len(), 0);
                follow.push((op, (Step::Ptr(block), secret)));
                self.add("*T", 8, json!({"kind": "pointer", "elem": elem}))
            }
            Ty::Struct(name, fields) => {
                let mut at_field = at;
                let mut described = Vec::new();
                for (field, ty) in fields {
                    let all = FIELDS.iter().any(|(n, all)| n == field && *all);
                    let index = self.value(ty, at_field, secret || all, follow);
                    described.push(json!({"name": field, "offset": at_field - at, "ty": index, "embedded": false, "secret": "none"}));
                    at_field += ty.size();
                }
                self.add(
                    name,
                    ty.size(),
                    json!({"kind": "struct", "fields": described}),
                )
            }
        }
    }

    fn plan(self, ty: usize, count: usize, start: usize) -> Plan {
        serde_json::from_value(json!({
            "functions": [{"name": "x/y.F", "short": "F", "role": "call", "signature": "", "signature_source": "method table",
                "entry": 0, "end": 0, "results": [], "out": [], "inlined_at": [],
                "params": [{"name": "options", "ty": ty, "shown": true, "place": {"kind": "stack", "leaves": [], "offset": 0, "reason": null}}]}],
            "sites": [{"func": 0, "kind": SITE_ENTRY, "addr": 0, "file_offset": 0, "bytes": "", "insn": "", "why": "", "cond": 0, "g_source": 0,
                "class": 0, "flags": 0, "reg_ops": 0, "reg_count": 0, "stack_ops": start, "stack_count": count, "save_regs": [255, 255, 255, 255]}],
            "ops": self.ops, "maps": self.maps, "dyn_types": [], "types": self.types, "issues": [],
            "g": {"goid": 0, "stack_lo": 0, "stack_hi": 0, "parent_goid": 0},
        }))
        .expect("plan")
    }
}

/// Items, each by itself.
struct Items<'n> {
    items: Vec<Vec<u8>>,
    n: &'n mut Numbers,
}

impl Items<'_> {
    fn item(&mut self, op: usize, status: u8, flags: u8, value: u64, payload: &[u8]) {
        let mut item = Vec::new();
        item.extend_from_slice(&u16::try_from(op).expect("op").to_le_bytes());
        item.extend_from_slice(&[status, flags]);
        item.extend_from_slice(&u32::try_from(payload.len()).expect("len").to_le_bytes());
        item.extend_from_slice(&value.to_le_bytes());
        item.extend_from_slice(payload);
        item.resize(item.len().next_multiple_of(8), 0);
        self.items.push(item);
    }

    /// A text: wherever a secret may stand there is one, elsewhere it says so itself.
    fn text(&mut self, secret: bool) -> Vec<u8> {
        let long = "x".repeat(self.n.below(2) * self.n.below(4000));
        let text = match (secret, self.n.below(6)) {
            (_, 0) => String::new(),
            (true, 1) => format!("A={MARK}{long}{MARK}"),
            (true, 2) => format!("A={{\"B\": \"{MARK}\"}}{long}"),
            (true, _) => format!("{{\"A\": \"{MARK}{long}\"}}"),
            (false, 1) => format!("http://u:{MARK}@host/{long}"),
            (false, 2) => format!("{long} password={MARK}"),
            (false, 3) => format!("{{\"n\": \"{long}\", \"Env\": [\"A={MARK}\"]}}"),
            (false, _) => format!("plain {long}"),
        };
        text.into_bytes()
    }

    /// Of a string the first chunk is in the item that tells its length, of other bytes none is.
    fn chunks(&mut self, op: usize, text: &[u8], is_string: bool) {
        let taken = &text[..text.len().min(MOST_STRING)];
        let status = match text.len() {
            0 if !is_string => NULL,
            n if n > MOST_STRING => LIMIT,
            _ => 0,
        };
        let mut chunks = taken.chunks(CHUNK);
        let first = match is_string {
            true => chunks.next().unwrap_or_default(),
            false => &[],
        };
        self.item(op, status, 0, text.len() as u64, first);
        for chunk in chunks {
            self.item(op, 0, ITEM_CONT, 0, chunk);
        }
    }

    fn block(&mut self, block: &Block) {
        for (at, (step, secret)) in block.steps.iter().enumerate() {
            let op = block.start + at;
            match step {
                Step::Copy(size, shown) => {
                    let mut bytes: Vec<u8> =
                        MARK.bytes().chain(*b"!").cycle().take(*size).collect();
                    shown
                        .iter()
                        .for_each(|range| bytes[range.clone()].fill(b'p'));
                    self.item(op, 0, 0, 1, &bytes);
                }
                Step::Str | Step::Raw => {
                    let text = self.text(*secret);
                    self.chunks(op, &text, matches!(step, Step::Str));
                }
                Step::List(inner) => {
                    let n = self.n.below(4);
                    self.item(op, if n == 0 { NULL } else { 0 }, 0, n as u64, &[]);
                    (0..n).for_each(|_| self.block(inner));
                }
                Step::Ptr(inner) => {
                    self.item(op, 0, 0, 0x1000, &[]);
                    self.block(inner);
                }
                Step::Map(keys, elems) => {
                    let n = self.n.below(3);
                    let mut header = [0u8; 48];
                    header[0] = u8::try_from(n).expect("small");
                    self.item(op, 0, 0, 0x2000, &header);
                    for _ in 0..n {
                        self.item(op, 0, ITEM_CELL, 0, &[]);
                        self.block(keys);
                        self.block(elems);
                    }
                    self.item(op, 0, ITEM_END, n as u64, &header);
                }
            }
        }
    }

    /// Items in entries; maybe not all of them.
    fn hit(self, cut: bool) -> RawHit {
        let Self { mut items, n } = self;
        if cut {
            items.truncate(1 + n.below(items.len()));
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut from = 0;
        while from < items.len() || parts.is_empty() {
            let to = (from + 1 + n.below(8)).min(items.len());
            let bytes: Vec<u8> = items[from..to].concat();
            let mut head: Head = read(&[0; HEAD]).expect("head");
            head.version = RECORD_VERSION;
            head.data_len = u32::try_from(bytes.len()).expect("small");
            head.part = u16::try_from(parts.len()).expect("few");
            // registers of which no value is made
            head.regs[0] = u64::from_le_bytes(*b"hUnTeR7!");
            head.flags = match (to < items.len(), cut) {
                (true, _) => MORE,
                (false, true) => CUT,
                (false, false) => 0,
            };
            head.cut = if cut { CUT_PARTS } else { 0 };
            parts.push(Part {
                head,
                items: BytesMut::from(bytes.as_slice()),
            });
            from = to;
        }
        RawHit {
            parts,
            lost_rest: false,
        }
    }
}

#[test]
fn values_and_record_agree_and_neither_has_a_secret() {
    let mut masked = 0u64;
    for seed in 0..1500u64 {
        let mut n = Numbers(seed);
        let ty = structure(&mut n, 3);
        let mut maker = Maker::default();
        let (index, block) = maker.block(&ty, false);
        let plan = maker.plan(index, block.steps.len(), block.start);
        let mut items = Items {
            items: Vec::new(),
            n: &mut n,
        };
        items.block(&block);
        let mut raw = items.hit(seed % 3 == 0);
        let decoder = Decoder::new(&plan, LoadBias::default());

        let first = decoder.decode(&mut raw).expect("decoded");
        let stored: Vec<u8> = raw.parts.iter().flat_map(Part::to_stored).collect();
        let shown = format!("{:?}", first.values);
        for (what, bytes) in [("record", stored.as_slice()), ("values", shown.as_bytes())] {
            let found = bytes.windows(MARK.len()).any(|w| w == MARK.as_bytes());
            assert!(!found, "seed {seed}, {what}: {ty:?}\n{shown}");
        }
        let mut again = raw.clone();
        let second = decoder.decode(&mut again).expect("decoded");
        assert_eq!(format!("{:?}", second.values), shown, "seed {seed}: {ty:?}");
        assert_eq!(second.masked, first.masked, "seed {seed}: {ty:?}");
        let restored: Vec<u8> = again.parts.iter().flat_map(Part::to_stored).collect();
        assert!(
            restored == stored,
            "seed {seed}: the record changed again: {ty:?}"
        );
        masked += u64::from(first.masked);
    }
    assert!(masked > 3000, "{masked}");
}

//! Fuzz targets: where a target's bytes go, and everything that is then asked of the parser.
//!
//! Input: patches, each of anchor (u16), distance (u8), length (u8) and bytes. An anchor with its
//! highest bit set is one of the places that everything else is found through (a header, a type
//! descriptor); others are every 256th byte of the region.

use std::io;
use std::path::Path;

use mobytrace::capture::Recording;
use mobytrace::gobin::{GoBinary, ImageAddr};
use mobytrace::plan::{PlanRequest, build, explain, short_name, signature_text, wait_reasons};
use mobytrace::render::{Column, Comparison, FORMATS, Style, View, list_requests};
use mobytrace::session::{Context, Filter, Stream, replay};

/// Names of all targets.
pub const TARGETS: &[&str] = &[
    "elf",
    "buildinfo",
    "pclntab",
    "moduledata",
    "types",
    "dwarf",
    "plan",
    "recording",
];

/// Functions and types of the base that are asked for by name.
const FUNCTION: &str = "main.(*Server).List";
const TYPE: &str = "main.Options";
/// Length of a patch's head.
const PATCH: usize = 4;
/// Frames of a recording that are kept: more would only take time.
const FRAMES: usize = 24;
/// One in so many functions and types is looked at; which ones depends on the input.
const STRIDE: usize = 8;
/// Distance between ordinary anchors.
const STEP: usize = 256;

/// One parser, and a valid input of it that is patched.
#[derive(Debug)]
pub struct Target {
    walk: fn(&[u8], usize),
    base: Vec<u8>,
    /// Offsets that matter most.
    special: Vec<usize>,
    /// Every 256th offset of the region.
    pages: Vec<usize>,
}

impl Target {
    /// `root`: the project's folder, in which the fixtures were built.
    pub fn new(name: &str, root: &Path) -> io::Result<Self> {
        if name == "recording" {
            return Self::recording(root);
        }
        let file = match name {
            "dwarf" => "deep-dwarf",
            // with dynamic relocations, packed ones too
            "elf" => "relr",
            _ => "deep",
        };
        let base = std::fs::read(root.join("target/fixtures").join(file))?;
        let whole = GoBinary::parse(&base).map_err(io::Error::other)?;
        let all = |len: usize, start: usize| -> Vec<usize> {
            (start..(start + len).min(base.len()))
                .step_by(STEP)
                .collect()
        };
        let (pclntab, moduledata, types) = (
            table(&whole, "pclntab"),
            table(&whole, "moduledata"),
            table(&whole, "types"),
        );
        let descriptors: Vec<usize> = whole
            .find_types(&mut |_| true)
            .unwrap_or_default()
            .iter()
            .filter_map(|id| offset(&whole, id.0))
            .collect();
        let info = base
            .windows(14)
            .position(|w| w == b"\xff Go buildinf:")
            .unwrap_or(0);
        let (walk, special, pages): (fn(&[u8], usize), _, _) = match name {
            "elf" => {
                let tables = dynamic_tables(&base, &whole);
                let mut pages = all(4096, 0);
                pages.extend(tables.iter().flat_map(|at| all(1 << 14, *at)));
                let mut special = vec![0, 64];
                special.extend(tables);
                (parse, special, pages)
            }
            "buildinfo" => (parse, vec![info], all(4096, info)),
            "pclntab" => (
                functions,
                header_offsets(&base, pclntab),
                all(1 << 20, pclntab),
            ),
            "moduledata" => (everything, vec![moduledata], all(1024, moduledata)),
            "types" => (types_of, descriptors, all(1 << 19, types)),
            "dwarf" => {
                let sections = debug_sections(&base);
                let pages = sections.iter().flat_map(|(at, len)| all(*len, *at));
                let starts = sections.iter().map(|(at, _)| *at);
                (typed_and_planned, starts.collect(), pages.collect())
            }
            _ => {
                let code: Vec<usize> = whole
                    .find_functions(&mut |n| n.starts_with("main."))
                    .iter()
                    .filter_map(|f| offset(&whole, f.entry.0))
                    .collect();
                let mut special = code;
                special.extend(header_offsets(&base, pclntab));
                special.push(moduledata);
                special.extend(descriptors);
                (planned, special, all(1 << 20, pclntab))
            }
        };
        drop(whole);
        Ok(Self {
            walk,
            base,
            special,
            pages,
        })
    }

    fn recording(root: &Path) -> io::Result<Self> {
        let mut base = std::fs::read(root.join("tests/captures/stock-20.10.24.mobytrace"))?;
        // heads of frames: kind, length
        let mut special = vec![0];
        let mut at = 12;
        while let Some(head) = base.get(at..at + 8)
            && special.len() < 2 * FRAMES
        {
            special.push(at);
            special.push(at + 8);
            let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            at = at.saturating_add(8 + len as usize);
        }
        base.truncate(at);
        let pages = (0..base.len()).step_by(STEP).collect();
        Ok(Self {
            walk: replayed,
            base,
            special,
            pages,
        })
    }

    /// Writes the patches into the base, walks, and takes them back.
    pub fn run(&mut self, input: &[u8]) {
        let mut undo: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut rest = input;
        while let Some((head, tail)) = rest.split_at_checked(PATCH) {
            let anchor = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let places = if anchor & 0x8000 == 0 {
                &self.pages
            } else {
                &self.special
            };
            let place = places[(anchor & 0x7fff) % places.len()];
            let at = (place + usize::from(head[2])).min(self.base.len());
            let len = usize::from(head[3])
                .min(tail.len())
                .min(self.base.len() - at);
            let here = &mut self.base[at..at + len];
            undo.push((at, here.to_vec()));
            here.copy_from_slice(&tail[..len]);
            rest = &tail[len..];
        }
        (self.walk)(&self.base, input.len() % STRIDE);
        for (at, bytes) in undo.into_iter().rev() {
            self.base[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

/// Offsets of PT_DYNAMIC and of the relocation tables that it names.
fn dynamic_tables(base: &[u8], whole: &GoBinary<'_>) -> Vec<usize> {
    const PT_DYNAMIC: u64 = 2;
    const TABLES: [u64; 2] = [7, 36]; // DT_RELA, DT_RELR
    let word = |at: usize| -> u64 {
        let bytes = base.get(at..at + 8).and_then(|b| b.first_chunk());
        bytes.map_or(0, |b| u64::from_le_bytes(*b))
    };
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let count = place(word(0x38) & 0xffff);
    let headers = (0..count).map(|i| place(word(0x20)) + 56 * i);
    let mut found = Vec::new();
    for header in headers.filter(|h| word(*h) & 0xffff_ffff == PT_DYNAMIC) {
        let (start, size) = (place(word(header + 8)), place(word(header + 32)));
        found.push(start);
        let entries = (start..start + size).step_by(16);
        let tables = entries.filter(|at| TABLES.contains(&word(*at)));
        found.extend(tables.filter_map(|at| offset(whole, word(at + 8))));
    }
    found
}

/// Offsets and lengths of the sections whose names begin with `.debug_`, which hold DWARF.
fn debug_sections(base: &[u8]) -> Vec<(usize, usize)> {
    let number = |at: usize, len: usize| -> usize {
        let bytes = base.get(at..at + len).unwrap_or_default();
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        usize::try_from(u64::from_le_bytes(whole)).unwrap_or(usize::MAX)
    };
    let (table, size) = (number(0x28, 8), number(0x3a, 2));
    let (count, names) = (number(0x3c, 2), number(0x3e, 2));
    let field = |section: usize, at: usize, len: usize| number(table + section * size + at, len);
    let names = field(names, 0x18, 8);
    (0..count)
        .filter(|s| {
            let name = base.get(names + field(*s, 0, 4)..).unwrap_or_default();
            name.starts_with(b".debug_") && !name.starts_with(b".debug_gdb")
        })
        .map(|s| (field(s, 0x18, 8), field(s, 0x20, 8)))
        .collect()
}

/// File offset of a table that the reader found.
fn table(binary: &GoBinary<'_>, name: &str) -> usize {
    binary
        .facts()
        .iter()
        .find(|(n, _)| n == name)
        .and_then(|(_, value)| {
            let digits: String = value
                .trim_start_matches("0x")
                .chars()
                .take_while(char::is_ascii_hexdigit)
                .collect();
            offset(binary, u64::from_str_radix(&digits, 16).ok()?)
        })
        .unwrap_or(0)
}

fn offset(binary: &GoBinary<'_>, addr: u64) -> Option<usize> {
    usize::try_from(binary.file_offset(ImageAddr(addr))?.0).ok()
}

/// The pclntab's header, and the tables that it points to.
fn header_offsets(base: &[u8], pclntab: usize) -> Vec<usize> {
    let words = base.get(pclntab + 8..pclntab + 72).unwrap_or_default();
    let mut found = vec![pclntab];
    for word in words.as_chunks::<8>().0 {
        let distance = usize::try_from(u64::from_le_bytes(*word)).unwrap_or(usize::MAX);
        if distance < 1 << 24 {
            found.push(pclntab + distance);
        }
    }
    found
}

fn parse(bytes: &[u8], _: usize) {
    if let Ok(binary) = GoBinary::parse(bytes) {
        about(&binary);
        let _ = binary.function_named(FUNCTION);
        let _ = binary.types_named(TYPE);
    }
}

fn about(binary: &GoBinary<'_>) {
    let _ = (binary.facts(), binary.build_id(), binary.is_pie());
    let _ = (binary.version(), binary.build_info(), binary.unverified());
    let _ = (binary.lowest_vaddr(), binary.only_thread_local());
    for segment in binary.load_segments() {
        let _ = binary.file_offset(segment.vaddr);
        let _ = binary.read_word(segment.vaddr);
        let _ = binary.bytes_at(segment.vaddr, 64);
    }
}

fn functions(bytes: &[u8], first: usize) {
    let Ok(binary) = GoBinary::parse(bytes) else {
        return;
    };
    about(&binary);
    for f in binary.functions().skip(first).step_by(STRIDE) {
        let _ = (binary.code(&f), binary.sp_deltas(&f), binary.arg_info(&f));
        let _ = (short_name(&f.name), binary.function_at(f.end));
        let _ = binary.inline_frames(f.entry);
        let _ = binary.inline_frames(ImageAddr(f.end.0.wrapping_sub(1)));
    }
    let _ = binary.inlined_at(&[FUNCTION, "fmt.Fprintf", "sync.(*Mutex).Lock"]);
}

fn types_of(bytes: &[u8], first: usize) {
    let Ok(binary) = GoBinary::parse(bytes) else {
        return;
    };
    let types = binary.find_types(&mut |_| true).unwrap_or_default();
    for id in types.into_iter().skip(first).step_by(STRIDE) {
        let _ = (binary.type_by_id(id), binary.methods(id));
    }
    let _ = binary.itabs();
    for name in [TYPE, "*main.Server", "runtime.g", "map[string]bool"] {
        let _ = binary.types_named(name);
    }
    for f in binary.find_functions(&mut |n| n.starts_with("main.")) {
        let _ = signature_text(&binary, &f);
    }
}

fn everything(bytes: &[u8], first: usize) {
    functions(bytes, first);
    types_of(bytes, first);
}

fn typed_and_planned(bytes: &[u8], first: usize) {
    types_of(bytes, first);
    planned(bytes, first);
}

fn planned(bytes: &[u8], _: usize) {
    let Ok(binary) = GoBinary::parse(bytes) else {
        return;
    };
    let wishes = ["main.*".to_owned(), "runtime.newproc1".to_owned()];
    let Ok(request) = PlanRequest::new(&[], &wishes) else {
        return;
    };
    let _ = wait_reasons(&binary);
    if let Ok(plan) = build(&request, &binary) {
        let _ = explain(&plan);
    }
}

fn replayed(bytes: &[u8], _: usize) {
    let Ok(recording) = Recording::read(bytes) else {
        return;
    };
    let trace = replay(&recording);
    let context = Context::of_recording(&recording);
    let mut out = Vec::new();
    let part = View {
        stack: true,
        slow: 0,
        ..View::default()
    };
    let filter = Filter {
        root: Some("/".to_owned()),
        route: Some("GET".to_owned()),
        client: Some("docker".into()),
        ..Filter::default()
    };
    for (view, filter) in [(View::default(), Filter::default()), (part, filter)] {
        for format in FORMATS {
            let sink = format.sink(&context, Style::new(Some(false)), view.clone());
            let mut stream = Stream::new(context.clone(), filter.clone(), sink);
            let _ = stream.begin(&mut out);
            let _ = stream.batch(&trace, &mut out);
            let _ = stream.finish(&trace.summary, &mut out);
        }
    }
    let columns: Vec<Column> = list_requests(&trace)
        .into_iter()
        .take(2)
        .map(|r| Column::one(String::new(), r))
        .collect();
    if columns.len() == 2 {
        let comparison = Comparison::new(&context, &trace, &columns);
        let _ = comparison.text(Style::new(Some(false)), &mut out);
        let _ = comparison.markdown(&mut out);
    }
}

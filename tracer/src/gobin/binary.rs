//! The whole binary: opens the tables in order and answers questions about functions and types.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::buildinfo::{self, BuildInfo};
use super::dwarf::Dwarf;
use super::elf::{Elf, Segment};
use super::error::Error;
use super::layout::{NEWEST_KNOWN, wrapper_id};
use super::model::{
    Arch, ArgInfo, FuncInfo, GoVersion, ImageAddr, InlinedAt, Method, Type, TypeId, TypeKind,
};
use super::moduledata::{self, ModuleData};
use super::pclntab::{self, FuncRecord, Pclntab};
use super::rtype::Types;

/// `_func.flag`: assembly function (1.18+).
const FLAG_ASM: u8 = 4;
/// Largest type believed, bytes.
const MOST_SIZE: u64 = 1 << 40;
/// Ranges and entries of all inline trees that one walk reads; stock daemons have a twenty-fifth of that.
const MOST_INLINED: usize = 1 << 24;
/// Bound on types visited in a closure.
const MOST_TYPES: usize = 1 << 20;

/// SP delta of a range of a function: bytes that SP is below its value at entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpRange {
    pub start: ImageAddr,
    pub end: ImageAddr,
    pub delta: i32,
}

/// A Go binary. Tables are searched where they lie; nothing large is copied.
#[derive(Debug)]
pub struct GoBinary<'data> {
    elf: Elf<'data>,
    version: GoVersion,
    build_info: Option<BuildInfo>,
    table: Pclntab<'data>,
    module: ModuleData,
    types: RefCell<HashMap<TypeId, Type>>,
    roots: OnceCell<Vec<TypeId>>,
    data: &'data [u8],
    pub(super) dwarf: OnceCell<Result<Option<Dwarf<'data>>, Error>>,
}

impl<'data> GoBinary<'data> {
    /// Reads headers, build info, pclntab and moduledata.
    ///
    /// # Errors
    /// Not an ELF file of a supported kind, not Go, damaged, or of an unknown release.
    pub fn parse(data: &'data [u8]) -> Result<Self, Error> {
        let elf = Elf::parse(data)?;
        let build_info = buildinfo::find(&elf);
        let version = build_info
            .as_ref()
            .and_then(|i| buildinfo::parse_version(&i.version));
        let minor = version.as_ref().map(|v| v.minor);
        let mut first_error = None;
        let mut found = None;
        let mut unknown = Vec::new();
        'segments: for candidates in pclntab::candidates(&elf) {
            unknown.extend(candidates.unknown);
            for table in candidates.tables {
                match moduledata::find(&elf, &table, minor) {
                    Ok(module) => {
                        found = Some((table, module));
                        break 'segments;
                    }
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
        }
        let (table, module) = match (found, first_error) {
            (Some(found), _) => found,
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(pclntab::no_table(&elf, &unknown)),
        };
        let version = version
            .or_else(|| buildinfo::find_build_version(&elf))
            .ok_or(Error::NoVersion)?;
        Ok(Self {
            elf,
            version,
            build_info,
            table,
            module,
            types: RefCell::default(),
            roots: OnceCell::new(),
            data,
            dwarf: OnceCell::new(),
        })
    }

    #[must_use]
    pub fn arch(&self) -> Arch {
        self.elf.arch
    }

    #[must_use]
    pub fn version(&self) -> &GoVersion {
        &self.version
    }

    #[must_use]
    pub fn build_info(&self) -> Option<&BuildInfo> {
        self.build_info.as_ref()
    }

    /// GNU build id in hex, else Go's own.
    #[must_use]
    pub fn build_id(&self) -> Option<String> {
        self.elf
            .build_id
            .clone()
            .or_else(|| self.elf.go_build_id.clone())
    }

    #[must_use]
    pub fn is_pie(&self) -> bool {
        self.elf.pie
    }

    /// What was found where, for people.
    #[must_use]
    pub fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![
            (
                "pclntab".to_owned(),
                format!(
                    "0x{:x}, magic 0x{:x} ({})",
                    self.table.addr, self.table.layout.magic, self.table.layout.releases
                ),
            ),
            (
                "moduledata".to_owned(),
                format!(
                    "0x{:x}, layout {}",
                    self.module.addr, self.module.layout.name
                ),
            ),
            (
                "text".to_owned(),
                format!("0x{:x}-0x{:x}", self.module.text, self.module.etext),
            ),
            (
                "types".to_owned(),
                format!(
                    "0x{:x}-0x{:x}, {} listed",
                    self.module.types,
                    self.module.etypes,
                    self.roots().len()
                ),
            ),
            (
                "itabs".to_owned(),
                self.type_reader().itabs().len().to_string(),
            ),
            ("functions".to_owned(), self.table.nfunc.to_string()),
            ("relocations".to_owned(), self.elf.relocations().to_string()),
        ];
        facts.push((
            "dwarf".to_owned(),
            match self.dwarf() {
                Ok(None) => "none of Go's compiler".to_owned(),
                Ok(Some(d)) => format!("version {}, {} Go units", d.version(), d.units()),
                Err(why) => format!("damaged: {why}"),
            },
        ));
        if self.is_unverified() {
            facts.push(("unverified".to_owned(), format!("unverified Go release: newer than go1.{NEWEST_KNOWN}, but a known layout passes every check")));
        }
        facts
    }

    /// The release is newer than any whose layouts were checked (a known layout passes every check all the same).
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        self.version.minor > NEWEST_KNOWN
    }

    /// Lowest PT_LOAD address, page aligned.
    #[must_use]
    pub fn lowest_vaddr(&self) -> u64 {
        self.elf.segments.first().map_or(0, |s| s.vaddr & !0xfff)
    }

    #[must_use]
    pub fn load_segments(&self) -> Vec<Segment> {
        self.elf.segments.clone()
    }

    #[must_use]
    pub fn file_offset(&self, addr: ImageAddr) -> Option<u64> {
        self.elf.file_offset(addr)
    }

    /// Offset from the thread pointer of the executable's only thread-local word, which in Go ≤ 1.16 on amd64 is g
    /// (`runtime.tlsg`). `None`: there are others beside it, or none.
    ///
    /// ELF TLS variant II: the executable's block ends at the thread pointer, rounded up to its alignment. Programs that Go's own
    /// linker makes without dynamic linking have no such block (cmd/link/internal/ld/elf.go); there the code says the offset.
    #[must_use]
    pub fn only_thread_local(&self) -> Option<i32> {
        if self.elf.arch != Arch::Amd64 {
            return None;
        }
        let Some((size, align)) = self.elf.tls else {
            return self.thread_local_of_code();
        };
        (size == 8 && align <= 64)
            .then(|| size.checked_next_multiple_of(align.max(1)))
            .flatten()
            .and_then(|offset| i32::try_from(offset).ok())
            .map(|offset| -offset)
    }

    /// The offset in `mov %fs:OFFSET,%rcx`, with which the stack check of Go ≤ 1.16 loads g, of a function that every program has.
    fn thread_local_of_code(&self) -> Option<i32> {
        let main = self.function_named("runtime.main").into_iter().next()?;
        let rest = self
            .code(&main)
            .ok()?
            .strip_prefix(&[0x64, 0x48, 0x8b, 0x0c, 0x25])?;
        Some(i32::from_le_bytes(*rest.first_chunk()?)).filter(|offset| *offset < 0)
    }

    /// File bytes, not relocated.
    #[must_use]
    pub fn bytes_at(&self, addr: ImageAddr, len: usize) -> Option<&'data [u8]> {
        self.elf.bytes_at(addr, len)
    }

    /// Relocated 8-byte word.
    #[must_use]
    pub fn read_word(&self, addr: ImageAddr) -> Option<u64> {
        self.elf.word(addr)
    }

    fn entry(&self, index: usize) -> Option<u64> {
        let raw = self.table.raw_entry(&self.elf, index)?;
        if self.table.layout.func.wide_entry {
            return Some(raw);
        }
        if index == self.table.nfunc && self.module.text_sections.len() > 1 {
            return Some(self.module.etext);
        }
        self.module.text_addr(raw)
    }

    fn record(&self, index: usize) -> Option<(FuncRecord<'data>, u64)> {
        Some((self.table.record(&self.elf, index)?, self.entry(index)?))
    }

    fn index_of(&self, pc: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.table.nfunc);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)? <= pc {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let index = low.checked_sub(1)?;
        (pc < self.entry(index + 1)?).then_some(index)
    }

    fn record_of(&self, f: &FuncInfo) -> Result<(FuncRecord<'data>, u64), Error> {
        let gone = || Error::At {
            region: "pclntab",
            addr: f.entry.0,
            what: format!("no function record for {}", f.name),
        };
        let index = self.index_of(f.entry.0).ok_or_else(gone)?;
        self.record(index)
            .filter(|(_, entry)| *entry == f.entry.0)
            .ok_or_else(gone)
    }

    fn info(&self, index: usize, name: &str) -> Option<FuncInfo> {
        let (record, entry) = self.record(index)?;
        Some(FuncInfo {
            name: name.to_owned(),
            entry: ImageAddr(entry),
            end: ImageAddr(self.entry(index + 1).filter(|e| *e > entry)?),
            args: record.args(),
            wrapper: record.func_id() == Some(wrapper_id(self.version.minor)),
            assembly: record.flag() & FLAG_ASM != 0,
        })
    }

    fn name_of(&self, index: usize) -> Option<&'data str> {
        self.table
            .name(self.table.record(&self.elf, index)?.name_off()?)
    }

    /// All functions, by address.
    pub fn functions(&self) -> impl Iterator<Item = FuncInfo> + '_ {
        (0..self.table.nfunc).filter_map(|i| self.info(i, self.name_of(i)?))
    }

    /// Functions whose name satisfies `pred`.
    pub fn find_functions(&self, pred: &mut dyn FnMut(&str) -> bool) -> Vec<FuncInfo> {
        (0..self.table.nfunc)
            .filter_map(|i| {
                let name = self.name_of(i)?;
                pred(name).then(|| self.info(i, name))?
            })
            .collect()
    }

    /// All functions of that name (wrappers and, from 1.27, closures may share one).
    #[must_use]
    pub fn function_named(&self, name: &str) -> Vec<FuncInfo> {
        self.find_functions(&mut |n| n == name)
    }

    /// The function that contains a pc.
    #[must_use]
    pub fn function_at(&self, pc: ImageAddr) -> Option<FuncInfo> {
        let index = self.index_of(pc.0)?;
        self.info(index, self.name_of(index)?)
    }

    /// Names of the frames at a pc: inlined ones first, the real function last.
    #[must_use]
    pub fn inline_frames(&self, pc: ImageAddr) -> Vec<String> {
        let Some(index) = self.index_of(pc.0) else {
            return Vec::new();
        };
        let Some((record, entry)) = self.record(index) else {
            return Vec::new();
        };
        let tree = self.table.inline_tree(
            &self.elf,
            &record,
            entry,
            self.version.minor,
            self.module.gofunc,
        );
        let offsets = tree.map(|t| t.frames_at(pc.0)).unwrap_or_default();
        offsets
            .into_iter()
            .filter_map(|o| self.table.name(o))
            .chain(self.name_of(index))
            .map(str::to_owned)
            .collect()
    }

    /// Code bytes of a function.
    ///
    /// # Errors
    /// Its addresses are not in the file.
    pub fn code(&self, f: &FuncInfo) -> Result<&'data [u8], Error> {
        usize::try_from(f.end.0.saturating_sub(f.entry.0))
            .ok()
            .and_then(|len| self.elf.bytes_at(f.entry, len))
            .ok_or_else(|| Error::At {
                region: "code",
                addr: f.entry.0,
                what: format!("{} is outside the file's segments", f.name),
            })
    }

    /// SP table of a function.
    ///
    /// # Errors
    /// No function record.
    pub fn sp_deltas(&self, f: &FuncInfo) -> Result<Vec<SpRange>, Error> {
        let (record, entry) = self.record_of(f)?;
        Ok(self
            .table
            .sp_ranges(&record, entry)
            .take_while(|r| r.start < f.end.0)
            .map(|r| SpRange {
                start: ImageAddr(r.start),
                end: ImageAddr(r.end.min(f.end.0)),
                delta: r.value,
            })
            .collect())
    }

    /// Shape of the arguments, where the compiler recorded it (1.17+).
    ///
    /// # Errors
    /// No function record.
    pub fn arg_info(&self, f: &FuncInfo) -> Result<Option<Vec<ArgInfo>>, Error> {
        let (record, _) = self.record_of(f)?;
        Ok(self
            .table
            .arg_info(&self.elf, &record, self.version.minor, self.module.gofunc))
    }

    /// Functions that contain inlined copies of the named ones: one walk over all inline trees.
    ///
    /// # Errors
    /// None at present; damaged trees are passed over.
    pub fn inlined_at(&self, names: &[&str]) -> Result<BTreeMap<String, Vec<InlinedAt>>, Error> {
        let mut found: BTreeMap<String, Vec<InlinedAt>> = BTreeMap::new();
        let mut budget = MOST_INLINED;
        for index in 0..self.table.nfunc {
            let Some((record, entry)) = self.record(index) else {
                continue;
            };
            let Some(tree) = self.table.inline_tree(
                &self.elf,
                &record,
                entry,
                self.version.minor,
                self.module.gofunc,
            ) else {
                continue;
            };
            let mut here: BTreeSet<&str> = BTreeSet::new();
            for i in 0..tree.len(&mut budget) {
                if let Some(name) = tree.name_off(i).and_then(|o| self.table.name(o))
                    && names.contains(&name)
                {
                    here.insert(name);
                }
            }
            let Some(caller) = (if here.is_empty() {
                None
            } else {
                self.name_of(index)
            }) else {
                continue;
            };
            for name in here {
                found.entry(name.to_owned()).or_default().push(InlinedAt {
                    caller: caller.to_owned(),
                    caller_entry: ImageAddr(entry),
                });
            }
        }
        Ok(found)
    }

    fn type_reader(&self) -> Types<'_, 'data> {
        Types {
            elf: &self.elf,
            module: &self.module,
            minor: self.version.minor,
        }
    }

    fn roots(&self) -> &[TypeId] {
        self.roots.get_or_init(|| self.type_reader().roots())
    }

    /// The type whose descriptor lies at that address.
    ///
    /// # Errors
    /// No plausible descriptor there.
    pub fn type_by_id(&self, id: TypeId) -> Result<Type, Error> {
        if let Some(known) = self.types.borrow().get(&id) {
            return Ok(known.clone());
        }
        let ty = match id.dwarf() {
            None => self.type_reader().read(id)?,
            Some(offset) => self.dwarf_type(offset)?,
        };
        if !is_sane(&ty) {
            return Err(Error::At {
                region: "type descriptor",
                addr: id.0,
                what: format!(
                    "{} claims {} bytes, or a field outside of them",
                    ty.name, ty.size
                ),
            });
        }
        self.types.borrow_mut().insert(id, ty.clone());
        Ok(ty)
    }

    /// Types of exactly that full name; a leading `*` asks for the pointer type.
    ///
    /// # Errors
    /// None at present; unreadable descriptors are passed over.
    pub fn types_named(&self, full_name: &str) -> Result<Vec<TypeId>, Error> {
        let (pointer, wanted) = match full_name.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, full_name),
        };
        // the listed types are unnamed: a named type T is reached through *T, whose text ends in the package *name* and T
        let tail = wanted.rsplit('/').next().unwrap_or(wanted);
        let reader = self.type_reader();
        let mut found = BTreeSet::new();
        for root in self.roots() {
            let Some(text) = reader.short_name(*root) else {
                continue;
            };
            let elem_text = text.strip_prefix('*');
            if !pointer && text == full_name {
                found.insert(*root);
            }
            if elem_text.is_some_and(|t| t == tail || t == wanted || same_base(t, tail))
                && let Ok(Type {
                    kind: TypeKind::Pointer { elem },
                    ..
                }) = self.type_by_id(*root)
                && self.type_by_id(elem).is_ok_and(|t| t.name == wanted)
            {
                found.insert(if pointer { *root } else { elem });
            }
        }
        if found.is_empty() {
            let mut all = self.find_types(&mut |name| name == wanted)?;
            if all.is_empty() {
                all = self.dwarf_types_named(wanted);
            }
            if !pointer {
                return Ok(all);
            }
            for id in self.closure() {
                if let Ok(Type {
                    kind: TypeKind::Pointer { elem },
                    ..
                }) = self.type_by_id(id)
                    && all.contains(&elem)
                {
                    found.insert(id);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Types of exactly these full names among those that the binary lists or lists a pointer to; cheaper than a search of all.
    pub fn listed_types(&self, names: &[&str]) -> Vec<TypeId> {
        let reader = self.type_reader();
        let mut found = BTreeSet::new();
        for root in self.roots() {
            let Some(text) = reader.short_name(*root) else {
                continue;
            };
            let elem = text.strip_prefix('*').is_some_and(|t| names.contains(&t));
            if !elem && !names.contains(&text) {
                continue;
            }
            let id = match self.type_by_id(*root) {
                Ok(Type {
                    kind: TypeKind::Pointer { elem },
                    ..
                }) => elem,
                Ok(_) => *root,
                Err(_) => continue,
            };
            if self
                .type_by_id(id)
                .is_ok_and(|t| names.contains(&t.name.as_str()))
            {
                found.insert(id);
            }
        }
        found.into_iter().collect()
    }

    /// All types reachable from the roots whose full name satisfies `pred`.
    ///
    /// # Errors
    /// None at present; unreadable descriptors are passed over.
    pub fn find_types(&self, pred: &mut dyn FnMut(&str) -> bool) -> Result<Vec<TypeId>, Error> {
        Ok(self
            .closure()
            .into_iter()
            .filter(|id| self.type_by_id(*id).is_ok_and(|t| pred(&t.name)))
            .collect())
    }

    pub(super) fn file(&self) -> &'data [u8] {
        self.data
    }

    pub(super) fn type_region(&self) -> (u64, u64) {
        (self.module.types, self.module.etypes)
    }

    fn closure(&self) -> Vec<TypeId> {
        let mut seen: BTreeSet<TypeId> = BTreeSet::new();
        let mut open: Vec<TypeId> = self.roots().to_vec();
        open.extend(
            self.type_reader()
                .itabs()
                .into_iter()
                .flat_map(|(a, b)| [a, b]),
        );
        while let Some(id) = open.pop() {
            if seen.len() >= MOST_TYPES || !seen.insert(id) {
                continue;
            }
            let Ok(ty) = self.type_by_id(id) else {
                seen.remove(&id);
                continue;
            };
            match ty.kind {
                TypeKind::Array { elem, .. }
                | TypeKind::Chan { elem }
                | TypeKind::Pointer { elem }
                | TypeKind::Slice { elem } => open.push(elem),
                TypeKind::Map { key, elem, .. } => open.extend([key, elem]),
                TypeKind::Func {
                    params, results, ..
                } => open.extend(params.into_iter().chain(results)),
                TypeKind::Interface { methods } => {
                    open.extend(methods.into_iter().filter_map(|m| m.ty))
                }
                TypeKind::Struct { fields } => open.extend(fields.into_iter().map(|f| f.ty)),
                _ => {}
            }
            open.extend(
                self.type_reader()
                    .methods(id)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|m| m.ty),
            );
        }
        seen.into_iter().collect()
    }

    /// Method table of a concrete type; methods of `*T` are on the pointer type.
    ///
    /// # Errors
    /// No plausible descriptor, or a damaged table.
    pub fn methods(&self, id: TypeId) -> Result<Vec<Method>, Error> {
        self.type_reader().methods(id)
    }

    /// (interface, concrete type) of every itab in the file.
    ///
    /// # Errors
    /// None at present.
    pub fn itabs(&self) -> Result<Vec<(TypeId, TypeId)>, Error> {
        Ok(self.type_reader().itabs())
    }
}

/// Sizes and offsets that sums of them cannot overflow.
fn is_sane(ty: &Type) -> bool {
    let inside = match &ty.kind {
        TypeKind::Struct { fields } => fields.iter().all(|f| f.offset <= ty.size),
        _ => true,
    };
    inside && ty.size <= MOST_SIZE
}

/// `types.Container` and `v2/types.Container` … : equal from the last dot on.
fn same_base(a: &str, b: &str) -> bool {
    match (a.rsplit_once('.'), b.rsplit_once('.')) {
        (Some((_, a)), Some((_, b))) => a == b,
        _ => false,
    }
}

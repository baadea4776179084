//! The whole binary: opens the tables in order. What it answers about functions is in `functions`,
//! about types in `types`.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use super::buildinfo::{self, BuildInfo};
use super::dwarf::Dwarf;
use super::elf::{Elf, Segment};
use super::error::Error;
use super::model::{GoVersion, Type, TypeId};
use super::module::ModuleData;
use super::moduledata;
use super::names::NameIndex;
use super::outline::{self, Facts};
use super::pages::Pages;
use super::pclntab::{self, Header, Pclntab};
use super::release::Release;
use crate::addr::{FileOffset, ImageAddr};
use crate::arch::Arch;

/// A Go binary. Tables are searched where they lie; nothing large is copied.
#[derive(Debug)]
pub struct GoBinary<'data> {
    pub(super) elf: Elf<'data>,
    pub(super) version: GoVersion,
    unverified: Option<String>,
    build_info: Option<BuildInfo>,
    pub(super) table: Pclntab<'data>,
    pub(super) module: ModuleData,
    pub(super) types: RefCell<HashMap<TypeId, Type>>,
    pub(super) roots: OnceCell<Vec<TypeId>>,
    /// (interface, concrete type).
    pub(super) itabs: OnceCell<Vec<(TypeId, TypeId)>>,
    /// Concrete type of each itab and its place in `itabs`, sorted.
    pub(super) itabs_by_concrete: OnceCell<Vec<(TypeId, usize)>>,
    thread_local: OnceCell<Option<i32>>,
    /// Instantiated types by the names in front of their type arguments, sorted.
    pub(super) instantiations: OnceCell<Vec<(String, TypeId)>>,
    pub(super) listed_names: OnceCell<NameIndex>,
    pub(super) all_names: OnceCell<NameIndex>,
    data: &'data [u8],
    pub(super) dwarf: OnceCell<Result<Option<Dwarf<'data>>, Error>>,
}

impl<'data> GoBinary<'data> {
    /// Reads headers, build info, pclntab and moduledata.
    ///
    /// # Errors
    /// Not an ELF file of a supported kind, not Go, damaged, or of an unknown release.
    pub fn parse(data: &'data [u8]) -> Result<Self, Error> {
        Self::read(data, Pages::default())
    }

    /// Reads a mapped file. `release` is called whenever a pass over much of it has moved on: what
    /// was read up to then need not stay in memory.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_mapped(data: &'data [u8], release: Box<dyn Fn() + 'data>) -> Result<Self, Error> {
        Self::read(data, Pages::new(release))
    }

    fn read(data: &'data [u8], pages: Pages<'data>) -> Result<Self, Error> {
        let mut elf = Elf::parse(data)?;
        elf.pages = pages;
        elf.pages.moved_on();
        let build_info = buildinfo::find(&elf);
        let version = build_info
            .as_ref()
            .and_then(|i| buildinfo::parse_version(&i.version))
            .or_else(|| buildinfo::find_build_version(&elf));
        let release = Release(version);
        let mut first_error = None;
        let mut found = None;
        let mut unknown = Vec::new();
        for header in pclntab::candidates(&elf) {
            match header {
                Header::Unknown(addr, magic) => {
                    if unknown.is_empty() {
                        unknown.push((addr, magic));
                    }
                }
                Header::Table(table) => match moduledata::find(&elf, &table, &release) {
                    Ok((module, minor)) => {
                        found = Some((table, module, minor));
                        break;
                    }
                    Err(error) => first_error = first_error.or(Some(error)),
                },
            }
        }
        let (table, module, minor) = match (found, first_error) {
            (Some(found), _) => found,
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(pclntab::no_table(&elf, &unknown)),
        };
        let unverified = release.note(minor);
        let version = GoVersion {
            text: release.0.ok_or(Error::NoVersion)?.text,
            minor,
        };
        elf.pages.moved_on();
        Ok(Self {
            elf,
            version,
            unverified,
            build_info,
            table,
            module,
            types: RefCell::default(),
            roots: OnceCell::new(),
            itabs: OnceCell::new(),
            itabs_by_concrete: OnceCell::new(),
            thread_local: OnceCell::new(),
            instantiations: OnceCell::new(),
            listed_names: OnceCell::new(),
            all_names: OnceCell::new(),
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
    pub fn facts(&self) -> Facts {
        let (version, info) = (&self.version.text, self.build_info.as_ref());
        let mut facts = outline::of_file(self.data, &self.elf, version, info);
        facts.extend([
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
        ]);
        let parts = self.module.text_sections.len();
        if parts > 1 {
            facts.push(("text sections".to_owned(), parts.to_string()));
        }
        facts.push((
            "dwarf".to_owned(),
            match self.dwarf() {
                Ok(None) => "none of Go's compiler".to_owned(),
                Ok(Some(d)) => format!("version {}, {} Go units", d.version(), d.units()),
                Err(why) => format!("damaged: {why}"),
            },
        ));
        if let Some(note) = &self.unverified {
            facts.push(("unverified".to_owned(), note.clone()));
        }
        facts
    }

    /// What people must know if the release is none of those whose layouts were checked: it is read
    /// by known layouts that pass every check all the same.
    #[must_use]
    pub fn unverified(&self) -> Option<&str> {
        self.unverified.as_deref()
    }

    /// Lowest PT_LOAD address, page aligned.
    #[must_use]
    pub fn lowest_vaddr(&self) -> ImageAddr {
        self.elf
            .segments
            .first()
            .map_or(ImageAddr(0), |s| ImageAddr(s.vaddr.0 & !0xfff))
    }

    #[must_use]
    pub fn load_segments(&self) -> Vec<Segment> {
        self.elf.segments.clone()
    }

    #[must_use]
    pub fn file_offset(&self, addr: ImageAddr) -> Option<FileOffset> {
        self.elf.file_offset(addr)
    }

    /// Offset from the thread pointer of the executable's only thread-local word, which in Go ≤
    /// 1.16 on amd64 is g (`runtime.tlsg`). `None`: there are others beside it, or none.
    ///
    /// ELF TLS variant II: the executable's block ends at the thread pointer, rounded up to its
    /// alignment. Programs that Go's own linker makes without dynamic linking have no such block
    /// (cmd/link/internal/ld/elf.go); there the code says the offset.
    #[must_use]
    pub fn only_thread_local(&self) -> Option<i32> {
        if !self.elf.arch.properties().thread_local_g {
            return None;
        }
        let Some((size, align)) = self.elf.tls else {
            return *self
                .thread_local
                .get_or_init(|| self.thread_local_of_code());
        };
        (size == 8 && align <= 64)
            .then(|| size.checked_next_multiple_of(align.max(1)))
            .flatten()
            .and_then(|offset| i32::try_from(offset).ok())
            .map(|offset| -offset)
    }

    /// The offset with which the stack check of a function that every program has loads g.
    fn thread_local_of_code(&self) -> Option<i32> {
        let main = self.function_named("runtime.main").into_iter().next()?;
        self.elf.arch.thread_local_offset(self.code(&main).ok()?)
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

    pub(super) fn file(&self) -> &'data [u8] {
        self.data
    }

    pub(super) fn type_region(&self) -> (u64, u64) {
        (self.module.types, self.module.etypes)
    }
}

//! Links of kind uprobe_multi (from Linux 6.6): all sites of a program by one link, taken out at
//! once.
//!
//! aya 0.14 has no such links. Maps stay aya's; programs are relocated against them by aya-obj and
//! loaded here, for another attach type.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aya::Ebpf;
use aya::maps::Map;
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_info, bpf_prog_type};
use aya_obj::{Object, ProgramSection};

use super::Error;
use super::object::{OBJECT, open};
use super::patience::{Patience, code};

/// `BPF_F_SLEEPABLE`
const SLEEPABLE: u32 = 1 << 4;

/// A program loaded for uprobe_multi links.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    fd: OwnedFd,
}

/// One site of a link.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// In the file.
    pub offset: u64,
    /// What the program gets as attach cookie.
    pub cookie: u64,
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: the union is fully initialised, and what its pointers lead to outlives the call.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as u32,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if rc < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(rc).map_err(io::Error::other)
}

fn bpf_fd(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    let fd = bpf(command, attr)?;
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn blank() -> bpf_attr {
    // SAFETY: a union of plain structs of integers.
    unsafe { std::mem::zeroed() }
}

/// Descriptor of a map that aya created.
fn map_fd(map: &Map) -> Option<i32> {
    match map {
        Map::Array(m)
        | Map::HashMap(m)
        | Map::PerCpuArray(m)
        | Map::ProgramArray(m)
        | Map::RingBuf(m) => Some(m.fd().as_fd().as_raw_fd()),
        _ => None,
    }
}

/// Loads the named programs of `object` against the maps of `ebpf`.
///
/// # Errors
/// The kernel takes no such program.
pub fn load(
    object: &[u8],
    ebpf: &Ebpf,
    names: &[&'static str],
    patience: Patience,
) -> Result<Vec<Program>, Error> {
    let malformed = |e: &dyn std::fmt::Display| Error::Object(e.to_string());
    let mut object = Object::parse(object).map_err(|e| malformed(&e))?;
    // callbacks of bpf_loop are refused without type information
    let types = match aya::features().btf() {
        None => None,
        Some(features) => object
            .fixup_and_sanitize_btf(features)
            .map_err(|e| malformed(&e))?
            .map(aya_obj::btf::Btf::to_bytes),
    };
    let types = types
        .ok_or_else(|| Error::Object("no type information".into()))
        .and_then(|bytes| {
            load_types(&bytes).map_err(|source| Error::Bpf {
                doing: "loading type information".into(),
                source,
            })
        })?;
    let maps = std::mem::take(&mut object.maps);
    let sections: HashSet<usize> = object.functions.keys().map(|(s, _)| *s).collect();
    let open = maps
        .iter()
        .filter_map(|(name, map)| Some((name.as_str(), map_fd(ebpf.map(name)?)?, map)));
    object
        .relocate_maps(open, &sections)
        .map_err(|e| malformed(&e))?;
    object
        .relocate_calls(&sections)
        .map_err(|e| malformed(&e))?;
    names
        .iter()
        .map(|name| {
            let fd = patience
                .with(code, || load_one(&object, name, &types))?
                .map_err(|source| Error::Bpf {
                    doing: format!("loading program {name}"),
                    source,
                })?;
            Ok(Program { name, fd })
        })
        .collect()
}

fn load_types(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = blank();
    // SAFETY: the variant of the union that this command reads.
    let load = unsafe { &mut attr.__bindgen_anon_7 };
    load.btf = bytes.as_ptr() as u64;
    load.btf_size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    bpf_fd(bpf_cmd::BPF_BTF_LOAD, &mut attr)
}

fn load_one(object: &Object, name: &str, types: &OwnedFd) -> io::Result<OwnedFd> {
    let program = object
        .programs
        .get(name)
        .ok_or_else(|| io::Error::other(format!("no program {name}")))?;
    let function = object
        .functions
        .get(&program.function_key())
        .ok_or_else(|| io::Error::other(format!("no code of program {name}")))?;
    let mut attr = blank();
    // SAFETY: the variant of the union that this command reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    for (to, from) in load.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from as _;
    }
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    if matches!(program.section, ProgramSection::UProbe { sleepable: true }) {
        load.prog_flags = SLEEPABLE;
    }
    load.insns = function.instructions.as_ptr() as u64;
    load.insn_cnt = u32::try_from(function.instructions.len()).map_err(io::Error::other)?;
    load.license = program.license.as_ptr() as u64;
    let functions = function.func_info.func_info_bytes();
    load.prog_btf_fd = types.as_raw_fd() as u32;
    load.func_info = functions.as_ptr() as u64;
    load.func_info_cnt = u32::try_from(function.func_info.len()).map_err(io::Error::other)?;
    load.func_info_rec_size =
        u32::try_from(function.func_info_rec_size).map_err(io::Error::other)?;
    bpf_fd(bpf_cmd::BPF_PROG_LOAD, &mut attr)
}

/// Whether this kernel has links of this kind that keep to one process.
#[must_use]
pub fn has_multi_links() -> bool {
    open(OBJECT, false).is_ok_and(|ebpf| {
        load(OBJECT, &ebpf, &["nothing"], Patience::default())
            .is_ok_and(|programs| programs.iter().all(Program::filters_by_process))
    })
}

impl Program {
    /// Attaches to all spots of the file, in one process; dropping the descriptor detaches.
    ///
    /// # Errors
    /// The kernel refuses one of them: nothing is attached.
    pub fn attach(
        &self,
        file: &Path,
        pid: u32,
        spots: &[Spot],
        patience: Patience,
    ) -> Result<OwnedFd, Error> {
        let refused = |source| Error::Link {
            sites: spots.len(),
            source,
        };
        let path = CString::new(file.as_os_str().as_bytes())
            .map_err(io::Error::other)
            .map_err(refused)?;
        let offsets: Vec<u64> = spots.iter().map(|s| s.offset).collect();
        let cookies: Vec<u64> = spots.iter().map(|s| s.cookie).collect();
        patience
            .with(code, || self.link(&path, pid, &offsets, &cookies))?
            .map_err(refused)
    }

    fn link(
        &self,
        path: &CString,
        pid: u32,
        offsets: &[u64],
        cookies: &[u64],
    ) -> io::Result<OwnedFd> {
        let mut attr = blank();
        // SAFETY: the variants of the unions that this command reads for this attach type.
        unsafe {
            attr.link_create.__bindgen_anon_1.prog_fd = self.fd.as_raw_fd() as u32;
            attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
            let multi = &mut attr.link_create.__bindgen_anon_3.uprobe_multi;
            multi.path = path.as_ptr() as u64;
            multi.offsets = offsets.as_ptr() as u64;
            multi.cookies = cookies.as_ptr() as u64;
            multi.cnt = u32::try_from(offsets.len()).map_err(io::Error::other)?;
            multi.pid = pid;
        }
        bpf_fd(bpf_cmd::BPF_LINK_CREATE, &mut attr)
    }

    /// Whether links of this kernel keep to the process that they are for. The first ones (6.6)
    /// took `pid` for a thread; those that do not refuse a negative number before they look at the
    /// path.
    #[must_use]
    pub fn filters_by_process(&self) -> bool {
        let refused = self.link(&CString::from(c"/"), u32::MAX, &[0], &[0]);
        matches!(refused, Err(error) if error.raw_os_error() == Some(libc::EINVAL))
    }

    /// Name, and instructions that the verifier went through.
    #[must_use]
    pub fn verified(&self) -> Option<(String, u32)> {
        // SAFETY: a struct of integers.
        let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
        let mut attr = blank();
        attr.info.bpf_fd = self.fd.as_raw_fd() as u32;
        attr.info.info_len = size_of::<bpf_prog_info>() as u32;
        attr.info.info = std::ptr::from_mut(&mut info) as u64;
        bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr).ok()?;
        Some((self.name.to_owned(), info.verified_insns))
    }
}

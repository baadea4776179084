//! The process at the other end of a socket: descriptor → file → socket → peer's pid → task, in the kernel's own
//! structures, read without touching the descriptor. Offsets come from the kernel's type information; what is read is
//! checked where a structure points back.

use core::mem::offset_of;

use tracer_ebpf::wire::peer::{
    KernelLayout, PEER_ANCESTORS, PEER_CGROUPS, PEER_FAMILY, PEER_LEVELS, PEER_NAME,
    PEER_NO_LAYOUT, PEER_NO_SOCKET, PEER_NONE, PEER_OK, PEER_VARIANT, Peer,
};

use crate::entry::{Entry, read_kernel};
use crate::maps::KERNEL;
use crate::mode::BOUNDED;
use crate::task;

/// Type bits of a mode, and those of a socket.
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
const AF_UNIX: u16 = 1;
/// No such structure in this kernel.
const ABSENT: u32 = u32::MAX;

/// A pointer at `addr + off`; `None` for nil, too.
#[inline(always)]
pub fn pointer(addr: u64, off: u32) -> Option<u64> {
    read_kernel::<u64>(addr + u64::from(off)).filter(|p| *p != 0)
}

/// Writes a `Peer` as the payload of the item about to be written.
#[inline(always)]
pub fn read<const N: usize, const MODE: u8>(entry: &mut Entry<N>, fd: u64) {
    entry.clear_payload(size_of::<Peer>() as u32);
    // the bounded programs have no room for it: the verifier of 5.10 would give up
    if MODE == BOUNDED {
        return entry.put_half(offset_of!(Peer, reason), PEER_VARIANT);
    }
    let Some(layout) = KERNEL.get(0).filter(|l| l.known == 1) else {
        return entry.put_half(offset_of!(Peer, reason), PEER_NO_LAYOUT);
    };
    let Some(sock) = socket(layout, fd) else {
        return entry.put_half(offset_of!(Peer, reason), PEER_NO_SOCKET);
    };
    let family = read_kernel::<u16>(sock + u64::from(layout.sock_family)).unwrap_or(0);
    if family != AF_UNIX {
        entry.put_half(offset_of!(Peer, detail), u32::from(family));
        return entry.put_half(offset_of!(Peer, reason), PEER_FAMILY);
    }
    let (Some(pid), Some(cred)) = (
        pointer(sock, layout.sock_peer_pid),
        pointer(sock, layout.sock_peer_cred),
    ) else {
        return entry.put_half(offset_of!(Peer, reason), PEER_NONE);
    };
    entry.put_half(offset_of!(Peer, reason), PEER_OK);
    entry.copy_kernel_bytes(offset_of!(Peer, uid), 4, cred + u64::from(layout.cred_uid));
    entry.copy_kernel_bytes(offset_of!(Peer, gid), 4, cred + u64::from(layout.cred_gid));
    let upid = number(layout, pid);
    if upid != 0 {
        entry.copy_kernel_bytes(offset_of!(Peer, pid), 4, pid + upid);
    }
    let Some(link) = pointer(pid, layout.pid_tasks) else {
        return;
    };
    let task = link - u64::from(layout.task_pid_link);
    entry.copy_kernel_bytes(
        offset_of!(Peer, comm),
        15,
        task + u64::from(layout.task_comm),
    );
    if upid != 0 {
        ancestors(entry, layout, task, upid);
    }
    cgroups(entry, layout, task);
}

/// The kernel's socket behind a descriptor of the current process.
#[inline(always)]
fn socket(layout: &KernelLayout, fd: u64) -> Option<u64> {
    let task = task::current();
    let files = pointer(task, layout.task_files)?;
    let table = pointer(files, layout.files_fdt)?;
    let most = read_kernel::<u32>(table + u64::from(layout.fdt_max_fds))?;
    if fd >= u64::from(most) {
        return None;
    }
    let slots = pointer(table, layout.fdt_fd)?;
    let file = read_kernel::<u64>(slots + 8 * fd).filter(|f| *f != 0)?;
    let inode = pointer(file, layout.file_inode)?;
    let mode = read_kernel::<u16>(inode + u64::from(layout.inode_mode))?;
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    let socket = pointer(file, layout.file_private_data)?;
    if pointer(socket, layout.socket_file)? != file {
        return None;
    }
    let sock = pointer(socket, layout.socket_sk)?;
    (pointer(sock, layout.sock_socket)? == socket).then_some(sock)
}

/// Offset in a `pid` of its number in the tracer's namespace; 0: it has none there.
#[inline(always)]
pub fn number(layout: &KernelLayout, pid: u64) -> u64 {
    let level = read_kernel::<u32>(pid + u64::from(layout.pid_level)).unwrap_or(0);
    let mut off = u64::from(layout.pid_numbers);
    for i in 0..PEER_LEVELS as u32 {
        if i > level {
            break;
        }
        if is_own(layout, pid, off) {
            return off;
        }
        off += u64::from(layout.upid_size);
    }
    0
}

/// Whether the number at `off` of a `pid` is of the tracer's namespace.
#[inline(always)]
fn is_own(layout: &KernelLayout, pid: u64, off: u64) -> bool {
    pointer(pid + off, layout.upid_ns)
        .and_then(|ns| read_kernel::<u32>(ns + u64::from(layout.ns_inum)))
        == Some(layout.pid_namespace)
}

/// The process and those it descends from, as far as the tracer's namespace sees them. A namespace has the same level in every `pid`.
#[inline(always)]
fn ancestors<const N: usize>(entry: &mut Entry<N>, layout: &KernelLayout, task: u64, upid: u64) {
    let mut task = task;
    let mut len = 0u32;
    for i in 0..PEER_ANCESTORS {
        let Some(pid) = pointer(task, layout.task_group_leader)
            .and_then(|leader| pointer(leader, layout.task_thread_pid))
        else {
            break;
        };
        // the scheduler's own task is in no namespace that counts
        let Some(nr) = read_kernel::<u32>(pid + upid).filter(|nr| *nr != 0) else {
            break;
        };
        let level = read_kernel::<u32>(pid + u64::from(layout.pid_level)).unwrap_or(0);
        let needed = u64::from(layout.pid_numbers) + u64::from(level) * u64::from(layout.upid_size);
        if upid > needed || !is_own(layout, pid, upid) {
            break;
        }
        entry.put_half(offset_of!(Peer, ancestors) + 4 * i, nr);
        len = i as u32 + 1;
        match pointer(task, layout.task_real_parent) {
            Some(parent) if parent != task => task = parent,
            _ => break,
        }
    }
    entry.put_half(offset_of!(Peer, ancestors_len), len);
}

/// Names of the process' control groups, innermost part of the path.
#[inline(always)]
fn cgroups<const N: usize>(entry: &mut Entry<N>, layout: &KernelLayout, task: u64) {
    let Some(set) = pointer(task, layout.task_cgroups) else {
        return;
    };
    for i in 0..PEER_CGROUPS {
        let off = layout.css_cgroups[i];
        if off == ABSENT {
            continue;
        }
        let Some(mut group) = pointer(set, off) else {
            continue;
        };
        if i > 0 {
            match pointer(group, layout.subsys_cgroup) {
                Some(of_subsystem) => group = of_subsystem,
                None => continue,
            }
        }
        let name = pointer(group, layout.cgroup_node).and_then(|n| pointer(n, layout.node_name));
        if let Some(name) = name {
            entry.copy_kernel_text(
                offset_of!(Peer, cgroups) + PEER_NAME * i,
                PEER_NAME as u32,
                name,
            );
        }
    }
}

//! The process at the other end of a connection, and what is needed of the kernel's own structures to get there.

use super::Wire;

/// Ancestors kept: the process itself, its parent, and so on outward.
pub const PEER_ANCESTORS: usize = 8;
/// Control groups kept: hierarchies differ in which one names the container.
pub const PEER_CGROUPS: usize = 4;
/// Bytes of a control group's name; one of 64 hexadecimal digits with what runtimes put around it fits.
pub const PEER_NAME: usize = 96;
/// Levels of pid namespaces searched for the tracer's own.
pub const PEER_LEVELS: usize = 8;

/// `Peer::reason`: found.
pub const PEER_OK: u32 = 0;
/// The kernel's type information is not there: nothing was tried.
pub const PEER_NO_LAYOUT: u32 = 1;
/// The programs that this kernel takes cannot walk its structures.
pub const PEER_VARIANT: u32 = 2;
/// The descriptor is not open, or no socket.
pub const PEER_NO_SOCKET: u32 = 3;
/// The socket is of another family (`Peer::detail`).
pub const PEER_FAMILY: u32 = 4;
/// The kernel keeps no peer for this socket.
pub const PEER_NONE: u32 = 5;

/// Payload of a PEER item. Fields that are not known are 0; `reason` says why all of them are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Peer {
    pub reason: u32,
    pub detail: u32,
    /// Thread group ids in the tracer's pid namespace; 0: the process is in none that can be seen from there.
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
    /// Ancestors that are known, the process itself included; 0: it had ended.
    pub ancestors_len: u32,
    pub ancestors: [u32; PEER_ANCESTORS],
    /// Up to the first zero; nothing: the process had ended.
    pub comm: [u8; 16],
    pub cgroups: [[u64; PEER_NAME / 8]; PEER_CGROUPS],
}
const _: () = assert!(size_of::<Peer>() == 24 + 4 * PEER_ANCESTORS + 16 + PEER_NAME * PEER_CGROUPS);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for Peer {}

/// Byte offsets in structures of the running kernel, from its type information. Written by userspace before attaching;
/// used only if `known` is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct KernelLayout {
    pub known: u32,
    /// Inode number of the tracer's pid namespace.
    pub pid_namespace: u32,
    pub task_files: u32,
    pub task_comm: u32,
    pub task_real_parent: u32,
    pub task_group_leader: u32,
    pub task_thread_pid: u32,
    /// Of the link for thread groups in `task_struct.pid_links`.
    pub task_pid_link: u32,
    pub task_cgroups: u32,
    pub files_fdt: u32,
    pub fdt_max_fds: u32,
    pub fdt_fd: u32,
    pub file_private_data: u32,
    pub file_inode: u32,
    pub inode_mode: u32,
    pub socket_file: u32,
    pub socket_sk: u32,
    pub sock_family: u32,
    pub sock_socket: u32,
    pub sock_peer_pid: u32,
    pub sock_peer_cred: u32,
    pub cred_uid: u32,
    pub cred_gid: u32,
    /// Of the list of thread groups in `pid.tasks`.
    pub pid_tasks: u32,
    pub pid_level: u32,
    pub pid_numbers: u32,
    pub upid_size: u32,
    pub upid_ns: u32,
    pub ns_inum: u32,
    pub subsys_cgroup: u32,
    pub cgroup_node: u32,
    pub node_name: u32,
    /// In `css_set`: pointers to a `cgroup` (the default hierarchy, first) or to a `cgroup_subsys_state`; `u32::MAX`: no more.
    pub css_cgroups: [u32; PEER_CGROUPS],
}
const _: () = assert!(size_of::<KernelLayout>() == 144);
// SAFETY: repr(C), integers, no implicit padding.
unsafe impl Wire for KernelLayout {}

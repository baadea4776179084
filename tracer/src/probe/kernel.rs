//! Where this kernel keeps what the programs read of it: from its type information alone, all or
//! nothing.

use tracer_ebpf::wire::peer::{KernelLayout, PEER_CGROUPS};

use super::btf::Btf;

/// Controllers whose hierarchies name the container where there is no single one, in order of
/// preference.
const CONTROLLERS: &[&str] = &[
    "memory_cgrp_id",
    "pids_cgrp_id",
    "devices_cgrp_id",
    "freezer_cgrp_id",
    "cpu_cgrp_id",
];

/// Offset of the thread pointer in `task_struct`, bytes. `None`: no such member (another
/// architecture).
pub fn fsbase(btf: &Btf) -> Option<u32> {
    btf.offset("task_struct", "thread")?
        .checked_add(btf.offset("thread_struct", "fsbase")?)
}

/// Whether this kernel's type information says what is needed to find the process behind a socket.
#[must_use]
pub fn knows_sockets() -> bool {
    Btf::of_kernel().and_then(|btf| layout(&btf, 0)).is_some()
}

/// What the walk to the peer of a socket needs, numbers of processes as in the pid namespace with
/// that inode number; `None`: something of it is unknown, so nothing is used.
pub fn layout(btf: &Btf, pid_namespace: u32) -> Option<KernelLayout> {
    let link = size_of::<u64>() as u32 * btf.enumerator("PIDTYPE_TGID")?;
    let subsystems = btf.offset("css_set", "subsys")?;
    let mut css_cgroups = [u32::MAX; PEER_CGROUPS];
    css_cgroups[0] = btf.offset("css_set", "dfl_cgrp")?;
    let controllers = CONTROLLERS.iter().filter_map(|name| btf.enumerator(name));
    for (slot, id) in css_cgroups.iter_mut().skip(1).zip(controllers) {
        *slot = subsystems.checked_add(id.checked_mul(8)?)?;
    }
    Some(KernelLayout {
        known: 1,
        pid_namespace,
        task_files: btf.offset("task_struct", "files")?,
        task_comm: btf.offset("task_struct", "comm")?,
        task_real_parent: btf.offset("task_struct", "real_parent")?,
        task_group_leader: btf.offset("task_struct", "group_leader")?,
        task_thread_pid: btf.offset("task_struct", "thread_pid")?,
        // an array of list links of two pointers each
        task_pid_link: btf
            .offset("task_struct", "pid_links")?
            .checked_add(2 * link)?,
        task_cgroups: btf.offset("task_struct", "cgroups")?,
        files_fdt: btf.offset("files_struct", "fdt")?,
        fdt_max_fds: btf.offset("fdtable", "max_fds")?,
        fdt_fd: btf.offset("fdtable", "fd")?,
        file_private_data: btf.offset("file", "private_data")?,
        file_inode: btf.offset("file", "f_inode")?,
        inode_mode: btf.offset("inode", "i_mode")?,
        socket_file: btf.offset("socket", "file")?,
        socket_sk: btf.offset("socket", "sk")?,
        sock_family: btf
            .offset("sock", "__sk_common")?
            .checked_add(btf.offset("sock_common", "skc_family")?)?,
        sock_socket: btf.offset("sock", "sk_socket")?,
        sock_peer_pid: btf.offset("sock", "sk_peer_pid")?,
        sock_peer_cred: btf.offset("sock", "sk_peer_cred")?,
        // as SO_PEERCRED shows it
        cred_uid: btf.offset("cred", "euid")?,
        cred_gid: btf.offset("cred", "egid")?,
        // an array of list heads of one pointer each
        pid_tasks: btf.offset("pid", "tasks")?.checked_add(link)?,
        pid_level: btf.offset("pid", "level")?,
        pid_numbers: btf.offset("pid", "numbers")?,
        upid_size: btf.size("upid")?,
        upid_ns: btf.offset("upid", "ns")?,
        ns_inum: btf
            .offset("pid_namespace", "ns")?
            .checked_add(btf.offset("ns_common", "inum")?)?,
        subsys_cgroup: btf.offset("cgroup_subsys_state", "cgroup")?,
        cgroup_node: btf.offset("cgroup", "kn")?,
        node_name: btf.offset("kernfs_node", "name")?,
        css_cgroups,
    })
}

//! Plan and kernel layout → the tables that the programs read.

use aya::Ebpf;
use aya::maps::{Array, HashMap};
use tracer_ebpf::wire::limits::{MAX_DYNTYPES, MAX_MAPS, MAX_OPS, MAX_SITES};
use tracer_ebpf::wire::op::{DYN_DIRECT, DynBlock, DynKey, MapDesc, Op};
use tracer_ebpf::wire::site::{Site, SiteKey, Target};

use super::btf::Btf;
use super::maps::{Raw, map_error};
use super::namespace::PidNamespace;
use super::process::TargetProc;
use super::thread_pointer::{self, ThreadPointer};
use super::{Error, kernel};
use crate::plan::Plan;

fn too_large(what: &'static str, needed: usize, room: u32) -> Result<(), Error> {
    let room = room as usize;
    if needed > room {
        Err(Error::TooLarge { what, needed, room })
    } else {
        Ok(())
    }
}

const UNKNOWN_THREAD_POINTER: &str = "returns are not seen: this program keeps its goroutine in thread-local storage, and where the kernel keeps \
     the thread pointer could not be found out";

/// Writes all tables that the programs read; gives what the user must know.
pub fn fill(
    ebpf: &mut Ebpf,
    plan: &Plan,
    target: &TargetProc<'_>,
    wanted: Option<ThreadPointer>,
) -> Result<Vec<String>, Error> {
    too_large("sites", plan.sites.len(), MAX_SITES)?;
    too_large("ops", plan.ops.len(), MAX_OPS)?;
    too_large("map types", plan.maps.len(), MAX_MAPS)?;
    too_large("dynamic types", plan.dyn_types.len(), MAX_DYNTYPES)?;
    let off = |o: Option<u32>| o.unwrap_or(u32::MAX);
    let g = &plan.g;
    let btf = Btf::of_kernel();
    let thread_pointer = match g.tls {
        Some(_) => thread_pointer::offset(ebpf, btf.as_ref(), wanted),
        None => None,
    };
    let mut notes = Vec::new();
    if g.tls.is_some() && thread_pointer.is_none() {
        notes.push(UNKNOWN_THREAD_POINTER.to_owned());
    }
    let namespace = PidNamespace::own();
    let tgid = namespace.target(target.pid);
    let wire = Target {
        tgid,
        goid_off: off(g.goid),
        stack_lo_off: off(g.stack_lo),
        stack_hi_off: off(g.stack_hi),
        parent_goid_off: off(g.parent_goid),
        fsbase_off: off(thread_pointer),
        tls_off: g.tls.unwrap_or(0),
        ns_tgid: target.pid,
        ns_dev: namespace.dev,
        ns_inum: namespace.inum,
    };
    put(ebpf, "TARGETS", [wire].into_iter())?;
    let layout = btf
        .as_ref()
        .and_then(|btf| kernel::layout(btf, namespace.inum));
    put(ebpf, "KERNEL", layout.into_iter())?;
    put(
        ebpf,
        "OPS",
        plan.ops.iter().map(|o| Op {
            kind: o.kind,
            flags: o.flags,
            pad: 0,
            off: o.off,
            len: o.len,
            a: o.a,
            b: o.b,
            c: o.c,
        }),
    )?;
    put(
        ebpf,
        "MAPS",
        plan.maps.iter().map(|m| MapDesc {
            kind: m.kind,
            flags: m.flags,
            bucket_size: m.bucket_size,
            keys_off: m.keys_off,
            key_stride: m.key_stride,
            elems_off: m.elems_off,
            elem_stride: m.elem_stride,
            overflow_off: m.overflow_off,
            key_ops: m.key_ops,
            key_count: m.key_count,
            elem_ops: m.elem_ops,
            elem_count: m.elem_count,
        }),
    )?;
    put(
        ebpf,
        "SITES",
        plan.sites.iter().map(|s| Site {
            kind: s.kind.into(),
            cond: s.cond.into(),
            g_source: s.g_source.into(),
            class: s.class,
            flags: s.flags,
            pad: 0,
            target: 0,
            func: s.func,
            reg_ops: s.reg_ops,
            reg_count: s.reg_count,
            stack_ops: s.stack_ops,
            stack_count: s.stack_count,
            save_regs: s.save_regs,
            pad2: 0,
        }),
    )?;
    let map = ebpf
        .map_mut("SITE_BY_ADDR")
        .ok_or_else(|| Error::Object("no map SITE_BY_ADDR".into()))?;
    let mut by_addr: HashMap<_, Raw<SiteKey>, u32> =
        HashMap::try_from(map).map_err(map_error("filling maps"))?;
    for (index, site) in plan.sites.iter().enumerate() {
        let key = SiteKey {
            tgid,
            pad: 0,
            ip: target.load_bias.to_process(site.addr).0,
        };
        by_addr
            .insert(Raw(key), u32::try_from(index).unwrap_or(u32::MAX), 0)
            .map_err(map_error("filling maps"))?;
    }
    let map = ebpf
        .map_mut("DYN_TYPES")
        .ok_or_else(|| Error::Object("no map DYN_TYPES".into()))?;
    let mut dynamic: HashMap<_, Raw<DynKey>, Raw<DynBlock>> =
        HashMap::try_from(map).map_err(map_error("filling maps"))?;
    for d in &plan.dyn_types {
        let key = DynKey {
            table: d.table,
            target: 0,
            type_addr: target.load_bias.to_process(d.type_addr).0,
        };
        dynamic
            .insert(
                Raw(key),
                Raw(DynBlock {
                    ops: d.ops,
                    count: d.count | if d.direct { DYN_DIRECT } else { 0 },
                }),
                0,
            )
            .map_err(map_error("filling maps"))?;
    }
    Ok(notes)
}

fn put<T: tracer_ebpf::wire::Wire>(
    ebpf: &mut Ebpf,
    name: &'static str,
    values: impl Iterator<Item = T>,
) -> Result<(), Error> {
    let map = ebpf
        .map_mut(name)
        .ok_or_else(|| Error::Object(format!("no map {name}")))?;
    let mut array: Array<_, Raw<T>> = Array::try_from(map).map_err(map_error("filling maps"))?;
    for (index, value) in values.enumerate() {
        array
            .set(u32::try_from(index).unwrap_or(u32::MAX), Raw(value), 0)
            .map_err(map_error("filling maps"))?;
    }
    Ok(())
}

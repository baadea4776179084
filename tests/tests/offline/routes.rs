//! Every route of every stock daemon leads to a function of a profile, or it is said why it does
//! not.
//!
//! The routes are read out of the machine code that registers them: at each call of
//! `router.NewRoute` the method, the path and the handler lie in known places. Which functions a
//! handler calls is read out of its own code: calls through an interface take their function from
//! the interface's table, whose order the interface's type tells.

use std::collections::{BTreeMap, BTreeSet};

use harness::SUITES;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use mobytrace::gobin::{FuncInfo, GoBinary, ImageAddr, TypeKind};
use mobytrace::moby::left_out::LEFT_OUT;
use mobytrace::moby::profiles::PROFILES;
use mobytrace::moby::routes::routes;
use mobytrace::plan::matches;
use mobytrace::provenance::called_by;

/// `itab.fun`: inter, _type, hash, padding lie before it (runtime/runtime2.go).
const FIRST_METHOD: u64 = 24;

/// A route as a daemon registers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Registered {
    method: String,
    path: String,
    /// Symbol of the handler; `None`: it is no method of a router.
    handler: Option<String>,
}

/// What is known of registers and stack slots: addresses and numbers that were loaded as such.
#[derive(Default)]
struct Known {
    registers: BTreeMap<Register, u64>,
    stack: BTreeMap<u64, u64>,
}

impl Known {
    fn step(&mut self, i: &Instruction) {
        let value = match (i.mnemonic(), i.op1_kind()) {
            (Mnemonic::Lea, _) if i.is_ip_rel_memory_operand() => Some(i.ip_rel_memory_address()),
            (Mnemonic::Mov, OpKind::Register) => self
                .registers
                .get(&i.op1_register().full_register())
                .copied(),
            (Mnemonic::Mov, kind) if kind != OpKind::Memory && i.op_count() == 2 => {
                i.try_immediate(1).ok()
            }
            _ => None,
        };
        match i.op0_kind() {
            OpKind::Register => {
                let register = i.op0_register().full_register();
                match value {
                    Some(value) => self.registers.insert(register, value),
                    None => self.registers.remove(&register),
                };
            }
            OpKind::Memory if i.memory_base() == Register::RSP => {
                let slot = i.memory_displacement64();
                match value {
                    Some(value) => self.stack.insert(slot, value),
                    None => self.stack.remove(&slot),
                };
            }
            _ => {}
        }
    }

    /// Pointer and length of method and path, as `NewRoute` takes them.
    fn strings(&self, on_stack: bool) -> Option<[(u64, u64); 2]> {
        let word = |register: Register, slot: u64| {
            if on_stack {
                self.stack.get(&slot).copied()
            } else {
                self.registers.get(&register).copied()
            }
        };
        Some([
            (word(Register::RAX, 0)?, word(Register::RBX, 8)?),
            (word(Register::RCX, 16)?, word(Register::RDI, 24)?),
        ])
    }
}

fn instructions(binary: &GoBinary<'_>, f: &FuncInfo) -> Vec<Instruction> {
    let code = binary.code(f).expect("code");
    Decoder::with_ip(64, code, f.entry.0, DecoderOptions::NONE)
        .into_iter()
        .collect()
}

fn text(binary: &GoBinary<'_>, (at, len): (u64, u64)) -> String {
    let len = usize::try_from(len).expect("length");
    let bytes = binary.bytes_at(ImageAddr(at), len).expect("a string");
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// All routes, and how many calls of `NewRoute` there are.
fn registered(binary: &GoBinary<'_>, routers: &[FuncInfo]) -> (Vec<Registered>, usize) {
    let on_stack = binary.version().minor < 17;
    let by_entry: BTreeMap<u64, &FuncInfo> = routers.iter().map(|f| (f.entry.0, f)).collect();
    let is_new_route = |f: &&FuncInfo| f.name.ends_with("/server/router.NewRoute") && !f.wrapper;
    let new_route = routers.iter().find(is_new_route).expect("NewRoute").entry.0;
    let (mut routes, mut calls) = (Vec::new(), 0);
    for f in routers {
        let mut known = Known::default();
        let mut handler = None;
        for i in instructions(binary, f) {
            if i.mnemonic() == Mnemonic::Lea && i.is_ip_rel_memory_operand() {
                let target = by_entry.get(&i.ip_rel_memory_address());
                let method_value = target.and_then(|f| f.name.strip_suffix("-fm"));
                handler = method_value.map(str::to_owned).or(handler);
            }
            if i.flow_control() != FlowControl::Call {
                known.step(&i);
                continue;
            }
            if i.near_branch_target() == new_route {
                calls += 1;
                if let Some([method, path]) = known.strings(on_stack) {
                    routes.push(Registered {
                        method: text(binary, method),
                        path: text(binary, path),
                        handler: handler.take(),
                    });
                }
            }
            known.registers.clear();
        }
    }
    (routes, calls)
}

/// Offsets into interfaces' tables from which a handler and its closures take the functions that
/// they call.
fn slots(binary: &GoBinary<'_>, routers: &[FuncInfo], handler: &str) -> BTreeSet<u64> {
    let closure = format!("{handler}.");
    let is_own = |f: &&FuncInfo| f.name == handler || f.name.starts_with(&closure);
    let mut found = BTreeSet::new();
    for f in routers.iter().filter(is_own) {
        let mut loaded: BTreeMap<Register, u64> = BTreeMap::new();
        // a function is loaded before the arguments are made, and kept on the stack meanwhile
        let mut kept: BTreeMap<u64, u64> = BTreeMap::new();
        for i in instructions(binary, f) {
            let is_move = i.mnemonic() == Mnemonic::Mov && i.op_count() == 2;
            let of_stack = i.memory_base() == Register::RSP;
            let at = i.memory_displacement64();
            match (i.op0_kind(), i.op1_kind()) {
                (kind, _) if i.flow_control() == FlowControl::IndirectCall => {
                    found.extend(loaded.get(&i.op0_register()));
                    found.extend((kind == OpKind::Memory).then_some(at));
                }
                (OpKind::Memory, OpKind::Register) if is_move && of_stack => {
                    match loaded.get(&i.op1_register()) {
                        Some(function) => kept.insert(at, *function),
                        None => kept.remove(&at),
                    };
                }
                (OpKind::Register, OpKind::Memory) if is_move => {
                    let function = if of_stack {
                        kept.get(&at).copied()
                    } else {
                        Some(at)
                    };
                    match function {
                        Some(function) => loaded.insert(i.op0_register(), function),
                        None => loaded.remove(&i.op0_register()),
                    };
                }
                (OpKind::Register, OpKind::Register) if is_move => {
                    match loaded.get(&i.op1_register()).copied() {
                        Some(function) => loaded.insert(i.op0_register(), function),
                        None => loaded.remove(&i.op0_register()),
                    };
                }
                // a comparison changes nothing
                (OpKind::Register, _)
                    if !matches!(
                        i.mnemonic(),
                        Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push
                    ) =>
                {
                    loaded.remove(&i.op0_register());
                }
                _ => {}
            }
        }
    }
    found.retain(|at| *at >= FIRST_METHOD && at.is_multiple_of(8));
    found
}

/// Interfaces to the daemon that routers' packages declare, by their full names.
fn backends(binary: &GoBinary<'_>) -> Vec<(String, Vec<String>)> {
    let named = binary.find_types(&mut |name| name.ends_with("ackend"));
    let types = named.expect("types").into_iter();
    types
        .map(|id| binary.type_by_id(id).expect("type"))
        .filter_map(|ty| match ty.kind {
            TypeKind::Interface { methods } => {
                Some((ty.name, methods.into_iter().map(|m| m.name).collect()))
            }
            _ => None,
        })
        .collect()
}

/// Places of a method in the tables of the interfaces that the package of a handler declares.
fn places(backends: &[(String, Vec<String>)], handler: &str, method: &str) -> BTreeSet<u64> {
    let package = handler.split(".(").next().expect("package");
    let prefix = format!("{package}.");
    let own = backends
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix));
    own.filter_map(|(_, methods)| methods.iter().position(|m| m == method))
        .map(|index| FIRST_METHOD + 8 * index as u64)
        .collect()
}

/// `GET /containers/{}/json` of `GET /containers/{name:.*}/json`.
fn template(method: &str, path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('}').map_or("", |(_, after)| after));
    let path = rest.fold(first, |path, after| format!("{path}{{}}{after}"));
    format!("{method} {path}")
}

/// Symbols of a binary that a profile names. `http` names handlers: that a handler is there is no
/// news.
fn in_profiles(binary: &GoBinary<'_>) -> Vec<String> {
    let patterns: Vec<&str> = PROFILES
        .iter()
        .filter(|p| p.name != "http")
        .flat_map(|p| p.functions)
        .flat_map(|f| f.pattern.split('|'))
        .collect();
    binary
        .find_functions(&mut |name| {
            name.contains(").") && patterns.iter().any(|p| matches(p, name))
        })
        .into_iter()
        .map(|f| f.name)
        .collect()
}

fn is_left_out(template_of: &str) -> bool {
    LEFT_OUT
        .iter()
        .flat_map(|l| l.routes)
        .any(|(method, path)| template(method, path) == template_of)
}

#[test]
fn every_route_leads_to_a_profile_or_is_left_out_with_a_reason() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut read = 0;
    for suite in SUITES {
        let Some(path) = harness::stock_dockerd(suite, "amd64") else {
            continue;
        };
        read += 1;
        let bytes = std::fs::read(path).expect("dockerd");
        let binary = GoBinary::parse(&bytes).unwrap_or_else(|e| panic!("{suite}: {e}"));
        let routers = binary.find_functions(&mut |name| name.contains("/server/router"));
        let backends = backends(&binary);
        let (found, registrations) = registered(&binary, &routers);
        assert_eq!(found.len(), registrations, "{suite}: each is understood");
        assert!(found.len() > 100, "{suite}: {}", found.len());
        let profiles = in_profiles(&binary);
        for route in &found {
            let name = template(&route.method, &route.path);
            let leads = route.handler.as_ref().is_some_and(|handler| {
                let slots = slots(&binary, &routers, handler);
                // any name will do for what the braces stand for
                let asked = name.replace("{}", "x");
                let path = asked.split_once(' ').map_or("", |(_, path)| path);
                called_by(&route.method, path)
                    .iter()
                    .flat_map(|names| names.iter())
                    .filter(|f| profiles.iter().any(|s| s.ends_with(&format!(".{f}"))))
                    .filter_map(|f| f.rsplit('.').next())
                    .any(|method| !places(&backends, handler, method).is_disjoint(&slots))
            });
            if leads == is_left_out(&name) {
                let what = if leads {
                    "leads to a profile and is left out"
                } else {
                    "is nowhere"
                };
                wrong.push(format!("{suite}: {name} {what} ({:?})", route.handler));
            }
            seen.insert(name);
        }
    }
    assert!(
        !harness::is_strict() || read == SUITES.len(),
        "{read} daemons"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if read == SUITES.len() {
        let left_out = LEFT_OUT.iter().flat_map(|l| l.routes.iter().copied());
        let known = routes().map(|r| (r.method, r.path));
        let stale: Vec<String> = left_out
            .chain(known)
            .map(|(method, path)| template(method, path))
            .filter(|name| !seen.contains(name))
            .collect();
        assert!(stale.is_empty(), "no stock daemon has {stale:?}");
    }
}

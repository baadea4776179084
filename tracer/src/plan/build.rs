//! Puts a plan together: the functions that are wished for, those that tie calls to requests, and
//! what cannot be seen.

use tracer_ebpf::wire::limits::MAX_SITES;

use super::abi::Abi;
use super::issue::{Issue, Shortcoming};
use super::lower::Lowering;
use super::profile::{AnyWish, PlanRequest, Wish};
use super::schema::{GSchema, Plan, Role};
use super::{Error, blind, function, roles};
use crate::gobin::symbol::is_of_type;
use crate::gobin::{FuncInfo, GoBinary, TypeKind};

/// Builds the plan for `request` on `binary`.
///
/// # Errors
/// The binary is damaged, or the plan is larger than the kernel's tables. What concerns one
/// function only is an issue in the plan.
pub fn build(request: &PlanRequest, binary: &GoBinary<'_>) -> Result<Plan, Error> {
    let mut plan = Plan {
        g: goroutine(binary)?,
        ..Plan::default()
    };
    let mut chosen: Vec<(FuncInfo, Option<&Wish>, Role)> = Vec::new();
    let mut absent: Vec<&Wish> = Vec::new();
    let any = AnyWish::of(&request.wishes);
    // one pass over the names for all that is asked for
    let named = binary.find_functions(&mut |name| any.names(name) || roles::is_supporting(name));
    for wish in &request.wishes {
        let found: Vec<&FuncInfo> = named
            .iter()
            .filter(|f| !f.assembly && wish.names(&f.name))
            .collect();
        let seen_otherwise = || {
            named
                .iter()
                .any(|f| !f.assembly && wish.is_seen_by(&f.name))
        };
        if found.is_empty() && !seen_otherwise() {
            absent.push(wish);
        }
        for f in &found {
            // a compiler-made wrapper leads to the function of its name, which is probed itself
            let wraps = (f.wrapper && found.iter().any(|o| !o.wrapper && o.name == f.name))
                || (is_of_type(&f.name) && found.iter().any(|o| !is_of_type(&o.name)));
            if !wraps && !chosen.iter().any(|(known, _, _)| known.entry == f.entry) {
                chosen.push(((*f).clone(), Some(wish), Role::Call));
            }
        }
    }
    plan.issues.extend(binary.unverified().map(|note| {
        Issue::of_binary(Shortcoming::UnverifiedRelease {
            note: note.to_owned(),
        })
    }));
    plan.issues.extend(absence(&absent));
    for (f, role) in roles::supporting(binary, &named, request.layers) {
        if !chosen.iter().any(|(known, _, _)| known.entry == f.entry) {
            chosen.push((f, None, role));
        }
    }
    // without requests nothing has an owner: they get their share of the kernel's tables first
    chosen.sort_by_key(|(_, _, role)| matches!(role, Role::Call | Role::Layers));
    if chosen.len() * 2 > MAX_SITES as usize {
        return Err(Error::TooLarge {
            what: "functions",
            room: MAX_SITES / 2,
        });
    }
    let names: Vec<&str> = chosen
        .iter()
        .filter(|(_, wish, _)| wish.is_some())
        .map(|(f, _, _)| f.name.as_str())
        .collect();
    let inlined = binary.inlined_at(&names)?;
    let mut lowering = Lowering::new(&mut plan, binary);
    let mut no_room = Vec::new();
    for (f, wish, role) in &chosen {
        let before = lowering.mark();
        function::add(&mut lowering, f, *wish, *role)?;
        if !lowering.fits() {
            lowering.go_back(before);
            no_room.push(f.name.as_str());
        }
    }
    let beyond = lowering.tables.issue();
    plan.issues.extend(beyond);
    plan.issues.extend(left_out(&no_room));
    blind::spots(&mut plan, &inlined);
    Ok(plan)
}

/// One line for all functions that the kernel's tables have no room for.
fn left_out(names: &[&str]) -> Option<Issue> {
    let functions = names.iter().map(|name| (*name).to_owned()).collect();
    Some(Issue::of(names.first()?, Shortcoming::NoRoom { functions }))
}

/// One line for everything that was asked for and that no function of this build does.
fn absence(wishes: &[&Wish]) -> Option<Issue> {
    let patterns = wishes.iter().map(|wish| wish.pattern.clone()).collect();
    let first = &wishes.first()?.pattern;
    Some(Issue::of(first, Shortcoming::Absent { wishes: patterns }))
}

/// Offsets of the fields of `runtime.g` that identify a goroutine and its stack.
fn goroutine(binary: &GoBinary<'_>) -> Result<GSchema, Error> {
    let missing = |what: &str| Error::Goroutine {
        what: what.to_owned(),
    };
    let id = binary
        .types_named("runtime.g")?
        .first()
        .copied()
        .ok_or_else(|| missing("there is no descriptor"))?;
    let field = |id, name: &str| -> Result<Option<(u64, crate::gobin::TypeId)>, Error> {
        let TypeKind::Struct { fields } = binary.type_by_id(id)?.kind else {
            return Err(missing("it is no struct"));
        };
        Ok(fields
            .into_iter()
            .find(|f| f.name == name)
            .map(|f| (f.offset, f.ty)))
    };
    let narrow = |offset: u64| u32::try_from(offset).ok();
    let (stack, stack_type) =
        field(id, "stack")?.ok_or_else(|| missing("it has no field stack"))?;
    let bound = |name: &str| -> Result<Option<u32>, Error> {
        Ok(field(stack_type, name)?.and_then(|(offset, _)| narrow(stack.saturating_add(offset))))
    };
    // a plain number in older releases, in newer ones `atomic.Uint32` with the number in it
    let status = match field(id, "atomicstatus")? {
        Some((offset, ty)) => match binary.type_by_id(ty)?.kind {
            TypeKind::Struct { .. } => {
                field(ty, "value")?.map(|(inner, _)| offset.saturating_add(inner))
            }
            _ => Some(offset),
        },
        None => None,
    };
    Ok(GSchema {
        goid: field(id, "goid")?.and_then(|(offset, _)| narrow(offset)),
        stack_lo: bound("lo")?,
        stack_hi: bound("hi")?,
        parent_goid: field(id, "parentGoid")?.and_then(|(offset, _)| narrow(offset)),
        status: status.and_then(narrow),
        wait_reason: field(id, "waitreason")?.and_then(|(offset, _)| narrow(offset)),
        wait_reasons: super::wait_reasons(binary).unwrap_or_default(),
        tls: Abi::of(binary.arch(), binary.version())
            .is_stack()
            .then(|| binary.only_thread_local())
            .flatten(),
    })
}

//! One function of a plan: its sites, signature, values and what is said where one of them is
//! missing.

use tracer_ebpf::wire::site::{SAVE_NONE, SAVE_STACK, SITE_RESTORE, SITE_SAVE, SITE_STACK};

use super::abi::Abi;
use super::issue::{Issue, Shortcoming};
use super::lower::Lowering;
use super::profile::Wish;
use super::schema::{
    ArgPlace, FuncSchema, PlaceKind, Plan, Role, SignatureSource, SiteSchema, TypeKindSchema,
    ValueSchema,
};
use super::site::SiteKind;
use super::sites::{self, Spot};
use super::values::{FunctionMaker, Ranges, SiteBlocks};
use super::{Error, roles, short_name, verify};
use crate::gobin::FuncInfo;
use crate::gobin::symbol::Symbol;

/// Adds a function to the plan, or an issue that says why not.
///
/// # Errors
/// Its code or type data cannot be read.
pub fn add(
    lowering: &mut Lowering<'_, '_, '_>,
    f: &FuncInfo,
    wish: Option<&Wish>,
    role: Role,
) -> Result<(), Error> {
    let binary = lowering.binary;
    let issue = |what| Issue::of(&f.name, what);
    let short = short_name(&f.name).to_owned();
    let is_closure = Symbol::parse(&f.name).is_some_and(|s| s.is_closure());
    let spots = match sites::choose(binary, f, lowering.plan.g.tls.is_some()) {
        Ok(spots) => spots,
        Err(why) => {
            let why = why.to_string();
            lowering
                .plan
                .issues
                .push(issue(Shortcoming::Unreadable { why }));
            return Ok(());
        }
    };
    let whole = spots.entry.is_ok() && spots.returns.as_ref().is_ok_and(|r| !r.is_empty());
    if role == Role::Layers && !whole {
        // without both ends there is no time; that none is traced is said where the time would be
        return Ok(());
    }
    let entry = match spots.entry {
        Ok(entry) => entry,
        Err(why) => {
            lowering
                .plan
                .issues
                .push(issue(Shortcoming::NoEntry { why }));
            return Ok(());
        }
    };
    let returns = match spots.returns {
        // it never returns
        _ if matches!(role, Role::Recovery | Role::Recovered) => Vec::new(),
        Ok(returns) if returns.is_empty() => {
            lowering.plan.issues.push(issue(Shortcoming::NoReturn));
            returns
        }
        Ok(returns) => returns,
        Err(why) => {
            let what = Shortcoming::NoReturnSites { why };
            lowering.plan.issues.push(issue(what));
            Vec::new()
        }
    };
    // of these only a few raw words matter, or that they were called
    let by_registers = matches!(
        role,
        Role::Recovery | Role::Join | Role::Hijack | Role::Layers
    );
    let by_registers_only = !Abi::of(binary.arch(), binary.version()).is_stack();
    let found = if by_registers {
        None
    } else if spots.arguments_on_stack && by_registers_only {
        lowering
            .plan
            .issues
            .push(issue(Shortcoming::ArgumentsOnStack));
        None
    } else {
        // what is damaged of one function is said of that function
        let found = verify::signature_of(binary, f);
        Some(found.unwrap_or_else(|why| Err(vec![why.to_string()])))
    };
    let chosen = match found {
        None => None,
        Some(Ok(verified)) => Some(verified),
        // then goroutines name their creators themselves, where the release keeps that, and frames
        // that a panic left are found out late
        Some(Err(_)) if matches!(role, Role::Birth | Role::Recovered) => return Ok(()),
        Some(Err(refused)) => {
            lowering.plan.issues.push(issue(match refused.is_empty() {
                true => Shortcoming::NoSignature {
                    closure: is_closure,
                },
                false => Shortcoming::SignaturesRefused { why: refused },
            }));
            None
        }
    };
    if chosen.is_some() && is_closure {
        let what = Shortcoming::CapturedVariables;
        lowering.plan.issues.push(issue(what));
    }
    let func = u32::try_from(lowering.plan.functions.len()).unwrap_or(u32::MAX);
    let mut maker = FunctionMaker {
        lowering,
        role,
        explicit: wish.is_some_and(|w| w.explicit),
    };
    let mut schema = FuncSchema {
        name: f.name.clone(),
        short,
        role,
        signature: String::new(),
        signature_source: SignatureSource::None,
        entry: f.entry,
        end: f.end,
        params: Vec::new(),
        results: Vec::new(),
        out: Vec::new(),
        inlined_at: Vec::new(),
        group: roles::group_of(&f.name).filter(|_| role == Role::Join),
    };
    let (mut entry_blocks, mut return_blocks) = (SiteBlocks::default(), SiteBlocks::default());
    if role == Role::Join {
        (schema.params, schema.results) = roles::join_values(maker.lowering, f);
    }
    if let Some(verified) = chosen {
        let (candidate, placement) = (&verified.candidate, &verified.placement);
        schema.signature = verified.text;
        schema.signature_source = candidate.source;
        for ((ty, place), (index, name)) in candidate
            .params
            .iter()
            .zip(&placement.params)
            .zip(verified.names.into_iter().enumerate())
        {
            let policy = maker.parameter_policy(ty, &name, candidate.has_receiver && index == 0)?;
            let value = maker.value(name, ty, place, policy, &mut entry_blocks)?;
            schema.params.push(value);
        }
        if role == Role::Request
            && let Some(rw) = schema.params.iter().position(|p| p.name == "rw")
        {
            let value = maker.client(
                &candidate.params[rw],
                &placement.params[rw],
                &mut entry_blocks,
            )?;
            schema.params.push(value);
        }
        for (index, (ty, place)) in candidate.results.iter().zip(&placement.results).enumerate() {
            let (name, meaning) = maker.result(&candidate.results, index);
            let policy = maker.result_policy();
            let value = maker.value(name, ty, place, policy, &mut return_blocks)?;
            schema.results.push(ValueSchema { meaning, ..value });
        }
    }
    let mut save_regs = [SAVE_NONE; 4];
    if role == Role::Request
        && let Some(rw) = schema.params.iter().find(|p| p.name == "rw")
        && let Some(words) = saved_words(&rw.place)
    {
        save_regs = [words[0], words[1], SAVE_NONE, SAVE_NONE];
        let value = maker.response(&mut return_blocks)?;
        schema.out.extend(value);
    }
    let saves = !schema.out.is_empty();
    let (entry_ranges, return_ranges) = (
        entry_blocks.append(maker.lowering),
        return_blocks.append(maker.lowering),
    );
    let plan = &mut *maker.lowering.plan;
    let site = |spot: &Spot, kind: SiteKind, ranges: &Ranges, flags: u16, class: u8| SiteSchema {
        func,
        kind,
        addr: spot.addr,
        file_offset: binary.file_offset(spot.addr).unwrap_or_default(),
        bytes: binary
            .bytes_at(spot.addr, spot.len)
            .unwrap_or_default()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        insn: spot.insn.clone(),
        why: spot.why.to_string(),
        cond: spot.restarts,
        g_source: spot.g_source,
        class,
        flags,
        reg_ops: ranges.regs.0,
        reg_count: ranges.regs.1,
        stack_ops: ranges.stack.0,
        stack_count: ranges.stack.1,
        save_regs: if kind == SiteKind::Entry {
            save_regs
        } else {
            [SAVE_NONE; 4]
        },
    };
    let flags = if role == Role::Call { SITE_STACK } else { 0 } | if saves { SITE_SAVE } else { 0 };
    plan.sites
        .push(site(&entry, SiteKind::Entry, &entry_ranges, flags, 0));
    let flags = if saves { SITE_RESTORE } else { 0 };
    let class = u8::from(role == Role::Call && return_blocks_are_large(&schema, plan));
    for spot in &returns {
        plan.sites
            .push(site(spot, SiteKind::Return, &return_ranges, flags, class));
    }
    plan.functions.push(schema);
    Ok(())
}

/// Where the two words of an interface parameter are saved from at the entry.
fn saved_words(place: &ArgPlace) -> Option<[u8; 2]> {
    match (place.kind, place.leaves.as_slice()) {
        (PlaceKind::Registers, [tab, data]) => Some([tab.reg, data.reg]),
        (PlaceKind::Stack, _) => {
            let word = u8::try_from(place.offset / 8).ok().filter(|w| *w < 0x40)?;
            Some([SAVE_STACK | word, SAVE_STACK | (word + 1)])
        }
        _ => None,
    }
}

/// Whether a function returns lists, whose capture wants a large entry.
fn return_blocks_are_large(f: &FuncSchema, plan: &Plan) -> bool {
    let kind = |ty: u32| plan.types.get(ty as usize).map(|t| &t.kind);
    f.results.iter().any(|r| match kind(r.ty) {
        Some(TypeKindSchema::Slice { .. } | TypeKindSchema::Map { .. }) => true,
        Some(TypeKindSchema::Pointer { elem }) => {
            matches!(kind(*elem), Some(TypeKindSchema::Struct { .. }))
        }
        _ => false,
    })
}

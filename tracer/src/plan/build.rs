//! Puts a plan together: for each function wished for, its signature, places, spots and blocks.

use std::collections::BTreeMap;

use tracer_ebpf::wire::limits::{MAX_OPS, MAX_SITES, SAVED_BASE};
use tracer_ebpf::wire::op::{IFACE, OP_ITAB};
use tracer_ebpf::wire::site::{
    SAVE_NONE, SAVE_STACK, SITE_ENTRY, SITE_RESTORE, SITE_RETURN, SITE_SAVE, SITE_STACK,
};

use super::abi::Abi;
use super::block::{Block, op};
use super::candidate::TypeRef;
use super::lower::Lowering;
use super::policy::Policy;
use super::profile::{PlanRequest, Wish};
use super::schema::{
    ArgPlace, FuncSchema, GSchema, Issue, IssueKind, Leaf, OpSchema, PlaceKind, Plan, Role, Secret,
    SiteSchema, TypeKindSchema, ValueSchema,
};
use super::sites::{self, Spot};
use super::{Error, short_name, verify};
use super::{roles, signature};
use crate::gobin::{FuncInfo, GoBinary, ImageAddr, InlinedAt, TypeKind};

/// Pointers, slices and maps followed in options of a profile's functions.
const OPTIONS_DEPTH: u8 = 6;
/// The same for functions named with `-f`, whose arguments may be anything.
const EXPLICIT_DEPTH: u8 = 3;

/// What of a request is captured.
const REQUEST: Policy = Policy::Fields(&[
    ("Method", Policy::Full(0), Secret::None),
    ("URL", URL, Secret::None),
    ("Header", Policy::Full(3), Secret::HeaderValues),
]);
const URL: Policy = Policy::Fields(&[
    ("Path", Policy::Full(0), Secret::None),
    ("RawQuery", Policy::Full(0), Secret::None),
]);
/// What of `*net/http.response` is read when a request returns.
const RESPONSE: Policy = Policy::Fields(&[
    ("status", Policy::Full(0), Secret::None),
    ("written", Policy::Full(0), Secret::None),
    (
        "conn",
        Policy::Fields(&[("hijackedv", Policy::Full(0), Secret::None)]),
        Secret::None,
    ),
]);
const RESPONSE_TYPE: &str = "*net/http.response";
/// From the `rw` of a request to the descriptor of its connection (net/http/server.go, net/net.go, net/fd_unix.go,
/// internal/poll/fd_unix.go; the names are the same in Go 1.13 to 1.27).
const CLIENT: Policy = Policy::Dynamic(&[(
    RESPONSE_TYPE,
    Policy::Fields(&[(
        "conn",
        Policy::Fields(&[("rwc", CONNECTION, Secret::None)]),
        Secret::None,
    )]),
)]);
const CONNECTION: Policy = Policy::Dynamic(&[
    ("*net.UnixConn", DESCRIPTOR),
    ("*net.TCPConn", DESCRIPTOR),
    // under TLS lies the connection itself
    (
        "*crypto/tls.Conn",
        Policy::Fields(&[(
            "conn",
            Policy::Dynamic(&[("*net.UnixConn", DESCRIPTOR), ("*net.TCPConn", DESCRIPTOR)]),
            Secret::None,
        )]),
    ),
]);
const DESCRIPTOR: Policy = Policy::Fields(&[(
    "conn",
    Policy::Fields(&[("fd", NET_FD, Secret::None)]),
    Secret::None,
)]);
const NET_FD: Policy = Policy::Fields(&[(
    "pfd",
    Policy::Fields(&[("Sysfd", Policy::Peer, Secret::None)]),
    Secret::None,
)]);
const GOROUTINE: Policy = Policy::Fields(&[("goid", Policy::Full(0), Secret::None)]);

/// Builds the plan for `request` on `binary`.
///
/// # Errors
/// The binary is damaged, or the plan is larger than the kernel's tables. What concerns one function only is
/// an issue in the plan.
pub fn build(request: &PlanRequest, binary: &GoBinary<'_>) -> Result<Plan, Error> {
    let mut plan = Plan {
        g: goroutine(binary)?,
        ..Plan::default()
    };
    let mut chosen: Vec<(FuncInfo, Option<&Wish>, Role)> = Vec::new();
    let mut absent: Vec<&Wish> = Vec::new();
    for wish in &request.wishes {
        let found: Vec<FuncInfo> = binary
            .find_functions(&mut |name| wish.names(name))
            .into_iter()
            .filter(|f| !f.assembly)
            .collect();
        if found.is_empty() {
            absent.push(wish);
        }
        for f in &found {
            // a compiler-made wrapper leads to the function of its name, which is probed itself
            let wraps = (f.wrapper && found.iter().any(|o| !o.wrapper && o.name == f.name))
                || (is_promoted(&f.name) && found.iter().any(|o| !is_promoted(&o.name)));
            if !wraps && !chosen.iter().any(|(known, _, _)| known.entry == f.entry) {
                chosen.push((f.clone(), Some(wish), Role::Call));
            }
        }
    }
    plan.issues.extend(absence(&absent));
    for (f, role) in roles::supporting(binary) {
        if !chosen.iter().any(|(known, _, _)| known.entry == f.entry) {
            chosen.push((f, None, role));
        }
    }
    // without requests nothing has an owner: they get their share of the kernel's tables first
    chosen.sort_by_key(|(_, _, role)| *role == Role::Call);
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
    for (f, wish, role) in &chosen {
        add(&mut lowering, f, *wish, *role)?;
    }
    let most = |what, len: usize, room: u32| {
        if len > room as usize {
            Err(Error::TooLarge { what, room })
        } else {
            Ok(())
        }
    };
    most("ops", plan.ops.len(), MAX_OPS)?;
    most("sites", plan.sites.len(), MAX_SITES)?;
    blind_spots(&mut plan, &inlined);
    Ok(plan)
}

/// Methods that an anonymous struct has from a field (`go.(*struct {…}).M`, from 1.20 `go:`): compiler-made.
fn is_promoted(symbol: &str) -> bool {
    ["go.(*struct ", "go:(*struct ", "go.struct ", "go:struct "]
        .iter()
        .any(|start| symbol.starts_with(start))
}

/// One line for everything that this build lacks.
fn absence(wishes: &[&Wish]) -> Option<Issue> {
    let mut names: Vec<&str> = wishes
        .iter()
        .map(|w| short_name(w.pattern.split('|').next().unwrap_or_default()))
        .collect();
    names.dedup();
    let text = match names.as_slice() {
        [] => return None,
        [one] => format!("{one} does not exist in this build"),
        [most @ .., last] => format!("{} and {last} do not exist in this build", most.join(", ")),
    };
    Some(Issue {
        function: wishes
            .first()
            .map_or_else(String::new, |w| w.pattern.clone()),
        kind: IssueKind::Absent,
        text,
    })
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
    Ok(GSchema {
        goid: field(id, "goid")?.and_then(|(offset, _)| narrow(offset)),
        stack_lo: bound("lo")?,
        stack_hi: bound("hi")?,
        parent_goid: field(id, "parentGoid")?.and_then(|(offset, _)| narrow(offset)),
        tls: Abi::of(binary.arch(), binary.version())
            .is_stack()
            .then(|| binary.only_thread_local())
            .flatten(),
    })
}

fn add(
    lowering: &mut Lowering<'_, '_, '_>,
    f: &FuncInfo,
    wish: Option<&Wish>,
    role: Role,
) -> Result<(), Error> {
    let binary = lowering.binary;
    let spots = sites::choose(binary, f, lowering.plan.g.tls.is_some())?;
    let issue = |kind, text: String| Issue {
        function: f.name.clone(),
        kind,
        text,
    };
    let short = short_name(&f.name).to_owned();
    let entry = match spots.entry {
        Ok(entry) => entry,
        Err(why) => {
            lowering.plan.issues.push(issue(
                IssueKind::NoSite,
                format!("{short} is not traced: {why}"),
            ));
            return Ok(());
        }
    };
    let returns = match spots.returns {
        // it never returns
        _ if role == Role::Recovery => Vec::new(),
        Ok(returns) if returns.is_empty() => {
            lowering.plan.issues.push(issue(
                IssueKind::NoReturn,
                format!("{short} has no return instruction: its results cannot be seen"),
            ));
            returns
        }
        Ok(returns) => returns,
        Err(why) => {
            lowering.plan.issues.push(issue(
                IssueKind::NoSite,
                format!("returns of {short} are not traced: {why}"),
            ));
            Vec::new()
        }
    };
    let by_registers = matches!(role, Role::Recovery | Role::Join);
    let chosen = match verify::signature_of(binary, f)? {
        _ if by_registers => None,
        Ok(verified) => Some(verified),
        // then goroutines name their creators themselves, where the release keeps that
        Err(_) if role == Role::Birth => return Ok(()),
        Err(refused) => {
            let (kind, text) = if refused.is_empty() {
                (
                    IssueKind::NoSignature,
                    if short.contains(".func") || short.ends_with("-fm") {
                        format!(
                            "{short} is a closure: neither its signature nor the variables that it captured are described in this binary; calls are traced without them"
                        )
                    } else {
                        format!(
                            "the signature of {short} is not in this binary: calls are traced without their arguments"
                        )
                    },
                )
            } else {
                let why = refused.join("; ");
                (
                    IssueKind::Disagreement,
                    format!("arguments of {short} are not decoded: {why}"),
                )
            };
            lowering.plan.issues.push(issue(kind, text));
            None
        }
    };
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
        signature_source: "none".to_owned(),
        entry: f.entry.0,
        end: f.end.0,
        params: Vec::new(),
        results: Vec::new(),
        out: Vec::new(),
        inlined_at: Vec::new(),
    };
    let (mut entry_blocks, mut return_blocks) = (SiteBlocks::default(), SiteBlocks::default());
    if role == Role::Join {
        (schema.params, schema.results) = roles::join_values(maker.lowering, f);
    }
    if let Some(verified) = chosen {
        let (candidate, placement) = (&verified.candidate, &verified.placement);
        schema.signature = verified.text;
        schema.signature_source = candidate.source.to_owned();
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
            let name = maker.result_name(ty, index, candidate.results.len());
            let policy = maker.result_policy();
            let value = maker.value(name, ty, place, policy, &mut return_blocks)?;
            schema.results.push(value);
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
    let site = |spot: &Spot, kind: u8, ranges: &Ranges, flags: u16, class: u8| SiteSchema {
        func,
        kind,
        addr: spot.addr,
        file_offset: binary.file_offset(ImageAddr(spot.addr)).unwrap_or(0),
        bytes: binary
            .bytes_at(ImageAddr(spot.addr), spot.len)
            .unwrap_or_default()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        insn: spot.insn.clone(),
        why: spot.why.to_owned(),
        cond: spot.cond,
        g_source: spot.g_source,
        class,
        flags,
        reg_ops: ranges.regs.0,
        reg_count: ranges.regs.1,
        stack_ops: ranges.stack.0,
        stack_count: ranges.stack.1,
        save_regs: if kind == SITE_ENTRY {
            save_regs
        } else {
            [SAVE_NONE; 4]
        },
    };
    let flags = if role == Role::Call { SITE_STACK } else { 0 } | if saves { SITE_SAVE } else { 0 };
    plan.sites
        .push(site(&entry, SITE_ENTRY, &entry_ranges, flags, 0));
    let flags = if saves { SITE_RESTORE } else { 0 };
    let class = u8::from(role == Role::Call && return_blocks_are_large(&schema, plan));
    for spot in &returns {
        plan.sites
            .push(site(spot, SITE_RETURN, &return_ranges, flags, class));
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

/// Register and stack blocks of one site.
#[derive(Default)]
struct SiteBlocks {
    regs: Vec<OpSchema>,
    stack: Block,
}

struct Ranges {
    regs: (u32, u32),
    stack: (u32, u32),
}

impl SiteBlocks {
    fn append(self, lowering: &mut Lowering<'_, '_, '_>) -> Ranges {
        let stack = lowering.append(self.stack);
        let ops = &mut lowering.plan.ops;
        let start = u32::try_from(ops.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(self.regs.len()).unwrap_or(u32::MAX);
        ops.extend(self.regs);
        Ranges {
            regs: (start, count),
            stack,
        }
    }
}

struct FunctionMaker<'m, 'p, 'b, 'data> {
    lowering: &'m mut Lowering<'p, 'b, 'data>,
    role: Role,
    explicit: bool,
}

impl FunctionMaker<'_, '_, '_, '_> {
    /// How much of a parameter is wanted.
    fn parameter_policy(&self, ty: &TypeRef, name: &str, receiver: bool) -> Result<Policy, Error> {
        if self.role == Role::Request {
            return Ok(if name == "req" { REQUEST } else { Policy::Skip });
        }
        if self.role == Role::Birth {
            return Ok(if name == "callergp" {
                GOROUTINE
            } else {
                Policy::Skip
            });
        }
        if receiver {
            return Ok(Policy::Skip);
        }
        if let TypeRef::Word(_) = ty {
            return Ok(Policy::Skip);
        }
        if let TypeRef::Id(id) = ty {
            let ty = self.lowering.binary.type_by_id(*id)?;
            // a context is a chain of everything the caller had; a function value says nothing
            if ty.name == "context.Context" || matches!(ty.kind, TypeKind::Func { .. }) {
                return Ok(Policy::Skip);
            }
        }
        Ok(Policy::Full(if self.explicit {
            EXPLICIT_DEPTH
        } else {
            OPTIONS_DEPTH
        }))
    }

    fn result_policy(&self) -> Policy {
        match self.role {
            Role::Birth => GOROUTINE,
            _ => Policy::Result,
        }
    }

    fn result_name(&self, ty: &TypeRef, index: usize, count: usize) -> String {
        let text = signature::type_text(self.lowering.binary, ty);
        if text == "error" {
            "error".to_owned()
        } else if count <= 2 && index == 0 {
            "result".to_owned()
        } else {
            format!("result{index}")
        }
    }

    /// Captures one value where it lies.
    fn value(
        &mut self,
        name: String,
        ty: &TypeRef,
        place: &ArgPlace,
        policy: Policy,
        blocks: &mut SiteBlocks,
    ) -> Result<ValueSchema, Error> {
        let mut block = Block::default();
        let base = match place.kind {
            PlaceKind::Stack => u64::from(place.offset),
            _ => 0,
        };
        let on_stack = place.kind == PlaceKind::Stack;
        let target = if on_stack {
            &mut blocks.stack
        } else {
            &mut block
        };
        let ty = match (ty, place.kind) {
            (_, PlaceKind::Missing) => self.lowering.opaque(),
            (TypeRef::Id(id), _) => self.lowering.value(*id, policy, base, target)?,
            (TypeRef::Pointer(id), _) if policy != Policy::Skip => {
                self.lowering.pointer_to(*id, policy, base, target)?
            }
            _ => self.lowering.opaque(),
        };
        if place.kind == PlaceKind::Registers {
            blocks
                .regs
                .extend(to_registers(block.follow(), &place.leaves));
        }
        Ok(ValueSchema {
            name,
            ty,
            place: place.clone(),
            shown: policy != Policy::Skip,
        })
    }

    /// The process that sent a request, by the connection behind its `rw`.
    fn client(
        &mut self,
        rw: &TypeRef,
        place: &ArgPlace,
        blocks: &mut SiteBlocks,
    ) -> Result<ValueSchema, Error> {
        let name = "client".to_owned();
        let mut value = self.value(name, rw, place, CLIENT, blocks)?;
        value.ty = self
            .lowering
            .add_type("client", 0, 0, TypeKindSchema::Reached { by: value.ty });
        Ok(value)
    }

    /// The HTTP response behind the saved `rw` of a request: status and bytes written.
    fn response(&mut self, blocks: &mut SiteBlocks) -> Result<Option<ValueSchema>, Error> {
        if self.lowering.binary.types_named(RESPONSE_TYPE)?.is_empty() {
            return Ok(None);
        }
        let table = self.lowering.table_of(&[(RESPONSE_TYPE, RESPONSE)])?;
        let saved = u8::try_from(SAVED_BASE).unwrap_or(u8::MAX);
        let leaf = |i: u8| Leaf {
            reg: saved + i,
            offset: u32::from(i) * 8,
            size: 8,
        };
        blocks.regs.push(OpSchema {
            flags: OP_ITAB,
            a: table,
            ..op(IFACE, u64::from(saved) * 8, 0)
        });
        let ty = self.lowering.add_type(
            "net/http.ResponseWriter",
            16,
            0,
            TypeKindSchema::Interface { empty: false },
        );
        Ok(Some(ValueSchema {
            name: "response".to_owned(),
            ty,
            place: ArgPlace {
                kind: PlaceKind::Registers,
                leaves: vec![leaf(0), leaf(1)],
                offset: 0,
                reason: None,
            },
            shown: true,
        }))
    }
}

/// Ops of a value that lies in registers: offsets become those of the register file. The words of a string, slice or
/// interface are neighbours there as in memory, because an aggregate's pieces take registers in order.
fn to_registers(follow: &[OpSchema], leaves: &[Leaf]) -> Vec<OpSchema> {
    let mut ops: Vec<OpSchema> = follow
        .iter()
        .filter_map(|op| {
            let leaf = leaves.iter().find(|l| l.offset == op.off)?;
            Some(OpSchema {
                off: u32::from(leaf.reg) * 8,
                ..*op
            })
        })
        .collect();
    ops.sort_by_key(|o| o.off);
    ops
}

/// Says where a probe is blind because the compiler copied the function's body into its caller, and what sees those calls.
fn blind_spots(plan: &mut Plan, inlined: &BTreeMap<String, Vec<InlinedAt>>) {
    let mut issues = Vec::new();
    let traced: Vec<String> = plan.functions.iter().map(|f| f.short.clone()).collect();
    for f in &mut plan.functions {
        let Some(at) = inlined.get(&f.name) else {
            continue;
        };
        f.inlined_at = at.iter().map(|i| i.caller.clone()).collect();
        // promoted methods of embedding structs are compiler-made and named by the whole struct
        let mut callers: Vec<&str> = f
            .inlined_at
            .iter()
            .map(|c| short_name(c))
            .filter(|c| *c != f.short)
            .collect();
        callers.sort_unstable();
        callers.dedup();
        if callers.is_empty() {
            continue;
        }
        let cover = COVERED_BY
            .iter()
            .find(|(inner, _)| *inner == f.short)
            .filter(|(_, by)| traced.iter().any(|short| short == by))
            .map_or_else(String::new, |(_, by)| format!("; {by} sees those calls"));
        issues.push(Issue {
            function: f.name.clone(),
            kind: IssueKind::InlinedAt,
            text: format!(
                "{} is inlined into {}: its probe cannot see calls from there{cover}",
                f.short,
                callers.join(", ")
            ),
        });
    }
    plan.issues.append(&mut issues);
}

/// One-line wrappers and the function they end in.
const COVERED_BY: &[(&str, &str)] = &[("Containers", "reduceContainers")];

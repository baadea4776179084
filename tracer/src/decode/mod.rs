//! Records + plan → typed values. Needs no binary, no kernel and no root.
//!
//! `record` joins the entries of a hit, `items` parses its items by walking the plan's ops, `build`
//! makes values by walking the plan's types. Secrets are overwritten in the raw hit before anyone
//! else sees it.

mod build;
mod client;
mod errno;
mod errors;
mod goroutine;
mod items;
pub mod mask;
mod missing;
mod record;
mod shape;
mod text;
mod value;
mod well_known;

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use tracer_ebpf::wire::limits::LOST_WORD;
use tracer_ebpf::wire::record::{BAD_STACK, NO_G, NO_SAVED};

use crate::addr::{LoadBias, ProcessAddr};
use crate::plan::secrets::Marks;
use crate::plan::{Plan, Secret, SiteKind, ValueSchema};
use build::Builder;
pub use errors::{errno_name, text as error_text};
pub use goroutine::{Found, Sample};
use items::Parser;
use mask::Edits;
pub use missing::{Absence, Implausible, Limit, Misfit, Missing, NoClient};
pub use record::{Assembler, Part, RawHit, RecordError};
pub use shape::{Channel, ZERO_TIME};
pub use text::Text;
pub use value::{Hit, Value};

/// Turns whole hits into values. `P`: a reference to the plan, or a share in it.
#[derive(Debug)]
pub struct Decoder<P> {
    plan: P,
    marks: Marks,
    load_bias: LoadBias,
    redact: Redact,
}

/// Whether secrets are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redact {
    #[default]
    On,
    /// Asked for by the user: everything stays as it was captured.
    Off,
}

impl Redact {
    /// Whether it is the rule, of which nothing needs to be said.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self == Self::On
    }
}

impl<P: Deref<Target = Plan>> Decoder<P> {
    /// `load_bias`: that of the daemon's image in the traced process.
    #[must_use]
    pub fn new(plan: P, load_bias: LoadBias) -> Self {
        Self {
            marks: Marks::of(&plan),
            plan,
            load_bias,
            redact: Redact::On,
        }
    }

    /// The same, hiding secrets or not.
    #[must_use]
    pub fn redact(self, redact: Redact) -> Self {
        Self { redact, ..self }
    }

    /// Decodes a hit and overwrites the secrets in it. `None`: its site is not in the plan, and its
    /// items are wiped.
    pub fn decode(&self, raw: &mut RawHit) -> Option<Hit> {
        let Some((hit, edits, understood)) = self.read(raw) else {
            wipe_rest(&mut raw.parts, (0, 0));
            return None;
        };
        if self.redact == Redact::On {
            wipe_rest(&mut raw.parts, understood);
            edits.apply(raw);
        }
        Some(hit)
    }

    fn read(&self, raw: &RawHit) -> Option<(Hit, Edits, (usize, usize))> {
        let plan = self.plan.deref();
        let head = raw.parts.first()?.head;
        let site = plan.sites.get(head.site as usize)?;
        let function = plan.functions.get(site.func as usize)?;
        let mut parser = Parser::new(plan, raw, self.load_bias);
        // the machine runs the register block first
        let regs = parser.block(site.reg_ops, site.reg_count);
        let stack = parser.block(site.stack_ops, site.stack_count);
        let end = parser.end.take();
        let understood = parser.position();
        let mut builder = Builder::new(plan, &self.marks, self.redact, raw, end.clone());
        let mut all = |schemas: &[ValueSchema], marks: &[Secret]| -> Vec<Value> {
            let mut marks = marks.iter();
            schemas
                .iter()
                .map(|schema| {
                    let secret = marks.next().copied().unwrap_or_default();
                    builder.top(schema, secret, &regs, &stack)
                })
                .collect()
        };
        let (values, out) = if site.kind == SiteKind::Entry {
            (
                all(&function.params, self.marks.parameters(site.func)),
                Vec::new(),
            )
        } else {
            let results = all(&function.results, self.marks.results(site.func));
            let out = if head.flags & NO_SAVED != 0 {
                vec![Value::Missing(Missing::NoEntry); function.out.len()]
            } else {
                all(&function.out, &[])
            };
            (results, out)
        };
        let masked = builder.masked;
        let mut edits = builder.edits;
        edits.sweep(&[&regs, &stack]);
        let known_goroutine = head.flags & NO_G == 0;
        let stack_len = (head.stack_len as usize).min(head.stack.len());
        let hit = Hit {
            site: head.site,
            func: site.func,
            kind: site.kind,
            ktime: head.ktime,
            tgid: (head.pid_tgid >> 32) as u32,
            tid: head.pid_tgid as u32,
            goid: known_goroutine.then_some(head.goid),
            g: ProcessAddr(head.g),
            parent_goid: (known_goroutine && plan.g.parent_goid.is_some())
                .then_some(head.parent_goid)
                .filter(|p| *p != 0),
            lost_before: head.regs[LOST_WORD],
            on_own_stack: known_goroutine && head.flags & BAD_STACK == 0,
            depth: head.depth,
            stack: head.stack[..stack_len]
                .iter()
                .map(|a| self.load_bias.to_image(ProcessAddr(*a)))
                .collect(),
            values,
            out,
            masked,
            incomplete: end,
        };
        Some((hit, edits, understood))
    }
}

/// What was not understood may hold secrets: it is not kept. Entries stay, empty: the last one says
/// that none follows, and why.
fn wipe_rest(parts: &mut [Part], (part, at): (usize, usize)) {
    for (index, entry) in parts.iter_mut().enumerate().skip(part) {
        entry.items.truncate(if index == part { at } else { 0 });
        entry.head.data_len = u32::try_from(entry.items.len()).unwrap_or(0);
    }
}

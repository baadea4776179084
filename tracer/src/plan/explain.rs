//! A plan for people: what is probed where and why, and what is captured there.

use std::fmt::Write;

use super::schema::{ArgPlace, PlaceKind, Plan, TypeKindSchema, ValueSchema};
use super::site::SiteKind;

/// Levels of types shown.
const LEVELS: usize = 5;

/// Width of a terminal that text is folded for.
const WIDTH: usize = 80;

/// Text broken at spaces so that it fits a terminal, given that it begins at column `indent`;
/// further lines begin two beyond. Words longer than a line stay whole.
#[must_use]
pub fn fold(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split(' ') {
        let width = word.chars().count();
        if !out.is_empty() && column + 1 + width > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent + 2));
            column = indent + 2;
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

/// Column where values begin.
const VALUES: usize = 13;

/// Text of a whole plan.
#[must_use]
pub fn explain(plan: &Plan) -> String {
    let mut out = String::new();
    write_plan(plan, &mut out).unwrap_or_default();
    out
}

fn write_plan(plan: &Plan, out: &mut String) -> std::fmt::Result {
    for (index, f) in plan.functions.iter().enumerate() {
        writeln!(out, "{}", f.name)?;
        if f.signature.is_empty() {
            writeln!(out, "  signature  unknown")?;
        } else {
            writeln!(out, "  signature  {}", fold(&f.signature, VALUES))?;
            writeln!(out, "             from the {}", f.signature_source)?;
        }
        for site in plan.sites.iter().filter(|s| s.func as usize == index) {
            let kind = if site.kind == SiteKind::Entry {
                "entry"
            } else {
                "return"
            };
            writeln!(
                out,
                "  {kind:<10} 0x{:x} (+0x{:x})  {}",
                site.addr,
                site.addr.since(f.entry),
                site.insn
            )?;
            if site.kind == SiteKind::Entry {
                writeln!(out, "             {}", fold(&site.why, VALUES))?;
            }
        }
        for (label, values) in [
            ("param", &f.params),
            ("result", &f.results),
            ("out", &f.out),
        ] {
            for value in values {
                writeln!(
                    out,
                    "  {label:<10} {}",
                    fold(&value_text(plan, value), VALUES)
                )?;
                if value.shown {
                    write_type(plan, value.ty, 0, out)?;
                }
            }
        }
        if !f.inlined_at.is_empty() {
            writeln!(
                out,
                "  inlined    {}",
                fold(&f.inlined_at.join(", "), VALUES)
            )?;
        }
    }
    let g = &plan.g;
    let off = |o: Option<u32>| o.map_or_else(|| "absent".to_owned(), |o| o.to_string());
    writeln!(
        out,
        "goroutine  goid {}, stack {}..{}, parentGoid {} (bytes into runtime.g)",
        off(g.goid),
        off(g.stack_lo),
        off(g.stack_hi),
        off(g.parent_goid)
    )?;
    for issue in &plan.issues {
        writeln!(out, "note       {}", fold(&issue.text(), 11))?;
    }
    writeln!(
        out,
        "{} sites, {} ops, {} map types, {} dynamic types",
        plan.sites.len(),
        plan.ops.len(),
        plan.maps.len(),
        plan.dyn_types.len()
    )
}

fn value_text(plan: &Plan, value: &ValueSchema) -> String {
    let ty = plan
        .types
        .get(value.ty as usize)
        .map_or("?", |t| t.name.as_str());
    let place = match value.place.kind {
        PlaceKind::Registers => {
            let regs: Vec<String> = value
                .place
                .leaves
                .iter()
                .map(|l| l.reg.to_string())
                .collect();
            format!("integer register {}", regs.join(", "))
        }
        PlaceKind::Stack => format!("stack argument +{}", value.place.offset),
        PlaceKind::Missing => place_unknown(&value.place),
    };
    let ty = if ty.is_empty() {
        String::new()
    } else {
        format!(" {ty}")
    };
    let hidden = if value.shown { "" } else { ", not captured" };
    format!("{}{ty} in {place}{hidden}", value.name)
}

fn place_unknown(place: &ArgPlace) -> String {
    let reason = place.reason.as_ref();
    reason.map_or_else(|| "no known place".to_owned(), ToString::to_string)
}

fn write_type(plan: &Plan, ty: u32, level: usize, out: &mut String) -> std::fmt::Result {
    if level >= LEVELS {
        return Ok(());
    }
    let Some(ty) = plan.types.get(ty as usize) else {
        return Ok(());
    };
    match &ty.kind {
        TypeKindSchema::Pointer { elem } | TypeKindSchema::Slice { elem } => {
            write_type(plan, *elem, level, out)
        }
        TypeKindSchema::Struct { fields, .. } => {
            for field in fields {
                let Some(of) = plan.types.get(field.ty as usize) else {
                    continue;
                };
                if of.kind == TypeKindSchema::Opaque {
                    continue;
                }
                writeln!(
                    out,
                    "             {:indent$}+{:<4} {} {}",
                    "",
                    field.offset,
                    field.name,
                    of.name,
                    indent = level * 2
                )?;
                write_type(plan, field.ty, level + 1, out)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn text_is_folded_at_spaces() {
        assert_eq!(fold("a b", 2), "a b");
        let long = "word ".repeat(30);
        let folded = fold(long.trim(), 13);
        assert!(folded.lines().count() > 1);
        assert!(folded.lines().all(|l| l.chars().count() <= 80), "{folded}");
        let unbroken = "x".repeat(200);
        assert_eq!(fold(&unbroken, 4), unbroken);
    }
}

//! `inspect functions`: where a function lies, what it takes and where, which instructions would be
//! probed, and which callers contain copies of it.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::super::args::InspectArgs;
use super::super::say::say;
use crate::addr::{FileOffset, ImageAddr};
use crate::gobin::{Arch, FuncInfo, GoBinary, InlinedAt};
use crate::plan::{self, ArgPlace, PlaceKind, SignatureSource, Spot, Spots, fold};
use crate::render;
use crate::session::{close_to, parse_binary};
use crate::target::Image;

/// So many functions are shown in full; more are listed, one a line.
const IN_FULL: usize = 12;
/// Column where values begin.
const VALUES: usize = 13;

#[derive(Serialize)]
struct FunctionJson {
    name: String,
    entry: ImageAddr,
    end: ImageAddr,
    file_offset: Option<FileOffset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inlined_at: Vec<String>,
    #[serde(flatten)]
    detail: Option<Detail>,
}

/// What is found out for functions asked for by name.
#[derive(Serialize)]
struct Detail {
    /// `method table`, `interface`, `catalogue` …
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_source: Option<SignatureSource>,
    /// Why no known signature is believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signature_refused: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<ValueJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<ValueJson>,
    sites: Vec<SiteJson>,
    /// Why there is no entry or no return to probe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_probed: Vec<String>,
    /// Made by the compiler: it only leads to the function that does the work.
    wrapper: bool,
    assembly: bool,
}

#[derive(Serialize)]
struct ValueJson {
    name: String,
    r#type: String,
    /// Registers, or the offset from the first argument slot.
    place: String,
}

#[derive(Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum At {
    Entry,
    Return,
}

#[derive(Serialize)]
struct SiteJson {
    kind: At,
    addr: ImageAddr,
    file_offset: Option<FileOffset>,
    insn: String,
    why: String,
}

pub fn run(args: &InspectArgs, image: &Image, out: &mut dyn Write) -> Result<bool> {
    let binary = parse_binary(image)?;
    let Some(pattern) = &args.name else {
        return list(&binary, binary.functions(), args.json, out);
    };
    let found = binary.find_functions(&mut |name| plan::matches(pattern, name));
    if found.is_empty() {
        if args.json {
            super::json(out, &Vec::<FunctionJson>::new())?;
        }
        say!("no function matches {pattern:?}");
        let names: Vec<String> = binary.functions().map(|f| f.name).collect();
        let close = close_to(pattern, names.iter().map(String::as_str));
        if !close.is_empty() {
            say!("hint: did you mean {}?", close.join(" or "));
        }
        return Ok(false);
    }
    if found.len() > IN_FULL && !args.json {
        let number = found.len();
        list(&binary, found.into_iter(), false, out)?;
        say!("{number} functions; name at most {IN_FULL} to see signatures and sites");
        return Ok(true);
    }
    let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
    let inlined = binary.inlined_at(&names)?;
    let rows = found.iter().map(|f| in_full(&binary, f, &inlined));
    if args.json {
        super::json_array(out, rows)?;
    } else {
        for row in rows {
            show(&row, out)?;
        }
    }
    Ok(true)
}

fn list(
    binary: &GoBinary<'_>,
    functions: impl Iterator<Item = FuncInfo>,
    json: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    if json {
        return Ok(super::json_array(out, functions.map(|f| plain(binary, &f)))? > 0);
    }
    let mut any = false;
    for f in functions {
        any = true;
        let name = render::escape(&f.name);
        writeln!(out, "0x{:x}-0x{:x} {name}", f.entry, f.end)?;
    }
    Ok(any)
}

fn plain(binary: &GoBinary<'_>, f: &FuncInfo) -> FunctionJson {
    FunctionJson {
        name: f.name.clone(),
        entry: f.entry,
        end: f.end,
        file_offset: binary.file_offset(f.entry),
        signature: None,
        inlined_at: Vec::new(),
        detail: None,
    }
}

/// What is damaged of one function is said of that function.
fn in_full(
    binary: &GoBinary<'_>,
    f: &FuncInfo,
    inlined: &BTreeMap<String, Vec<InlinedAt>>,
) -> FunctionJson {
    let mut row = plain(binary, f);
    row.inlined_at = inlined
        .get(&f.name)
        .map(|at| at.iter().map(|i| i.caller.clone()).collect())
        .unwrap_or_default();
    let mut detail = Detail {
        signature_source: None,
        signature_refused: Vec::new(),
        params: Vec::new(),
        results: Vec::new(),
        sites: Vec::new(),
        not_probed: Vec::new(),
        wrapper: f.wrapper,
        assembly: f.assembly,
    };
    match plan::signature_of(binary, f).unwrap_or_else(|why| Err(vec![why.to_string()])) {
        Ok(verified) => {
            let value = |name: String, ty, place: &ArgPlace| ValueJson {
                name,
                r#type: plan::type_text(binary, ty),
                place: place_text(binary.arch(), place),
            };
            let (candidate, placement) = (&verified.candidate, &verified.placement);
            detail.signature_source = Some(candidate.source);
            for ((ty, place), name) in candidate
                .params
                .iter()
                .zip(&placement.params)
                .zip(verified.names)
            {
                detail.params.push(value(name, ty, place));
            }
            for (index, (ty, place)) in candidate.results.iter().zip(&placement.results).enumerate()
            {
                detail
                    .results
                    .push(value(format!("result{index}"), ty, place));
            }
            row.signature = Some(verified.text);
        }
        Err(refused) => detail.signature_refused = refused,
    }
    match plan::spots(binary, f) {
        Ok(spots) => add_spots(binary, spots, &mut detail),
        Err(why) => detail.not_probed.push(why.to_string()),
    }
    row.detail = Some(detail);
    row
}

fn add_spots(binary: &GoBinary<'_>, spots: Spots, detail: &mut Detail) {
    let site = |kind, spot: Spot| SiteJson {
        kind,
        addr: spot.addr,
        file_offset: binary.file_offset(spot.addr),
        insn: spot.insn,
        why: spot.why.to_string(),
    };
    match spots.entry {
        Ok(spot) => detail.sites.push(site(At::Entry, spot)),
        Err(why) => detail.not_probed.push(why.to_string()),
    }
    match spots.returns {
        Ok(returns) if returns.is_empty() => {
            detail.not_probed.push("it has no return".to_owned());
        }
        Ok(returns) => detail
            .sites
            .extend(returns.into_iter().map(|spot| site(At::Return, spot))),
        Err(why) => detail.not_probed.push(why.to_string()),
    }
}

/// Registers by name, or the stack.
fn place_text(arch: Arch, place: &ArgPlace) -> String {
    let integers = arch.properties().integers;
    match place.kind {
        PlaceKind::Registers => {
            let names: Vec<&str> = place
                .leaves
                .iter()
                .map(|leaf| integers.get(usize::from(leaf.reg)).map_or("?", |r| r.name))
                .collect();
            names.join(":")
        }
        PlaceKind::Stack => format!("stack+{}", place.offset),
        PlaceKind::Missing => place
            .reason
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    }
}

fn show(row: &FunctionJson, out: &mut dyn Write) -> Result<()> {
    let text = |value: &str| fold(&render::escape(value), VALUES);
    writeln!(out, "{}", render::escape(&row.name))?;
    let file = row
        .file_offset
        .map_or_else(String::new, |at| format!(", at 0x{at:x} in the file"));
    writeln!(
        out,
        "  code       0x{:x}-0x{:x} ({} bytes){file}",
        row.entry,
        row.end,
        row.end.since(row.entry)
    )?;
    let Some(detail) = &row.detail else {
        return Ok(());
    };
    if detail.wrapper {
        writeln!(out, "  wrapper    made by the compiler")?;
    }
    match (&row.signature, detail.signature_source) {
        (Some(signature), source) => {
            writeln!(out, "  signature  {}", text(signature))?;
            if let Some(source) = source {
                writeln!(
                    out,
                    "             from the {source}, checked against the code's records"
                )?;
            }
        }
        (None, _) if detail.signature_refused.is_empty() => {
            writeln!(out, "  signature  not in this binary")?;
        }
        (None, _) => {
            for why in &detail.signature_refused {
                writeln!(out, "  signature  {}", text(&format!("refused: {why}")))?;
            }
        }
    }
    for (label, values) in [("takes", &detail.params), ("gives", &detail.results)] {
        for (index, value) in values.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let line = format!("{} {} in {}", value.name, value.r#type, value.place);
            writeln!(out, "  {label:<10} {}", text(&line))?;
        }
    }
    for site in detail.sites.iter().filter(|s| s.kind == At::Entry) {
        let line = format!(
            "+0x{:x} {}: {}",
            site.addr.since(row.entry),
            site.insn,
            site.why
        );
        writeln!(out, "  entry      {}", text(&line))?;
    }
    let returns: Vec<String> = detail
        .sites
        .iter()
        .filter(|s| s.kind == At::Return)
        .map(|s| format!("+0x{:x}", s.addr.since(row.entry)))
        .collect();
    if !returns.is_empty() {
        writeln!(out, "  returns    {}", text(&returns.join(" ")))?;
    }
    for why in &detail.not_probed {
        writeln!(out, "  not probed {}", text(why))?;
    }
    if !row.inlined_at.is_empty() {
        writeln!(out, "  inlined    a probe does not see calls from within")?;
        for caller in &row.inlined_at {
            writeln!(out, "             {}", render::escape(caller))?;
        }
    }
    Ok(())
}

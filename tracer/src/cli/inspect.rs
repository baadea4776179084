//! `mobytrace inspect`: what a Go binary says about itself. Offline; no root, no process touched.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::args::{InspectArgs, InspectPlan, InspectWhat};
use super::failure::Failure;
use super::live::{parse_binary, plan_for};
use crate::gobin::{FuncInfo, GoBinary, Method, TypeId, TypeKind};
use crate::plan;
use crate::render;
use crate::target::{Image, Process, Selection, find};

/// Most inlined call sites and unnamed listings shown on one line of text.
const SHOWN: usize = 6;

/// `Ok(false)`: nothing matched.
pub fn run(what: &InspectWhat, out: &mut dyn Write) -> Result<bool> {
    match what {
        InspectWhat::Binary(args) => binary(args, out),
        InspectWhat::Functions(args) => functions(args, out),
        InspectWhat::Types(args) => types(args, out),
        InspectWhat::Plan(args) => show_plan(args, out),
    }
}

fn open(args: &InspectArgs) -> Result<Image> {
    let image = match (&args.binary, args.pid) {
        (Some(path), _) => Image::of_file(path),
        (None, Some(pid)) => Process::open(pid).and_then(|p| Image::of_process(&p)),
        (None, None) => find(&Selection::Auto).and_then(|p| Image::of_process(&p)),
    };
    Ok(image.map_err(Failure::from)?)
}

fn binary(args: &InspectArgs, out: &mut dyn Write) -> Result<bool> {
    let image = open(args)?;
    let binary = parse_binary(&image)?;
    let mut facts: Vec<(String, String)> = vec![
        ("file".into(), image.shown.clone()),
        (
            "architecture".into(),
            format!("{:?}", binary.arch()).to_lowercase(),
        ),
        ("go".into(), binary.version().text.clone()),
        (
            "build id".into(),
            binary.build_id().unwrap_or_else(|| "none".into()),
        ),
        (
            "position independent".into(),
            if binary.is_pie() { "yes" } else { "no" }.into(),
        ),
    ];
    if let Some(info) = binary.build_info() {
        facts.extend(info.path.iter().map(|p| ("package".to_owned(), p.clone())));
        facts.extend(
            info.main_module
                .iter()
                .map(|(m, v)| ("module".to_owned(), format!("{m} {v}"))),
        );
        facts.extend(
            info.settings
                .iter()
                .map(|(k, v)| (format!("build {k}"), v.clone())),
        );
    }
    facts.extend(binary.facts());
    if args.json {
        let map: BTreeMap<&str, &str> = facts
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        json(out, &map)?;
    } else {
        for (name, value) in &facts {
            writeln!(out, "{name:<22} {}", render::escape(value))?;
        }
    }
    Ok(true)
}

#[derive(Serialize)]
struct FunctionJson {
    name: String,
    entry: u64,
    end: u64,
    file_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inlined_at: Vec<String>,
}

fn functions(args: &InspectArgs, out: &mut dyn Write) -> Result<bool> {
    let image = open(args)?;
    let binary = parse_binary(&image)?;
    let found: Vec<FuncInfo> = match &args.name {
        Some(pattern) => binary.find_functions(&mut |name| plan::matches(pattern, name)),
        None => binary.functions().collect(),
    };
    let names: Vec<&str> = if args.name.is_some() {
        found.iter().map(|f| f.name.as_str()).collect()
    } else {
        Vec::new()
    };
    let inlined = if names.is_empty() {
        BTreeMap::new()
    } else {
        binary.inlined_at(&names)?
    };
    let rows = found.iter().map(|f| FunctionJson {
        name: f.name.clone(),
        entry: f.entry.0,
        end: f.end.0,
        file_offset: binary.file_offset(f.entry),
        signature: args
            .name
            .as_ref()
            .and_then(|_| plan::signature_text(&binary, f)),
        inlined_at: inlined
            .get(&f.name)
            .map(|at| at.iter().map(|i| i.caller.clone()).collect())
            .unwrap_or_default(),
    });
    if args.json {
        json(out, &rows.collect::<Vec<_>>())?;
    } else {
        for row in rows {
            writeln!(
                out,
                "0x{:x}-0x{:x} {}",
                row.entry,
                row.end,
                render::escape(&row.name)
            )?;
            if let Some(signature) = &row.signature {
                writeln!(out, "    {}", render::escape(signature))?;
            }
            if !row.inlined_at.is_empty() {
                let shown: Vec<String> = row
                    .inlined_at
                    .iter()
                    .take(SHOWN)
                    .map(|n| render::escape(n))
                    .collect();
                let more = row.inlined_at.len().saturating_sub(SHOWN);
                let more = if more > 0 {
                    format!(", and {more} more")
                } else {
                    String::new()
                };
                writeln!(
                    out,
                    "    inlined into {}{more}: a probe here does not see those call sites",
                    shown.join(", ")
                )?;
            }
        }
    }
    if found.is_empty() {
        eprintln!(
            "no function matches {:?}",
            args.name.as_deref().unwrap_or("*")
        );
    }
    Ok(!found.is_empty())
}

#[derive(Serialize)]
struct TypeJson {
    name: String,
    size: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
}

#[derive(Serialize)]
struct FieldJson {
    name: String,
    offset: u64,
    r#type: String,
}

fn types(args: &InspectArgs, out: &mut dyn Write) -> Result<bool> {
    let image = open(args)?;
    let binary = parse_binary(&image)?;
    let ids: Vec<TypeId> = match &args.name {
        Some(name) => {
            let exact = binary.types_named(name)?;
            if exact.is_empty() {
                binary.find_types(&mut |found| plan::matches(name, found))?
            } else {
                exact
            }
        }
        None => binary.find_types(&mut |_| true)?,
    };
    if args.name.is_none() && !args.json {
        for id in &ids {
            let ty = binary.type_by_id(*id)?;
            writeln!(
                out,
                "{:>8} {:<10} {}",
                ty.size,
                kind_name(&ty.kind),
                render::escape(&ty.name)
            )?;
        }
        return Ok(!ids.is_empty());
    }
    let rows: Vec<TypeJson> = ids
        .iter()
        .map(|id| type_json(&binary, *id))
        .collect::<Result<_>>()?;
    if args.json {
        match rows.as_slice() {
            [one] if args.name.is_some() => json(out, one)?,
            _ => json(out, &rows)?,
        }
    } else {
        for row in &rows {
            writeln!(
                out,
                "{} ({}, {} bytes)",
                render::escape(&row.name),
                row.kind,
                row.size
            )?;
            for field in &row.fields {
                writeln!(
                    out,
                    "  {:>6}  {:<24} {}",
                    field.offset,
                    render::escape(&field.name),
                    render::escape(&field.r#type)
                )?;
            }
            for method in &row.methods {
                writeln!(out, "  method  {}", render::escape(method))?;
            }
        }
    }
    if rows.is_empty() {
        eprintln!("no type matches {:?}", args.name.as_deref().unwrap_or("*"));
    }
    Ok(!rows.is_empty())
}

fn type_json(binary: &GoBinary<'_>, id: TypeId) -> Result<TypeJson> {
    let ty = binary.type_by_id(id)?;
    let name_of = |id: TypeId| {
        binary
            .type_by_id(id)
            .map_or_else(|e| format!("unreadable: {e}"), |t| t.name)
    };
    let fields = match &ty.kind {
        TypeKind::Struct { fields } => fields
            .iter()
            .map(|f| FieldJson {
                name: f.name.clone(),
                offset: f.offset,
                r#type: name_of(f.ty),
            })
            .collect(),
        _ => Vec::new(),
    };
    let signature = |m: &Method| match m.ty {
        Some(ty) => format!("{} {}", m.name, name_of(ty)),
        None => format!("{} (type not kept)", m.name),
    };
    let methods = match &ty.kind {
        TypeKind::Interface { methods } => methods.iter().map(signature).collect(),
        _ => binary
            .methods(id)
            .unwrap_or_default()
            .iter()
            .map(signature)
            .collect(),
    };
    Ok(TypeJson {
        name: ty.name.clone(),
        size: ty.size,
        kind: kind_name(&ty.kind),
        fields,
        methods,
    })
}

fn kind_name(kind: &TypeKind) -> &'static str {
    match kind {
        TypeKind::Bool => "bool",
        TypeKind::Int => "int",
        TypeKind::Uint => "uint",
        TypeKind::Float => "float",
        TypeKind::Complex => "complex",
        TypeKind::String => "string",
        TypeKind::UnsafePointer => "unsafe.Pointer",
        TypeKind::Array { .. } => "array",
        TypeKind::Chan { .. } => "chan",
        TypeKind::Func { .. } => "func",
        TypeKind::Interface { .. } => "interface",
        TypeKind::Map { .. } => "map",
        TypeKind::Pointer { .. } => "pointer",
        TypeKind::Slice { .. } => "slice",
        TypeKind::Struct { .. } => "struct",
    }
}

fn show_plan(args: &InspectPlan, out: &mut dyn Write) -> Result<bool> {
    let image = open(&args.common)?;
    let binary = parse_binary(&image)?;
    let functions: Vec<String> = args.common.name.iter().cloned().collect();
    let plan = plan_for(&binary, &args.profiles, &functions)?;
    if args.common.json {
        json(out, &plan)?;
    } else {
        write!(out, "{}", plan::explain(&plan))?;
    }
    Ok(!plan.functions.is_empty())
}

fn json<T: Serialize>(out: &mut dyn Write, value: &T) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

//! `inspect types`: size, fields and offsets, methods; and which fields of other releases this
//! build lacks.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::super::args::InspectArgs;
use super::super::say::say;
use crate::gobin::{GoBinary, Method, TypeId, TypeKind};
use crate::plan::{self, fold};
use crate::render;
use crate::session::{close_to, parse_binary};
use crate::target::Image;

#[derive(Serialize)]
struct TypeJson {
    name: String,
    size: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldJson>,
    /// Fields that other releases of moby have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent_fields: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
}

#[derive(Serialize)]
struct FieldJson {
    name: String,
    offset: u64,
    r#type: String,
}

/// Types of that exact name, else those that it is a suffix or glob of. A plain suffix means the
/// named types, not the pointers to them or slices of them.
fn find(binary: &GoBinary<'_>, name: &str) -> Result<Vec<TypeId>> {
    let exact = binary.types_named(name)?;
    if !exact.is_empty() {
        return Ok(exact);
    }
    let found = binary.find_types(&mut |found| plan::matches(name, found))?;
    let named: Vec<TypeId> = found
        .iter()
        .copied()
        .filter(|id| binary.type_by_id(*id).is_ok_and(|t| t.named))
        .collect();
    let composed = name.contains(['*', '?', '[', ' ', '{']);
    Ok(if composed || named.is_empty() {
        found
    } else {
        named
    })
}

pub fn run(args: &InspectArgs, image: &Image, out: &mut dyn Write) -> Result<bool> {
    let binary = parse_binary(image)?;
    let Some(name) = &args.name else {
        return list(&binary, args.json, out);
    };
    let rows: Vec<TypeJson> = find(&binary, name)?
        .iter()
        .map(|id| type_json(&binary, *id))
        .collect::<Result<_>>()?;
    if args.json {
        match rows.as_slice() {
            [one] => super::json(out, one)?,
            _ => super::json(out, &rows)?,
        }
    } else {
        for row in &rows {
            show(row, out)?;
        }
    }
    if rows.is_empty() {
        say!("no type matches {name:?}");
        let mut names = Vec::new();
        for id in binary.find_types(&mut |_| true)? {
            let ty = binary.type_by_id(id)?;
            if ty.named {
                names.push(ty.name);
            }
        }
        let close = close_to(name, names.iter().map(String::as_str));
        if !close.is_empty() {
            say!("hint: did you mean {}?", close.join(" or "));
        }
    }
    Ok(!rows.is_empty())
}

fn list(binary: &GoBinary<'_>, json: bool, out: &mut dyn Write) -> Result<bool> {
    let ids = binary.find_types(&mut |_| true)?;
    if json {
        let rows: Vec<TypeJson> = ids
            .iter()
            .map(|id| type_json(binary, *id))
            .collect::<Result<_>>()?;
        super::json(out, &rows)?;
    } else {
        for id in &ids {
            let ty = binary.type_by_id(*id)?;
            let name = render::escape(&ty.name);
            writeln!(out, "{:>8} {:<10} {name}", ty.size, kind_name(&ty.kind))?;
        }
    }
    Ok(!ids.is_empty())
}

fn show(row: &TypeJson, out: &mut dyn Write) -> Result<()> {
    let name = render::escape(&row.name);
    writeln!(out, "{name} ({}, {} bytes)", row.kind, row.size)?;
    for field in &row.fields {
        writeln!(
            out,
            "  {:>6}  {:<24} {}",
            field.offset,
            render::escape(&field.name),
            fold(&render::escape(&field.r#type), 36)
        )?;
    }
    for field in &row.absent_fields {
        writeln!(out, "  {:>6}  {field:<24} absent in this build", "-")?;
    }
    for method in &row.methods {
        writeln!(out, "  method  {}", fold(&render::escape(method), 12))?;
    }
    Ok(())
}

fn type_json(binary: &GoBinary<'_>, id: TypeId) -> Result<TypeJson> {
    let ty = binary.type_by_id(id)?;
    let name_of = |id: TypeId| {
        binary
            .type_by_id(id)
            .map_or_else(|e| format!("unreadable: {e}"), |t| t.name)
    };
    let fields: Vec<FieldJson> = match &ty.kind {
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
    let present: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let absent_fields = plan::absent_fields(&ty.name, &present);
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
        absent_fields,
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

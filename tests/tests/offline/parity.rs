//! The same source with and without DWARF, by every Go: types, signatures and places are the same
//! from either.

use std::collections::BTreeMap;

use harness::{Program, parity, programs, report};
use mobytrace::gobin::{GoBinary, Type, TypeId, TypeKind};
use mobytrace::plan::{SignatureSource, signature_of, type_text};
use serde_json::json;

/// A struct as it must be in every build of one source by one Go: size, and each field's name,
/// offset and type.
type Layout = (u64, Vec<(String, u64, String)>);

fn layouts(binary: &GoBinary<'_>) -> BTreeMap<String, Layout> {
    let text = |id: TypeId| type_text(binary, &id.into());
    let mut found = BTreeMap::new();
    for id in binary.find_types(&mut |_| true).expect("types") {
        let Ok(Type {
            name,
            size,
            named: true,
            kind: TypeKind::Struct { fields },
            ..
        }) = binary.type_by_id(id)
        else {
            continue;
        };
        let fields = fields
            .into_iter()
            .map(|f| (f.name, f.offset, text(f.ty)))
            .collect();
        found.insert(name, (size, fields));
    }
    found
}

/// Places of parameters and results by method, of those whose signature both builds can know.
fn places(binary: &GoBinary<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for f in binary.find_functions(&mut |name| name.starts_with("main.")) {
        if let Ok(verified) = signature_of(binary, &f).expect("types")
            && verified.candidate.source == SignatureSource::MethodTable
        {
            let placement = verified.placement;
            let text = format!("{:?} {:?}", placement.params, placement.results);
            found.insert(f.name.clone(), text);
        }
    }
    found
}

/// What is equal in both builds, else what is not.
fn compare(plain: &Program, stripped: &Program) -> Result<(usize, usize), Vec<String>> {
    let (plain, stripped) = (
        std::fs::read(&plain.path).expect("plain"),
        std::fs::read(&stripped.path).expect("stripped"),
    );
    let (plain, stripped) = (
        GoBinary::parse(&plain).expect("plain"),
        GoBinary::parse(&stripped).expect("stripped"),
    );
    assert!(stripped.dwarf_types().expect("none").is_empty());
    let mut wrong = Vec::new();
    let (a, b) = (layouts(&plain), layouts(&stripped));
    for (name, layout) in &a {
        if b.get(name) != Some(layout) {
            wrong.push(format!("{name}: {layout:?} against {:?}", b.get(name)));
        }
    }
    let (c, d) = (places(&plain), places(&stripped));
    for (name, text) in &c {
        if d.get(name) != Some(text) {
            wrong.push(format!("{name}: {text} against {:?}", d.get(name)));
        }
    }
    if a.len() != b.len() || c.len() != d.len() {
        wrong.push(format!(
            "{} and {} structs, {} and {} methods",
            a.len(),
            b.len(),
            c.len(),
            d.len()
        ));
    }
    if wrong.is_empty() {
        Ok((a.len(), c.len()))
    } else {
        Err(wrong)
    }
}

#[test]
fn every_release_says_the_same_with_and_without_dwarf() {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for name in ["releases", "signatures"] {
        let Some(programs) = programs(name) else {
            return;
        };
        for program in programs.iter().filter(|p| p.is_plain()) {
            let bytes = std::fs::read(&program.path).expect("program");
            let version = GoBinary::parse(&bytes).expect("Go").facts();
            let dwarf = version.iter().find(|(key, _)| *key == "dwarf");
            let dwarf = dwarf.map_or("none", |(_, value)| value).to_owned();
            let counts = parity(&program.path).expect("compared");
            println!("{name} {program}: DWARF {dwarf}: {counts}");
            let listed: usize = counts.unplaced.values().sum();
            if counts.structs < 100 || counts.functions < 1000 || counts.places < 1500 {
                wrong.push(format!("{name} {program}: too little was compared"));
            }
            wrong.extend(
                counts
                    .different
                    .iter()
                    .map(|d| format!("{name} {program}: {d}")),
            );
            let stripped = programs.iter().find(|p| {
                p.symbols == "s-w"
                    && (p.minor, &p.arch, &p.shape)
                        == (program.minor, &program.arch, &program.shape)
            });
            let (structs, methods) = match stripped.map(|s| compare(program, s)) {
                Some(Ok(equal)) => equal,
                Some(Err(different)) => {
                    let stripped = different.iter();
                    wrong.extend(stripped.map(|d| format!("{name} {program}, stripped: {d}")));
                    (0, 0)
                }
                None => (0, 0),
            };
            println!(
                "{name} {program}: without DWARF {structs} structs and {methods} methods are the same"
            );
            let found = json!({
                "program": name, "dwarf": dwarf, "types": counts.types, "structs": counts.structs, "fields": counts.fields,
                "functions": counts.functions, "places": counts.places, "unplaced": listed,
                "different": counts.different.len(), "stripped_structs": structs, "stripped_methods": methods,
            });
            rows.push((program.clone(), found));
        }
    }
    report("parity", &rows).expect("report");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

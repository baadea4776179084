//! Packed relative relocations (RELR): what the C compiler's linker makes, and stock daemons of
//! both architectures repacked. A reading is the same however the pointers are relocated.

use harness::{Fixture, Patch, json_lines, stock_dockerd};
use mobytrace::gobin::{GoBinary, TypeKind};

fn fact(binary: &GoBinary<'_>, name: &str) -> String {
    let facts = binary.facts();
    let found = facts.into_iter().find(|(n, _)| n == name);
    found.map_or_else(String::new, |(_, value)| value)
}

#[test]
fn stock_daemons_read_the_same_when_repacked() {
    for (suite, arch, relative) in [("bookworm", "amd64", 8), ("trixie", "arm64", 1027)] {
        let Some(path) = stock_dockerd(suite, arch) else {
            continue;
        };
        let whole = Patch::new(std::fs::read(path).expect("dockerd"));
        let (patch, count) = whole.clone().packed(relative).expect("repacked");
        assert!(
            count > 100_000,
            "{suite} {arch}: {count} relative relocations"
        );
        let binary = GoBinary::parse(&whole.bytes).expect("whole");
        let patch = patch.without_section_headers();
        let packed = GoBinary::parse(&patch.bytes).expect("repacked");
        let said = fact(&packed, "relocations");
        assert!(said.contains(&format!("{count} RELR")), "{said}");
        for same in [
            "pclntab",
            "moduledata",
            "text",
            "types",
            "itabs",
            "functions",
        ] {
            assert_eq!(fact(&packed, same), fact(&binary, same), "{suite} {arch}");
        }
        assert_eq!(packed.itabs(), binary.itabs(), "{suite} {arch}");
        let types = binary
            .find_types(&mut |name| name.contains("container"))
            .expect("types");
        assert!(types.len() > 500, "{}", types.len());
        for id in types {
            assert_eq!(
                packed.type_by_id(id),
                binary.type_by_id(id),
                "{suite} {arch}"
            );
            assert_eq!(packed.methods(id), binary.methods(id), "{suite} {arch}");
        }
    }
}

#[test]
fn a_table_that_leads_astray_is_refused_by_name() {
    let Some(path) = stock_dockerd("bookworm", "amd64") else {
        return;
    };
    let whole = Patch::new(std::fs::read(path).expect("dockerd"));
    let (packed, _) = whole.packed(8).expect("repacked");
    let table = packed.dynamic_value(36).expect("DT_RELR");
    let at = packed.offset(table).expect("table");
    let refused = |patch: &dyn Fn(&mut Patch)| {
        let mut copy = packed.clone();
        patch(&mut copy);
        GoBinary::parse(&copy.bytes)
            .expect_err("refused")
            .to_string()
    };
    let wild = refused(&|p| p.set_word(at, 0x7fff_0000_0000));
    assert!(wild.contains("a RELR entry names 0x7fff00000000"), "{wild}");
    let first = refused(&|p| p.set_word(at, 0x5555_5555));
    assert!(first.contains("follows no address"), "{first}");
    let huge = refused(&|p| p.set_dynamic(35, u64::MAX));
    assert!(
        huge.contains("18446744073709551615 bytes is not in the file"),
        "{huge}"
    );
    let outside = refused(&|p| p.set_dynamic(36, 0xdead_beef_0000));
    assert!(outside.contains("0xdeadbeef0000"), "{outside}");
}

#[test]
fn packed_by_the_linker() {
    let path = harness::fixture_or_skip!("relr");
    let bytes = std::fs::read(&path).expect("fixture");
    let bare = Patch::new(bytes.clone()).without_section_headers().bytes;
    let mut fixture = Fixture::start(&path, &[]).expect("fixture");
    let mut said = Vec::new();
    loop {
        match fixture.line().expect("line").as_str() {
            "end" => break,
            line => said.extend(json_lines(line).expect("JSON")),
        }
    }
    assert!(said.len() == 3, "{said:?}");
    for bytes in [&bytes, &bare] {
        let binary = GoBinary::parse(bytes).expect("fixture");
        let relocations = fact(&binary, "relocations");
        assert!(relocations.contains("RELR"), "{relocations}");
        for layout in &said {
            let name = layout["type"].as_str().expect("type");
            let ids = binary.types_named(name).expect("types");
            let ty = binary.type_by_id(ids[0]).expect("type");
            let TypeKind::Struct { fields } = &ty.kind else {
                panic!("{ty:?}");
            };
            assert_eq!(layout["size"], ty.size, "{name}");
            let read: Vec<(&str, u64)> =
                fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
            let truth: Vec<(&str, u64)> = layout["fields"]
                .as_array()
                .expect("fields")
                .iter()
                .map(|f| {
                    let (name, offset) = (f["Name"].as_str(), f["Offset"].as_u64());
                    (name.expect("name"), offset.expect("offset"))
                })
                .collect();
            assert_eq!(read, truth, "{name}");
        }
    }
    fixture.tell("").expect("stdin");
}

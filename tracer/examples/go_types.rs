//! The fields of a struct of a Go program, which may be stripped: `go_types FILE TYPE`, the type
//! with its full import path.

use mobytrace::gobin::{Error, GoBinary, TypeKind};

/// Name, type and offset in bytes of each field; nothing: the program has no struct of that name.
pub fn fields(file: &[u8], name: &str) -> Result<Vec<(String, String, u64)>, Error> {
    let binary = GoBinary::parse(file)?;
    let mut found = Vec::new();
    for id in binary.types_named(name)? {
        if let TypeKind::Struct { fields } = binary.type_by_id(id)?.kind {
            for field in fields {
                let ty = binary.type_by_id(field.ty)?.name;
                found.push((field.name, ty, field.offset));
            }
        }
    }
    Ok(found)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, name] = arguments.as_slice() else {
        return Err("usage: go_types FILE TYPE".into());
    };
    for (field, ty, offset) in fields(&std::fs::read(path)?, name)? {
        println!("{offset:>6} {field} {ty}");
    }
    Ok(())
}

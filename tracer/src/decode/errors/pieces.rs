//! Texts of errors, put together from the pieces that are known of their types.

use super::super::value::Value;
use super::{Fields, quoted, reference, whole};
use crate::moby::errors::{ITSELF, Piece, Row, STRINGS, STRUCTS};
use crate::moby::modules::own;

/// The text of an error that is a string.
pub fn of_string(ty: &str, value: &Value) -> Option<String> {
    let fields = [(ITSELF.to_owned(), value.clone())];
    of(
        STRINGS,
        ty,
        &Fields {
            fields: &fields,
            left: 0,
        },
    )
}

/// The text of an error that is a struct; `None`: the type is not known, or something of it is not.
pub fn of_struct(ty: &str, of_error: &Fields<'_>) -> Option<String> {
    of(STRUCTS, ty, of_error)
}

fn of(rows: &[Row], ty: &str, fields: &Fields<'_>) -> Option<String> {
    let ty = own(ty).unwrap_or(ty);
    let row = rows.iter().find(|row| row.types.contains(&ty))?;
    let pieces: Option<Vec<String>> = row.text.iter().map(|p| piece(*p, fields)).collect();
    Some(pieces?.concat())
}

fn piece(piece: Piece, of: &Fields<'_>) -> Option<String> {
    Some(match piece {
        Piece::Says(words) => words.to_owned(),
        Piece::Field(field) => of.string(field)?,
        Piece::Quoted(field) => quoted(&of.string(field)?)?,
        Piece::Behind(words, field) => match of.string(field)? {
            text if text.is_empty() => text,
            text => format!("{words}{text}"),
        },
        Piece::Error(field) => of.error(field)?,
        Piece::Reference(fields) => {
            reference::with_tag(fields.iter().find_map(|field| of.value(field))?)?
        }
        Piece::List(before, field, after) => match strings(of.value(field)?)? {
            none if none.is_empty() => String::new(),
            some => format!("{before}{}{after}", some.join(", ")),
        },
        Piece::Filter {
            says,
            name,
            value,
            nameless,
        } => match (of.string(name)?, nameless) {
            (name, Some(words)) if name.is_empty() => words.to_owned(),
            (name, _) => format!("{says} '{name}{}'", filter_value(of.value(value)?)?),
        },
        Piece::Code(field, first, names) => {
            let Value::Int(code) = of.value(field)? else {
                return None;
            };
            let position = usize::try_from(code.checked_sub(first)?).ok()?;
            (*names.get(position)?).to_owned()
        }
        Piece::Format(field) => of.string(field).filter(|text| !text.contains('%'))?,
    })
}

/// What stands behind a filter's name: `=value` or `=[a b]`; of nil nothing.
fn filter_value(value: &Value) -> Option<String> {
    let value = match value {
        Value::Nil => return Some(String::new()),
        Value::Iface { value, .. } => value,
        other => other,
    };
    Some(match whole(value) {
        Some(text) => format!("={text}"),
        None => format!("=[{}]", strings(value)?.join(" ")),
    })
}

/// The strings of a whole list; of nil none.
fn strings(list: &Value) -> Option<Vec<String>> {
    match list {
        Value::Nil => Some(Vec::new()),
        Value::List { items, len } if items.len() as u64 == *len => {
            items.iter().map(whole).collect()
        }
        _ => None,
    }
}

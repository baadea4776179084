//! Structs: their fields, and what is left out of them.

use super::super::value::Value;
use super::{Builder, Source};
use crate::plan::secrets;
use crate::plan::{FieldSchema, Plan, Secret};

impl Builder<'_> {
    pub(super) fn fields(
        &mut self,
        ty: u32,
        fields: &[FieldSchema],
        source: Source<'_>,
        off: u64,
        secret: Secret,
    ) -> Vec<(String, Value)> {
        let marks = self.marks;
        let mut marks = marks.fields(ty).iter();
        // `{Name, Value}`: the one says what the other is
        let mut named = Secret::None;
        let mut values = Vec::with_capacity(fields.len());
        for f in fields {
            let mark = marks.next().copied().unwrap_or_default();
            let is_value = f.name.eq_ignore_ascii_case("value");
            let secret = match secret {
                Secret::All => Secret::All,
                Secret::Values => Secret::All,
                Secret::EnvValue if !secrets::is_variable_part(f.name.as_bytes()) => Secret::All,
                _ if is_value => mark.or(named),
                _ => mark,
            };
            let value = self.value(f.ty, source, off.saturating_add(f.offset), secret);
            if f.name.eq_ignore_ascii_case("name") || f.name.eq_ignore_ascii_case("key") {
                named = of_name(&value);
            }
            values.push((f.name.clone(), value));
        }
        values
    }
}

/// Words of a struct, `size` bytes in all, in which no field is described: those that a plan left
/// out without counting them. Less than a word may be padding.
pub(super) fn uncovered(plan: &Plan, size: u64, fields: &[FieldSchema]) -> u32 {
    const WORD: u64 = 8;
    let size_of = |ty: u32| plan.types.get(ty as usize).map_or(0, |t| t.size);
    let mut covered: Vec<(u64, u64)> = fields
        .iter()
        .map(|f| (f.offset, f.offset.saturating_add(size_of(f.ty))))
        .collect();
    covered.sort_unstable();
    covered.push((size, size));
    let (mut end, mut words) = (0u64, 0u64);
    for (from, to) in covered {
        words = words.saturating_add(from.saturating_sub(end) / WORD);
        end = end.max(to);
    }
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// How a value is masked by the name that stands beside it; a name that is not whole cannot be
/// judged.
pub(super) fn of_name(name: &Value) -> Secret {
    match name {
        // it says its own value: `label=password=x` in filters
        Value::Str { bytes, .. } if bytes.contains(&b'=') => Secret::None,
        Value::Str { bytes, .. } => match std::str::from_utf8(bytes) {
            Ok(name) => secrets::of_name(name),
            Err(_) => Secret::None,
        },
        Value::Cut { .. } | Value::Missing(_) | Value::Masked => Secret::All,
        _ => Secret::None,
    }
}

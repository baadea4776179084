//! Where a value comes from, in a few words.

use super::text::escape;
use crate::correlate::{Call, Trace};
use crate::decode::Value;
use crate::plan::Plan;
use crate::provenance::{Origin, Provenance, Unknown};

/// Longest value of a parameter that is shown; of longer ones only the parameter.
const MOST_SENT: usize = 24;

/// `query all=1`, `hard-coded by SystemDiskUsage`, `default` …
pub fn short(origin: &Origin) -> String {
    match origin {
        Origin::Query { parameter, sent } if sent.chars().count() > MOST_SENT => {
            format!("query {}", escape(parameter))
        }
        // the value beside it says the same, and is easier to read
        Origin::Query { parameter, sent } if sent.starts_with('{') => {
            format!("query {}", escape(parameter))
        }
        Origin::Query { parameter, sent } => {
            format!("query {}={}", escape(parameter), escape(sent))
        }
        Origin::Path { .. } => "path".to_owned(),
        Origin::HardCoded { by } => format!("hard-coded by {}", escape(by)),
        Origin::Default => "default".to_owned(),
        Origin::Several(parts) => {
            let parts: Vec<String> = parts.iter().map(short).collect();
            parts.join(" and ")
        }
        Origin::Unknown(_) => "unknown".to_owned(),
    }
}

/// Origins of a call's options that are worth a word on its line: `Size, All: hard-coded by
/// SystemDiskUsage`. Not those of values that it just handed on, nor defaults, nor what nothing is
/// known of.
pub fn of_call(
    plan: &Plan,
    trace: &Trace,
    provenance: Provenance<'_>,
    call: &Call,
) -> Option<String> {
    let function = plan.functions.get(call.func as usize)?;
    let from_above = call.parent.and_then(|at| trace.calls.get(at));
    let handed_on = |value: &Value| {
        let Value::Pointer { addr, .. } = value else {
            return false;
        };
        let is_it = |v: &Value| matches!(v, Value::Pointer { addr: other, .. } if other == addr);
        from_above.is_some_and(|above| above.params.iter().any(is_it))
    };
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (option, origin) in provenance.of_call(call) {
        let (parameter, value) = (
            function.params.get(option.parameter)?,
            call.params.get(option.parameter)?,
        );
        let said = match &origin {
            _ if handed_on(value) => continue,
            Origin::Default
            | Origin::Unknown(Unknown::Owner | Unknown::NotUnderstood(_) | Unknown::Elsewhere(_)) =>
            {
                continue;
            }
            Origin::Unknown(why) => format!("origin unknown: {}", escape(&why.to_string())),
            known => short(known),
        };
        let name = escape(option.field.unwrap_or(&parameter.name));
        match groups.iter_mut().find(|(s, _)| *s == said) {
            Some((_, names)) => names.push(name),
            None => groups.push((said, vec![name])),
        }
    }
    let groups: Vec<String> = groups
        .into_iter()
        .map(|(said, names)| format!("{}: {said}", names.join(", ")))
        .collect();
    (!groups.is_empty()).then(|| groups.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(sent: &str) -> String {
        short(&Origin::Query {
            parameter: "p".into(),
            sent: sent.into(),
        })
    }

    #[test]
    fn long_parameters_are_named_only_and_text_is_escaped() {
        assert_eq!(query("1"), "query p=1");
        assert_eq!(query("{\"a\":[\"b\"]}"), "query p");
        assert_eq!(query(&"x".repeat(25)), "query p");
        assert_eq!(query("\u{1b}[1m"), "query p=\\u{1b}[1m");
    }
}

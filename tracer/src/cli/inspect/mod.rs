//! `mobytrace inspect`: what a Go binary says about itself. Offline; no root, no process touched.

mod checked;
mod functions;
mod types;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

pub use self::checked::Checked;
use super::args::{InspectArgs, InspectPlan, InspectWhat};
use super::failure::Failure;
use super::profiles;
use crate::gobin::{Facts, GoBinary, outline};
use crate::plan::{self, fold};
use crate::render;
use crate::session::{parse_binary, plan_for, unread};
use crate::target::{Image, Process, Selection, find};

/// Column where values begin.
const VALUES: usize = 23;

/// `Ok(false)`: nothing matched.
pub fn run(what: &InspectWhat, out: &mut dyn Write) -> Result<bool> {
    let image = open(match what {
        InspectWhat::Binary(args) | InspectWhat::Functions(args) | InspectWhat::Types(args) => args,
        InspectWhat::Plan(args) => &args.common,
    })?;
    let mut checked = Checked::new(&image, out);
    let done = match what {
        InspectWhat::Binary(args) => binary(args, &image, &mut checked),
        InspectWhat::Functions(args) => functions::run(args, &image, &mut checked),
        InspectWhat::Types(args) => types::run(args, &image, &mut checked),
        InspectWhat::Plan(args) => show_plan(args, &image, &mut checked),
    };
    let written = checked.flush();
    // whatever else was found wrong with a file that changed meanwhile says nothing
    image.check().map_err(Failure::from)?;
    written?;
    done
}

fn open(args: &InspectArgs) -> Result<Image> {
    let image = match (&args.binary, args.pid) {
        (Some(path), _) => Image::of_file(path),
        (None, Some(pid)) => Process::open(pid).and_then(|p| Image::of_process(&p)),
        (None, None) => find(&Selection::Auto).and_then(|p| Image::of_process(&p)),
    };
    Ok(image.map_err(Failure::from)?)
}

fn binary(args: &InspectArgs, image: &Image, out: &mut dyn Write) -> Result<bool> {
    let read = GoBinary::parse_mapped(image.bytes(), Box::new(|| image.release()));
    let mut facts: Facts = vec![("file".into(), image.shown.clone())];
    match &read {
        Ok(binary) => facts.extend(binary.facts()),
        // what does not depend on the tables that cannot be read
        Err(error) if error.leaves_an_outline() => facts.extend(outline(image.bytes())),
        Err(error) => return Err(unread(image, error.clone()).into()),
    }
    if args.json {
        let map: BTreeMap<&str, &str> = facts
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        json(out, &map)?;
    } else {
        for (name, value) in &facts {
            // long lists of settings have no spaces
            let value = render::escape(value)
                .replace(',', ", ")
                .replace(",  ", ", ");
            writeln!(out, "{name:<22} {}", fold(&value, VALUES))?;
        }
    }
    match read {
        Ok(_) => Ok(true),
        Err(error) => Err(unread(image, error).into()),
    }
}

fn show_plan(args: &InspectPlan, image: &Image, out: &mut dyn Write) -> Result<bool> {
    let binary = parse_binary(image)?;
    let functions: Vec<String> = args.common.name.iter().cloned().collect();
    let plan = plan_for(&binary, &profiles::of(&args.profiles)?, &functions, true)?;
    if args.common.json {
        json(out, &plan)?;
    } else {
        write!(out, "{}", plan::explain(&plan))?;
    }
    Ok(!plan.functions.is_empty())
}

fn json<T: Serialize>(out: &mut dyn Write, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(out, "{}", render::escape_json(&text))?)
}

/// An array whose elements are made one by one; the same text as [`json`] of all of them.
fn json_array<T: Serialize>(out: &mut dyn Write, rows: impl Iterator<Item = T>) -> Result<usize> {
    let mut count = 0;
    for row in rows {
        write!(out, "{}", if count == 0 { "[" } else { "," })?;
        let text = serde_json::to_string_pretty(&row)?;
        // line breaks within strings are escaped
        for line in render::escape_json(&text).lines() {
            write!(out, "\n  {line}")?;
        }
        count += 1;
    }
    writeln!(out, "{}", if count == 0 { "[]" } else { "\n]" })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn an_array_reads_the_same_whether_made_whole_or_one_by_one() {
        let rows = [
            json!({"a\nb": [1, {}], "c": "\u{1b}\u{2028}"}),
            json!([]),
            Value::Null,
        ];
        for most in 0..=rows.len() {
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            super::json(&mut whole, &rows[..most].to_vec()).expect("json");
            let count = super::json_array(&mut pieces, rows[..most].iter()).expect("json");
            assert_eq!(count, most);
            assert_eq!(whole, pieces);
        }
    }
}

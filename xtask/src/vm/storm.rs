//! Calls that are hard to pair (tests/fixtures/go/storm). Entries and returns are counted by the
//! program itself; a result that does not fit its call's argument was paired wrong.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cases::{Outcome, Said};

/// Checks what the guest said.
pub fn check(said: &Said<'_>) -> Result<Outcome> {
    let all = said.calls()?;
    // calls and returns of each function
    let mut seen: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut values = 0;
    for call in &all {
        let name = call["short"].as_str().context("name")?;
        let of = seen.entry(name).or_default();
        of.0 += 1;
        if call["state"] == "returned" {
            of.1 += 1;
            fits(name, call).with_context(|| call.to_string())?;
            values += 2;
        }
    }
    let mut calls = 0;
    for line in said.printed().filter_map(|l| l.strip_prefix("count ")) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, made, returned] = words.as_slice() else {
            bail!("the storm said {line}");
        };
        let counted = (made.parse()?, returned.parse()?);
        let found = seen.get(name).copied().unwrap_or_default();
        ensure!(
            found == counted,
            "{name}: {found:?} calls and returns seen, the storm counted {counted:?}"
        );
        calls += made.parse::<usize>()?;
    }
    ensure!(calls >= 2000, "{calls} calls");
    Ok(Outcome {
        calls,
        values,
        missing: 0,
    })
}

/// Whether the result is that of the argument.
fn fits(name: &str, call: &Value) -> Result<()> {
    let (params, results) = (&call["params"], &call["results"]);
    let x = params["arg0"].as_i64().context("x")?;
    let expected = match name {
        "Deep" => x * 2 + params["arg1"].as_i64().context("depth")?,
        "Guard" => x * 5,
        "Middle" | "Panics" => x * 7,
        "Exits" => x * 11,
        "Many" => x * 13 + x % 40,
        "Spin" => x * 17,
        "Hold" => x * 19,
        "Tail" => x * 23,
        other => bail!("no function {other} returns"),
    };
    ensure!(
        results["result"] == expected,
        "{name}({x}) is not {expected}"
    );
    Ok(())
}

//! In a guest: calls that are hard to pair (tests/fixtures/go/storm) under a preemptible kernel. Entries and returns are counted
//! by the program itself; a result that does not fit its call's argument was paired wrong.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::behind;

/// What the guest runs; each call becomes a line of name, state, arguments and results.
pub const SCRIPT: &str = r#"
mkfifo /tmp/sin
/storm 2000 4 300 20000 < /tmp/sin > /tmp/sout &
storm=$!
exec 4> /tmp/sin
wishes="-f main.(*Inner).Tail"
for name in Deep Guard Middle Panics Exits Many Spin Hold Forever; do wishes="$wishes -f main.(*Storm).$name"; done
set -f
/mobytrace trace --pid $storm $wishes --format jsonl > /tmp/sevents 2> /tmp/serr &
tracer=$!
until grep -q 'attached to' /tmp/serr || ! kill -0 $tracer; do sleep 0.2; done
echo >&4
until grep -q '^end' /tmp/sout || ! kill -0 $storm; do sleep 0.2; done
sleep 1
kill -TERM $tracer
wait $tracer
echo "@@STORM-STATUS $?"
echo >&4
wait $storm
echo "@@STORM-PROGRAM $?"
sed 's/^/@@STORM-OUT /' /tmp/sout
sed 's/^/@@STORM-ERR /' /tmp/serr
sed -n 's/.*"params":\(.*\),"parent".*"results":\(.*\),"short":"\([A-Za-z]*\)".*"state":"\([a-z-]*\)".*/@@STORM-CALL \3 \4 \1 \2/p' /tmp/sevents
"#;

/// Checks what the guest said; gives a line for people.
pub fn check(lines: &[String]) -> Result<String> {
    let said = |prefix| behind(lines, prefix).collect::<Vec<_>>().join("\n");
    let error = said("@@STORM-ERR ");
    ensure!(
        said("@@STORM-STATUS ") == "0" && said("@@STORM-PROGRAM ") == "0",
        "the storm's tracer or the storm itself failed: {error}"
    );
    ensure!(error.contains("complete:"), "storm: {error}");
    // calls and returns of each function
    let mut seen: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for line in behind(lines, "@@STORM-CALL ") {
        let mut words = line.splitn(3, ' ');
        let (name, state, values) = (
            words.next().context("name")?,
            words.next().context("state")?,
            words.next().context("values")?,
        );
        let of = seen.entry(name).or_default();
        of.0 += 1;
        if state == "returned" {
            of.1 += 1;
            fits(name, values).with_context(|| line.to_owned())?;
        }
    }
    let mut calls = 0;
    for line in behind(lines, "@@STORM-OUT count ") {
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
        calls += counted.0;
    }
    ensure!(calls >= 2000, "{calls} calls");
    Ok(format!("{calls} calls of the storm, 0 paired wrong"))
}

/// Whether the result is that of the argument.
fn fits(name: &str, values: &str) -> Result<()> {
    let mut values = serde_json::Deserializer::from_str(values).into_iter::<Value>();
    let params = values.next().context("params")??;
    let results = values.next().context("results")??;
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

//! `docs/kernels.md`: what was found in the guests.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde_json::Value;

use crate::exec::{self, root};

/// Writes the table anew.
pub fn write(results: &[Value]) -> Result<()> {
    let date = exec::output(exec::command("date").args(["-u", "+%Y-%m-%d"]))?;
    let text = text(results, date.trim())?;
    Ok(std::fs::write(root().join("docs/kernels.md"), text)?)
}

fn text(results: &[Value], date: &str) -> Result<String> {
    let mut text = format!(
        "# Kernels and architectures

Found by `cargo xtask vm-test` on {date} (`--table` writes this page): Debian's kernels in qemu, emulated (no Apple hardware was at hand).

- *Verified*: instructions that the verifier went through for the program that needs most, of 1,000,000 allowed. Above {} the
  test fails, but for programs that only older kernels are given (`bounded`). \"?\": the kernel does not tell.
- Programs of `tests/fixtures/go`, each traced by `mobytrace trace -f`: calls seen, which are exactly those that the program counted, and
  arguments, results and parents compared with what its source says. None was wrong. (n): calls with a value that could not be read,
  because this kernel's programs cannot fault memory in.

| kernel | | programs load | verified | deep | storm | big | leaf | by Go |
|---|---|---|---|---|---|---|---|---|
",
        super::MOST_VERIFIED
    );
    let mut guests: Vec<(String, Vec<&Value>)> = Vec::new();
    for result in results {
        let word = |name: &str| result[name].as_str().unwrap_or_default();
        let head = format!(
            "{} | {} {}",
            word("release"),
            word("arch"),
            word("parameters")
        );
        match guests.last_mut() {
            Some((last, rows)) if *last == head => rows.push(result),
            _ => guests.push((head, vec![result])),
        }
    }
    for (head, rows) in guests {
        write_row(&mut text, &head, &rows)?;
    }
    Ok(text)
}

fn write_row(text: &mut String, head: &str, rows: &[&Value]) -> Result<()> {
    let loads: Vec<&&Value> = rows.iter().filter(|r| r["verified"].is_u64()).collect();
    let most = loads.iter().filter_map(|r| r["verified"].as_u64()).max();
    let mut releases = Vec::new();
    // calls, values, missing
    let mut programs: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    let mut failed = 0;
    for row in rows {
        failed += u64::from(row["ok"] != true);
        let Some(program) = row["program"].as_str() else {
            continue;
        };
        let sums = programs.entry(program).or_default();
        for (sum, field) in sums.iter_mut().zip(["calls", "values", "missing"]) {
            *sum += row[field].as_u64().unwrap_or(0);
        }
        let go = row["go"].as_str().unwrap_or_default();
        if !releases.contains(&go) {
            releases.push(go);
        }
    }
    let most = match most {
        None | Some(0) => "?".to_owned(),
        Some(most) => most.to_string(),
    };
    write!(text, "| {} | {} | {most}", head.trim_end(), loads.len())?;
    for program in ["deep", "storm", "big", "leaf"] {
        match programs.get(program) {
            None => text.push_str(" | –"),
            Some([calls, values, 0]) => write!(text, " | {calls} calls, {values} values")?,
            Some([calls, values, missing]) => {
                write!(text, " | {calls} calls, {values} values ({missing})")?;
            }
        }
    }
    let failed = match failed {
        0 => String::new(),
        failed => format!("; **{failed} cases failed**"),
    };
    writeln!(text, " | {}{failed} |", releases.join(", "))?;
    Ok(())
}

//! Go programs that count their own calls, traced in a guest: every value and every parent must be
//! what the program's source says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cpio::Cpio;
use super::storm;
use crate::matrix;

/// One of the programs (tests/fixtures/go).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Deep,
    Storm,
    Big,
    Leaf,
}

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Self::Deep => "deep",
            Self::Storm => "storm",
            Self::Big => "big",
            Self::Leaf => "leaf",
        }
    }

    fn args(self) -> &'static str {
        match self {
            Self::Deep => "4 5 6",
            Self::Storm => "2000 4 300 20000",
            Self::Big => "",
            Self::Leaf => "1000",
        }
    }

    /// Functions to trace, one a line.
    fn wishes(self) -> &'static str {
        match self {
            Self::Deep => "main.(*Server).List",
            Self::Storm => STORM,
            Self::Big | Self::Leaf => "main.(*Server).*",
        }
    }

    /// How the line begins after which the program has made its calls.
    fn last(self) -> &'static str {
        match self {
            Self::Storm => "end",
            _ => "calls",
        }
    }
}

const STORM: &str = "main.(*Inner).Tail
main.(*Storm).Deep
main.(*Storm).Guard
main.(*Storm).Middle
main.(*Storm).Panics
main.(*Storm).Exits
main.(*Storm).Many
main.(*Storm).Spin
main.(*Storm).Hold
main.(*Storm).Forever";

/// A program by one Go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub program: Program,
    /// `1.24`
    pub go: String,
}

/// What a case gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub calls: usize,
    /// Arguments, results and parents that were compared.
    pub values: usize,
    /// Calls with a value that could not be read.
    pub missing: usize,
}

/// What the guest runs for each case; a call becomes a line with what is compared.
pub const SCRIPT: &str = r#"
for case in /cases/*; do
  set -f
  mkfifo /tmp/in
  $case/program $(cat $case/args) < /tmp/in > /tmp/out &
  program=$!
  exec 3> /tmp/in
  set --
  while read -r wish; do set -- "$@" -f "$wish"; done < $case/wishes
  /mobytrace trace --pid $program "$@" --format jsonl > /tmp/events 2> /tmp/err &
  tracer=$!
  until grep -q 'attached to' /tmp/err || ! kill -0 $tracer 2> /dev/null; do sleep 0.2; done
  echo >&3
  until grep -q "^$(cat $case/last)" /tmp/out || ! kill -0 $program 2> /dev/null; do sleep 0.2; done
  sleep 1
  kill -TERM $tracer
  wait $tracer
  traced=$?
  echo >&3
  wait $program
  echo "@@CASE $(basename $case) $traced $?"
  exec 3>&-
  sed 's/^/@@OUT /' /tmp/out
  sed 's/^/@@ERR /' /tmp/err
  sed -n 's/.*"index":\([0-9]*\),.*"params":\(.*\),"parent":\([0-9nul]*\),"request".*"results":\(.*\),"shared_with".*"short":"\([A-Za-z]*\)".*"state":"\([a-z-]*\)".*/@@CALL {"index":\1,"params":\2,"parent":\3,"results":\4,"short":"\5","state":"\6"}/p' /tmp/events
  echo "@@DONE"
  rm /tmp/in
done
"#;

impl Case {
    /// Folder in the guest.
    pub fn name(&self) -> String {
        format!("{}-{}", self.program.name(), self.go)
    }

    fn path(&self, arch: &str) -> PathBuf {
        matrix::program(self.program.name(), &self.go, arch)
    }

    /// Puts it into a guest's root folder.
    pub fn add_to(&self, archive: &mut Cpio, arch: &str) -> Result<()> {
        let path = self.path(arch);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let folder = format!("cases/{}", self.name());
        archive.folder(&folder);
        archive.program(&format!("{folder}/program"), &bytes);
        for (file, text) in [
            ("args", self.program.args()),
            ("wishes", self.program.wishes()),
            ("last", self.program.last()),
        ] {
            archive.file(&format!("{folder}/{file}"), format!("{text}\n").as_bytes());
        }
        Ok(())
    }

    /// Checks what the guest said of it. `faults`: this kernel's programs cannot fault memory in,
    /// so a value may be missing.
    pub fn check(&self, lines: &[String], faults: bool) -> Result<Outcome> {
        let said = Said::of(lines, &self.name())?;
        ensure!(said.ends == "0 0", "{}: {}", said.ends, said.errors());
        ensure!(said.errors().contains("complete:"), "{}", said.errors());
        if self.program == Program::Storm {
            return storm::check(&said);
        }
        let counted: usize = said
            .after("calls ")?
            .split_ascii_whitespace()
            .map_while(|n| n.parse::<usize>().ok())
            .sum();
        let calls = said.calls()?;
        ensure!(
            calls.len() == counted,
            "{} calls traced, the program made {counted}",
            calls.len()
        );
        let outcome = match self.program {
            Program::Deep => deep(&calls),
            _ => plain(self.program, &calls),
        }?;
        let most = if faults { counted / 2 } else { 0 };
        ensure!(
            outcome.missing <= most,
            "{} of {counted} calls with missing values",
            outcome.missing
        );
        Ok(outcome)
    }
}

/// The lines of one case.
pub struct Said<'l> {
    /// How tracer and program ended.
    ends: &'l str,
    lines: Vec<&'l str>,
}

impl<'l> Said<'l> {
    fn of(lines: &'l [String], case: &str) -> Result<Self> {
        let head = format!("@@CASE {case} ");
        let mut behind = lines
            .iter()
            .map(String::as_str)
            .skip_while(|l| !l.contains(&head));
        let first = behind.next().context("the guest did not come to it")?;
        let (_, ends) = first.split_once(&head).context("head")?;
        let lines: Vec<&str> = behind.take_while(|l| !l.contains("@@DONE")).collect();
        Ok(Self { ends, lines })
    }

    fn behind<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = &'l str> + 's {
        self.lines
            .iter()
            .filter_map(move |l| l.split_once(prefix))
            .map(|(_, rest)| rest)
    }

    pub fn errors(&self) -> String {
        self.behind("@@ERR ").collect::<Vec<_>>().join("\n")
    }

    /// Lines that the program printed.
    pub fn printed(&self) -> impl Iterator<Item = &'l str> + '_ {
        self.behind("@@OUT ")
    }

    fn after(&self, start: &str) -> Result<&'l str> {
        let line = self.printed().find_map(|l| l.strip_prefix(start));
        line.with_context(|| format!("the program printed no {start:?}"))
    }

    pub fn calls(&self) -> Result<Vec<Value>> {
        self.behind("@@CALL ")
            .map(|l| serde_json::from_str(l).with_context(|| l.to_owned()))
            .collect()
    }
}

fn number(value: &Value, what: &str) -> Result<i64> {
    value.as_i64().with_context(|| format!("{what} is {value}"))
}

fn is_missing(call: &Value) -> bool {
    call.to_string().contains("\"missing\"")
}

/// Every value of a call follows from its name (tests/fixtures/go/deep); its caller has the same
/// and is one level up.
fn deep(calls: &[Value]) -> Result<Outcome> {
    let mut outcome = Outcome {
        calls: calls.len(),
        ..Outcome::default()
    };
    for (call, parent) in with_parents(calls)? {
        if is_missing(call) {
            outcome.missing += 1;
            continue;
        }
        outcome.values += deep_call(call, parent).with_context(|| call.to_string())?;
    }
    Ok(outcome)
}

fn deep_call(call: &Value, parent: Option<&Value>) -> Result<usize> {
    ensure!(call["state"] == "returned", "it did not return");
    let (opts, depth) = (&call["params"]["arg0"], &call["params"]["arg1"]);
    let name = opts["Name"].as_str().context("Name")?;
    if name == "last" {
        ensure!(opts["Limit"] == -1 && call["results"]["error"]["type"] == "*errors.errorString");
        return Ok(3);
    }
    let (g, c) = name
        .strip_prefix('g')
        .and_then(|n| n.split_once("-c"))
        .context("name")?;
    let (g, c): (i64, i64) = (g.parse()?, c.parse()?);
    ensure!(opts["Limit"] == g * 1000 + c, "Limit");
    ensure!(opts["All"] == ((g + c) % 2 == 1), "All");
    ensure!(
        opts["Labels"]["label"][format!("n={name}")] == true,
        "Labels"
    );
    let depth = number(depth, "depth")?;
    ensure!(call["results"]["result"] == g * 1000 + c + depth, "result");
    ensure!(call["results"]["error"].is_null(), "error");
    if depth == 6 {
        ensure!(parent.is_none(), "a goroutine's first call has a parent");
    } else {
        let parent = parent.context("it has no parent")?;
        ensure!(parent["params"]["arg1"] == depth + 1, "parent's depth");
        let missing = is_missing(parent);
        ensure!(
            missing || parent["params"]["arg0"]["Name"] == name,
            "parent"
        );
    }
    Ok(8)
}

/// Calls with numbers only: each exactly once, with its result, under its caller.
fn plain(program: Program, calls: &[Value]) -> Result<Outcome> {
    let mut expected: BTreeSet<(&str, i64, i64)> = match program {
        Program::Big => ["Big", "Mid", "Small"]
            .into_iter()
            .flat_map(|n| (0..20).flat_map(move |x| (0..=5).map(move |d| (n, x, d))))
            .collect(),
        _ => (0..1000).map(|x| ("Leaf", x, 0)).collect(),
    };
    let mut outcome = Outcome {
        calls: calls.len(),
        ..Outcome::default()
    };
    for (call, parent) in with_parents(calls)? {
        let check = || -> Result<(&str, i64, i64)> {
            ensure!(call["state"] == "returned", "it did not return");
            let name = call["short"].as_str().context("name")?;
            let x = number(&call["params"]["arg0"], "x")?;
            let (depth, result) = match program {
                Program::Big => {
                    let depth = number(&call["params"]["arg1"], "depth")?;
                    (depth, x * 3 + depth)
                }
                _ => (0, x * 13),
            };
            ensure!(
                call["results"]["result"] == result,
                "the result is not {result}"
            );
            if program == Program::Big && depth < 5 {
                let parent = parent.context("it has no parent")?;
                let of = |arg: &str| parent["params"][arg].as_i64();
                ensure!(
                    parent["short"] == name
                        && (of("arg0"), of("arg1")) == (Some(x), Some(depth + 1)),
                    "its parent is {parent}"
                );
            } else {
                ensure!(parent.is_none(), "it has a parent");
            }
            Ok((name, x, depth))
        };
        let (name, x, depth) = check().with_context(|| call.to_string())?;
        ensure!(expected.remove(&(name, x, depth)), "a second time: {call}");
        outcome.values += if program == Program::Big { 4 } else { 3 };
    }
    ensure!(expected.is_empty(), "not seen: {expected:?}");
    Ok(outcome)
}

/// Calls with those that enclose them. Indexes are those of one batch, in which they ascend, and so
/// are parents.
fn with_parents(calls: &[Value]) -> Result<Vec<(&Value, Option<&Value>)>> {
    let mut batch: BTreeMap<u64, &Value> = BTreeMap::new();
    let mut all = Vec::new();
    for call in calls {
        let index = call["index"].as_u64().context("index")?;
        if batch
            .last_key_value()
            .is_some_and(|(last, _)| index <= *last)
        {
            batch.clear();
        }
        let parent = match call["parent"].as_u64() {
            // an enclosing call begins first
            Some(parent) => Some(*batch.get(&parent).context("its parent is not there")?),
            None => None,
        };
        all.push((call, parent));
        batch.insert(index, call);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(calls: &[Value]) -> Vec<String> {
        let mut lines = vec![
            "@@CASE leaf-1.24 0 0".to_owned(),
            "@@OUT calls 1000".to_owned(),
        ];
        lines.push("@@ERR complete: 2000 hits, nothing lost".to_owned());
        lines.extend(calls.iter().map(|c| format!("@@CALL {c}")));
        lines.push("@@DONE".to_owned());
        lines
    }

    #[test]
    fn parents_are_those_of_the_batch() {
        let call = |index: u64, parent: Option<u64>, x: u64| json!({"index": index, "parent": parent, "x": x});
        let calls = [
            call(0, None, 1),
            call(2, Some(0), 2),
            call(0, None, 3),
            call(1, Some(0), 4),
        ];
        let found = with_parents(&calls).expect("parents");
        let parents: Vec<Option<u64>> = found
            .iter()
            .map(|(_, p)| p.and_then(|p| p["x"].as_u64()))
            .collect();
        assert_eq!(parents, [None, Some(1), None, Some(3)]);
        assert!(with_parents(&calls[1..2]).is_err());
    }

    #[test]
    fn one_call_too_many_or_wrong_is_found() {
        let case = Case {
            program: Program::Leaf,
            go: "1.24".to_owned(),
        };
        let call = |i: u64, x: i64, result: i64| json!({"index": i, "params": {"arg0": x}, "parent": null, "results": {"result": result}, "short": "Leaf", "state": "returned"});
        let mut calls: Vec<Value> = (0..1000)
            .map(|x| call(x, x as i64, 13 * x as i64))
            .collect();
        let right = case.check(&lines(&calls), false).expect("right");
        assert_eq!((right.calls, right.values), (1000, 3000));
        assert!(case.check(&lines(&calls[1..]), false).is_err());
        calls[7] = call(7, 7, 92);
        assert!(case.check(&lines(&calls), false).is_err());
        calls[7] = call(7, 6, 78);
        assert!(case.check(&lines(&calls), false).is_err());
    }
}

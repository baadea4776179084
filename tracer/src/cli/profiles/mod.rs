//! `mobytrace profiles`: what each set of functions is for, and what a daemon has of it.

mod file;

use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};

use self::file::read;
use super::args;
use super::failure::Failure;
use super::inspect::Checked;
use super::say::say;
use crate::moby::modules::own;
use crate::plan::{self, Present, Profile, ProfileFunction, Standing, fold, short_name};
use crate::render;
use crate::session::parse_binary;
use crate::target::{self, Image, Selection, find};

/// What the arguments choose: profiles by name, else all of a file.
pub fn of(chosen: &args::Chosen) -> Result<Vec<Profile>> {
    let own = match &chosen.file {
        Some(path) => read(path)?,
        None => Vec::new(),
    };
    if chosen.names.is_empty() {
        return Ok(own);
    }
    by_name(&own, &chosen.names)
}

/// A built-in one.
pub fn named(name: &str) -> Result<Vec<Profile>> {
    by_name(&[], &[name.to_owned()])
}

fn by_name(own: &[Profile], names: &[String]) -> Result<Vec<Profile>> {
    let found = plan::chosen(own, names);
    Ok(found.map_err(|e| Failure::new(e.to_string(), e.hint()))?)
}

/// Column where the functions begin.
const FUNCTIONS: usize = 11;

/// `Ok(false)`: the daemon has nothing of what was asked for.
pub fn run(args: &args::Profiles, out: &mut dyn Write) -> Result<bool> {
    let profiles = chosen(args)?;
    let Some(image) = image(args)? else {
        say!(
            "note: no running dockerd found: what one has of them is not said; --binary FILE looks into a file"
        );
        write(args, &profiles, None, out)?;
        return Ok(true);
    };
    let mut checked = Checked::new(&image, out);
    let done = of_image(args, &profiles, &image, &mut checked);
    let written = checked.flush();
    // whatever else was found wrong with a file that changed meanwhile says nothing
    image.check().map_err(Failure::from)?;
    written?;
    done
}

/// Built-in profiles and those of a file; of one name, if one is given.
fn chosen(args: &args::Profiles) -> Result<Vec<Profile>> {
    let mut profiles = plan::built_in();
    if let Some(path) = &args.profile_file {
        profiles.extend(read(path)?);
    }
    let Some(name) = &args.name else {
        return Ok(profiles);
    };
    let known: Vec<String> = profiles.iter().map(|p| p.name.clone()).collect();
    profiles.retain(|p| p.name == *name);
    if profiles.is_empty() {
        let error = plan::Error::UnknownProfile {
            name: name.clone(),
            known: known.join(", "),
        };
        return Err(Failure::new(error.to_string(), "`mobytrace profiles` lists them").into());
    }
    Ok(profiles)
}

/// What is looked into; `None`: nothing was named, and no daemon runs.
fn image(args: &args::Profiles) -> Result<Option<Image>> {
    let selection = args.daemon.selection();
    let image = match (&args.binary, &selection) {
        (Some(path), _) => Image::of_file(path),
        (None, selection) => match find(selection) {
            Err(target::Error::NoDaemon { .. }) if *selection == Selection::Auto => {
                return Ok(None);
            }
            found => found.and_then(|process| Image::of_process(&process)),
        },
    };
    Ok(Some(image.map_err(Failure::from)?))
}

fn of_image(
    args: &args::Profiles,
    profiles: &[Profile],
    image: &Image,
    out: &mut dyn Write,
) -> Result<bool> {
    let binary = parse_binary(image)?;
    let standings = plan::standings(profiles, &binary)
        .map_err(|error| Failure::new(format!("{}: {error}", image.shown), error.hint()))?;
    write(args, profiles, Some(&standings), out)?;
    let is_there = |one: &Standing| !matches!(one, Standing::Lacks);
    Ok(standings.iter().flatten().any(is_there))
}

fn write(
    args: &args::Profiles,
    profiles: &[Profile],
    standings: Option<&[Vec<Standing>]>,
    out: &mut dyn Write,
) -> Result<()> {
    if args.json {
        let all: Vec<Value> = profiles
            .iter()
            .enumerate()
            .map(|(n, profile)| as_json(profile, standings.and_then(|s| s.get(n))))
            .collect();
        let text = serde_json::to_string_pretty(&all)?;
        return Ok(writeln!(out, "{}", render::escape_json(&text))?);
    }
    for (n, profile) in profiles.iter().enumerate() {
        if n > 0 && args.name.is_none() && standings.is_some() {
            writeln!(out)?;
        }
        write_head(profile, out)?;
        match standings.and_then(|s| s.get(n)) {
            Some(standings) => {
                for (function, standing) in profile.functions.iter().zip(standings) {
                    write_function(function, standing, out)?;
                }
            }
            None if args.name.is_some() => {
                for function in &profile.functions {
                    line("", &alternatives(function), out)?;
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn write_head(profile: &Profile, out: &mut dyn Write) -> std::io::Result<()> {
    if profile.purpose.is_empty() {
        return writeln!(out, "{}", profile.name);
    }
    let purpose = render::escape(&profile.purpose);
    // a name that is longer than the column stands on a line of its own
    if profile.name.len() < FUNCTIONS {
        write!(out, "{:<FUNCTIONS$}", profile.name)?;
    } else {
        write!(out, "{}\n{:FUNCTIONS$}", profile.name, "")?;
    }
    writeln!(out, "{}", fold(&purpose, FUNCTIONS))
}

/// All names of a function.
fn alternatives(function: &ProfileFunction) -> String {
    let names: Vec<&str> = function.pattern.split('|').map(plain).collect();
    names.join(" or ")
}

fn plain(pattern: &str) -> &str {
    pattern.trim_start_matches('/')
}

fn write_function(
    function: &ProfileFunction,
    standing: &Standing,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    match standing {
        Standing::Has(present) => {
            for one in present {
                write_present("has", one, "", out)?;
            }
        }
        Standing::Renamed(present) => {
            let first = function.pattern.split('|').next().unwrap_or_default();
            let note = format!(" (in other releases {})", plain(first));
            for one in present {
                write_present("renamed", one, &note, out)?;
            }
        }
        Standing::SeenBy(others) => {
            let others: Vec<&str> = others.iter().map(|name| short_name(name)).collect();
            let what = format!(
                "{}; {} does its work",
                alternatives(function),
                others.join(" or ")
            );
            line("lacks", &what, out)?;
        }
        Standing::Lacks => line("lacks", &alternatives(function), out)?,
    }
    Ok(())
}

fn write_present(
    what: &str,
    present: &Present,
    note: &str,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    // moby's import path says nothing here
    let name = own(&present.name).unwrap_or(&present.name);
    line(what, &format!("{name}{note}"), out)?;
    if !present.blind_in.is_empty() {
        let copies = format!(
            "to calls from {}: inlined there",
            present.blind_in.join(", ")
        );
        line("blind", &copies, out)?;
    }
    Ok(())
}

fn line(label: &str, text: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let text = fold(&render::escape(text), FUNCTIONS);
    writeln!(out, "  {label:<8} {text}")
}

fn as_json(profile: &Profile, standings: Option<&Vec<Standing>>) -> Value {
    let functions: Vec<Value> = profile
        .functions
        .iter()
        .enumerate()
        .map(|(n, function)| {
            let wanted: Vec<&str> = function.pattern.split('|').collect();
            let mut one = json!({ "wanted": wanted });
            if let (Some(object), Some(standing)) =
                (one.as_object_mut(), standings.and_then(|s| s.get(n)))
            {
                object.extend(standing_as_json(standing));
            }
            one
        })
        .collect();
    json!({
        "name": profile.name,
        "purpose": profile.purpose,
        "layers": profile.layers,
        "functions": functions,
    })
}

fn standing_as_json(standing: &Standing) -> serde_json::Map<String, Value> {
    let present = |all: &[Present]| -> Vec<Value> {
        all.iter()
            .map(|one| json!({ "name": one.name, "blind_in": one.blind_in }))
            .collect()
    };
    let (state, key, value) = match standing {
        Standing::Has(all) => ("has", "present", json!(present(all))),
        Standing::Renamed(all) => ("renamed", "present", json!(present(all))),
        Standing::SeenBy(others) => ("lacks", "seen_by", json!(others)),
        Standing::Lacks => ("lacks", "seen_by", json!([])),
    };
    [("state".to_owned(), json!(state)), (key.to_owned(), value)]
        .into_iter()
        .collect()
}

//! What a session tells, in words, on stderr.

use super::{args, say};
use crate::decode::mask;
use crate::render::{escape, seconds};
use crate::session::{Detached, Jump, Note, Slow};

/// Takes notes of one session and says them. `label`: what tells its daemon from others.
pub fn teller(label: Option<String>) -> impl Fn(Note) {
    move |note| say_note(label.as_deref(), &note)
}

/// Says a note.
pub fn say_note(label: Option<&str>, note: &Note) {
    let text = words(note);
    if !text.is_empty() {
        line(label, &text);
    }
}

/// Says a line of one's own among a session's.
pub fn line(label: Option<&str>, text: &str) {
    match label {
        Some(label) => say::line(&format!("{label} {text}")),
        None => say::line(text),
    }
}

/// Warns where secrets are not hidden.
pub fn warn_of_secrets(label: Option<&str>, redact: args::Redact) {
    if redact == args::Redact::Off {
        line(
            label,
            "warning: --redact=off: secrets are shown and recorded in clear; \
             `mobytrace show --redact FILE -o NEW` hides them",
        );
    }
}

fn words(note: &Note) -> String {
    match note {
        Note::SiteFailed(text) | Note::Mismatch(text) => format!("warning: {text}"),
        Note::Site {
            address,
            instruction,
            function,
            why,
        } => format!("site 0x{address:x} {instruction} {function}: {why}"),
        Note::Program { name, instructions } => {
            format!("program {name}: {instructions} instructions verified")
        }
        Note::Missing(text) => format!("note: {text}"),
        Note::PerfLinks(reason) => format!(
            "note: a perf link per site, each of which takes about a tenth of a second to go: {reason}"
        ),
        Note::OpenConnections(open) => {
            let (plural, were) = if *open == 1 {
                ("", "was")
            } else {
                ("s", "were")
            };
            format!(
                "note: {open} connection{plural} to its API {were} open before: what already runs \
                 there (a stream, a wait) is not seen"
            )
        }
        Note::Issue(issue) => format!("note: {}", issue.text()),
        Note::Meant(meant) => format!("hint: {meant}"),
        Note::Attached {
            exe,
            pid,
            go_version,
            sites,
            took,
            variant,
            links,
        } => format!(
            "attached to {} pid {pid} ({go_version}): {sites} sites in {} ms, {variant}, {}; Ctrl-C stops",
            program_name(exe),
            took.as_millis(),
            links.text(),
        ),
        Note::Deleted { exe } => format!(
            "note: {exe} was deleted or replaced on disk: what is traced is the program that runs, \
             the next start may run another"
        ),
        Note::Damaged(error) => {
            format!("warning: a record of the kernel cannot be read: {error}")
        }
        Note::Turned(turned) => {
            let goes_on = format!("recording to {}", turned.path.display());
            match &turned.removed {
                Some(oldest) => format!("{goes_on}; {} is removed", oldest.display()),
                None => goes_on,
            }
        }
        Note::RecordingFailed { why } => {
            format!("warning: the recording ended early: {why}; the session goes on")
        }
        Note::Waiting { why } => format!("{why}; waiting for it, Ctrl-C stops"),
        Note::Awaiting => {
            "waiting until it is started anew; Ctrl-C stops, --once would not wait".to_owned()
        }
        Note::NotTaken { pid, why } => {
            let why = mask::command(why).unwrap_or_else(|| why.clone());
            format!("warning: pid {pid} was started anew and is not traced: {why}")
        }
        Note::Jump(jump) => jump_line(*jump),
        Note::Slow(slow) => slow_line(slow),
        Note::Detaching { sites } => format!("detaching {sites} sites …"),
        Note::Detached(detached) => detached_line(detached),
    }
}

/// Last part of a path.
fn program_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn jump_line(jump: Jump) -> String {
    let what = match (jump.suspended, jump.ahead) {
        (0, 0..) => format!(
            "the wall clock was set forward by {}",
            seconds(jump.ahead.unsigned_abs())
        ),
        (0, _) => format!(
            "the wall clock was set back by {}",
            seconds(jump.ahead.unsigned_abs())
        ),
        (suspended, _) => format!("the machine was suspended for {}", seconds(suspended)),
    };
    let by = seconds(jump.ahead.unsigned_abs());
    let wrong = match jump.ahead {
        0 => "times that are shown stay right".to_owned(),
        1.. => format!("times of day that are shown are {by} behind it from now on"),
        _ => format!("times of day that are shown are {by} ahead of it from now on"),
    };
    format!("warning: {what}; {wrong}, durations are right")
}

fn slow_line(slow: &Slow) -> String {
    let function = slow.function.as_deref().map(escape);
    let route = slow.route.as_ref();
    let route = route.map(|(method, path)| escape(&format!("{method} {path}")));
    let what = match (slow.request, route, &function) {
        (Some(id), Some(route), Some(f)) => format!("#{id} {route}, in {f},"),
        (Some(id), Some(route), None) => format!("#{id} {route}"),
        (Some(id), None, Some(f)) => format!("{f} of #{id}"),
        (None, _, Some(f)) => f.clone(),
        _ => "a call".to_owned(),
    };
    let (age, waits) = (seconds(slow.age), escape(&slow.waits));
    format!("slow: {what} in flight for {age}: {waits}")
}

/// Says that the probes are gone. Empty: what there is to say was said of each site.
fn detached_line(detached: &Detached) -> String {
    match detached {
        Detached::Ended => "the daemon ended; nothing is left attached".to_owned(),
        Detached::Replaced => "another program runs there now; nothing is left attached".to_owned(),
        Detached::Checked {
            took,
            sites,
            breakpoints: others @ 1..,
            ..
        } => format!(
            "detached in {} ms; at {others} of {sites} sites there is another tracer's breakpoint",
            took.as_millis()
        ),
        Detached::Checked {
            took,
            mismatches: 0,
            ..
        } => format!(
            "detached in {} ms; the bytes at every site equal the file's",
            took.as_millis()
        ),
        Detached::Checked { .. } => String::new(),
        Detached::Unchecked { why } => {
            format!("warning: the daemon's code could not be checked: {why}")
        }
    }
}

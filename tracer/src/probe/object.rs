//! The embedded kernel object of this architecture.

use aya::include_bytes_aligned;
use aya::programs::{Program, ProgramError};
use aya::{Ebpf, EbpfLoader};

use super::Error;
use super::error::{os_error, verifier_summary};
use super::patience::Patience;

#[cfg(target_arch = "x86_64")]
pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../ebpf/mobytrace-x86_64.o");
#[cfg(target_arch = "aarch64")]
pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../ebpf/mobytrace-aarch64.o");

/// Level of the kernel programs' own diagnostics: nothing, or warnings and errors
/// (`aya_log_common::Level`).
const LOG_OFF: u8 = 0;
const LOG_WARN: u8 = 2;

/// Creates the maps; no program is loaded yet. `log`: the programs say on rare paths what goes
/// wrong.
pub(super) fn open(object: &[u8], log: bool) -> Result<Ebpf, Error> {
    let level = if log { LOG_WARN } else { LOG_OFF };
    EbpfLoader::new()
        .override_global("AYA_LOG_LEVEL", &level, false)
        .load(object)
        .map_err(|error| match os_error(&error) {
            Some(source) => Error::Bpf {
                doing: "creating maps".into(),
                source,
            },
            None => Error::Object(error.to_string()),
        })
}

/// Loads one program; a refusal is told apart from a rejection by the verifier.
pub(super) fn load_program(ebpf: &mut Ebpf, name: &str, patience: Patience) -> Result<(), Error> {
    let program = ebpf
        .program_mut(name)
        .ok_or_else(|| Error::Object(format!("no program {name}")))?;
    let code = |error: &ProgramError| match error {
        ProgramError::LoadError { io_error, .. } => io_error.raw_os_error(),
        other => os_error(other).and_then(|e| e.raw_os_error()),
    };
    let loaded = patience.with(code, || match &mut *program {
        Program::UProbe(program) => program.load(),
        Program::RawTracePoint(program) => program.load(),
        other => Err(ProgramError::UnexpectedProgramType).inspect_err(|_| {
            log::warn!("program {name} is a {:?}", other.prog_type());
        }),
    })?;
    loaded.map_err(|error| match &error {
        aya::programs::ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            match io_error.raw_os_error() {
                // EPERM also comes from the verifier for unprivileged users; without a log nothing
                // was verified
                Some(code @ (1 | 13 | 38)) if log.trim().is_empty() => Error::Bpf {
                    doing: format!("loading program {name}"),
                    source: std::io::Error::from_raw_os_error(code),
                },
                _ => Error::Verifier {
                    program: name.to_owned(),
                    summary: format!("{io_error}: {}", verifier_summary(&log)),
                },
            }
        }
        other => match os_error(other) {
            Some(source) => Error::Bpf {
                doing: format!("loading program {name}"),
                source,
            },
            None => Error::Object(error.to_string()),
        },
    })
}

/// Instructions that the verifier went through, or why it refused.
pub type Verdict = Result<u32, String>;

/// Loads every program of an object, each on its own; gives the instructions the verifier went
/// through, or its verdict.
///
/// # Errors
/// The maps cannot be created.
pub fn load_all_programs(object: Option<&[u8]>) -> Result<Vec<(String, Verdict)>, Error> {
    let mut ebpf = open(object.unwrap_or(OBJECT), false)?;
    let mut names: Vec<String> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    Ok(names
        .into_iter()
        .map(|name| {
            let result = load_program(&mut ebpf, &name, Patience::default())
                .map_err(|e| e.to_string())
                .map(|()| {
                    let info = ebpf.program(&name).and_then(|p| p.info().ok());
                    info.and_then(|i| i.verified_instruction_count())
                        .unwrap_or(0)
                });
            (name, result)
        })
        .collect())
}

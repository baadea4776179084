//! Is the daemon's code as it was? Compares its memory with the file at every site.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::addr::{LoadBias, ProcessAddr};
use crate::arch::Arch;
use crate::plan::Plan;

/// A site whose bytes in memory are not the file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteByteMismatch {
    pub function: String,
    pub addr: ProcessAddr,
    pub expected: String,
    pub found: String,
}

impl fmt::Display for SiteByteMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at 0x{:x}: memory has {}, the file {}",
            self.function, self.addr, self.found, self.expected
        )
    }
}

/// What was found at the sites, those that are as in the file not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteBytes {
    /// Sites where only the instruction's beginning differs, by a breakpoint: another tracer's,
    /// when ours are gone.
    pub breakpoints: usize,
    pub mismatches: Vec<SiteByteMismatch>,
}

/// Reads `/proc/PID/mem` at every site of the plan.
///
/// # Errors
/// The process' memory cannot be read.
pub fn check_bytes(pid: u32, load_bias: LoadBias, plan: &Plan) -> io::Result<SiteBytes> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut all = SiteBytes::default();
    for site in &plan.sites {
        let addr = load_bias.to_process(site.addr);
        let mut bytes = vec![0u8; site.bytes.len() / 2];
        memory.read_exact_at(&mut bytes, addr.0)?;
        let found = hex(&bytes);
        if found == site.bytes {
            continue;
        }
        if is_breakpoint(&found, &site.bytes) {
            all.breakpoints += 1;
            continue;
        }
        let function = plan
            .functions
            .get(site.func as usize)
            .map_or_else(String::new, |f| f.name.clone());
        all.mismatches.push(SiteByteMismatch {
            function,
            addr,
            expected: site.bytes.clone(),
            found,
        });
    }
    Ok(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether memory has a breakpoint where the file has something else, and the file's bytes behind
/// it.
fn is_breakpoint(found: &str, expected: &str) -> bool {
    let breakpoint = hex(Arch::OWN.properties().breakpoint);
    let split = |text: &str| {
        let (head, tail) = text.split_at_checked(breakpoint.len())?;
        Some((head.to_owned(), tail.to_owned()))
    };
    match (split(found), split(expected)) {
        (Some((there, behind)), Some((own, rest))) => {
            there == breakpoint && own != breakpoint && behind == rest
        }
        _ => false,
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn a_breakpoint_is_told_from_any_other_change() {
        for (found, expected, breakpoint) in [
            ("cc8600000000", "0f8600000000", true),
            ("cc", "c3", true),
            // another byte changed too, or alone
            ("cc8601000000", "0f8600000000", false),
            ("0f8600000001", "0f8600000000", false),
            ("90", "c3", false),
            // the file's own
            ("ccc3", "cc90", false),
            ("", "", false),
        ] {
            assert_eq!(is_breakpoint(found, expected), breakpoint, "{found}");
        }
    }
}

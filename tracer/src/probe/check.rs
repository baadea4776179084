//! Is the daemon's code as it was? Compares its memory with the file at every site.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::plan::Plan;

/// A site whose bytes in memory are not the file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteByteMismatch {
    pub function: String,
    /// Run-time address.
    pub addr: u64,
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

/// Reads `/proc/PID/mem` at every site of the plan.
///
/// # Errors
/// The process' memory cannot be read.
pub fn check_bytes(pid: u32, load_bias: u64, plan: &Plan) -> io::Result<Vec<SiteByteMismatch>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut mismatches = Vec::new();
    for site in &plan.sites {
        let addr = load_bias.wrapping_add(site.addr);
        let mut bytes = vec![0u8; site.bytes.len() / 2];
        memory.read_exact_at(&mut bytes, addr)?;
        let found: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        if found != site.bytes {
            let function = plan
                .functions
                .get(site.func as usize)
                .map_or_else(String::new, |f| f.name.clone());
            mismatches.push(SiteByteMismatch {
                function,
                addr,
                expected: site.bytes.clone(),
                found,
            });
        }
    }
    Ok(mismatches)
}

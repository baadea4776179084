//! What a goroutine does, read from outside through `/proc/PID/mem`: the process is not stopped and
//! nothing of it is changed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::addr::ProcessAddr;
use crate::plan::GSchema;

/// Looks until two in a row agree.
const LOOKS: usize = 4;
/// Most bytes of `runtime.g` read; the largest known has 456.
const MOST: usize = 4096;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The same twice in a row: `atomicstatus` and `waitreason` as they are.
    State { status: u32, reason: u8 },
    /// It changed from look to look.
    Changing,
    /// It ended, or its `runtime.g` belongs to another one.
    Gone,
}

/// The goroutines of one process. A `runtime.g` is never unmapped, only given to another goroutine
/// (runtime/proc.go, `gfget`): the goroutine's number in it tells.
#[derive(Debug)]
pub struct Goroutines {
    memory: File,
    goid: usize,
    status: usize,
    reason: usize,
}

impl Goroutines {
    /// # Errors
    /// This build's `runtime.g` lacks a field, or the process' memory cannot be opened.
    pub fn open(pid: u32, g: &GSchema) -> io::Result<Self> {
        let field = |offset: Option<u32>, name: &str| {
            offset
                .and_then(|o| usize::try_from(o).ok())
                .filter(|o| *o <= MOST - 8)
                .ok_or_else(|| io::Error::other(format!("runtime.g has no field {name}")))
        };
        Ok(Self {
            goid: field(g.goid, "goid")?,
            status: field(g.status, "atomicstatus")?,
            reason: field(g.wait_reason, "waitreason")?,
            memory: File::open(format!("/proc/{pid}/mem"))?,
        })
    }

    /// Looks at the goroutine `goid` whose `runtime.g` was at `g`.
    ///
    /// # Errors
    /// The memory there cannot be read.
    pub fn look(&self, g: ProcessAddr, goid: u64) -> io::Result<Look> {
        let mut before = None;
        for _ in 0..LOOKS {
            let now = self.read(g)?;
            if now.goid != goid || now.status == DEAD {
                return Ok(Look::Gone);
            }
            if before == Some(now) {
                return Ok(Look::State {
                    status: now.status,
                    reason: now.reason,
                });
            }
            before = Some(now);
        }
        Ok(Look::Changing)
    }

    fn read(&self, g: ProcessAddr) -> io::Result<Fields> {
        let last = [self.goid, self.status, self.reason]
            .into_iter()
            .max()
            .unwrap_or(0);
        let mut bytes = [0u8; MOST];
        let bytes = &mut bytes[..last + 8];
        self.memory.read_exact_at(bytes, g.0)?;
        let word = |at: usize| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let [a, b, c, d, ..] = word(self.status);
        Ok(Fields {
            goid: u64::from_le_bytes(word(self.goid)),
            status: u32::from_le_bytes([a, b, c, d]),
            reason: bytes[self.reason],
        })
    }
}

/// `_Gdead` (runtime/runtime2.go): its number stays until another goroutine takes it over.
const DEAD: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    goid: u64,
    status: u32,
    reason: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    struct Fake {
        goid: u64,
        status: u32,
        reason: u32,
    }

    #[test]
    fn a_goroutine_is_known_by_its_number() {
        let schema = GSchema {
            goid: Some(0),
            status: Some(8),
            wait_reason: Some(12),
            ..GSchema::default()
        };
        let fake = Fake {
            goid: 42,
            status: 4,
            reason: 9,
        };
        let own = Goroutines::open(std::process::id(), &schema).expect("own memory");
        let at = ProcessAddr(std::ptr::from_ref(&fake).addr() as u64);
        let state = Look::State {
            status: 4,
            reason: 9,
        };
        assert_eq!(own.look(at, 42).expect("readable"), state);
        assert_eq!(own.look(at, 43).expect("readable"), Look::Gone);
        assert!(own.look(ProcessAddr(0), 42).is_err());
        assert_eq!((fake.goid, fake.status, fake.reason), (42, 4, 9));
        let lacking = GSchema::default();
        assert!(Goroutines::open(std::process::id(), &lacking).is_err());
    }
}

//! Ring-buffer entries → whole hits: checks the head, joins the entries of one hit, drops what is
//! not payload.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use tracer_ebpf::wire::Wire;
use tracer_ebpf::wire::record::{Head, Item, MORE, Machine, RECORD_VERSION};

/// Threads that may be between two entries of a hit; more can only come from a damaged recording.
const MOST_PENDING: usize = 4096;
/// Bytes of a stored part: head, then items.
pub const HEAD: usize = size_of::<Head>();
/// Bytes of the kernel's own state between head and items of a ring-buffer entry.
const STATE: usize = size_of::<Machine>();

/// One entry of a hit: the head, and its items.
#[derive(Clone, Debug)]
pub struct Part {
    pub head: Head,
    pub items: BytesMut,
}

/// All entries of one hit.
#[derive(Clone, Debug)]
pub struct RawHit {
    pub parts: Vec<Part>,
    /// The last part announced another one that never came.
    pub lost_rest: bool,
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("record of {found} bytes, a head alone has {HEAD}")]
    Short { found: usize },
    #[error("record version {found}, this build reads {RECORD_VERSION}")]
    Version { found: u8 },
    #[error("record claims {claimed} bytes of items and has {found}")]
    Items { claimed: usize, found: usize },
}

pub(super) fn read<T: Wire>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: the slice has the size of T, and `Wire` types are valid for every bit pattern.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

fn bytes_of<T: Wire>(value: &T) -> &[u8] {
    // SAFETY: `Wire` types are plain integers without padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

impl Part {
    /// An entry as the kernel wrote it. The kernel's state and the unused rest, which may hold
    /// remains of earlier entries, are dropped; padding between items is cleared.
    ///
    /// # Errors
    /// It is no record of this version.
    pub fn from_ring(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::parse(bytes, STATE)
    }

    /// An entry as stored in a recording.
    ///
    /// # Errors
    /// It is no record of this version.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::parse(bytes, 0)
    }

    fn parse(bytes: &[u8], skip: usize) -> Result<Self, RecordError> {
        let head: Head = read(bytes).ok_or(RecordError::Short { found: bytes.len() })?;
        if head.version != RECORD_VERSION {
            return Err(RecordError::Version {
                found: head.version,
            });
        }
        let claimed = head.data_len as usize;
        let rest = bytes.get(HEAD + skip..).unwrap_or_default();
        let items = rest.get(..claimed).ok_or(RecordError::Items {
            claimed,
            found: rest.len(),
        })?;
        let mut part = Self {
            head,
            items: BytesMut::from(items),
        };
        part.clear_padding();
        Ok(part)
    }

    fn clear_padding(&mut self) {
        let mut at = 0;
        while let Some(item) = self.items.get(at..).and_then(read::<Item>) {
            let len = item.len as usize;
            let start = at + size_of::<Item>() + len;
            let end = at + size_of::<Item>() + len.next_multiple_of(8);
            match self.items.get_mut(start..end) {
                Some(padding) => padding.fill(0),
                None => break,
            }
            at = end;
        }
    }

    /// The form that recordings hold.
    #[must_use]
    pub fn to_stored(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEAD + self.items.len());
        out.extend_from_slice(bytes_of(&self.head));
        out.extend_from_slice(&self.items);
        out.freeze()
    }
}

/// Joins entries. Bounded: a thread has one hit at a time.
#[derive(Debug, Default)]
pub struct Assembler {
    pending: HashMap<u64, RawHit>,
}

impl Assembler {
    /// Takes one entry; gives the hits that are now whole, or known to stay incomplete.
    pub fn push(&mut self, part: Part) -> Vec<RawHit> {
        let thread = part.head.pid_tgid;
        let more = part.head.flags & MORE != 0;
        let mut done = Vec::new();
        let hit = match self.pending.remove(&thread) {
            Some(mut open) => {
                let fits = open.parts.first().is_some_and(|first| {
                    first.head.ktime == part.head.ktime
                        && usize::from(part.head.part) == open.parts.len()
                });
                if fits {
                    open.parts.push(part);
                    open
                } else {
                    open.lost_rest = true;
                    done.push(open);
                    RawHit {
                        parts: vec![part],
                        lost_rest: false,
                    }
                }
            }
            None => RawHit {
                parts: vec![part],
                lost_rest: false,
            },
        };
        // a continuation whose beginning is lost cannot be read
        let orphan = hit.parts.first().is_some_and(|p| p.head.part != 0);
        if orphan {
            return done;
        }
        if more && self.pending.len() < MOST_PENDING {
            self.pending.insert(thread, hit);
        } else {
            done.push(RawHit {
                lost_rest: more,
                ..hit
            });
        }
        done
    }

    /// What is still waiting for a further entry.
    pub fn finish(&mut self) -> Vec<RawHit> {
        let mut rest: Vec<RawHit> = self
            .pending
            .drain()
            .map(|(_, hit)| RawHit {
                lost_rest: true,
                ..hit
            })
            .collect();
        rest.sort_by_key(|h| h.parts.first().map_or(0, |p| p.head.ktime));
        rest
    }
}
